"""How far other ways to fit a probe move its score, and what each costs, beside ridge from sums.

All recipes see the same pictures, layers and steps, and choose thresholds on the same validation
pictures; scores are of test pictures, differences paired, intervals over prompts. Every recipe sees
every row. `logistic` and `huber` run to convergence, each with a penalty of its own, chosen as
ridge's is: by the least loss on an eighth of the training pictures. `paper` and `mlp` train for 30
epochs, as the literature does.

    python benchmarks/recipes.py --out docs/benchmarks-recipes.md
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor

from underpaint.core.arrays import normalise, to_grid, to_rows
from underpaint.core.prompts import Prompt, Split, split_prompts
from underpaint.core.properties import PROPERTIES, Property
from underpaint.labelers import Labeler, label, labelers_for
from underpaint.models import Model, load
from underpaint.models.layers import Layer, find_layers
from underpaint.models.traces import trace
from underpaint.probes.fitting import fit
from underpaint.probes.moments import Moments
from underpaint.probes.probes import Probe
from underpaint.probes.recipes import MlpProbe, fit_convex, fit_mlp, fit_paper
from underpaint.scores.intervals import Interval, interval
from underpaint.scores.metrics import METRICS, best_threshold, prepare
from underpaint.world.words import CAPTIONS

BATCH = 16
TUNING_SHARE = 8


@dataclass(frozen=True)
class Pictures:
    """One split's activations `image channel row col` by layer and step, and its labels."""

    activations: dict[tuple[str, int], Tensor]
    labels: dict[str, Tensor]
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """One recipe at one cell: its score, its score less ridge's, and what fitting took."""

    property: str
    layer: str
    step: int
    recipe: str
    score: float
    difference: Interval
    seconds: float


def collect(
    model: Model,
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    prompts: Sequence[Prompt],
    *,
    layers: Sequence[Layer],
    at: Sequence[int],
    steps: int,
) -> Pictures:
    """Generate pictures and keep the cells that are asked for."""
    activations: dict[tuple[str, int], list[Tensor]] = {}
    labels: dict[str, list[Tensor]] = {}
    for first in range(0, len(prompts), BATCH):
        traced = trace(model, prompts[first : first + BATCH], steps=steps, layers=layers)
        maps = label(labelers, properties, traced.images)
        for each in properties:
            labels.setdefault(each.name, []).append(normalise(each, maps[each.name]))
        for layer, activation in traced.activations.items():
            for step in at:
                activations.setdefault((layer.name, step), []).append(activation[step].float())
    return Pictures(
        {cell: torch.cat(parts) for cell, parts in activations.items()},
        {name: torch.cat(parts) for name, parts in labels.items()},
        tuple(prompt.text for prompt in prompts),
    )


def compare(
    property: Property,
    layer: str,
    step: int,
    *,
    train: Pictures,
    validation: Pictures,
    test: Pictures,
    seed: int = 0,
) -> list[Line]:
    """Fit one cell by every recipe, ridge first, and score each on the test pictures.

    Args:
        property: What to read; its first metric is the score.
        layer: A layer's name.
        step: From 0.
        train: What all recipes are fitted to; those with a penalty keep an eighth of it for that.
        validation: Chooses every recipe's threshold.
        test: What is scored.
        seed: Of the descents.
    """
    x = train.activations[layer, step]
    y = to_grid(train.labels[property.name], (x.shape[-2], x.shape[-1]))
    place = {"property": property, "layer": layer, "step": step}
    generator = torch.Generator().manual_seed(seed)

    cut = max(1, len(x) // TUNING_SHARE)

    def ridge() -> Probe:
        cell, columns = (layer, step), {property.name: slice(0, property.targets)}
        sums = [Moments.of(to_rows(x[part]), to_rows(y[part])) for part in _parts(cut)]
        return fit({cell: sums[1]}, {cell: sums[0]}, columns)[property.name, layer, step]

    seconds, ridge_probe = _timed(ridge)
    convex = "logistic" if property.is_binary else "huber"
    descent = {**place, "generator": generator}
    recipes: dict[str, Callable[[], Probe | MlpProbe]] = {
        convex: lambda: fit_convex(convex, x[cut:], y[cut:], (x[:cut], y[:cut]), **place),
        "paper": lambda: fit_paper(
            x, y, learning_rate=1e-2 if property.name == "shading" else 1e-3, **descent
        ),
        "mlp": lambda: fit_mlp(x, y, **descent),
    }
    fitted = {"ridge": (seconds, ridge_probe)}
    fitted |= {name: _timed(recipe) for name, recipe in recipes.items()}
    scores = {
        name: _scores(property, probe, layer, step, validation, test)
        for name, (_, probe) in fitted.items()
    }
    return [
        Line(
            property.name,
            layer,
            step,
            name,
            float(np.nanmean(scores[name])),
            interval(scores[name] - scores["ridge"], test.prompts),
            took,
        )
        for name, (took, _) in fitted.items()
    ]


def verdict(lines: Sequence[Line]) -> str:
    """Say of each recipe how far it is from ridge, how surely, and what it costs."""
    ridge = ridge_seconds(lines)
    said = []
    for recipe in dict.fromkeys(each.recipe for each in lines if each.recipe != "ridge"):
        own = [each for each in lines if each.recipe == recipe]
        gaps = [each.difference.mean for each in own]
        above = sum(each.difference.low > 0 for each in own)
        below = sum(each.difference.high < 0 for each in own)
        times = [each.seconds / ridge[each.property, each.layer, each.step] for each in own]
        said.append(
            f"- `{recipe}` less ridge: {np.mean(gaps):+.3f} on average ({min(gaps):+.3f} to "
            f"{max(gaps):+.3f}). Of {len(own)} intervals {above} lie above 0, {below} below, and "
            f"{len(own) - above - below} hold it. A fit takes {min(times):.0f} to "
            f"{max(times):.0f} times as long."
        )
    return "\n".join(said)


def ridge_seconds(lines: Sequence[Line]) -> dict[tuple[str, str, int], float]:
    """Say how long ridge took at each cell."""
    return {(x.property, x.layer, x.step): x.seconds for x in lines if x.recipe == "ridge"}


def table(lines: Sequence[Line], *, steps: int) -> str:
    """Write lines as a Markdown table: one row a cell and recipe."""
    ridge = ridge_seconds(lines)
    heads = ("property", "layer", f"step of {steps}", "recipe", "score", "less ridge's", "time")
    cells = [heads, ("---",) * 4 + ("--:",) * 3]
    for each in lines:
        gap, times = each.difference, each.seconds / ridge[each.property, each.layer, each.step]
        beside = f"{gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"
        cells.append(
            (
                each.property,
                each.layer,
                str(each.step + 1),
                each.recipe,
                f"{each.score:.3f}",
                "–" if each.recipe == "ridge" else beside,
                f"{times:.0f}×" if times >= 2 else f"{times:.1f}×",
            )
        )
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def _parts(cut: int) -> tuple[slice, slice]:
    return slice(0, cut), slice(cut, None)


def _scores(
    property: Property,
    probe: Probe | MlpProbe,
    layer: str,
    step: int,
    validation: Pictures,
    test: Pictures,
) -> np.ndarray:
    read = probe(test.activations[layer, step])
    if property.is_binary:
        seen = probe(validation.activations[layer, step])
        read = read > best_threshold(seen, prepare(validation.labels[property.name]))
    truth = prepare(test.labels[property.name])
    return METRICS[property.metrics[0]](read, truth).cpu().numpy()


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


def split_captions(images: int, seed: int) -> Split:
    """Choose captions and seeds, and split them as a run does."""
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(CAPTIONS))[:images]
    seeds = random.integers(10**8, size=images)
    return split_prompts(
        [Prompt(str(CAPTIONS[c]), int(s)) for c, s in zip(chosen, seeds, strict=True)], seed=seed
    )


def shared(command: Callable) -> Callable:
    """Give a command the options that say which pictures and cells it looks at."""
    options = (
        click.option("--model", "model_id", default="tiny", show_default=True),
        click.option("--steps", default=15, show_default=True),
        click.option("--properties", default="saliency,depth,shading", show_default=True),
        click.option("--seed", default=0, show_default=True),
        click.option("--out", type=click.Path(path_type=Path), required=True),
    )
    return reduce(lambda inner, option: option(inner), reversed(options), command)


@dataclass(frozen=True)
class Looked:
    """What a benchmark looks at: properties, cells by layer's name and step, pictures by part."""

    model: Model
    properties: list[Property]
    cells: list[tuple[str, int]]
    pictures: dict[str, Pictures]

    @property
    def counts(self) -> str:
        """Say how many pictures each part has, and whose."""
        counts = ", ".join(f"{len(each.prompts)} {part}" for part, each in self.pictures.items())
        return f"{counts}, of {self.model.name} ({self.model.fingerprint})"


def look(
    model_id: str, images: int, names: str, at: str, steps: int, properties: str, seed: int
) -> Looked:
    """Generate pictures of captions; keep the cells that are asked for, by part of the split."""
    model = load(model_id)
    layers = [each for each in find_layers(model) if each.name in names.split(",")]
    chosen = [PROPERTIES[name] for name in properties.split(",")]
    places = [int(step) - 1 for step in at.split(",")]
    split = split_captions(images, seed)
    pictures = {
        part: collect(
            model, labelers_for(model), chosen, getattr(split, part),
            layers=layers, at=places, steps=steps,
        )
        for part in ("train", "validation", "test")
    }  # fmt: skip
    cells = [(layer.name, step) for layer in layers for step in places]
    return Looked(model, chosen, cells, pictures)


@click.command()
@click.option("--images", default=160, show_default=True)
@click.option("--layers", "names", default="up.2.1,up.3.1", show_default=True)
@click.option("--at", default="1,3,8,15", show_default=True, help="Steps, from 1.")
@shared
def main(
    model_id: str, images: int, names: str, at: str, steps: int, properties: str, seed: int,
    out: Path,
) -> None:  # fmt: skip
    """Compare recipes on generated pictures and write a page."""
    seen = look(model_id, images, names, at, steps, properties, seed)
    lines: list[Line] = []
    for each in seen.properties:
        for layer, step in seen.cells:
            lines += compare(each, layer, step, **seen.pictures, seed=seed)
            click.echo(f"{each.name} {layer} step {step + 1}", err=True)
    command = (
        f"python benchmarks/recipes.py --model {model_id} --images {images} --layers {names} "
        f"--at {at} --steps {steps} --properties {properties} --seed {seed} --out {out}"
    )
    about = (__doc__ or "").rsplit("\n\n    ", 1)[0]
    out.write_text(
        f"# Recipes for probes\n\n{about}\n\n"
        f"Pictures: {seen.counts}. Scores are the properties' headline metrics. Time is processor "
        "time of fitting alone, over ridge's own at that cell: its sums, made here for one "
        "property, serve all of them in a run.\n\n"
        f"{verdict(lines)}\n\n{table(lines, steps=steps)}\n"
        f"Made by\n\n```\n{command}\n```\n"
    )


if __name__ == "__main__":
    main()
