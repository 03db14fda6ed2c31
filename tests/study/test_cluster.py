"""`--engine ray`: the numbers of one process, from two workers of which one is lost."""

import os
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from underpaint.core.errors import LabelError
from underpaint.runs import runs
from underpaint.study import cluster
from underpaint.study.stages import carry_out
from worlds import LOOK, brightness
from worlds import study as whole_study

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow  # starts a cluster of processes, which takes half a minute
KEYS = ["source", "property", "layer", "step", "metric", "image"]


def plan(batch):
    """Leave out the network that is trained on x̂₀: it draws the training pictures once more."""
    return replace(whole_study(batch), trains=False)


def killing(mark: Path, driver: int):
    """Make a labeler that kills the first worker that uses it three times."""
    used = []

    def read(images):
        used.append(len(images))
        if os.getpid() != driver and len(used) == 3:
            with suppress(FileExistsError):
                mark.touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)
        return brightness(images)

    return replace(LOOK, read=read)


def failing(images):
    raise LabelError("This labeler never works. Use another.")


@pytest.fixture
def importable(monkeypatch):
    """Let workers import what tests import, make shards small, and compute on one thread too."""
    here, others = str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, others]))
    monkeypatch.setattr(cluster, "SHARD", 8)
    monkeypatch.setattr(cluster, "ROUND", 2)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # Ray gives each worker one; more round otherwise
    yield
    torch.set_num_threads(threads)


def spread(planned, run, **how):
    """Carry a study out on two workers; give the summary and the stages that were told."""
    told = []

    def progress(stage, done, total):
        told.append((stage, done, total))

    def before():
        cluster.fill(planned, run, progress, lambda _line: None, workers=2)

    return carry_out(planned, run, progress, before=before, **how), told


def table(run):
    return runs.read_table(run.scores).astype(dict.fromkeys(KEYS, str)).set_index(KEYS)["value"]


def test_two_workers_of_which_one_is_lost_give_the_numbers_of_one_process(importable, tmp_path):
    alone = runs.open_run(tmp_path / "alone", {})
    carry_out(plan(8), alone, lambda *_: None)
    run, mark = runs.open_run(tmp_path / "spread", {}), tmp_path / "killed"
    planned = replace(plan(8), labelers=(killing(mark, os.getpid()),))
    summary, told = spread(planned, run)
    assert mark.exists()
    ours, theirs = table(run), table(alone)
    assert (ours.index == theirs.index).all()
    difference = (ours - theirs).abs()
    print("largest difference", difference.max())
    assert difference.max() <= 1e-6
    assert (ours.isna() == theirs.isna()).all()
    pictures = [
        {path.name: path.read_bytes() for path in (each.folder / "images").iterdir()}
        for each in (run, alone)
    ]
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) == 40
    shown = [sorted(path.name for path in each.shown.iterdir()) for each in (run, alone)]
    assert shown[0] == shown[1]
    assert len(shown[0]) == 2 * len(planned.split.test)  # each with its checksum
    held_out = len(planned.split.validation) + len(planned.split.test)
    assert told[-1] == ("held-out pictures", held_out, held_out)
    assert not run.shards.exists()
    assert summary["cost"]["overhead"] is None  # nothing was generated here


def test_an_error_on_a_worker_is_its_one_line_here(importable, tmp_path):
    run = runs.open_run(tmp_path / "run", {})
    planned = replace(plan(8), labelers=(replace(LOOK, read=failing),))
    with pytest.raises(LabelError, match=r"^This labeler never works. Use another.$"):
        spread(planned, run)
