"""What is added beyond what is known, against planted answers and by a second route."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from underpaint.probes.beyond import INFINITE, fit_beside
from underpaint.probes.joint import blocks_of, neighbours, onto, partners, projection
from underpaint.probes.moments import Moments

FREE, KNOWN, ADDED = [0], [1, 2, 3], [4, 5]
TARGETS = {"from known": [0], "from added": [1], "from both": [2]}
AT = {name: [6 + at for at in own] for name, own in TARGETS.items()}


def rows(seed, count=4000):
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 6, generator=draw, dtype=torch.float64)
    x[:, 4] += x[:, 1]  # what is added repeats some of what is known
    noise = 0.1 * torch.randn(count, 3, generator=draw, dtype=torch.float64)
    y = torch.stack([x[:, 1] + x[:, 0], x[:, 5] + x[:, 0], x[:, 2] + x[:, 4]], dim=1) + noise
    return x, y


@pytest.fixture(scope="module")
def parts():
    return Moments.of(*rows(0)), Moments.of(*rows(1))


def of(parts, added, known, **more):
    return fit_beside(*parts, added, free=FREE, known=known, targets=AT, **more)


def test_what_is_added_is_worth_what_was_planted(parts):
    alone = of(parts, {"z": KNOWN}, [])
    penalties = {name: alone["z", name].penalty for name in AT}
    both = of(parts, {"x": ADDED}, KNOWN, known_penalties=penalties)
    left = {name: (alone["z", name].error, both["x", name].error) for name in AT}
    assert left["from known"][0] == pytest.approx(left["from known"][1], rel=0.01)
    for name in ("from added", "from both"):
        assert left[name][0] > 0.9
        assert left[name][1] < 0.02


def test_with_hardly_a_penalty_it_is_least_squares(parts):
    found = of(parts, {"x": ADDED}, KNOWN, known_penalties=dict.fromkeys(AT, 1e-12),
               relative_penalties=(1e-12,))  # fmt: skip
    x, y = rows(0)
    for name, (at,) in list(TARGETS.items())[1:]:  # to the first, X adds nothing and gets 0
        plain = LinearRegression().fit(x.numpy(), y[:, at].numpy())
        fit = found["x", name]
        np.testing.assert_allclose(fit.weights[:, 0].numpy(), plain.coef_, atol=1e-6)
        np.testing.assert_allclose(float(fit.bias[0]), plain.intercept_, atol=1e-6)


def test_two_penalties_at_once_are_solved_exactly(parts):
    """Second route: ridge by augmented rows, a penalty for each column."""
    given = of(parts, {"x": ADDED}, KNOWN, known_penalties=dict.fromkeys(AT, 0.3),
               relative_penalties=(0.05,))  # fmt: skip
    x, y = rows(0)
    strength = torch.tensor([0, 0.3, 0.3, 0.3, 0.05, 0.05]).double() * len(x)
    centred, targets = x - x.mean(0), y - y.mean(0)
    exact = torch.linalg.solve(centred.mT @ centred + strength.diag(), centred.mT @ targets)
    for name, (at,) in TARGETS.items():
        if given["x", name].penalty != INFINITE:
            torch.testing.assert_close(given["x", name].weights[:, 0], exact[:, at])


def test_noise_is_given_an_infinite_penalty_or_next_to_no_weight():
    draw = torch.Generator().manual_seed(5)
    both = []
    for seed in (0, 1):
        x, y = rows(seed, 500)
        x[:, 4:] = torch.randn(500, 2, generator=draw)
        both.append(Moments.of(x, y[:, :1]))
    fit = fit_beside(*both, {"x": ADDED}, free=FREE, known=KNOWN, targets={"y": [6]},
                     known_penalties={"y": 1e-6})["x", "y"]  # fmt: skip
    assert fit.weights[4:].abs().max() < 0.02


def test_blocks_follow_one_another():
    blocks = blocks_of([("a", 3), ("b", 0), ("c", 2)])
    assert [(each.name, each.part, each.width) for each in blocks] == [
        ("a", slice(0, 3), 3), ("b", slice(3, 3), 0), ("c", slice(3, 5), 2)
    ]  # fmt: skip


def test_maps_are_brought_to_a_grid_by_means_or_by_nearest_cells():
    maps = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert onto(maps, (2, 2)).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert torch.equal(onto(onto(maps, (8, 8)), (4, 4)), maps)


def test_neighbours_are_seen_and_the_border_stands_for_what_is_beyond():
    maps = torch.arange(9.0).reshape(1, 1, 3, 3)
    seen = neighbours(maps, 1)
    assert seen[0, :, 1, 1].tolist() == list(range(9))
    assert seen[0, :, 0, 0].tolist() == [0, 0, 1, 0, 0, 1, 3, 3, 4]


def test_a_projection_keeps_what_many_channels_carry():
    """Half of 256 noisy channels carry a signal: it is read through 64 directions at random."""
    draw = torch.Generator().manual_seed(3)
    y = torch.randn(8000, 1, generator=draw)
    x = y * (torch.arange(256) % 2) * 0.5 + torch.randn(8000, 256, generator=draw)
    assert projection(64, 64, seed=0) is None
    narrow = projection(256, 64, seed=0)
    assert narrow is not None
    assert torch.equal(narrow, projection(256, 64, seed=0))
    torch.testing.assert_close(narrow.mT @ narrow, torch.eye(64), atol=1e-5, rtol=0)
    explained = []
    for seen in (x, x @ narrow):
        fit = LinearRegression().fit(seen[:4000].numpy(), y[:4000].numpy())
        explained.append(fit.score(seen[4000:].numpy(), y[4000:].numpy()))
    assert explained[0] > 0.95
    assert explained[0] - explained[1] < 0.12


def test_partners_are_near_in_words_and_each_is_chosen_once():
    texts = [
        "a red cone on grass",
        "a blue ball on sand",
        "a red cone on sand",
        "a blue ball on sand",
    ]
    chosen = partners(texts)
    assert sorted(chosen) == [0, 1, 2, 3]
    assert all(at != own for own, at in enumerate(chosen))
    assert chosen[1] == 3 or chosen[3] == 1
