"""What probing costs: against bare generation, and against the method of the literature.

Everything is timed in one process on one machine, in turns, and reported as ratios. The reference
method generates every picture anew for each layer and step, stores that cell's activations, and
trains each probe by Adam for 30 epochs. One cell of it is carried out in full; the rest is
extrapolated as the formula in `compare` says.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from .arrays import to_grid
from .labelers import Labeler
from .layers import Layer
from .models import Model
from .prompts import Prompt
from .properties import Property
from .recipes import fit_paper
from .scoring import Batch, fit_all, fold, labelled, readings
from .traces import trace

ROUNDS = 3


def compare(
    model: Model,
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    layers: Sequence[Layer],
    *,
    images: int,
    steps: int,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Time bare generation, probing it, and one cell of the reference method.

    With g the seconds of a whole bare generation, L layers, S steps and P properties, the reference
    costs `L g (1 + … + S)/S` for generating to each step (shared by the properties, which its
    published code does not do), plus `L S` stores, plus `L S P` trainings.

    Returns:
        `overhead`: probed over bare seconds, the median of paired rounds. `reference_ratio`: the
        reference's seconds over ours, fitting included. Beside them what was measured, in seconds.
    """
    prompts = [Prompt(f"a red ball {seed}", seed) for seed in range(images)]
    trace(model, prompts[:2], steps=2, layers=layers)
    measured = []
    for number in range(ROUNDS):
        progress(f"round {number + 1} of {ROUNDS}")
        measured.append(_round(model, labelers, properties, layers, prompts, steps))
    rounds = [seconds for seconds, _ in measured]
    batch = measured[-1][1]
    median = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}

    progress("one cell of the reference method")
    layer, middle = layers[-1], steps // 2
    store_s, written = _store(batch.trace.activations[layer][middle])
    train_s, _ = _timed(
        lambda: [
            fit_paper(
                batch.trace.activations[layer][middle].float(),
                to_grid(batch.labels[each.name], layer.grid).float(),
                property=each,
                layer=layer.name,
                step=middle,
                generator=torch.Generator().manual_seed(0),
            )
            for each in properties
        ]
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
) -> tuple[dict[str, float], Batch]:
    """Time each part once. `probed` is what a training and a held-out picture cost together."""
    bare_s, _ = _timed(lambda: trace(model, prompts, steps=steps))
    traced_s, traced = _timed(lambda: trace(model, prompts, steps=steps, layers=layers))
    label_s, batch = _timed(lambda: labelled(traced, labelers, properties))
    fold_s, (moments, _) = _timed(lambda: fold(batch))
    fit_s, probes = _timed(lambda: fit_all(moments, moments, properties, layers=layers))
    read_s, _ = _timed(lambda: readings(probes, batch))
    seconds = {
        "bare": bare_s,
        "traced": traced_s,
        "label": label_s,
        "fold": fold_s,
        "read": read_s,
        "fit": fit_s,
    }
    return {**seconds, "probed": traced_s + fold_s + read_s}, batch


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begun, result


def _store(activation: torch.Tensor) -> tuple[float, int]:
    """Write one cell's activations to disk, as the reference does; give seconds and bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cell.safetensors"
        seconds, _ = _timed(lambda: save_file({"cell": activation.contiguous()}, path))
        return seconds, path.stat().st_size
