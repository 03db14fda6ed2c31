"""Shading by Intrinsic (Careaga & Aksoy 2023), where its authors' package is installed.

It answers with inverse shading `i = 1 / (s + 1)` under a name that changed between versions. On the
package index, `intrinsic` is something else.
"""

import importlib
import inspect
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from ..core.errors import LabelError, ModelError, first_line
from .labeler import Labeler

PREFIX = "intrinsic:"
_INVERSE_SHADING = ("gry_shd", "inv_shading")
_OPTIONS = {
    "stage": 4,
    "resize_conf": 0.0,
    "base_size": 384,
    "maintain_size": True,
    "linear": False,
}


def intrinsic_labeler(id_or_path: str, device: torch.device) -> Labeler:
    """Load Intrinsic: "intrinsic:" and the name of weights that its own loader knows, or a path.

    The literature uses "intrinsic:paper_weights"; later versions know "intrinsic:v2".

    Raises:
        LabelError: if the package is not installed, or answers otherwise.
        ModelError: if its loader cannot give the weights.
    """
    try:
        package: Any = importlib.import_module("intrinsic.pipeline")
        load_models, run_pipeline = package.load_models, package.run_pipeline
    except (ImportError, AttributeError) as error:
        raise LabelError(
            f"Intrinsic is not installed ({first_line(error)}). It is not on the package index: "
            "install compphoto/Intrinsic from its authors, or use a Marigold model."
        ) from error
    name = id_or_path.removeprefix(PREFIX)
    try:
        models = load_models(name, **_known(load_models, {"device": str(device)}))
    # Its loader downloads and unpickles by itself: anything can go wrong.
    except Exception as error:
        raise ModelError(
            f"Intrinsic did not give the weights {name!r} ({first_line(error)}). Its versions know "
            "'paper_weights' or 'v2'."
        ) from error
    options = _known(run_pipeline, {**_OPTIONS, "device": str(device)})

    @torch.no_grad()
    def read(images: Float[Tensor, "image 3 height width"]) -> dict[str, Tensor]:
        maps = [_shading(run_pipeline(models, _pixels(image), **options)) for image in images]
        size = images.shape[-2:]
        resized = [F.interpolate(each, size=size, mode="bilinear") for each in maps]
        return {"shading": torch.cat(resized).to(images.device)}

    return Labeler(id_or_path, ("shading",), "academic use only", read, f"intrinsic:{name}")


def _known(call: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Keep the options that this version of a function has."""
    known = inspect.signature(call).parameters
    return {name: value for name, value in options.items() if name in known}


def _pixels(image: Float[Tensor, "3 height width"]) -> Any:
    return rearrange(image.float().cpu().numpy(), "channel row col -> row col channel")


def _shading(found: dict[str, Any]) -> Float[Tensor, "1 1 row col"]:
    """Undo the inversion, grey, whichever version answered: `s = 1 / i - 1`."""
    key = next((key for key in _INVERSE_SHADING if key in found), None)
    if key is None:
        raise LabelError(
            f"Intrinsic answered with {', '.join(found)}, and none of "
            f"{', '.join(_INVERSE_SHADING)}. Use one of the versions that docs/models.md names."
        )
    inverse = torch.as_tensor(found[key]).float()
    grey = inverse.mean(dim=-1) if inverse.ndim == 3 else inverse
    return (1 / grey.clamp(min=1e-3) - 1)[None, None]
