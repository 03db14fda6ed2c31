"""Losses that teach the readers of `models/readers.py` the exact truth of the renders.

Half of each batch is the picture as drawn, half as the autoencoder gives it back: generated
pictures come out of that decoder, and a reader that has never met its blur reads them badly.
Noise is left out on purpose: an off-the-shelf model has not been trained on noisy pictures either.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from ..models.readers import MapReader, WordReader, boxes_around
from .renders import Renders
from .training import LossOf, coin, fast_precision, picked
from .words import COLOURS, FLOORS, LIGHTS, OBJECTS, Caption

WORD_SIZES = (len(OBJECTS), len(COLOURS), len(FLOORS), len(LIGHTS))


def standardised(depth: Float[Tensor, "image 1 height width"]) -> Tensor:
    """Give each depth map zero mean and unit variance: monocular depth knows neither."""
    centred = depth - depth.mean(dim=(2, 3), keepdim=True)
    return centred / depth.std(dim=(2, 3), keepdim=True).clamp(min=1e-6)


def map_loss(
    reader: MapReader,
    renders: Renders,
    decoded: UInt8[Tensor, "some 3 height width"],
    *,
    batch: int = 24,
) -> LossOf:
    """Cross-entropy and soft Dice for the mask, L1 for the rest, of slopes for depth and shading.

    Most of a room is lit evenly. Without the slopes, a floor's pattern shows faintly in its
    shading, and ranks know no faintness.
    """
    device = next(reader.parameters()).device

    def loss_of(generator: torch.Generator) -> Tensor:
        rows, images = _drawn(renders, decoded, batch, generator)
        mirrored = coin(generator)
        some = renders[rows]
        truth = {name: some.maps(name) for name in ("saliency", "depth", "shading")}
        truth |= {name: some.maps(name) for name in ("normals", "albedo")}
        if mirrored:
            images = images.flip(-1)
            truth = {name: maps.flip(-1) for name, maps in truth.items()}
            truth["normals"][:, 0] *= -1
        truth = {name: maps.to(device) for name, maps in truth.items()}
        images = images.to(device).float() / 255
        with fast_precision(device):
            read = reader(images.contiguous(memory_format=torch.channels_last))
        mask, actual = read["saliency"], truth["saliency"]
        overlap = 2 * (mask * actual).sum(dim=(1, 2, 3))
        dice = overlap / (mask.sum(dim=(1, 2, 3)) + actual.sum(dim=(1, 2, 3)) + 1)
        depth = standardised(truth["depth"])
        return (
            F.binary_cross_entropy(mask.clamp(1e-5, 1 - 1e-5), actual)
            + 0.5 * (1 - dice).mean()
            + F.l1_loss(read["depth"], depth)
            + _slope_loss(read["depth"], depth)
            + 4 * F.l1_loss(read["shading"], truth["shading"])
            + 4 * _slope_loss(read["shading"], truth["shading"])
            + F.l1_loss(read["normals"], truth["normals"])
            + F.l1_loss(read["albedo"], truth["albedo"])
        )

    return loss_of


def _slope_loss(read: Tensor, truth: Tensor) -> Tensor:
    """L1 of the differences between neighbours, down and across."""
    return F.l1_loss(read.diff(dim=2), truth.diff(dim=2)) + F.l1_loss(
        read.diff(dim=3), truth.diff(dim=3)
    )


def word_loss(
    reader: WordReader,
    renders: Renders,
    decoded: UInt8[Tensor, "some 3 height width"],
    *,
    batch: int = 48,
) -> LossOf:
    """Cross-entropy over each part of the caption, with small shifts and mirror images.

    The reader learns to find the object from the true mask's share of each cell, and to name it
    from a crop around that share, moved and scaled a little.
    """
    device = next(reader.parameters()).device
    lights = torch.tensor([_mirrored_light(light) for light in LIGHTS], device=device)

    def loss_of(generator: torch.Generator) -> Tensor:
        rows, images = _drawn(renders, decoded, batch, generator)
        classes = renders.classes[rows.to(renders.classes.device)].to(device, copy=True)
        both = torch.cat([images, renders.picked("saliency", rows)], dim=1)
        if coin(generator):
            both = both.flip(-1)
            classes[:, 3] = lights[classes[:, 3]]
        shift = (picked(13, 2, generator) - 6).tolist()
        both = F.pad(both, (6, 6, 6, 6), mode="replicate").roll(shift, (2, 3))
        both = both[:, :, 6:-6, 6:-6].to(device).float() / 255
        images, masks = both.split([3, 1], dim=1)
        images = images.contiguous(memory_format=torch.channels_last)
        with fast_precision(device):
            far, where = reader.find(images)
            rows, cols = where.shape[1:]
            cells = F.adaptive_avg_pool2d(masks[:, 0], (rows, cols))
            share = cells / cells.sum(dim=(1, 2), keepdim=True).clamp(min=1e-3)
            boxes = _jittered(boxes_around(share), generator)
            logits = reader.named(torch.cat([reader.inspect(images, boxes), far], dim=1))
        parts = (
            F.cross_entropy(part, classes[:, i], label_smoothing=0.05)
            for i, part in enumerate(logits)
        )
        return sum(parts, start=-(share * where).sum(dim=(1, 2)).mean())

    return loss_of


def _jittered(boxes: Float[Tensor, "image 2 3"], generator: torch.Generator) -> Tensor:
    """Scale each crop by 0.8 to 1.25, and move it by up to a sixth of its half side."""
    drawn = torch.rand(len(boxes), 3, generator=generator, device=generator.device) * 2 - 1
    scale = 1.25 ** drawn[:, :1]
    side = boxes[:, :1, 0]
    moved = boxes[:, :, 2] + side * drawn[:, 1:] / 6
    return torch.cat([boxes[:, :, :2] * scale[:, :, None], moved[:, :, None]], dim=2)


def _drawn(
    renders: Renders,
    decoded: UInt8[Tensor, "some 3 height width"],
    batch: int,
    generator: torch.Generator,
) -> tuple[Int[Tensor, "image"], UInt8[Tensor, "image 3 height width"]]:
    """Draw rows and their pictures: half as rendered, half as the autoencoder gives them back."""
    again = picked(len(decoded), batch // 2, generator)
    plain = picked(len(renders), batch - len(again), generator)
    images = torch.cat([decoded[again.to(decoded.device)], renders.picked("image", plain)])
    return torch.cat([again, plain]), images


def _mirrored_light(light: str) -> int:
    return Caption("red", "ball", "sand", light).mirrored.classes[3]
