"""Beside what users do to their pipelines: it works, or it says clearly that it does not."""

import json
import shutil

import accelerate
import diffusers
import pytest
import torch

import underpaint
import worlds
from underpaint.core.errors import LayerError, ModelError, RunError
from underpaint.models import Model, load, permuted, untrained
from underpaint.models.layers import find_layers
from underpaint.models.traces import trace
from underpaint.probes.probes import Probe
from underpaint.runs.runs import check_run

PROMPTS = list(worlds.PROMPTS[:2])


def own_loop(pipeline, *, steps: int = 2) -> torch.Tensor:
    return pipeline(
        [prompt.text for prompt in PROMPTS],
        num_inference_steps=steps,
        generator=[torch.Generator("cpu").manual_seed(prompt.seed) for prompt in PROMPTS],
        output_type="latent",
    ).images


def test_an_unmodified_pipeline_is_traced_as_it_is():
    pipe = worlds.pipeline()
    seen = underpaint.trace(pipe, PROMPTS, steps=2, layers=underpaint.find_layers(pipe)[:1])
    assert torch.equal(seen.final, own_loop(pipe))
    assert seen.images.shape == (2, 3, 16, 16)


def test_probes_are_read_live_in_a_loop_of_one_s_own():
    pipe, found = worlds.pipeline(), []
    layers = {layer.name: layer for layer in underpaint.find_layers(pipe)}
    weight = torch.randn(16, 1, dtype=torch.float64)
    bias = torch.zeros(1, dtype=torch.float64)
    probes = {
        ("depth", "mid.0", step): Probe("mid.0", step, "depth", weight, bias) for step in (0, 1)
    }

    taps = underpaint.reading_taps(
        {"depth": layers["mid.0"]}, probes, images=2, show=lambda *seen: found.append(seen)
    )
    with underpaint.tapped(pipe.unet, taps, steps=2):
        latents = own_loop(pipe)

    assert torch.equal(latents, own_loop(pipe))
    seen = trace(pipe, PROMPTS, steps=2, layers=[layers["mid.0"]])
    assert [(step, name) for step, name, _ in found] == [(0, "depth"), (1, "depth")]
    for step, _, maps in found:
        expected = probes["depth", "mid.0", step](seen.activations[layers["mid.0"]][step])
        torch.testing.assert_close(maps, expected)


def test_a_lora_is_probed_as_it_generates():
    peft = pytest.importorskip("peft")
    pipe = worlds.pipeline()
    layer = find_layers(pipe)[0]
    before = trace(pipe, PROMPTS, steps=2, layers=[layer])
    targets = ["attn1.to_q", "attn1.to_out.0"]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipe.unet.add_adapter(peft.LoraConfig(r=2, target_modules=targets, init_lora_weights=False))
    assert layer in find_layers(pipe)
    adapted = trace(pipe, PROMPTS, steps=2, layers=[layer])
    assert torch.equal(adapted.final, own_loop(pipe))
    assert not torch.allclose(adapted.activations[layer], before.activations[layer])


@pytest.mark.parametrize("compiled", ["whole", "a block", "its forward"])
def test_a_compiled_denoiser_shows_what_it_shows_uncompiled(compiled):
    pipe = worlds.pipeline()
    layers = find_layers(pipe)
    plain = trace(pipe, PROMPTS, steps=2, layers=layers)
    if compiled == "whole":
        pipe.unet = torch.compile(pipe.unet, backend="eager")
    elif compiled == "a block":
        pipe.unet.mid_block.compile(backend="eager")
    else:
        pipe.unet.forward = torch.compile(pipe.unet.forward, backend="eager")
    own_loop(pipe)  # warm: hooks that come later are passed by in compiled code
    assert find_layers(pipe) == layers
    seen = trace(pipe, PROMPTS, steps=2, layers=layers)
    assert all(torch.equal(seen.activations[each], plain.activations[each]) for each in layers)


def test_what_cannot_be_traced_is_refused_with_what_to_do():
    pipe = worlds.pipeline()
    pipe._offload_device = torch.device("cuda")  # as `enable_model_cpu_offload` leaves it
    with pytest.raises(ModelError, match=r"is offloaded to the CPU.*remove_all_hooks"):
        trace(pipe, PROMPTS)
    pipe = worlds.pipeline()
    pipe.unet.register_to_config(encoder_hid_dim_type="ip_image_proj")  # as `load_ip_adapter`
    with pytest.raises(ModelError, match=r"has an IP-Adapter.*unload_ip_adapter"):
        find_layers(pipe)


def test_a_lora_that_acts_is_another_model_and_one_that_is_off_is_not(tmp_path):
    peft = pytest.importorskip("peft")
    worlds.pipeline().save_pretrained(tmp_path)
    model = load(str(tmp_path), device="cpu")
    plain, unet = model.fingerprint, model.pipeline.unet
    config = peft.LoraConfig(r=2, target_modules=["attn1.to_q"], init_lora_weights=False)
    unet.add_adapter(config, adapter_name="one")
    with_one = model.fingerprint
    assert with_one != plain
    assert with_one.startswith(plain)
    unet.set_adapters("one", weights=0.5)
    assert model.fingerprint not in (plain, with_one)
    unet.set_adapters("one", weights=1.0)
    assert model.fingerprint == with_one
    unet.disable_adapters()
    assert model.fingerprint == plain
    unet.enable_adapters()
    unet.fuse_lora()
    unet.unload_lora()
    assert model.fingerprint not in (plain, with_one)


def test_a_quantised_denoiser_has_no_control_of_its_weights():
    pipe = worlds.pipeline()
    pipe.unet = torch.ao.quantization.quantize_dynamic(pipe.unet, {torch.nn.Linear})
    layers = find_layers(pipe)
    assert trace(pipe, PROMPTS, steps=1, layers=layers).final.isfinite().all()
    for control in (permuted, untrained):
        with pytest.raises(ModelError, match="need plain weights, and this denoiser's are quant"):
            control(pipe.unet, seed=0)


def test_layerwise_casting_is_traced_in_what_it_computes_in():
    pipe = worlds.pipeline()
    pipe.unet.enable_layerwise_casting(torch.float8_e4m3fn, torch.float32)
    model = Model.of(pipe, name="cast")
    assert model.dtype == torch.float32
    layers = find_layers(model)
    whole = trace(model, PROMPTS, steps=2, layers=layers)
    again = trace(model, PROMPTS, steps=2, layers=layers, start=(whole.latents[1], 1))
    assert torch.equal(whole.final, again.final)
    assert torch.equal(whole.final, own_loop(pipe))
    with pytest.raises(ModelError, match="need plain weights"):
        permuted(pipe.unet, seed=0)


def test_offloading_by_groups_or_parts_is_refused_by_name():
    pipe = worlds.pipeline()
    layers = find_layers(pipe)
    cpu = torch.device("cpu")
    pipe.vae.enable_group_offload(onload_device=cpu, offload_device=cpu, offload_type="leaf_level")
    with pytest.raises(ModelError, match=r"is offloaded to the CPU.*load it anew without"):
        trace(pipe, PROMPTS)
    pipe = worlds.pipeline()
    model = Model.of(pipe, name="later")
    accelerate.cpu_offload(pipe.unet, execution_device=cpu)
    with pytest.raises(ModelError, match="is offloaded"):
        Model.of(pipe, name="offloaded")
    with pytest.raises(LayerError, match="A hook of accelerate stands at"):
        trace(model, PROMPTS, layers=layers)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("AnimateDiffPipeline", "draws video"),
        ("WanPipeline", "draws video"),
        ("CogVideoXPipeline", "draws video"),
        ("StableDiffusionInpaintPipeline", "draws from a picture"),
        ("StableDiffusionImg2ImgPipeline", "draws from a picture"),
        ("StableDiffusionControlNetPipeline", "draws from a picture"),
        ("StableDiffusionXLControlNetPipeline", "draws from a picture"),
        ("FluxImg2ImgPipeline", "draws from a picture"),
        ("FluxKontextPipeline", "draws from a picture"),
    ],
)
def test_what_wants_more_than_a_prompt_is_refused_with_what_to_do(kind, says):
    pipe = worlds.pipeline()
    # Only the class decides; the parts stand for its own.
    pipe.__class__ = type(kind, (getattr(diffusers, kind),), {})
    with pytest.raises(ModelError, match=rf"{kind} {says}.*`tapped` around a loop"):
        Model.of(pipe, name="more")


def test_a_denoiser_of_another_pipeline_is_refused():
    pipe = worlds.pipeline()
    pipe.unet.register_to_config(in_channels=9)
    with pytest.raises(ModelError, match="takes 9 channels and its VAE has 4"):
        Model.of(pipe, name="inpainting")


@pytest.mark.parametrize(
    ("part", "word", "value"),
    [
        ("scheduler", "beta_end", 0.03),
        ("vae", "scaling_factor", 0.5),
        ("unet", "freq_shift", 1),
    ],
)
def test_the_same_weights_configured_otherwise_are_another_model(
    saved_model, tmp_path, part, word, value
):
    first = load(str(saved_model), device="cpu")
    assert load(str(saved_model), device="cpu", dtype="float16").configuration == (
        first.configuration
    )
    other = tmp_path / "other"
    shutil.copytree(saved_model, other)
    file = next((other / part).glob("*config.json"))
    config = json.loads(file.read_text())
    assert config[word] != value
    file.write_text(json.dumps({**config, word: value}))
    second = load(str(other), device="cpu")
    settings = {
        "model": "world",
        "fingerprint": first.fingerprint,
        "scheduler": type(first.pipeline.scheduler).__name__,
        "configuration": first.configuration,
    }
    check_run(settings, first)
    with pytest.raises(RunError, match="with configuration"):
        check_run({**settings, "fingerprint": second.fingerprint}, second)
