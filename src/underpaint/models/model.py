"""The noun that every pass over a model starts from."""

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import torch

# Its module has moved between versions of diffusers, its name has not.
from diffusers import LDMPipeline  # pyright: ignore[reportPrivateImportUsage]
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from jaxtyping import Float
from torch import Tensor, nn

from ..core.errors import ModelError
from .fingerprints import adapters, configuration, digest, dtypes, is_plain
from .guard import dtype_of, uncompiled
from .refusals import check_pipeline
from .unprompted import UnpromptedPipeline
from .words import words_of

_OURS = {
    *("self", "args", "kwargs", "prompt", "height", "width", "num_inference_steps", "timesteps"),
    *("sigmas", "guidance_scale", "generator", "latents", "output_type", "return_dict"),
    *("num_images_per_prompt", "callback_on_step_end", "callback", "callback_steps"),
}
"""Words of a pipeline's call that this package says, or that would change what they mean."""


@dataclass(frozen=True, eq=False)
class Model:
    """A latent diffusion pipeline and what has to be known about it. Build one with `load`.

    Args:
        name: The id or path it was asked for by.
        pipeline: A diffusers pipeline. Its own `__call__` generates; nothing of it is copied.
        denoiser: Its UNet or transformer.
        weights: "sha256:…" over the weight files, or "revision:…" of a hub id; empty where the
            pipeline was built in memory.
        guidance: Guidance scale that the model is meant to be used with.
        resolution: Height and width of its images, in pixels.
        device: Where it runs.
        dtype: What the denoiser computes in.
        call: What else its pipeline's call is given, by name.
        as_read: What the weights of its parts came to when they were read from those files, and
            in which dtypes they were kept.
    """

    name: str
    pipeline: Any
    denoiser: nn.Module
    weights: str
    guidance: float
    resolution: tuple[int, int]
    device: torch.device
    dtype: torch.dtype
    call: Mapping[str, Any] = field(default_factory=dict)
    as_read: str = ""

    @classmethod
    def of(
        cls,
        pipeline: Any,
        *,
        name: str,
        fingerprint: str = "",
        guidance: float | None = None,
        resolution: tuple[int, int] | None = None,
        call: Mapping[str, Any] | None = None,
    ) -> "Model":
        """Describe a pipeline that is already in memory.

        Args:
            pipeline: A latent text-to-image pipeline with one UNet or transformer, or diffusers'
                `LDMPipeline`, which takes no prompt.
            name: What to call it.
            fingerprint: What tells its weights from others.
            guidance: Default guidance scale; the pipeline's own where not given.
            resolution: Height and width in pixels; the model's own where not given.
            call: What else to give the pipeline's call, such as `max_sequence_length`.

        Raises:
            ModelError: if the pipeline has no denoiser or VAE, takes no prompt, packs latents
                into tokens, or cannot draw that size.
        """
        if isinstance(pipeline, LDMPipeline) and not isinstance(pipeline, UnpromptedPipeline):
            pipeline = UnpromptedPipeline.of(pipeline)
        denoiser = getattr(pipeline, "unet", None)
        if denoiser is None:
            denoiser = getattr(pipeline, "transformer", None)
        denoiser = None if denoiser is None else uncompiled(denoiser)
        denoiser = check_pipeline(pipeline, denoiser)
        _check_call(pipeline, call or {})
        size = resolution or _own_resolution(pipeline, denoiser)
        unit = pipeline.vae_scale_factor * (2 if hasattr(pipeline, "_pack_latents") else 1)
        if any(side < 1 or side % unit for side in size):
            raise ModelError(
                f"{name} cannot draw {size[0]}×{size[1]} pixels: one of its latents covers {unit} "
                "pixels. Choose a multiple of that."
            )
        try:
            device = torch.device(pipeline.device)
            dtype = dtype_of(denoiser)
        except StopIteration as error:
            raise ModelError(
                f"{type(denoiser).__name__} has no plain weight left that says where it is and in "
                "what it computes, so its pipeline cannot run. Quantise fewer of its layers."
            ) from error
        return cls(
            name=name,
            pipeline=pipeline,
            denoiser=denoiser,
            weights=fingerprint,
            guidance=_own_guidance(pipeline) if guidance is None else guidance,
            resolution=size,
            device=device,
            dtype=dtype,
            call=dict(call or {}),
            as_read=f"{digest(pipeline)} {dtypes(pipeline)}" if fingerprint else "",
        )

    @property
    def fingerprint(self) -> str:
        """What tells its weights from others: those of its files, and what was done to them since.

        Adapters count while they act, and so do weights that an adapter was fused into, and what
        its call is given beside a prompt. The dtype that it was loaded in does not count, for a run
        records it apart; to turn parts into another since does, for no file has weights so rounded.
        """
        since = adapters(self.pipeline)
        if self.weights and self.call:
            since += json.dumps(self.call, sort_keys=True, default=str)
        then, _, kept = self.as_read.partition(" ")
        if then and (now := digest(self.pipeline)) != then:
            since += now
        if kept and (now := dtypes(self.pipeline)) != kept:
            since += now
        if not since:
            return self.weights
        return f"{self.weights}+{hashlib.sha256(since.encode()).hexdigest()[:16]}"

    @property
    def configuration(self) -> str:
        """What tells two models of the same weights apart: what their files say beside them."""
        return configuration(self.pipeline)

    @property
    def takes_text(self) -> bool:
        """Say whether prompts' texts mean anything to it, or only their seeds."""
        return not isinstance(self.pipeline, UnpromptedPipeline)

    @property
    def is_transformer(self) -> bool:
        """Say whether the denoiser is a transformer and no UNet."""
        return getattr(self.pipeline, "unet", None) is None


def as_model(model: Model | DiffusionPipeline) -> Model:
    """Take a pipeline as it is for a model, with its own guidance and resolution.

    Raises:
        ModelError: as `Model.of`.
    """
    return model if isinstance(model, Model) else Model.of(model, name=type(model).__name__)


def exact_size(model: Model) -> dict[str, Any]:
    """Say to a pipeline, in its own words, how large to draw (no size near to it) and `call`."""
    height, width = model.resolution
    is_binned = "use_resolution_binning" in words_of(model.pipeline)
    bins = {"use_resolution_binning": False} if is_binned else {}
    return {"height": height, "width": width, **bins, **model.call}


def unpacked(
    model: Model, latents: Float[Tensor, "image ..."]
) -> Float[Tensor, "image latent lrow lcol"]:
    """Lay latents out in rows and columns, where a pipeline holds them as tokens of 2x2."""
    if latents.ndim == 4:
        return latents
    scale = model.pipeline.vae_scale_factor
    return model.pipeline._unpack_latents(latents, *model.resolution, scale)


def packed(
    model: Model, latents: Float[Tensor, "image latent lrow lcol"]
) -> Float[Tensor, "image ..."]:
    """Undo `unpacked`: give latents to a pipeline as it holds them."""
    if not hasattr(model.pipeline, "_pack_latents"):
        return latents
    return model.pipeline._pack_latents(latents, *latents.shape)


def _plain_copy(denoiser: nn.Module) -> nn.Module:
    """Copy a denoiser whose weights are plain numbers, so that they can be drawn anew.

    Raises:
        ModelError: if they are quantised or cast, or a function took the place of a `forward`.
    """
    weights = list(denoiser.parameters())
    is_hidden = any(callable(getattr(each, "weight", None)) for each in denoiser.modules())
    # A copy's `forward` that is a function would go on running the weights of the first.
    is_bound = any(isinstance(vars(m).get("forward"), FunctionType) for m in denoiser.modules())
    if is_hidden or is_bound or not all(map(is_plain, weights)):
        raise ModelError(
            "The controls `permuted` and `untrained` need plain weights, and this denoiser's are "
            "quantised, cast or wrapped. Leave these controls out (`--quick`)."
        )
    return deepcopy(denoiser)


@torch.no_grad()
def permuted(denoiser: nn.Module, *, seed: int) -> nn.Module:
    """Copy a denoiser with the elements of each weight tensor in random order.

    It keeps every tensor's distribution and forgets all that training put into it: the literature's
    control (Chen, Viégas & Wattenberg 2023, appendix).
    """
    copy = _plain_copy(denoiser)
    generator = torch.Generator().manual_seed(seed)
    for weight in copy.parameters():
        order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
        weight.copy_(weight.flatten()[order].view_as(weight))
    return copy.requires_grad_(False)


@torch.no_grad()
def untrained(denoiser: nn.Module, *, seed: int) -> nn.Module:
    """Copy a denoiser with fresh weights, as PyTorch's linear layers and convolutions begin.

    Matrices and kernels are uniform within `1 / sqrt(inputs)`; vectors become 1 where they scale
    ("weight") and 0 where they are added. Not even the distribution of trained weights is left.
    """
    copy = _plain_copy(denoiser)
    generator = torch.Generator().manual_seed(seed)
    for name, weight in copy.named_parameters():
        if weight.ndim < 2:
            weight.fill_(1.0 if name.endswith("weight") else 0.0)
            continue
        bound = weight[0].numel() ** -0.5
        fresh = torch.empty(weight.shape).uniform_(-bound, bound, generator=generator)
        weight.copy_(fresh)
    return copy.requires_grad_(False)


def _check_call(pipeline: Any, call: Mapping[str, Any]) -> None:
    known = set(words_of(pipeline)) - _OURS
    if unknown := sorted(set(call) - known):
        raise ModelError(
            f"The call of {type(pipeline).__name__} is not to be given {unknown[0]!r}: it takes no "
            f"such word, or it is said elsewhere. It takes {', '.join(sorted(known))}."
        )


def _own_guidance(pipeline: Any) -> float:
    """Take what the pipeline's own call takes where nothing is said."""
    said = words_of(pipeline).get("guidance_scale")
    return float(said.default) if said and isinstance(said.default, int | float) else 1.0


def _own_resolution(pipeline: Any, denoiser: Any) -> tuple[int, int]:
    size = getattr(pipeline, "default_sample_size", None) or denoiser.config.sample_size
    if size is None:
        raise ModelError(
            f"{type(pipeline).__name__} does not say its image size. Write it into "
            'underpaint.json in the model\'s folder, as in {"resolution": 512}.'
        )
    rows, cols = (size, size) if isinstance(size, int) else size
    return rows * pipeline.vae_scale_factor, cols * pipeline.vae_scale_factor
