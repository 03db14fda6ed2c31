"""Every probe of a run, solved from its sums, and by the study's recipe from the pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ..core.arrays import to_grid
from ..core.errors import RunError
from ..probes.fitting import from_units, in_units
from ..probes.moments import MeanMap, Moments, to_device
from ..probes.probes import ProbeKey
from ..probes.recipes import fit_by, suits
from ..runs.runs import read_moments
from ..scores.sources import DECODER, LATENTS, name_of
from .batches import apart, bare, batches, layout_for, training_parts
from .beyond import fit_joint
from .captions import fit_captions
from .costs import Seconds, timed, total
from .folding import fit_all, target_count
from .journal import Journal, Progress
from .rival import train_networks
from .scoring import AnyProbe
from .study import Study
from .training import Folded

RECIPE_BYTES = 4 * 2**30
"""The most that activations kept for a recipe may take."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """Every probe of a run, the mean label maps, and the seconds that fitting took."""

    probes: Mapping[ProbeKey, AnyProbe]
    position: Mapping[str, MeanMap]
    seconds: Seconds


def fit_probes(study: Study, journal: Journal, folded: Folded) -> Fitted:
    """Fit every probe from the sums of a run, as they were folded or as they are on disk."""
    device = study.model.device
    sums = {name: to_device(each, device) for name, each in folded.moments.items()}
    position, read_s = folded.position, {}
    if not sums:
        read = partial(read_moments, journal.run, device)
        (sums, position), read_s = timed("reading", read, device)
    ridge, fit_s = timed("fitting", partial(_fit_by_ridge, study, sums), device)
    others, recipe_s = _fit_by_recipe(study, journal.progress)
    trained, train_s = train_networks(study, journal)
    probes = {**ridge, **others, **trained}
    return Fitted(probes, position, total([read_s, fit_s, recipe_s, train_s]))


def check_recipe(study: Study) -> None:
    """Refuse a recipe that would keep more activations than are allowed.

    Raises:
        RunError: if it would.
    """
    if study.recipe is None:
        return
    pictures = len(study.split.train)
    values = sum(layer.channels * layer.grid[0] * layer.grid[1] for layer in study.layers)
    if (needed := 4 * values * study.steps * pictures) > RECIPE_BYTES:
        raise RunError(
            f"The recipe {study.recipe} keeps all activations of {pictures} pictures, "
            f"{needed / 2**30:.1f} GiB, and {RECIPE_BYTES / 2**30:.0f} are allowed. "
            "Choose fewer --layers, such as those that ridge reads best."
        )


def _fit_by_ridge(
    study: Study, sums: Mapping[str, Mapping[tuple[str, int], Moments]]
) -> dict[ProbeKey, AnyProbe]:
    seen = sums["training"]
    own = [layer.name for layer in study.layers]  # as they run, not by alphabet
    decoder = [DECODER] if study.sees_decoder else []
    names = [
        *own,
        *LATENTS,
        *decoder,
        *(name_of(control, "", name)[1] for control in study.controls for name in own),
        # A model may have no such half, whatever was asked.
        *(half for name in own if ((half := name_of("unconditional", "", name)[1]), 0) in seen),
    ]
    cells = [(name, step) for name in names for step in range(study.steps)]
    training = {cell: sums["training"][cell] for cell in cells}
    tuning, units = sums["tuning"], {}
    if study.model.is_transformer:
        training, tuning, units = in_units(training, tuning, targets=target_count(study.folded))
    fitted = fit_all(training, tuning, study.folded, layers=study.layers)
    found: dict[ProbeKey, AnyProbe] = {**from_units(fitted, units)}
    found |= fit_captions(sums["training"], sums["tuning"], study.folded)
    if study.goes_beyond:
        found |= fit_joint(sums["training"], sums["tuning"], study.folded, layout_for(study))
    return found


def _fit_by_recipe(study: Study, progress: Progress) -> tuple[dict[ProbeKey, AnyProbe], Seconds]:
    """Fit every layer and step by the study's recipe; the training pictures are drawn once more."""
    if study.recipe is None:
        return {}, {}
    prompts = apart(study.split.train)
    seen = batches(bare(study), prompts)
    activations: dict[str, list[Tensor]] = {layer.name: [] for layer in study.layers}
    labels: dict[str, list[Tensor]] = {each.name: [] for each in study.properties}
    done, spent = 0, []
    for batch in seen:
        for name, parts in activations.items():
            parts.append(batch.readable[name].float())
        for name, parts in labels.items():
            parts.append(batch.labels[name])
        done += len(batch.trace.prompts)
        spent.append(batch.seconds)
        del batch
        progress("recipe", done, len(prompts))
    tuning = len(training_parts(study)["tuning"])
    fit = partial(_fit_kept, study, study.recipe, tuning, activations, labels)
    found, fit_s = timed("recipe", fit, study.model.device)
    return found, total([*spent, fit_s])


def _fit_kept(
    study: Study,
    recipe: str,
    tuning: int,
    activations: dict[str, list[Tensor]],
    labels: Mapping[str, list[Tensor]],
) -> dict[ProbeKey, AnyProbe]:
    found: dict[ProbeKey, AnyProbe] = {}
    for layer in study.layers:
        x = torch.cat(activations.pop(layer.name), dim=1)
        for each in (each for each in study.properties if suits(recipe, each)):
            y = to_grid(torch.cat(labels[each.name]), layer.grid)
            for step in range(study.steps):
                found[*name_of(recipe, each.name, layer.name), step] = fit_by(
                    recipe,
                    x[step],
                    y,
                    property=each,
                    layer=layer.name,
                    step=step,
                    apart=tuning,
                    generator=torch.Generator().manual_seed(step),
                )
    return found
