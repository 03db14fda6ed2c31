"""Show a site on this machine alone. Any web host serves the same files: this one is for looking.

A page of another origin may send requests here under a name of its own that leads to loopback; the
Host header tells, and such requests are refused.
"""

import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ..core.errors import RunError

LOOPBACK = "127.0.0.1"
PACKED = ".gz"
"""What a file's compressed copy adds to its name, as web servers expect it."""
HOSTS = ("127.0.0.1", "localhost")
ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
"""Isolated pages may share memory between threads: the paint view then runs on several."""


class _Files(SimpleHTTPRequestHandler):
    """Serve files below one folder, to those who ask for them by a name of loopback."""

    # What the system's own table says of these differs between machines.
    extensions_map = {  # noqa: RUF012
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".json": "application/json",
        ".webp": "image/webp",
        ".svg": "image/svg+xml",
        ".parquet": "application/vnd.apache.parquet",
    }

    def send_head(self) -> Any:
        if self.headers.get("Host", "").rsplit(":", 1)[0] not in HOSTS:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "Ask for localhost")
            return None
        if not Path(self.translate_path(self.path)).resolve().is_relative_to(self._home):
            self.send_error(HTTPStatus.NOT_FOUND)  # a link that leads out of the site
            return None
        return self._send_packed() or super().send_head()

    def _send_packed(self) -> Any:
        """Send the compressed copy that `export` left beside a file, to those who can read it."""
        path = Path(self.translate_path(self.path))
        if path.is_dir() and self.path.split("?")[0].endswith("/"):
            path = path / "index.html"
        packed = path.with_name(path.name + PACKED)
        said = self.headers.get("Accept-Encoding", "")
        accepted = [each.split(";")[0].strip() for each in said.split(",")]
        if "gzip" not in accepted or not packed.is_file() or packed.is_symlink():
            return None
        if not path.is_file() or packed.stat().st_mtime < path.stat().st_mtime:
            return None  # a file that was changed since is sent as it is
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(packed.stat().st_size))
        self.send_header("Vary", "Accept-Encoding")
        self.end_headers()
        return packed.open("rb")

    @property
    def _home(self) -> Path:
        return Path(self.directory).resolve()

    def list_directory(self, path: Any) -> Any:
        self.send_error(HTTPStatus.NOT_FOUND)
        return None

    def end_headers(self) -> None:
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-cache")
        for name, value in ISOLATED.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal is for what the user asked."""


class _Server(ThreadingHTTPServer):
    """A browser that leaves while a file is on its way is no error."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def server_for(site: Path, *, port: int) -> ThreadingHTTPServer:
    """Bind a server of a site to loopback; the caller runs and closes it.

    Args:
        site: The folder that `export` wrote.
        port: 0 takes any free one; `server.server_port` says which.

    Raises:
        RunError: if the port cannot be bound.
    """
    try:
        return _Server((LOOPBACK, port), partial(_Files, directory=str(site)))
    except (OSError, OverflowError) as error:
        raise RunError(
            f"Cannot listen on port {port} ({error}). Choose another with --port."
        ) from error
