"""The pictures of a study, batch by batch: in which order, how many at once, and what each took."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from ..core.errors import PromptError
from ..core.prompts import Prompt
from ..models import decoder_attention
from ..models.given import trace_given
from ..models.traces import Trace, excerpt, trace
from .beyond import Layout, beside, layout_of
from .captions import with_caption
from .costs import Seconds, timed, total
from .folding import Batch, labelled
from .looks import look
from .pooling import pool
from .study import GROUP, Study, places_shown

TUNING_SHARE = 8
"""One in so many training images chooses penalties instead of fitting weights."""

Exact = dict[str, Tensor] | None
"""Labels that came with given pictures, by property."""


def batches(study: Study, prompts: Sequence[Prompt]) -> Iterator[Batch]:
    """Generate batch by batch, and give what was seen group by group, with the seconds it took.

    A batch's generation is counted with its first group. Activations are forgotten before the next
    batch is begun, unless who takes a group holds on to it.
    """
    for groups in batches_of(len(prompts), study.batch):
        yield from _groups(study, prompts[groups[0][0] : groups[-1][1]], groups)


def _groups(
    study: Study, prompts: Sequence[Prompt], groups: Sequence[tuple[int, int]]
) -> Iterator[Batch]:
    """Generate one batch, and label it group by group."""
    device = study.model.device
    (traced, exact), drawn_s = timed("generation", partial(drawn, study, prompts), device)
    decoder, decoder_s = _decoder(study, traced)
    seconds = {**drawn_s, **decoder_s}
    for start, stop in groups:
        own = slice(start - groups[0][0], stop - groups[0][0])
        label = partial(
            labelled,
            excerpt(traced, own.start, own.stop),
            study.labelers,
            study.properties,
            None if exact is None else {name: maps[own] for name, maps in exact.items()},
            None if decoder is None else decoder[:, own],
        )
        batch, label_s = timed("labelling", label, device)
        batch, text_s = timed("text", partial(with_caption, study, batch), device)
        batch, pool_s = _with_pooled(study, batch)
        batch, joint_s = _with_joint(study, batch)
        yield replace(batch, seconds=total([seconds, label_s, text_s, pool_s, joint_s]))
        seconds = {}


def bare(study: Study) -> Study:
    """Give a study whose batches hold the layers' own activations alone."""
    return replace(
        study,
        controls={},
        sees_decoder=False,
        sees_halves=False,
        sees_text=False,
        goes_beyond=False,
        namer=None,
    )


def layout_for(study: Study) -> Layout:
    """Plan the joint activation of a study."""
    targets = sum(each.targets for each in study.properties) if study.looks_ahead else 0
    latents = study.model.pipeline.vae.config.latent_channels
    return layout_of(study.layers, latents=latents, seen=targets, is_thorough=study.looks_ahead)


def _with_joint(study: Study, batch: Batch) -> tuple[Batch, Seconds]:
    """Lay the joint activation beside the others, if it is a source."""
    if not study.goes_beyond:
        return batch, {}
    shown = {"estimate": batch.trace.estimates} if study.looks_ahead else {}
    places = places_shown(study, batch.trace.prompts)
    looks = look(study.model, study.labelers, study.properties, shown, places=places)
    lay = partial(beside, batch, layout_for(study), looks.maps.get("estimate"))
    batch, lay_s = timed("joint", lay, study.model.device)
    return replace(batch, looks=looks), total([looks.seconds, lay_s])


def _with_pooled(study: Study, batch: Batch) -> tuple[Batch, Seconds]:
    """Average activations over places, where classes are asked for."""
    if study.namer is None:
        return batch, {}
    pooled, seconds = timed("pooling", partial(pool, batch.trace), study.model.device)
    return replace(batch, pooled=pooled), seconds


def without_activations(batch: Batch) -> Batch:
    """Give a batch once every probe has read it: what is left is a hundredth of it."""
    trace = replace(batch.trace, activations={}, shadows={}, unconditional={})
    return replace(batch, readable={}, trace=trace)


def drawn(study: Study, prompts: Sequence[Prompt]) -> tuple[Trace, Exact]:
    """Generate one batch, or find its pictures where they are given."""
    how = {
        "steps": study.steps,
        "guidance": study.guidance,
        "layers": study.layers,
        "shadows": study.controls,
        "halves": study.sees_halves,
    }
    if study.pictures is None:
        return trace(study.model, prompts, **how), None
    given = study.pictures(prompts)
    return trace_given(study.model, given.images, prompts, **how), dict(given.labels)


def _decoder(study: Study, traced: Trace) -> tuple[Tensor | None, Seconds]:
    """Show the latents of every step to the VAE's decoder, if it is a source."""
    if not study.sees_decoder:
        return None, {}

    def see() -> Tensor:
        return torch.stack([decoder_attention(study.model, each) for each in traced.latents])

    return timed("decoder", see, study.model.device)


def batches_of(count: int, batch: int) -> list[list[tuple[int, int]]]:
    """Cut so many pictures into batches, and each batch into groups, as first and last place.

    A batch is whole groups, as many as it holds; what is left at the end, less than a group, is a
    batch of its own. A batch smaller than a group is a group.
    """
    group = min(GROUP, batch)
    groups = [(first, min(first + group, count)) for first in range(0, count, group)]
    whole = count // group
    at_once = batch // group
    cut = [groups[first : min(first + at_once, whole)] for first in range(0, whole, at_once)]
    return [*cut, *([groups[whole:]] if count % group else [])]


def training_parts(study: Study) -> dict[str, list[Prompt]]:
    """Give the training prompts in the order of folding: those for penalties, and the others.

    Raises:
        PromptError: if there are too few.
    """
    prompts = apart(study.split.train)
    cut = len(prompts) // TUNING_SHARE
    if cut == 0:
        raise PromptError(
            f"{len(prompts)} training prompts are too few to fit probes and choose penalties. "
            f"Use at least {TUNING_SHARE} (about {2 * TUNING_SHARE} prompts in all)."
        )
    return {"tuning": prompts[:cut], "training": prompts[cut:]}


def apart(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Put pictures of one text far from each other: first one of each text, then the second ones.

    The labels that shuffling gives a picture are those of pictures shortly before it.
    """
    seen: dict[str, int] = {}
    turns = []
    for prompt in prompts:
        turns.append(seen.get(prompt.group, 0))
        seen[prompt.group] = turns[-1] + 1
    order = sorted(range(len(prompts)), key=lambda at: turns[at])
    return [prompts[at] for at in order]
