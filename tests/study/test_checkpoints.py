"""A run that was cut goes on from what is whole, and ends as if it never had been."""

import multiprocessing
import time

import pytest
import torch

from underpaint.core.errors import RunError
from underpaint.core.files import held, is_whole, write_sealed
from underpaint.probes.moments import MeanMap, Moments
from underpaint.runs import runs
from underpaint.study import batches, training
from underpaint.study.checkpoints import read_sums, write_sums
from underpaint.study.folding import Sums
from underpaint.study.stages import carry_out
from worlds import study as plan

CPU = torch.device("cpu")


class Cut(Exception):
    """What stands for a kill between two writes."""


def nothing(*_):
    """Report to nobody."""


def without_cost(summary):
    return {name: value for name, value in summary.items() if name != "cost"}


def kept_to_show(run):
    return {path.name: path.read_bytes() for path in run.shown.iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    run = runs.open_run(tmp_path_factory.mktemp("runs") / "run", {})
    return run, carry_out(plan(8), run, nothing)


@pytest.fixture
def counted(monkeypatch):
    """Count pictures that are generated; `limit` cuts the run before more of them."""
    real = batches.trace
    seen = {"pictures": 0, "limit": 1000}

    def trace(model, prompts, **how):
        if seen["pictures"] + len(prompts) > seen["limit"]:
            raise Cut
        seen["pictures"] += len(prompts)
        return real(model, prompts, **how)

    monkeypatch.setattr(batches, "trace", trace)
    monkeypatch.setattr(training, "SUMS_PER_S", float("inf"))  # after every batch
    return seen


@pytest.mark.parametrize("limit", [3, 19, 24, 38])
def test_a_cut_run_goes_on_and_ends_the_same_to_the_last_digit(limit, whole, tmp_path, counted):
    run = runs.open_run(tmp_path / "run", {})
    counted["limit"] = limit
    with pytest.raises(Cut):
        carry_out(plan(8), run, nothing)
    done, counted["limit"] = counted["pictures"], 1000
    summary = carry_out(plan(8), run, nothing)
    assert done == limit
    assert counted["pictures"] == 40  # nothing finished is drawn twice
    assert without_cost(summary) == without_cost(whole[1])
    assert run.scores.read_bytes() == whole[0].scores.read_bytes()
    assert kept_to_show(run) == kept_to_show(whole[0])
    assert not run.shards.exists()


def test_what_is_shown_is_kept_again_where_it_is_damaged(whole, tmp_path, counted):
    run = runs.open_run(tmp_path / "run", {})
    counted["limit"] = 40 - len(plan(8).split.test) % 8
    with pytest.raises(Cut):
        carry_out(plan(8), run, nothing)
    shown = sorted(run.shown.glob("*.safetensors"))
    shown[0].unlink()
    shown[1].write_bytes(shown[1].read_bytes()[:-1])
    counted["limit"], lines = 1000, []
    carry_out(plan(8), run, nothing, lines.append)
    assert [line.split(" ")[0] for line in lines] == [str(shown[1])]
    assert kept_to_show(run) == kept_to_show(whole[0])
    assert run.scores.read_bytes() == whole[0].scores.read_bytes()


@pytest.mark.parametrize("damage", ["cut", "flip", "seal"])
def test_a_damaged_shard_is_said_and_done_again(damage, whole, tmp_path, counted):
    run = runs.open_run(tmp_path / "run", {})
    counted["limit"] = 38
    with pytest.raises(Cut):
        carry_out(plan(8), run, nothing)
    (run.folder / "moments.safetensors.sha256").unlink()  # the sums too must be had again
    paths = sorted(run.shards.glob("validation-*.safetensors"))
    paths += sorted(run.shards.glob("scores-*.parquet"))
    assert len(paths) == 3
    for path in paths:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= damage == "flip"
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
        if damage == "seal":
            path.with_name(path.name + ".sha256").write_text("0" * 64)
    counted["limit"], lines = 1000, []
    summary = carry_out(plan(8), run, nothing, lines.append)
    assert without_cost(summary) == without_cost(whole[1])
    assert sum("damaged; what it held is done again" in line for line in lines) >= len(paths)


def test_what_networks_are_trained_on_is_drawn_again_where_it_is_damaged(whole, tmp_path, counted):
    run = runs.open_run(tmp_path / "run", {})
    counted["limit"] = 24  # training pictures are folded, no others are drawn
    with pytest.raises(Cut):
        carry_out(plan(8), run, nothing)
    (path, *_) = sorted(run.shards.glob("seen-training-*.safetensors"))
    path.write_bytes(path.read_bytes()[:-1])
    counted["limit"], lines = 1000, []
    summary = carry_out(plan(8), run, nothing, lines.append)
    assert counted["pictures"] == 40 + 8
    assert [line.split(" ")[0] for line in lines] == [str(path)]
    assert without_cost(summary) == without_cost(whole[1])


def test_damaged_sums_leave_the_state_before_them(tmp_path):
    run = runs.open_run(tmp_path / "run", {})
    rows = torch.randn(50, 3).double()
    for images in (8, 16, 24):
        sums = {("up.0", 0): Moments.of(rows[:images], rows[:images])}
        place = {"depth": MeanMap(images, rows[:1, None, :].clone())}
        write_sums(run, "training", Sums(images, sums, place, rows[None, 1:2, :, None]))
    assert [path.name for path in sorted(run.shards.glob("*.safetensors"))] == [
        "training-0000016.safetensors",
        "training-0000024.safetensors",
    ]
    (run.shards / "training-0000024.safetensors").write_bytes(b"")
    found = read_sums(run, "training", CPU, nothing)
    assert found.images == 16
    expected = Moments.of(rows[:16], rows[:16])
    assert torch.equal(found.moments["up.0", 0].scatter, expected.scatter)


def test_a_finished_run_that_was_damaged_is_mended(whole, tmp_path):
    run = runs.open_run(tmp_path / "run", {})
    carry_out(plan(8), run, nothing)
    content = bytearray(run.moments.read_bytes())
    content[-1] ^= 1
    run.moments.write_bytes(content)
    run.probes.unlink()
    summary = carry_out(plan(8), run, nothing)
    assert without_cost(summary) == without_cost(whole[1])
    assert run.moments.read_bytes() == whole[0].moments.read_bytes()
    assert run.probes.read_bytes() == whole[0].probes.read_bytes()


def test_what_other_commands_wrote_survives_another_run(whole):
    run, summary = whole
    runs.update_summary(run, {"edits": [1], "pick": {"a": 2}})
    again = carry_out(plan(8), run, nothing)
    assert again["edits"] == [1]
    assert again["pick"] == {"a": 2}
    assert again["cost"]["overhead"] is None  # nothing was generated
    assert again["properties"] == summary["properties"]


def test_a_seal_is_what_sha256sum_reads(tmp_path):
    write_sealed(tmp_path / "a", lambda path: path.write_text("abc"))
    assert (tmp_path / "a.sha256").read_text() == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n"
    )
    assert is_whole(tmp_path / "a")
    (tmp_path / "a").write_text("abd")
    assert not is_whole(tmp_path / "a")


def hold(folder):
    with held(folder):
        (folder / "held").touch()
        time.sleep(60)


def test_a_folder_that_another_process_writes_is_refused_until_that_is_killed(tmp_path):
    run = runs.open_run(tmp_path / "run", {})
    other = multiprocessing.get_context("spawn").Process(target=hold, args=(run.folder,))
    other.start()
    try:
        while other.is_alive() and not (run.folder / "held").exists():
            time.sleep(0.05)
        with pytest.raises(RunError, match="Another process is writing"):
            carry_out(plan(8), run, nothing)
        with pytest.raises(RunError, match="Another process is writing"):
            runs.open_run(run.folder, {})
    finally:
        other.kill()
        other.join()
    runs.open_run(run.folder, {})


def test_a_run_that_was_killed_before_its_first_line_can_begin(tmp_path):
    (tmp_path / ".lock").touch()
    (tmp_path / "run.json.part").write_text("{")
    assert runs.open_run(tmp_path, {"steps": 1}).settings.exists()


@pytest.mark.parametrize("content", ["", '{"schema": 1,', "[1]", "\0\0"])
def test_damaged_settings_are_one_clear_line(content, tmp_path):
    run = runs.open_run(tmp_path / "run", {"steps": 1})
    run.settings.write_text(content)
    with pytest.raises(RunError, match=r"run\.json is damaged .*nothing says what") as caught:
        runs.open_run(run.folder, {"steps": 1})
    assert "\n" not in str(caught.value)
