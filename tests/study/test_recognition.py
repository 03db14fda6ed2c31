"""Recognition on a random model, with class networks that are told what to see."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binomtest

from underpaint.core.errors import LabelError, PromptError
from underpaint.core.files import remove_sealed
from underpaint.core.prompts import Prompt, split_prompts
from underpaint.labelers import Namer, name
from underpaint.labelers.labeler import class_of
from underpaint.models import decode, draw
from underpaint.models.traces import trace
from underpaint.runs import runs
from underpaint.scores.classes import summarise_classes
from underpaint.scores.scores import ScoreKey
from underpaint.scores.tabulating import tabulate
from underpaint.site.views import write_recognition
from underpaint.study import batches, held_out, looks, recognition
from underpaint.study.pooling import pool, pooled_path, read_means, read_seen
from underpaint.study.recognition import classify_all, probabilities
from underpaint.study.stages import carry_out
from worlds import study as plan

CLASSES = ("ball", "cone", "snow man")


def by_brightness(images):
    """Name bright pictures a cone, dark ones a ball: the class is in the picture alone."""
    bright = (images.mean(dim=(1, 2, 3)) - 0.5) * 100
    return torch.stack([-bright, bright, torch.full_like(bright, -1e4)], dim=1)


@pytest.fixture
def split():
    return split_prompts(
        [Prompt(f"a {CLASSES[i % 2]} of kind {i}", i, i) for i in range(60)], seed=1
    )


@pytest.fixture
def asked(split):
    namer = Namer("brightness", CLASSES, "MIT", by_brightness)
    small = {"controls": {}, "sees_decoder": False, "goes_beyond": False, "trains": False}
    return replace(plan(16), split=split, namer=namer, steps=3, **small)


@pytest.fixture
def run(tmp_path):
    return runs.open_run(tmp_path / "run", {})


def ask(asked, run, **how):
    return classify_all(asked, run, lambda *_: None, **{"with_blank": False, **how})


def test_a_prompt_names_a_class_only_if_it_names_one(asked):
    texts = ["A Ball on sand", "a  snow man", "balls", "a ball and a cone", "a lamp"]
    assert [class_of(asked.namer, text) for text in texts] == [0, 2, None, None, None]


def test_every_source_is_scored_on_held_out_pictures(asked, run, split):
    found = ask(asked, run, with_blank=True)
    assert found.left_out == 0
    rows = found.scores.rows
    counts = rows[rows["metric"] == "top1"].groupby("source", observed=True)["image"].nunique()
    probed = len(split.validation) + len(split.test)
    assert dict(counts) == {
        **dict.fromkeys(("conditional", "unconditional", "blank"), probed),
        **dict.fromkeys(("image", "estimate"), len(split.test)),  # nothing is chosen for those
    }
    assert not set(rows["prompt"]) & {prompt.text for prompt in split.train}


def test_a_run_asks_for_classes_in_its_own_two_passes(asked, run, tmp_path, monkeypatch):
    drawn, decoded = [], []
    for where in (batches, recognition):
        monkeypatch.setattr(
            where,
            "trace",
            lambda model, some, **how: drawn.append(len(some)) or trace(model, some, **how),
        )
    for where, called, work in ((looks, "draw", draw), (recognition, "decode", decode)):
        monkeypatch.setattr(
            where,
            called,
            lambda model, each, work=work: decoded.append(len(each)) or work(model, each),
        )
    carry_out(replace(asked, namer=None), runs.open_run(tmp_path / "bare", {}), lambda *_: None)
    without = sum(drawn), sum(decoded)
    drawn.clear(), decoded.clear()
    summary = carry_out(asked, run, lambda *_: None)
    assert (sum(drawn), sum(decoded)) == without == (60, without[1])
    assert set(summary["classify"]["sources"]) == {
        "image", "estimate", "conditional", "unconditional"
    }  # fmt: skip
    drawn.clear(), decoded.clear()
    again = ask(asked, run)
    assert (drawn, decoded) == ([], [])
    assert summary["classify"]["sources"] == summarise_classes(again.scores)
    pd.testing.assert_frame_equal(runs.read_table(run.classes), again.scores.rows)
    # Another class network looks at what was kept: pictures are decoded, and none is drawn.
    other = Namer("darkness", CLASSES, "MIT", lambda images: -by_brightness(images))
    ask(replace(asked, namer=other), run)
    assert drawn == []
    assert sum(decoded) == 2 * asked.steps * len(asked.split.test)


def test_class_networks_look_where_rivals_are_looked_at(asked, run, tmp_path):
    few = replace(asked, rivals_at=(0, 2))
    summary = carry_out(few, run, lambda *_: None)["classify"]["sources"]
    whole = carry_out(asked, runs.open_run(tmp_path / "whole", {}), lambda *_: None)
    for source, each in whole["classify"]["sources"].items():
        means = [step["mean"] for step in each["by_step"]]
        if source in ("image", "estimate"):
            means[1] = None
            assert each["chance"] == summary[source]["chance"]
        assert [step["mean"] for step in summary[source]["by_step"]] == means
    kept = runs.read_table(run.probabilities)
    assert set(kept["step"]) == {0, 2}
    assert write_recognition(runs.find_run(_with_settings(run)), tmp_path / "recognition.json")
    pictures = json.loads((tmp_path / "recognition.json").read_text())["pictures"]
    hits = next(iter(pictures.values()))["hits"]
    assert [each is None for each in hits["image"]] == [False, True, False]
    assert None not in hits["conditional"]
    other = Namer("darkness", CLASSES, "MIT", lambda images: -by_brightness(images))
    rows = ask(replace(few, namer=other), run).scores.rows
    assert set(rows.loc[rows["source"] == "image", "step"]) == {0, 2}


def _with_settings(run):
    """Write what a run was asked for, as the site reads it."""
    settings = {
        "model": "random", "fingerprint": "", "scheduler": "DDIM", "steps": 3, "guidance": 3.0,
        "layers": ["mid.0"], "properties": ["saliency"],
    }  # fmt: skip
    runs.write_json(run.settings, settings)
    return run.folder


def test_what_a_run_kept_is_what_is_drawn_anew_where_it_is_missing(asked, run, tmp_path):
    carry_out(asked, run, lambda *_: None)
    kept = ask(asked, run)
    for part, first in (("training", 16), ("test", 0), ("tuning", 0)):
        remove_sealed(pooled_path(run, part, first))
    pd.testing.assert_frame_equal(ask(asked, run).scores.rows, kept.scores.rows)
    anew = ask(asked, runs.open_run(tmp_path / "anew", {}))
    pd.testing.assert_frame_equal(anew.scores.rows, kept.scores.rows)
    pd.testing.assert_frame_equal(anew.probabilities, kept.probabilities)


def test_pooled_activations_are_means_over_places_of_each_half(asked, run):
    carry_out(asked, run, lambda *_: None)
    some = asked.split.test[:3]
    traced = trace(
        asked.model,
        some,
        steps=asked.steps,
        guidance=asked.guidance,
        layers=asked.layers,
        halves=True,
    )
    layer = asked.layers[-1]
    for half, shown in (
        ("conditional", traced.activations), ("unconditional", traced.unconditional)
    ):  # fmt: skip
        means = torch.stack([each.double().flatten(2).mean(2) for each in shown[layer]])
        torch.testing.assert_close(pool(traced)[half, layer.name].double(), means)
        kept = read_means(pooled_path(run, "test", 0), half, layer.name)
        torch.testing.assert_close(kept[:, :3].double(), means, atol=1e-5, rtol=1e-4)
    seen = read_seen(pooled_path(run, "test", 0), asked.namer)["estimate"]
    expected = probabilities(asked.model, asked.namer, traced.estimates)
    torch.testing.assert_close(seen[:, :3], expected, atol=1e-3, rtol=1e-3)


def test_a_class_planted_in_one_half_is_read_there_and_nowhere_else(asked, run, monkeypatch):
    def planted(traced):
        means = pool(traced)
        truth = torch.tensor([class_of(asked.namer, each.text) for each in traced.prompts])
        for (half, _), each in means.items():
            if half == "conditional":
                each[1:, :, 0] += 100 * truth
        return means

    monkeypatch.setattr(recognition, "pool", planted)
    found = summarise_classes(ask(asked, run).scores)
    assert [each["mean"] == 1 for each in found["conditional"]["by_step"]] == [False, True, True]
    assert found["conditional"]["onset"]["step"] == 2
    assert found["conditional"]["layer"]
    blind = found["unconditional"]["by_step"][0]  # at step 1 it has seen nothing but noise
    assert blind["low"] < 0.6
    assert found["unconditional"]["stays"]["undefined"] > 0


def test_a_run_that_stops_goes_on_with_what_it_kept(asked, run, tmp_path, monkeypatch):
    whole = carry_out(asked, runs.open_run(tmp_path / "whole", {}), lambda *_: None)
    write = held_out._keep_scored

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(held_out, "_keep_scored", stop)
    with pytest.raises(KeyboardInterrupt):
        carry_out(asked, run, lambda *_: None)
    monkeypatch.setattr(held_out, "_keep_scored", write)
    assert carry_out(asked, run, lambda *_: None)["classify"] == whole["classify"]


def test_prompts_without_a_class_are_counted_and_too_few_are_refused(
    asked, run, split, monkeypatch
):
    lamps = split_prompts([Prompt(f"a lamp {i}", i, i) for i in range(20)])
    with pytest.raises(PromptError, match="0 test prompts name one class of brightness"):
        ask(replace(asked, split=lamps), run)
    monkeypatch.setattr(batches, "trace", None)  # a run says so before it draws anything
    with pytest.raises(PromptError, match="0 test prompts name one class of brightness"):
        carry_out(replace(asked, split=lamps), run, lambda *_: None)
    monkeypatch.undo()
    mixed = type(split)(
        split.train, split.validation, (*split.test, Prompt("a lamp of kind 99", 1, 99))
    )
    found = ask(replace(asked, split=mixed), run)
    assert found.left_out == 1
    assert "blank" not in set(found.scores.rows["source"])


def test_probabilities_are_those_of_the_decoded_pictures(asked):
    traced = trace(asked.model, [Prompt("a ball", 1)], steps=3)
    seen = probabilities(asked.model, asked.namer, traced.estimates)
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
    found = summarise_classes(parts[0] + parts[1])["image"]
    stays = found["stays"]
    assert (stays["median"], stays["mean"], stays["undefined"]) == (2, 2, 1)
    # Right in all four pictures, and by chance in none: neither is certain.
    least = pytest.approx(binomtest(4, 4).proportion_ci(0.95, "exact").low)
    for each in (found["by_step"][2], found["metrics"]["top1"]["by_step"][2]):
        assert (each["mean"], each["low"], each["high"]) == (1, least, 1)
    assert (found["chance"]["low"], 1 - found["chance"]["high"]) == (0, least)


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


def test_the_likeliest_classes_of_every_test_picture_are_handed_over(asked, run, split):
    found = ask(asked, run, with_blank=True)
    kept = found.probabilities
    assert sorted(kept["prompt_index"].unique()) == sorted(each.index for each in split.test)
    assert kept.groupby(["source", "image", "step"]).size().unique() == [3]
    np.testing.assert_allclose(kept.groupby(["source", "image", "step"])["probability"].sum(), 1)
    # What was handed over is what was scored: the true class is first wherever top-1 says so.
    text_of = {each.index: each.text for each in split.test}
    first = kept.sort_values("probability").groupby(["source", "image", "step"]).last()
    rows = found.scores.rows
    own = rows[(rows["metric"] == "top1") & (rows["split"] == "test")]
    top1 = own.set_index(["source", "image", "step"])["value"]
    for key, each in first.iterrows():
        assert bool(top1[key]) == (each["class"] in text_of[each["prompt_index"]])
