"""`underpaint check-labeler`: what a labeler says of pictures whose answers are known."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ..core.numbers import or_null
from ..figures.said import draw_said
from ..labelers import Labeler, unchecked
from ..labelers.photographs import (
    CHANGES,
    STEADY,
    Said,
    directions,
    look,
    published,
    read_pictures,
    scene,
    steadiness,
)
from ..models import Model
from ..models.loading import find_device

NO_PHOTOGRAPHS = (
    "Without scikit-image there is the built-in check scene alone, on which wrong scaling does not "
    'show: pip install "underpaint[photographs]", or give --pictures FOLDER.'
)

_UNSTEADY = "NOT steady: pixels scaled wrongly, or no labeler of photographs"


def check_labeler(
    property: str,
    source: str,
    out: Path | None,
    pictures: Path | None,
    device: str,
    as_json: bool,
) -> None:
    """Carry out `underpaint check-labeler`, as its options say."""
    place = find_device(device)
    labeler = unchecked(property, source, place)
    own = read_pictures(pictures) if pictures else published()
    if not own:
        click.echo(NO_PHOTOGRAPHS, err=True)
    said = [look(labeler, property, each, place) for each in (scene(), *own)]
    verdict = judge(said)
    path = (out or Path()) / "labeler.png"
    draw_said(said, property, title=f"{property} by {labeler.name}", path=path)
    if as_json:
        click.echo(json.dumps({"pictures": [row_of(each) for each in said], **asdict(verdict)}))
        return
    _print(labeler, said, verdict)
    click.echo(f"Picture: {path}")


@dataclass(frozen=True)
class Verdict:
    """What pictures say of a labeler: agreement is of photographs; direction of what is known."""

    steadiness: float | None
    is_steady: bool | None
    direction: float | None


def judge(said: list[Said]) -> Verdict:
    """Sum up; the check scene's agreement is left out, for wrong scaling does not show there."""
    steady = or_null(steadiness([each for each in said if each.photograph.name != scene().name]))
    return Verdict(steady, None if steady is None else steady >= STEADY, or_null(directions(said)))


def warn_of_scaling(labeler: Labeler, property: str, model: Model) -> None:
    """Say on stderr what one photograph shows of a labeler, before a study is made with it."""
    found = published(("coffee",), size=model.resolution)
    if not found:
        click.echo(f"Labeler {labeler.name} saw the check scene alone. {NO_PHOTOGRAPHS}", err=True)
    steady = steadiness([look(labeler, property, each, model.device) for each in found])
    if steady < STEADY:
        click.echo(
            f"Labeler {labeler.name} agrees with itself at {steady:.2f} only where a photograph is "
            f"darker, brighter or flatter; {STEADY} is asked. Its pixels may be scaled wrongly: "
            f"see `underpaint check-labeler {property} {labeler.name}`.",
            err=True,
        )


def row_of(said: Said) -> dict[str, str | float | None]:
    """Give a picture's row of the table, for programs."""
    return {
        "picture": said.photograph.name,
        "foreground": or_null(said.foreground),
        "rank": or_null(said.rank),
        **{name: or_null(said.agreement[name]) for name in CHANGES},
    }


def _print(labeler: Labeler, said: list[Said], verdict: Verdict) -> None:
    table = Table("picture", "foreground", "rank with what is known", *CHANGES)
    for each in said:
        name, *values = row_of(each).values()
        table.add_row(str(name), *("–" if x is None else f"{x:.3f}" for x in values))
    Console().print(table)
    if verdict.direction is not None:
        way = "near or foreground is high" if verdict.direction > 0 else "the WRONG WAY ROUND"
        click.echo(f"Direction: {way} (mean rank correlation {verdict.direction:.2f}).")
    if verdict.steadiness is not None:
        line = "steady" if verdict.is_steady else _UNSTEADY
        click.echo(
            f"Under other light: {line} (least {verdict.steadiness:.3f}; {STEADY} is asked)."
        )
    click.echo(f"Licence: {labeler.licence}.")
