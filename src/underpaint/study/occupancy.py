"""The share of the time that a GPU worked: its streams are asked, again and again, for work left.

Between two looks a stream that had work at both worked, one that had some at one of them worked
half the time. What a kernel fills of the GPU is not seen: a GPU with one small kernel works.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch

EVERY_S = 0.005
"""Between two looks: a hundred times shorter than a batch's generation."""

Clock = Callable[[], float]
"""Tells seconds since it does not matter when."""


@runtime_checkable
class Stream(Protocol):
    """Takes work and does it in order, as a `torch.cuda.Stream`."""

    def query(self) -> bool:
        """Tell whether all that it was given is done."""
        ...


class Occupancy:
    """Adds up how long any of some streams had work left.

    Examples:
        >>> class Busy:
        ...     def query(self):
        ...         return False
        >>> seen = Occupancy()
        >>> seen.add(Busy())
        >>> [seen.look(at) for at in (0.0, 2.0)], seen.share
        ([None, None], 1.0)
    """

    def __init__(self) -> None:
        self._streams: list[Stream] = []
        self._looks: tuple[float, bool] | None = None
        self._worked = self._watched = 0.0

    def add(self, stream: Stream) -> None:
        """Ask this stream too, from now on."""
        self._streams.append(stream)

    def look(self, now: float) -> None:
        """Ask every stream, at this time in seconds."""
        is_busy = not all(each.query() for each in self._streams)
        if self._looks is not None:
            before, was_busy = self._looks
            self._watched += now - before
            self._worked += (now - before) * (was_busy + is_busy) / 2
        self._looks = now, is_busy

    @property
    def share(self) -> float | None:
        """Give the share of the time, 0 to 1; None where no stream was asked."""
        return self._worked / self._watched if self._streams and self._watched else None


@contextmanager
def watched(device: torch.device, clock: Clock = time.perf_counter) -> Iterator[Occupancy]:
    """Watch a GPU while the block runs: this thread's stream, and those that are added.

    On any other device nothing is asked and the share stays None: it is not measured.
    """
    seen = Occupancy()
    if device.type != "cuda":
        yield seen
        return
    seen.add(torch.cuda.current_stream(device))
    with looking(seen, clock):
        yield seen


@contextmanager
def looking(seen: Occupancy, clock: Clock = time.perf_counter) -> Iterator[None]:
    """Look every `EVERY_S` seconds, in a thread of its own, while the block runs."""
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(EVERY_S):
            try:
                seen.look(clock())
            except RuntimeError:  # of the GPU: whoever gave it work meets the same error
                return

    thread = threading.Thread(target=look, name="underpaint-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
