"""The command line: each command is loaded when it is called, so that help answers at once."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from ..core.errors import UnderpaintError

COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("run", "Do the whole study and write it to the folder OUT."),
    "show": ("show", "Print how early, how well and where each property can be read."),
    "compare": (
        "compare",
        "Compare finished runs at equal noise, by depth of layer and by source.",
    ),
    "figure": ("figure", "Draw the steps x rows picture for one prompt."),
    "edit": (
        "edit",
        "Move, scale, paint or relight the object in pictures of the run OUT, and score the edit.",
    ),
    "erase": (
        "erase",
        "Erase what is linear of a property from activations, and say what the picture loses.",
    ),
    "cross": (
        "cross",
        "Draw captions of the run OUT from each other's noise, and say what readings owe to which.",
    ),
    "pick": (
        "pick",
        "Find seeds whose pictures have the wanted layout, by what the first steps show.",
    ),
    "classify": ("classify", "Ask at each step which class the pictures of the run OUT will show."),
    "studio": (
        "studio",
        "Paint masks and pick seeds in a browser, with the model and probes of the run OUT.",
    ),
    "paper": (
        "paper",
        "Write the run OUT as a paper, OUT/paper/paper.pdf, with its source beside it.",
    ),
    "export": ("site", "Write the run OUT as a website into the folder SITE, for any web host."),
    "serve": (
        "serve",
        "Show the site of the run OUT on this machine, writing OUT/site first if it has none.",
    ),
    "share": (
        "share",
        "Write the probes of the run OUT into FOLDER, with a card that says what they are worth.",
    ),
    "layers": ("layers", "List a model's self-attention layers, in the order in which they run."),
    "check-labeler": (
        "check_labeler",
        "Show what the labeler ID says of photographs: one picture and one table.",
    ),
    "presets": (
        "presets",
        "Print what --preset means: all side by side, or the file of NAME, to copy and change.",
    ),
    "bench": (
        "bench",
        "Measure what probing costs beside bare generation and the literature's method.",
    ),
    "train": (
        "train",
        "Train the embedded model and its labelers from nothing, or go on with what OUT holds.",
    ),
    "convert": (
        "convert",
        "Write the weights of the file PICKLED (.pth, .pt, .bin) into FOLDER as model.safetensors.",
    ),
}
"""By name: the module here that holds the command, and the first line of its help."""


class Commands(click.Group):
    """One line on stderr and exit code 1 for our own errors; a full traceback for bugs."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UnderpaintError as error:
            raise click.ClickException(str(error)) from error


class LateCommands(Commands):
    """Those of `COMMANDS`, none of which is imported before it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        name = cmd_name.replace("-", "_")
        return getattr(import_module(f"{__package__}.{module}"), name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LateCommands)
@click.version_option(package_name="underpaint")
def main() -> None:
    """See, measure and use the 3D scene in a diffusion model before the noisy picture shows it."""
