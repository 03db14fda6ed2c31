"""What noise each step has: on the schedule that the pipeline's own call sets, whichever it is."""

from functools import partial
from typing import Any

import diffusers
import pytest
import torch

import matrix
import pipelines
import pipelines_joint as joint
import worlds
from underpaint.core.errors import SchedulerError
from underpaint.models import Model, encode
from underpaint.models.given import trace_given
from underpaint.models.levels import find_levels, noise_ratios
from underpaint.models.schedules import swap

STEPS, PROMPTS = 4, worlds.PROMPTS[:2]


def schnell() -> Any:
    """Make a Flux pipeline without shifting, as Flux schnell has it."""
    made = worlds.packed_pipeline()
    made.scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    return made


MAKERS = {
    "SD": (worlds.pipeline, 16),
    "SD, Euler": (lambda: worlds.pipeline(scheduler=swap(worlds.ddim(), "euler")), 16),
    "LCM": (pipelines.consistency, 16),
    "SD3": (worlds.flow_pipeline, 16),
    "Flux": (worlds.packed_pipeline, 16),
    "Flux schnell": (schnell, 16),
    "Chroma": (pipelines.chroma, 16),
    "Sana": (pipelines.sana, 32),
    "Lumina 2": (pipelines.lumina2, 64),
    "CogView 4": (joint.cogview4, 16),
}


def by_hand(pipe: Any, side: int) -> list[tuple[float, float]]:
    """Read signal and noise off the pipeline's own scheduler, after its own call."""
    pipe("a", num_inference_steps=STEPS, height=side, width=side, output_type="latent",
         **matrix._unbinned(pipe))  # fmt: skip
    own = pipe.scheduler
    if not hasattr(own, "sigmas"):
        kept = own.alphas_cumprod[own.timesteps.long()]
        return list(zip(kept.sqrt().tolist(), (1 - kept).sqrt().tolist(), strict=True))
    sigmas = own.sigmas[:STEPS].tolist()
    if type(own).__name__.startswith("Flow") or own.config.get("use_flow_sigmas"):
        return [(1 - each, each) for each in sigmas]
    return [((1 + s * s) ** -0.5, s * (1 + s * s) ** -0.5) for s in sigmas]


@pytest.mark.parametrize("maker", MAKERS)
def test_levels_are_those_that_the_pipeline_s_own_call_sets(maker):
    make, side = MAKERS[maker]
    pipe = pipelines.seeded(make)
    model = Model.of(pipe, name=maker, resolution=(side, side))
    found = torch.tensor(find_levels(model, steps=STEPS), dtype=torch.float64)
    expected = torch.tensor(by_hand(pipe, side), dtype=torch.float64)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


def test_ratios_of_noise_to_signal_fall_from_noise_alone():
    ratios = noise_ratios(worlds.flow_model(), steps=STEPS)
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] == float("inf")


@pytest.mark.parametrize(
    "make", [schnell, worlds.packed_pipeline, partial(pipelines.seeded, pipelines.chroma)]
)
def test_given_pictures_are_noised_to_the_levels_of_the_pipeline(make):
    model = Model.of(make(), name="flow", resolution=(16, 16), guidance=1.0)
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    seen = trace_given(model, images, PROMPTS, steps=STEPS)
    clean, levels = encode(model, images), by_hand(model.pipeline, 16)
    for step, (signal, noise) in enumerate(levels):
        for place, prompt in enumerate(PROMPTS):
            drawn = torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(prompt.seed))
            expected = signal * clean[place] + noise * drawn
            torch.testing.assert_close(seen.latents[step][place], expected, atol=1e-5, rtol=1e-5)


def test_the_pipeline_is_left_as_it_was():
    model = worlds.model()
    own, before = model.pipeline.scheduler, model.pipeline.scheduler.num_inference_steps
    find_levels(model, steps=STEPS)
    assert model.pipeline.scheduler is own
    assert own.num_inference_steps == before
    assert not model.denoiser._forward_pre_hooks


def test_a_scheduler_that_runs_the_denoiser_twice_a_step_is_refused():
    model = worlds.model(scheduler=diffusers.HeunDiscreteScheduler(**worlds.SCHEDULE))
    with pytest.raises(SchedulerError, match="HeunDiscreteScheduler would run"):
        find_levels(model, steps=STEPS)
