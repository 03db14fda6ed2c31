"""What class probes and class networks need of each picture, kept on disk while a run draws it.

A class probe reads a layer's activation averaged over places: a few numbers a layer and step. A
class network looks at pictures that rivals are decoded for anyway. So both ride in the two passes
of a run, a sealed file a group in its folder `pooled`, and whoever asks for classes afterwards, of
this class network or of another, draws nothing again.

Parts are those of folding, `tuning` and `training`, then `validation` and `test`; with `blank-`
before them, pictures from an empty prompt.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..core.files import write_sealed
from ..labelers import Namer
from ..models.layers import Layer
from ..models.traces import Trace
from ..runs.folder import Run

CONDITIONAL, UNCONDITIONAL = "conditional", "unconditional"
SHOWN = {"image": "latents", "estimate": "estimates"}
"""What is decoded for a class network, by source, and what a trace calls it."""

Means = Mapping[tuple[str, str], Float[Tensor, "step image _channel"]]
"""Activations averaged over places, by half of the guidance batch and layer."""


@dataclass(frozen=True, eq=False)
class Pooled:
    """What is kept of some pictures for classes.

    `means` are float32. `latents` are what can be decoded: of test pictures x_t
    and the estimate of x_0 of every step, by source; of blank ones the final latents, as "final".
    `seen` is what the class network `namer` gave each class, by source, where it was asked.
    """

    means: Means
    latents: Mapping[str, Float[Tensor, "*step image latent lrow lcol"]] = field(
        default_factory=dict
    )
    seen: Mapping[str, Float[Tensor, "look image class"]] = field(default_factory=dict)
    namer: str = ""


def pool(trace: Trace) -> Means:
    """Average every activation of a trace over places, in both halves where both are there."""
    halves: dict[str, Mapping[Layer, Tensor]] = {
        CONDITIONAL: trace.activations,
        UNCONDITIONAL: trace.unconditional,
    }
    return {
        (half, layer.name): each.mean(dim=(-2, -1), dtype=torch.float32)
        for half, activations in halves.items()
        for layer, each in activations.items()
    }


def pooled_on_cpu(pooled: Pooled) -> Pooled:
    """Move what is kept to main memory."""
    parts = {
        name: {key: each.cpu() for key, each in getattr(pooled, name).items()}
        for name in ("means", "latents", "seen")
    }
    return replace(pooled, **parts)


def shown(trace: Trace) -> dict[str, Float[Tensor, "step image latent lrow lcol"]]:
    """Give what a class network looks at: the latents of every step, by source."""
    return {source: getattr(trace, name) for source, name in SHOWN.items()}


def identity(namer: Namer | None) -> str:
    """Tell class networks apart by what they are called and the classes they know."""
    return "" if namer is None else json.dumps([namer.name, *namer.classes])


def pooled_path(run: Run, part: str, first: int) -> Path:
    """Name the file of the group of a part that begins with this picture."""
    return run.pooled / f"{part}-{first:07d}.safetensors"


def write_pooled(run: Run, part: str, first: int, pooled: Pooled) -> None:
    """Keep one group."""
    tensors = {f"means/{half}/{layer}": each for (half, layer), each in pooled.means.items()}
    tensors |= {f"latents/{source}": each for source, each in pooled.latents.items()}
    tensors |= {f"seen/{source}": each for source, each in pooled.seen.items()}
    whole = {name: each.cpu().contiguous() for name, each in tensors.items()}
    about = {"namer": pooled.namer}
    write_sealed(pooled_path(run, part, first), lambda path: save_file(whole, path, metadata=about))


def has_pooled(path: Path, half: str, layer: str) -> bool:
    """Tell whether a whole group has a layer in this half: without guidance there is one half."""
    with safe_open(path, framework="pt") as file:
        return f"means/{half}/{layer}" in file.keys()  # noqa: SIM118 - it is no mapping


def read_means(path: Path, half: str, layer: str) -> Float[Tensor, "step image channel"]:
    """Read what is kept of one layer."""
    with safe_open(path, framework="pt") as file:
        return file.get_tensor(f"means/{half}/{layer}")


def read_shown(path: Path) -> dict[str, Float[Tensor, "*step image latent lrow lcol"]]:
    """Read what can be decoded, by source."""
    return _read(path, "latents")


def read_seen(path: Path, namer: Namer) -> dict[str, Float[Tensor, "step image class"]]:
    """Read what this class network saw, by source; nothing where another one was asked, or none."""
    with safe_open(path, framework="pt") as file:
        is_own = (file.metadata() or {}).get("namer") == identity(namer)
    return _read(path, "seen") if is_own else {}


def _read(path: Path, kind: str) -> dict[str, Tensor]:
    with safe_open(path, framework="pt") as file:
        keys = [key for key in file.keys() if key.startswith(f"{kind}/")]  # noqa: SIM118
        return {key.partition("/")[2]: file.get_tensor(key) for key in keys}
