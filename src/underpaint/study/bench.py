"""What probing costs: against bare generation, and against the method of the literature.

Everything is timed in one process on one machine, in turns, and reported as ratios. The reference
method generates every picture anew for each layer and step, stores that cell's activations, and
trains each probe by Adam for 30 epochs. One cell of it is carried out in full; the rest is
extrapolated as the formula in `compare` says.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..core.arrays import to_grid
from ..core.prompts import Prompt
from ..core.properties import Property
from ..labelers import Labeler
from ..models import Model
from ..models.layers import Layer
from ..models.traces import Trace, excerpt, trace
from ..probes.moments import merge
from ..probes.recipes import fit_paper
from .folding import fit_all, fold, labelled
from .occupancy import Clock, watched
from .scoring import readings
from .study import GROUP

ROUNDS = 3


@dataclass(frozen=True, eq=False)
class Round:
    """Seconds of each part, the share of them that a GPU worked, and what was made."""

    seconds: Mapping[str, float]
    shares: Mapping[str, float | None]
    traced: Trace
    labels: Mapping[str, Tensor]


def compare(
    model: Model,
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    layers: Sequence[Layer],
    *,
    images: int,
    steps: int,
    progress: Callable[[str], None],
    clock: Clock = time.perf_counter,
) -> dict[str, Any]:
    """Time bare generation, probing it, and one cell of the reference method.

    With g the seconds of a whole bare generation, L layers, S steps and P properties, the reference
    costs `L g (1 + … + S)/S` for generating to each step (shared by the properties, which its
    published code does not do), plus `L S` stores, plus `L S P` trainings.

    Args:
        clock: What seconds are. `time.process_time` counts a processor's own, which other work on
            the machine disturbs less.

    Returns:
        `overhead`: probed over bare seconds, the median of paired rounds. `reference_ratio`: the
        reference's seconds over ours, fitting included. Beside them what was measured, in seconds,
        and `gpu_share`: of each part's, the share that a GPU worked (see `occupancy`), None on any
        other device.
    """
    prompts = [Prompt(f"a red ball {seed}", seed) for seed in range(images)]
    trace(model, prompts[:2], steps=2, layers=layers)
    measured = []
    for number in range(ROUNDS):
        progress(f"round {number + 1} of {ROUNDS}")
        measured.append(_round(model, labelers, properties, layers, prompts, steps, clock))
    rounds = [each.seconds for each in measured]
    traced, labels = measured[-1].traced, measured[-1].labels
    median = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}

    progress("one cell of the reference method")
    layer, middle = layers[-1], steps // 2
    store_s, written = _store(traced.activations[layer][middle], clock)
    train_s, _ = _timed(
        lambda: [
            fit_paper(
                traced.activations[layer][middle].float(),
                to_grid(labels[each.name], layer.grid).float(),
                property=each,
                layer=layer.name,
                step=middle,
                generator=torch.Generator().manual_seed(0),
            )
            for each in properties
        ],
        clock,
    )
    cells = len(layers) * steps
    generated = len(layers) * median["bare"] * (steps + 1) / 2
    reference = generated + cells * (store_s + train_s)
    return {
        "overhead": statistics.median(each["probed"] / each["bare"] for each in rounds),
        "reference_ratio": reference / (median["probed"] + median["fit"]),
        "images": images,
        "steps": steps,
        "layers": len(layers),
        "properties": [each.name for each in properties],
        "seconds": median,
        "gpu_share": measured[-1].shares if model.device.type == "cuda" else None,
        "seconds_reference": reference,
        "seconds_reference_cell": {"store": store_s, "train": train_s},
        "reference_bytes_written": written * cells,
    }


def _round(
    model: Model,
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    layers: Sequence[Layer],
    prompts: Sequence[Prompt],
    steps: int,
    clock: Clock,
) -> Round:
    """Time each part once. `probed` is what a training and a held-out picture cost together."""
    groups = [(first, first + GROUP) for first in range(0, len(prompts), GROUP)]
    seconds: dict[str, float] = {}
    shares: dict[str, float | None] = {}

    def part(name: str, work: Callable[[], Any]) -> Any:
        with watched(model.device) as watch:
            seconds[name], made = _timed(work, clock)
        shares[name] = watch.share
        return made

    part("bare", lambda: trace(model, prompts, steps=steps))
    traced = part("traced", lambda: trace(model, prompts, steps=steps, layers=layers))
    batches = part(
        "label", lambda: [labelled(excerpt(traced, *at), labelers, properties) for at in groups]
    )
    moments = part("fold", lambda: reduce(merge, (fold(each)[0] for each in batches)))
    probes = part("fit", lambda: fit_all(moments, moments, properties, layers=layers))
    part("read", lambda: [readings(probes, each) for each in batches])
    labels = {
        each.name: torch.cat([batch.labels[each.name] for batch in batches]) for each in properties
    }
    seconds["probed"] = seconds["traced"] + seconds["fold"] + seconds["read"]
    return Round(seconds, shares, traced, labels)


def _timed(work: Callable[[], Any], clock: Clock) -> tuple[float, Any]:
    begun = clock()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - begun, result


def _store(activation: Tensor, clock: Clock) -> tuple[float, int]:
    """Write one cell's activations to disk, as the reference does; give seconds and bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cell.safetensors"
        seconds, _ = _timed(lambda: save_file({"cell": activation.contiguous()}, path), clock)
        return seconds, path.stat().st_size
