"""Other splits of the same prompts: a second route, and the spread of what they found."""

from dataclasses import replace

import numpy as np
import pytest

from underpaint.core.prompts import split_prompts
from underpaint.runs import runs
from underpaint.study.splits import SOURCES, resplit
from underpaint.study.stages import carry_out
from worlds import study as whole_study


def nothing(*_):
    """Report to nobody."""


@pytest.fixture(scope="module")
def plain():
    """Plan a study without controls: what is split again is the probes alone."""
    return replace(
        whole_study(8), controls={}, sees_decoder=False, sees_halves=False, goes_beyond=False,
        looks_ahead=False, trains=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(plain):
    return resplit(plain, (1, 2, 3), nothing)


@pytest.mark.parametrize("seed", [1, 3])
def test_each_split_is_scored_as_a_run_of_its_own_would_be(plain, found, seed, tmp_path):
    """Second route: the whole study, with its own passes, on that split."""
    prompts = [*plain.split.train, *plain.split.validation, *plain.split.test]
    run = runs.open_run(tmp_path / "run", {})
    again = replace(plain, split=split_prompts(prompts, seed=seed))
    summary = carry_out(again, run, nothing)
    for name, own in found["properties"].items():
        for source in SOURCES:
            expected = summary["properties"][name]["sources"][source]
            each = own["sources"][source]
            assert each["layers"][seed - 1] == expected["layer"]
            mean = expected["final"]["mean"]
            assert each["final"]["each"][seed - 1] == pytest.approx(mean, abs=1e-5)


def test_the_spread_is_that_of_the_splits(found):
    assert found["count"] == 3
    for own in found["properties"].values():
        for each in own["sources"].values():
            last = each["final"]
            assert last["mean"] == pytest.approx(np.mean(last["each"]))
            assert last["sd"] == pytest.approx(np.std(last["each"], ddof=1))
            assert last["sd"] > 0
            assert last["each"][0] != last["each"][1]
