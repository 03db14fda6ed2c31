"""Work beside the work: pieces that are done in their order while the next batch is generated."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import torch

from .costs import CPU, Seconds, total
from .occupancy import Occupancy

Piece = Callable[[], Seconds]
"""Work that gives the seconds of its parts."""


class Lane:
    """Does pieces one after another, in the order of the calls: here at once, or on a thread.

    One thread at a time may call it. An error of a piece is raised as itself by the next call or by
    `drain`; the pieces after it are not begun.
    """

    def __init__(
        self,
        thread: ThreadPoolExecutor | None = None,
        ahead: int = 0,
        device: torch.device = CPU,
        watch: Occupancy | None = None,
    ) -> None:
        self._thread, self._ahead, self._failed = thread, ahead, False
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        if self._stream is not None and watch is not None:
            watch.add(self._stream)
        self._waiting: deque[Future[Seconds]] = deque()
        self._done: list[Seconds] = []

    def __call__(self, piece: Piece) -> None:
        """Hand a piece over. Waits while more pieces than `ahead` are not finished."""
        if self._thread is None:
            self._done.append(piece())
            return
        self._waiting.append(self._thread.submit(self._do, piece))
        self._finish(self._ahead)

    def drain(self) -> None:
        """Wait for everything that was handed over."""
        self._finish(0)

    @property
    def seconds(self) -> dict[str, float]:
        """Give the seconds of all finished pieces."""
        return total(self._done)

    def _finish(self, left: int) -> None:
        while len(self._waiting) > left:
            self._done.append(self._waiting.popleft().result())

    def _do(self, piece: Piece) -> Seconds:
        if self._failed:
            return {}
        try:
            # A stream of its own, or each copy to main memory would wait for the generator's work.
            # What pieces are given is finished (see `timed`), and so is what they leave.
            with torch.cuda.stream(self._stream) if self._stream else nullcontext():
                return piece()
        except BaseException:
            self._failed = True
            raise


@contextmanager
def lane(
    *, ahead: int, device: torch.device = CPU, watch: Occupancy | None = None
) -> Iterator[Lane]:
    """Open a lane; on leaving, everything that was handed over is done.

    If the block fails, the piece in progress is finished and the others are dropped.

    Args:
        ahead: How many pieces may be unfinished; 0 does each at once, in the calling thread.
        device: Where they compute.
        watch: Sees that they do.
    """
    if not ahead:
        yield Lane()
        return
    thread = ThreadPoolExecutor(1, thread_name_prefix="underpaint")
    try:
        opened = Lane(thread, ahead, device, watch)
        yield opened
        opened.drain()
    finally:
        thread.shutdown(wait=True, cancel_futures=True)
