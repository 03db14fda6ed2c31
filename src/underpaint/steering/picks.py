"""Choosing seeds by what the first steps already show, and what that choice is worth.

All candidates of a prompt run for the first steps only. Probes read there what their pictures will
show; those that come nearest to what is wanted go on from the latents they stopped at. Nothing is
generated twice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.stats import spearmanr
from torch import Tensor

from ..core.arrays import normalise
from ..core.errors import PickError
from ..core.progress import Progress
from ..core.prompts import Prompt
from ..core.properties import Property
from ..labelers import label
from ..models.capture import Tap
from ..models.layers import Layer
from ..models.schedules import plan
from ..models.traces import trace
from ..probes.probes import Probe
from ..scores.metrics import METRICS, prepare
from .setups import Opened

_Item = TypeVar("_Item")

Watch = Callable[[Sequence[Prompt]], Mapping[Layer, Tap]]
"""Makes the taps that look on while a batch of prompts is generated."""


@dataclass(frozen=True, eq=False)
class Wish:
    """What a picture shall show of one property, and where it is read early.

    Args:
        property: Of the run.
        target: A label map, normalised; a mask holds 0 and 1.
        layer: The one that reads this property best on validation pictures.
    """

    property: Property
    target: Float[Tensor, "_target height width"]
    layer: Layer


@dataclass(frozen=True, eq=False)
class Search:
    """How to look for pictures: with what, for what, and how much of it to spend.

    Args:
        opened: The run whose model draws and whose probes read.
        keep: How many candidates to finish.
        stop_at: Steps that every candidate runs.
    """

    opened: Opened
    wishes: tuple[Wish, ...]
    keep: int
    stop_at: int


@dataclass(frozen=True, eq=False)
class Stopped:
    """Candidates after the first steps.

    Args:
        latents: x_t that each stopped at.
        scores: How near the probes' readings are to what is wanted; more is nearer.
        estimate_scores: The same of what the labeler sees in the decoded estimate of x_0.
        read: By property, what the probes read, `candidate target row col`.
    """

    prompts: tuple[Prompt, ...]
    latents: Float[Tensor, "candidate latent lrow lcol"]
    scores: Float64[np.ndarray, "candidate"]
    estimate_scores: Float64[np.ndarray, "candidate"]
    read: dict[str, Float[Tensor, "candidate _target _row _col"]]

    @property
    def ranking(self) -> list[int]:
        """Places of the candidates, the nearest first; what has no score comes last."""
        known = np.where(np.isnan(self.scores), -np.inf, self.scores)
        return np.argsort(-known, kind="stable").tolist()


@dataclass(frozen=True, eq=False)
class Finished:
    """Some candidates' finished pictures, and the labeler's score of each."""

    places: tuple[int, ...]
    images: Float[Tensor, "picture 3 height width"]
    scores: Float64[np.ndarray, "picture"]


@dataclass(frozen=True)
class Worth:
    """What choosing early was worth on one prompt, once all its candidates are finished.

    Args:
        rank_correlation: Spearman's, of the early score with the labeler's score at the end.
        estimate_rank_correlation: The same, ranked by the labeler on the estimate of x_0.
        kept: Mean final score of those kept.
        random: That of as many at random: the mean of all.
        best: That of as many of the best of all.
        share: Of the gain of a full search, `(kept - random) / (best - random)`. NaN if a full
            search gains nothing.
    """

    rank_correlation: float
    estimate_rank_correlation: float
    kept: float
    random: float
    best: float
    share: float


def check_search(search: Search, candidates: int) -> None:
    """Refuse a search that cannot be carried out, before any time is spent on it.

    Raises:
        PickError: if there are fewer candidates than to keep, or no step is left after the stop.
        SchedulerError: if the scheduler cannot go on from the middle.
    """
    if not 1 <= search.keep <= candidates:
        raise PickError(
            f"Cannot keep {search.keep} of {candidates} candidates. Keep at least 1, and no more "
            "than there are."
        )
    steps = search.opened.steps
    if not 1 <= search.stop_at < steps:
        raise PickError(
            f"Cannot stop after {search.stop_at} of {steps} steps: nothing could be chosen. "
            f"Stop after 1 to {steps - 1}."
        )
    plan(search.opened.model.pipeline.scheduler, steps=search.opened.steps, begin=search.stop_at)


def start(
    search: Search, prompts: Sequence[Prompt], progress: Progress, *, watch: Watch | None = None
) -> Stopped:
    """Run every candidate for the first steps, and score what is read there.

    The labeler's look at the estimate of x_0 is only scored beside it, to be compared with: it has
    no part in the ranking.

    Raises:
        PickError: if there is no probe for what is wanted at the stop.
    """
    own = {wish.property.name: _probe(search, wish) for wish in search.wishes}
    layers = tuple(dict.fromkeys(wish.layer for wish in search.wishes))
    latents, early, seen = [], [], []
    read: dict[str, list[Tensor]] = {name: [] for name in own}
    done = 0
    for part in _parts(prompts, search.opened.batch):
        traced = trace(
            search.opened.model,
            part,
            steps=search.opened.steps,
            guidance=search.opened.guidance,
            layers=layers,
            edits=watch(part) if watch else None,
            stop_at=search.stop_at,
        )
        maps = {
            wish.property.name: own[wish.property.name](traced.activations[wish.layer][-1]).float()
            for wish in search.wishes
        }
        masks = {
            name: maps[name] > cut
            for name, probe in own.items()
            if (cut := probe.threshold) is not None
        }
        latents.append(traced.final)
        early.append(_scores(search.wishes, {**maps, **masks}))
        seen.append(_labeler_scores(search, traced.images))
        for name, each in maps.items():
            read[name].append(each)
        done += len(part)
        progress("first steps", done, len(prompts))
    return Stopped(
        prompts=tuple(prompts),
        latents=torch.cat(latents),
        scores=np.concatenate(early),
        estimate_scores=np.concatenate(seen),
        read={name: torch.cat(each) for name, each in read.items()},
    )


def finish(
    search: Search,
    stopped: Stopped,
    places: Sequence[int],
    progress: Progress,
    *,
    watch: Watch | None = None,
) -> Finished:
    """Go on with some candidates from the latents they stopped at, and score their pictures."""
    images, done = [], 0
    for part in _parts(places, search.opened.batch):
        prompts = [stopped.prompts[place] for place in part]
        traced = trace(
            search.opened.model,
            prompts,
            steps=search.opened.steps,
            guidance=search.opened.guidance,
            edits=watch(prompts) if watch else None,
            start=(stopped.latents[list(part)], search.stop_at),
        )
        images.append(traced.images)
        done += len(part)
        progress("last steps", done, len(places))
    pictures = torch.cat(images)
    return Finished(tuple(places), pictures, _labeler_scores(search, pictures))


def judge(search: Search, stopped: Stopped, everything: Finished) -> Worth:
    """Compare the early choice with chance and with a full search.

    Args:
        search: As it was carried out.
        stopped: All candidates.
        everything: All of them finished.
    """
    final = np.full(len(stopped.prompts), np.nan)
    final[list(everything.places)] = everything.scores
    kept = float(np.nanmean(final[stopped.ranking[: search.keep]]))
    random = float(np.nanmean(final))
    best = float(np.sort(final[~np.isnan(final)])[::-1][: search.keep].mean())
    return Worth(
        rank_correlation=_rank_correlation(stopped.scores, final),
        estimate_rank_correlation=_rank_correlation(stopped.estimate_scores, final),
        kept=kept,
        random=random,
        best=best,
        share=(kept - random) / (best - random) if best > random else float("nan"),
    )


def calls_spent(search: Search, candidates: int) -> tuple[int, int]:
    """Count denoiser calls, one an image and step: of this search, and of finishing all."""
    spent = candidates * search.stop_at + search.keep * (search.opened.steps - search.stop_at)
    return spent, candidates * search.opened.steps


def _probe(search: Search, wish: Wish) -> Probe:
    key = (wish.property.name, wish.layer.name, search.stop_at - 1)
    if key not in search.opened.probes:
        raise PickError(
            f"No probe reads {key[0]} from layer {key[1]} at step {search.stop_at}. Wish for what "
            "the run has probes of, and stop at one of its steps."
        )
    return search.opened.probes[key]


def _labeler_scores(
    search: Search, images: Float[Tensor, "image 3 height width"]
) -> Float64[np.ndarray, "image"]:
    properties = [wish.property for wish in search.wishes]
    maps = label(search.opened.labelers, properties, images)
    seen = {
        each.name: maps[each.name] > 0.5 if each.is_binary else normalise(each, maps[each.name])
        for each in properties
    }
    return _scores(search.wishes, seen)


def _scores(wishes: Sequence[Wish], maps: Mapping[str, Tensor]) -> Float64[np.ndarray, "image"]:
    """Give the mean over wishes of each one's headline metric: Dice, or a rank correlation."""
    scores = []
    for wish in wishes:
        found = maps[wish.property.name]
        truth = prepare(wish.target.to(found.device).expand(len(found), -1, -1, -1))
        scores.append(METRICS[wish.property.metrics[0]](found, truth).cpu())
    return torch.stack(scores).mean(dim=0).numpy()


def _rank_correlation(
    early: Float64[np.ndarray, "candidate"], final: Float64[np.ndarray, "candidate"]
) -> float:
    known = ~(np.isnan(early) | np.isnan(final))
    # Undefined where all candidates score the same.
    if known.sum() < 2 or np.ptp(early[known]) == 0 or np.ptp(final[known]) == 0:
        return float("nan")
    return float(spearmanr(early[known], final[known])[0])  # pyright: ignore[reportArgumentType]


def _parts(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]
