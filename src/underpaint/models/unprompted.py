"""Unconditional latent diffusion (Rombach et al. 2022), spoken to like any pipeline with a prompt.

The call of diffusers' own `LDMPipeline` takes no latents, gives none and cannot be stopped. This
one draws the same pictures from the same seeds with the same modules, and does all three.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

# Its module has moved between versions of diffusers, its name has not.
from diffusers import LDMPipeline  # pyright: ignore[reportPrivateImportUsage]
from diffusers.pipelines.pipeline_utils import ImagePipelineOutput
from jaxtyping import Float
from torch import Tensor

from ..core.errors import ModelError


class UnpromptedPipeline(LDMPipeline):
    """An `LDMPipeline` that is asked as a text-to-image pipeline is, and gives latents.

    Build it with `of`. Prompts say how many pictures to draw; their texts say nothing.
    """

    @classmethod
    def of(cls, pipeline: LDMPipeline) -> "UnpromptedPipeline":
        """Share another pipeline's modules."""
        return cls(**pipeline.components)

    @property
    def vae(self) -> Any:
        """The autoencoder, by the name that other pipelines give it."""
        return self.vqvae

    @property
    def vae_scale_factor(self) -> int:
        """Pixels of a latent's side."""
        return 2 ** (len(self.vqvae.config.block_out_channels) - 1)

    @torch.no_grad()
    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        prompt: Sequence[str],
        *,
        height: int,
        width: int,
        num_inference_steps: int,
        generator: Sequence[torch.Generator],
        guidance_scale: float = 1.0,
        latents: Float[Tensor, "image latent lrow lcol"] | None = None,
        callback_on_step_end: Callable[[Any, int, Any, dict[str, Any]], dict] | None = None,
        output_type: str = "latent",
    ) -> ImagePipelineOutput:
        """Draw one picture for each prompt, as latents.

        Raises:
            ModelError: if there is guidance, which needs a prompt to guide by.
        """
        if guidance_scale > 1:
            raise ModelError(
                f"Guidance {guidance_scale} asks for a prompt to be guided by, and this model "
                "takes none. Leave --guidance out."
            )
        assert output_type == "latent", output_type
        if latents is None:
            side = self.vae_scale_factor
            shape = (self.unet.config.in_channels, height // side, width // side)
            draws = [torch.randn(shape, generator=each) for each in generator]
            latents = torch.stack(draws).to(self.device, self.unet.dtype)
        latents = latents * self.scheduler.init_noise_sigma
        self.scheduler.set_timesteps(num_inference_steps)
        self._interrupt = False
        for step, timestep in enumerate(self.scheduler.timesteps):
            seen = self.scheduler.scale_model_input(latents, timestep)
            out = self.unet(seen, timestep).sample
            latents = self.scheduler.step(out, timestep, latents).prev_sample
            if callback_on_step_end is not None:
                callback_on_step_end(self, step, timestep, {"latents": latents})
            if self._interrupt:
                break
        return ImagePipelineOutput(images=latents)  # pyright: ignore[reportArgumentType]
