from copy import deepcopy

import diffusers
import pytest
import torch
from einops import rearrange

import worlds
from underpaint.core.errors import EditError, ModelError, PromptError, SchedulerError
from underpaint.core.prompts import Prompt
from underpaint.models import Model, decode, permuted
from underpaint.models.layers import find_layers
from underpaint.models.schedules import swap
from underpaint.models.traces import excerpt, trace

STEPS = 6


@pytest.fixture(scope="module")
def layers(model):
    return find_layers(model)


@pytest.fixture(scope="module")
def whole(model, layers):
    return trace(model, worlds.PROMPTS, steps=STEPS, layers=layers)


def generate(model, *, output_type: str = "latent", **changes) -> torch.Tensor:
    """Generate with the pipeline alone."""
    request = {
        "prompt": [prompt.text for prompt in worlds.PROMPTS],
        "num_inference_steps": STEPS,
        "guidance_scale": model.guidance,
        "generator": [torch.Generator("cpu").manual_seed(prompt.seed) for prompt in worlds.PROMPTS],
    }
    return model.pipeline(**{**request, **changes}, output_type=output_type).images


def test_watching_changes_no_bit(model, layers, whole):
    assert torch.equal(whole.final, generate(model))
    silent = trace(
        model, worlds.PROMPTS, steps=STEPS, edits={layers[0]: lambda _step, _tokens: None}
    )
    assert torch.equal(silent.final, whole.final)
    assert silent.activations == {}


def test_images_are_the_pipeline_s_own(model, whole):
    torch.testing.assert_close(whole.images, generate(model, output_type="pt"))


def test_a_trace_says_what_its_arrays_mean(model, layers, whole):
    assert whole.prompts == worlds.PROMPTS
    scheduler = worlds.ddim()
    scheduler.set_timesteps(STEPS)
    assert whole.timesteps.tolist() == scheduler.timesteps.tolist()
    assert whole.images.shape == (3, 3, 16, 16)
    assert whole.latents.shape == whole.estimates.shape == (STEPS, 3, 4, 8, 8)
    assert list(whole.activations) == list(layers)
    for layer, activation in whole.activations.items():
        assert activation.shape == (STEPS, 3, layer.channels, *layer.grid)
        assert activation.dtype == model.dtype


def test_latents_are_what_enters_each_step(model, whole):
    entered = []
    hook = model.denoiser.register_forward_pre_hook(lambda _module, args: entered.append(args[0]))
    with hook:
        generate(model)
    assert torch.equal(whole.latents, torch.stack(entered)[:, -3:])


@pytest.mark.parametrize("name", ["ddim", "euler", "lms", "dpm++"])
@pytest.mark.parametrize("spacing", ["leading", "linspace"])
def test_latents_are_what_the_denoiser_sees_under_any_scheduler(name, spacing):
    scheduler = type(swap(worlds.ddim(), name)).from_config(
        worlds.ddim().config, timestep_spacing=spacing
    )
    model = worlds.model(scheduler=scheduler)
    entered = []
    with model.denoiser.register_forward_pre_hook(lambda _module, args: entered.append(args[0])):
        seen = trace(model, worlds.PROMPTS, steps=STEPS)
    torch.testing.assert_close(seen.latents, torch.stack(entered)[:, -3:])
    assert torch.equal(seen.final, generate(model))


def test_activations_are_the_conditional_half_row_by_row(model, layers, whole):
    # Of two layers, one after text has entered: before that, both halves of the batch are equal.
    for layer in (layers[0], layers[-1]):
        outputs = []
        module = model.denoiser.get_submodule(layer.module)
        with module.register_forward_hook(lambda _m, _args, output, to=outputs: to.append(output)):
            generate(model)
        tokens = rearrange(
            whole.activations[layer], "step image channel row col -> step image (row col) channel"
        )
        assert torch.equal(tokens, torch.stack(outputs)[:, 3:])
    assert not torch.allclose(tokens, torch.stack(outputs)[:, :3])


def test_the_unconditional_half_is_kept_where_it_is_asked_for(model, layers, whole):
    assert whole.unconditional == {}
    layer = layers[-1]
    outputs = []
    module = model.denoiser.get_submodule(layer.module)
    with module.register_forward_hook(lambda _m, _args, output: outputs.append(output)):
        seen = trace(model, worlds.PROMPTS, steps=STEPS, layers=[layer], halves=True)
    tokens = rearrange(
        seen.unconditional[layer], "step image channel row col -> step image (row col) channel"
    )
    assert torch.equal(tokens, torch.stack(outputs)[:, :3])
    assert torch.equal(seen.activations[layer], whole.activations[layer])
    assert torch.equal(excerpt(seen, 1, 2).unconditional[layer], seen.unconditional[layer][:, 1:2])


def test_without_guidance_there_is_no_unconditional_half(model, layers):
    seen = trace(model, worlds.PROMPTS, steps=2, guidance=1.0, layers=layers[:1], halves=True)
    assert seen.unconditional == {}


def test_an_image_does_not_depend_on_its_batch(model, layers, whole):
    alone = trace(model, worlds.PROMPTS[1:2], steps=STEPS, layers=layers)
    torch.testing.assert_close(alone.final[0], whole.final[1])
    for layer in layers:
        torch.testing.assert_close(
            alone.activations[layer][:, 0], whole.activations[layer][:, 1], atol=1e-5, rtol=1e-4
        )


def test_ddim_and_euler_walk_the_same_path(whole):
    """Second route: both solve one equation to first order, in different coordinates."""
    euler = worlds.model(scheduler=swap(worlds.ddim(timestep_spacing="leading"), "euler"))
    walked = trace(euler, worlds.PROMPTS, steps=STEPS)
    torch.testing.assert_close(walked.latents, whole.latents, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(walked.estimates, whole.estimates, atol=1e-3, rtol=1e-3)


def test_without_guidance_all_images_are_kept(model, layers):
    seen = trace(model, worlds.PROMPTS, steps=2, guidance=1.0, layers=layers[:1])
    assert seen.activations[layers[0]].shape[:2] == (2, 3)
    unguided = generate(model, num_inference_steps=2, guidance_scale=1.0)
    assert torch.equal(seen.final, unguided)


def test_guidance_is_the_model_s_own_unless_given(model, whole):
    assert torch.equal(trace(model, worlds.PROMPTS, steps=STEPS, guidance=3.0).final, whole.final)
    other = trace(model, worlds.PROMPTS, steps=STEPS, guidance=6.0).final
    assert not torch.allclose(other, whole.final)


def test_an_edit_acts_from_its_step_on_and_is_what_is_kept(model, layers, whole):
    target = layers[2]
    batches = []

    def zero_at_step_3(step: int, tokens: torch.Tensor) -> torch.Tensor | None:
        batches.append(len(tokens))
        return torch.zeros_like(tokens) if step == 3 else None

    edited = trace(
        model, worlds.PROMPTS, steps=STEPS, layers=[target], edits={target: zero_at_step_3}
    )
    assert batches == [6] * STEPS
    assert torch.equal(edited.latents[:4], whole.latents[:4])
    assert not torch.equal(edited.latents[4], whole.latents[4])
    kept = edited.activations[target]
    assert torch.equal(kept[3], torch.zeros_like(kept[3]))
    assert torch.equal(kept[:3], whole.activations[target][:3])


@pytest.mark.parametrize("change", [lambda tokens: tokens[:1], lambda tokens: tokens.double()])
def test_an_edit_that_changes_shape_or_dtype_is_refused(model, layers, change):
    with pytest.raises(EditError, match=r"edit at down\.0\.0 turned \(6, 64, 8\) torch"):
        trace(
            model, worlds.PROMPTS, steps=2, edits={layers[0]: lambda _step, tokens: change(tokens)}
        )
    assert not any(module._forward_hooks for module in model.denoiser.modules())
    assert "step" not in vars(model.pipeline.scheduler)


@pytest.mark.parametrize("name", ["ddim", "euler", "lms", "dpm++"])
def test_stopping_early_shows_the_same_first_steps(name):
    model = worlds.model(scheduler=swap(worlds.ddim(), name))
    ran = trace(model, worlds.PROMPTS, steps=STEPS)
    stopped = trace(model, worlds.PROMPTS, steps=STEPS, stop_at=2)
    assert torch.equal(stopped.latents, ran.latents[:2])
    assert torch.equal(stopped.estimates, ran.estimates[:2])
    assert torch.equal(stopped.timesteps, ran.timesteps[:2])
    torch.testing.assert_close(stopped.final, ran.latents[2])
    assert torch.equal(stopped.images, decode(model, ran.estimates[1]))
    # Nothing of the interruption stays behind.
    assert torch.equal(trace(model, worlds.PROMPTS, steps=STEPS).final, ran.final)


@pytest.mark.parametrize("name", ["ddim", "euler"])
@pytest.mark.parametrize("spacing", ["leading", "linspace"])
@pytest.mark.parametrize("cut", [1, 4])
def test_stopping_and_going_on_equals_the_whole(name, spacing, cut):
    scheduler = type(swap(worlds.ddim(), name)).from_config(
        worlds.ddim().config, timestep_spacing=spacing
    )
    model = worlds.model(scheduler=scheduler)
    layers = find_layers(model)[:1]
    ran = trace(model, worlds.PROMPTS, steps=STEPS, layers=layers)
    stopped = trace(model, worlds.PROMPTS, steps=STEPS, layers=layers, stop_at=cut)
    edited_steps = []
    resumed = trace(
        model,
        worlds.PROMPTS,
        steps=STEPS,
        layers=layers,
        start=(stopped.final, cut),
        edits={layers[0]: lambda step, _tokens: edited_steps.append(step)},
    )
    assert (stopped.first_step, resumed.first_step) == (0, cut)
    assert edited_steps == list(range(cut, STEPS))
    torch.testing.assert_close(torch.cat([stopped.latents, resumed.latents]), ran.latents)
    torch.testing.assert_close(
        torch.cat([stopped.activations[layers[0]], resumed.activations[layers[0]]]),
        ran.activations[layers[0]],
        atol=1e-4,
        rtol=1e-4,
    )
    torch.testing.assert_close(resumed.final, ran.final, atol=1e-4, rtol=1e-4)
    assert torch.equal(torch.cat([stopped.timesteps, resumed.timesteps]), ran.timesteps)


def test_the_middle_of_a_run_can_be_shown_alone(model, whole):
    middle = trace(model, worlds.PROMPTS, steps=STEPS, start=(whole.latents[2], 2), stop_at=4)
    torch.testing.assert_close(middle.latents, whole.latents[2:4])


@pytest.mark.parametrize("name", ["lms", "dpm++"])
def test_a_multistep_run_cannot_go_on_from_the_middle(name, whole):
    model = worlds.model(scheduler=swap(worlds.ddim(), name))
    with pytest.raises(SchedulerError, match=r"cannot begin at step 3: it needs the steps before"):
        trace(model, worlds.PROMPTS, steps=STEPS, start=(whole.final, 3))


def test_a_scheduler_that_calls_twice_is_refused_before_the_denoiser_runs():
    model = worlds.model(scheduler=diffusers.PNDMScheduler(skip_prk_steps=True))
    calls = []
    with (
        model.denoiser.register_forward_pre_hook(lambda *_: calls.append(1)),
        pytest.raises(SchedulerError, match="run the denoiser 7 times for 6 steps"),
    ):
        trace(model, worlds.PROMPTS, steps=STEPS)
    assert calls == []


@pytest.mark.parametrize("stop_at", [0, STEPS + 1])
def test_stopping_out_of_range_is_refused(model, stop_at):
    with pytest.raises(SchedulerError, match=rf"Cannot stop after {stop_at} of 6.*from 1 to 6"):
        trace(model, worlds.PROMPTS, steps=STEPS, stop_at=stop_at)


def test_stopping_before_the_beginning_is_refused(model, whole):
    with pytest.raises(SchedulerError, match=r"beginning at step 3\. Choose stop_at from 4 to 6"):
        trace(model, worlds.PROMPTS, steps=STEPS, start=(whole.latents[3], 3), stop_at=3)


def test_no_prompts_and_latents_of_another_batch_are_refused(model, whole):
    with pytest.raises(PromptError, match="no prompts to generate from"):
        trace(model, [])
    with pytest.raises(PromptError, match="1 prompts and latents to start 3 images"):
        trace(model, [Prompt("fog", 1)], steps=STEPS, start=(whole.latents[3], 3))


def test_a_pipeline_that_cannot_stop_is_refused(model, monkeypatch):
    class Unstoppable(diffusers.StableDiffusionPipeline):
        def __call__(self, prompt: list[str], num_inference_steps: int):  # type: ignore[override]
            raise AssertionError("should not run")

    monkeypatch.setattr(model.pipeline, "__class__", Unstoppable)
    with pytest.raises(ModelError, match="Unstoppable cannot stop early"):
        trace(model, worlds.PROMPTS, steps=STEPS, stop_at=2)


def test_a_model_and_the_random_state_are_left_as_they_were(model, layers):
    scheduler = model.pipeline.scheduler
    state, before = torch.get_rng_state(), dict(vars(scheduler))
    trace(model, worlds.PROMPTS, steps=2, layers=layers)
    assert model.pipeline.scheduler is scheduler
    assert vars(scheduler).keys() == before.keys()
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module._forward_hooks for module in model.denoiser.modules())


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_estimates_come_from_the_guided_output(prediction):
    model = worlds.model(scheduler=worlds.ddim(prediction_type=prediction))
    estimates = []
    step = model.pipeline.scheduler.step
    seen = trace(model, worlds.PROMPTS, steps=STEPS)

    def recorded(*args, return_dict: bool = True, **kwargs):
        moved = step(*args, **kwargs)
        estimates.append(moved.pred_original_sample)
        return (moved.prev_sample,)

    model.pipeline.scheduler.step = recorded
    generate(model)
    torch.testing.assert_close(seen.estimates, torch.stack(estimates), atol=1e-4, rtol=1e-4)


def test_a_diffusion_transformer_with_flow_matching_is_traced_too():
    model = worlds.flow_model()
    layers = find_layers(model)
    seen = trace(model, worlds.PROMPTS, steps=STEPS, layers=layers)
    assert torch.equal(seen.final, generate(model))
    assert seen.activations[layers[0]].shape == (STEPS, 3, 8, 4, 4)
    # The last Euler step of flow matching lands on the estimate.
    torch.testing.assert_close(seen.estimates[-1], seen.final, atol=1e-5, rtol=1e-5)
    stopped = trace(model, worlds.PROMPTS, steps=STEPS, stop_at=3)
    assert torch.equal(stopped.latents, seen.latents[:3])
    resumed = trace(model, worlds.PROMPTS, steps=STEPS, start=(stopped.final, 3))
    torch.testing.assert_close(resumed.final, seen.final, atol=1e-4, rtol=1e-4)


def test_a_shadow_of_the_same_weights_sees_what_the_model_sees(model):
    layers = find_layers(model)
    twin = deepcopy(model.denoiser)
    traced = trace(
        model, worlds.PROMPTS[:2], steps=2, guidance=3.0, layers=layers, shadows={"it": twin}
    )
    for layer in layers:
        torch.testing.assert_close(traced.shadows["it"][layer], traced.activations[layer])


def test_a_permuted_shadow_sees_otherwise_and_changes_nothing(model):
    layers = find_layers(model)[:2]
    shadow = permuted(model.denoiser, seed=0)
    alone = trace(model, worlds.PROMPTS[:2], steps=2, guidance=3.0, layers=layers)
    traced = trace(
        model, worlds.PROMPTS[:2], steps=2, guidance=3.0, layers=layers, shadows={"it": shadow}
    )
    assert torch.equal(traced.final, alone.final)
    for layer in layers:
        assert torch.equal(traced.activations[layer], alone.activations[layer])
        assert not torch.allclose(traced.shadows["it"][layer], alone.activations[layer])
    hooked = [m for net in (model.denoiser, shadow) for m in net.modules() if m._forward_hooks]
    assert not hooked
    assert not model.denoiser._forward_pre_hooks


def test_permuting_keeps_each_weights_values(model):
    shuffled = dict(permuted(model.denoiser, seed=1).named_parameters())
    for name, weight in model.denoiser.named_parameters():
        assert torch.equal(weight.flatten().sort().values, shuffled[name].flatten().sort().values)


def test_flux_is_traced_with_its_text_tokens_apart():
    model = worlds.packed_model()
    layers = find_layers(model)
    single = layers[1]
    prompts = worlds.PROMPTS[:2]
    outputs = []
    with model.denoiser.get_submodule(single.module).register_forward_hook(
        lambda _module, _args, output: outputs.append(output)
    ):
        seen = trace(model, prompts, steps=3, layers=layers)
    assert outputs[0].shape == (2, 512 + 32, 16)
    tokens = rearrange(
        seen.activations[single], "step image channel row col -> step image (row col) channel"
    )
    assert torch.equal(tokens, torch.stack(outputs)[:, :, 512:])
    request = {"height": 16, "width": 32, "num_inference_steps": 3}
    own = model.pipeline(
        [each.text for each in prompts],
        generator=[torch.Generator("cpu").manual_seed(each.seed) for each in prompts],
        output_type="pt",
        **request,
    ).images
    assert seen.images.shape == (2, 3, 16, 32)
    torch.testing.assert_close(seen.images, own, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(seen.estimates[-1], seen.final, atol=1e-5, rtol=1e-5)
    stopped = trace(model, prompts, steps=3, stop_at=1)
    resumed = trace(model, prompts, steps=3, start=(stopped.final, 1))
    torch.testing.assert_close(resumed.final, seen.final, atol=1e-4, rtol=1e-4)


def test_an_edit_of_flux_moves_the_image_s_tokens_and_leaves_the_text_s():
    model = worlds.packed_model()
    single = find_layers(model)[1]
    prompts, edited, outputs = worlds.PROMPTS[:2], [], []

    def zero(_step, tokens):
        edited.append(tuple(tokens.shape))
        return torch.zeros_like(tokens)

    with model.denoiser.get_submodule("single_transformer_blocks.0.proj_out").register_forward_hook(
        lambda _module, args, _output: outputs.append(args[0][..., :16])
    ):
        seen = trace(model, prompts, steps=1, layers=[single], edits={single: zero})
    assert edited == [(2, 32, 16)]
    assert not seen.activations[single].any()
    assert not outputs[0][:, 512:].any()
    assert outputs[0][:, :512].any()


def test_a_shadow_of_flux_sees_what_the_model_sees():
    model = worlds.packed_model()
    layers = find_layers(model)
    # 16 images and 32 places: a table of positions is as long as a guidance batch would be.
    prompts = [Prompt("fog", seed) for seed in range(16)]
    seen = trace(model, prompts, steps=1, layers=layers, shadows={"twin": deepcopy(model.denoiser)})
    for layer in layers:
        torch.testing.assert_close(seen.shadows["twin"][layer], seen.activations[layer])


@pytest.mark.parametrize("make", [worlds.pixart_pipeline, worlds.xl_pipeline])
def test_other_families_are_traced_as_they_generate(make):
    model = Model.of(make(), name="other", guidance=3.0)
    layers = find_layers(model)[:1]
    seen = trace(model, worlds.PROMPTS, steps=2, layers=layers)
    own = {"use_resolution_binning": False} if make is worlds.pixart_pipeline else {}
    alone = generate(model, num_inference_steps=2, height=16, width=16, **own)
    assert torch.equal(seen.final, alone)
    assert seen.activations[layers[0]].shape[:2] == (2, 3)
