"""`underpaint compare`: finished runs of any models, side by side."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..core.errors import RunError
from ..core.numbers import UNKNOWN, fixed, number
from ..runs.folder import find_run, read_settings, read_summary, unfinished
from ..runs.tables import read_table
from ..scores.compare import compare as compared_runs
from ..scores.naming import metric_name
from ..scores.sides import Side


def compare(outs: tuple[Path, ...], as_json: bool, folder: Path | None) -> None:
    """Carry out `underpaint compare`, as its options say."""
    compared = compared_runs(read_sides(outs))
    if folder is not None:
        from ..figures.compare import draw_comparisons

        for path in draw_comparisons(compared, folder):
            click.echo(f"Figure: {path}", err=True)
    if as_json:
        click.echo(json.dumps(compared))
        return
    console = Console()
    for run in compared["runs"]:
        text = (
            f"{run['name']}: {run['model']}, {run['images']} test images, {run['layers']} layers, "
            f"guidance {run['guidance']:g}"
        )
        console.print(escape(text), soft_wrap=True)
    for name, found in compared["properties"].items():
        console.print(_scores(name, found, compared["runs"]))
        for place in range(len(outs) - 1):
            console.print(_differences(name, found, compared["runs"], place))
    console.print(_notes(compared), soft_wrap=True)


def read_sides(outs: Sequence[Path]) -> list[Side]:
    """Read what a comparison takes of finished runs.

    Raises:
        RunError: if one is given twice, or is not finished.
    """
    places = [out.resolve() for out in outs]
    if len(set(places)) < len(places):
        raise RunError("One run is given twice. Give folders of different runs.")
    return [_read(out, name) for out, name in zip(outs, _names(outs), strict=True)]


def _read(out: Path, name: str) -> Side:
    run = find_run(out)
    if (why := unfinished(run)) is not None:
        raise RunError(
            f"{out} is not finished, so there is nothing to compare yet: {why}. Go on with the "
            f"`underpaint run {out}` that began it."
        )
    return Side(name, read_settings(run), read_summary(run), read_table(run.scores))


def _names(outs: Sequence[Path]) -> list[str]:
    """Call runs by their folders' names, or by whole paths where two are named alike."""
    short = [out.resolve().name for out in outs]
    return short if len(set(short)) == len(short) else [str(out) for out in outs]


def _scores(name: str, found: Mapping[str, Any], runs_of: Sequence[Mapping[str, Any]]) -> Table:
    """Lay out what every source of every run scores at each level of noise."""
    title = f"{name}: {metric_name(found['metric'])} on test images at ln (noise / signal)"
    levels = [_signed(level) for level in found["levels"]]
    table = _empty(title, ("source", "run"), ("depth", *levels, "last step", "bar at"))
    for source, each in found["sources"].items():
        for run, row in zip(runs_of, each["runs"], strict=True):
            bar = row["bar"] or {"mean": None}
            means = [row["depth"], *(at["mean"] for at in row["by_level"]), row["final"]["mean"]]
            cells = [*map(number, means), number(bar["mean"])]
            table.add_row(escape(source), escape(run["name"]), *map(fixed, cells))
        table.add_section()
    return table


def _differences(
    name: str, found: Mapping[str, Any], runs_of: Sequence[Mapping[str, Any]], place: int
) -> Table:
    """Lay out how far one run is from the first, at the noisiest, middle and last level."""
    rows = {source: each["differences"][place] for source, each in found["sources"].items()}
    first = next(iter(rows.values()))
    kind = "shared, paired" if first["is_paired"] else "in all, not paired"
    title = (
        f"{name}: {runs_of[first['run']]['name']} − {runs_of[0]['name']}, "
        f"{first['prompts']} prompts {kind}"
    )
    chosen = sorted({0, len(found["levels"]) // 2, len(found["levels"]) - 1})
    levels = [f"at {_signed(found['levels'][at])}" for at in chosen]
    table = _empty(title, ("source",), (*levels, "bar earlier by"))
    for source, row in rows.items():
        cells = [_interval(row["by_level"][at]) for at in chosen]
        table.add_row(escape(source), *cells, _interval(row["earlier"]))
    return table


def _empty(title: str, words: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for head in words:
        table.add_column(head, overflow="fold")
    for head in numbers:
        table.add_column(head, justify="right")
    return table


def _signed(level: float) -> str:
    return f"{level:+.3g}".replace("-", "−") if level else "0"


def _interval(found: Mapping[str, Any] | None) -> str:
    if found is None or found["mean"] is None:
        return UNKNOWN
    mean, low, high = (fixed(number(found[part])) for part in ("mean", "low", "high"))
    return f"{mean}\n{low} … {high}"


def _notes(compared: Mapping[str, Any]) -> str:
    bars = [
        f"{fixed(each['bar'])} for {source} of {name}"
        for name, found in compared["properties"].items()
        for source, each in found["sources"].items()
        if source == "probe" and each["bar"] is not None
    ]
    return (
        "Depth: 0 is the layer that runs first, 1 the last. Intervals are of 95%, over prompts.\n"
        "Bar: one score for all runs, 90% of the lowest of their final ones, of `residual` where "
        f"there is one ({'; '.join(bars) or 'none'}). `bar at` is the most noise, as ln (noise / "
        "signal), from which on a source stays above it; `earlier` is by how much more noise."
    )
