"""What the parts of a study take: seconds by part, which come back with what was made."""

import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import torch

Seconds = Mapping[str, float]
"""Seconds by part: "generation", "labelling", "folding", …"""

CPU = torch.device("cpu")

Made = TypeVar("Made")


def timed(part: str, work: Callable[[], Made], device: torch.device) -> tuple[Made, Seconds]:
    """Do some work, until the device is through with it too; give the seconds beside what it made.

    A device works on after it was told what to do: it is waited for as far as this thread asked.
    """
    begun = time.perf_counter()
    made = work()
    if device.type == "cuda":
        mark = torch.cuda.Event()
        mark.record(torch.cuda.current_stream(device))
        mark.synchronize()
    return made, {part: time.perf_counter() - begun}


def total(several: Iterable[Seconds]) -> dict[str, float]:
    """Add up seconds part by part."""
    sums: dict[str, float] = defaultdict(float)
    for seconds in several:
        for part, each in seconds.items():
            sums[part] += each
    return dict(sums)


def peak_rss_mb() -> float:
    """Give the most memory this process has held. Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def peak_vram_mb(device: torch.device) -> float | None:
    """Give the most memory this process has held on a CUDA device; None on any other."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None
