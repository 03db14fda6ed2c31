import pytest
import torch

from underpaint.core.errors import MomentsError
from underpaint.probes.fitting import RELATIVE_PENALTIES, fit, fit_scaled, squared_error
from underpaint.probes.moments import Moments, gather
from underpaint.probes.probes import ridge_path

COLUMNS = {"depth": slice(0, 1), "normals": slice(1, 3), "shuffled depth": slice(3, 4)}
GRID = (6, 4)


def batch(seed, *, images, noise=0.1, steps=2):
    """Plant depth and normals in two layers, the second with a mean of 1000; shuffle depth too."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(images, 3, *GRID, generator=generator)
    maps = torch.cat([maps, maps[torch.randperm(images, generator=generator), :1]], dim=1)
    activations = {}
    for offset, (layer, channels) in enumerate([("down.0", 5), ("up.0", 9)]):
        planted = torch.Generator().manual_seed(100)
        mixing = torch.randn(channels, 3, generator=planted)
        clean = torch.einsum("ct,ntij->ncij", mixing, maps[:, :3])
        spread = torch.randn(steps, *clean.shape, generator=generator) * noise
        activations[layer] = clean + spread + 1000 * offset
    return activations, maps


def moments(seed, **kwargs):
    activations, maps = batch(seed, **kwargs)
    return gather(activations, {GRID: maps})


def test_planted_properties_are_read_in_every_layer_and_step():
    probes = fit(moments(0, images=40), moments(1, images=20), COLUMNS)
    assert len(probes) == 3 * 2 * 2
    activations, maps = batch(2, images=20)
    for name, part in list(COLUMNS.items())[:2]:
        for layer, activation in activations.items():
            for step in range(2):
                probe = probes[name, layer, step]
                assert (probe.property, probe.layer, probe.step) == (name, layer, step)
                error = (probe(activation[step]) - maps[:, part]).square().mean()
                assert error < 0.03


def test_shuffled_labels_cannot_be_read():
    probes = fit(moments(0, images=40), moments(1, images=20), COLUMNS)
    activations, maps = batch(2, images=60)
    read = probes["shuffled depth", "up.0", 1](activations["up.0"][1])
    for label in (maps[:, :1], maps[:, 3:]):  # the images' own, and other images'
        error = (read - label).square().mean()
        assert error / label.double().var() > 0.9


def test_validation_error_from_moments_is_that_of_the_rows():
    train, (activations, maps) = moments(0, images=10), batch(1, images=7)
    held_out = gather(activations, {GRID: maps})
    penalties = torch.tensor([1e-4, 1e-1, 1e2], dtype=torch.float64)
    weights, biases = ridge_path(train["up.0", 1], 9, penalties)
    found = squared_error(held_out["up.0", 1], weights, biases)
    x = activations["up.0"][1].double()
    for place in range(3):
        read = torch.einsum("ncij,ct->ntij", x, weights[place]) + biases[place][:, None, None]
        expected = (read - maps).square().mean(dim=(0, 2, 3))
        torch.testing.assert_close(found[place], expected, rtol=1e-8, atol=1e-12)


def test_each_cell_takes_the_penalty_with_the_least_validation_error():
    train, held_out = moments(0, images=3, noise=2.0), moments(1, images=50, noise=2.0)
    probes = fit(train, held_out, COLUMNS)
    for (name, layer, step), probe in probes.items():
        cell = train[layer, step]
        channels = len(cell.mean) - 4
        scale = float(cell.scatter.diagonal()[:channels].mean()) / cell.count
        penalties = torch.tensor(RELATIVE_PENALTIES, dtype=torch.float64) * scale
        errors = squared_error(held_out[layer, step], *ridge_path(cell, channels, penalties))
        best = errors[:, COLUMNS[name]].sum(dim=1).argmin()
        assert probe.penalty == pytest.approx(float(penalties[best]))
    assert len({probe.penalty for probe in probes.values()}) > 2


def test_little_data_and_much_noise_call_for_a_stronger_penalty():
    def strength(noise):
        train, held_out = moments(0, images=3, noise=noise), moments(1, images=50, noise=noise)
        scale = train["up.0", 0].scatter.diagonal()[:9].mean() / train["up.0", 0].count
        return (fit(train, held_out, COLUMNS)["depth", "up.0", 0].penalty or 0.0) / float(scale)

    assert strength(3.0) > strength(0.01)


def test_the_weakest_penalty_reads_directions_that_hardly_vary():
    """A target in a direction a million times weaker than the rest, beside channels that repeat."""
    draw = torch.Generator().manual_seed(0)

    def rows(count):
        y = torch.randn(count, 1, generator=draw, dtype=torch.float64)
        loud = torch.randn(count, 3, generator=draw, dtype=torch.float64)
        quiet = loud[:, :1] + 1e-5 * y  # 1e-10 of the variance
        return Moments.of(torch.cat([loud, quiet, loud], dim=1), y)

    train, held_out = ({("up.0", 0): rows(500)} for _ in range(2))
    columns = {"depth": slice(0, 1)}
    for weakest, least, most in ((1e-6, 0.9, 2.0), (RELATIVE_PENALTIES[0], 0.0, 1e-3)):
        probe = fit(train, held_out, columns, relative_penalties=(weakest,))["depth", "up.0", 0]
        error = squared_error(held_out["up.0", 0], probe.weight[None], probe.bias[None])
        assert least <= float(error) <= most
    assert torch.isfinite(probe.weight).all()


def test_a_layer_that_never_varies_reads_the_mean():
    activations, maps = batch(0, images=5)
    still = {"down.0": torch.full_like(activations["down.0"], 0.1)}
    found = gather(still, {GRID: maps})
    probe = fit(found, found, COLUMNS)["depth", "down.0", 0]
    read = probe(still["down.0"][0])
    torch.testing.assert_close(read, maps[:, :1].double().mean().expand_as(read))


def test_some_columns_can_be_fitted_when_their_number_is_given():
    train, held_out = moments(0, images=10), moments(1, images=10)
    some = fit(train, held_out, {"depth": COLUMNS["depth"]}, targets=4)
    every = fit(train, held_out, COLUMNS)
    assert len(some) == 4
    for key, probe in some.items():
        torch.testing.assert_close(probe.weight, every[key].weight)


def test_splits_that_do_not_match_are_refused():
    train, held_out = moments(0, images=4), moments(1, images=4)
    with pytest.raises(MomentsError, match=r"Only one split has layer down\.0 at step 0"):
        fit(train, {cell: each for cell, each in held_out.items() if cell[1]}, COLUMNS)
    narrow = Moments.of(torch.randn(9, 5), torch.randn(9, 1))
    with pytest.raises(MomentsError, match="9 columns in training and 6 in validation"):
        fit(train, {**held_out, ("down.0", 0): narrow}, COLUMNS)


def massive(seed, *, outlier):
    """Plant one target in 8 channels of a transformer: small ones, beside one that is huge."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(6, 1, *GRID, generator=generator)
    mixing = torch.randn(8, 1, generator=torch.Generator().manual_seed(7))
    small = torch.einsum("ct,ntij->ncij", mixing, maps)
    small = small + 0.1 * torch.randn(small.shape, generator=generator)
    huge = outlier * torch.randn(6, 1, *GRID, generator=generator)
    return torch.cat([small, huge], dim=1)[None], maps


def test_raw_features_of_a_transformer_hide_what_scaled_ones_show():
    split = [massive(seed, outlier=1e9) for seed in (0, 1, 2)]
    train, held_out = (gather({"block.0": x}, {GRID: y}) for x, y in split[:2])
    columns = {"depth": slice(0, 1)}
    activation, maps = split[2]
    error = {
        fitted: float(
            (fitted(train, held_out, columns)["depth", "block.0", 0](activation[0]) - maps)
            .square()
            .mean()
        )
        for fitted in (fit, fit_scaled)
    }
    # Even the weakest penalty of `fit` is 1e5 times the variance of the small channels.
    assert error[fit] > 0.9 * float(maps.var())
    assert error[fit_scaled] < 0.02


def test_scaling_changes_little_where_channels_are_alike_and_reads_raw_activations():
    train, held_out = moments(0, images=10), moments(1, images=10)
    plain, scaled = fit(train, held_out, COLUMNS), fit_scaled(train, held_out, COLUMNS)
    activation = batch(2, images=2)[0]["up.0"][0]
    key = ("depth", "up.0", 0)
    torch.testing.assert_close(scaled[key](activation), plain[key](activation), atol=0.05, rtol=0)
    assert list(scaled) == list(plain)


def test_a_channel_that_never_varies_is_left_alone_by_scaling():
    activations, maps = batch(0, images=5)
    still = {"down.0": torch.full_like(activations["down.0"], 0.1)}
    found = gather(still, {GRID: maps})
    probe = fit_scaled(found, found, COLUMNS)["depth", "down.0", 0]
    assert probe.weight.isfinite().all()


def test_scaled_splits_that_do_not_match_are_refused():
    train, held_out = moments(0, images=4), moments(1, images=4)
    with pytest.raises(MomentsError, match="Only one split has layer"):
        fit_scaled(train, {cell: each for cell, each in held_out.items() if cell[1]}, COLUMNS)
