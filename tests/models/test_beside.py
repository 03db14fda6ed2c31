"""Beside what users do to their pipelines: it works, or it says clearly that it does not."""

import pytest
import torch

import underpaint
import worlds
from underpaint.core.errors import ModelError
from underpaint.models.layers import find_layers
from underpaint.models.traces import trace
from underpaint.probes.probes import Probe

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
