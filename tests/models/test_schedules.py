import diffusers
import pytest
import torch

import worlds
from underpaint.core.errors import SchedulerError
from underpaint.models.schedules import (
    SCHEDULERS,
    as_initial,
    as_seen,
    estimate_clean,
    noise_level,
    observe,
    plan,
    substituted,
    swap,
)

FLOW = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
DIFFUSION = [
    swap(worlds.ddim(prediction_type=prediction), name)
    for name in SCHEDULERS
    for prediction in ("epsilon", "v_prediction", "sample")
    # diffusers' own LMS says that it knows "sample" and then has no code for it.
    if (name, prediction) != ("lms", "sample")
]


def name_of(scheduler: object) -> str:
    return f"{type(scheduler).__name__}-{getattr(scheduler, 'config', {}).get('prediction_type')}"


def random(seed: int) -> torch.Tensor:
    return torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(seed))


def truth_of(prediction: str, x0: torch.Tensor, e: torch.Tensor, a: float, s: float):
    """Give what a perfect denoiser would put out."""
    return {
        "epsilon": e,
        "v_prediction": a * e - s * x0,
        "sample": x0,
        "flow_prediction": e - x0,
    }[prediction]


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample", "flow_prediction"])
def test_a_perfect_denoiser_s_output_gives_the_clean_latents_back(prediction):
    x0, e = random(0), random(1)
    a, s = (0.3, 0.7) if prediction == "flow_prediction" else (0.6, 0.8)
    out = truth_of(prediction, x0, e, a, s)
    found = estimate_clean(a * x0 + s * e, out, prediction=prediction, signal=a, noise=s)
    torch.testing.assert_close(found, x0)


@pytest.mark.parametrize("scheduler", [*DIFFUSION, FLOW], ids=name_of)
@pytest.mark.parametrize("step", [0, 4, 9])
def test_the_estimate_is_the_scheduler_s_own(scheduler, step):
    """Second route: the estimate that diffusers' own step functions compute on the way."""
    planned = plan(scheduler, steps=10)
    planned.set_timesteps(10)
    timestep, out = planned.timesteps[step], random(2)
    initial = random(3)
    planned._step_index = step
    _, estimate = observe(planned, out, timestep, initial, step=step)
    if isinstance(scheduler, diffusers.DPMSolverMultistepScheduler):
        own = planned.convert_model_output(out, sample=initial)
    elif isinstance(scheduler, diffusers.FlowMatchEulerDiscreteScheduler):
        own = initial - planned.sigmas[step] * out
    elif isinstance(scheduler, diffusers.LMSDiscreteScheduler):
        planned.step(out, timestep, initial)
        own = initial - planned.sigmas[step] * planned.derivatives[-1]
    else:
        own = planned.step(out, timestep, initial).pred_original_sample
    torch.testing.assert_close(estimate, own, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("scheduler", DIFFUSION, ids=name_of)
def test_signal_and_noise_preserve_variance_and_agree_across_schedulers(scheduler):
    leading = type(scheduler).from_config(scheduler.config, timestep_spacing="leading")
    planned = plan(leading, steps=10)
    planned.set_timesteps(10)
    for step, timestep in enumerate(planned.timesteps):
        signal, noise = noise_level(planned, timestep, step=step)
        assert signal**2 + noise**2 == pytest.approx(1)
        # The noise level of the timestep itself, whichever way the scheduler stores it.
        assert signal**2 == pytest.approx(float(worlds.ddim().alphas_cumprod[int(timestep)]), 1e-4)


def test_flow_matching_mixes_signal_and_noise_to_one():
    planned = plan(FLOW, steps=4)
    planned.set_timesteps(4)
    levels = [noise_level(planned, None, step=step) for step in range(4)]
    assert all(signal + noise == pytest.approx(1) for signal, noise in levels)
    assert levels[0][1] == pytest.approx(1)


@pytest.mark.parametrize("name", ["ddim", "euler"])
@pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing"])
@pytest.mark.parametrize("begin", [0, 3])
def test_initial_latents_reach_the_denoiser_as_given(name, spacing, begin):
    scheduler = type(swap(worlds.ddim(), name))(**worlds.SCHEDULE, timestep_spacing=spacing)
    planned = plan(scheduler, steps=8, begin=begin)
    given = as_initial(planned, random(0), steps=8)
    planned.set_timesteps(8)
    seen = as_seen(planned, given * planned.init_noise_sigma, planned.timesteps[0])
    torch.testing.assert_close(seen, random(0))


def test_a_plan_that_begins_late_is_the_tail_of_the_whole():
    whole, tail = plan(FLOW, steps=6), plan(FLOW, steps=6, begin=4)
    whole.set_timesteps(6)
    tail.set_timesteps(6)
    assert torch.equal(tail.timesteps, whole.timesteps[4:])
    assert torch.equal(tail.sigmas, whole.sigmas[4:])


def test_planning_leaves_the_scheduler_as_it_was():
    scheduler = worlds.ddim()
    before = scheduler.timesteps.clone()
    plan(scheduler, steps=3, begin=1).set_timesteps(3)
    assert torch.equal(scheduler.timesteps, before)
    assert "set_timesteps" not in vars(scheduler)


@pytest.mark.parametrize(
    ("scheduler", "calls"),
    [(diffusers.PNDMScheduler(skip_prk_steps=True), 11), (diffusers.HeunDiscreteScheduler(), 19)],
    ids=name_of,
)
def test_a_scheduler_that_runs_the_denoiser_more_than_once_a_step_is_refused(scheduler, calls):
    kind = type(scheduler).__name__
    words = f"{kind} would run the denoiser {calls} times for 10 steps.*'ddim', 'dpm\\+\\+'"
    with pytest.raises(SchedulerError, match=words):
        plan(scheduler, steps=10).set_timesteps(10)


@pytest.mark.parametrize("name", ["lms", "dpm++"])
def test_multistep_schedulers_cannot_begin_in_the_middle(name):
    scheduler = swap(worlds.ddim(), name)
    with pytest.raises(SchedulerError, match=r"cannot begin at step 2: it needs the steps before"):
        plan(scheduler, steps=5, begin=2)


def test_stochastic_flow_matching_cannot_begin_in_the_middle():
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(stochastic_sampling=True)
    with pytest.raises(SchedulerError, match="cannot begin at step 2"):
        plan(scheduler, steps=5, begin=2)


@pytest.mark.parametrize(
    ("steps", "begin", "words"),
    [
        (0, 0, "1 to 1000 steps, got 0"),
        (1001, 0, "got 1001"),
        (5, 5, "begin at step 5 of 5"),
        (5, -1, "begin at step -1 of 5"),
    ],
)
def test_steps_out_of_range_are_refused(steps, begin, words):
    with pytest.raises(SchedulerError, match=words):
        plan(worlds.ddim(), steps=steps, begin=begin)


@pytest.mark.parametrize(
    "scheduler",
    [
        diffusers.EDMEulerScheduler(),
        diffusers.FlowMatchEulerDiscreteScheduler(invert_sigmas=True),
        worlds.ddim(prediction_type="score"),
    ],
    ids=name_of,
)
def test_an_unknown_noise_scale_is_refused(scheduler):
    with pytest.raises(SchedulerError, match="noise scale that is not known here"):
        plan(scheduler, steps=5)


def test_swapping_keeps_the_noise_schedule_and_never_clips_latents():
    bare = diffusers.EulerDiscreteScheduler(**worlds.SCHEDULE, prediction_type="v_prediction")
    swapped = swap(bare, "ddim")
    assert torch.equal(swapped.alphas_cumprod, bare.alphas_cumprod)
    assert swapped.config.prediction_type == "v_prediction"
    assert not swapped.config.clip_sample


def test_an_unknown_scheduler_name_is_refused():
    with pytest.raises(SchedulerError, match=r"No scheduler 'pndm'\. Choose one of ddim"):
        swap(worlds.ddim(), "pndm")


def test_a_pipeline_gets_its_own_scheduler_back_after_an_error(model):
    own = model.pipeline.scheduler
    with substituted(model.pipeline, FLOW):
        assert model.pipeline.scheduler is FLOW
    with pytest.raises(RuntimeError, match="inside"), substituted(model.pipeline, FLOW):
        raise RuntimeError("inside")
    assert model.pipeline.scheduler is own
