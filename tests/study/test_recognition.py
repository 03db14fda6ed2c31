"""Recognition on a random model, with class networks that are told what to see."""

import numpy as np
import pandas as pd
import pytest
import torch

from underpaint.core.errors import LabelError, PromptError
from underpaint.core.prompts import Prompt, split_prompts
from underpaint.labelers import Namer, name
from underpaint.labelers.labeler import class_of
from underpaint.models.layers import find_layers
from underpaint.models.traces import trace
from underpaint.scores.scores import ScoreKey, tabulate
from underpaint.study import recognition
from underpaint.study.recognition import (
    Inquiry,
    classify_all,
    likeliest,
    probabilities,
    summarise_classes,
)

CLASSES = ("ball", "cone", "snow man")


def by_brightness(images):
    """Name bright pictures a cone, dark ones a ball: the class is in the picture alone."""
    bright = (images.mean(dim=(1, 2, 3)) - 0.5) * 100
    return torch.stack([-bright, bright, torch.full_like(bright, -1e4)], dim=1)


@pytest.fixture
def inquiry(model):
    namer = Namer("brightness", CLASSES, "MIT", by_brightness)
    return Inquiry(model, namer, find_layers(model), 3, 3.0, 8)


@pytest.fixture
def split():
    return split_prompts(
        [Prompt(f"a {CLASSES[i % 2]} of kind {i}", i, i) for i in range(60)], seed=1
    )


def test_a_prompt_names_a_class_only_if_it_names_one(inquiry):
    texts = ["A Ball on sand", "a  snow man", "balls", "a ball and a cone", "a lamp"]
    assert [class_of(inquiry.namer, text) for text in texts] == [0, 2, None, None, None]


@pytest.fixture
def done(inquiry, split):
    return classify_all(inquiry, split, lambda *_: None, with_blank=True)


def test_every_source_is_scored_on_every_held_out_picture(done, split):
    scores, left_out = done
    assert left_out == 0
    rows = scores.rows
    counts = rows[rows["metric"] == "top1"].groupby("source", observed=True)["image"].nunique()
    assert dict(counts) == dict.fromkeys(
        ("image", "estimate", "conditional", "unconditional", "blank"),
        len(split.validation) + len(split.test),
    )
    assert not set(rows["prompt"]) & {prompt.text for prompt in split.train}


def test_a_class_planted_in_one_half_is_read_there_and_nowhere_else(inquiry, split, monkeypatch):
    look = recognition._look

    def planted(*args, **kwargs):
        found = look(*args, **kwargs)
        for (source, _), pooled in found.pooled.items():
            if source == "conditional":
                pooled[1:, :, 0] += 100 * found.truth
        return found

    monkeypatch.setattr(recognition, "_look", planted)
    scores, _ = classify_all(inquiry, split, lambda *_: None, with_blank=False)
    found = summarise_classes(scores)
    assert [each["mean"] == 1 for each in found["conditional"]["by_step"]] == [False, True, True]
    assert found["conditional"]["onset"]["step"] == 2
    assert found["conditional"]["layer"]
    blind = found["unconditional"]["by_step"][0]  # at step 1 it has seen nothing but noise
    assert blind["low"] < 0.6
    assert found["unconditional"]["stays"]["undefined"] > 0


def test_scores_do_not_depend_on_the_batch(inquiry, split, done):
    other = Inquiry(**{**vars(inquiry), "batch": 5})
    scores, _ = classify_all(other, split, lambda *_: None, with_blank=True)
    keys = ["source", "layer", "step", "metric", "image"]
    tables = [pd.DataFrame(s.rows).astype(dict.fromkeys(keys, str)) for s in (done[0], scores)]
    joined = tables[0].merge(tables[1], on=keys, suffixes=("", "_other"))
    assert len(joined) == len(tables[0])
    assert ((joined["value"] - joined["value_other"]).abs() > 1e-3).mean() < 0.01


def test_prompts_without_a_class_are_counted_and_too_few_are_refused(inquiry, split):
    lamps = split_prompts([Prompt(f"a lamp {i}", i, i) for i in range(20)])
    with pytest.raises(PromptError, match="0 test prompts name one class of brightness"):
        classify_all(inquiry, lamps, lambda *_: None, with_blank=False)
    mixed = type(split)(
        split.train, split.validation, (*split.test, Prompt("a lamp of kind 99", 1, 99))
    )
    scores, left_out = classify_all(inquiry, mixed, lambda *_: None, with_blank=False)
    assert left_out == 1
    assert "blank" not in set(scores.rows["source"])


def test_probabilities_are_those_of_the_decoded_pictures(inquiry):
    traced = trace(inquiry.model, [Prompt("a ball", 1)], steps=3)
    seen = probabilities(inquiry, traced.estimates)
    assert seen.shape == (3, 1, 3)
    torch.testing.assert_close(seen.sum(dim=-1), torch.ones(3, 1))


def test_the_step_from_which_a_class_stays_top_one_is_found():
    top1 = torch.tensor([[1, 0, 1, 1], [0, 0, 1, 0], [1, 1, 1, 1], [0, 1, 1, 1]]).double().mT
    block = {
        ScoreKey("image", "class", "", "top1"): top1,
        ScoreKey("image", "class", "", "chance"): torch.zeros_like(top1),
    }
    words = [f"prompt {i}" for i in range(4)]
    parts = [
        tabulate(block, images=range(at, at + 4), prompts=words, splits=[split] * 4)
        for at, split in ((0, "validation"), (4, "test"))
    ]
    stays = summarise_classes(parts[0] + parts[1])["image"]["stays"]
    assert (stays["median"], stays["mean"], stays["undefined"]) == (2, 2, 1)


def test_blank_pictures_depend_on_the_seed_alone(model):
    made = [
        trace(model, [Prompt(text, seed)], steps=2, blank=True).images
        for text, seed in (("a ball", 1), ("a cone", 1), ("a ball", 2))
    ]
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_a_class_network_that_answers_wrongly_is_refused():
    odd = Namer("odd", CLASSES, "MIT", lambda images: torch.zeros(len(images), 2))
    with pytest.raises(LabelError, match="Class network odd gave logits"):
        name(odd, torch.ones(2, 3, 8, 8))


def test_the_likeliest_classes_of_every_test_picture_are_handed_over(inquiry, split):
    tables = []
    scores, _ = classify_all(
        inquiry,
        split,
        lambda *_: None,
        with_blank=True,
        keep=lambda *seen: tables.append(likeliest(CLASSES, *seen, count=2)),
    )
    kept = pd.concat(tables)
    assert sorted(kept["prompt_index"].unique()) == sorted(each.index for each in split.test)
    assert kept.groupby(["source", "image", "step"]).size().unique() == [2]
    np.testing.assert_allclose(kept.groupby(["source", "image", "step"])["probability"].sum(), 1)
    # What was handed over is what was scored: the true class is first wherever top-1 says so.
    text_of = {each.index: each.text for each in split.test}
    first = kept.sort_values("probability").groupby(["source", "image", "step"]).last()
    rows = scores.rows
    own = rows[(rows["metric"] == "top1") & (rows["split"] == "test")]
    top1 = own.set_index(["source", "image", "step"])["value"]
    for key, each in first.iterrows():
        assert bool(top1[key]) == (each["class"] in text_of[each["prompt_index"]])
