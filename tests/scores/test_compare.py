"""Runs whose scores are a known function of the noise, laid side by side."""

from typing import Any

import numpy as np
import pytest
import torch

from underpaint.core.errors import MetricError
from underpaint.core.properties import SALIENCY
from underpaint.scores.compare import PAIRED_FROM, compare
from underpaint.scores.scores import ScoreKey
from underpaint.scores.sides import Side
from underpaint.scores.summaries import summarise
from underpaint.scores.tabulating import tabulate

COARSE = (None, 8.0, 2.0, 0.5, 0.125)
FINE = (16.0, 7.0, 4.0, 3.0, 1.5, 1.0, 0.6, 0.25, 0.1)


def skill(noise: float | None, shift: float) -> float:
    """Fall in a straight line in ln(noise / signal); `shift` moves it towards more noise."""
    return 0.1 if noise is None else 0.6 - 0.1 * (np.log(noise) - shift)


def side(
    name: str,
    noise: tuple[float | None, ...],
    *,
    shift: float = 0.0,
    prompts: range = range(44),
    layers: tuple[str, ...] = ("first", "middle", "last"),
    **settings: Any,
) -> Side:
    """Make a run whose middle layer has that skill, and the others less; prompts differ."""
    count = len(prompts)
    luck = torch.tensor([((7 * p) % 11 - 5) / 100 for p in prompts], dtype=torch.float64)
    curve = torch.tensor([skill(each, shift) for each in noise], dtype=torch.float64)
    blocks = {}
    for source in ("probe", "image"):
        for at, layer in enumerate(layers if source == "probe" else ("",)):
            lost = 0.0 if layer in ("middle", "") else 0.05 + 0.01 * at
            blocks[ScoreKey(source, "saliency", layer, "dice")] = curve[:, None] + luck - lost
    flat = torch.full((len(noise), count), 0.2, dtype=torch.float64)
    blocks[ScoreKey("position", "saliency", "", "dice")] = flat
    texts = [f"prompt {p}" for p in prompts]
    parts = {"validation": range(count), "test": range(count, 2 * count)}
    validation, test = (
        tabulate(blocks, images=images, prompts=texts, splits=[part] * count)
        for part, images in parts.items()
    )
    scores = validation + test
    summary = {
        "noise": list(noise),
        "images": {"test": count},
        "properties": summarise(scores, [SALIENCY], resamples=20),
    }
    known = {
        "model": name,
        "fingerprint": f"sha256:{name}",
        "guidance": 3.0,
        "layers": list(layers),
        "labelers": {"tiny": ["MIT", "sha256:reader"]},
    }
    return Side(name, {**known, **settings}, summary, scores.rows)


def probe_of(sides: list[Side]) -> dict[str, Any]:
    return compare(sides)["properties"]["saliency"]["sources"]["probe"]


def test_one_function_of_noise_is_the_same_under_two_schedules():
    found = compare([side("a", COARSE), side("b", FINE)])["properties"]["saliency"]
    assert found["levels"] == [2.0, 1.0, 0.0, -1.0, -2.0]
    for row in found["sources"]["probe"]["runs"]:
        assert [at["mean"] for at in row["by_level"]] == pytest.approx([0.4, 0.5, 0.6, 0.7, 0.8])
    [difference] = found["sources"]["probe"]["differences"]
    for at in [*difference["by_level"], difference["earlier"]]:
        assert at == pytest.approx({"mean": 0, "low": 0, "high": 0}, abs=1e-9)


def test_a_run_that_sees_through_more_noise_is_earlier_by_just_that_much():
    found = probe_of([side("a", COARSE), side("b", FINE, shift=0.5)])
    first, second = (row["bar"]["mean"] for row in found["runs"])
    assert second - first == pytest.approx(0.5)
    [difference] = found["differences"]
    assert difference["earlier"]["mean"] == pytest.approx(0.5)
    assert [at["mean"] for at in difference["by_level"]] == pytest.approx([0.05] * 5)


def test_shared_prompts_are_paired_and_what_they_share_cancels():
    half = side("b", FINE, prompts=range(11, 55))
    found = probe_of([side("a", COARSE), half])["differences"][0]
    assert (found["is_paired"], found["prompts"]) == (True, 33)
    assert found["by_level"][2]["high"] == pytest.approx(0, abs=1e-9)

    few = side("b", FINE, prompts=range(45 - PAIRED_FROM, 89 - PAIRED_FROM))
    found = probe_of([side("a", COARSE), few])["differences"][0]
    assert (found["is_paired"], found["prompts"]) == (False, 89 - PAIRED_FROM)
    assert found["by_level"][2]["low"] < -0.003
    assert found["by_level"][2]["high"] > 0.003


def test_layers_are_met_by_the_order_in_which_they_run():
    found = compare([side("a", COARSE), side("b", FINE, layers=("middle", "x", "y", "z"))])
    rows = found["properties"]["saliency"]["sources"]["probe"]["runs"]
    assert [(row["layer"], row["depth"]) for row in rows] == [("middle", 0.5), ("middle", 0.0)]
    depths = found["properties"]["saliency"]["depths"]
    assert [row["depth"] for row in depths[1]] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert depths[0][1]["by_level"] == pytest.approx([0.4, 0.5, 0.6, 0.7, 0.8])


def test_a_bar_that_is_never_reached_has_no_noise():
    low = side("b", FINE, shift=-2.0)
    found = probe_of([side("a", COARSE), low])
    assert found["bar"] == pytest.approx(0.9 * skill(FINE[-1], -2.0))
    assert found["runs"][1]["bar"]["mean"] == pytest.approx((0.6 - found["bar"]) / 0.1 - 2.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labelers": {"tiny": ["MIT", "sha256:other"]}}, "saliency is labelled by other weights"),
        ({"pictures": "rendered"}, "are of other pictures (generated and rendered)"),
    ],
)
def test_runs_of_other_labels_or_pictures_are_refused(change, words):
    with pytest.raises(MetricError) as refusal:
        compare([side("a", COARSE), side("b", FINE, **change)])
    assert words in str(refusal.value)


def test_labelers_of_properties_that_are_not_compared_do_not_matter():
    more = {"tiny": ["MIT", "sha256:reader"], "dpt": ["MIT", "sha256:dpt"]}
    other = side("b", FINE, labelers=more, labeled_by={"depth": "dpt"})
    assert compare([side("a", COARSE), other])["properties"].keys() == {"saliency"}


def test_runs_without_a_common_property_or_metric_are_refused():
    a, b = side("a", COARSE), side("b", FINE)
    found = b.summary["properties"]["saliency"]
    other = {**b.summary, "properties": {"depth": found}}
    with pytest.raises(MetricError, match=r"no property in common \(saliency; depth\)"):
        compare([a, Side("b", b.settings, other, b.rows)])
    other = {**b.summary, "properties": {"saliency": {**found, "metric": "iou"}}}
    with pytest.raises(MetricError, match="saliency is scored by dice and by iou"):
        compare([a, Side("b", b.settings, other, b.rows)])


def test_runs_whose_noise_is_unknown_or_never_the_same_are_refused():
    a, b = side("a", COARSE), side("b", FINE)
    with pytest.raises(MetricError, match="does not say how much noise"):
        compare([a, Side("b", b.settings, {**b.summary, "noise": None}, b.rows)])
    with pytest.raises(MetricError, match="met no noise in common"):
        compare([a, side("b", (900.0, 800.0, 700.0))])
    with pytest.raises(MetricError, match="1 run was given"):
        compare([a])
