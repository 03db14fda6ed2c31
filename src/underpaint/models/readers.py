"""The small networks that read pictures of the rendered world: one for all maps, one for words."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

MAPS = {"saliency": 1, "depth": 1, "shading": 1, "normals": 3, "albedo": 3}
_WIDTHS, _BLOCKS = (48, 96, 128, 160), (1, 1, 3, 3)
_GLANCE, _FAR = 8, 128
_CROP, _NEAR = 64, (32, 96, 160, 256)
_PATCH = 4


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width_in, width, 3, padding=1)
        self.norm = nn.GroupNorm(8, width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Conv2d(width_in, width, 1) if width_in != width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.second(F.silu(self.norm(self.first(x))))


def _stage(width_in: int, width: int, blocks: int) -> nn.Sequential:
    """Chain blocks at one level; all but the first begin as the identity."""
    more = [_Block(width, width) for _ in range(blocks - 1)]
    for block in more:
        nn.init.zeros_(block.second.weight)
        nn.init.zeros_(block.second.bias)  # pyright: ignore[reportArgumentType]
    return nn.Sequential(_Block(width_in, width), *more)


class MapReader(nn.Module):
    """A U-Net from a picture to its saliency, depth, shading, normals and albedo.

    It works on 4x4 pixel blocks, and sees the whole picture at its lowest level.
    """

    UNIT_PX = _PATCH * 2 ** (len(_WIDTHS) - 1)
    """What a picture's sides have to be multiples of."""

    def __init__(self) -> None:
        super().__init__()
        first, last = _WIDTHS[0], _WIDTHS[-1]
        self.stem = nn.Conv2d(3 * _PATCH**2, first, 3, padding=1)
        self.down = nn.ModuleList(
            _stage(before, width, blocks)
            for before, width, blocks in zip((first, *_WIDTHS[:-1]), _WIDTHS, _BLOCKS, strict=True)
        )
        self.whole = nn.Linear(last, last)
        self.middle = _Block(last, last)
        self.up = nn.ModuleList(
            _stage(below + width, width, blocks)
            for below, width, blocks in zip(
                (last, *_WIDTHS[:0:-1]), _WIDTHS[::-1], _BLOCKS[::-1], strict=True
            )
        )
        self.head = nn.Conv2d(first, _PATCH**2 * sum(MAPS.values()), 3, padding=1)

    def forward(
        self, images: Float[Tensor, "image 3 height width"]
    ) -> dict[str, Float[Tensor, "image target height width"]]:
        """Read pictures in 0..1, their sides multiples of 32.

        Saliency is a probability; depth is inverse and relative, of no unit; shading and albedo are
        in 0..1; normals have unit length.
        """
        x = self.stem(F.pixel_unshuffle(images * 2 - 1, _PATCH))
        passed = []
        for level, block in enumerate(self.down):
            x = block(F.avg_pool2d(x, 2) if level else x)
            passed.append(x)
        x = x + self.whole(x.mean(dim=(2, 3)))[:, :, None, None]
        x = self.middle(x)
        for level, block in enumerate(self.up):
            x = F.interpolate(x, scale_factor=2, mode="nearest") if level else x
            x = block(torch.cat([x, passed.pop()], dim=1))
        out = F.pixel_shuffle(self.head(F.silu(x)), _PATCH).float()
        maps = dict(zip(MAPS, out.split(list(MAPS.values()), dim=1), strict=True))
        return {
            "saliency": maps["saliency"].sigmoid(),
            "depth": maps["depth"],
            "shading": maps["shading"].sigmoid(),
            "normals": F.normalize(maps["normals"], dim=1),
            "albedo": maps["albedo"].sigmoid(),
        }


class WordReader(nn.Module):
    """Names a picture's object, colour, floor and light: finds the object, then looks closely.

    A glance at 8x8 pixel blocks says where the object is; a crop around it, always of one size on
    the picture's object, goes through a network of its own. Both are read together.
    """

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = sizes
        self.glance = nn.ModuleList(
            [nn.Conv2d(3 * _GLANCE**2, 64, 3, padding=1), _Block(64, 64), _Block(64, _FAR)]
        )
        self.where = nn.Conv2d(64 + _FAR, 1, 1)
        self.near = nn.ModuleList(
            [nn.Conv2d(12, _NEAR[0], 3, padding=1)]
            + [
                _Block(before, width)
                for before, width in zip((_NEAR[0], *_NEAR[:-1]), _NEAR, strict=True)
            ]
        )
        self.name = nn.Linear(_NEAR[-1] + _FAR, sum(sizes))

    def find(
        self, images: Float[Tensor, "image 3 height width"]
    ) -> tuple[Float[Tensor, "image f"], Float[Tensor, "image row col"]]:
        """Features of the whole picture, and the log share of the object in each 8x8 block."""
        stem, fine, coarse = self.glance
        x = fine(stem(F.pixel_unshuffle(images * 2 - 1, _GLANCE)))
        far = F.silu(coarse(F.avg_pool2d(x, 2)))
        both = torch.cat([F.silu(x), F.interpolate(far, scale_factor=2, mode="bilinear")], dim=1)
        where = self.where(both)
        where = where.float().flatten(1).log_softmax(dim=1).view(len(x), *where.shape[2:])
        return far.mean(dim=(2, 3)), where

    def inspect(
        self, images: Float[Tensor, "image 3 height width"], boxes: Float[Tensor, "image 2 3"]
    ) -> Float[Tensor, "image f"]:
        """Features of a 64x64 crop of each picture, by maps from crop to picture coordinates."""
        grid = F.affine_grid(boxes, [len(images), 3, _CROP, _CROP], align_corners=False)
        crops = F.grid_sample(images * 2 - 1, grid, padding_mode="border", align_corners=False)
        x = self.near[0](F.pixel_unshuffle(crops, 2))
        for level, block in enumerate(self.near[1:]):
            x = block(F.avg_pool2d(x, 2) if level else x)
        return F.silu(x).mean(dim=(2, 3))

    def features(self, images: Float[Tensor, "image 3 height width"]) -> Float[Tensor, "image f"]:
        """The 384 features before the last layer."""
        far, where = self.find(images)
        return torch.cat([self.inspect(images, boxes_around(where.exp())), far], dim=1)

    def named(self, features: Float[Tensor, "image f"]) -> tuple[Float[Tensor, "image word"], ...]:
        """Logits for each part of the caption."""
        return self.name(features).float().split(self.sizes, dim=1)

    def forward(
        self, images: Float[Tensor, "image 3 height width"]
    ) -> tuple[Float[Tensor, "image word"], ...]:
        """Logits for each part of the caption of pictures in 0..1, their sides multiples of 16."""
        return self.named(self.features(images))


def boxes_around(share: Float[Tensor, "image row col"]) -> Float[Tensor, "image 2 3"]:
    """Affine maps from -1..1 in a crop to picture coordinates: 2.2 spreads to each side.

    `share` sums to 1 over the cells of each picture, whose left and top edges are at -1.
    """
    moments = []
    for axis in (1, 2):
        size = share.shape[axis]
        middles = (2 * torch.arange(size, device=share.device) + 1) / size - 1
        weight = share.sum(dim=3 - axis)
        mean = weight @ middles
        moments.append((mean, weight @ middles.square() - mean.square()))
    (y, height), (x, width) = moments
    side = 2.2 * torch.maximum(height, width).clamp(min=0.004).sqrt()
    zero = torch.zeros_like(side)
    rows = [torch.stack([side, zero, x], dim=1), torch.stack([zero, side, y], dim=1)]
    return torch.stack(rows, dim=1)
