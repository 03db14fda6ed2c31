"""How much memory a study will take, said before it begins.

Activations, sums and weights are counted, without what the sources `vae`, `taught` and `text` add.
What the denoiser, the VAE and scoring work in is estimated from the largest tensors that pass
through them, on the high side. Of labelers, weights are counted, all of them: on a GPU they stay
there, for they look while others generate.

Notation, per image of a batch
    A   activations   sum over layers of channels x rows x columns, times steps
    M   one set of sums   sum over cells of (channels + targets)^2, in float64
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch

from ..core.errors import RunError
from ..core.properties import Property
from ..labelers import Labeler
from ..models import Model
from ..models.layers import Layer
from ..scores.sources import LATENTS
from .beyond import Layout
from .folding import target_count

LARGEST_BATCH = 32
"""What `auto` takes where memory sets no limit: more is no faster."""

_LIVE_IN_DENOISER = 30
"""Skips, and a feed-forward layer's width, in units of the widest layer's activation."""
_LIVE_IN_VAE = 3
_LIVE_IN_SCORING = 8
_SHARE = 0.9
"""Of what is free; the rest is left to the labelers and the allocator."""


@dataclass(frozen=True)
class Need:
    """Bytes that a study takes: those of any batch, and those of each image of one, by what for."""

    fixed: Mapping[str, int]
    each: Mapping[str, int]

    def total(self, batch: int) -> int:
        """Add up the bytes of a study with that batch."""
        return sum(self.fixed.values()) + batch * sum(self.each.values())

    def sentence(self, batch: int) -> str:
        """Say the arithmetic in one line."""
        fixed = " + ".join(f"{name} {_gb(size)}" for name, size in self.fixed.items())
        each = " + ".join(f"{name} {_gb(size)}" for name, size in self.each.items())
        return f"{fixed} + {batch} × ({each}) = {_gb(self.total(batch))} GB"


def need(
    model: Model,
    layers: Sequence[Layer],
    properties: Sequence[Property],
    *,
    steps: int,
    controls: int,
    labelers: Sequence[Labeler] = (),
    halves: bool = False,
    joint: Layout | None = None,
) -> Need:
    """Count what a study of these layers, steps and properties takes.

    Args:
        model: Loaded: its weights are counted.
        layers: Whose activations are kept.
        properties: What is read.
        steps: Of a generation.
        controls: How many copies of the denoiser run beside it.
        labelers: Loaded, as far as their weights are to be counted.
        halves: Whether the unconditional half of the batch is read too.
        joint: Of the joint activation, if there is one.
    """
    networks = 1 + controls + halves
    wide = [layer.channels * layer.grid[0] * layer.grid[1] for layer in layers]
    targets = target_count(properties)
    latents = model.pipeline.vae.config.latent_channels
    cells = networks * sum((layer.channels + targets) ** 2 for layer in layers)
    cells += len(LATENTS) * (latents + targets) ** 2
    values = joint.width * joint.grid[0] * joint.grid[1] if joint else 0
    cells += (joint.width + targets) ** 2 if joint else 0
    pixels = model.resolution[0] * model.resolution[1]
    width = torch.finfo(model.dtype).bits // 8
    copies = controls * _bytes_of(model.denoiser)
    fixed = {
        "weights": sum(map(_bytes_of, _modules(model.pipeline))) + copies,
        "labelers": sum(each.weight_bytes for each in labelers),
        "sums": _sets_of_sums(model) * 8 * steps * cells,
    }
    each = {
        "activations": networks * steps * sum(wide) * width,
        # In float32; twice while it is laid out.
        "joint activation": 2 * steps * 4 * values,
        "denoiser": 2 * _LIVE_IN_DENOISER * max(wide, default=0) * width,
        "VAE": _LIVE_IN_VAE * 4 * pixels * _second_width(model.pipeline.vae),
        "scoring": _LIVE_IN_SCORING * 8 * steps * pixels * max(x.targets for x in properties),
    }
    return Need(fixed, each)


def fit_batch(needed: Need, available: int, *, most: int = LARGEST_BATCH) -> int:
    """Choose the largest batch that fits into so many bytes.

    Raises:
        RunError: if not even one image does.
    """
    each = sum(needed.each.values())
    batch = int(available - sum(needed.fixed.values())) // each
    if batch < 1:
        check_budget(needed, 1, available)
    return min(batch, most)


def check_budget(needed: Need, batch: int, available: int) -> None:
    """Refuse a study that will not fit, with the arithmetic.

    Raises:
        RunError: if it takes more than `available` bytes.
    """
    if needed.total(batch) > available:
        raise RunError(
            f"A batch of {batch} takes about {needed.sentence(batch)}, and there are "
            f"{_gb(available)} GB. Use a smaller --batch, fewer --layers or --steps, --quick, or "
            "--dtype float16."
        )


def free_bytes(device: torch.device, held: int) -> int:
    """Give nine tenths of the memory that is free on a device, plus what is held of it already."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    else:
        free = psutil.virtual_memory().available
    return int(_SHARE * free) + held


def _sets_of_sums(model: Model) -> int:
    """Count the sets that are held at once.

    While folding, those so far and what adding a batch makes of them, beside the finished part in
    main memory or, on a GPU, those that are being written; while fitting, both parts, and for a
    transformer both in its channels' own units.
    """
    return 4 if model.is_transformer else 3


def _modules(pipeline: Any) -> list[torch.nn.Module]:
    return [each for each in pipeline.components.values() if isinstance(each, torch.nn.Module)]


def _bytes_of(module: torch.nn.Module) -> int:
    return sum(each.numel() * each.element_size() for each in module.parameters())


def _second_width(vae: Any) -> int:
    """Channels at full resolution while the VAE's decoder upsamples for the last time."""
    widths = vae.config.get("block_out_channels") or [128]
    return widths[min(1, len(widths) - 1)]


def _gb(size: int) -> str:
    return f"{size / 2**30:.2f}"
