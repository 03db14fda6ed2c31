"""Run a study beside a stand-in for a GPU, and hold its wall time against what the GPU alone takes.

    python -m benchmarks.speed [--full] [--serial] [--repeats 3] [--slow 4]

No GPU is needed. The study is the real one, stage by stage: batches, folding, reading, thresholds,
scoring, tables, pictures, checksums, threads. Its model, VAE and labelers are stand-ins.

What is real
    All Python of the package, with Stable Diffusion v1.4's 16 layers, 15 steps and three
    properties, so as many calls as there; PNG of 512 × 512 pixels; Parquet; what threads cost one
    another on this machine's cores.

What is modelled
    The GPU is a clock: work is queued at once and takes its time one after another. Whoever brings
    a tensor to main memory, or asks for its value, waits until all that was queued before is done.
    Seconds are those MEASURED on one H100, or GUESSED. To queue work takes processor time of the
    thread that queues, as launching kernels does. Files of sums and readings take as long as files
    of the real size. Pictures have 32 pixels a side and layers a twentieth of the channels, so
    that tensor code, which a GPU would do, hardly counts here: its GPU time is in COSTS.

The floor is what the clock counted for generation, decoding and labelers alone: a GPU that never
waits. Machines that are busy otherwise make the ratio worse, never better. With `--slow K` the
clock takes K times as long for everything: what is left of the ratio then is order and waiting, for
this machine's own processor time counts K times less. `idle` says before which part the clock
stood; `gpu_share` is what a run's cost says of the clock, from asking it as a GPU is asked.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import worlds  # pyright: ignore[reportMissingImports]
from benchmarks.costs import machine
from underpaint.core import files
from underpaint.core.prompts import Prompt, Split
from underpaint.core.properties import DEPTH, SALIENCY, SHADING
from underpaint.labelers import Labeler
from underpaint.models.layers import Layer
from underpaint.models.traces import Trace
from underpaint.probes.trained import Network
from underpaint.runs import runs
from underpaint.study import stages
from underpaint.study.occupancy import Occupancy, looking
from underpaint.study.study import Study

MEASURED = {
    "denoiser, s an image and half": 0.1 / 32,
    "denoiser, s of processor to queue a step": 0.028,
    "VAE, s a picture": 0.015,
    "folding, s a picture": 0.166 / 16,
    "reading, s a picture": 0.134 / 16,
    "fitting, s": 4.0,
}
"""On one H100 in float16; folding, reading and fitting as they were with a product for each step
and `eigh` for each cell. To queue a step is the whole of a step of two pictures: all launching."""
GUESSED = {
    "VAE, s of processor to queue two pictures": 0.006,
    "labeler, s a picture": 0.005,
    "labeler, s of processor to queue a batch": 0.005,
    "scoring, s a picture": 0.1 / 16,
    "training, s a step of the run": 0.5,
    "hashing or writing, bytes a second": 5e8,
}
"""Nobody has measured these apart: read the ratio with that in mind."""
COSTS = {**MEASURED, **GUESSED}

SIDE, GRIDS = 32, {320: (8, 8), 640: (4, 4), 1280: (2, 2)}
BLOCKS = [("down", 2, 320), ("down", 2, 640), ("down", 2, 1280), ("mid", 1, 1280)]
BLOCKS += [("up", 3, 1280), ("up", 3, 640), ("up", 3, 320)]
FLOOR = ("generation", "decoding", "labelling")
SUMS_BYTES, HELD_BYTES = int(1.5e9), int(3e8)


class Gpu:
    """A clock that stands for a GPU: work is queued at once, and takes its time in order."""

    def __init__(self, slow: float = 1.0) -> None:
        self.slow, self.lock, self.free_at = slow, threading.Lock(), 0.0
        self.worked: dict[str, float] = defaultdict(float)
        self.idle: dict[str, float] = defaultdict(float)

    def work(self, part: str, seconds: float) -> None:
        """Queue so much work."""
        with self.lock:
            now = time.perf_counter()
            if self.free_at and now > self.free_at:
                self.idle[part] += now - self.free_at
            self.free_at = max(self.free_at, now) + self.slow * seconds
            self.worked[part] += self.slow * seconds

    def wait(self) -> None:
        """Wait until what has been queued is done."""
        with self.lock:
            left = self.free_at - time.perf_counter()
        if left > 0:
            time.sleep(left)

    def query(self) -> bool:
        """Tell whether all that was queued is done, as a stream does."""
        with self.lock:
            return time.perf_counter() >= self.free_at


def busy(seconds: float) -> None:
    """Take so much processor time, letting other threads in between, as launching kernels does."""
    until = time.thread_time() + seconds
    while (now := time.thread_time()) < until:
        slice_end = min(until, now + 2e-4)
        while time.thread_time() < slice_end:
            pass
        time.sleep(0)


def layers() -> tuple[Layer, ...]:
    """List Stable Diffusion's self-attention layers, a twentieth as wide."""
    found = []
    for at, (block, count, width) in enumerate(BLOCKS):
        found += [
            Layer(f"{block}.{at}.{i}", f"{block}.{at}.{i}", width // 20, GRIDS[width])
            for i in range(count)
        ]
    return tuple(found)


class StandIns:
    """What takes the place of models, labelers and heavy products, on one `Gpu`."""

    def __init__(self, gpu: Gpu) -> None:
        self.gpu, self.random = gpu, torch.Generator().manual_seed(0)
        self.shown: dict[Layer, Tensor] = {}

    def trace(self, _model: Any, prompts: Any, *, steps: int, layers: Any, shadows: Any, **_: Any):
        """Generate: queue every step, and give activations of the right form."""
        count, networks = len(prompts), 1 + len(shadows or {})
        for _step in range(steps):
            busy(networks * COSTS["denoiser, s of processor to queue a step"])
            halves = 2 + (networks - 1)
            seconds = halves * count * COSTS["denoiser, s an image and half"]
            self.gpu.work("generation", seconds)
        noise = torch.randn(steps, count, 4, 16, 16, generator=self.random)
        shown = {layer: self._activation(layer, steps, count) for layer in layers}
        images = self.decode(_model, noise[-1])
        return Trace(
            tuple(prompts),
            torch.arange(steps).float(),
            images,
            noise,
            noise / 2,
            noise[-1].clone(),
            shown,
            shadows=dict.fromkeys(shadows or {}, shown),
        )

    def _activation(self, layer: Layer, steps: int, count: int) -> Tensor:
        if layer not in self.shown:
            rows, cols = layer.grid
            room = torch.randn(steps, 32, rows, cols, layer.channels, generator=self.random)
            self.shown[layer] = room.half().permute(0, 1, 4, 2, 3)
        return self.shown[layer][:, :count]

    def decode(self, _model: Any, latents: Tensor) -> Tensor:
        """Draw: queue the VAE two pictures at a time."""
        count = len(latents)
        for pair in range(0, count, 2):
            busy(COSTS["VAE, s of processor to queue two pictures"])
            self.gpu.work("decoding", min(2, count - pair) * COSTS["VAE, s a picture"])
        small = torch.rand(count, 3, SIDE // 8, SIDE // 8, generator=self.random)
        return small.repeat_interleave(8, -1).repeat_interleave(8, -2)

    def train(self, latents: Tensor, maps: Tensor, _apart: Any, *, seed: int) -> Network:
        """Train on the clock alone: the network is as it began."""
        del seed
        self.gpu.work("training", COSTS["training, s a step of the run"])
        return Network(latents.shape[1], maps.shape[1]).eval().requires_grad_(False)

    def labelers(self) -> tuple[Labeler, ...]:
        """Give three labelers that look at brightness."""

        def reader(name: str) -> Callable[[Tensor], dict[str, Tensor]]:
            def read(images: Tensor) -> dict[str, Tensor]:
                busy(COSTS["labeler, s of processor to queue a batch"])
                self.gpu.work("labelling", len(images) * COSTS["labeler, s a picture"])
                grey = images.mean(dim=1, keepdim=True)
                return {name: (grey > 0.5).float() if name == "saliency" else grey}

            return read

        names = ("saliency", "depth", "shading")
        return tuple(Labeler(name, (name,), "MIT", reader(name)) for name in names)

    @contextmanager
    def watched(self, _device: torch.device) -> Iterator[Occupancy]:
        """Watch the clock in the GPU's place."""
        seen = Occupancy()
        seen.add(self.gpu)
        with looking(seen):
            yield seen

    def counted(self, part: str, work: Callable[..., Any], seconds: Callable[..., float]) -> Any:
        """Let a function be itself, and the clock count what a GPU would take for it."""

        def both(*args: Any, **how: Any) -> Any:
            self.gpu.work(part, seconds(*args))
            return work(*args, **how)

        return both


def bytes_of(path: Path) -> int:
    """Say how large a file of the run would be at full size; 0 for those that are as they are."""
    if path.suffix == ".sha256":
        return 0
    kind = path.name.split("-")[0].split(".")[0]
    return {"moments": 2 * SUMS_BYTES, "training": SUMS_BYTES, "tuning": SUMS_BYTES}.get(
        kind, HELD_BYTES if kind == "validation" else 0
    )


def replaced(stand: StandIns) -> list[tuple[str, Any]]:
    """List what is replaced, by name."""
    from underpaint.runs import runs as folder
    from underpaint.study import folding, held_out, solving

    def group(batch: Any) -> int:
        return len(batch.trace.prompts)

    def slow(work: Callable[..., Any]) -> Callable[..., Any]:
        def both(path: Path, *more: Any) -> Any:
            whole_s = bytes_of(path) / COSTS["hashing or writing, bytes a second"]
            time.sleep(stand.gpu.slow * whole_s)
            return work(path, *more)

        return both

    def large(image: Tensor) -> bytes:
        return encoded(image.repeat_interleave(16, -1).repeat_interleave(16, -2))

    encoded = folder.encoded
    each = {name: COSTS[f"{name}, s a picture"] for name in ("folding", "reading", "scoring")}
    return [
        ("underpaint.study.batches.trace", stand.trace),
        ("underpaint.study.looks.draw", lambda *how: (stand.decode(*how), torch.tensor(True))),
        ("underpaint.study.stages.watched", stand.watched),
        ("underpaint.study.costs.finish", lambda _device: stand.gpu.wait()),
        (
            "underpaint.study.folding.gather",
            stand.counted(
                "folding",
                folding.gather,
                lambda x, *_: next(iter(x.values())).shape[1] * each["folding"],
            ),
        ),
        (
            "underpaint.study.held_out.readings",
            stand.counted("reading", held_out.readings, lambda _, x: group(x) * each["reading"]),
        ),
        (
            "underpaint.study.held_out.score_beside",
            stand.counted(
                "scoring",
                held_out.score_beside,
                lambda _, x, *__: group(x) * each["scoring"],
            ),
        ),
        (
            "underpaint.study.solving.fit_all",
            stand.counted("fitting", solving.fit_all, lambda *_: COSTS["fitting, s"]),
        ),
        ("underpaint.study.rival.train", stand.train),
        ("underpaint.study.training._bytes_of", lambda _sums: stand.gpu.slow * SUMS_BYTES),
        ("underpaint.core.files._digest", slow(files._digest)),
        ("underpaint.core.files.write_file", slow(files.write_file)),
        ("underpaint.runs.runs.encoded", large),
    ]


@contextmanager
def beside(gpu: Gpu, changes: list[tuple[str, Any]]) -> Iterator[None]:
    """Replace what a GPU would do, and let whoever asks for a value wait for the clock."""
    patches = [mock.patch(name, new) for name, new in changes]
    for name in ("cpu", "item", "tolist", "numpy", "__bool__", "__float__", "__int__"):
        original = getattr(Tensor, name)

        def waiting(self: Tensor, *args: Any, original: Any = original, **how: Any) -> Any:
            gpu.wait()
            return original(self, *args, **how)

        patches.append(mock.patch.object(Tensor, name, waiting))
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()


def plan(stand: StandIns, *, full: bool, overlaps: bool, sizes: tuple[int, ...]) -> Study:
    """Plan the study of so many training, validation and test pictures."""
    made = worlds.study(16)
    prompts = [Prompt(f"thing {i}", i, i) for i in range(sum(sizes))]
    ends = (sizes[0], sizes[0] + sizes[1])
    parts = (prompts[: ends[0]], prompts[ends[0] : ends[1]], prompts[ends[1] :])
    return replace(
        made,
        labelers=stand.labelers(),
        properties=(SALIENCY, DEPTH, SHADING),
        layers=layers(),
        split=Split(*map(tuple, parts)),
        steps=15,
        batch=32,
        controls=made.controls if full else {},
        sees_decoder=False,
        sees_halves=False,
        goes_beyond=False,
        looks_ahead=False,
        trains=full,
        overlaps=overlaps,
    )


def measure(
    *, full: bool, overlaps: bool, sizes: tuple[int, ...], slow: float = 1.0
) -> dict[str, Any]:
    """Carry the study out once; give its wall time, the floor, and where both went."""
    gpu = Gpu(slow)
    stand = StandIns(gpu)
    with tempfile.TemporaryDirectory() as folder, beside(gpu, replaced(stand)):
        run = runs.open_run(Path(folder) / "run", {})
        study = plan(stand, full=full, overlaps=overlaps, sizes=sizes)
        begun = time.perf_counter()
        summary = stages.carry_out(study, run, lambda *_: None)
        wall = time.perf_counter() - begun
    floor = sum(gpu.worked[part] for part in FLOOR)
    return {
        "wall": wall,
        "floor": floor,
        "ratio": wall / floor,
        "device": dict(gpu.worked),
        "idle": dict(gpu.idle),
        "gpu_share": summary["cost"]["gpu_share"],
        "parts": summary["cost"]["parts"],
    }


def main() -> None:
    """Measure and print; the last line is the ratio."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--full", action="store_true", help="With the controls --quick leaves out.")
    parser.add_argument("--serial", action="store_true", help="One thing after the other.")
    parser.add_argument(
        "--slow", type=float, default=1.0, help="Let the clock take K times as long."
    )
    parser.add_argument("--into", type=Path, help="Put what is found into benchmarks.json, too.")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--pictures", default="64,16,48", help="Training, validation and test.")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    sizes = tuple(map(int, asked.pictures.split(",")))
    trials = []
    for _ in range(asked.repeats):
        how = {"full": asked.full, "overlaps": not asked.serial}
        trials.append(measure(**how, sizes=sizes, slow=asked.slow))
        print(json.dumps(trials[-1]), file=sys.stderr)
    middle = statistics.median_low(each["ratio"] for each in trials)
    found = next(each for each in trials if each["ratio"] == middle)
    if asked.into:
        numbers = json.loads(asked.into.read_text())
        name = "without --quick" if asked.full else "--quick"
        known = numbers.setdefault("speed", {})
        known[name] = {"machine": machine(), "slow": asked.slow, **found}
        asked.into.write_text(json.dumps(numbers, indent=1) + "\n")
    print(f"wall / floor: {found['wall']:.1f} s / {found['floor']:.1f} s = {found['ratio']:.2f}")


if __name__ == "__main__":
    main()
