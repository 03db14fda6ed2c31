import math

import pandas as pd
import pytest

from underpaint.models.layers import Layer
from underpaint.scores.tables import (
    caption,
    fixed,
    layer_page,
    result_page,
    result_table,
    truth_page,
)


def final(mean, low, high, undefined=0):
    return {"final": {"mean": mean, "low": low, "high": high, "undefined": undefined}}


def summary():
    found = {
        "saliency": {"dice": final(0.7, 0.65, 0.755, 2)},
        "depth": {
            "spearman": final(0.8, 0.7, 0.9),
            "pearson": final(-0.001, -0.1, 0.1),
            "residual": final(None, None, None, 12),
        },
        "normals": {"pearson": final(0.5, 0.4, 0.6)},
    }
    return {
        "model": "toy",
        "steps": 15,
        "images": {"train": 80, "validation": 8, "test": 12},
        "properties": {
            name: {"best_layer": "up.3.0", "sources": {"probe": {"metrics": metrics}}}
            for name, metrics in found.items()
        },
    }


def rows(page):
    lines = [line for line in page.splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


def test_table_2_holds_every_metric_beside_the_published_numbers():
    page = result_page(summary(), result_table(summary()))
    heads, _, *found = rows(page)
    assert heads[-3:] == ("95% interval", "undefined", "SD v1.4 †")
    assert found == [
        ("saliency", "up.3.0", "Dice", "0.70", "0.65 … 0.76", "2", "0.85"),
        ("depth", "up.3.0", "Spearman", "0.80", "0.70 … 0.90", "0", "0.71"),
        ("depth", "up.3.0", "Pearson", "0.00", "−0.10 … 0.10", "0", "0.74"),
        ("depth", "up.3.0", "Residual correlation", "–", "– … –", "12", "–"),
        ("normals", "up.3.0", "Pearson", "0.50", "0.40 … 0.60", "0", "–"),
    ]
    assert "12 test images of toy" in page
    assert "† Another model's" in page


def test_nan_reads_as_none_does():
    spoilt = summary()
    residual = spoilt["properties"]["depth"]["sources"]["probe"]["metrics"]["residual"]["final"]
    residual |= dict.fromkeys(("mean", "low", "high"), math.nan)
    assert result_page(spoilt, result_table(spoilt)) == result_page(
        summary(), result_table(summary())
    )


def test_table_2_comes_back_from_csv_in_full_with_the_unknown_empty(tmp_path):
    table = result_table(summary())
    table.to_csv(tmp_path / "table.csv", index=False)
    lines = (tmp_path / "table.csv").read_text().splitlines()
    assert lines[0] == ("property,best_layer,metric,step,mean,low,high,undefined,sd_v1_4_published")
    assert lines[4] == "depth,up.3.0,residual,15,,,,12,"
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "table.csv"), table)


def test_table_1_gathers_blocks_in_the_order_in_which_they_run():
    layers = [
        Layer("down.0.0", "a", 320, (64, 48)),
        Layer("down.0.1", "b", 320, (64, 48)),
        Layer("mid.0", "c", 1280, (8, 6)),
        Layer("up.1.0", "d", 640, (16, 12)),
    ]
    _, _, *found = rows(layer_page("toy", layers))
    assert found == [
        ("down.0", "Encoder 1", "down.0.0, down.0.1", "2", "64×48", "320"),
        ("mid", "Bottleneck", "mid.0", "1", "8×6", "1280"),
        ("up.1", "Decoder 2", "up.1.0", "1", "16×12", "640"),
    ]


def test_table_1_of_a_transformer_is_one_row_without_a_name_in_the_literature():
    layers = [Layer(f"block.{at}", "a", 1152, (32, 32)) for at in range(28)]
    _, _, *found = rows(layer_page("toy", layers))
    assert found == [("block", "–", "block.0 … block.27", "28", "32×32", "1152")]


@pytest.mark.parametrize(
    ("value", "text"), [(0.125, "0.12"), (-0.5, "−0.50"), (-0.004, "0.00"), (math.nan, "–")]
)
def test_numbers_have_two_decimals(value, text):
    assert fixed(value) == text


def test_table_3_holds_what_a_labelers_error_is_worth_where_truth_is_known():
    assert truth_page(summary()) is None
    known = summary()
    sources = known["properties"]["depth"]["sources"]
    known["properties"]["depth"]["metric"] = "spearman"
    for place, source in enumerate(("labeler", "probe", "taught", "judged")):
        sources[source] = {**sources.get(source, {}), **final(0.9 - place / 10, None, 0.95)}
    _, _, found = rows(truth_page(known))
    assert found == (
        "depth", "Spearman", "0.90 (– … 0.95)", "0.80 (– … 0.95)", "0.70 (– … 0.95)",
        "0.60 (– … 0.95)",
    )  # fmt: skip


def test_a_long_prompt_is_broken_and_then_cut_where_a_word_ends():
    assert caption("a red ball", width=20) == "a red ball"
    assert caption("$5 of  tea", width=20) == r"\$5 of tea"
    text = " ".join(["lemon"] * 20)
    assert caption(text, width=17, lines=2) == "lemon lemon lemon\nlemon lemon …"
    assert caption(text, width=12) == "lemon …"
    assert len(caption("x" * 99, width=10, lines=2)) <= 21
