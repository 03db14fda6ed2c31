from itertools import count

import pytest

import worlds
from underpaint.core.properties import DEPTH
from underpaint.labelers import Labeler
from underpaint.models.layers import find_layers
from underpaint.runs.folder import open_run, read_summary
from underpaint.study.bench import compare
from underpaint.study.forecast import forecast
from underpaint.study.stages import add_cost, carry_out
from worlds import model as random_model


def test_where_every_part_takes_a_second_the_ratios_are_known():
    model, seconds = random_model(), count()
    look = Labeler("grey", ("depth",), "MIT", lambda x: {"depth": x.mean(dim=1, keepdim=True)})
    layers = find_layers(model)
    found = compare(
        model, [look], [DEPTH], layers,
        images=8, steps=2, progress=lambda _line: None, clock=lambda: float(next(seconds)),
    )  # fmt: skip
    assert set(found["seconds"].values()) == {1.0, 3.0}
    assert found["overhead"] == 3.0  # tracing, folding and reading, over bare generation
    # A layer of the reference: half a picture and a whole one, then two cells stored and trained.
    assert found["seconds_reference"] == len(layers) * (1.5 + 2 * 2)
    assert found["reference_ratio"] == len(layers) * 5.5 / (3 + 1)
    cell = 8 * layers[-1].channels * layers[-1].grid[0] * layers[-1].grid[1] * 4
    assert found["gpu_share"] is None  # on a processor nobody asks
    assert found["reference_bytes_written"] >= len(layers) * 2 * cell


def test_a_forecast_grows_each_part_by_the_pictures_that_it_is_for():
    plan = worlds.study(16)
    found = forecast(plan, pictures=40, count=400, progress=lambda *_: None)
    small, large = found["measured"], found["forecast"]
    assert found["pictures"] == 40
    assert large["parts"]["fitting"] == small["parts"]["fitting"]
    for part in ("generation", "folding", "decoding", "scoring"):
        assert large["parts"][part] == pytest.approx(10 * small["parts"][part], rel=0.05)
    for each in (small, large):
        floor = sum(each["parts"][part] for part in ("generation", "decoding", "labelling"))
        assert each["floor"] == pytest.approx(floor)
        assert each["ratio"] == pytest.approx(each["seconds"] / floor)
    assert small["gpu_share"] is None
    assert set(found["labelers"]) == {"brightness"}
    assert found["labelers"]["brightness"] > 0


def test_what_is_done_after_the_study_counts_in_its_cost(tmp_path):
    run = open_run(tmp_path / "run", {})
    before = carry_out(worlds.study(16), run, lambda *_: None)["cost"]
    add_cost(run, {"figures": 2.0, "site": 3.0})
    after = read_summary(run)["cost"]
    assert after["seconds"] == pytest.approx(before["seconds"] + 5)
    assert after["parts"] == {**before["parts"], "figures": 2.0, "site": 3.0}
    assert after["floor"] == pytest.approx(before["floor"])
    assert after["peak_rss_mb"] == before["peak_rss_mb"]
