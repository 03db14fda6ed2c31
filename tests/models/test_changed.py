"""What was changed on a pipeline after it was built: read as it now runs, or refused by name."""

from typing import Any

import diffusers
import pytest
import torch
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import nn

import matrix
import pipelines
import pipelines_joint as joint
import worlds
from underpaint.core.errors import LayerError, ModelError, SchedulerError
from underpaint.models import Model
from underpaint.models.layers import find_layers
from underpaint.models.schedules import observe, plan
from underpaint.models.traces import trace

peft = pytest.importorskip("peft")
PROMPTS = matrix.PROMPTS


def drawn(pipe: Any, *, steps: int, **said: Any) -> torch.Tensor:
    """Give the latents that a pipeline's own call ends with."""
    return pipe(
        [prompt.text for prompt in PROMPTS],
        num_inference_steps=steps,
        generator=[torch.Generator("cpu").manual_seed(prompt.seed) for prompt in PROMPTS],
        output_type="latent",
        **said,
    ).images


@pytest.mark.parametrize("make", [worlds.pipeline, worlds.packed_pipeline])
def test_layers_of_a_landscape_are_refused_for_a_portrait(make):
    pipe = make()
    landscape = Model.of(pipe, name="landscape", resolution=(16, 32))
    portrait = Model.of(pipe, name="portrait", resolution=(32, 16))
    layers = find_layers(landscape)
    with pytest.raises(LayerError, match=r"4×8 cells|8×16 cells.*picture of 32×16"):
        trace(portrait, PROMPTS, steps=1, layers=layers)
    with pytest.raises(LayerError, match="found at another size"):
        trace(portrait, PROMPTS, steps=1, edits={layers[0]: lambda _step, _tokens: None})
    assert trace(landscape, PROMPTS, steps=1, layers=layers).activations


@pytest.mark.parametrize("size", [(16, 16), (24, 40), (8, 32), (40, 16)])
def test_layers_of_any_size_fit_their_own_pictures(size):
    model = Model.of(worlds.pipeline(), name="wide", resolution=size)
    layers = find_layers(model)
    seen = trace(model, PROMPTS, steps=1, layers=layers)
    assert {layer.grid for layer in layers} == {tuple(each.shape[-2:]) for each in
                                                seen.activations.values()}  # fmt: skip


def test_a_pipeline_that_draws_another_size_than_asked_for_is_refused():
    pipe = pipelines.seeded(joint.hunyuan)
    model = Model.of(pipe, name="rounding", resolution=(18, 22))
    with pytest.raises(ModelError, match="HunyuanDiTPipeline draws 16×16 pixels where 18×22"):
        trace(model, PROMPTS, steps=1)


def test_a_denoiser_that_was_exchanged_is_refused():
    pipe = worlds.pipeline()
    model = Model.of(pipe, name="first")
    layers = find_layers(model)
    pipe.unet = torch.compile(pipe.unet, backend="eager")  # the same one
    assert trace(model, PROMPTS, steps=1, layers=layers).activations
    pipe.unet = worlds.unet()
    for ask in (
        lambda: trace(model, PROMPTS, steps=1, layers=layers),
        lambda: find_layers(model),
        lambda: trace(model, PROMPTS, steps=1, edits={layers[0]: lambda _step, _tokens: None}),
    ):
        with pytest.raises(ModelError, match=r"The unet of .* was exchanged.*Model\.of"):
            ask()
    assert trace(pipe, PROMPTS, steps=1, layers=find_layers(pipe)).activations


class Wrapped(nn.Module):
    """A denoiser inside a module of one's own."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner, self.config = inner, inner.config


@pytest.mark.parametrize("wrap", [nn.DataParallel, Wrapped])
def test_a_denoiser_inside_another_module_is_refused(wrap):
    pipe = worlds.pipeline()
    pipe.unet = wrap(pipe.unet)
    with pytest.raises(ModelError, match=f"is a {wrap.__name__}, .*the network inside"):
        trace(pipe, PROMPTS, steps=1)


def test_dropout_of_an_adapter_in_training_is_refused_and_in_rest_read():
    pipe = worlds.pipeline()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipe.unet.add_adapter(
            peft.LoraConfig(r=2, target_modules=["to_q"], lora_dropout=0.5, init_lora_weights=False)
        )
    pipe.unet.train()
    for ask in (lambda: trace(pipe, PROMPTS, steps=1), lambda: find_layers(pipe)):
        with pytest.raises(ModelError, match=r"unet .*training mode.*lora_dropout.*unet\.eval\(\)"):
            ask()
    pipe.unet.eval()
    assert torch.equal(trace(pipe, PROMPTS, steps=2).final, drawn(pipe, steps=2))


def test_dropout_of_a_text_encoder_in_training_is_refused():
    pipe = worlds.packed_pipeline()
    pipe.text_encoder_2.train()
    with pytest.raises(ModelError, match=r"text_encoder_2 .*training mode"):
        trace(Model.of(pipe, name="flux", resolution=(16, 16)), PROMPTS, steps=1)


def stepped(scheduler: SchedulerMixin) -> None:
    """Put a function in the place of a scheduler's step, as loggers do."""
    run: Any = scheduler.step

    def step(model_output, timestep, sample, **more):
        return run(model_output, timestep, sample, **more)

    scheduler.step = step


def test_a_function_in_the_place_of_a_scheduler_s_step_is_refused():
    pipe = worlds.pipeline()
    stepped(pipe.scheduler)
    drawn(pipe, steps=7)  # what a copy's step would go on with
    with pytest.raises(SchedulerError, match=r"in the place of DDIMScheduler\.step.*subclass"):
        trace(pipe, PROMPTS, steps=3)


class Named(diffusers.DDIMScheduler):
    """A scheduler of one's own whose step has the usual names."""

    def step(self, model_output, timestep, sample, **more):
        return super().step(model_output * 0.9, timestep, sample, **more)


class Unnamed(diffusers.DDIMScheduler):
    """One that hands on whatever it is given."""

    def step(self, *args, **more):
        return super().step(*args, **more)


def test_a_scheduler_of_one_s_own_is_read_if_its_step_names_what_it_takes():
    pipe = worlds.pipeline(scheduler=Named.from_config(worlds.ddim().config))
    assert torch.equal(trace(pipe, PROMPTS, steps=3).final, drawn(pipe, steps=3))
    pipe = worlds.pipeline(scheduler=Unnamed.from_config(worlds.ddim().config))
    with pytest.raises(
        SchedulerError, match=r"Unnamed\.step takes args, more, and no model_output"
    ):
        trace(pipe, PROMPTS, steps=3)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "flow_prediction"])
def test_flow_sigmas_mean_what_the_scheduler_takes_them_for(prediction):
    made = diffusers.DPMSolverMultistepScheduler(
        **worlds.SCHEDULE, use_flow_sigmas=True, prediction_type=prediction
    )
    planned = plan(made, steps=4)
    planned.set_timesteps(4)
    draws = torch.Generator().manual_seed(0)
    x, out = torch.randn(2, 2, 4, 8, 8, generator=draws).double()
    for step in (1, 2, 3):
        planned._step_index = step
        _, found = observe(planned, out, planned.timesteps[step], x, step=step)
        expected = planned.convert_model_output(out, sample=x)
        torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)


def test_a_run_that_draws_noise_is_not_gone_on_with_from_its_middle():
    model = Model.of(worlds.pipeline(), name="noisy", call={"eta": 1.0})
    whole = trace(model, PROMPTS, steps=4)
    with pytest.raises(SchedulerError, match=r"With eta 1\.0 each step draws noise"):
        trace(model, PROMPTS, steps=4, start=(whole.latents[2], 2))


class Passing(diffusers.StableDiffusionPipeline):
    """A pipeline of one's own that hands everything on."""

    def __call__(self, *args, **kwargs):
        return super().__call__(*args, **kwargs)


class Half(diffusers.StableDiffusionPipeline):
    """One that names what it needs itself."""

    def __call__(self, prompt=None, height=None, **kwargs):
        return super().__call__(prompt, height, **kwargs)


@pytest.mark.parametrize("kind", [Passing, Half])
def test_a_subclass_that_hands_words_on_is_read_with_its_parent_s_guidance(kind):
    pipe = worlds.pipeline()
    pipe.__class__ = kind
    model = Model.of(pipe, name="own", call={"guidance_rescale": 0.5})
    assert model.guidance == 7.5
    seen = trace(model, PROMPTS, steps=2, layers=find_layers(model))
    assert torch.equal(seen.final, drawn(worlds.pipeline(), steps=2, guidance_rescale=0.5))
    with pytest.raises(ModelError, match="takes no such word"):
        Model.of(pipe, name="own", call={"unheard_of": 1})


def test_pictures_that_stand_in_another_order_than_their_prompts_are_refused():
    """A panorama shows each picture twice in a row, and prompts half by half."""
    family = matrix.FAMILIES["StableDiffusionPanoramaPipeline"]
    pipe = pipelines.seeded(family.make)
    shown = []
    pipe.unet.register_forward_pre_hook(lambda _module, args: shown.append(args[0].clone()))
    drawn(pipe, steps=1, height=16, width=16)
    assert torch.equal(shown[0][0], shown[0][1])
    assert not torch.equal(shown[0][0], shown[0][2])
    model = matrix.described("panorama", pipe, family)
    with pytest.raises(LayerError, match="mixes prompts and empty ones in a batch of 4"):
        trace(model, PROMPTS, steps=1)
    assert trace(model, PROMPTS, steps=1, guidance=1.0).final.shape == (2, 4, 8, 8)
