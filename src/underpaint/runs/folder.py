"""A run's folder: what each file is called, and those that a person reads too: JSON and CSV.

Nothing here needs tensors or tables, so a command that only shows numbers starts at once; those
are in `runs`.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import PromptError, RunError
from ..core.files import (
    LOCK,
    held,
    is_whole,
    read_bytes,
    read_json_file,
    write_file,
    writing,
)
from ..core.prompts import Prompt
from ..core.properties import PROPERTIES, find_property
from ..core.schemas import LATER, SETTINGS, SUMMARY, misfit

SCHEMA = 1
_BESIDE = ("made_with", "sources")
"""What run.json keeps beside the settings: a run goes on where it differs."""


@dataclass(frozen=True)
class Run:
    """A folder of results. Paths are fixed; what is not there yet has not been done yet."""

    folder: Path

    @property
    def settings(self) -> Path:
        """What was asked for and of what: run.json."""
        return self.folder / "run.json"

    @property
    def moments(self) -> Path:
        """Sums of the training pictures."""
        return self.folder / "moments.safetensors"

    @property
    def probes(self) -> Path:
        """Fitted probes with their thresholds."""
        return self.folder / "probes.safetensors"

    @property
    def scores(self) -> Path:
        """Every score of every source on every held-out picture."""
        return self.folder / "scores.parquet"

    @property
    def edits(self) -> Path:
        """Every score of every edited picture."""
        return self.folder / "edits.parquet"

    @property
    def picks(self) -> Path:
        """Folder of pictures that `underpaint pick` kept."""
        return self.folder / "picks"

    @property
    def classes(self) -> Path:
        """Every score of recognition on every held-out picture."""
        return self.folder / "classes.parquet"

    @property
    def probabilities(self) -> Path:
        """What the class network makes of every test picture at every step."""
        return self.folder / "probabilities.parquet"

    @property
    def pooled(self) -> Path:
        """Folder of what class probes and class networks need of every picture."""
        return self.folder / "pooled"

    @property
    def shown(self) -> Path:
        """Folder of all that is shown of a few test pictures: figures and sites are drawn of it."""
        return self.folder / "shown"

    @property
    def summary(self) -> Path:
        """What `underpaint show --json` prints."""
        return self.folder / "summary.json"

    @property
    def shards(self) -> Path:
        """Folder of what a run that is not finished has done so far."""
        return self.folder / "shards"

    @property
    def figures(self) -> Path:
        """Folder of pictures."""
        return self.folder / "figures"


def open_run(
    folder: Path,
    settings: Mapping[str, Any],
    made_with: Mapping[str, str] | None = None,
    *,
    sources: Sequence[str] = (),
) -> Run:
    """Begin a run in a folder, or go on with the one that is there if it was asked for the same.

    A run that was begun and stopped before anything came of it makes room for another.

    Args:
        folder: Made if it is not there.
        settings: What the numbers follow from. Two runs that differ here are never mixed.
        made_with: What is kept beside them but need not be the same, such as versions.
        sources: Which sources of scores there are, kept beside them too.

    Raises:
        RunError: if the folder holds another run or something that is no run, a link leads out of
            it, its run.json cannot be read, or another process is writing it.
    """
    run = Run(folder)
    wanted = _as_kept(settings)
    if folder.exists() and not (folder.is_dir() and _is_ours(folder)):
        raise RunError(f"{folder} is in use and holds no run. Choose another folder.")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    _refuse_links(folder)
    with held(folder):
        is_same = run.settings.exists() and _difference(run, wanted) is None
        if run.settings.exists() and not is_same and not _is_bare(folder):
            confirm_run(run, settings)
        elif not is_same:
            beside = {"made_with": dict(made_with or {}), "sources": list(sources)}
            write_json(run.settings, {**wanted, **beside})
    return run


def confirm_run(run: Run, settings: Mapping[str, Any]) -> None:
    """Make sure that a folder is still the run of these settings, once nobody else can write it.

    Raises:
        RunError: if it is another's, or its run.json cannot be read.
    """
    wanted = _as_kept(settings)
    if differs := _difference(run, wanted):
        name, theirs = differs
        raise RunError(
            f"{run.folder} holds another run: its {name} is {theirs!r}, not "
            f"{wanted.get(name)!r}. Choose another folder."
        )


def _as_kept(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Say settings as run.json gives them back."""
    return json.loads(json.dumps({"schema": SCHEMA, **settings}))


def _is_bare(folder: Path) -> bool:
    """Tell whether nothing has come of a run: nothing is there but what was asked for."""
    names = {each.name for each in folder.rglob("*") if not each.is_dir()}
    return names <= {LOCK, "run.json", "run.json.part", "prompts.csv", "prompts.csv.part"}


def _is_ours(folder: Path) -> bool:
    # A run that was killed at once may leave its lock alone.
    names = {each.name for each in folder.iterdir()}
    return "run.json" in names or names <= {LOCK, "run.json.part"}


def _difference(run: Run, wanted: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Name the first setting in which a run is another than is wanted, and say what it has."""
    try:
        found = read_json_file(run.settings)
        found = {name: value for name, value in found.items() if name not in _BESIDE}
    except (OSError, ValueError, AttributeError) as error:
        raise RunError(
            f"{run.settings} is damaged ({error}), so nothing says what {run.folder} holds. "
            "Choose another folder, or delete this one."
        ) from error
    # Runs from before recorded every labeler that was loaded, whether it read anything or not.
    if isinstance(theirs := found.get("labelers"), dict):
        found["labelers"] = {k: v for k, v in theirs.items() if k in wanted.get("labelers", {})}
    # Nor had they a configuration.
    for name in LATER:
        found.setdefault(name, wanted.get(name))
    if differing := sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k)):
        return differing[0], found.get(differing[0])
    return None


def is_done(run: Run) -> bool:
    """Tell whether a run has come to its end, and its files are still what was written."""
    return unfinished(run) is None


def unfinished(run: Run) -> str | None:
    """Say why a run is not done: the first of its files that is missing or damaged, or None."""
    try:
        summary = read_json_file(run.summary)
    except (OSError, ValueError):
        summary = None
    if not (isinstance(summary, dict) and {"properties", "cost"} <= set(summary)):
        return f"its {run.summary.name} is missing, damaged or not written to its end"
    for path in (run.moments, run.probes, run.scores):
        if not is_whole(path):
            return f"its {path.name} is missing or damaged"
    try:
        read_split(run, "test")
    except RunError:
        return "its prompts.csv is missing or damaged"
    return None


def has_classes(run: Run) -> bool:
    """Tell whether classes were asked for, and what was found is there."""
    try:
        found = read_json_file(run.summary)
    except (OSError, ValueError):
        return False
    is_said = isinstance(found, dict) and "classify" in found
    return is_said and run.classes.is_file() and run.probabilities.is_file()


def find_run(folder: str | Path) -> Run:
    """Open a run that is there.

    Examples:
        >>> run = up.find_run(OUT)
        >>> run.summary.name
        'summary.json'

    Raises:
        RunError: if there is none.
    """
    run = Run(Path(folder))
    if not run.settings.exists():
        raise RunError(
            f"{folder} holds no run: it has no run.json. Make one with `underpaint run`."
        )
    _refuse_links(run.folder)
    return run


def _refuse_links(folder: Path) -> None:
    """Refuse a folder whose entries lead out of it: what we write would land elsewhere."""
    home = folder.resolve()
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink() and not entry.resolve().is_relative_to(home):
            raise RunError(
                f"{entry} is a link that leads out of the run, to {entry.resolve()}. Nothing is "
                "read or written there: put the files themselves in its place."
            )


def read_settings(run: Run) -> dict[str, Any]:
    """Read what a run was asked for, so far as other commands go by it.

    Raises:
        RunError: if it is not there, or is not what `underpaint run` writes.
    """
    settings = _read_shaped(run.settings, SETTINGS)
    for name, kind in settings.get("own_properties", {}).items():
        find_property(f"{name}:{kind}")
    if unknown := [name for name in settings["properties"] if name not in PROPERTIES]:
        raise RunError(
            f"{run.settings} is damaged: {unknown[0]!r} is no property. Run `underpaint run` again."
        )
    return settings


def read_summary(run: Run) -> dict[str, Any]:
    """Read what `underpaint show --json` prints: every score, with intervals.

    Examples:
        >>> found = up.read_summary(up.find_run(OUT))["properties"]["saliency"]
        >>> found["metric"], len(found["sources"]["probe"]["by_step"])
        ('dice', 2)

    Raises:
        RunError: if the run is not finished, or it is not what `underpaint run` writes.
    """
    if not run.summary.exists():
        raise RunError(
            f"{run.folder} is not finished: it has no summary.json yet. Go on with the `underpaint "
            f"run {run.folder}` that began it."
        )
    return _read_shaped(run.summary, SUMMARY)


def _read_shaped(path: Path, shape: Mapping[str, Any]) -> dict[str, Any]:
    value = read_json(path)
    if (wrong := misfit(value, shape)) is not None:
        raise RunError(f"{path} is damaged: {wrong}. Run `underpaint run` again.")
    return value


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people to read too."""
    write_file(path, lambda part: part.write_text(json.dumps(value, indent=1) + "\n"))


def update_summary(run: Run, entries: Mapping[str, Any]) -> dict[str, Any]:
    """Put entries into summary.json and leave what other commands wrote there; return all of it.

    A summary that cannot be read is begun anew.
    """
    try:
        found = read_json_file(run.summary)
    except (OSError, ValueError):
        found = {}
    summary = {**(found if isinstance(found, dict) else {}), **entries}
    write_json(run.summary, summary)
    return summary


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        RunError: if it is not there or not JSON.
    """
    try:
        return read_json_file(path)
    except (OSError, ValueError) as error:
        raise RunError(f"Cannot read {path} ({error}). Run `underpaint run` again.") from error


def write_prompts(run: Run, parts: Mapping[str, Sequence[Prompt]]) -> None:
    """Write every prompt with the split it is in, to prompts.csv."""

    def write(path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            is_marked = any(p.read_as is not None for part in parts.values() for p in part)
            more = ["read_as"] if is_marked else []
            rows.writerow(["prompts", "seeds", "prompt_inds", "split", *more])
            for split, prompts in parts.items():
                for p in prompts:
                    marks = [p.read_as] if is_marked else []
                    rows.writerow([p.text, p.seed, p.index, split, *marks])

    write_file(run.folder / "prompts.csv", write)


def read_split(run: Run, split: str) -> tuple[Prompt, ...]:
    """Read one split's prompts back, in order.

    Raises:
        RunError: if they cannot be read, or are not as many in any split as summary.json counts.
    """
    try:
        text = read_bytes(run.folder / "prompts.csv").decode("utf-8")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        # A table that was cut short at the end of a row looks whole.
        _refuse_other_counts(run, Counter(row["split"] for row in rows))
        return tuple(
            Prompt(
                row["prompts"] or "",
                int(row["seeds"] or ""),
                int(row["prompt_inds"] or 0),
                row.get("read_as") or None,
            )
            for row in rows
            if row["split"] == split
        )
    except (OSError, KeyError, ValueError, PromptError, csv.Error) as error:
        raise RunError(f"Cannot read prompts.csv of {run.folder} ({error}). Run again.") from error


def _refuse_other_counts(run: Run, counts: Mapping[str, int]) -> None:
    """Refuse a table of prompts that is not as long as a finished run says that it was."""
    try:
        counted = read_json_file(run.summary)["images"]
        expected = {part: int(counted[part]) for part in ("train", "validation", "test")}
    except (OSError, ValueError, KeyError, TypeError):
        return  # not finished, or its summary is damaged: who reads that says so
    for part, count in expected.items():
        if counts.get(part, 0) != count:
            raise ValueError(f"it has {counts.get(part, 0)} prompts for {part}, not {count}")


def find_prompt(run: Run, index: int | None = None) -> Prompt:
    """Find a prompt of a run by its index; without one, the first of those for testing.

    Raises:
        PromptError: if there is none.
    """
    known = [p for part in ("test", "validation", "train") for p in read_split(run, part)]
    found = next((p for p in known if index is None or p.index == index), None)
    if found is None:
        raise PromptError(f"No prompt has index {index}; there are {len(known)} in prompts.csv.")
    return found
