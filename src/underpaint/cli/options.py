"""Options that several commands of `cli` share."""

from collections.abc import Callable
from pathlib import Path

import click

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
