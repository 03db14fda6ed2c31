"""A picture whose truth is known, to notice a labeler that reads the wrong way round.

A ball stands on a checkered floor that runs to the horizon: near = large inverse depth, and the
ball is the foreground.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.errors import LabelError
from .labeler import Labeler, ask, awake

_FLIPPED = -0.5
"""A correlation with the truth below this is a flipped labeler, not a poor one."""


def check_scene(
    size: int = 128,
) -> tuple[Float[Tensor, "1 3 height width"], dict[str, Float[Tensor, "1 1 height width"]]]:
    """Draw the check scene, and give its saliency (0 or 1) and inverse depth (1 at 1 unit)."""
    line = (torch.arange(size) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(-line, line, indexing="ij")
    floor = (-y).clamp(min=0)  # a camera 1 above the floor: inverse distance is the slope down
    checks = (x / floor.clamp(min=0.05)).floor() + (1 / floor.clamp(min=0.05)).floor()
    grey = torch.where(y < 0, 0.45 + 0.3 * (checks % 2), 0.75)
    centre_y, radius = -0.2, 0.4
    inside = x**2 + (y - centre_y) ** 2 < radius**2
    bulge = (1 - (x**2 + (y - centre_y) ** 2) / radius**2).clamp(min=0).sqrt()
    colour = torch.tensor([0.85, 0.2, 0.15])[:, None, None] * (0.3 + 0.7 * bulge)
    image = torch.where(inside, colour, grey.expand(3, -1, -1))
    depth = torch.where(inside, 0.6 + 0.3 * bulge, floor)
    return image[None], {"saliency": inside.float()[None, None], "depth": depth[None, None]}


@torch.no_grad()
def check_direction(labeler: Labeler, device: torch.device) -> dict[str, float]:
    """Correlate a labeler's maps of the check scene with the truth, pixel by pixel.

    Returns:
        Pearson's correlation by property; NaN where a map is constant. Properties without a
        known truth are left out.

    Raises:
        LabelError: if one is below -0.5: such maps are the wrong way round.
    """
    image, truths = check_scene()
    known = [name for name in labeler.reads if name in truths]
    with awake(labeler.networks, device):
        maps = ask(labeler, known, image.to(device)) if known else {}
    found = {}
    for name in known:
        both = torch.stack([maps[name].float().cpu().flatten(), truths[name].flatten()])
        found[name] = float(torch.corrcoef(both)[0, 1])
        if found[name] < _FLIPPED:
            raise LabelError(
                f"Labeler {labeler.name} reads {name} the wrong way round: on the check scene it "
                f"correlates {found[name]:.2f} with the truth. Near must be large in depth, and "
                "foreground 1 in saliency."
            )
    return found
