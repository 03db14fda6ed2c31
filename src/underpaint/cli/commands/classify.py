"""What `underpaint classify` takes; `cli.classify` carries it out."""

from typing import Any

import click

from ..options import EXISTING, OF_RUN


@click.command()
@EXISTING
@click.option("--prompt", "index", type=int, help="Of the picture drawn.  [default: first of test]")
@click.option(
    "--classifier",
    help="vgg16, vgg16:FOLDER, or a classifier's id or folder.  [default: the run's, or tiny's]",
)
@click.option("--quick", is_flag=True, help="Leave out the control that makes blank pictures.")
@OF_RUN
def classify(**words: Any) -> None:
    """Ask at each step which class the pictures of the run OUT will show.

    What `run --classes` kept of its pictures is asked, and nothing drawn again but what it did not
    keep: without --quick, pictures from an empty prompt too. Keeps a row for each score in
    classes.parquet, the likeliest classes of each test picture in probabilities.parquet, means with
    intervals over prompts in summary.json, two figures, and what it drew in pooled/.
    """
    from ..classify import classify as carry_out

    carry_out(**words)
