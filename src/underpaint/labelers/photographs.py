"""What a labeler says of photographs, and of the same photographs in another light.

What a picture shows stays when it is darker, brighter or flatter, so a labeler should say the same
of it. One whose pixels are scaled wrongly often does not. No picture leaves 0..1 by these changes,
so nothing is clipped. The photographs are scikit-image's, in the public domain or CC0, and
Middlebury's motorcycle with its measured disparity: near = large.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.stats import spearmanr
from torch import Tensor

from ..core.errors import LabelError
from ..core.pictures import PHOTOGRAPHS, read_picture
from ..core.properties import PROPERTIES, Property
from .checkscene import check_scene
from .labeler import Labeler, awake, check_maps

STEADY = 0.9
"""Agreement below which scaling is likely wrong (docs/models.md has what was measured)."""
_LONGEST_PX = 512
_PHOTOGRAPHS = ("coffee", "astronaut", "chelsea", "motorcycle_left")
_DISPARITY = "motorcycle_disp.npz"

CHANGES = {
    "darker": lambda image: 0.75 * image,
    "brighter": lambda image: 1 - 0.75 * (1 - image),
    "flatter": lambda image: image.mean() + 0.7 * (image - image.mean()),
}
"""By name, what makes another light of a picture in 0..1."""


@dataclass(frozen=True, eq=False)
class Photograph:
    """A picture in 0..1, and what is known of it by property: NaN where nothing is."""

    name: str
    image: Float[Tensor, "1 3 height width"]
    known: Mapping[str, Float[Tensor, "1 1 height width"]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Said:
    """What a labeler says of one picture.

    Args:
        photograph: Which.
        maps: By "as it is" and the names of `CHANGES`, `target height width`.
        foreground: Share of pixels above one half, for what lies in 0..1; else NaN.
        agreement: Pearson's correlation with what it says of each change, the mean of targets;
            NaN where a map is constant.
        rank: Spearman's correlation with what is known; NaN where nothing is.
    """

    photograph: Photograph
    maps: Mapping[str, Float[Tensor, "_ height width"]]
    foreground: float
    agreement: Mapping[str, float]
    rank: float


def scene() -> Photograph:
    """Give the built-in check scene as if it were a photograph."""
    image, truths = check_scene()
    return Photograph("check scene", image, truths)


def published(
    names: Sequence[str] = _PHOTOGRAPHS, *, size: tuple[int, int] | None = None
) -> list[Photograph]:
    """Read photographs from scikit-image's wheel; none where it is not installed.

    Args:
        names: Of which.
        size: Height and width to bring them to; their own, up to 512 pixels, if not given.
    """
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        return []
    folder = Path(spec.submodule_search_locations[0]) / "data"
    found = []
    for name in names:
        known = {}
        if name == "motorcycle_left":
            measured = torch.from_numpy(np.load(folder / _DISPARITY)["arr_0"])[None, None]
            known["depth"] = torch.where(measured.isfinite(), measured, torch.nan)
        found.append(_small(Photograph(name, _read(folder / f"{name}.png"), known), size))
    return found


def read_pictures(folder: Path) -> list[Photograph]:
    """Read every PNG and JPEG of a folder, in the order of their names.

    Raises:
        LabelError: if there are none, or one cannot be read.
    """
    endings = (".png", ".jpg", ".jpeg")
    paths = sorted(path for path in folder.glob("*") if path.suffix.casefold() in endings)
    if not paths:
        raise LabelError(f"{folder} holds no .png or .jpg. Put pictures there.")
    return [_small(Photograph(path.name, _read(path))) for path in paths]


@torch.no_grad()
def look(labeler: Labeler, property: str, photograph: Photograph, device: torch.device) -> Said:
    """Ask a labeler about a picture and its changes.

    Raises:
        LabelError: if its maps have another size or are not finite.
    """
    images = {"as it is": photograph.image}
    images |= {name: change(photograph.image) for name, change in CHANGES.items()}
    with awake(labeler.networks, device):
        maps = {
            name: labeler.read(each.to(device))[property].float().cpu()
            for name, each in images.items()
        }
    for each in maps.values():
        kind = PROPERTIES.get(property) or Property(property, "continuous", (), each.shape[1])
        check_maps(f"Labeler {labeler.name}", kind, each, photograph.image)
    return _said(photograph, property, {name: each[0] for name, each in maps.items()})


def steadiness(said: Sequence[Said]) -> float:
    """Give the least agreement of all changes, each the median over pictures; NaN for none.

    One light is enough to tell: IS-Net with ImageNet's statistics is upset by brighter pictures and
    hardly by darker ones.
    """
    values = np.array([[each.agreement[name] for name in CHANGES] for each in said])
    known = [column[np.isfinite(column)] for column in values.T]
    return min((float(np.median(each)) for each in known if each.size), default=np.nan)


def directions(said: Sequence[Said]) -> float:
    """Give the mean rank correlation with what is known: above 0, near or foreground is high."""
    ranks = np.array([each.rank for each in said])
    return float(ranks[np.isfinite(ranks)].mean()) if np.isfinite(ranks).any() else np.nan


def _said(photograph: Photograph, property: str, maps: dict[str, Tensor]) -> Said:
    own = maps["as it is"]
    is_share = bool(((own >= 0) & (own <= 1)).all())
    known = photograph.known.get(property)
    return Said(
        photograph,
        maps,
        float((own > 0.5).float().mean()) if is_share else np.nan,
        {name: _alike(own, maps[name]) for name in CHANGES},
        np.nan if known is None else _ranked(own, known[0]),
    )


def _alike(one: Tensor, other: Tensor) -> float:
    pairs = zip(one.flatten(1).double(), other.flatten(1).double(), strict=True)
    with np.errstate(invalid="ignore"):
        return float(np.mean([float(torch.corrcoef(torch.stack(pair))[0, 1]) for pair in pairs]))


def _ranked(maps: Tensor, known: Tensor) -> float:
    is_known = known[0].isfinite()
    flat = maps.mean(dim=0)[is_known]
    if flat.min() == flat.max():
        return float("nan")
    return float(spearmanr(flat.numpy(), known[0][is_known].numpy())[0])  # pyright: ignore[reportArgumentType]


def _read(path: Path) -> Float[Tensor, "1 3 height width"]:
    try:
        return read_picture(path, PHOTOGRAPHS)[None]
    except OSError as error:
        raise LabelError(f"Cannot read {path} ({error}). Save it as PNG.") from error


def _small(photograph: Photograph, size: tuple[int, int] | None = None) -> Photograph:
    """Bring a picture to a size, or to multiples of 32, the longest side of at most 512 pixels."""
    height, width = photograph.image.shape[-2:]
    scale = min(1.0, _LONGEST_PX / max(height, width))
    size = size or (
        max(32, round(height * scale / 32) * 32),
        max(32, round(width * scale / 32) * 32),
    )
    image = F.interpolate(photograph.image, size=size, mode="bilinear", antialias=True).clamp(0, 1)
    known = {name: F.interpolate(each, size=size) for name, each in photograph.known.items()}
    return replace(photograph, image=image, known=known)
