"""What `underpaint studio` takes; `cli.studio` carries it out."""

from typing import Any

import click

from ...site.serving import LOOPBACK
from ..options import EXISTING, OF_RUN


@click.command()
@EXISTING
@click.option("--layers", "glob", help="As a glob.  [default: the last two stages]")
@click.option("--host", default=LOOPBACK, show_default=True, help="0.0.0.0 lets other machines in.")
@click.option("--port", default=7860, show_default=True, type=click.IntRange(1, 65535))
@OF_RUN
def studio(**words: Any) -> None:
    """Paint masks and pick seeds in a browser, with the model and probes of the run OUT.

    Listens on this machine alone unless --host says otherwise: whoever reaches it can use the
    model. Needs Gradio: pip install "underpaint[studio]".
    """
    from ..studio import studio as carry_out

    carry_out(**words)
