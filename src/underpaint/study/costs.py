"""What the parts of a study take: seconds by part, which come back with what was made."""

import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch

Seconds = Mapping[str, float]
"""Seconds by part: "generation", "labelling", "folding", …"""

CPU = torch.device("cpu")

FLOOR = ("generation", "decoding", "labelling")
"""Parts without which there is no study."""

Made = TypeVar("Made")


def timed(part: str, work: Callable[[], Made], device: torch.device) -> tuple[Made, Seconds]:
    """Do some work, until the device is through with it too; give the seconds beside what it made.

    A device works on after it was told what to do: it is waited for as far as this thread asked.
    """
    begun = time.perf_counter()
    made = work()
    finish(device)
    return made, {part: time.perf_counter() - begun}


def finish(device: torch.device) -> None:
    """Wait until a GPU has done what this thread told it to do."""
    if device.type == "cuda":
        mark = torch.cuda.Event()
        mark.record(torch.cuda.current_stream(device))
        mark.synchronize()


class Marks:
    """Tells parts of one thread's work apart without waiting for the device between them."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._parts: list[str] = []
        self._times = [self._now()]

    def __call__(self, part: str) -> None:
        """Say that what was asked of the device since the mark before was this part."""
        self._parts.append(part)
        self._times.append(self._now())

    def seconds(self) -> Seconds:
        """Wait for the device, and give the seconds of each part."""
        finish(self._device)
        pairs = zip(self._times[:-1], self._times[1:], strict=True)
        return total({part: _between(*pair)} for part, pair in zip(self._parts, pairs, strict=True))

    def _now(self) -> "float | torch.cuda.Event":
        if self._device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event


def _between(first: "float | torch.cuda.Event", last: "float | torch.cuda.Event") -> float:
    if isinstance(first, torch.cuda.Event) and isinstance(last, torch.cuda.Event):
        return first.elapsed_time(last) / 1000
    assert isinstance(first, float), "Marks are of one kind."
    assert isinstance(last, float), "Marks are of one kind."
    return last - first


def total(several: Iterable[Seconds]) -> dict[str, float]:
    """Add up seconds part by part."""
    sums: dict[str, float] = defaultdict(float)
    for seconds in several:
        for part, each in seconds.items():
            sums[part] += each
    return dict(sums)


def account(seconds: float, parts: Seconds) -> dict[str, Any]:
    """Hold seconds by wall clock against the parts behind them, and against the floor.

    Returns:
        `seconds`, `parts`, `floor`, the `ratio` of seconds to it (None where nothing was
        generated), and `overlapped`: by how much the parts add up to more than the wall clock, for
        they were done beside one another.
    """
    floor = sum(parts.get(part, 0.0) for part in FLOOR)
    return {
        "seconds": seconds,
        "parts": dict(parts),
        "floor": floor,
        "ratio": seconds / floor if floor else None,
        "overlapped": sum(parts.values()) - seconds,
    }


def peak_rss_mb() -> float:
    """Give the most memory this process has held. Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def peak_vram_mb(device: torch.device) -> float | None:
    """Give the most memory this process has held on a CUDA device; None on any other."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None
