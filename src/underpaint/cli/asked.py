"""What the words of `run` ask for, as nouns: checked before any model is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import RunError
from ..core.properties import PROPERTIES, Property, find_property
from ..runs import folder as runs
from ..study.presets import Preset


@dataclass(frozen=True)
class Asked:
    """What `run` was asked for: numbers in range, names that are known.

    Names are those of the options; `rivals_at` counts steps from 0. `batch` is None where the
    largest that fits is wanted, `recipe` where only ridge is. `parts` are those of `cut`, and
    `labeled_by` holds a preset's labelers too.
    """

    out: Path
    model_id: str
    prompts: Path | None
    count: int
    steps: int
    guidance: float | None
    batch: int | None
    budget: float | None
    scheduler: str | None
    resolution: int | None
    cut: str | None
    parts: tuple[int, int] | None
    glob: str
    properties: tuple[Property, ...]
    labeled_by: Mapping[str, str]
    label_cache: Path | None
    images: str | None
    recipe: str | None
    rivals_at: tuple[int, ...] | None
    classes: bool
    classifier: str | None
    seed: int
    engine: str
    workers: int | None
    quick: bool
    splits: int
    device: str
    dtype: str


def read_asked(*, preset: Preset | None, resume: bool, **words: Any) -> Asked:
    """Read the options of `run`.

    Raises:
        RunError: if one of them is out of range or names nothing, or a run that should go on is
            not there.
    """
    words["batch"] = _batch(words["batch"], words["out"])
    if words["splits"] == 1 or words["splits"] < 0:
        raise RunError(f"--splits is {words['splits']}. A spread needs at least 2; 0 takes none.")
    words["parts"] = _parts(words["cut"])
    words["rivals_at"] = _steps_of(words["rivals_at"], words["steps"])
    if resume:
        runs.find_run(words["out"])
    words["properties"] = properties_of(words["properties"])
    words["recipe"] = _recipe(words["recipe"], words["properties"])
    words["labeled_by"] = labelers_of(words["labeled_by"], words["properties"], preset)
    if preset is not None and words["prompts"] is None:
        raise RunError(
            f"--preset {preset.name} studies prompts of your own: give --prompts FILE.csv."
        )
    return Asked(**words)


def properties_of(names: str) -> tuple[Property, ...]:
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise RunError(f"--properties says nothing. Choose from {', '.join(PROPERTIES)}.")
    return tuple(dict.fromkeys(map(find_property, wanted)))


def _recipe(name: str, properties: tuple[Property, ...]) -> str | None:
    """Check `--recipe`; ridge, which every run fits, is None."""
    if name == "ridge":
        return None
    from ..probes.recipes import RECIPES, suits  # which need torch

    if name not in RECIPES:
        raise RunError(f"--recipe says {name!r}. Choose from ridge, {', '.join(RECIPES)}.")
    if not any(suits(name, each) for each in properties):
        kind = "masks" if name == "logistic" else "maps"
        raise RunError(f"--recipe {name} fits {kind}, and none is read. Add one, or choose paper.")
    return name


def labelers_of(
    text: str | None, properties: tuple[Property, ...], preset: Preset | None = None
) -> dict[str, str]:
    """Read `property=ID_OR_FOLDER,…`; what it leaves out is the preset's.

    Raises:
        RunError: if it says something else.
    """
    parts = [part.partition("=") for part in (text or "").split(",") if part.strip()]
    chosen = {name.strip(): source.strip() for name, _, source in parts}
    names = [each.name for each in properties]
    for name, source in chosen.items():
        if name not in names or not source:
            raise RunError(
                f"--labelers says {text!r}: write property=ID_OR_FOLDER, with a property that is "
                f"read here ({', '.join(names)})."
            )
    given = {name: each.pinned for name, each in preset.labelers.items()} if preset else {}
    both = {**given, **chosen}
    return {name: both[name] for name in names if name in both}


def _batch(text: str, out: Path) -> int | None:
    """Read --batch: a number, or None for auto; a run that is there keeps its own."""
    if text.strip() == "auto":
        here = runs.Run(out).settings
        found = runs.read_json(here) if here.exists() else {}
        batch = found.get("batch") if isinstance(found, dict) else None
        return batch if isinstance(batch, int) else None
    batch = int(text) if text.strip().isdecimal() else 0
    if batch < 1:
        raise RunError(f"--batch is {text!r}. Give a whole number of at least 1, or auto.")
    return batch


def _parts(text: str | None) -> tuple[int, int] | None:
    """Read TRAIN/TEST."""
    if text is None:
        return None
    train, _, test = text.partition("/")
    try:
        return int(train), int(test)
    except ValueError as error:
        raise RunError(f"--cut is {text!r}. Write TRAIN/TEST, such as 246/371.") from error


def _steps_of(text: str | None, steps: int) -> tuple[int, ...] | None:
    """Read --rivals-at: steps from 1, the last among them; every step where nothing is said."""
    if text is None:
        return None
    try:
        found = tuple(sorted({int(each) - 1 for each in text.split(",")}))
    except ValueError:
        found = ()
    if not found or found[0] < 0 or found[-1] != steps - 1:
        raise RunError(
            f"--rivals-at is {text!r}. Write steps from 1, such as 1,2,3,5,8,{steps}; the last, "
            f"{steps}, has to be among them."
        )
    return found if len(found) < steps else None
