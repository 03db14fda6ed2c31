"""What a model reads of a prompt: held against the pictures that it draws."""

import pytest
import torch

import worlds
from underpaint.core.prompts import Prompt
from underpaint.models import Model
from underpaint.models.reading import reads
from underpaint.models.traces import trace

LONG = "a" * 40
FAMILIES = {
    "SD": worlds.pipeline,
    "SD3": worlds.flow_pipeline,
    "Flux": worlds.packed_pipeline,
}


@pytest.fixture(params=FAMILIES)
def pipeline(request):
    return FAMILIES[request.param]()


def drawn(pipeline, text: str) -> torch.Tensor:
    return trace(pipeline, [Prompt(text, 1)], steps=2).final


PAIRS = [("fog", "rain"), ("fog", " fog "), (f"{LONG} x", f"{LONG} y"), (f"x {LONG}", f"y {LONG}")]


@pytest.mark.parametrize("pair", PAIRS)
def test_texts_are_read_as_one_just_where_they_draw_one_picture(pipeline, pair):
    one, other = (reads(pipeline)(Prompt(text, 1)) for text in pair)
    assert (one == other) == drawn(pipeline, pair[0]).equal(drawn(pipeline, pair[1]))


def test_a_text_is_cut_only_if_no_tokenizer_reads_it_to_the_end():
    assert reads(worlds.pipeline()).is_cut(LONG)
    assert not reads(worlds.pipeline()).is_cut("fog")
    flux = reads(worlds.packed_pipeline())  # its second tokenizer reads 512 letters
    assert not flux.is_cut(LONG)
    assert flux.is_cut("a" * 600)
    assert flux(Prompt(f"{LONG} x", 1)) != flux(Prompt(f"{LONG} y", 1))


def test_watching_leaves_the_pipeline_as_it_was(pipeline):
    own = {name: type(each) for name, each in pipeline.components.items()}
    before = drawn(pipeline, "fog")
    scheduler = pipeline.scheduler
    reads(pipeline)
    assert {name: type(each) for name, each in pipeline.components.items()} == own
    assert pipeline.scheduler is scheduler
    assert drawn(pipeline, "fog").equal(before)


def test_a_model_that_takes_no_prompt_reads_seeds_alone():
    reading = reads(Model.of(worlds.unprompted_pipeline(), name="ldm"))
    assert reading(Prompt("fog", 1)) == reading(Prompt("rain", 1)) != reading(Prompt("fog", 2))
    assert not reading.is_cut(LONG * 100)


def test_where_tokenizers_cannot_be_watched_it_is_said():
    pipeline = worlds.pipeline()
    pipeline.encode_prompt = lambda *_, **__: (torch.zeros(1, 32, 16), torch.zeros(1, 32, 16))
    reading = reads(pipeline)
    assert not reading.is_known
    assert reading(Prompt("fog", 1)) != reading(Prompt("rain", 1))
