import json
import math

import pytest
import torch

from underpaint.core.errors import MetricError
from underpaint.core.properties import DEPTH, SALIENCY
from underpaint.scores.scores import ScoreKey, Scores
from underpaint.scores.summaries import summarise
from underpaint.scores.tabulating import tabulate

STEPS, IMAGES = 15, 80
STARTS = {"probe": 2, "image": 9, "estimate": 5}


def planted(property, generator, *, split):
    """Plant curves that rise at their source's start; rivals end above the probe."""
    blocks = {}
    for metric in property.metrics:
        base = 0.0 if metric == "residual" else 0.3

        def curve(start, top, base=base):
            at = torch.arange(STEPS)[:, None]
            noise = 0.01 * torch.randn(STEPS, IMAGES, generator=generator)
            return (torch.where(at >= start, top, base) + noise).double()

        def put(source, layer, block, metric=metric):
            blocks[ScoreKey(source, property.name, layer, metric)] = block

        # On test images the other layer happens to look better: it must not be chosen.
        tops = (0.6, 0.8) if split == "validation" else (0.8, 0.55)
        for layer, top in zip(("down.0.0", "up.3.0"), tops, strict=True):
            put("probe", layer, curve(2, top))
            put("random", layer, curve(0, base if layer == "up.3.0" else base + 0.01))
            put("ceiling", layer, curve(0, 0.9 if layer == "up.3.0" else 0.99))
        put("image", "", curve(9, 0.95))
        put("estimate", "", curve(5, 0.95))
        put("shuffled", "", curve(0, base - 0.1))
        put("probe+position", "", curve(2, 0.7))
        flat = torch.full((STEPS, IMAGES), base).double()
        put("position", "", torch.full_like(flat, torch.nan) if metric == "residual" else flat)
    return blocks


@pytest.fixture(scope="module")
def scores():
    generator = torch.Generator().manual_seed(0)
    parts = []
    for start, split in [(0, "validation"), (1000, "test")]:
        blocks = {}
        for property in (SALIENCY, DEPTH):
            blocks |= planted(property, generator, split=split)
        numbers = list(range(start, start + IMAGES))
        prompts = [f"prompt {number // 2}" for number in numbers]
        parts.append(tabulate(blocks, images=numbers, prompts=prompts, splits=[split] * IMAGES))
    return parts[0] + parts[1]


@pytest.fixture(scope="module")
def summary(scores):
    return summarise(scores, [SALIENCY, DEPTH], resamples=300)


def test_the_summary_has_the_promised_keys_and_is_json(summary):
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert list(summary) == ["saliency", "depth"]
    depth = summary["depth"]
    assert set(depth) == {
        "metric", "best_layer", "sources", "bar", "gain", "halves", "lead", "crossover", "layers"
    }  # fmt: skip
    assert depth["metric"] == "residual"  # what is left without the place, which the bar is in
    assert summary["saliency"]["metric"] == "dice"
    probe = depth["sources"]["probe"]
    assert set(probe) == {"layer", "by_step", "final", "onset", "reached", "metrics"}
    assert set(probe["metrics"]) == {"spearman", "pearson", "residual", "rmse"}
    assert len(probe["by_step"]) == STEPS
    assert probe["final"] == probe["by_step"][-1] == probe["metrics"]["residual"]["final"]
    assert set(probe["final"]) == {"mean", "low", "high", "undefined"}
    assert set(depth["layers"]) == {"down.0.0", "up.3.0"}
    assert len(depth["layers"]["down.0.0"]["by_step"]) == STEPS


@pytest.mark.parametrize("name", ["saliency", "depth"])
def test_planted_onsets_lead_and_crossovers_come_back_counted_from_1(summary, name):
    found = summary[name]
    for source, start in STARTS.items():
        step = start + 1
        assert found["sources"][source]["onset"] == {"step": step, "low": step, "high": step}
    for rival, steps in {"image": 7, "estimate": 3}.items():
        lead = found["lead"][rival]
        assert {part: lead[part] for part in ("steps", "low", "high")} == {
            "steps": steps, "low": steps, "high": steps
        }  # fmt: skip
        step = STARTS[rival] + 1
        assert found["crossover"][rival] == {"step": step, "low": step, "high": step}


def test_the_bar_is_nine_tenths_of_the_way_from_position_to_the_probes_end(summary):
    assert summary["saliency"]["bar"] == pytest.approx(0.3 + 0.9 * 0.25, abs=0.01)
    assert summary["depth"]["bar"] == pytest.approx(0.9 * 0.55, abs=0.01)  # of residual


def test_leads_are_in_noise_too_where_noise_is_known(scores, summary):
    assert summary["depth"]["lead"]["image"]["log_noise"] is None
    noise = [None, *(2.0 ** (4 - step) for step in range(STEPS - 1))]
    found = summarise(scores, [DEPTH], resamples=300, noise=noise)["depth"]
    lead = found["lead"]["image"]["log_noise"]
    # A jump of 0 to 0.55 or 0.95 within one step: the bar is met at 0.9 and 0.52 of it.
    assert lead["value"] == pytest.approx(math.log(2) * (7 + 0.52 - 0.9), abs=0.03)
    assert lead["low"] <= lead["value"] <= lead["high"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_crossovers_are_with_the_better_probe(scores):
    rows = scores.rows
    without = summarise(type(scores)(rows[rows["source"] != "probe+position"]), [SALIENCY])
    ahead = rows["source"].eq("probe+position") & rows["metric"].eq("dice") & (rows["step"] < 12)
    raised = rows.assign(value=rows["value"].where(~ahead, rows["value"] + 0.5))
    better = summarise(type(scores)(raised), [SALIENCY], resamples=50)
    assert without["saliency"]["crossover"]["image"]["step"] == 10
    assert better["saliency"]["crossover"]["image"]["step"] == 13


def test_a_layer_is_chosen_by_the_measure_that_its_onset_is_read_from(scores):
    rows = scores.rows
    is_other = rows["layer"].eq("down.0.0") & rows["split"].eq("validation")
    lifted = is_other & rows["source"].eq("probe") & rows["metric"].eq("residual")
    raised = rows.assign(value=rows["value"].where(~lifted, rows["value"] + 0.5))
    assert summarise(scores, [DEPTH], resamples=50)["depth"]["best_layer"] == "up.3.0"
    chosen = summarise(type(scores)(raised), [DEPTH], resamples=50)
    assert chosen["depth"]["best_layer"] == "down.0.0"  # though its Spearman is lower


def test_without_an_effect_there_is_no_bar_and_no_lead(scores):
    rows = scores.rows
    shuffled = rows["source"].eq("shuffled")
    found = summarise(type(scores)(rows.assign(value=rows["value"] + 0.7 * shuffled)), [DEPTH])
    assert found["depth"]["bar"] is None
    assert found["depth"]["sources"]["probe"]["onset"] is None
    assert found["depth"]["lead"] == {"image": None, "estimate": None}


@pytest.mark.parametrize("name", ["saliency", "depth"])
@pytest.mark.parametrize("source", ["position", "shuffled"])
def test_sources_that_never_beat_position_have_no_onset(summary, name, source):
    assert summary[name]["sources"][source]["onset"] is None


def test_layers_are_chosen_on_validation_not_on_test(summary):
    assert summary["depth"]["best_layer"] == "up.3.0"
    by_layer = summary["depth"]["layers"]
    final = {layer: each["by_step"][-1]["mean"] for layer, each in by_layer.items()}
    assert final["down.0.0"] > final["up.3.0"]  # on test it would have been the other


def test_rivals_are_read_at_their_own_best_layer_and_the_ceiling_at_the_probes(summary):
    sources = summary["depth"]["sources"]
    assert sources["random"]["layer"] == "down.0.0"
    assert sources["ceiling"]["layer"] == "up.3.0"
    assert sources["image"]["layer"] is None


def test_what_is_undefined_is_none_and_counted(scores):
    rows = scores.rows.copy()
    is_image = (rows["source"] == "image") & (rows["metric"] == "pearson")
    rows.loc[is_image, "value"] = math.nan
    known = summarise(Scores(rows), [DEPTH], resamples=20)["depth"]["sources"]["image"]["metrics"]
    final = known["pearson"]["final"]
    assert final == {"mean": None, "low": None, "high": None, "undefined": IMAGES}
    assert known["spearman"]["final"]["undefined"] == 0


def test_the_place_alone_scores_nothing_where_the_place_is_taken_out(summary):
    place = summary["depth"]["sources"]["position"]
    assert place["final"] == {"mean": 0.0, "low": 0.0, "high": 0.0, "undefined": 0}
    assert place["metrics"]["spearman"]["final"]["mean"] > 0
    gain, beside = summary["depth"]["gain"], summary["depth"]["sources"].get("probe+position")
    assert (gain is None) == (beside is None)
    assert beside is None or gain["final"]["mean"] == beside["final"]["mean"]


def test_a_summary_without_position_or_of_other_images_is_refused(scores):
    rows = scores.rows
    with pytest.raises(MetricError, match="No test scores of depth by position"):
        summarise(type(scores)(rows[rows["source"] != "position"]), [DEPTH])
    fewer = rows[(rows["source"] != "image") | (rows["image"] != 1003)]
    with pytest.raises(MetricError, match="by image covers"):
        summarise(type(scores)(fewer), [DEPTH])


def test_the_gain_is_what_the_activation_adds_to_the_place(summary):
    gain = summary["saliency"]["gain"]
    assert gain["final"]["mean"] == pytest.approx(0.4, abs=0.01)  # 0.7 less 0.3, paired
    assert gain["final"]["low"] < 0.4 < gain["final"]["high"]
    assert gain["by_step"][0]["mean"] == pytest.approx(0, abs=0.01)
