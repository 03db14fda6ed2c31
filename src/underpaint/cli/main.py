"""The command line: a command parses, calls one function, prints."""

from typing import Any

import click

from ..core.errors import UnderpaintError
from .bench import bench
from .classify import classify
from .convert import convert
from .edit import edit
from .layers import layers
from .pick import pick
from .presets import presets
from .run import run
from .share import share
from .show import figure, show
from .site import export, serve
from .studio import studio
from .train import train


class Commands(click.Group):
    """One line on stderr and exit code 1 for our own errors; a full traceback for bugs."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UnderpaintError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Commands)
@click.version_option(package_name="underpaint")
def main() -> None:
    """See, measure and use the 3D scene inside a diffusion model before any eye can."""


for command in (
    run,
    layers,
    bench,
    train,
    show,
    figure,
    classify,
    edit,
    pick,
    studio,
    export,
    serve,
    presets,
    convert,
    share,
):
    main.add_command(command)
