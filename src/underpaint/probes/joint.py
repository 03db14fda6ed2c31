"""Several activations side by side on one grid, and what is known besides: one scatter for all.

A probe over many layers, or over a layer and what the model's own prediction shows, needs how all
of them go together. They are laid out as channels of one activation, block after block, so the sums
of any choice of blocks are a part of one scatter, and `gather`, `merge` and the rest serve as ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..core.arrays import to_grid, to_image

REACH = 2
"""Cells to each side that a reader of x̂₀ sees: 5 × 5 in all."""


@dataclass(frozen=True)
class Block:
    """Some channels of the joint activation: whose they are, and from which to which."""

    name: str
    part: slice

    @property
    def width(self) -> int:
        """Count its channels."""
        return self.part.stop - self.part.start


def blocks_of(widths: Sequence[tuple[str, int]]) -> tuple[Block, ...]:
    """Put blocks of these names and widths one after another."""
    blocks: list[Block] = []
    start = 0
    for name, width in widths:
        blocks.append(Block(name, slice(start, start + width)))
        start += width
    return tuple(blocks)


def onto(
    maps: Float[Tensor, "image channel _ _"], grid: tuple[int, int]
) -> Float[Tensor, "image channel row col"]:
    """Bring maps to a grid: by cell means where it is coarser, by nearest cells where finer."""
    rows, cols = maps.shape[-2:]
    mid = (min(rows, grid[0]), min(cols, grid[1]))
    small = maps if mid == (rows, cols) else to_grid(maps, mid)
    return small if mid == grid else to_image(small, grid)


def neighbours(
    maps: Float[Tensor, "image channel row col"], reach: int = REACH
) -> Float[Tensor, "image channel2 row col"]:
    """Give each cell its own values and those of its neighbours; beyond the border, the border's.

    With `reach` 2 a cell sees 5 × 5 cells, 25 channels for each that there was.
    """
    side = 2 * reach + 1
    padded = F.pad(maps, (reach,) * 4, mode="replicate")
    return F.unfold(padded, side).unflatten(-1, maps.shape[-2:])


def projection(channels: int, width: int, *, seed: int) -> Float[Tensor, "channel width"] | None:
    """Draw `width` orthonormal directions among so many channels; None where there are no more.

    What a linear probe can read through them is what it reads of a random subspace: of a signal
    that lies in few directions with noise all around, about the share `width / channels`, and of
    one that many channels carry, nearly all (Johnson & Lindenstrauss 1984).
    """
    if channels <= width:
        return None
    draws = torch.randn(channels, width, generator=torch.Generator().manual_seed(seed))
    return torch.linalg.qr(draws).Q


def random_features(
    maps: Float[Tensor, "image channel row col"], width: int, *, seed: int
) -> Float[Tensor, "image width row col"]:
    """Give each cell `relu(xR + b)`, R and b drawn at random: a second reader of the same maps.

    Channels should have deviations of about one (Rahimi & Recht 2008, with rectifiers).
    """
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(maps.shape[1], width, generator=generator) / maps.shape[1] ** 0.5
    bias = torch.randn(width, generator=generator)
    mixed = torch.einsum("ncij,cw->nwij", maps.float(), weight.to(maps.device))
    return (mixed + bias.to(maps.device)[:, None, None]).relu()


def partners(texts: Sequence[str]) -> list[int]:
    """Choose for each picture the one whose activation stands for its own: near in words.

    A chain goes from each picture to the one, among those that it has not met, whose caption has
    most words in common, and closes: so each is chosen once. Pictures of one caption are together;
    where captions differ, those that share most of them, such as the object and the floor.
    """
    words = [set(text.lower().replace(",", " ").split()) for text in texts]
    chain, left = [0], list(range(1, len(texts)))
    while left:
        last = chain[-1]
        nearest = max(left, key=lambda at: (texts[at] == texts[last], len(words[at] & words[last])))
        chain.append(nearest)
        left.remove(nearest)
    chosen = [0] * len(texts)
    for place, at in enumerate(chain):
        chosen[at] = chain[(place + 1) % len(chain)]
    return chosen
