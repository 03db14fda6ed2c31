"""Options that several commands of `cli` share."""

from collections.abc import Callable
from pathlib import Path

import click

from ..runs.folder import find_run

PATIENCE_S = 600.0
"""How long a command with results in hand waits for another that is writing to the run."""


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
    click.option("--resolution", type=int, help="Pixels of a side.  [default: the model's own]"),
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
