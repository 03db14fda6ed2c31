"""The share of the time that a GPU worked, where that is known."""

import time

import pytest
import torch
from benchmarks.speed import Gpu

from underpaint.study.lanes import lane
from underpaint.study.occupancy import Occupancy, looking, watched


class Planned:
    """A stream that has work left in its hours, on a clock that the test moves."""

    def __init__(self, *hours):
        self.hours, self.now = hours, 0.0

    def query(self):
        return not any(first <= self.now < last for first, last in self.hours)


def share_of(*streams, seconds):
    seen = Occupancy()
    for each in streams:
        seen.add(each)
    for tick in range(1000 * seconds + 1):
        for each in streams:
            each.now = tick / 1000
        seen.look(tick / 1000)
    return seen.share


def test_the_share_is_that_of_the_hours_with_work():
    assert share_of(Planned((1, 3), (6, 7)), seconds=10) == pytest.approx(0.3, abs=1e-9)
    assert share_of(Planned(), seconds=10) == 0
    assert share_of(Planned((-1, 11)), seconds=10) == 1


def test_streams_that_work_at_once_count_once():
    both = Planned((1, 5)), Planned((3, 7))
    assert share_of(*both, seconds=10) == pytest.approx(0.6, abs=1e-9)


def test_looks_that_come_late_count_for_the_time_since_the_one_before():
    seen, stream = Occupancy(), Planned((0, 4))
    seen.add(stream)
    for at in (0.0, 1.0, 3.0, 7.0, 8.0):
        stream.now = at
        seen.look(at)
    assert seen.share == (3 + 4 / 2) / 8  # between 3 and 7 it was seen to work once of twice


def test_what_is_watched_is_what_a_stand_in_for_a_gpu_worked():
    gpu, seen = Gpu(), Occupancy()
    seen.add(gpu)
    begun = time.perf_counter()
    with looking(seen):
        for _ in range(3):
            gpu.work("generation", 0.2)
            gpu.wait()
            time.sleep(0.3)
    worked = sum(gpu.worked.values()) / (time.perf_counter() - begun)
    assert seen.share == pytest.approx(worked, abs=0.06)


def test_a_watch_is_over_where_the_work_fails_and_where_the_gpu_does():
    class Broken:
        def query(self):
            raise RuntimeError("CUDA error")

    seen = Occupancy()
    seen.add(Broken())

    def fail():
        with looking(seen):
            time.sleep(0.05)
            raise ValueError("work")

    with pytest.raises(ValueError, match="work"):
        fail()
    assert seen.share is None


def test_on_a_processor_nothing_is_measured():
    with watched(torch.device("cpu")) as seen, lane(ahead=1, watch=seen) as put:
        put(lambda: {})
    assert seen.share is None
