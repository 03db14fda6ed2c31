"""What `bench` prints of how much a GPU worked."""

import json

import pytest
from click.testing import CliRunner

from underpaint.cli import bench as cli_bench
from underpaint.cli.main import main


@pytest.fixture
def bench(monkeypatch):
    """Print what a GPU of known shares, or a processor, would have been measured to do."""

    def printed(shares, of_study, *more):
        found = {"overhead": 1.02, "gpu_share": shares}
        cost = {"parts": {"generation": 2.0}, "overlapped": 0.0, "seconds": 2.5, "floor": 2.0}
        side = {**cost, "ratio": 1.25}
        study = {"pictures": 64, "count": 617, "labelers": {}, "forecast": side}
        study["measured"] = {**side, "gpu_share": of_study}
        monkeypatch.setattr(cli_bench, "compare", lambda *_, **__: dict(found))
        monkeypatch.setattr(cli_bench, "forecast", lambda *_, **__: study)
        words = ["bench", "--count", "617", *more]
        return CliRunner().invoke(main, words, catch_exceptions=False).stdout

    return printed


def test_the_share_that_a_gpu_worked_is_in_both_tables_and_in_json(bench):
    told = bench({"bare": 0.834, "fold": 0.5}, 0.91)
    lines = [line.split() for line in told.splitlines() if line.startswith("GPU worked")]
    assert lines == [["GPU", "worked", "bare", "83%,", "fold", "50%"], ["GPU", "worked", "91%"]]
    found = json.loads(bench({"bare": 0.834}, 0.91, "--json"))
    assert (found["gpu_share"], found["study"]["measured"]["gpu_share"]) == ({"bare": 0.834}, 0.91)


def test_on_a_processor_it_is_said_not_to_be_measured(bench):
    told = [line.split(maxsplit=2) for line in bench(None, None).splitlines()]
    assert [line[1:] for line in told if line[:1] == ["GPU"]] == [["worked", "not measured"]] * 2
