"""`underpaint show`: a run's table."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..core.numbers import fixed, number
from ..runs.folder import find_run, read_summary
from ..scores.naming import metric_name
from ..scores.sentences import gap_words, headline, shares_told, spread_told, step_words


def show(out: Path, as_json: bool) -> None:
    """Carry out `underpaint show`, as its options say."""
    summary = read_summary(find_run(out))
    if as_json:
        click.echo(json.dumps(summary))
        return
    console = Console(highlight=False)  # or it colours the 3.2 of up.3.2
    for name, found in summary["properties"].items():
        console.print(escape(headline(name, found, summary.get("noise"))))
        console.print(_sources_table(name, found))
        if gaps := gap_words(found):
            console.print(f"  {gaps}")
        for line in _differences(found, summary.get("beyond")):
            console.print(line)
        if crossed := summary.get("cross", {}).get("properties", {}).get(name):
            console.print(escape(f"  {shares_told(crossed, found['best_layer'])}"))
        splits = summary.get("splits", {"count": 0, "properties": {}})
        if again := splits["properties"].get(name):
            told = spread_told(found, again, splits["count"])
            console.print(escape(f"  {told}"))
        console.print()
    if "classify" in summary:
        print_classes(console, summary["classify"])
    cost = summary["cost"]
    console.print(
        f"{cost['seconds']:.0f} s in all, {cost['seconds_generation']:.0f} s of it generation; "
        f"{cost['peak_rss_mb']:.0f} MB at most."
    )


def _sources_table(name: str, found: Mapping[str, Any]) -> Table:
    """Lay out every source's scores, when it has 90% of its own end, and when it is at the bar."""
    metric = metric_name(found["metric"])
    title = escape(f"{name}: {metric} on test images, probe at {found['best_layer']}")
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("source", no_wrap=True)
    for head in ("step 1", "step 3", "last step (95%)", "own 90%", "at bar"):
        table.add_column(head, justify="right", no_wrap=True)
    for source, each in found["sources"].items():
        by_step, final = each["by_step"], each["final"]
        table.add_row(
            escape(source),
            *(fixed(number(by_step[min(at, len(by_step) - 1)]["mean"])) for at in (0, 2)),
            f"{fixed(number(final['mean']))} "
            f"({fixed(number(final['low']))}–{fixed(number(final['high']))})",
            step_words(each["onset"], len(by_step), "–"),
            step_words(each.get("reached"), len(by_step), "–"),
        )
    return table


def _differences(found: Mapping[str, Any], known: Mapping[str, Any] | None) -> Iterator[str]:
    """Say what words add, and what layers add to x̂₀, at the first and third step and the last."""
    lines = {}
    if halves := found.get("halves"):
        lines[f"conditional less unconditional half, at {halves['layer']}"] = halves
    if known is not None and (beyond := found["sources"].get("beyond")):
        labeler = f" and the labeler's maps of it in {known['labeler']}×{known['labeler']}"
        reader = f"x̂₀ in {known['latents']}×{known['latents']} cells"
        lines[f"beyond {reader}{labeler if known['labeler'] else ''}, {beyond['layer']}"] = beyond
    for what, each in lines.items():
        steps = each["by_step"]
        shown = {f"step {n}": steps[n - 1] for n in (1, 3) if n < len(steps)} | {
            "last": each["final"]
        }
        yield escape(
            f"  {what}: "
            + "; ".join(
                f"{step} {fixed(number(at['mean']))} "
                f"({fixed(number(at.get('low')))} … {fixed(number(at.get('high')))})"
                for step, at in shown.items()
            )
        )


def print_classes(console: Console, found: Mapping[str, Any]) -> None:
    """Print the `classify` part of a summary as a table."""
    title = (
        f"class: top-1 of {len(found['classes'])} on test images, named by {escape(found['namer'])}"
    )
    table = Table(title=title, title_justify="left")
    heads = ("source", "layer", "chance", "step 1", "step 3", "last step", "95% interval", "stays")
    for head in heads:
        table.add_column(head, justify="left" if head in ("source", "layer") else "right")
    for source, each in found["sources"].items():
        by_step, final, stays = each["by_step"], each["final"], each["stays"]
        table.add_row(
            escape(source),
            escape(each["layer"] or "–"),
            fixed(number(each["chance"]["mean"])),
            *(fixed(number(by_step[min(at, len(by_step) - 1)]["mean"])) for at in (0, 2)),
            fixed(number(final["mean"])),
            f"{fixed(number(final['low']))} … {fixed(number(final['high']))}",
            "–" if stays["median"] is None else f"{stays['median']:g}",
        )
    console.print(table)
    console.print(
        "stays: median step from which the true class is top-1 to the end, where it is at the end. "
        f"{found['left_out']} prompts name no class, or several."
    )
