import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from underpaint.core.arrays import to_grid, to_image, to_rows
from underpaint.core.errors import MomentsError
from underpaint.core.properties import DEPTH, SALIENCY
from underpaint.probes.recipes import (
    CONVEX_PENALTIES,
    fit_convex,
    fit_mlp,
    fit_paper,
    fit_penalised,
)

PLACE = {"layer": "up.0", "step": 2}


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def world(generator):
    activation = torch.randn(24, 5, 6, 4, generator=generator) * 2 + 3
    weight = torch.tensor([1.0, -1.0, 0.5, 0.0, 2.0])
    depth = torch.einsum("ncij,c->nij", activation - 3, weight)[:, None] / 3
    noise = torch.randn(depth.shape, generator=generator)
    return activation, depth, ((depth + 0.3 * noise) > 0).float()


def test_logistic_is_that_of_scikit_learn(world):
    activation, _, mask = world
    probe = fit_penalised("logistic", activation, mask, property=SALIENCY, penalty=0.01, **PLACE)
    x, y = to_rows(activation).double().numpy(), to_rows(mask).flatten().numpy()
    known = LogisticRegression(C=1 / (len(x) * 0.01), tol=1e-10, max_iter=1000).fit(x, y)
    np.testing.assert_allclose(probe.weight[:, 0], known.coef_[0], rtol=1e-4)
    np.testing.assert_allclose(probe.bias, known.intercept_, rtol=1e-4)
    assert (probe.property, probe.layer, probe.step) == ("saliency", "up.0", 2)


def test_a_convex_recipe_takes_the_penalty_with_the_least_loss_apart(generator):
    """Second route: scikit-learn at every penalty, few rows of many channels."""
    draws = torch.randn(2, 8, 40, 4, 4, generator=generator)
    labels = ((draws[:, :, :2].sum(dim=2, keepdim=True)) > 0).float()
    flips = torch.rand(labels.shape, generator=generator) < 0.2
    labels = torch.where(flips, 1 - labels, labels)
    probe = fit_convex(
        "logistic", draws[0], labels[0], (draws[1], labels[1]), property=SALIENCY, **PLACE
    )
    rows = [
        (to_rows(x).double().numpy(), to_rows(y).flatten().numpy())
        for x, y in zip(draws, labels, strict=True)
    ]
    variance = rows[0][0].var(axis=0).mean()
    losses = {}
    for relative in CONVEX_PENALTIES:
        model = LogisticRegression(
            C=1 / (len(rows[0][0]) * relative * variance), tol=1e-8, max_iter=5000
        )
        losses[relative] = log_loss(rows[1][1], model.fit(*rows[0]).predict_proba(rows[1][0]))
    best = min(losses, key=lambda each: losses[each])
    assert probe.penalty == pytest.approx(best * variance, rel=1e-5)
    assert CONVEX_PENALTIES[0] < best
    assert (probe.threshold, probe.step) == (0.0, 2)


def test_logistic_on_cell_means_is_logistic_on_upsampled_pixels(world, generator):
    activation, _, _ = world
    pixels = (torch.rand(24, 1, 12, 8, generator=generator) > 0.5).float()
    by_cell = fit_penalised(
        "logistic", activation, to_grid(pixels, (6, 4)), property=SALIENCY, penalty=0.1, **PLACE
    )
    by_pixel = fit_penalised(
        "logistic", to_image(activation, (12, 8)), pixels, property=SALIENCY, penalty=0.1, **PLACE
    )
    torch.testing.assert_close(by_cell.weight, by_pixel.weight, rtol=1e-4, atol=1e-6)


def test_huber_recovers_a_planted_map_from_labels_with_wild_outliers(world, generator):
    activation, depth, _ = world
    wild = torch.where(torch.rand(depth.shape, generator=generator) < 0.05, 1000.0, depth)
    probe = fit_penalised("huber", activation, wild, property=DEPTH, penalty=1e-8, **PLACE)
    assert (probe(activation) - depth).abs().median() < 0.1


def test_the_paper_recipe_reads_a_planted_mask_and_depth(world, generator):
    activation, depth, mask = world
    centred = activation - 3
    saliency = fit_paper(centred, mask, property=SALIENCY, generator=generator, epochs=150, **PLACE)
    agreement = ((saliency(centred) > (saliency.threshold or 0.0)) == (mask > 0.5)).double().mean()
    assert agreement > 0.85
    assert saliency.bias.tolist() == [0.0]
    read = fit_paper(
        activation,
        depth,
        property=DEPTH,
        generator=generator,
        epochs=300,
        learning_rate=1e-2,
        **PLACE,
    )(activation)
    assert (read - depth).abs().mean() < 0.05


def test_a_network_reads_what_no_linear_map_can(world, generator):
    activation = (world[0] - 3).repeat(1, 4, 1, 1)  # ten hidden units: some start dead
    fold = activation[:, :1].abs() / 2
    settings = {"property": DEPTH, "generator": generator, "epochs": 100, "learning_rate": 1e-2}
    bent = fit_mlp(activation, fold, **settings, **PLACE)
    straight = fit_paper(activation, fold, **settings, **PLACE)
    error = (bent(activation) - fold).square().mean()
    assert error < 0.3 * (straight(activation) - fold).square().mean()


@pytest.mark.parametrize("recipe", [fit_paper, fit_mlp])
def test_the_same_generator_state_gives_the_same_probe(world, recipe):
    activation, depth, _ = world
    before = torch.random.get_rng_state()
    first, again, other = (
        recipe(
            activation,
            depth,
            property=DEPTH,
            generator=torch.Generator().manual_seed(seed),
            epochs=2,
            **PLACE,
        ).weight
        for seed in (5, 5, 6)
    )
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_fits_that_cannot_be_are_refused(world, generator):
    activation, depth, _ = world
    with pytest.raises(MomentsError, match="must be > 0"):
        fit_penalised("huber", activation, depth, property=DEPTH, penalty=0.0, **PLACE)
    with pytest.raises(MomentsError, match="No image"):
        fit_paper(activation[:0], depth[:0], property=DEPTH, generator=generator, **PLACE)
