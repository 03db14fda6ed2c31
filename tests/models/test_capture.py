import inspect

import pytest
import torch
from torch import nn

import worlds
from underpaint.core.errors import LayerError, SchedulerError
from underpaint.models.capture import tapped, watched


@pytest.fixture
def denoiser() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))


def hooks_of(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


def test_a_tap_sees_each_step_and_the_output_of_its_module(denoiser):
    x = torch.ones(1, 2)
    seen = []
    with tapped(denoiser, {"0": lambda step, output: seen.append((step, output))}, steps=2):
        denoiser(x)
        denoiser(2 * x)
    assert [step for step, _ in seen] == [0, 1]
    torch.testing.assert_close(seen[1][1], denoiser[0](2 * x))


def test_what_a_tap_returns_takes_the_output_s_place(denoiser):
    with tapped(denoiser, {"0": lambda _step, output: torch.zeros_like(output)}, steps=1):
        changed = denoiser(torch.ones(1, 2))
    torch.testing.assert_close(changed[0], denoiser[1].bias)


def test_a_tap_that_returns_none_changes_nothing(denoiser):
    x = torch.ones(1, 2)
    untouched = denoiser(x)
    with tapped(denoiser, {"0": lambda _step, _output: None}, steps=1):
        assert torch.equal(denoiser(x), untouched)


def test_no_hook_is_left_behind_even_after_an_error(denoiser):
    with tapped(denoiser, {"0": lambda _step, _output: None}, steps=0):
        assert hooks_of(denoiser) == 2
    assert hooks_of(denoiser) == 0
    with pytest.raises(RuntimeError, match="inside"), tapped(denoiser, {"1": print}, steps=5):
        raise RuntimeError("inside")
    assert hooks_of(denoiser) == 0


def test_an_unknown_module_is_refused_before_anything_is_hooked(denoiser):
    with (
        pytest.raises(LayerError, match=r"No module '7' in this model.*underpaint layers MODEL"),
        tapped(denoiser, {"0": print, "7": print}, steps=1),
    ):
        pass
    assert hooks_of(denoiser) == 0


@pytest.mark.parametrize("calls", [1, 3])
def test_a_denoiser_that_runs_more_or_less_than_once_a_step_is_refused(denoiser, calls):
    with (
        pytest.raises(SchedulerError, match=f"ran {calls} times for 2 steps.*such as DDIM"),
        tapped(denoiser, {}, steps=2),
    ):
        [denoiser(torch.ones(1, 2)) for _ in range(calls)]
    assert hooks_of(denoiser) == 0


def test_a_watched_scheduler_steps_as_before_and_is_given_back():
    scheduler = worlds.ddim()
    scheduler.set_timesteps(5)
    out, sample = torch.ones(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)
    alone = scheduler.step(out, scheduler.timesteps[0], sample, return_dict=False)[0]
    signature = inspect.signature(scheduler.step)
    seen = []
    with watched(scheduler, lambda *step: seen.append(step)):
        assert inspect.signature(scheduler.step) == signature
        together = scheduler.step(out, scheduler.timesteps[0], sample, return_dict=False)[0]
    assert torch.equal(together, alone)
    assert len(seen) == 1
    assert seen[0][0] is out
    assert seen[0][1] == scheduler.timesteps[0]
    assert seen[0][2] is sample
    assert "step" not in vars(scheduler)


def test_a_scheduler_is_given_back_after_an_error_and_when_watched_twice():
    scheduler = worlds.ddim()
    with watched(scheduler, print):
        outer = scheduler.step
        with pytest.raises(RuntimeError, match="inside"), watched(scheduler, print):
            raise RuntimeError("inside")
        assert scheduler.step is outer
    assert "step" not in vars(scheduler)
