"""Diffusion Self-Guidance: move an object by the gradient of what its word attends to.

The published way to move what a picture shows by what is inside the model (Epstein et al. 2023,
*Diffusion Self-Guidance for Controllable Image Generation*, sections 3 and 4), as a rival of
edits: no activation is written. At each step of the edit the noise that the model predicts becomes

    e + v s ∇_x g(x),    g = |shape - moved shape| + |centre - moved centre|
                             + OTHERS |other tokens' shapes - as they were|
                             + LOOK |look - as it was|

so that the next latents have less of g. Which token is the object's is found, not said: the one
that attends most like the unedited picture's mask does, for a text encoder may say an object
in a token behind its word. Each layer counts by how much it does so.

Notation
    A       a token's cross-attention map at one layer, mean over heads
    shape   A brought to 0..1, through a steep sigmoid, and to 0..1 again; its mean is the size
    centre  the mean place of A, in shares of the picture's sides
    look    mean over shape of the features that the output is made of
    e, v, s the predicted noise, the weight, the step's share of noise
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from ..core.arrays import to_grid
from ..models.attending import Attend, Attended, Guide, own_tokens
from ..models.levels import find_levels
from ..models.model import Model
from .rivals import Latents, Masks
from .targets import box_of

WEIGHT = 300.0
"""v at strength 1: of 60 to 1,500, tried on six validation prompts of `tiny` at steps 2–8, the one
that comes nearest to targets before pictures break."""
OTHERS, LOOK = 0.5, 0.1
STEEP = 10.0
"""Of the sigmoid that makes a shape."""

Shapes = tuple[Float[Tensor, "image token _row _col"], ...]


def self_guidance(
    model: Model,
    texts: Sequence[str],
    latents: Float[Tensor, "step image latent lrow lcol"],
    masks: tuple[Masks, Masks],
    *,
    schedule: Mapping[int, float],
) -> Guide:
    """Make a guide that moves each picture's object from one mask to another.

    Args:
        model: With cross-attention, as `attending.check_attends` has it.
        texts: The prompts.
        latents: What entered each step of the unedited pictures.
        masks: Where the objects are, and where they shall be.
        schedule: Strength by step.
    """
    own = _own(model, texts)
    levels = find_levels(model, steps=len(latents))

    def guide(step: int, x: Latents, attend: Attend) -> Tensor | None:
        if not schedule.get(step):
            return None
        with torch.no_grad():
            was = attend(latents[step].to(x))
        moved = x.detach().requires_grad_()
        energy = _energy(attend(moved), was, own, masks)
        (slope,) = torch.autograd.grad(energy.sum(), moved)
        signal, noise = levels[step]
        predicted = {"epsilon": 1.0, "v_prediction": 1 / signal, "sample": -noise / signal}
        kind = str(model.pipeline.scheduler.config.get("prediction_type"))
        return schedule[step] * WEIGHT * noise * predicted[kind] * slope

    return guide


def _energy(
    now: Attended, was: Attended, own: Bool[Tensor, "image token"], masks: tuple[Masks, Masks]
) -> Float[Tensor, "image"]:
    likeness = torch.stack([_likeness(maps, masks[0]) for maps in was.maps])
    likeness = likeness.masked_fill(~own, 0).clamp(min=0)
    token = likeness.mean(dim=0).argmax(dim=1)
    picture = torch.arange(len(token))
    counts = likeness[:, picture, token]
    counts = counts / counts.sum(dim=0).clamp(min=1e-6)
    total = now.features.new_zeros(len(token))
    rest = own.clone()
    rest[picture, token] = False
    for maps, before, count in zip(now.maps, was.maps, counts, strict=True):
        goal = _moved(before[picture, token], masks)
        shape, kept = _shape(maps), _shape(before)
        parted = (shape[picture, token] - _shape(goal)).abs().mean(dim=(1, 2))
        away = (_centre(maps[picture, token]) - _centre(goal)).abs().mean(dim=1)
        others = (shape - kept).abs().mean(dim=(2, 3))
        others = (others * rest).sum(dim=1) / rest.sum(dim=1).clamp(min=1)
        total = total + count * (parted + away + OTHERS * others)
    looks = [_look(each, picture, token, counts) for each in (now, was)]
    return total + LOOK * (looks[0] - looks[1]).abs().mean(dim=1)


def _moved(
    maps: Float[Tensor, "image row col"], masks: tuple[Masks, Masks]
) -> Float[Tensor, "image row col"]:
    """Move and stretch each map as its mask's box is, and repeat the edge beyond it."""
    turns = []
    for old, new in zip(*masks, strict=True):
        (top, bottom, left, far), (top2, bottom2, left2, far2) = box_of(old), box_of(new)
        height, width = old.shape[-2:]
        along = _axis((left, far + 1), (left2, far2 + 1), width)
        down = _axis((top, bottom + 1), (top2, bottom2 + 1), height)
        turns.append([[along[0], 0.0, along[1]], [0.0, down[0], down[1]]])
    grid = affine_grid(
        torch.tensor(turns).to(maps), [len(maps), 1, *maps.shape[-2:]], align_corners=False
    )
    return grid_sample(maps[:, None], grid, padding_mode="border", align_corners=False)[:, 0]


def _axis(old: tuple[int, int], new: tuple[int, int], size: int) -> tuple[float, float]:
    """Say where along -1..1 of an old axis each place of the new one comes from: scale, shift."""
    scale = (old[1] - old[0]) / (new[1] - new[0])
    middles = [(first + last) / size - 1 for first, last in (old, new)]
    return scale, middles[0] - scale * middles[1]


def _likeness(
    maps: Float[Tensor, "image token row col"], mask: Masks
) -> Float[Tensor, "image token"]:
    """Correlate each token's map with a mask, over places."""
    cells = to_grid(mask, (maps.shape[-2], maps.shape[-1]))
    both = [each - each.mean(dim=(2, 3), keepdim=True) for each in (maps, cells.to(maps))]
    norm = [each.square().sum(dim=(2, 3)).sqrt() for each in both]
    return (both[0] * both[1]).sum(dim=(2, 3)) / (norm[0] * norm[1]).clamp(min=1e-9)


def _shape(maps: Float[Tensor, "*axes row col"]) -> Float[Tensor, "*axes row col"]:
    return _from_0_to_1(torch.sigmoid(STEEP * (_from_0_to_1(maps) - 0.5)))


def _from_0_to_1(maps: Float[Tensor, "*axes row col"]) -> Float[Tensor, "*axes row col"]:
    low, high = maps.amin(dim=(-2, -1), keepdim=True), maps.amax(dim=(-2, -1), keepdim=True)
    return (maps - low) / (high - low).clamp(min=1e-6)


def _centre(maps: Float[Tensor, "image row col"]) -> Float[Tensor, "image 2"]:
    """Give the mean row and column of maps, in shares of the sides."""
    share = maps / maps.sum(dim=(1, 2), keepdim=True)
    rows, cols = ((torch.arange(size, device=maps.device) + 0.5) / size for size in maps.shape[-2:])
    return torch.stack([share.sum(dim=2) @ rows, share.sum(dim=1) @ cols], dim=1)


def _look(
    attended: Attended,
    picture: Tensor,
    token: Tensor,
    counts: Float[Tensor, "layer image"],
) -> Float[Tensor, "image channel"]:
    """Average features over the object's shape, each layer's brought to their grid."""
    features = attended.features
    shapes = [
        interpolate(_shape(maps[picture, token])[:, None], size=features.shape[-2:])
        for maps in attended.maps
    ]
    shape = (counts[..., None, None, None] * torch.stack(shapes)).sum(dim=0)
    return (features * shape).sum(dim=(2, 3)) / shape.sum(dim=(2, 3)).clamp(min=1e-6)


def _own(model: Model, texts: Sequence[str]) -> Bool[Tensor, "image token"]:
    """Say which tokens are a text's own."""
    places = [own_tokens(model, text) for text in texts]
    own = torch.zeros(len(texts), model.pipeline.tokenizer.model_max_length, dtype=torch.bool)
    for row, each in zip(own, places, strict=True):
        row[each] = True
    return own.to(model.device)
