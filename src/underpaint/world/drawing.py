"""Draw shards in processes of their own while networks train on those that are there already."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from safetensors.torch import load_file

from ..core.errors import SceneError
from .renders import SHARD, Renders, draw_shard

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Drawing:
    """A folder that shards of training scenes come into, one after the other."""

    folder: Path
    shards: int
    workers: tuple[BaseProcess, ...]
    threads: int

    def is_drawing(self) -> bool:
        """Tell whether anything is still being drawn."""
        return any(worker.is_alive() for worker in self.workers)

    def give_back(self) -> None:
        """Let torch have the cores again that drew, once nothing is drawn."""
        if not self.is_drawing():
            torch.set_num_threads(self.threads)

    def ready(self) -> list[Path]:
        """List the training shards that are there, up to the first that is not.

        Raises:
            SceneError: if a process that draws has died.
        """
        for worker in self.workers:
            if worker.exitcode:
                raise SceneError(
                    f"Drawing scenes stopped with exit code {worker.exitcode}. Make room in "
                    f"{self.folder} and in memory, and give the same command again."
                )
        found = []
        for number in range(1, self.shards + 1):
            path = shard_path(self.folder, number)
            if not path.exists():
                break
            found.append(path)
        return found

    def wait(self, count: int) -> list[Path]:
        """Wait until the first `count` shards are there, or all if there are fewer."""
        while len(found := self.ready()) < min(count, self.shards):
            time.sleep(0.2)
        return found


def shard_path(folder: Path, number: int) -> Path:
    """Name the file of a shard; 0 holds the held-out scenes."""
    return folder / f"{number:04d}.safetensors"


@contextmanager
def drawing(
    folder: Path, shards: int, *, workers: int, progress: Progress, scenes: int = SHARD
) -> Iterator[Drawing]:
    """Draw what is missing of the shards 1 to `shards`, then shard 0, while the block runs.

    What is not drawn when the block ends stays undrawn. Meanwhile torch has the threads that are
    left beside the processes that draw: on cores that both want, both crawl.
    """
    folder.mkdir(parents=True, exist_ok=True)
    order = [*range(1, shards + 1), 0]
    missing = [number for number in order if not shard_path(folder, number).exists()]
    if missing:
        progress(f"drawing {len(missing)} shards of {scenes} scenes, {workers} at once")
    # Not forked: a fork of a process whose torch has run in threads can wait for them forever.
    context = get_context("spawn")
    started = tuple(
        context.Process(target=_draw_some, args=(folder, missing[first::workers], scenes))
        for first in range(min(workers, len(missing)))
    )
    for worker in started:
        worker.daemon = True
        worker.start()
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads - len(started)))
    try:
        yield Drawing(folder, shards, started, threads)
    finally:
        torch.set_num_threads(threads)
        for worker in started:
            worker.terminate()
            worker.join()


def render_shards(
    folder: Path, count: int, *, workers: int, progress: Progress, scenes: int = SHARD
) -> list[Path]:
    """Draw the held-out shard and `count` training shards into a folder; wait; return their paths.

    Args:
        folder: Made if it is not there.
        count: Of training shards.
        workers: Processes that draw at once.
        progress: Told when there is something to draw.
        scenes: In a shard.
    """
    paths = [shard_path(folder, number) for number in range(count + 1)]
    with drawing(folder, count, workers=workers, progress=progress, scenes=scenes) as drawn:
        while not all(path.exists() for path in paths):
            drawn.ready()
            time.sleep(0.1)
    return paths


class Growing:
    """The training renders that have been drawn so far, in room for all of them.

    `now()` is what there is; `grow()` reads the shards that have come since. Room that is not
    filled costs no memory.
    """

    def __init__(self, drawn: Drawing, *, device: torch.device) -> None:
        self.drawn = drawn
        self.device = device
        self.shards = self.count = 0
        self.room: dict[str, torch.Tensor] = {}
        drawn.wait(1)
        self.grow()

    def grow(self) -> None:
        """Read the shards that have come."""
        for path in self.drawn.ready()[self.shards :]:
            tensors = load_file(path)
            size = len(tensors["classes"])
            for name, tensor in tensors.items():
                if name not in self.room:
                    shape = (size * self.drawn.shards, *tensor.shape[1:])
                    self.room[name] = torch.empty(shape, dtype=tensor.dtype, device=self.device)
                self.room[name][self.count : self.count + size] = tensor.to(self.device)
            self.count += size
            self.shards += 1

    def now(self) -> Renders:
        """Give what there is."""
        filled = {name: tensor[: self.count] for name, tensor in self.room.items()}
        depth, classes = filled.pop("depth"), filled.pop("classes")
        return Renders(filled, depth, classes)


def _draw_some(folder: Path, numbers: list[int], scenes: int) -> None:
    torch.set_num_threads(1)
    for number in numbers:
        draw_shard(shard_path(folder, number), number, scenes)
