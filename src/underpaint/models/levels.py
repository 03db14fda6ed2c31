"""How much noise each step has, on the schedule that a pipeline sets for itself.

A scheduler alone does not say: Flux, Chroma and Lumina hand theirs sigmas of their own, and some
shift them by the picture's size. So the pipeline is begun, and stopped before its denoiser runs.
"""

from contextlib import ExitStack, suppress
from typing import Any

import torch
from torch import nn

from ..core.prompts import Prompt
from .asking import left_alone
from .calling import Enough, call
from .model import Model
from .schedules import noise_level, plan, substituted
from .traces import pipeline_call


@torch.no_grad()
def find_levels(model: Model, *, steps: int) -> tuple[tuple[float, float], ...]:
    """Give signal a and noise s of the latents `a x_0 + s e` that enter each of `steps` steps.

    Raises:
        SchedulerError: if the scheduler does not run the denoiser once a step.
        ModelError: if the pipeline fails before its first step.
    """
    planned = plan(model.pipeline.scheduler, steps=steps)
    request = pipeline_call(model, [Prompt("a", 0)], steps=steps, guidance=1.0)

    def stop(_module: nn.Module, _args: Any) -> None:
        raise Enough

    with ExitStack() as opened:
        opened.enter_context(substituted(model.pipeline, planned))
        opened.enter_context(left_alone(model.denoiser))
        opened.enter_context(model.denoiser.register_forward_pre_hook(stop))
        opened.enter_context(suppress(Enough))
        call(model, **request)
    return tuple(noise_level(planned, t, step=step) for step, t in enumerate(planned.timesteps))


def noise_ratios(model: Model, *, steps: int) -> list[float]:
    """Give s / a of each of `steps` steps: how much noise there is to the signal, per value.

    A step's number means something on one schedule only; this says what the denoiser meets there.
    """
    levels = find_levels(model, steps=steps)
    return [noise / signal if signal else float("inf") for signal, noise in levels]
