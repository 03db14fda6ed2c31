"""What a run that is not finished has done so far, so that it goes on from there when killed.

Training pictures leave one running sum: the sum of one shard is as large as that of all, so keeping
every shard's would cost much and gain nothing. Its last two states are kept, and if one is damaged,
the other is gone on from. Validation pictures leave what was read from them, for thresholds come
from all of them together; scored pictures leave their scores. All of it is sealed (see `files`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..core.files import is_whole, remove_sealed, write_sealed
from ..core.prompts import Prompt
from ..models.traces import Trace
from ..runs.packing import pack_moments, unpack_moments
from ..runs.runs import Run
from .folding import Batch, Sums

ReadMaps = dict[tuple[str, str], Float[Tensor, "step image _ _ _"]]
"""What probes read, by (property, layer)."""

_KEPT = ("timesteps", "images", "latents", "estimates", "final")
_STATES = 2


def write_sums(run: Run, part: str, sums: Sums) -> None:
    """Keep the sums so far of one part of the training pictures, and the state before."""
    tensors = pack_moments({part: sums.moments}, sums.position)
    if sums.last is not None:
        tensors["last"] = sums.last.cpu().contiguous()
    path = run.shards / f"{part}-{sums.images:07d}.safetensors"
    write_sealed(path, lambda beside: save_file(tensors, beside))
    for _, old in _states(run, part)[_STATES:]:
        remove_sealed(old)


def read_sums(run: Run, part: str, device: torch.device, say: Callable[[str], None]) -> Sums:
    """Read the furthest sums that are whole; empty ones where there are none."""
    for images, path in _states(run, part):
        if not checked(path, say):
            continue
        with safe_open(path, framework="pt", device=str(device)) as file:
            moments, position = unpack_moments(file)
            return Sums(images, moments[part], position, file.get_tensor("last"))
    return Sums()


def held_path(run: Run, first: int) -> Path:
    """Name the file of the validation batch that begins with this picture."""
    return run.shards / f"validation-{first:07d}.safetensors"


def write_held(path: Path, batch: Batch, maps: ReadMaps) -> None:
    """Keep a validation batch, what was read from it and seen in it, without its activations."""
    tensors = {name: getattr(batch.trace, name) for name in _KEPT}
    # Numbers keep the order, which names in a file do not.
    tensors |= {f"labels/{i:06d}/{key}": batch.labels[key] for i, key in enumerate(batch.labels)}
    tensors |= {f"maps/{i:06d}/{'/'.join(key)}": maps[key] for i, key in enumerate(maps)}
    for source, maps_seen in batch.looks.maps.items():
        tensors |= {f"seen/{source}/{name}": each for name, each in maps_seen.items()}
    whole = {name: each.cpu().contiguous() for name, each in tensors.items()}
    write_sealed(path, lambda part: save_file(whole, part))


def read_held(
    path: Path, prompts: Sequence[Prompt], device: torch.device
) -> tuple[Batch, ReadMaps]:
    """Read back what `write_held` wrote, in its order. Whether it is whole is asked before."""
    with safe_open(path, framework="pt", device=str(device)) as file:
        kept = {name: file.get_tensor(name) for name in _KEPT}
    labels, maps = read_held_maps(path, device)
    return Batch(Trace(tuple(prompts), activations={}, **kept), labels, {}), maps


def read_held_maps(
    path: Path, device: torch.device, wanted: Callable[[str], bool] = lambda _name: True
) -> tuple[dict[str, Tensor], ReadMaps]:
    """Read back labels and maps alone, of those properties whose names are wanted."""
    labels: dict[str, Tensor] = {}
    maps: ReadMaps = {}
    with safe_open(path, framework="pt", device=str(device)) as file:
        for key in sorted(file.keys()):
            kind, *words = key.split("/")
            if kind == "labels" and wanted(words[1]):
                labels[words[1]] = file.get_tensor(key)
            elif kind == "maps" and wanted(words[1]):
                maps[words[1], words[2]] = file.get_tensor(key)
    return labels, maps


def read_held_labels(path: Path, device: torch.device) -> dict[str, Tensor]:
    """Read back labels alone."""
    with safe_open(path, framework="pt", device=str(device)) as file:
        keys = [key for key in sorted(file.keys()) if key.startswith("labels/")]
        return {key.split("/")[2]: file.get_tensor(key) for key in keys}


def read_held_latents(path: Path, device: torch.device) -> dict[str, Tensor]:
    """Read back x_t and the estimate of x_0 of every step, by the source that looks at them."""
    kept = {"image": "latents", "estimate": "estimates"}
    with safe_open(path, framework="pt", device=str(device)) as file:
        return {source: file.get_tensor(name) for source, name in kept.items()}


def read_held_seen(path: Path, device: torch.device) -> dict[str, dict[str, Tensor]]:
    """Read back what labelers saw in every step's pictures, by source and property."""
    found: dict[str, dict[str, Tensor]] = {}
    with safe_open(path, framework="pt", device=str(device)) as file:
        for key in (key for key in file.keys() if key.startswith("seen/")):  # noqa: SIM118
            _, source, name = key.split("/")
            found.setdefault(source, {})[name] = file.get_tensor(key)
    return found


def seen_path(run: Run, part: str, first: int) -> Path:
    """Name the file of what a network is trained on, of the group that begins with this picture."""
    return run.shards / f"seen-{part}-{first:07d}.safetensors"


def write_seen(
    path: Path,
    latents: Mapping[str, Float[Tensor, "step image latent lrow lcol"]],
    labels: Float[Tensor, "image target lrow lcol"],
) -> None:
    """Keep x̂₀ and x_t of a group of training pictures, by view, and labels on the same grid."""
    tensors = {**latents, "labels": labels}
    whole = {name: each.cpu().contiguous() for name, each in tensors.items()}
    write_sealed(path, lambda part: save_file(whole, part))


def read_seen(path: Path, device: torch.device) -> tuple[dict[str, Tensor], Tensor]:
    """Read back what `write_seen` wrote. Whether it is whole is asked before."""
    with safe_open(path, framework="pt", device=str(device)) as file:
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return found, found.pop("labels")


def scores_path(run: Run, first: int) -> Path:
    """Name the table of the held-out batch that begins with this picture, counting validation."""
    return run.shards / f"scores-{first:07d}.parquet"


def checked(path: Path, say: Callable[[str], None]) -> bool:
    """Tell whether a sealed file is there and whole, and say so if it is there and is not."""
    if is_whole(path):
        return True
    if path.exists():
        say(f"{path} was cut short or damaged; what it held is done again.")
    return False


def clear(run: Run, *kinds: str) -> None:
    """Take away the shards of these kinds, and their folder when it is empty."""
    if not run.shards.is_dir():
        return
    for path in sorted(run.shards.iterdir()):
        if re.fullmatch(rf"({'|'.join(kinds)})-\d+\.(safetensors|parquet).*", path.name):
            path.unlink(missing_ok=True)
    if not any(run.shards.iterdir()):
        run.shards.rmdir()


def _states(run: Run, part: str) -> list[tuple[int, Path]]:
    """List a part's kept sums, furthest first, with how many pictures are in each."""
    paths = run.shards.glob(f"{part}-*.safetensors")
    found = [(re.fullmatch(rf"{part}-(\d+)\.safetensors", path.name), path) for path in paths]
    return sorted(((int(name[1]), path) for name, path in found if name), reverse=True)
