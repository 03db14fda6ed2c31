"""`underpaint presets`: what --preset means, as data."""

import json
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ..study.presets import Preset, Source, preset_names, read_preset


def presets(name: str | None, as_json: bool) -> None:
    """Carry out `underpaint presets`, as its options say."""
    found = [read_preset(each) for each in ([name] if name else preset_names())]
    if as_json:
        click.echo(json.dumps({each.name: _as_json(each) for each in found}))
        return
    if name:
        click.echo(found[0].text, nl=False)
        return
    _print_side_by_side(found)


def _print_side_by_side(found: list[Preset]) -> None:
    table = Table("", *(each.name for each in found), show_lines=True)
    rows = [_rows(each) for each in found]
    for name in dict.fromkeys(name for row in rows for name in row):
        table.add_row(name, *(row.get(name, "–") for row in rows))
    Console().print(table)


def _rows(preset: Preset) -> dict[str, str]:
    sources = {"model": preset.model, **preset.labelers}
    if preset.classifier is not None:
        sources["class"] = preset.classifier
    numbers = {
        name: ", ".join(value) if isinstance(value, list) else str(value)
        for name, value in preset.numbers.items()
    }
    return {
        "about": preset.about,
        **{name: f"{_short(each)}\n{each.licence}" for name, each in sources.items()},
        **numbers,
    }


def _short(source: Source) -> str:
    name, _, revision = source.pinned.partition("@")
    return f"{name}\n@{revision[:8]}…" if revision else name


def _as_json(preset: Preset) -> dict[str, Any]:
    return {key: value for key, value in asdict(preset).items() if key not in ("name", "text")}
