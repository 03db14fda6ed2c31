"""The one progress bar of all commands: what is done, how much, how long still. On stderr."""

from collections.abc import Iterator
from contextlib import contextmanager

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


def progress_bar() -> Progress:
    """Make a bar; use it in a `with`."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
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
