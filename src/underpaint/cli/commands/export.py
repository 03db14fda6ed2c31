"""What `underpaint export` takes; `cli.site` carries it out."""

from pathlib import Path
from typing import Any

import click

from ..options import EXISTING, OF_RUN, PAINT, PROMPTS


@click.command()
@EXISTING
@click.argument("site", type=click.Path(path_type=Path))
@click.option(
    "--with",
    "beside",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="OUT2",
    help="Another finished run to compare OUT with, in a view of its own; may be said again.",
)
@PROMPTS
@PAINT
@OF_RUN
def export(**words: Any) -> None:
    """Write the run OUT as a website into the folder SITE, for any web host.

    The model is loaded only to paint with, or for maps of pictures that the run did not keep.
    """
    from ..site import export as carry_out

    carry_out(**words)
