"""Where what a study does is written, and who is told how far it is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..core.progress import Progress, Say
from ..runs.runs import Run
from .checkpoints import checked
from .costs import CPU, timed
from .lanes import Lane
from .occupancy import Occupancy


@dataclass(frozen=True, eq=False)
class Journal:
    """A run's folder, who is told what, the lanes in which files are written, and who watches.

    Sums have a lane of their own: they are gigabytes, and nothing on the way reads them back.
    """

    run: Run
    progress: Progress
    say: Say
    writer: Lane
    keeper: Lane
    watch: Occupancy = field(default_factory=Occupancy)

    def write(self, work: Callable[..., object], *what: object) -> None:
        """Have `work(*what)` done in the lane of files, and its seconds counted."""
        self.writer(lambda: timed("writing", partial(work, *what), CPU)[1])

    def keep(self, work: Callable[..., object], *what: object) -> None:
        """Do the same in the lane of sums."""
        self.keeper(lambda: timed("keeping sums", partial(work, *what), CPU)[1])

    def is_whole(self, path: Path) -> bool:
        """Tell whether a sealed file is there and whole; say so if it is there and is not."""
        return checked(path, self.say)
