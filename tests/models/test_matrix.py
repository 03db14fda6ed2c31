"""Every family that can be built small: read as a hook of one's own reads it, or one of our errors.

Never a third thing. Where the prompts' own part is, and where the image's tokens are, is written
here by hand from the source of each pipeline; what is tested has to measure it.
"""

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch

import pipelines
import worlds
from underpaint.core.errors import UnderpaintError
from underpaint.core.prompts import Prompt
from underpaint.models import Model
from underpaint.models.layers import Layer, find_layers
from underpaint.models.traces import trace

PROMPTS = [Prompt("a red cone", 11), Prompt("fog", 12)]
STEPS, GUIDANCE = 2, 3.0

# Calls a step, which is the prompts', parts of its batch, which is the prompts'.
BOTH, ALONE, APART, PERTURBED = (1, 0, 2, 1), (1, 0, 1, 0), (2, 0, 1, 0), (1, 0, 3, 1)
FAMILIES: dict[str, tuple[Callable[[], Any], tuple[int, int, int, int]]] = {
    "StableDiffusionPipeline": (worlds.pipeline, BOTH),
    "StableDiffusionPAGPipeline": (pipelines.perturbed, PERTURBED),
    "StableDiffusionXLPipeline": (worlds.xl_pipeline, BOTH),
    "LatentConsistencyModelPipeline": (pipelines.consistency, ALONE),
    "LDMPipeline": (worlds.unprompted_pipeline, ALONE),
    "PixArtSigmaPipeline": (worlds.pixart_pipeline, BOTH),
    "StableDiffusion3Pipeline": (worlds.flow_pipeline, BOTH),
    "FluxPipeline": (worlds.packed_pipeline, ALONE),
    "AuraFlowPipeline": (pipelines.aura_flow, BOTH),
    "ChromaPipeline": (pipelines.chroma, APART),
    "SanaPipeline": (pipelines.sana, BOTH),
    "Lumina2Pipeline": (pipelines.lumina2, APART),
}


def described(family: str) -> tuple[Model, tuple[int, int, int, int]]:
    make, asking = FAMILIES[family]
    pipe = pipelines.seeded(make)
    guidance = 1.0 if isinstance(pipe, diffusers.LDMPipeline) else GUIDANCE
    side = 32 if isinstance(pipe, diffusers.SanaPipeline) else 16
    size = None if isinstance(pipe, diffusers.LDMPipeline) else (side, side)
    return Model.of(pipe, name=family, guidance=guidance, resolution=size), asking


def by_hand(model: Model, layers: list[Layer], asking: tuple[int, int, int, int]) -> dict:
    """Read each layer with a hook of one's own, and nothing else of the package."""
    calls, call, parts, part = asking
    seen: dict[Layer, list[torch.Tensor]] = {layer: [] for layer in layers}
    hooks = [
        model.denoiser.get_submodule(layer.module).register_forward_hook(
            lambda _m, _i, output, layer=layer: seen[layer].append(output)
        )
        for layer in layers
    ]
    trace(model, PROMPTS, steps=STEPS)
    for hook in hooks:
        hook.remove()
    images, found = len(PROMPTS), {}
    for layer, outputs in seen.items():
        assert len(outputs) == STEPS * calls
        rows, cols = layer.grid
        own = torch.stack(outputs[call::calls])
        assert own.shape[1] == parts * images
        # Text comes before the image in each of these families.
        kept = own[:, part * images : (part + 1) * images, -rows * cols :]
        found[layer] = kept.mT.unflatten(-1, layer.grid)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_read_as_a_hook_of_one_s_own_reads_it(family):
    model, asking = described(family)
    layers = list(find_layers(model))
    if "PAG" in family:
        with pytest.raises(UnderpaintError, match=r"runs again|on a batch of"):
            trace(model, PROMPTS, steps=STEPS, layers=layers)
        layers = [layer for layer in layers if not layer.name.startswith("mid")]
    seen = trace(model, PROMPTS, steps=STEPS, layers=layers)
    for layer, expected in by_hand(model, layers, asking).items():
        assert torch.equal(seen.activations[layer], expected), layer.name


def test_layers_of_text_alone_and_ragged_ones_are_no_layers():
    model, _ = described("Lumina2Pipeline")
    assert [layer.module for layer in find_layers(model)] == ["noise_refiner.0.attn.to_out.0"]


def test_registers_and_text_stand_before_an_image_s_tokens():
    model, _ = described("AuraFlowPipeline")
    assert {layer.name: layer.grid for layer in find_layers(model)} == {
        "block.0": (4, 4),
        "single.0": (4, 4),
    }
