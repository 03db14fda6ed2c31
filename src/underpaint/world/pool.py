"""Latents of all scenes drawn so far, on the device that trains; they grow while more are drawn."""

import hashlib
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float, Int
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTokenizer

from .autoencoder import encode_all
from .drawing import Drawing
from .tokens import caption_tokens, tokens_of
from .training import picked

UNCONDITIONAL_SHARE = 0.1  # captions dropped in training, so that guidance has a model without one


class Pool:
    """Latents and tokens of every scene, `[0]` as drawn and `[1]` in the mirror.

    Latents are posterior means, kept in float16. Each shard is encoded once and kept in
    `folder/latents-…`, named by the encoder's weights.
    """

    def __init__(
        self, folder: Path, drawn: Drawing, vae: AutoencoderKL, tokenizer: CLIPTokenizer
    ) -> None:
        self.drawn, self.vae, self.tokenizer = drawn, vae, tokenizer
        self.device = next(vae.parameters()).device
        self.folder = folder / f"latents-{_digest(vae)}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.empty = tokens_of(tokenizer, [""])[0].to(self.device)
        self.latents: Float[Tensor, "2 image channel row col"] | None = None
        self.tokens: Int[Tensor, "2 image token"] | None = None
        self.shards = 0
        drawn.wait(1)
        self.grow()

    def grow(self) -> None:
        """Encode the shards that have come."""
        for path in self.drawn.ready()[self.shards :]:
            latents, tokens = (each.to(self.device) for each in self._encoded(path))
            if self.latents is None or self.tokens is None:
                self.latents, self.tokens = latents, tokens
            else:
                self.latents = torch.cat([self.latents, latents], dim=1)
                self.tokens = torch.cat([self.tokens, tokens], dim=1)
            self.shards += 1

    def batch(
        self, size: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "image channel row col"], Int[Tensor, "image token"]]:
        """Draw latents and tokens at random, one caption in ten replaced by nothing."""
        assert self.latents is not None
        assert self.tokens is not None
        side = picked(2, size, generator)
        row = picked(self.latents.shape[1], size, generator)
        dropped = torch.rand(size, generator=generator, device=generator.device)
        words = torch.where(
            (dropped < UNCONDITIONAL_SHARE)[:, None], self.empty, self.tokens[side, row]
        )
        return self.latents[side, row].float(), words

    def _encoded(self, path: Path) -> tuple[Tensor, Tensor]:
        with safe_open(path, framework="pt") as file:
            images, classes = file.get_tensor("image"), file.get_tensor("classes")
        kept = self.folder / path.name
        if not kept.exists():
            sides = [encode_all(self.vae, images, mirrored=flip).half() for flip in (False, True)]
            unfinished = kept.with_suffix(".part")
            save_file({"latents": torch.stack(sides).contiguous()}, unfinished)
            unfinished.rename(kept)
        tokens = [caption_tokens(self.tokenizer, classes, mirrored=flip) for flip in (False, True)]
        return load_file(kept)["latents"], torch.stack(tokens)


@torch.no_grad()
def detail(latents: Float[Tensor, "image channel row col"]) -> Float[Tensor, "image row col"]:
    """Weigh each place by how much its latents differ from those around; the mean is 1.

    Without weights, most of what is learnt is the room, which is smooth and cannot be foretold. No
    label says where the object is: edges, patterns and shadows count more wherever they are.
    """
    around = F.avg_pool2d(F.pad(latents, (2, 2, 2, 2), mode="replicate"), 5, 1)
    energy = (latents - around).square().mean(dim=1, keepdim=True)
    energy = F.avg_pool2d(F.pad(energy, (1, 1, 1, 1), mode="replicate"), 3, 1)[:, 0]
    mean = energy.mean(dim=(1, 2), keepdim=True).clamp(min=1e-6)
    weights = 1 + 2 * (energy / mean).clamp(max=3)
    return weights / weights.mean(dim=(1, 2), keepdim=True)


def _digest(vae: AutoencoderKL) -> str:
    """Name the encoder by its weights: latents of another are others."""
    found = hashlib.sha256()
    for key, value in sorted(vae.state_dict().items()):
        if key.startswith(("encoder", "quant_conv")):
            found.update(value.float().cpu().numpy().tobytes())
    return found.hexdigest()[:12]
