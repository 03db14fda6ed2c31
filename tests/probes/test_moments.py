import pytest
import torch

from underpaint.core.arrays import to_grid, to_rows
from underpaint.core.errors import MomentsError
from underpaint.models.layers import Layer
from underpaint.probes.moments import Moments, gather, merge
from underpaint.probes.probes import ridge_path


@pytest.fixture
def rows():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1000, 8, generator=generator) + 1000  # a large mean, where naive sums fail
    return x, (x - 1000) @ torch.arange(8.0)[:, None] + 3


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    activations = {
        "wide": torch.randn(3, 4, 5, 8, 6, generator=generator),
        "deep": torch.randn(3, 4, 7, 4, 3, generator=generator),
    }
    labels = torch.rand(4, 2, 16, 12, generator=generator)
    return activations, {grid: to_grid(labels, grid) for grid in [(8, 6), (4, 3)]}


@pytest.mark.parametrize("cut", [1, 17, 500, 999])
def test_moments_do_not_depend_on_how_rows_are_batched(rows, cut):
    x, y = rows
    whole, parts = Moments.of(x, y), Moments.of(x[:cut], y[:cut]) + Moments.of(x[cut:], y[cut:])
    assert parts.count == whole.count
    torch.testing.assert_close(parts.mean, whole.mean)
    torch.testing.assert_close(parts.scatter, whole.scatter)


def test_a_mean_of_1000_costs_the_scatter_no_digits(rows):
    x, y = (each.double() for each in rows)
    moments = Moments.of(x, y) + Moments.of(x + 1000, y)
    joint = torch.cat([torch.cat([x, x + 1000]), torch.cat([y, y])], dim=1)
    expected = torch.cov(joint.mT, correction=0) * 2000
    torch.testing.assert_close(moments.scatter, expected, rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_sums_are_taken_in_float64_whatever_the_activations_are_in(rows, dtype):
    x, y = rows[0].to(dtype), rows[1]
    low, exact = Moments.of(x, y), Moments.of(x.double(), y.double())
    assert low.scatter.dtype == torch.float64
    torch.testing.assert_close(low.scatter, exact.scatter, rtol=0, atol=0)


def test_ridge_recovers_a_planted_linear_map(rows):
    weights, _ = ridge_path(Moments.of(*rows), 8, torch.tensor([1e-9]).double())
    torch.testing.assert_close(weights[0, :, 0], torch.arange(8.0).double(), atol=1e-4, rtol=0)


def test_gathered_moments_are_those_of_each_position_and_its_label(batch):
    activations, targets = batch
    moments = gather(activations, targets)
    assert set(moments) == {(layer, step) for layer in activations for step in range(3)}
    # By hand: one image, row and column at a time.
    pairs = [
        torch.cat([activations["deep"][2, image, :, row, col], targets[4, 3][image, :, row, col]])
        for image in range(4)
        for row in range(4)
        for col in range(3)
    ]
    joint = torch.stack(pairs).double()
    found = moments["deep", 2]
    assert found.count == 48
    torch.testing.assert_close(found.mean, joint.mean(dim=0))
    torch.testing.assert_close(found.scatter, torch.cov(joint.mT, correction=0) * 48)


def test_shards_add_up_to_the_whole_batch(batch):
    activations, targets = batch
    shards = [
        gather(
            {layer: each[:, part] for layer, each in activations.items()},
            {grid: each[part] for grid, each in targets.items()},
        )
        for part in (slice(0, 1), slice(1, 4))
    ]
    whole, merged = gather(activations, targets), merge(merge({}, shards[0]), shards[1])
    assert set(merged) == set(whole)
    for cell, moments in whole.items():
        assert merged[cell].count == moments.count
        torch.testing.assert_close(merged[cell].scatter, moments.scatter)


def test_a_batch_gathered_onto_others_is_the_sum_that_merging_gives(batch):
    activations, targets = batch
    before = gather(activations, {grid: each * 2 for grid, each in targets.items()})
    found, merged = (
        gather(activations, targets, before),
        merge(before, gather(activations, targets)),
    )
    assert set(found) == set(merged)
    for cell, each in found.items():
        assert each.count == merged[cell].count
        assert torch.equal(each.mean, merged[cell].mean)
        assert torch.equal(each.scatter, merged[cell].scatter)
    del before["deep", 1]
    with pytest.raises(MomentsError, match="Only one of the two shards has layer deep at step 1"):
        gather(activations, targets, before)


def test_gather_names_layers_given_as_nouns(batch):
    activations, targets = batch
    layer = Layer(name="up.0.0", module="anywhere", channels=5, grid=(8, 6))
    assert set(gather({layer: activations["wide"]}, targets)) == {("up.0.0", s) for s in range(3)}


def test_rows_that_do_not_pair_up_are_refused(rows):
    with pytest.raises(MomentsError, match="1000 rows and labels have 999"):
        Moments.of(rows[0], rows[1][:-1])


@pytest.mark.parametrize(("column", "words"), [(2, "Channel 2"), (8, "Target 0")])
def test_values_that_are_not_finite_are_refused_by_column(rows, column, words):
    joint = torch.cat(rows, dim=1)
    joint[7, column] = torch.inf
    with pytest.raises(MomentsError, match=words):
        Moments.of(joint[:, :8], joint[:, 8:])


def test_a_layer_whose_grid_has_no_targets_is_refused(batch):
    activations, targets = batch
    with pytest.raises(MomentsError, match=r"wide has a grid of \(8, 6\)"):
        gather(activations, {(4, 3): targets[4, 3]})


def test_shards_with_different_cells_are_refused(batch):
    moments = gather(*batch)
    fewer = {cell: each for cell, each in moments.items() if cell[1] < 2}
    with pytest.raises(MomentsError, match="layer deep at step 2"):
        merge(moments, fewer)


@pytest.mark.parametrize("at_once", [1, 2**30])
def test_steps_folded_together_are_folded_each_by_itself(batch, at_once, monkeypatch):
    monkeypatch.setattr("underpaint.probes.moments.HERE_AT_ONCE", at_once)
    activations, targets = batch
    twice = gather(activations, targets, gather(activations, targets))
    for (name, step), found in twice.items():
        x = activations[name][step]
        own = Moments.of(to_rows(x), to_rows(targets[x.shape[-2:]]))
        expected = own + own
        assert found.count == expected.count
        torch.testing.assert_close(found.mean, expected.mean, rtol=1e-14, atol=1e-14)
        torch.testing.assert_close(found.scatter, expected.scatter, rtol=1e-12, atol=1e-12)
