import pytest
import torch
from sklearn.linear_model import Ridge

from underpaint.core.arrays import to_rows
from underpaint.probes.moments import Moments
from underpaint.probes.places import COUNT, fit_placed, waves

GRID, CHANNELS = (6, 5), 4


def rows(seed, *, images, noise=0.0):
    """Plant a map that is partly the activation's and partly the place's."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(images, CHANNELS, *GRID, generator=generator, dtype=torch.float64)
    shape = waves(GRID)
    x = x + 3 * shape[:CHANNELS]  # activations know something of their place too
    y = 2 * x[:, :1] - x[:, 1:2] + 5 * shape[7] + shape[0] + 0.5
    y = y + noise * torch.randn(y.shape, generator=generator, dtype=torch.float64)
    return x, y, shape.expand(images, -1, -1, -1)


def moments(x, y, shape):
    return {("up.0", 0): Moments.of(to_rows(x), to_rows(torch.cat([y, shape], dim=1)))}


def fitted(train, held_out, penalties=(1e-6, 1e-2)):
    found = fit_placed(
        moments(*train), moments(*held_out), {"depth": slice(0, 1)},
        targets=1 + COUNT, grids={"up.0": GRID}, relative_penalties=penalties,
    )  # fmt: skip
    return found["depth", "up.0", 0]


@pytest.mark.parametrize("grid", [(2, 2), (4, 4), (16, 9)])
def test_waves_are_orthogonal_and_have_no_mean(grid):
    found = waves(grid).flatten(1)
    products = found @ found.mT
    assert found.shape == (COUNT, grid[0] * grid[1])
    assert (products - products.diagonal().diag()).abs().max() < 1e-12
    assert found.mean(dim=1).abs().max() < 1e-12


def test_a_map_of_activation_and_place_is_read_exactly():
    probe = fitted(rows(0, images=20), rows(1, images=8))
    x, y, _ = rows(2, images=5)
    assert (probe(x) - y).abs().max() < 1e-3
    assert probe.place is not None
    torch.testing.assert_close(probe.weight[:2, 0], torch.tensor([2.0, -1.0]).double(), rtol=1e-3,
                               atol=1e-3)  # fmt: skip


def test_the_place_is_not_penalised_and_the_activation_is():
    x, y, shape = rows(0, images=20, noise=0.3)
    probe = fitted((x, y, shape), rows(1, images=8), penalties=(0.5,))
    # The same by rows: a ridge on what a regression on the waves leaves of both.
    ones = torch.ones(len(to_rows(x)), 1, dtype=torch.float64)
    p = torch.cat([to_rows(shape), ones], dim=1)
    left = [each - p @ torch.linalg.lstsq(p, each).solution for each in (to_rows(x), to_rows(y))]
    known = Ridge(alpha=len(ones) * probe.penalty, fit_intercept=False).fit(*left)
    torch.testing.assert_close(probe.weight[:, 0], torch.from_numpy(known.coef_).reshape(-1))
    rest = to_rows(y) - to_rows(x) @ probe.weight
    offset = to_rows(probe.offset().expand(20, -1, -1, -1))
    torch.testing.assert_close(offset, p @ torch.linalg.lstsq(p, rest).solution)


def test_where_activations_are_noise_the_place_is_all_that_is_read():
    generator = torch.Generator().manual_seed(3)
    x, _, shape = rows(0, images=30)
    x = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    y = shape[:, 3:4] + 0.1 * torch.randn(30, 1, *GRID, generator=generator, dtype=torch.float64)
    probe = fitted((x[:20], y[:20], shape[:20]), (x[20:], y[20:], shape[20:]))
    assert probe.weight.abs().max() < 0.02
    assert (probe.offset()[0] - shape[0, 3]).abs().max() < 0.1
