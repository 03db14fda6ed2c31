"""Every pipeline that can be built small, as people change it: read, or one of our errors.

Never a third thing. `matrix` says what a plain hook reads, and docs/models.md what came of each.
"""

import inspect
import re
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from benchmarks.matrix import cell, documented

import matrix
import pipelines_unet
import worlds
from changes import CHANGES
from underpaint.core.errors import LayerError, ModelError, SchedulerError
from underpaint.models import Model
from underpaint.models.layers import find_layers
from underpaint.models.refusals import check_pipeline
from underpaint.models.traces import trace

PAGE = documented((Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8"))
CHANGED = [kind for kind in CHANGES if kind != "plain"]
FAST = ("StableDiffusionPipeline", "StableDiffusion3Pipeline", "PixArtSigmaPipeline")
SLOW = [name for name in matrix.FAMILIES if name not in FAST]

NEEDS_MORE = {
    "AltDiffusionPipeline": "XLM-RoBERTa of its own; otherwise Stable Diffusion",
    "Cosmos2TextToImagePipeline": "a safety checker that is always on, from another package",
    "ErnieImagePipeline": "Mistral 3",
    "HunyuanImagePipeline": "Qwen 2.5 VL and a ByT5",
    "Ideogram4Pipeline": "a second transformer",
    "Kandinsky5T2IPipeline": "Qwen 2.5 VL",
    "PRXPipeline": "ftfy",
    "StableDiffusionGLIGENTextImagePipeline": "a CLIP of pictures; as GLIGEN otherwise",
    "StableDiffusionPix2PixZeroPipeline": "BLIP and an inverted scheduler",
    "StableUnCLIPPipeline": "a prior with its own scheduler",
}
"""Pipelines that are not built here, and what each would need beside a denoiser."""


@pytest.mark.parametrize("name", matrix.FAMILIES)
def test_a_pipeline_as_it_comes_is_read_as_a_hook_reads_it_or_refused(name):
    assert cell(name, "plain") == PAGE[name, "plain"]


@pytest.mark.parametrize("kind", CHANGED)
@pytest.mark.parametrize("name", FAST)
def test_a_changed_pipeline_is_read_as_a_hook_reads_it_or_refused(name, kind):
    assert cell(name, kind) == PAGE[name, kind]


@pytest.mark.slow
@pytest.mark.parametrize("kind", CHANGED)
@pytest.mark.parametrize("name", SLOW)
def test_any_changed_pipeline_is_read_as_a_hook_reads_it_or_refused(name, kind):
    if PAGE[name, "plain"].startswith("refused"):
        assert re.fullmatch(r"–|(refused: [^;]+(; )?)+", cell(name, kind))
    else:
        assert cell(name, kind) == PAGE[name, kind]


def test_the_matrix_is_wide():
    read = [name for name in matrix.FAMILIES if PAGE[name, "plain"] != "refused"]
    assert len(matrix.FAMILIES) >= 50
    assert len([name for name in read if not PAGE[name, "plain"].startswith("refused")]) >= 20


def stand_in(kind: type, parts: dict[str, Any]) -> Any:
    """Make what has a pipeline's class and the parts that its constructor names, and no more."""
    made = object.__new__(kind)
    taken = inspect.signature(kind.__init__).parameters
    vars(made).update({name: each for name, each in parts.items() if name in taken})
    return made


def test_every_pipeline_of_diffusers_is_accounted_for():
    left, unet = [], worlds.unet()
    parts = {"unet": unet, "transformer": unet, "vae": worlds.vae()}
    for name in dir(diffusers):
        kind = getattr(diffusers, name) if name.endswith("Pipeline") else None
        # What is not installed is a dummy, and modular pipelines are built of blocks.
        if not isinstance(kind, type) or not issubclass(kind, diffusers.DiffusionPipeline):
            continue
        if name in matrix.FAMILIES or name in NEEDS_MORE or name == "DiffusionPipeline":
            continue
        made = stand_in(kind, parts)
        try:
            check_pipeline(made, vars(made).get("unet", vars(made).get("transformer")))
        except ModelError as error:
            assert any(said in str(error) for said in matrix.CAUSES), error  # noqa: PT017
        else:
            left.append(name)
    assert not left


def test_layers_of_text_alone_and_ragged_ones_are_no_layers():
    family = matrix.FAMILIES["Lumina2Pipeline"]
    model = matrix.described("Lumina2Pipeline", matrix.seeded(family), family)
    assert [layer.module for layer in find_layers(model)] == ["noise_refiner.0.attn.to_out.0"]


def test_registers_and_text_stand_before_an_image_s_tokens():
    family = matrix.FAMILIES["AuraFlowPipeline"]
    model = matrix.described("AuraFlowPipeline", matrix.seeded(family), family)
    assert {layer.name: layer.grid for layer in find_layers(model)} == {
        "block.0": (4, 4),
        "single.0": (4, 4),
    }


def test_a_panorama_of_several_views_is_refused():
    pipe = matrix.seeded(matrix.FAMILIES["StableDiffusionPanoramaPipeline"])
    for width, said in ((160, "draws a picture in parts"), (576, "ran 3 times for 2 steps")):
        model = Model.of(pipe, name="wide", guidance=1.0, resolution=(16, width))
        with pytest.raises((ModelError, SchedulerError), match=said):
            trace(model, matrix.PROMPTS, steps=2)
        with pytest.raises(LayerError, match=r"none of a picture of .* in parts"):
            trace(model, matrix.PROMPTS, steps=2, layers=find_layers(model)[:1])


def test_a_guidance_that_asks_again_at_each_step_is_refused_without_the_other_guidance_too():
    pipe = matrix.seeded(matrix.FAMILIES["StableDiffusionSAGPipeline"])
    model = Model.of(pipe, name="again", guidance=1.0)
    with pytest.raises(SchedulerError, match=r"ran 2 times up to step 0; 1 a step"):
        trace(model, matrix.PROMPTS, steps=2)


def test_a_pipeline_s_own_failure_is_one_line_that_names_it():
    pipe = pipelines_unet.relative("StableDiffusionGLIGENPipeline")
    with pytest.raises(
        ModelError, match=r"GLIGENPipeline fails in its own call \(TypeError: "
    ) as it:
        find_layers(pipe)
    assert isinstance(it.value.__cause__, TypeError)


def test_what_an_edit_raises_is_left_as_it_is():
    pipe = worlds.pipeline()
    layer = find_layers(pipe)[0]

    def fail(_step, _tokens):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        trace(pipe, matrix.PROMPTS, steps=1, edits={layer: fail})


def test_a_scheduler_that_takes_more_before_the_sample_is_watched_by_name():
    family = matrix.FAMILIES["CogView3PlusPipeline"]
    model = matrix.described("CogView3PlusPipeline", matrix.seeded(family), family)
    seen = trace(model, matrix.PROMPTS, steps=3)
    first = [torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(each.seed))
             for each in matrix.PROMPTS]  # fmt: skip
    assert torch.equal(seen.latents[0], torch.stack(first))
    assert seen.timesteps.tolist() == sorted(seen.timesteps.tolist(), reverse=True)


def test_merged_tokens_of_a_transformer_are_named_as_the_cause():
    family = matrix.FAMILIES["PixArtSigmaPipeline"]
    pipe = matrix.seeded(family)
    CHANGES["merged"]["merged"](pipe)
    with pytest.raises(LayerError, match=r"has 8 tokens, and 4×4 = 16 were expected\. Merged"):
        find_layers(matrix.described("merged", pipe, family))


def test_each_cause_is_a_word_of_a_table():
    assert all(re.fullmatch(r"[^|;:]+", cause) for cause in matrix.CAUSES.values())
