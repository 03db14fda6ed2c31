"""Planted signal in, found; noise in, chance: on activations and labels made by hand."""

import numpy as np
import pytest
import torch

from underpaint.core.arrays import normalise
from underpaint.core.prompts import Prompt
from underpaint.core.properties import DEPTH, SALIENCY
from underpaint.models.layers import Layer
from underpaint.models.traces import Trace
from underpaint.scores.intervals import interval
from underpaint.scores.scores import ScoreKey, curves
from underpaint.scores.tabulating import tabulate
from underpaint.study.folding import Batch, Sums, extend, fit_all
from underpaint.study.scoring import choose_thresholds, readings, score, score_beside, strangers
from worlds import model

GRID, STEPS = (8, 8), 2
LAYERS = tuple(Layer(name, "", 6, GRID) for name in ("up.0", "up.1", "up.2"))
PROPERTIES = (SALIENCY, DEPTH)
MODEL = model()


def batch(seed, *, images, sees):
    """Draw a disc over a floor's gradient; activations see it if they should.

    Where they do, most of every channel is the disc, so that any direction tells it from ground.
    """
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(2, images, 1, 1, generator=generator) * 8 + 4
    row, col = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    mask = ((row - centre[0]) ** 2 + (col - centre[1]) ** 2 < 9).float()[:, None]
    depth = row / 8 + 2 * mask + 0.3 * torch.randn(images, 1, 16, 16, generator=generator)
    labels = {"saliency": mask, "depth": normalise(DEPTH, depth)}
    shown = torch.nn.functional.avg_pool2d(mask, 2)
    mixing = torch.randn(3, STEPS, 1, 6, 1, 1, generator=torch.Generator().manual_seed(9))
    noise = torch.randn(3, STEPS, images, 6, *GRID, generator=generator)
    found = 5 * mixing * shown + noise if sees else noise
    latents = torch.randn(STEPS, images, 4, *GRID, generator=generator)
    prompts = tuple(Prompt(f"thing {seed} {i}", i, i) for i in range(images))
    trace = Trace(prompts, torch.arange(float(STEPS)), torch.rand(images, 3, 16, 16), latents,
                  latents, latents[0], {})  # fmt: skip
    readable = dict(zip((layer.name for layer in LAYERS), found, strict=True))
    readable |= {f"random {layer.name}": torch.randn(found[0].shape, generator=generator)
                 for layer in LAYERS}  # fmt: skip
    return Batch(trace, labels, {**readable, "x_t": latents, "x_0": latents})


def found(sees):
    """Fit on training pictures, choose on validation ones, score test ones; means by source."""
    sums = [extend(Sums(), batch(seed, images=n, sees=sees)) for seed, n in ((0, 60), (1, 16))]
    probes = fit_all(sums[0].moments, sums[1].moments, PROPERTIES, layers=LAYERS)
    position, parts = sums[0].position, [batch(2, images=40, sees=sees)]
    parts.append(batch(3, images=60, sees=sees))
    texts = [[prompt.text for prompt in part.trace.prompts] for part in parts]
    wrong = [
        {name: maps[strangers(each, texts[0], first=0)] for name, maps in parts[0].labels.items()}
        for each in texts
    ]
    maps = [readings(probes, part) for part in parts]
    cuts = choose_thresholds(PROPERTIES, maps[0], parts[0].labels, position, wrong[0])
    blocks = score(MODEL, [], PROPERTIES, parts[1], layers=LAYERS, read_maps=maps[1],
                   thresholds=cuts, position=position, wrong=wrong[1], drawn=False)  # fmt: skip
    table = tabulate(blocks, images=range(60), prompts=texts[1], splits=["test"] * 60)
    return curves(table, "test")


def ends(scores, source, property, metric):
    """Give the interval of the mean at the last step, for each layer."""
    return [
        interval(each.values[:, -1], each.prompts)
        for key, each in scores.items()
        if key[:2] == (source, property) and key.metric == metric
    ]


@pytest.fixture(scope="module")
def planted():
    return found(sees=True)


@pytest.fixture(scope="module")
def noise():
    return found(sees=False)


@pytest.mark.parametrize("source", ["probe", "probe+position"])
def test_a_planted_signal_is_found(planted, source):
    for layer in ends(planted, source, "saliency", "dice"):
        assert layer.low > 0.6
    for layer in ends(planted, source, "depth", "residual"):
        assert layer.low > 0.4


@pytest.mark.parametrize("source", ["probe", "probe+position", "latent", "random", "shuffled"])
def test_noise_scores_chance_by_every_source(noise, source):
    (place,) = ends(noise, "position", "saliency", "dice")
    for layer in ends(noise, source, "saliency", "dice"):
        assert layer.mean < place.high + 0.02
    residuals = ends(noise, source, "depth", "residual")
    assert residuals
    assert all(abs(layer.mean) < 0.06 for layer in residuals)


def test_the_control_is_at_chance_where_a_layer_tells_little_but_object_from_ground(planted):
    (place,) = ends(planted, "position", "saliency", "dice")
    for layer in ends(planted, "shuffled", "saliency", "dice"):
        assert layer.mean < place.high + 0.02
    assert all(abs(layer.mean) < 0.08 for layer in ends(planted, "shuffled", "depth", "residual"))


def test_what_the_place_lacks_and_the_activation_lacks_add_up(planted):
    by_source = {
        source: np.mean([each.mean for each in ends(planted, source, "depth", "pearson")])
        for source in ("probe", "position", "probe+position")
    }
    assert by_source["probe+position"] > max(by_source["probe"], by_source["position"]) + 0.1


def test_labels_of_others_are_never_those_of_the_same_text():
    texts = ["a", "a", "b", "c", "a"]
    found = strangers(texts, texts, first=0)
    assert found.tolist() == [[2, 2, 3, 2, 2], [3, 3, 0, 4, 3]] or all(
        texts[at] != text for row in found.tolist() for at, text in zip(row, texts, strict=True)
    )
    assert strangers(["x"], ["y"], first=7).tolist() == [[0], [0]]


def test_a_rivals_mask_is_cut_where_validation_pictures_say():
    part = batch(3, images=8, sees=True)
    dim = 0.4 * part.labels["saliency"].expand(STEPS, -1, -1, -1, -1)
    sums = extend(Sums(), part)
    scores = []
    for at in (0.5, 0.2):
        cut = torch.full((STEPS,), at, dtype=torch.float64)
        thresholds = {("saliency", "image"): cut, ("saliency", ""): cut}
        blocks = score_beside(
            [SALIENCY], part, {"image": {"saliency": dim}}, layers=LAYERS, read_maps={},
            thresholds=thresholds, position=sums.position,
            wrong={"saliency": part.labels["saliency"][None]},
        )  # fmt: skip
        scores.append(float(blocks[ScoreKey("image", "saliency", "", "dice")].mean()))
    assert scores == [0, 1]
