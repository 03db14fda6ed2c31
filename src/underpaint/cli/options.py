"""Options that several commands of `cli` share."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..runs.folder import find_run

PATIENCE_S = 600.0
"""How long a command with results in hand waits for another that is writing to the run."""


class Finite(click.FloatRange):
    """A number in a range. Infinity and "nan" are in none, open as it may be."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a number, or refuse the option's value."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


COUNT = click.IntRange(min=1)
"""How many there are of something that cannot be missing."""

SEED = click.IntRange(0, 2**63 - 1)
"""What every generator of random numbers takes."""

ABOVE_ZERO = Finite(min=0, min_open=True)
GUIDANCE = Finite(min=0)


def together(*options: Callable) -> Callable:
    """Make one decorator of several options, in this order."""

    def decorate(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


OUT = click.argument("out", type=click.Path(path_type=Path))


def _be_there(_ctx: click.Context, _argument: click.Parameter, out: Path) -> Path:
    find_run(out)  # before anything is loaded
    return out


EXISTING = click.argument("out", type=click.Path(path_type=Path), callback=_be_there)
"""OUT of a run that is there."""
RUNNING = together(
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, mps."),
    click.option("--dtype", default="auto", show_default=True, help="auto, float32, …"),
)
SAMPLING = together(
    click.option("--scheduler", help="ddim, lms, euler or dpm++.  [default: the model's own]"),
    click.option("--resolution", type=COUNT, help="Pixels of a side.  [default: the model's own]"),
)

MOVED = "underpaint.moved"
"""Where click keeps what --model said, for `moved.model_of`."""


def _keep(ctx: click.Context, _option: click.Parameter, name: str | None) -> None:
    ctx.meta[MOVED] = name


MODEL = click.option(
    "--model",
    callback=_keep,
    expose_value=False,
    help="Id or folder, where it has moved.  [default: the run's]",
)
OF_RUN = together(MODEL, RUNNING)
"""Options of commands that load the model of a run."""

PROMPTS = click.option(
    "--prompts",
    default=12,
    show_default=True,
    type=click.IntRange(min=0),
    help="How many test prompts get maps of every step and layer. 0 needs no model.",
)
PAINT = click.option(
    "--paint/--no-paint",
    default=True,
    show_default=True,
    help="Add the model itself, to paint with in a browser; not with --prompts 0.",
)
