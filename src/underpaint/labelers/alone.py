"""Whether a labeler says the same of a picture whatever stands beside it, and whenever it is asked.

A network in training mode, a map stretched over its whole batch and an answer by chance give labels
that change with the batch, and nothing else would show it.
"""

import torch
from torch import Tensor

from ..core.errors import LabelError

ROUNDING = 0.005
"""The mean difference that rounding may make, in units of the maps' spread.

Half precision, and masks whose pixels flip at a threshold, stay below it; float32 by far.
"""
_LEAST_SPREAD = 1e-3
"""Spread counts as at least this share of the largest value: a level map has only its rounding."""


def middle_of(maps: Tensor) -> int:
    """Find the picture whose map has the median range: it does not hold both of the extremes."""
    if maps.ndim < 2:
        return 0
    values = maps.flatten(1).float()
    order = (values.amax(dim=1) - values.amin(dim=1)).argsort()
    return int(order[(len(order) - 1) // 2])


def check_alone(giver: str, name: str, among: Tensor, alone: Tensor, place: int) -> None:
    """Refuse maps that depend on the batch, or on chance.

    Maps of other shapes, or that are not finite, are left to the checks of just that.

    Raises:
        LabelError: if one picture's maps differ by more than rounding.
    """
    same = among[place : place + 1]
    if alone.shape != same.shape:
        return
    whole = among.double()
    spread = torch.maximum(whole.std(correction=0), _LEAST_SPREAD * whole.abs().amax())
    apart = float((alone.double() - same.double()).abs().mean() / spread)
    if apart > ROUNDING:
        raise LabelError(
            f"{giver} gave two answers of one picture, once among {len(among)} and once alone: "
            f"{name} differs by {apart:.2g} of its spread. Labels may depend on no other picture "
            "and on no chance: set its network to `eval()`, and scale each map by itself."
        )
