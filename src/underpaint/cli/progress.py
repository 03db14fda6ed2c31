"""What all commands tell of how far they are, on stderr: a bar, or lines without a terminal.

A bar on a pipe or in CI would show nothing until the end, and one in a notebook's cell would show
each of its thousands of states below the last. There a line is written every minute, and one when a
stage is done: what is done, how much there is, and how long it will still take.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from ..core import progress

EVERY_S = 60.0
"""Seconds between two lines of one stage."""
IN_NOTEBOOK = "JPY_PARENT_PID"
"""What Jupyter sets for the process of a notebook, and so for the commands of its cells."""


class Lines(Progress):
    """A bar that is written as lines. Whoever moves it need not know."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(console=console, disable=True)
        self._clock = clock
        self._begun: dict[TaskID, tuple[float, float]] = {}
        self._said: dict[TaskID, float] = {}

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """Move a stage, and write a line if a minute has passed or the stage is done."""
        super().update(task_id, **changes)
        task, now = self._tasks[task_id], self._clock()
        begun, first = self._begun.setdefault(task_id, (now, task.completed))
        is_done = task.total is not None and task.completed >= task.total
        said = self._said.setdefault(task_id, begun)
        if said == float("inf") or not (is_done or now - said >= EVERY_S):
            return
        self._said[task_id] = float("inf") if is_done else now
        made = float(task.completed - first)
        left = _left(now - begun, made, float((task.total or 0) - task.completed))
        of = "" if task.total is None else f" of {task.total:.0f}"
        line = f"{task.description}: {task.completed:.0f}{of}"
        self.console.print(line if is_done else f"{line}{left}", highlight=False, markup=False)


def progress_bar() -> Progress:
    """Make a bar, or lines where stderr is no terminal; use it in a `with`."""
    console = Console(stderr=True)
    # A notebook gives `!command` a terminal that cannot go back to a line above.
    if not console.is_terminal or IN_NOTEBOOK in os.environ:
        return Lines(console)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )


@contextmanager
def reporting() -> Iterator[progress.Progress]:
    """Show a line for each stage while the block runs; the block tells how far each one is."""
    lines: dict[str, TaskID] = {}
    with progress_bar() as bar:

        def report(stage: str, done: int, total: int) -> None:
            if stage not in lines:
                lines[stage] = bar.add_task(stage, total=total)
            bar.update(lines[stage], completed=done)

        yield report


def _left(seconds: float, made: float, missing: float) -> str:
    """Say how long what is missing will take, at the pace so far; nothing where there is none."""
    if made <= 0 or missing <= 0:
        return ""
    minutes, rest = divmod(round(seconds / made * missing), 60)
    hours, minutes = divmod(minutes, 60)
    shown = f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
    return f", about {shown} left"
