"""Planted truth: what is only in x̂₀, only in activations, or only where the caption is heard."""

import numpy as np
import pytest
import torch
from einops import rearrange

from underpaint.core.arrays import normalise
from underpaint.core.prompts import Prompt
from underpaint.core.properties import DEPTH, SALIENCY
from underpaint.models.layers import Layer
from underpaint.models.traces import Trace
from underpaint.scores.intervals import interval
from underpaint.scores.scores import Scores, curves
from underpaint.scores.summaries import summarise
from underpaint.scores.tabulating import tabulate
from underpaint.study.beyond import ALL, beside, fit_joint, layout_of
from underpaint.study.folding import Batch, Sums, extend, fit_all
from underpaint.study.scoring import choose_thresholds, readings, score_beside, strangers

GRID = (8, 8)
LAYERS = tuple(Layer(name, "", 4, GRID) for name in ("up.0", "up.1"))
PROPERTIES = (SALIENCY, DEPTH)
LAYOUT = layout_of(LAYERS, latents=2, is_thorough=True)
HALF = "unconditional"


def batch(seed, *, images, where):
    """Draw a disc anywhere; it shows in x̂₀, in activations, or in the conditional half alone."""
    draw = torch.Generator().manual_seed(seed)
    centre = torch.rand(2, images, 1, 1, generator=draw) * 8 + 4
    row, col = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    mask = ((row - centre[0]) ** 2 + (col - centre[1]) ** 2 < 10).float()[:, None]
    depth = normalise(DEPTH, row / 8 + 2 * mask)
    shown = torch.nn.functional.avg_pool2d(mask, 2)

    def noise(channels):
        return torch.randn(1, images, channels, *GRID, generator=draw)

    says = {name: 3.0 * shown if name in where else 0.0 for name in ("x_0", "up.0", "up.1", HALF)}
    readable = {
        "up.0": noise(4) + says["up.0"],
        "up.1": noise(4) + says["up.1"],
        f"{HALF} up.0": noise(4),
        f"{HALF} up.1": noise(4) + says[HALF],
        "x_t": noise(2),
        "x_0": noise(2) + says["x_0"],
    }
    prompts = tuple(Prompt(f"thing {seed} {i}", i, i) for i in range(images))
    trace = Trace(prompts, torch.zeros(1), torch.rand(images, 3, 16, 16), readable["x_t"],
                  readable["x_0"], readable["x_0"][0], {})  # fmt: skip
    return beside(Batch(trace, {"saliency": mask, "depth": depth}, readable), LAYOUT)


def found(*where):
    """Fit on training pictures, choose on validation ones, score both held-out parts."""
    sums = [extend(Sums(), batch(seed, images=n, where=where)) for seed, n in ((0, 96), (1, 32))]
    moments = [each.moments for each in sums]
    plain = [{cell: x for cell, x in each.items() if cell[0] != "joint"} for each in moments]
    probes = fit_all(*plain, PROPERTIES, layers=LAYERS) | fit_joint(*moments, PROPERTIES, LAYOUT)
    parts = [batch(2, images=40, where=where), batch(3, images=60, where=where)]
    texts = [[prompt.text for prompt in part.trace.prompts] for part in parts]
    maps = [readings(probes, part) for part in parts]
    position, lent = sums[0].position, parts[0].labels
    wrong = [{name: x[strangers(each, texts[0], first=0)] for name, x in lent.items()}
             for each in texts]  # fmt: skip
    cuts = choose_thresholds(PROPERTIES, maps[0], lent, position, wrong[0])
    rows = []
    for at, split in enumerate(("validation", "test")):
        blocks = score_beside(PROPERTIES, parts[at], {}, layers=LAYERS, read_maps=maps[at],
                              thresholds=cuts, position=position, wrong=wrong[at])  # fmt: skip
        numbers = range(100 * at, 100 * at + len(texts[at]))
        rows.append(tabulate(blocks, images=numbers, prompts=texts[at],
                             splits=[split] * len(numbers)))  # fmt: skip
    return rows[0] + rows[1]


@pytest.fixture(scope="module")
def worlds():
    return {"x_0": found("x_0"), "layer": found("up.1"), "both halves": found("up.1", HALF),
            "both layers": found("up.0", "up.1")}  # fmt: skip


def gain(scores: Scores, source, layer=None, property="saliency", metric="dice"):
    """Give the interval of the mean on test pictures, at the only step."""
    (values,) = [
        each
        for key, each in curves(scores, "test").items()
        if (key.source, key.property, key.metric) == (source, property, metric)
        and layer in (None, key.layer)
    ]
    return interval(values.values[:, 0], values.prompts)


@pytest.mark.parametrize(("property", "metric"), [("saliency", "dice"), ("depth", "residual")])
def test_what_x_0_shows_already_is_no_gain(worlds, property, metric):
    assert gain(worlds["x_0"], "estimate linear", property=property, metric=metric).mean > 0.65
    for layer in ("up.0", "up.1", ALL):
        assert abs(gain(worlds["x_0"], "beyond", layer, property, metric).mean) < 0.02


@pytest.mark.parametrize(("property", "metric"), [("saliency", "dice"), ("depth", "residual")])
def test_what_only_activations_show_is_gained_whole(worlds, property, metric):
    scores = worlds["layer"]
    probe = gain(scores, "joint", None, property, metric).mean
    known = gain(scores, "estimate linear", None, property, metric).mean
    assert probe - known > 0.3
    for layer in ("up.1", ALL):
        added = gain(scores, "beyond", layer, property, metric)
        assert added.low > 0.25
        assert added.mean == pytest.approx(probe - known, abs=0.03)
    assert abs(gain(scores, "beyond", "up.0", property, metric).mean) < 0.03


CONTROLS = [
    ("beyond swapped", "up.0"),
    ("beyond swapped", "up.1"),
    ("beyond ensemble", None),
    ("beyond shuffled", ALL),
]


@pytest.mark.parametrize(("control", "layer"), CONTROLS)
@pytest.mark.parametrize("world", ["x_0", "layer"])
@pytest.mark.parametrize(("property", "metric"), [("saliency", "dice"), ("depth", "residual")])
def test_the_controls_gain_nothing(worlds, world, control, layer, property, metric):
    assert abs(gain(worlds[world], control, layer, property, metric).mean) < 0.03


@pytest.mark.parametrize(("property", "metric"), [("saliency", "dice"), ("depth", "residual")])
def test_a_layer_gains_over_those_before_it_what_they_lack(worlds, property, metric):
    def nested(world, layer):
        return gain(worlds[world], "nested", layer, property, metric).mean

    assert abs(nested("layer", "up.0")) < 0.03
    whole = gain(worlds["layer"], "beyond", ALL, property, metric).mean
    assert nested("layer", "up.0") + nested("layer", "up.1") == pytest.approx(whole)
    # Where both layers say the same, the first to run says most of it.
    assert nested("both layers", "up.0") > 0.25
    assert abs(nested("both layers", "up.1")) < 0.4 * nested("both layers", "up.0")
    assert gain(worlds["both layers"], "beyond", "up.1", property, metric).mean > 0.25


def test_what_words_alone_say_is_in_the_conditional_half_alone(worlds):
    place = gain(worlds["layer"], "position").mean
    assert gain(worlds["layer"], "probe", "up.1").mean > place + 0.3
    assert gain(worlds["layer"], HALF, "up.1").mean < place + 0.05
    assert gain(worlds["both halves"], HALF, "up.1").mean > place + 0.3


def test_the_summary_says_what_share_of_the_error_is_removed(worlds):
    found = summarise(worlds["layer"], PROPERTIES, resamples=200)["saliency"]
    entry = found["sources"]["beyond"]
    known = found["sources"]["estimate linear"]["final"]["mean"]
    assert entry["layer"] in ("up.1", ALL)
    assert entry["onset"] is None
    assert entry["share"]["final"]["mean"] == pytest.approx(entry["final"]["mean"] / (1 - known))
    assert entry["share"]["final"]["low"] < entry["share"]["final"]["mean"]
    assert set(entry["layers"]) == {"up.0", "up.1", ALL}
    assert found["halves"]["final"]["low"] > 0.2


def test_the_joint_activation_holds_layers_and_neighbourhoods():
    made = batch(0, images=3, where=("x_0",))
    joint = made.readable["joint"]
    assert joint.shape == (1, 3, LAYOUT.width, *GRID)
    assert torch.equal(joint[0, :, LAYOUT.of("up.0")], made.readable["up.0"][0])
    around = rearrange(joint[0, :, LAYOUT.of("known")], "n (c k) i j -> n c k i j", k=25)
    assert torch.equal(around[:, :, 12], made.readable["x_0"][0])
    assert torch.equal(around[:, :, 13, :, :-1], made.readable["x_0"][0, :, :, :, 1:])
    given = joint[0, :, LAYOUT.of("swapped up.1")]
    own = made.readable["up.1"][0]
    assert sorted(map(float, given[:, 0, 0, 0])) == sorted(map(float, own[:, 0, 0, 0]))
    assert not np.isclose(given, own).all(axis=(1, 2, 3)).any()


def test_wide_layers_are_seen_through_fewer_directions():
    layers = tuple(Layer(f"up.{n}", "", 320, (64, 64)) for n in range(9))
    layout = layout_of(layers, latents=4, seen=9)
    assert [layer.name for layer in layout.layers] == [f"up.{n}" for n in range(3, 9)]
    assert layout.grid == (32, 32)
    assert layout.width == 6 * 48 + 4 * 25 + 9 * 9 + 2 * 48
