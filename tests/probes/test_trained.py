"""The network on x̂₀: it learns what no linear map can, and the same seed gives the same one."""

import pytest
import torch
from sklearn.linear_model import LinearRegression

from underpaint.probes.trained import TrainedProbe, train


def scenes(seed, images):
    """Draw maps that are the product of two channels: nothing linear in either."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(images, 2, 4, 4, generator=draw) + 3
    return x, (x[:, :1] - 3) * (x[:, 1:] - 3)


@pytest.fixture(scope="module")
def network():
    return train(*scenes(0, 256), scenes(1, 64), seed=0)


def test_it_learns_what_no_linear_map_can(network):
    x, y = scenes(2, 64)
    left = (network(x) - y).square().mean() / y.var()
    flat = x.permute(0, 2, 3, 1).flatten(0, 2).numpy(), y.flatten().numpy()
    assert left < 0.3
    assert LinearRegression().fit(*flat).score(*flat) < 0.05


def test_a_seed_gives_one_network_and_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    some = [train(*scenes(0, 32), scenes(1, 8), seed=4, epochs=2) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    x, _ = scenes(2, 4)
    assert torch.equal(some[0](x), some[1](x))


def test_unknown_pixels_teach_nothing():
    x, y = scenes(0, 32)
    y[:, :, 0] = float("nan")
    read = TrainedProbe(train(x, y, (x, y), seed=0, epochs=2), slice(0, 1))(x)
    assert read.isfinite().all()
    assert read.dtype == torch.float64
