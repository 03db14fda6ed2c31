"""What an edit aims at, as a function of what a picture shows: maps by property.

An aim is made once from what was asked and called for each picture, since a move, a scale or a
light is relative to the object that is there.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..core.arrays import normalise
from ..core.errors import EditError
from ..core.properties import DEPTH, PROPERTIES, SALIENCY, SHADING, Property
from ..labelers import Labeler, label
from .choices import MARGIN
from .targets import carry_map, copy_map, grow_mask, shift_between, translate_map

Labels = Mapping[str, Float[Tensor, "_target height width"]]
"""Maps of one picture by property, as probes are fitted on them; a mask holds 0 and 1."""

Aim = Callable[[Labels, np.random.Generator], dict[str, Tensor]]
"""Makes the targets of one picture from its labels, or raises EditError."""

Place = Callable[[Tensor, np.random.Generator], Tensor]
"""Makes a target mask `1 height width` of the mask that is there, or raises EditError."""

Side = Literal["left", "right"]

LIGHT_SLOPE = 1.5
"""How much a relit object's shading falls from its lit edge to the other, in deviations of the
picture's shading."""


def aim_at(
    place: Place | None = None,
    *,
    depth: Float[Tensor, "1 height width"] | Place | None = None,
    light: Side | None = None,
    carried: Sequence[str] = (),
) -> Aim:
    """Make an aim of any of a mask, a depth map and a side of the light.

    Args:
        place: Where the object shall be. None leaves its mask to itself.
        depth: A wanted map, the nearer the greater, on any scale. Or a move of masks: the picture's
            own depth is translated as far as `place` moves the mask, or else as this would.
        light: The side that the object shall be lit from, there where it shall be.
        carried: Properties whose maps go along to where `place` says (`carry_map`): the object that
            is there, if there is one, is asked for with its own colour, light or form.

    Raises:
        EditError: if nothing is aimed at, or, when it is called, a map is not in the labels.
    """
    if place is None and depth is None and light is None:
        raise EditError("An edit has no target. Give it a mask, a depth map or a light.")

    def aim(there: Labels, random: np.random.Generator) -> dict[str, Tensor]:
        targets: dict[str, Tensor] = {}
        now = _own(there, SALIENCY)
        then = now if place is None else place(now, random)
        if place is not None:
            targets[SALIENCY.name] = then
        if isinstance(depth, Tensor):
            targets[DEPTH.name] = normalise(DEPTH, depth[None])[0]
        elif depth is not None:
            moved = depth(now, random) if place is None else then
            right, down = (float(each) for each in shift_between(now, moved))
            targets[DEPTH.name] = translate_map(_own(there, DEPTH), right, down)
        for each in () if place is None or not now.any() else carried:
            if each not in targets:
                targets[each] = carry_map(_own(there, PROPERTIES[each]), now, then)
        if light is not None:
            own = targets.get(SHADING.name, _own(there, SHADING))
            targets[SHADING.name] = relit(own, then, light)
        return targets

    return aim


def aim_beside(place: Place, *, carried: Sequence[str] = ()) -> Aim:
    """Make an aim of a second object: the one that is there stays, and its like shall be beside it.

    The target mask is the union of both places.

    Args:
        place: Where the second shall be, made of the first's mask.
        carried: Properties whose maps are asked for at the new place as they are at the old one
            (`copy_map`).

    Raises:
        EditError: when it is called: if there is no object, the places overlap, or a map is not in
            the labels.
    """

    def aim(there: Labels, random: np.random.Generator) -> dict[str, Tensor]:
        now = _own(there, SALIENCY)
        then = place(now, random)
        if ((now > 0) & (then > 0)).any():
            raise EditError(
                "The second object would stand on the first, which stays. Move it farther away."
            )
        looks = {
            name: copy_map(_own(there, PROPERTIES[name]), now, then)
            for name in carried
            if name != SALIENCY.name
        }
        return {SALIENCY.name: torch.maximum(now, then.to(now)), **looks}

    return aim


def labels_of(
    labelers: Sequence[Labeler],
    images: Float[Tensor, "image 3 height width"],
    also: Sequence[str] = (),
) -> dict[str, Float[Tensor, "image _target height width"]]:
    """Label all that aims speak of and the labelers read: masks as 0 or 1, maps normalised.

    Args:
        also: Further properties, by name.
    """
    known = {name for each in labelers for name in each.reads}
    wanted = dict.fromkeys((SALIENCY, DEPTH, SHADING, *(PROPERTIES[name] for name in also)))
    asked = [each for each in wanted if each.name in known]
    return {
        name: normalise(PROPERTIES[name], (maps > 0.5).float() if name == SALIENCY.name else maps)
        for name, maps in label(labelers, asked, images).items()
    }


def where_of(
    targets: Mapping[str, Float[Tensor, "image _target height width"]],
    there: Mapping[str, Float[Tensor, "image _target height width"]],
    margin: float,
) -> Float[Tensor, "image 1 height width"] | None:
    """Say where to edit: on the old mask, on the target if it is one, and so near to them.

    Args:
        targets: What an aim made of `there`.
        there: What the pictures show.
        margin: A share of the picture's larger side; below 0 for everywhere.

    Returns:
        1 where to edit, else 0; None for everywhere.
    """
    if margin < 0 or DEPTH.name in targets:  # a depth map speaks of the whole picture
        return None
    old = there[SALIENCY.name]
    return grow_mask(torch.maximum(old, targets.get(SALIENCY.name, old).to(old)), margin)


def aim_at_drawn(
    mask: Float[Tensor, "1 1 height width"],
    there: Mapping[str, Float[Tensor, "1 _target height width"]],
    carried: Sequence[str],
) -> tuple[dict[str, Tensor], Float[Tensor, "1 1 height width"] | None]:
    """Aim one picture at a drawn mask, and say where to edit, `MARGIN` around.

    Args:
        mask: Where the object shall be.
        there: What the picture shows.
        carried: As in `aim_at`.

    Returns:
        Targets by property, and 1 where to edit, else 0.
    """
    aim = aim_at(lambda _now, _random: mask[0], carried=carried)
    found = aim({name: maps[0] for name, maps in there.items()}, np.random.default_rng(0))
    targets = {name: maps[None].to(mask) for name, maps in found.items()}
    return targets, where_of(targets, there, MARGIN)


def steps_edited(steps: int) -> int:
    """Say how many of a run's first steps are edited unless more is said: a third.

    Of 15 steps those up to the 5th, the 7th or the 10th succeed alike on validation prompts; the
    fewer, the more often the object is still what it was, and the more of the background stays.
    """
    return max(1, round(steps / 3))


def relit(
    shading: Float[Tensor, "1 height width"], mask: Float[Tensor, "1 height width"], side: Side
) -> Float[Tensor, "1 height width"]:
    """Say what an object's shading would be with the light from one side: brighter there.

    Inside the mask its own horizontal slope is replaced by one that falls by `LIGHT_SLOPE` away
    from the light; its mean, and what is around it, stay. The result is normalised as shading is.

    Raises:
        EditError: if the mask is empty or a single column wide, so that it has no sides.
    """
    inside = mask[0] > 0
    cols = torch.nonzero(inside)[:, 1].double()
    if len(cols) == 0 or cols.min() == cols.max():
        raise EditError("There is no object with two sides to light. Use another prompt.")
    across = torch.arange(mask.shape[-1], dtype=torch.float64, device=mask.device)
    across = (across - cols.mean().to(mask.device)).expand(mask.shape[-2:])
    values, x = shading[0].double()[inside], across[inside]
    slope = (x * (values - values.mean())).sum() / x.square().sum()
    wanted = LIGHT_SLOPE / float(cols.max() - cols.min()) * (-1 if side == "left" else 1)
    changed = shading.double() + inside * across * (wanted - slope)
    return normalise(SHADING, changed.to(shading.dtype)[None])[0]


def _own(there: Labels, property: Property) -> Float[Tensor, "_target height width"]:
    if property.name not in there:
        raise EditError(f"No labeler reads the picture's own {property.name}. Give it one.")
    return there[property.name]
