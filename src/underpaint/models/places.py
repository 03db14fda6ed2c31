"""Where an image's tokens stand among those of a layer: measured, not assumed.

The denoiser is shown one set of latents three times: as it came, with its upper half changed, and
with its left half changed. Attention is made to answer each token with its own query meanwhile, so
nothing passes from token to token, and those that answer otherwise are the image's: which they are,
and in which order, shows in every layer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .capture import tapped

_QUIET = (1e-3, 1e-2, 3e-2, 0.1)
"""Shares of a layer's largest answer below which a token has not answered, tried in turn.

Layers that are quantised as they run let all tokens answer a little; the pattern tells which fits.
"""


@dataclass(frozen=True)
class Place:
    """How a layer's tokens are laid out beside the image's.

    Args:
        side: "alone", or where the text's tokens are: "before" or "after" the image's.
        spare: Tokens that are neither the image's nor given as text, such as registers.
    """

    side: str = "alone"
    spare: int = 0

    def split(self, joint: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Take what comes before the image's tokens, those, and what comes after."""
        lead = joint.shape[1] - count if self.side == "before" else 0
        return joint[:, :lead], joint[:, lead : lead + count], joint[:, lead + count :]

    def tokens(self, count: int, text: int) -> int:
        """Say how many tokens there are where an image has `count` and the text so many."""
        return count if self.side == "alone" else count + text + self.spare


def text_length(kwargs: Mapping[str, Any]) -> int:
    """Count the text's tokens in what a denoiser is given."""
    text = kwargs.get("encoder_hidden_states")
    return text.shape[1] if isinstance(text, Tensor) and text.ndim == 3 else 0


def find_places(
    denoiser: nn.Module, sites: Sequence[str], args: tuple, kwargs: dict, *, grid: tuple[int, int]
) -> dict[str, Place]:
    """Find the image's tokens at each site; sites where they cannot be told are left out.

    Args:
        denoiser: A transformer.
        sites: Modules that give images × tokens × channels.
        args: What it is given, latents first or by name first.
        kwargs: The rest.
        grid: Rows and columns of an image's tokens.
    """
    shown: dict[str, list[Tensor]] = {site: [] for site in sites}

    def keep(site: str) -> Callable[[int, Tensor], None]:
        return lambda _step, tokens: shown[site].append(tokens)

    latents = args[0] if args else next(iter(kwargs.values()))
    name = None if args else next(iter(kwargs))
    with torch.no_grad(), tapped(denoiser, {site: keep(site) for site in sites}, steps=3), _Apart():
        for changed in (latents, *_halves(latents, grid)):
            if name is None:
                denoiser(changed, *args[1:], **kwargs)
            else:
                denoiser(**{**kwargs, name: changed})
    upper, left = _expected(grid, latents.device)
    text = text_length(kwargs)
    found = {}
    for site, (plain, *others) in shown.items():
        fits = (
            _place([_loud(plain, other, quiet) for other in others], (upper, left), text=text)
            for quiet in _QUIET
        )
        place = next((each for each in fits if each is not None), None)
        if place is not None:
            found[site] = place
    return found


class _Apart(TorchFunctionMode):
    """Make attention answer each token with its own query: nothing passes between tokens."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is not F.scaled_dot_product_attention:
            return func(*args, **kwargs)
        query, _, value = [
            *args,
            *(kwargs[name] for name in ("query", "key", "value")[len(args) :]),
        ][:3]
        if query.shape[-1] == value.shape[-1]:
            return query
        return query.mean(dim=-1, keepdim=True).expand(*query.shape[:-1], value.shape[-1])


def _halves(latents: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Change the upper half of an image's tokens, and the left half."""
    rows, cols = grid
    packed = latents.ndim == 3
    plane = latents.unflatten(1, grid) if packed else latents.permute(0, 2, 3, 1)
    scale = (plane.shape[1] // rows, plane.shape[2] // cols)
    halves = []
    for axis, half in ((1, max(1, rows // 2) * scale[0]), (2, max(1, cols // 2) * scale[1])):
        changed = plane.clone()
        part = changed.narrow(axis, 0, half)
        part.copy_(0.5 - part)
        halves.append(changed.flatten(1, 2) if packed else changed.permute(0, 3, 1, 2))
    return halves[0], halves[1]


def _expected(
    grid: tuple[int, int], device: torch.device
) -> tuple[Bool[Tensor, "place"], Bool[Tensor, "place"]]:
    rows, cols = grid
    upper, left = torch.zeros(2, rows, cols, dtype=torch.bool, device=device)
    upper[: max(1, rows // 2)] = True
    left[:, : max(1, cols // 2)] = True
    return upper.flatten(), left.flatten()


def _loud(
    plain: Float[Tensor, "image token channel"],
    other: Float[Tensor, "image token channel"],
    quiet: float,
) -> Bool[Tensor, "image token"]:
    answer = (plain.float() - other.float()).abs().amax(dim=-1)
    return answer > quiet * answer.max()


def _place(
    loud: Sequence[Bool[Tensor, "image token"]],
    expected: Sequence[Bool[Tensor, "place"]],
    *,
    text: int,
) -> Place | None:
    """Fit the expected pattern into the tokens that answered; None where it does not fit."""
    tokens, count = loud[0].shape[1], len(expected[0])
    # The first token of all is in the upper half and in the left one.
    both = loud[0] & loud[1]
    if not both.any(dim=1).all() or tokens < count:
        return None
    lead = int(both[0].int().argmax())
    inside = slice(lead, lead + count)
    for answered, wanted in zip(loud, expected, strict=True):
        beside = torch.cat([answered[:, :lead], answered[:, lead + count :]], dim=1)
        if lead + count > tokens or beside.any() or not answered[:, inside][:, wanted].all():
            return None
    tail = tokens - lead - count
    if lead == tail == 0:
        return Place()
    spare = lead + tail - text
    # Fewer than the text has: it is cut to each prompt's own length, and the batch is ragged.
    if (lead and tail) or spare < 0:
        return None
    return Place("before" if lead else "after", spare)
