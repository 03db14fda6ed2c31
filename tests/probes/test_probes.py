import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge

from underpaint.core.errors import MomentsError
from underpaint.core.properties import DEPTH, NORMALS, SALIENCY
from underpaint.probes.moments import Moments
from underpaint.probes.probes import (
    Probe,
    acting_directions,
    columns_of,
    covariance,
    discriminant_path,
    read,
    read_steps,
    ridge_path,
    ridge_paths,
)

PENALTIES = torch.tensor([1e-3, 1e-1, 10.0], dtype=torch.float64)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def rows(generator):
    mixing = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    x = torch.randn(800, 6, generator=generator, dtype=torch.float64) @ mixing + 50
    noise = torch.randn(800, 2, generator=generator, dtype=torch.float64)
    return x, x[:, :2] - x[:, 2:4] + noise


def probe(name, weight, bias):
    return Probe("up.0.0", 3, name, weight, bias)


def test_a_probe_reads_each_place_by_its_own_channels(generator):
    activation = torch.randn(2, 6, 4, 3, generator=generator) + 1000
    weight = torch.randn(6, 2, generator=generator).double()
    bias = torch.tensor([1.0, -1.0]).double()
    maps = probe("normals", weight, bias)(activation)
    assert maps.shape == (2, 2, 4, 3)
    here = activation[1, :, 2, 1].double() @ weight + bias
    torch.testing.assert_close(maps[1, :, 2, 1], here, rtol=1e-13, atol=0)


def test_reading_many_probes_at_once_reads_what_each_reads(generator):
    activation = torch.randn(2, 6, 4, 3, generator=generator)
    probes = {
        name: probe(
            name,
            torch.randn(6, targets, generator=generator).double(),
            torch.randn(targets, generator=generator).double(),
        )
        for name, targets in [("depth", 1), ("normals", 3)]
    }
    maps = read(probes, activation)
    assert list(maps) == ["depth", "normals"]
    for name, each in probes.items():
        torch.testing.assert_close(maps[name], each(activation))
    assert read({}, activation) == {}


def test_columns_follow_the_order_of_properties():
    assert columns_of([SALIENCY, NORMALS, DEPTH]) == {
        "saliency": slice(0, 1),
        "normals": slice(1, 4),
        "depth": slice(4, 5),
    }


@pytest.mark.parametrize("place", range(3))
def test_ridge_is_that_of_scikit_learn(rows, place):
    x, y = rows
    weights, biases = ridge_path(Moments.of(x, y), 6, PENALTIES)
    known = Ridge(alpha=len(x) * float(PENALTIES[place])).fit(x.numpy(), y.numpy())
    torch.testing.assert_close(weights[place].mT, torch.from_numpy(known.coef_))
    torch.testing.assert_close(biases[place], torch.from_numpy(known.intercept_))


def test_ridge_refuses_what_it_cannot_solve(rows):
    moments = Moments.of(*rows)
    with pytest.raises(MomentsError, match="must be > 0"):
        ridge_path(moments, 6, torch.zeros(1, dtype=torch.float64))
    with pytest.raises(MomentsError, match="at least 2 rows"):
        ridge_path(Moments.of(rows[0][:1], rows[1][:1]), 6, PENALTIES)


def test_the_discriminant_of_hard_labels_is_that_of_scikit_learn(rows):
    x, y = rows
    classes = (y > y.mean(dim=0) + 1).double()
    tiny = torch.tensor([1e-12], dtype=torch.float64)
    weights, biases = discriminant_path(Moments.of(x, classes), 6, tiny)
    for target in range(2):
        known = LinearDiscriminantAnalysis(solver="lsqr").fit(x.numpy(), classes[:, target].numpy())
        torch.testing.assert_close(weights[0, :, target], torch.from_numpy(known.coef_[0]))
        torch.testing.assert_close(biases[0, target], torch.tensor(known.intercept_[0]).double())


def test_a_soft_label_counts_as_that_share_of_each_class(rows):
    x, y = rows
    shares = (y[:, :1] > 0).double() * 0.5 + 0.25  # 1/4 or 3/4 foreground
    soft = Moments.of(x, shares)
    copies = (shares * 4).round().long().flatten()
    hard_x = x.repeat_interleave(4, dim=0)
    hard_y = torch.cat([(torch.arange(4) < each).double() for each in copies])[:, None]
    for found, expected in zip(
        discriminant_path(soft, 6, PENALTIES),
        discriminant_path(Moments.of(hard_x, hard_y), 6, PENALTIES),
        strict=True,
    ):
        torch.testing.assert_close(found, expected)


def test_the_discriminant_orders_places_as_ridge_does(rows):
    x, y = rows
    moments = Moments.of(x, (y > y.mean(dim=0)).double())
    ridge, _ = ridge_path(moments, 6, PENALTIES)
    linear, _ = discriminant_path(moments, 6, PENALTIES)
    scale = linear / ridge
    assert (scale > 0).all()
    torch.testing.assert_close(scale, scale[:, :1].expand_as(scale))


def test_the_discriminant_refuses_labels_that_are_no_shares(rows):
    with pytest.raises(MomentsError, match=r"labels in 0\.\.1"):
        discriminant_path(Moments.of(rows[0], rows[1] + 5), 6, PENALTIES)


def test_acting_moves_each_reading_by_one_and_no_other(rows):
    moments = Moments.of(*rows)
    weights, _ = ridge_path(moments, 6, PENALTIES)
    acting = acting_directions(weights[0], covariance(moments, 6))
    torch.testing.assert_close(weights[0].mT @ acting, torch.eye(2, dtype=torch.float64))


def test_acting_is_the_regression_of_activation_on_reading(rows):
    moments = Moments.of(*rows)
    weights, _ = ridge_path(moments, 6, PENALTIES)
    reading = rows[0] @ weights[0]
    centred = rows[0] - rows[0].mean(dim=0)
    regression = torch.linalg.lstsq(reading - reading.mean(dim=0), centred).solution.mT
    acting = acting_directions(weights[0], covariance(moments, 6))
    torch.testing.assert_close(acting, regression)


def test_no_other_shift_with_that_effect_is_nearer_in_the_data(rows, generator):
    moments = Moments.of(*rows)
    weights, _ = ridge_path(moments, 6, PENALTIES)
    sigma = covariance(moments, 6)
    torch.testing.assert_close(sigma, torch.cov(rows[0].mT, correction=0))
    least = acting_directions(weights[0], sigma)[:, 0]
    q, _ = torch.linalg.qr(weights[0])
    others = torch.randn(100, 6, generator=generator, dtype=torch.float64)
    others = least + others - others @ q @ q.mT  # same effect on every reading

    def distance(shift):
        return (shift * torch.linalg.solve(sigma, shift.mT).mT).sum(dim=-1)

    assert (distance(others) > distance(least[None])).all()


def test_acting_on_readings_that_cannot_move_alone_is_refused(rows):
    sigma = covariance(Moments.of(*rows), 6)
    same = torch.ones(6, 2, dtype=torch.float64)
    for weight in (same, torch.zeros(6, 1, dtype=torch.float64)):
        with pytest.raises(MomentsError, match="Act on fewer targets"):
            acting_directions(weight, sigma)


def test_reading_all_steps_at_once_is_reading_each(monkeypatch):
    random = torch.Generator().manual_seed(0)
    activation = torch.randn(5, 2, 6, 4, 3, generator=random).half()

    def at_step(name, step, targets, place):
        weight = torch.randn(6, targets, generator=random).double()
        bias = torch.randn(targets, generator=random).double()
        return Probe("up.0", step, name, weight, bias, place=place)

    place = torch.randn(1, 4, 3, generator=random).double()
    own = [
        {"normals": at_step("normals", step, 3, None), "depth": at_step("depth", step, 1, place)}
        for step in range(5)
    ]
    for bytes_at_once in (1, 2**30):
        monkeypatch.setattr("underpaint.probes.probes.READ_AT_ONCE", bytes_at_once)
        found = read_steps(own, activation)
        assert list(found) == ["normals", "depth"]
        for step, probes in enumerate(own):
            for name, each in probes.items():
                expected = each(activation[step]).float()
                torch.testing.assert_close(found[name][step], expected, rtol=1e-6, atol=1e-6)


def test_solving_many_cells_at_once_is_solving_each(rows):
    x, y = rows
    some = [Moments.of(x, y), Moments.of(x[:300] * 2, y[:300])]
    penalties = torch.stack([PENALTIES, PENALTIES * 3])
    weights, biases = ridge_paths(some, 6, penalties)
    for at, each in enumerate(some):
        alone = ridge_path(each, 6, penalties[at])
        torch.testing.assert_close(weights[at], alone[0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(biases[at], alone[1], rtol=1e-12, atol=1e-12)
