"""`underpaint erase`: take a property out of activations, and say what the picture loses."""

from itertools import pairwise
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from ..core.errors import EditError
from ..core.files import held
from ..core.properties import PROPERTIES
from ..labelers import labelers_for
from ..runs import runs
from ..steering.erasure import Erasing, erase_all, summarise_erasures
from ..steering.setups import open_setup
from ..study.folding import joint_columns
from .edit import namers_for, span_of
from .kept import two
from .moved import model_of
from .options import PATIENCE_S
from .progress import progress_bar


def erase(
    out: Path,
    names: tuple[str, ...],
    spans: tuple[str, ...],
    glob: str,
    split: str,
    limit: int | None,
    batch: int,
    seed: int,
    device: str,
    dtype: str,
) -> None:
    """Carry out `underpaint erase`, as its options say."""
    run = runs.find_run(out)
    settings = runs.read_settings(run)
    columns = _columns(settings)
    for name in names or ("depth",):
        if name not in columns:
            raise EditError(f"The run has no labels of {name!r}; it has {', '.join(columns)}.")
    ranges = [span_of(each, settings["steps"]) for each in spans] or _thirds(settings["steps"])
    runs.read_summary(run)  # there has to be one, before any time is spent
    prompts = runs.read_split(run, split)[:limit]

    model = model_of(settings, device=device, dtype=dtype)
    labelers = labelers_for(model, settings.get("labeled_by"))
    setup, glob = open_setup(run, model, labelers, glob=glob, batch=batch, namers=namers_for(model))
    whose = f"{limit} of {split}" if limit else split
    ways = [
        Erasing(name, whose, control, first, last, glob, seed)
        for name in names or ("depth",)
        for first, last in ranges
        for control in ("none", "random")
    ]
    with progress_bar() as bar:
        task = bar.add_task("erased pictures", total=len(prompts) * len(ways))
        rows = erase_all(
            setup,
            ways,
            prompts,
            columns,
            lambda _stage, done, _of: bar.update(task, completed=done),
        )
    with held(run.folder, patience_s=PATIENCE_S):
        entries = summarise_erasures(_keep(run, rows))
        runs.update_summary(run, {"erase": entries})
    _print(entries[-len(ways) // 2 :])


def _columns(settings: dict) -> dict[str, slice]:
    names = settings["properties"]
    every = joint_columns([PROPERTIES[name] for name in names])
    return {name: every[name] for name in names}


def _thirds(steps: int) -> list[tuple[int, int]]:
    ends = [round(steps * part / 3) for part in range(4)]
    return [(a, b - 1) for a, b in pairwise(ends) if b > a]


def _keep(run: runs.Run, rows: pd.DataFrame) -> pd.DataFrame:
    """Add rows to erasures.parquet, in place of those of the same erasures; return all."""
    path = run.folder / "erasures.parquet"
    if path.exists():
        kept = runs.read_table(path)
        names = list(Erasing.__dataclass_fields__)
        done = set(rows[names].itertuples(index=False, name=None))
        is_new = [key not in done for key in kept[names].itertuples(index=False, name=None)]
        rows = pd.concat([pd.DataFrame(kept[is_new]), rows], ignore_index=True)
    runs.write_table(path, rows)
    return rows


def _print(entries: list[dict]) -> None:
    measures = [name for name in entries[0] if name.startswith("same_")]
    for erased in dict.fromkeys(entry["property"] for entry in entries):
        table = Table(title=f"{erased} erased: how much less like the untouched picture's")
        for head in ("steps", "n", *(name.removeprefix("same_") for name in measures), "KID"):
            table.add_column(head)
        for entry in entries:
            if entry["property"] == erased:
                first, last = entry["steps"]
                lost = [_said(entry[name]["lost"]) for name in measures]
                kid = " / ".join(two(entry["kid"][each]["mean"]) for each in ("erased", "random"))
                table.add_row(f"{first}–{last}", str(entry["images"]), *lost, kid)
        Console().print(table)


def _said(found: dict) -> str:
    return f"{two(found['mean'])} ({two(found['low'])} … {two(found['high'])})"
