import math

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from underpaint.core.errors import RunError
from underpaint.figures.curves import COLUMN_INCHES, draw_all, draw_curves, draw_gains, draw_layers
from underpaint.figures.noise import draw_noise
from underpaint.figures.style import PAINTS
from underpaint.models.layers import Layer

NAMES = ("down.0.0", "down.0.1", "mid.0", "up.1.0", "up.1.1")
NOTHING = {"mean": None, "low": None, "high": None, "undefined": 12}


def curve(means):
    by_step = [
        NOTHING if m is None else {"mean": m, "low": m - 0.05, "high": m + 0.05, "undefined": 0}
        for m in means
    ]
    return {"by_step": by_step, "final": by_step[-1]}


def source(curves, onset=None, layer=None):
    return {
        "layer": layer,
        **next(iter(curves.values())),
        "onset": None if onset is None else dict(zip(("step", "low", "high"), onset, strict=True)),
        "metrics": curves,
    }


def planted(*metrics, steps=5, names=NAMES, best="up.1.0"):
    """Plant a property: layer i at step s scores 0.1 i + 0.01 s; the image never has an onset."""
    rising = [round(0.2 + 0.1 * step, 2) for step in range(steps)]
    flat = {m: curve([None if m == "residual" else 0.3] * steps) for m in metrics}
    return {
        "metric": metrics[0],
        "best_layer": best,
        "sources": {
            "probe": source({m: curve(rising) for m in metrics}, (2, 1, 4), best),
            "image": source({m: curve([0.1] * (steps - 1) + [0.6]) for m in metrics}),
            "estimate": source({m: curve([0.6] * steps) for m in metrics}, (1, 1, 2)),
            "position": source(flat),
            "edges": source({m: curve([0.5] * steps) for m in metrics}),
        },
        "lead": None,
        "crossover": {"image": None, "estimate": 1},
        "layers": {
            name: curve([0.1 * at + 0.01 * step for step in range(steps)])
            for at, name in enumerate(names)
        },
    }


def texts(axis):
    return [each.get_text() for each in axis.texts]


def cells(axis, row):
    return [each.get_text() for each in axis.texts if each.get_position()[1] == row]


def test_the_heat_map_holds_the_planted_values_and_frames_the_best_layer():
    axis = draw_layers("saliency", planted("dice")).axes[0]
    np.testing.assert_allclose(axis.images[0].get_array()[3], [0.3, 0.31, 0.32, 0.33, 0.34])
    assert [label.get_text() for label in axis.get_yticklabels()] == list(NAMES)
    assert cells(axis, 3) == [".30", ".31", ".32", ".33", ".34"]
    (frame,) = axis.patches
    assert (frame.get_xy(), frame.get_width(), frame.get_height()) == ((-0.5, 2.5), 5, 1)
    bold = [t.get_text() for t in axis.get_yticklabels() if t.get_fontweight() == "bold"]
    assert bold == ["up.1.0"]


def test_layers_stand_in_the_order_in_which_they_run_and_none_is_lost():
    found = planted("dice", names=("block.0", "block.10", "block.2", "odd"), best="block.10")
    axis = draw_layers("saliency", found, order=("block.0", "block.2", "block.10")).axes[0]
    shown = [label.get_text() for label in axis.get_yticklabels()]
    assert shown == ["block.0", "block.2", "block.10", "odd"]
    assert cells(axis, 2)[0] == ".10"  # of block.10, planted second
    assert axis.patches[0].get_xy() == (-0.5, 1.5)


def test_only_stages_are_set_apart_in_the_heat_map():
    axis = draw_layers("saliency", planted("dice")).axes[0]
    assert [line.get_ydata()[0] for line in axis.lines] == [1.5, 2.5]


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_a_cell_without_a_value_is_a_dash_and_does_not_move_the_scale(nothing):
    found = planted("dice")
    found["layers"]["mid.0"]["by_step"][1] = {**NOTHING, "mean": nothing}
    axis = draw_layers("saliency", found).axes[0]
    assert cells(axis, 2) == [".20", "–", ".22", ".23", ".24"]
    assert axis.images[0].get_clim() == pytest.approx((0, 0.44))


def test_negative_and_whole_values_are_written_short():
    found = planted("dice")
    means = [-0.05, -0.001, 1.0, 0.996, -1.25]
    found["layers"]["mid.0"] = curve(means)
    assert cells(draw_layers("saliency", found).axes[0], 2) == [
        "-.05",
        ".00",
        "1.00",
        "1.00",
        "-1.25",
    ]


@pytest.mark.parametrize(("steps", "is_labelled"), [(15, True), (50, False)])
def test_cells_are_labelled_only_where_that_is_legible(steps, is_labelled):
    axis = draw_layers("saliency", planted("dice", steps=steps)).axes[0]
    assert len(axis.texts) == (5 * steps if is_labelled else 0)
    assert all(each.get_fontsize() >= 4.8 for each in axis.texts)
    assert len(axis.get_xticks()) <= 15


@pytest.mark.parametrize("value", [0.4, None])
def test_one_layer_of_one_value_is_drawn(value):
    found = planted("dice", names=("mid.0",), best="mid.0")
    found["layers"]["mid.0"] = curve([value] * 5)
    axis = draw_layers("saliency", found).axes[0]
    assert cells(axis, 0) == [".40" if value else "–"] * 5
    assert axis.patches[0].get_xy() == (-0.5, -0.5)


def test_every_source_has_its_mean_its_band_and_its_name():
    axis = draw_curves("saliency", planted("dice")).axes[0]
    names = ["edges", "estimate $\\hat{x}_0$", "image $x_t$", "position", "probe"]
    assert sorted(texts(axis)) == names
    by_colour = {to_hex(line.get_color()).upper(): line for line in axis.lines[:5]}
    assert len(by_colour) == 5
    probe = by_colour[PAINTS["probe"]["color"]]
    np.testing.assert_allclose(probe.get_data(), [[1, 2, 3, 4, 5], [0.2, 0.3, 0.4, 0.5, 0.6]])
    band = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((0.15, 0.65))


def test_names_of_lines_that_end_together_stay_apart():
    found = planted("dice")
    for each in found["sources"].values():
        each["metrics"]["dice"] = curve([0.98] * 5)
    figure = draw_curves("saliency", found)
    axis = figure.axes[0]
    points = axis.get_position().height * figure.get_figheight() * 72
    places = np.sort([each.xyann[1] for each in axis.texts])
    assert np.diff(places).min() * points == pytest.approx(8)
    assert places.min() > 0
    assert places.max() <= 1


def test_rings_stand_at_onsets_and_a_source_without_one_has_a_dash():
    scores, strip = draw_curves("saliency", planted("dice")).axes
    rings = [tuple(np.ravel(line.get_data())) for line in scores.lines[5:]]
    assert rings == [(2, pytest.approx(0.3)), (1, pytest.approx(0.6))]
    assert texts(strip) == ["probe 2 (1–4)", "image –", "estimate 1 (1–2)"]
    assert [list(line.get_xdata()) for line in strip.lines] == [[1, 4], [2], [1, 2], [1]]


def test_rings_stand_at_the_one_bar_where_there_is_one_and_gains_beside_no_score():
    found = planted("dice")
    found["bar"] = 0.35
    found["sources"]["probe"]["reached"] = {"step": 3, "low": 2, "high": 6}
    found["sources"]["beyond"] = {**found["sources"]["image"], "layers": {"up.0": {"by_step": []}}}
    scores, strip = draw_curves("saliency", found).axes
    assert texts(strip) == ["probe 3 (2–never)", "image –", "estimate –"]
    assert strip.get_ylabel() == "at\nthe bar"
    assert "beyond" not in texts(scores)
    assert any(line.get_linestyle() == ":" and line.get_ydata()[0] == 0.35 for line in scores.lines)


def test_gains_of_layers_are_cells_of_a_map_of_their_own():
    found = planted("dice")
    assert draw_gains("saliency", found) is None
    found["sources"]["beyond"] = {"layers": {"all": curve([0.2] * 5), "up.0": curve([0.1] * 5)}}
    axis = draw_gains("saliency", found, order=["up.0"]).axes[0]
    assert [each.get_text() for each in axis.get_yticklabels()] == ["up.0", "all"]
    assert [each.get_text() for each in axis.texts][:1] == [".10"]


def test_a_map_has_a_panel_of_residuals_which_carries_the_onsets():
    headline, residual, _ = draw_curves("depth", planted("spearman", "residual", "rmse")).axes
    assert (headline.get_ylabel(), residual.get_ylabel()) == ("Spearman", "Residual correlation")
    assert len(headline.lines) == 5
    assert len(residual.lines) == 4 + 2  # position has no residual; two rings
    assert "position –" in texts(residual)
    assert "position" in texts(headline)


def test_a_step_without_a_value_is_a_gap():
    found = planted("dice")
    found["sources"]["probe"]["metrics"]["dice"] = curve([0.2, None, 0.4, 0.5, None])
    axis = draw_curves("saliency", found).axes[0]
    np.testing.assert_array_equal(np.isnan(axis.lines[0].get_ydata()), [0, 1, 0, 0, 1])
    (name,) = [each for each in axis.texts if each.get_text() == "probe"]
    assert name.xy == (4, 0.5)


def test_all_is_written_one_column_wide_and_leaves_settings_alone(tmp_path):
    summary = {
        "model": "toy",
        "steps": 5,
        "images": {"test": 12},
        "properties": {"normals": planted("pearson", "residual", "rmse")},
    }
    layers = [Layer(name, "there", 8, (4, 4)) for name in NAMES]
    before = dict(matplotlib.rcParams)
    paths = draw_all(summary, tmp_path / "figures", layers=layers)
    assert dict(matplotlib.rcParams) == before
    assert [path.name for path in paths] == [
        "curves-normals.png",
        "curves-normals.pdf",
        "layers-normals.png",
        "layers-normals.pdf",
        "table-1.md",
        "table-2.csv",
        "table-2.md",
    ]
    assert sorted(paths) == sorted((tmp_path / "figures").iterdir())
    for path in paths:
        if path.suffix == ".png":
            assert Image.open(path).width == COLUMN_INCHES * 300
        if path.suffix == ".pdf":
            assert path.read_bytes().startswith(b"%PDF")
    assert "| normals | up.1.0 | RMSE | 0.60 |" in paths[-1].read_text(encoding="utf-8")


def test_without_layers_there_is_no_table_1_and_the_same_numbers_make_the_same_files(tmp_path):
    summary = {
        "model": "toy",
        "steps": 5,
        "images": {"test": 12},
        "properties": {"saliency": planted("dice")},
    }
    first, second = (draw_all(summary, tmp_path / name) for name in ("first", "second"))
    assert "table-1.md" not in [path.name for path in first]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "figures").write_text("in the way")
    summary = {"model": "toy", "steps": 5, "images": {"test": 12}, "properties": {}}
    with pytest.raises(RunError, match="Cannot write to"):
        draw_all(summary, tmp_path / "figures")


def test_only_sources_with_a_line_over_noise_are_in_its_legend():
    figure = draw_noise("depth", planted("spearman", "residual"), [None, 8.0, 2.0, 1.0, 0.2])
    legend = {each.get_text() for each in figure.axes[0].get_legend().get_texts()}
    assert "probe" in legend
    assert len(legend) == 3
    assert "position" not in legend
    masks = draw_noise("saliency", planted("dice"), [None, 8.0, 2.0, 1.0, 0.2])
    assert "position" in {each.get_text() for each in masks.axes[0].get_legend().get_texts()}
