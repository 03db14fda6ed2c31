"""What one step of a scheduler means, in the same terms for every scheduler.

Notation
    x_t     latents as the denoiser sees them: `a x_0 + s e`, with e standard normal noise
    a, s    signal and noise: a^2 + s^2 = 1, or a + s = 1 for flow matching
    out     the guided output of the denoiser
    sigma   a scheduler's own noise level: s / a, or s itself for flow matching

Some schedulers (Euler, LMS) hold latents as `x_t / a`. Here x_t is always what the denoiser sees,
`scheduler.scale_model_input(sample)`, so that decoding x_t means the same whichever drew it.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import wraps
from types import MethodType
from typing import Any

from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from diffusers.schedulers.scheduling_lms_discrete import LMSDiscreteScheduler
from jaxtyping import Float
from torch import Tensor

from ..core.errors import SchedulerError

SCHEDULERS: dict[str, type] = {
    "ddim": DDIMScheduler,
    "dpm++": DPMSolverMultistepScheduler,
    "euler": EulerDiscreteScheduler,
    "lms": LMSDiscreteScheduler,
}
"""Those that run the denoiser once a step and can be asked for by name."""

_FIRST_ORDER = (DDIMScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler)
_PREDICTIONS = ("epsilon", "v_prediction", "sample", "flow_prediction")


def swap(scheduler: Any, name: str) -> Any:
    """Build the scheduler called `name` with the noise schedule of the one given.

    Raises:
        SchedulerError: if no scheduler has that name.
    """
    if name not in SCHEDULERS:
        raise SchedulerError(f"No scheduler {name!r}. Choose one of {', '.join(SCHEDULERS)}.")
    # DDIM clips its estimate to [-1, 1] unless told otherwise, which is right for pixels only.
    extra = {"clip_sample": False} if name == "ddim" else {}
    return SCHEDULERS[name].from_config(scheduler.config, **extra)


def plan(scheduler: Any, *, steps: int, begin: int = 0) -> Any:
    """Copy a scheduler so that it takes exactly `steps` steps, the first `begin` left out.

    The tail of a schedule is itself a schedule: the copy's timesteps and sigmas start at `begin`.

    Raises:
        SchedulerError: at once, if what it predicts is not known here, if the numbers are out of
            range, or if it cannot begin in the middle; and when the pipeline sets its timesteps,
            before the denoiser runs, if they are not `steps` in number.
    """
    kind = type(scheduler).__name__
    _check_known(scheduler)
    _check_own(scheduler)
    longest = scheduler.config.num_train_timesteps
    if not 1 <= steps <= longest:
        raise SchedulerError(f"{kind} takes 1 to {longest} steps, got {steps}.")
    if not 0 <= begin < steps:
        raise SchedulerError(f"Cannot begin at step {begin} of {steps}: count from 0.")
    if begin and not _is_resumable(scheduler):
        raise SchedulerError(
            f"{kind} cannot begin at step {begin}: it needs the steps before. Load the model with "
            "scheduler='ddim' or 'euler'."
        )

    planned = deepcopy(scheduler)
    set_timesteps = planned.set_timesteps

    @wraps(set_timesteps)
    def set_checked_timesteps(*args: Any, **kwargs: Any) -> None:
        set_timesteps(*args, **kwargs)
        if len(planned.timesteps) != steps:
            raise SchedulerError(
                f"{kind} would run the denoiser {len(planned.timesteps)} times for {steps} steps, "
                "so no step has one meaning. Load the model with scheduler="
                f"{', '.join(map(repr, SCHEDULERS))}."
            )
        planned.timesteps = planned.timesteps[begin:]
        if hasattr(planned, "sigmas"):
            planned.sigmas = planned.sigmas[begin:]

    planned.set_timesteps = set_checked_timesteps
    return planned


@contextmanager
def substituted(pipeline: Any, scheduler: Any) -> Iterator[None]:
    """Let a pipeline use another scheduler while the block runs, then give it its own back."""
    own = pipeline.scheduler
    pipeline.scheduler = scheduler
    try:
        yield
    finally:
        pipeline.scheduler = own


def noise_level(scheduler: Any, timestep: Any, *, step: int) -> tuple[float, float]:
    """Give signal a and noise s at one step of a scheduler whose timesteps are set.

    Args:
        scheduler: Any that `plan` accepts.
        timestep: The scheduler's own number, used where it has no sigmas.
        step: Position in the scheduler's timesteps, from 0.
    """
    if not hasattr(scheduler, "sigmas"):
        signal_squared = float(scheduler.alphas_cumprod[int(timestep)])
        return signal_squared**0.5, (1 - signal_squared) ** 0.5
    sigma = float(scheduler.sigmas[step])
    is_flow = scheduler.config.get("use_flow_sigmas", False)
    if is_flow or _prediction(scheduler) == "flow_prediction":
        return 1 - sigma, sigma
    signal = (sigma**2 + 1) ** -0.5
    return signal, sigma * signal


def as_seen(
    scheduler: Any, sample: Float[Tensor, "image ..."], timestep: Any
) -> Float[Tensor, "image ..."]:
    """Scale a scheduler's sample to x_t, as the denoiser sees it at the present step."""
    if not hasattr(scheduler, "scale_model_input"):
        return sample.float()
    return scheduler.scale_model_input(sample.float(), timestep)


def as_initial(
    scheduler: Any, latents: Float[Tensor, "image latent lrow lcol"], *, steps: int
) -> Float[Tensor, "image latent lrow lcol"]:
    """Scale x_t at a plan's first step to what a pipeline takes as its initial latents.

    Pipelines multiply those by `init_noise_sigma`, and the denoiser sees them through
    `scale_model_input`; this undoes both.
    """
    if not hasattr(scheduler, "scale_model_input"):
        return latents
    scheduler.set_timesteps(steps)
    return latents / scheduler.scale_model_input(
        latents.new_ones(()) * scheduler.init_noise_sigma, scheduler.timesteps[0]
    )


def estimate_clean(
    x: Float[Tensor, "image ..."],
    out: Float[Tensor, "image ..."],
    *,
    prediction: str,
    signal: float,
    noise: float,
) -> Float[Tensor, "image ..."]:
    """Solve x_t for the clean latents that the denoiser's output implies.

    `epsilon`: out is e, so (x - s out) / a. `v_prediction`: out is a e - s x_0, so a x - s out
    (Salimans & Ho 2022, appendix D). `sample`: out is x_0. `flow_prediction`: out is e - x_0 with
    a + s = 1, so x - s out (Lipman et al. 2023; Esser et al. 2024, equation 13).
    """
    if prediction == "epsilon":
        return (x - noise * out) / signal
    if prediction == "v_prediction":
        return signal * x - noise * out
    if prediction == "flow_prediction":
        return x - noise * out
    assert prediction == "sample", prediction
    return out


def observe(
    scheduler: Any, out: Tensor, timestep: Any, sample: Tensor, *, step: int
) -> tuple[Float[Tensor, "image ..."], Float[Tensor, "image ..."]]:
    """Give x_t and the clean latents estimated from it, in float32, at one step of a plan."""
    signal, noise = noise_level(scheduler, timestep, step=step)
    x = as_seen(scheduler, sample, timestep)
    prediction = _prediction(scheduler)
    return x, estimate_clean(x, out.float(), prediction=prediction, signal=signal, noise=noise)


def _prediction(scheduler: Any) -> str:
    if isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
        return "flow_prediction"
    return str(scheduler.config.get("prediction_type"))


def _is_resumable(scheduler: Any) -> bool:
    # First-order and without fresh noise: the next sample depends on this one alone.
    is_stochastic = scheduler.config.get("stochastic_sampling", False)
    return isinstance(scheduler, _FIRST_ORDER) and not is_stochastic


def _check_own(scheduler: Any) -> None:
    kind = type(scheduler).__name__
    put = [
        name for name in ("step", "set_timesteps", "scale_model_input") if name in vars(scheduler)
    ]
    # A method goes with a copy; a function would go on asking the scheduler that it was made for.
    if lost := [name for name in put if not isinstance(vars(scheduler)[name], MethodType)]:
        raise SchedulerError(
            f"A function was put in the place of {kind}.{lost[0]} on this one object, which a copy "
            "of it would not follow. Write a subclass of it instead."
        )
    taken = list(inspect.signature(scheduler.step).parameters)
    if missing := sorted({"model_output", "timestep", "sample"} - set(taken)):
        raise SchedulerError(
            f"{kind}.step takes {', '.join(taken)}, and no {missing[0]}, so what it is given is "
            "not known. Name its arguments model_output, timestep and sample."
        )


def _check_known(scheduler: Any) -> None:
    # EDM schedulers scale their input by the data's deviation, and inverted sigmas run backwards.
    is_other = "sigma_data" in scheduler.config or scheduler.config.get("invert_sigmas", False)
    if is_other or _prediction(scheduler) not in _PREDICTIONS:
        raise SchedulerError(
            f"{type(scheduler).__name__} predicts {_prediction(scheduler)!r} on a noise scale that "
            f"is not known here. Load the model with scheduler={', '.join(map(repr, SCHEDULERS))}."
        )
