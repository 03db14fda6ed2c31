"""Erasure: planted truth on rows whose linear content is known; the command on a random model."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

import worlds
from underpaint.cli import erase as cli_erase
from underpaint.cli import moved as cli_moved
from underpaint.cli.main import main
from underpaint.core.errors import EditError
from underpaint.core.prompts import Prompt
from underpaint.models.layers import find_layers
from underpaint.models.traces import trace
from underpaint.probes.moments import Moments
from underpaint.probes.probes import ridge_path
from underpaint.runs import runs
from underpaint.steering.erasers import erasers_of, erasing_taps, leace, random_like

CHANNELS, ROWS = 12, 4000
ERASED, KEPT = slice(0, 2), slice(2, 3)


def draw(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.fixture(scope="module")
def planted():
    """Rows that hold two targets to be erased and one to be kept, among noise of uneven size."""
    y = draw(ROWS, 3, seed=0)
    y = torch.linalg.qr(y - y.mean(dim=0))[0] * ROWS**0.5  # uncorrelated to the last digit
    noise = draw(ROWS, CHANNELS, seed=1) * torch.logspace(-2, 1, CHANNELS, dtype=torch.float64)
    noise = noise - y @ (y.mT @ noise) / ROWS  # and with the noise
    return y @ draw(3, CHANNELS, seed=2) + noise + 5.0, y


def explained(x, y):
    weight, bias = ridge_path(Moments.of(x, y), x.shape[1], torch.tensor([1e-9]).double())
    left = y - (x @ weight[0] + bias[0])
    return 1 - left.square().sum(dim=0) / (y - y.mean(dim=0)).square().sum(dim=0)


def test_after_erasure_no_linear_probe_beats_the_mean(planted):
    x, y = planted
    eraser = leace(Moments.of(x, y), CHANNELS, ERASED)
    before, after = explained(x, y), explained(eraser(x), y)
    assert (before > 0.5).all()
    assert after[ERASED].abs().max() < 1e-9
    assert after[KEPT].item() == pytest.approx(before[KEPT].item(), abs=1e-4)


def test_erasing_twice_is_erasing_once_and_the_mean_stays(planted):
    x, y = planted
    eraser = leace(Moments.of(x, y), CHANNELS, ERASED)
    once = eraser(x)
    torch.testing.assert_close(eraser(once), once, atol=1e-9, rtol=0)
    torch.testing.assert_close(once.mean(dim=0), x.mean(dim=0), atol=1e-9, rtol=0)
    assert eraser.read.shape[1] == 2


def test_what_does_not_go_with_the_property_is_left_as_it_is(planted):
    x, y = planted
    eraser = leace(Moments.of(x, y), CHANNELS, ERASED)
    moments = Moments.of(x, y)
    cross = moments.scatter[:CHANNELS, CHANNELS:][:, ERASED]
    free = torch.linalg.svd(cross.mT)[2][2:]  # readings along which nothing of it shows
    torch.testing.assert_close(eraser(x) @ free.mT, x @ free.mT, atol=1e-8, rtol=0)


def test_no_smaller_change_erases_as_much(planted):
    x, y = planted
    moments = Moments.of(x, y)
    change = (leace(moments, CHANNELS, ERASED)(x) - x).square().sum(dim=1).mean()
    # The orthogonal projection off the covariance erases too, and moves activations farther.
    q, _ = torch.linalg.qr(moments.scatter[:CHANNELS, CHANNELS:][:, ERASED])
    other = x - (x - x.mean(dim=0)) @ q @ q.mT
    assert explained(other, y)[ERASED].abs().max() < 1e-9
    assert change < (other - x).square().sum(dim=1).mean()


def test_the_random_control_takes_as_many_dimensions_and_as_much_variance(planted):
    x, y = planted
    moments = Moments.of(x, y)
    own = leace(moments, CHANNELS, ERASED)
    for seed in range(5):
        other = random_like(torch.Generator().manual_seed(seed))(moments, CHANNELS, ERASED)
        taken = [
            torch.cov((x - each(x)).mT, correction=0).diagonal().sum() for each in (own, other)
        ]
        assert other.read.shape == own.read.shape
        assert taken[1].item() == pytest.approx(taken[0].item(), rel=1e-6)
        assert other.variance == pytest.approx(own.variance)
        torch.testing.assert_close(other(other(x)), other(x), atol=1e-8, rtol=0)
        assert explained(other(x), y)[ERASED].min() > 1e-3  # not erased


def test_a_property_that_nothing_goes_with_cannot_be_erased():
    x, y = draw(50, 4, seed=0), torch.ones(50, 1, dtype=torch.float64)
    with pytest.raises(EditError, match="nothing to erase"):
        leace(Moments.of(x, y), 4, slice(0, 1))


def test_taps_erase_at_their_steps_alone_and_in_both_halves(model, finished):
    layers = find_layers(model)[-1:]
    moments = runs.read_moments(finished, model.device)[0]["training"]
    erasers = erasers_of(moments, slice(1, 2), leace, layers=layers, steps=[1])
    prompts = [Prompt("a red cone", seed) for seed in range(3)]
    taps = erasing_taps(erasers, layers=layers, images=3)
    kept = {"steps": worlds.STEPS, "guidance": 3.0, "layers": layers}
    plain, erased = (trace(model, prompts, edits=each, **kept) for each in ({}, taps))
    (layer,) = layers
    assert torch.equal(plain.activations[layer][0], erased.activations[layer][0])
    rows = plain.activations[layer][1].permute(0, 2, 3, 1)
    expected = erasers[layer.name, 1][0](rows).permute(0, 3, 1, 2)
    torch.testing.assert_close(
        erased.activations[layer][1].double(), expected, atol=1e-5, rtol=1e-4
    )
    assert not torch.equal(plain.images, erased.images)
    seen = torch.stack([draw(2, layer.channels, seed=seed).float() for seed in range(6)])
    torch.testing.assert_close(
        taps[layer](1, seen).double(), erasers[layer.name, 1][0](seen), atol=1e-5, rtol=1e-5
    )
    assert taps[layer](0, seen) is None


@pytest.fixture
def command(run, monkeypatch):
    monkeypatch.setattr(cli_moved, "load_as", lambda *_, **__: worlds.model())
    monkeypatch.setattr(cli_erase, "labelers_for", lambda *_: (worlds.BRIGHTEST,))
    monkeypatch.setattr(cli_erase, "namers_for", lambda *_: {"object": worlds.NAMER})
    return lambda *asked: CliRunner().invoke(main, ["erase", str(run.folder), *map(str, asked)])


def test_the_command_says_what_each_range_of_steps_loses(command, run):
    for _ in range(2):
        result = command("--steps", "1", "--steps", "2", "--property", "shading")
        assert result.exit_code == 0, result.output
    result = command("--limit", 2)
    assert result.exit_code == 0, result.output
    rows = pd.read_parquet(run.folder / "erasures.parquet")
    tests = len(runs.read_split(run, "test"))
    assert rows.groupby("property").size().to_dict() == {"shading": 4 * tests, "depth": 8}
    summary = runs.read_json(run.summary)
    json.dumps(summary["erase"], allow_nan=False)
    first = summary["erase"][0]
    assert (first["property"], first["steps"], first["images"]) == ("shading", [1, 1], tests)
    same = first["same_shading"]
    assert same["lost"]["mean"] == pytest.approx(same["random"]["mean"] - same["erased"]["mean"])
    own = rows[(rows["property"] == "shading") & (rows["first_step"] == 0)]
    shares = own.groupby("control")["kid"].mean()
    assert first["kid"]["erased"]["mean"] == pytest.approx(shares["none"])
    assert np.isfinite(own["same_depth"]).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--property", "albedo"], "The run has no labels of 'albedo'; it has saliency, depth"),
        (["--steps", "3"], "is no span of this run's steps 1 to 2"),
        (["--layers", "side.*"], "No layer matches 'side.*'"),
        (["--limit", 0], "Invalid value for '--limit'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_the_run_alone(command, run, arguments, words):
    result = command(*arguments)
    assert result.exit_code == (2 if words.startswith("Invalid value") else 1)
    assert words in result.output
    assert not (run.folder / "erasures.parquet").exists()
