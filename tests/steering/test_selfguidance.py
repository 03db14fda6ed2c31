"""Self-Guidance on a random model: what it looks at, which way it pushes, and whom it refuses."""

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor

import worlds
from underpaint.core.errors import LayerError
from underpaint.core.prompts import Prompt
from underpaint.models.attending import check_attends, guided, own_tokens
from underpaint.models.model import Model
from underpaint.models.traces import trace
from underpaint.steering import selfguidance
from underpaint.steering.selfguidance import self_guidance

PROMPTS = [Prompt("a red cone", 11, 0), Prompt("fog", 13, 1)]
TEXTS = [prompt.text for prompt in PROMPTS]


def drawn(model):
    return trace(model, PROMPTS, steps=3, guidance=3.0)


def masks():
    old, then = torch.zeros(2, 2, 1, 16, 16)
    old[..., 2:8, 2:8] = 1
    then[..., 8:14, 6:12] = 1
    return old, then


def test_a_guide_that_says_nothing_changes_nothing(model):
    with guided(model, lambda *_: None, images=2):
        watched = drawn(model)
    assert torch.equal(watched.latents, drawn(model).latents)


def test_attention_is_that_of_the_pipeline_s_own_call(monkeypatch):
    """Against a processor of diffusers that makes the shares itself, called by the pipeline."""
    own, kept, seen = worlds.model(), [], {}
    own.pipeline.unet.set_attn_processor(AttnProcessor())

    def look(step, x, attend):
        seen[step] = attend(x)

    with guided(own, look, images=2):
        drawn(own)
    scores = Attention.get_attention_scores

    def keep(self, *given):
        found = scores(self, *given)
        if self.is_cross_attention:
            kept.append(found.unflatten(0, (4, -1))[2:].mean(dim=1))  # conditional, mean of heads
        return found

    monkeypatch.setattr(Attention, "get_attention_scores", keep)
    drawn(own)
    found = [maps.flatten(2).mT for step in range(3) for maps in seen[step].maps]
    assert len(found) == len(kept)
    for maps, whole in zip(found, kept, strict=True):
        torch.testing.assert_close(maps, whole, atol=1e-5, rtol=1e-4)


def test_a_step_along_the_guide_s_push_lowers_the_energy(model):
    plain = drawn(model)
    energies = []
    own = torch.zeros(2, 32, dtype=torch.bool)
    for row, text in zip(own, TEXTS, strict=True):
        row[own_tokens(model, text)] = True
    push = self_guidance(model, TEXTS, plain.latents, masks(), schedule={1: 1.0})

    def guide(step, x, attend):
        change = push(step, x, attend)
        if step != 1:
            assert change is None
            return None
        assert change is not None
        was = attend(plain.latents[step])
        # The model predicts noise: the clean latents go against its change.
        for moved in (x, x - 1e-2 * change / change.abs().max()):
            found = selfguidance._energy(attend(moved), was, own, masks())
            energies.append(found.detach())
        return None

    with guided(model, guide, images=2):
        drawn(model)
    assert (energies[1] < energies[0]).all()


def test_the_objects_part_of_a_map_goes_along():
    old, then = masks()
    maps = torch.zeros(2, 8, 8)
    maps[:, 1:4, 1:4] = 1  # the old mask, in cells
    found = selfguidance._moved(maps, (old, then))
    centre = selfguidance._centre(found)
    assert centre[0].tolist() == pytest.approx([11 / 16, 9 / 16], abs=0.03)


def test_a_model_without_cross_attention_is_refused():
    flow = Model.of(worlds.flow_pipeline(), name="flow", resolution=(16, 16))
    with pytest.raises(LayerError, match="has no cross-attention from places to words"):
        check_attends(flow, 3.0)
    mute = Model.of(worlds.unprompted_pipeline(), name="mute")
    with pytest.raises(LayerError, match="has no cross-attention from places to words"):
        check_attends(mute, 1.0)
