"""Work beside the work: in order, errors as themselves, and the same bytes as without."""

import threading
import time
from dataclasses import replace

import pytest
import torch

from underpaint.core.errors import LabelError, RunError
from underpaint.runs import runs
from underpaint.study import batches, held_out, rival
from underpaint.study.lanes import lane
from underpaint.study.stages import carry_out
from worlds import LOOK, brightness
from worlds import study as plan


def test_pieces_are_done_in_order_on_another_thread_and_their_seconds_come_back():
    done = []
    with lane(ahead=2) as put:
        for number in range(6):
            put(lambda n=number: done.append((n, threading.current_thread())) or {"work": float(n)})
    assert [number for number, _ in done] == list(range(6))
    assert threading.current_thread() not in {thread for _, thread in done}
    assert put.seconds == {"work": 15}


def test_no_more_pieces_wait_than_are_allowed():
    gate, begun = threading.Event(), []

    def piece():
        begun.append(len(begun))
        gate.wait(5)
        return {}

    with lane(ahead=2) as put:
        put(piece)
        put(piece)  # the first is at work, the second waits: neither call was held up
        opener = threading.Timer(0.2, gate.set)
        opener.start()
        before = time.perf_counter()
        put(piece)
        assert time.perf_counter() - before > 0.1
    assert begun == [0, 1, 2]


@pytest.mark.parametrize("ahead", [0, 3])
def test_an_error_is_raised_as_itself_and_nothing_after_it_is_begun(ahead):
    done = []

    def fail():
        raise LabelError("no label")

    def work():
        with lane(ahead=ahead) as put:
            put(lambda: done.append("first") or {})
            put(fail)
            put(lambda: done.append("after") or {})

    with pytest.raises(LabelError, match=r"^no label$"):
        work()
    assert done == ["first"]


def test_where_the_block_fails_what_was_begun_is_finished_and_the_rest_dropped():
    begun, done = threading.Event(), []

    def slow():
        begun.set()
        time.sleep(0.1)
        done.append("slow")
        return {}

    def work():
        with lane(ahead=5) as put:
            put(slow)
            put(lambda: done.append("dropped") or {})
            begun.wait(5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["slow"]
    assert not [each for each in threading.enumerate() if each.name.startswith("underpaint")]


# Four threads on two cores: slow, and another order of events.
@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_scoring_beside_generation_gives_the_same_bytes_as_after_it(tmp_path, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = []
        for overlaps in (False, True):
            run = runs.open_run(tmp_path / str(overlaps), {})
            summary = carry_out(replace(plan(8), overlaps=overlaps), run, lambda *_: None)
            pictures = sorted((run.folder / "images").iterdir())
            files = [run.moments, run.probes, run.scores, *pictures]
            found.append((summary["properties"], [each.read_bytes() for each in files]))
            assert len(pictures) == 40
            assert not run.shards.exists()
        assert found[0] == found[1]
    finally:
        torch.set_num_threads(before)


def test_what_fails_while_scoring_is_raised_as_itself_and_the_run_goes_on(tmp_path):
    run, seen = runs.open_run(tmp_path / "run", {}), []

    def read(images):
        seen.append(threading.current_thread())
        if threading.current_thread() is not threading.main_thread() and len(seen) > 12:
            raise LabelError("This labeler is tired.")
        return brightness(images)

    tired = replace(plan(8), labelers=(replace(LOOK, read=read),), overlaps=True)
    with pytest.raises(LabelError, match=r"^This labeler is tired\.$"):
        carry_out(tired, run, lambda *_: None)
    assert run.moments.exists()
    assert not run.scores.exists()
    carry_out(replace(plan(8), overlaps=True), run, lambda *_: None)
    whole = runs.open_run(tmp_path / "whole", {})
    carry_out(plan(8), whole, lambda *_: None)
    assert run.scores.read_bytes() == whole.scores.read_bytes()


def test_what_cannot_be_written_is_raised_as_itself(tmp_path, monkeypatch):
    def full(*_):
        raise RunError("No space left.")

    monkeypatch.setattr(held_out, "write_held", full)
    run = runs.open_run(tmp_path / "run", {})
    with pytest.raises(RunError, match=r"^No space left\.$"):
        carry_out(replace(plan(8), overlaps=True), run, lambda *_: None)


def test_what_networks_learn_from_is_waited_for_and_not_drawn_again(tmp_path, monkeypatch):
    drawn, write = [], rival.write_seen
    generate = batches.trace

    def slowly(path, *what):
        time.sleep(4.0 if "training-0000016" in path.name else 0.0)  # fitting is sooner done
        return write(path, *what)

    def counted(model, prompts, **how):
        drawn.extend(prompts)
        return generate(model, prompts, **how)

    monkeypatch.setattr(rival, "write_seen", slowly)
    monkeypatch.setattr(batches, "trace", counted)
    run = runs.open_run(tmp_path / "run", {})
    carry_out(replace(plan(32), overlaps=True, controls={}), run, lambda *_: None)
    assert len(drawn) == 40
