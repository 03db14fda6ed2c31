"""Reading and rewriting what runs inside a model. The only module that registers hooks.

`tapped` stands at modules of the denoiser, `watched` at the scheduler's `step`. Both leave what
they touched as they found it, on the failing path too.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn

from ..core.errors import LayerError, SchedulerError
from .guard import check_hooks, uncompiled

Tap = Callable[[int, Tensor], Tensor | None]
"""Called with (step, activation), the whole batch as the module returned it. Returns what to put
in its place, or None to leave it."""

Record = Callable[[Tensor, Any, Tensor], None]
"""Called with (guided model output, timestep, sample) just before the scheduler uses them."""


@contextmanager
def tapped(
    denoiser: nn.Module,
    taps: Mapping[str, Tap],
    *,
    steps: int,
    first_step: int = 0,
    calls: int = 1,
) -> Iterator[None]:
    """Call each tap at its module while the block runs, then leave the denoiser as it was found.

    What was compiled by `torch.compile` runs uncompiled inside the block: compiled code passes by
    what stands at modules.

    Examples:
        >>> def tell(step, activation):
        ...     print(step, tuple(activation.shape[1:]))
        >>> layer = up.find_layers(model)[-1]
        >>> with up.tapped(model.denoiser, {layer.module: tell}, steps=2):
        ...     _ = up.trace(model, [up.Prompt("a red cone", 1)], steps=2)
        0 (64, 8)
        1 (64, 8)

    Args:
        denoiser: A UNet or a transformer that runs once a step.
        taps: What to call, by module name.
        steps: How often the denoiser should run inside the block.
        first_step: What to call the first of them where it is named; taps count from 0.
        calls: How often it should run at each step. Taps are called with the number of the run.

    Raises:
        LayerError: if a name is not a module of this denoiser, a cache may skip modules, or one did
            not run exactly once a step.
        SchedulerError: if the denoiser did not run exactly `steps` times, so no step has one
            meaning.
    """
    denoiser = uncompiled(denoiser)
    check_hooks(denoiser)
    modules = dict(denoiser.named_modules())
    if missing := sorted(set(taps) - set(modules)):
        raise LayerError(
            f"No module {missing[0]!r} in this model. `underpaint layers MODEL` lists those it has."
        )

    runs = 0
    fired = dict.fromkeys(taps, 0)

    def step() -> int:
        return first_step + (runs - 1) // calls

    def count(*_: object) -> None:
        nonlocal runs
        if runs:
            check_fired()
        runs += 1
        if runs > steps * calls:
            raise miscounted()

    def miscounted() -> SchedulerError:
        return SchedulerError(
            f"The denoiser ran {runs} times for {steps} steps. Choose a scheduler that runs it "
            "once a step, such as DDIM or LMSDiscrete, and a pipeline that asks it once."
        )

    def check_fired() -> None:
        for name, times in fired.items():
            if times != runs:
                raise LayerError(
                    f"{name} did not run at step {step()}: 1 run was expected, 0 were seen. "
                    "Something skips it, such as a cache. Take that off."
                )

    def hook_for(name: str, tap: Tap) -> Callable[..., Tensor | None]:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor | None:
            fired[name] += 1
            if fired[name] > runs:
                raise LayerError(
                    f"{name} runs again at step {step()}: 1 run was expected, 2 were seen, and "
                    "which of them is meant is not known. Perturbed-attention guidance and blocks "
                    "that share their weights do this: leave this layer out."
                )
            return tap(runs - 1, output)

        return hook

    with ExitStack() as hooks:
        # Whatever was compiled, whole or in part, has loaded this.
        if "torch._dynamo" in sys.modules:
            hooks.enter_context(torch.compiler.set_stance("force_eager"))
        hooks.enter_context(denoiser.register_forward_pre_hook(count))
        for name, tap in taps.items():
            hooks.enter_context(modules[name].register_forward_hook(hook_for(name, tap)))
        yield
    if runs != steps * calls:
        raise miscounted()
    check_fired()


@contextmanager
def shadowed(
    denoiser: nn.Module,
    shadow: nn.Module,
    *,
    images: int,
    parts: int = 2,
    part: int = 1,
    calls: int = 1,
    call: int = 0,
) -> Iterator[None]:
    """Run a second denoiser on what the first is given, before it, while the block runs.

    It gets the prompts' own part of every tensor that covers the whole guidance batch. What it
    returns is thrown away; tap it to see what it makes of real latents.

    Args:
        denoiser: The first.
        shadow: The second.
        images: How many are drawn.
        parts: How many times the images a guidance batch holds.
        part: Which of them is the prompts' own.
        calls: How often the denoiser runs at a step.
        call: Which of them is asked about the prompts.
    """
    runs = 0

    def own(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: own(each) for key, each in value.items()}
        is_whole = isinstance(value, Tensor) and value.ndim > 0 and len(value) == parts * images
        return value[part * images : (part + 1) * images] if is_whole else value

    def follow(_module: nn.Module, args: tuple, kwargs: dict) -> None:
        nonlocal runs
        runs += 1
        if (runs - 1) % calls != call:
            return
        sample = args[0] if args else next(iter(kwargs.values()))
        # Without guidance nothing is doubled, and tables of positions may have that length.
        if len(sample) == images:
            shadow(*args, **kwargs)
        else:
            shadow(*map(own, args), **own(kwargs))

    with denoiser.register_forward_pre_hook(follow, with_kwargs=True):
        yield


@contextmanager
def watched(scheduler: Any, record: Record) -> Iterator[None]:
    """Call `record` before every `scheduler.step` while the block runs, then stop watching."""
    step = scheduler.step
    order = inspect.signature(step)

    # Pipelines read the signature of `step` to decide what they pass, so it has to stay visible.
    @wraps(step)
    def recorded_step(*args: Any, **kwargs: Any) -> Any:
        # By name: some take more before the sample, such as an estimate of the step before.
        said = order.bind(*args, **kwargs).arguments
        record(said["model_output"], said["timestep"], said["sample"])
        return step(*args, **kwargs)

    was_set_on_instance = "step" in vars(scheduler)
    scheduler.step = recorded_step
    try:
        yield
    finally:
        if was_set_on_instance:
            scheduler.step = step
        else:
            del scheduler.step
