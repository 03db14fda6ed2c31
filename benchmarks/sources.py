"""What each source of a study costs: processor seconds a picture, each measured on its own.

One batch is drawn, labelled and folded, once without and once with what a source adds. Processor
seconds are those of one thread, so other work on the machine hardly changes them. A source that is
scored alone costs its maps; those that read activations share one pass of generation.

    python -m benchmarks.sources --out docs/benchmarks-sources.md
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import click
import torch

from underpaint.core.arrays import to_grid
from underpaint.core.prompts import Prompt, Split
from underpaint.core.properties import PROPERTIES
from underpaint.labelers import labelers_for
from underpaint.models import load, permuted, untrained
from underpaint.models.layers import find_layers
from underpaint.models.traces import trace
from underpaint.probes.trained import train
from underpaint.scores.sources import CONTROLS, JOINT, TEXT
from underpaint.study.batches import layout_for
from underpaint.study.beyond import beside
from underpaint.study.captions import with_caption
from underpaint.study.folding import Batch, fold, labelled
from underpaint.study.looks import look
from underpaint.study.study import Study
from underpaint.world.words import CAPTIONS

Made = TypeVar("Made")
HALF = "unconditional"


@dataclass
class Clock:
    """Notes the processor seconds a picture of each piece of work."""

    pictures: int
    rows: list[tuple[str, str, str, float]] = field(default_factory=list)

    def __call__(self, sources: str, what: str, of: str, work: Callable[[], Made]) -> Made:
        begun = time.process_time()
        made = work()
        self.rows.append((sources, what, of, (time.process_time() - begun) / self.pictures))
        return made


def planned(
    model_id: str, properties: str, pictures: int, steps: int
) -> tuple[Study, list[Prompt]]:
    """Plan a study, and choose captions of one batch."""
    model = load(model_id)
    prompts = [Prompt(str(CAPTIONS[37 * at]), at, at) for at in range(pictures)]
    study = Study(
        model, tuple(labelers_for(model)), tuple(PROPERTIES[x] for x in properties.split(",")),
        find_layers(model), Split((), (), ()), steps, model.guidance, pictures,
        sees_halves=True, sees_text=True, goes_beyond=True, looks_ahead=True,
    )  # fmt: skip
    return study, prompts


def measure(study: Study, prompts: list[Prompt], clock: Clock) -> None:
    """Do each piece of work once."""
    model, layers = study.model, study.layers
    how = {"steps": study.steps, "guidance": study.guidance, "layers": layers}
    trace(model, prompts[:2], steps=2, guidance=study.guidance)  # what is only slow the first time
    clock("probe and all", "generation", "all", lambda: trace(model, prompts, **how))
    controls = {
        "random": permuted(model.denoiser, seed=0),
        "untrained": untrained(model.denoiser, seed=0),
    }
    every = {**how, "halves": True, "shadows": controls}
    traced = clock(
        "the same, with random and untrained", "generation", "all",
        lambda: trace(model, prompts, **every),
    )  # fmt: skip
    batch = clock(
        "all", "labels of the final picture", "all",
        lambda: labelled(traced, study.labelers, study.properties),
    )  # fmt: skip
    looks = clock(
        "image, or estimate", "decoding and labelling, all steps",
        "test; x̂₀ of all without --quick",
        lambda: look(model, study.labelers, study.properties, {"estimate": traced.estimates}),
    )  # fmt: skip
    own = {layer.name for layer in layers}
    kinds = {
        "probe, probe+position, shuffled": lambda name: name in own,
        HALF: lambda name: name.startswith(HALF),
        "random and untrained": lambda name: name.split()[0] in CONTROLS,
    }
    for sources, is_theirs in kinds.items():
        part = _of(batch, is_theirs)
        clock(sources, "folding", "training", lambda part=part: fold(part))
    for words, seen, plan in (
        ("with --quick", None, replace(study, looks_ahead=False)),
        ("without --quick", looks.maps["estimate"], study),
    ):
        layout = layout_for(plan)
        name = f"joint, beyond and its controls, {words}"
        laid = clock(name, "laying out", "all", lambda x=layout, y=seen: beside(batch, x, y))
        clock(name, "folding", "training", lambda x=laid: fold(_of(x, JOINT.__eq__)))
    told = clock("text", "embedding", "all", lambda: with_caption(study, batch))
    clock("text", "folding", "training", lambda: fold(_of(told, TEXT.__eq__)))
    latents = traced.estimates.float()
    labels = torch.cat([batch.labels[each.name] for each in study.properties], dim=1)
    maps = to_grid(labels, (latents.shape[-2], latents.shape[-1])).float()
    clock(
        "trained", "training at one step", "training",
        lambda: train(latents[0], maps, (latents[0], maps), seed=0),
    )  # fmt: skip


def _of(batch: Batch, is_wanted: Callable[[str], bool]) -> Batch:
    return replace(batch, readable={k: x for k, x in batch.readable.items() if is_wanted(k)})


@click.command()
@click.option("--model", "model_id", default="tiny", show_default=True)
@click.option("--properties", default="saliency,depth,shading,normals,albedo", show_default=True)
@click.option("--pictures", default=16, show_default=True)
@click.option("--steps", default=15, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(model_id: str, properties: str, pictures: int, steps: int, out: Path) -> None:
    """Measure, and write a page."""
    torch.set_num_threads(1)
    study, prompts = planned(model_id, properties, pictures, steps)
    clock = Clock(pictures)
    measure(study, prompts, clock)
    heads = ("source", "work", "of which pictures", "processor seconds a picture")
    rows = [heads, ("---",) * 3 + ("--:",)]
    rows += [(*words, f"{seconds:.3f}") for *words, seconds in clock.rows]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    about = (__doc__ or "").rsplit("\n\n    ", 1)[0]
    model = study.model
    out.write_text(
        f"# What each source costs\n\n{about}\n\n{pictures} pictures of {model.name} "
        f"({model.fingerprint}), {steps} steps, {len(study.layers)} layers.\n\n{table}\n"
        "Fitting takes as long for any number of pictures. What is drawn for `random` and "
        "`untrained` is the conditional half of each.\n\nMade by\n\n```\n"
        f"python -m benchmarks.sources --model {model_id} --properties {properties} "
        f"--pictures {pictures} --steps {steps} --out {out}\n```\n"
    )


if __name__ == "__main__":
    main()
