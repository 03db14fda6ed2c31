"""What `underpaint bench` takes; `cli.bench` carries it out."""

from typing import Any

import click

from ..options import COUNT, GUIDANCE, RUNNING, SAMPLING


@click.command()
@click.option("--model", "model_id", default="tiny", show_default=True, help="Id or folder.")
@click.option("--images", default=32, show_default=True, type=click.IntRange(min=8))
@click.option("--steps", default=15, show_default=True, type=COUNT)
@click.option("--layers", "glob", default="*", show_default=True, help="Which layers, as a glob.")
@click.option("--properties", default="saliency,depth,shading", show_default=True, help="Names.")
@click.option("--labelers", "labeled_by", help="property=ID_OR_FOLDER,…  [default: tiny's]")
@click.option("--guidance", type=GUIDANCE, help="Guidance scale.  [default: the model's own]")
@click.option("--batch", default=32, show_default=True, type=COUNT)
@click.option("--count", type=click.IntRange(min=40), help="Forecast a study of so many pictures.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
@SAMPLING
@RUNNING
def bench(**words: Any) -> None:
    """Measure what probing costs beside bare generation and the literature's method.

    With --count, a small study is carried out too, and what each part of a large one will take is
    said, beside the floor: generation, decoding and labelers, which no study can go without. On a
    GPU, how much of the time it worked is told too, from asking its streams.
    """
    from ..bench import bench as carry_out

    carry_out(**words)
