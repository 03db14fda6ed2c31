"""What a probe of wrong labels scores: judged by those labels, and judged by the right ones.

Labels are handed round among pictures of different prompts many times, and a ridge probe is fitted
to each hand-out. Judged by the labels that it was given ("others'"), a probe, its penalty and its
threshold find what is to be found where nothing but the place is shared: that is the source
`shuffled`. Judged by the pictures' own labels ("own"), it is no control: others' labels still say
where objects usually are, and there they are. So whatever tells objects from ground regresses on
them with a slope that is tiny and mostly of the right sign, and neither Dice after a threshold nor
a correlation sees how tiny.

    python -m benchmarks.shuffles --out docs/benchmarks-shuffles.md
"""

from pathlib import Path

import click
import numpy as np
from torch import Tensor

from underpaint.core.arrays import to_grid, to_rows
from underpaint.core.properties import Property
from underpaint.probes.fitting import fit
from underpaint.probes.moments import Moments
from underpaint.scores.metrics import METRICS, best_threshold, prepare
from underpaint.scores.summaries import skill_metric

from .recipes import TUNING_SHARE, Pictures, look, shared


def hand_outs(
    property: Property,
    cell: tuple[str, int],
    pictures: dict[str, Pictures],
    *,
    shuffles: int,
    seed: int,
) -> dict[str, list[float]]:
    """Fit one probe to each hand-out of labels; give mean test scores by who judges.

    The threshold of a mask is chosen on the validation labels of the same judge.
    """
    random = np.random.default_rng(seed)
    metric = METRICS[skill_metric(property)]
    own = {name: each.labels[property.name] for name, each in pictures.items()}
    x = {name: each.activations[cell] for name, each in pictures.items()}
    found: dict[str, list[float]] = {"own": [], "others'": []}
    for _ in range(shuffles):
        others = {name: maps[random.permutation(len(maps))] for name, maps in own.items()}
        y = to_grid(others["train"], (x["train"].shape[-2], x["train"].shape[-1]))
        cut = max(1, len(y) // TUNING_SHARE)
        sums = [
            Moments.of(to_rows(x["train"][part]), to_rows(y[part]))
            for part in (slice(cut, None), slice(0, cut))
        ]
        columns = {property.name: slice(0, property.targets)}
        probe = fit({cell: sums[0]}, {cell: sums[1]}, columns)[(property.name, *cell)]
        position = own["train"].double().mean(dim=0)
        for judge, labels in (("own", own), ("others'", others)):
            read: Tensor = probe(x["test"])
            if property.is_binary:
                seen = probe(x["validation"])
                read = read > best_threshold(seen, prepare(labels["validation"]))
            truth = prepare(labels["test"], position=position)
            found[judge].append(float(metric(read, truth).nanmean()))
    return found


def row(property: Property, cell: tuple[str, int], judge: str, scores: list[float]) -> str:
    """Write one line of the table: mean, deviation, least and most over hand-outs."""
    name = skill_metric(property)
    each = np.array(scores)
    numbers = (each.mean(), each.std(), each.min(), each.max())
    cells = [property.name, name, cell[0], str(cell[1] + 1), judge]
    return f"| {' | '.join([*cells, *(f'{value:.2f}' for value in numbers)])} |\n"


@click.command()
@click.option("--images", default=96, show_default=True)
@click.option("--layers", "names", default="up.2.2,up.3.2", show_default=True)
@click.option("--at", default="15", show_default=True, help="Steps, from 1.")
@click.option("--shuffles", default=50, show_default=True)
@shared
def main(
    model_id: str, images: int, names: str, at: str, steps: int, properties: str, shuffles: int,
    seed: int, out: Path,
) -> None:  # fmt: skip
    """Hand labels round on generated pictures and write a page."""
    seen = look(model_id, images, names, at, steps, properties, seed)
    heads = ["property", "metric", "layer", "step", "judge", "mean", "deviation", "least", "most"]
    lines = [f"| {' | '.join(heads)} |\n", f"|{' --- |' * 5}{' --: |' * 4}\n"]
    for each in seen.properties:
        for cell in seen.cells:
            found = hand_outs(each, cell, seen.pictures, shuffles=shuffles, seed=seed)
            lines += [row(each, cell, judge, scores) for judge, scores in found.items()]
            click.echo(f"{each.name} {cell[0]} step {cell[1] + 1}", err=True)
    about, command = (__doc__ or "").strip().rsplit("\n\n    ", 1)
    out.write_text(
        f"# Shuffled labels\n\n{about}\n\n{shuffles} hand-outs; pictures: {seen.counts}. "
        "Each score is a mean over test pictures; the table spans hand-outs.\n\n"
        f"{''.join(lines)}\nMade by\n\n```\n{command}\n```\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
