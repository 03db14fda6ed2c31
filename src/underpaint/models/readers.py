"""The small networks that read pictures of the rendered world: one for all maps, one for words."""

from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

MAPS = {"saliency": 1, "depth": 1, "shading": 1, "normals": 3, "albedo": 3}
_WIDTHS = (48, 96, 128, 160)
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


class MapReader(nn.Module):
    """A U-Net from a picture to its saliency, depth, shading, normals and albedo.

    It works on 4x4 pixel blocks, and sees the whole picture at its lowest level.
    """

    def __init__(self) -> None:
        super().__init__()
        first, last = _WIDTHS[0], _WIDTHS[-1]
        self.stem = nn.Conv2d(3 * _PATCH**2, first, 3, padding=1)
        self.down = nn.ModuleList(
            _Block(before, width)
            for before, width in zip((first, *_WIDTHS[:-1]), _WIDTHS, strict=True)
        )
        self.whole = nn.Linear(last, last)
        self.middle = _Block(last, last)
        self.up = nn.ModuleList(
            _Block(below + width, width)
            for below, width in zip((last, *_WIDTHS[:0:-1]), _WIDTHS[::-1], strict=True)
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
    """A small ResNet that names a picture's object, colour, floor and light."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = sizes
        self.network = ResNet(
            BasicBlock, [1, 1, 1, 1], num_classes=sum(sizes), norm_layer=partial(nn.GroupNorm, 16)
        )

    def features(self, images: Float[Tensor, "image 3 height width"]) -> Float[Tensor, "image f"]:
        """The 512 pooled features before the last layer."""
        n = self.network
        x = n.maxpool(n.relu(n.bn1(n.conv1(images * 2 - 1))))
        return n.layer4(n.layer3(n.layer2(n.layer1(x)))).mean(dim=(2, 3))

    def forward(
        self, images: Float[Tensor, "image 3 height width"]
    ) -> tuple[Float[Tensor, "image word"], ...]:
        """Logits for each part of the caption."""
        return self.network.fc(self.features(images)).float().split(self.sizes, dim=1)
