"""The rivals that learn: what they are trained on, kept while training pictures are folded.

Each picture's x̂₀, x_t and label maps are a fiftieth of its activations. They stay on disk until the
networks are trained, so that nothing is drawn a second time; what is missing is drawn again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.arrays import to_grid
from ..core.prompts import Prompt
from ..probes.probes import ProbeKey, columns_of
from ..probes.trained import TrainedProbe, train
from ..scores.sources import SOURCES, name_of
from .batches import bare, batches, batches_of, training_parts
from .checkpoints import read_seen, seen_path, write_seen
from .costs import Seconds, timed, total
from .folding import Batch
from .journal import Journal
from .study import Study

TRAINED_ON = 2048
"""The most training pictures that are kept for networks: 2 MB each at 64 × 64, 15 steps."""

VIEWS = {each.name: each.views[0] for each in SOURCES if each.word == "trained"}
"""What each of these rivals sees."""

Seen = tuple[dict[str, Tensor], Float[Tensor, "image target lrow lcol"]]
"""By view, latents `step image latent lrow lcol`, and the final labels as cell means on their
grid."""


def keep_seen(study: Study, journal: Journal, part: str, first: int, batch: Batch) -> None:
    """Keep what networks are trained on of one group of training pictures, if there are any."""
    if study.trains and first < TRAINED_ON:
        path = seen_path(journal.run, part, first)
        journal.write(write_seen, path, *_seen(study, batch))


def train_networks(study: Study, journal: Journal) -> tuple[dict[ProbeKey, TrainedProbe], Seconds]:
    """Train the networks on x̂₀ and on x_t of every step; none if the study trains none."""
    if not study.trains:
        return {}, {}
    journal.writer.drain()  # or what is still to be written would be drawn again
    parts = training_parts(study)
    prompts = {"tuning": parts["tuning"], "training": parts["training"][:TRAINED_ON]}
    spent: list[Seconds] = []
    x, y = {}, {}
    for name, own in prompts.items():
        groups = list(_groups(study, journal, name, own, spent))
        y[name] = torch.cat([maps for _, maps in groups])
        for view in VIEWS.values():
            x[name, view] = torch.cat([latents[view] for latents, _ in groups], dim=1)

    def fit() -> dict[ProbeKey, TrainedProbe]:
        found: dict[ProbeKey, TrainedProbe] = {}
        for step in range(study.steps):
            for source, view in VIEWS.items():
                apart = x["tuning", view][step], y["tuning"]
                network = train(x["training", view][step], y["training"], apart, seed=step)
                for name, part in columns_of(study.properties).items():
                    found[*name_of(source, name, view), step] = TrainedProbe(network, part)
            journal.progress("networks on x̂₀ and x_t", step + 1, study.steps)
        return found

    found, train_s = timed("training", fit, study.model.device)
    return found, total([*spent, train_s])


def _groups(
    study: Study, journal: Journal, part: str, prompts: Sequence[Prompt], spent: list[Seconds]
) -> Iterator[Seen]:
    """Give groups as they were kept, and draw those that were not."""
    for start, stop in chain.from_iterable(batches_of(len(prompts), study.batch)):
        path = seen_path(journal.run, part, start)
        if journal.is_whole(path):
            read = partial(read_seen, path, study.model.device)
            seen, read_s = timed("reading", read, study.model.device)
            spent.append(read_s)
            yield seen
            continue
        for batch in batches(replace(bare(study), layers=()), prompts[start:stop]):
            spent.append(batch.seconds)
            yield _seen(study, batch)


def _seen(study: Study, batch: Batch) -> Seen:
    latents = {"x_0": batch.trace.estimates.float(), "x_t": batch.trace.latents.float()}
    labels = torch.cat([batch.labels[each.name] for each in study.properties], dim=1)
    grid = batch.trace.latents.shape[-2:]
    return latents, to_grid(labels, (grid[0], grid[1])).float()
