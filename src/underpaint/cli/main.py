"""The command line: what carries a command out is loaded when it is called, and help is at once."""

from importlib import import_module
from typing import Any

import click

from ..core.errors import UnderpaintError

COMMANDS = (
    "run",
    "show",
    "compare",
    "figure",
    "edit",
    "erase",
    "cross",
    "pick",
    "classify",
    "studio",
    "paper",
    "export",
    "serve",
    "share",
    "layers",
    "check-labeler",
    "presets",
    "bench",
    "train",
    "convert",
)
"""In the order in which help lists them; each has a module in `commands`."""


class Commands(click.Group):
    """One line on stderr and exit code 1 for our own errors; a full traceback for bugs."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UnderpaintError as error:
            raise click.ClickException(str(error)) from error


class NamedCommands(Commands):
    """Those of `COMMANDS`, each of which is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        return getattr(import_module(f"{__package__}.commands.{name}"), name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each with the whole first line of its help, where click would cut it short."""
        commands = {name: self.get_command(ctx, name) for name in COMMANDS}
        lines = {name: (each.help or "") for name, each in commands.items() if each}
        with formatter.section("Commands"):
            formatter.write_dl([(name, line.partition("\n")[0]) for name, line in lines.items()])


@click.group(cls=NamedCommands)
@click.version_option(package_name="underpaint")
def main() -> None:
    """See, measure and use the 3D scene in a diffusion model before the noisy picture shows it."""
