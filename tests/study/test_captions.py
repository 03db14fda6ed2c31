"""What captions alone say of a place, planted; and that an embedding is what the pipeline makes."""

from dataclasses import replace

import pytest
import torch

from underpaint.core.prompts import Prompt
from underpaint.core.properties import SALIENCY
from underpaint.models.texts import embed
from underpaint.models.traces import Trace
from underpaint.runs import runs
from underpaint.scores.scores import Scores, curves
from underpaint.study.captions import fit_captions, placed
from underpaint.study.folding import Batch, fold
from underpaint.study.stages import carry_out
from worlds import model
from worlds import study as whole_study


def world(seed, *, says, images=160):
    """Put an object left or right, as two of six channels of a caption say, or as a coin does."""
    draw = torch.Generator().manual_seed(seed)
    states = torch.randn(images, 6, generator=draw)
    side = states[:, 1] > states[:, 2] if says else torch.rand(images, generator=draw) > 0.5
    maps = torch.zeros(images, 1, 16, 16)
    maps[side, :, 4:12, 2:7] = 1
    maps[~side, :, 4:12, 9:14] = 1
    return states, maps


def explained(says):
    """Give the share of what the waves of the place leave that captions explain."""
    parts = [world(seed, says=says) for seed in range(3)]
    left = []
    for own in ([states for states, _ in parts], [torch.zeros(160, 1)] * 3):
        sums = [fold(batch(states, maps))[0] for states, (_, maps) in zip(own, parts, strict=True)]
        probe = fit_captions(sums[0], sums[1], [SALIENCY])["saliency", "text", 0]
        left.append(float((parts[2][1] - probe(placed(own[2]))).square().sum()))
    return 1 - left[0] / left[1]


def batch(states, maps):
    prompts = tuple(Prompt(f"thing {at}", at) for at in range(len(maps)))
    latents = maps[None]
    trace = Trace(prompts, torch.zeros(1), maps.expand(-1, 3, -1, -1), latents, latents, maps, {})
    return Batch(trace, {"saliency": maps}, {"text": placed(states)[None]})


def test_where_captions_place_things_they_are_read_and_elsewhere_only_the_place_is():
    assert explained(says=True) > 0.25
    assert abs(explained(says=False)) < 0.02


def test_wide_embeddings_are_seen_through_fewer_directions():
    assert placed(torch.randn(2, 300)).shape == (2, 24 * 16, 16, 16)


def test_an_embedding_is_the_mean_of_what_the_pipeline_encodes():
    made = model()
    texts = ["thing 1", "thing 2"]
    found = embed(made, texts)
    assert found is not None
    states = made.pipeline.encode_prompt(texts, made.device, 1, False)[0]
    torch.testing.assert_close(found, states.mean(dim=1))
    assert not torch.equal(found[0], found[1])


@pytest.mark.parametrize("sees_text", [True, False])
def test_a_study_scores_captions_the_same_at_every_step(sees_text, tmp_path):
    plan = replace(
        whole_study(8), controls={}, sees_decoder=False, sees_halves=False, goes_beyond=False,
        looks_ahead=False, trains=False, sees_text=sees_text,
    )  # fmt: skip
    run = runs.open_run(tmp_path / "run", {})
    carry_out(plan, run, lambda *_: None)
    found = {
        key: each.values
        for key, each in curves(Scores(runs.read_table(run.scores)), "test").items()
        if key.source == "text"
    }
    assert {key.property for key in found} == ({"saliency", "depth"} if sees_text else set())
    for values in found.values():
        assert values.shape == (10, 2)
        assert (values[:, 0] == values[:, 1]).all()
