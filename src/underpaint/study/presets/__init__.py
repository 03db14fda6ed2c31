"""Whole studies as data: model, labelers and numbers, in TOML files that a user can change."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import RunError
from ...core.properties import PROPERTIES

_FOLDER = Path(__file__).parent
_PARTS = ("about", "run", "model", "labelers", "classifier")
_KINDS = {
    "scheduler": str,
    "resolution": int,
    "steps": int,
    "guidance": float,
    "count": int,
    "cut": str,
    "batch": str,
    "properties": list,
}


@dataclass(frozen=True)
class Source:
    """Where weights come from: a hub id with its revision, or a folder, and their licence."""

    id: str
    revision: str
    licence: str

    @property
    def pinned(self) -> str:
        """Write it as on the command line: id@revision, or the id alone where it has none."""
        is_hub_id = "/" in self.id and not Path(self.id).expanduser().exists()
        return f"{self.id}@{self.revision}" if self.revision and is_hub_id else self.id


@dataclass(frozen=True)
class Preset:
    """One study: what `underpaint run --preset` takes where nothing else is said.

    Args:
        name: Of a file in this package, or the path of another.
        about: What it is, in one line.
        numbers: Options of `run` by name.
        model: The generator.
        labelers: By property.
        classifier: What `underpaint classify` asks.
        text: The file itself.
    """

    name: str
    about: str
    numbers: Mapping[str, Any]
    model: Source
    labelers: Mapping[str, Source]
    classifier: Source | None
    text: str


def preset_names() -> tuple[str, ...]:
    """List the presets of this package."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def read_preset(name: str) -> Preset:
    """Read a preset by its name, or one of the user's own by its path.

    Raises:
        RunError: if there is none, or it does not say what a preset says.
    """
    own = Path(name).expanduser()
    path = _FOLDER / f"{name}.toml" if name in preset_names() else own
    try:
        text = path.read_text(encoding="utf-8")
        found = tomllib.loads(text)
    except OSError as error:
        raise RunError(
            f"No preset {name!r}: choose from {', '.join(preset_names())}, or give a TOML file "
            "such as `underpaint presets paper` prints."
        ) from error
    except ValueError as error:
        raise RunError(f"{name} is not valid TOML ({error}). Mend it.") from error
    try:
        return _preset(name, found, text)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"{name} is no preset: {error}. `underpaint presets paper` prints what one says."
        ) from error


def _preset(name: str, found: Mapping[str, Any], text: str) -> Preset:
    if unknown := sorted(set(found) - set(_PARTS)):
        raise ValueError(f"it says {unknown[0]!r}")
    numbers = {key: _number(key, value) for key, value in found.get("run", {}).items()}
    labelers = {key: _source(value) for key, value in found.get("labelers", {}).items()}
    if unknown := sorted({*labelers, *numbers.get("properties", ())} - set(PROPERTIES)):
        raise ValueError(f"{unknown[0]!r} is no property")
    return Preset(
        name=name,
        about=str(found.get("about", "")),
        numbers=numbers,
        model=_source(found["model"]),
        labelers=labelers,
        classifier=_source(found["classifier"]) if "classifier" in found else None,
        text=text,
    )


def _number(key: str, value: Any) -> Any:
    if key not in _KINDS:
        raise ValueError(f"its run says {key!r}")
    kind = (int, float) if _KINDS[key] is float else _KINDS[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"its run says {key} = {value!r}")
    return value


def _source(found: Mapping[str, Any]) -> Source:
    if unknown := sorted(set(found) - {"id", "revision", "licence"}):
        raise ValueError(f"a source says {unknown[0]!r}")
    if not isinstance(found["id"], str) or not found["id"]:
        raise ValueError(f"a source has the id {found['id']!r}")
    return Source(found["id"], str(found.get("revision", "")), str(found.get("licence", "")))
