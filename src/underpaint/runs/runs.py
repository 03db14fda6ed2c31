"""A run's folder: every file we write, its name and shape. The only code that writes results.

Every file is whole or not there (see `files`). Nothing is unpickled: JSON, CSV, safetensors,
Parquet and PNG. `folder` and `tables` hold what needs no tensors; here are pictures, sums and
probes.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..core.errors import RunError
from ..core.files import refuse_damaged, write_file, write_sealed
from ..core.pictures import encoded, read_picture, write_picture
from ..core.prompts import Prompt
from ..models import Model
from ..models.identity import difference, identity_of
from ..probes.moments import Cell, MeanMap, Moments
from ..probes.probes import Probe, ProbeKey
from .folder import (
    Run,
    confirm_run,
    find_prompt,
    find_run,
    has_classes,
    is_done,
    open_run,
    read_json,
    read_settings,
    read_split,
    read_summary,
    update_summary,
    write_json,
    write_prompts,
)
from .packing import pack_moments, pack_probes, unpack_moments, unpack_probes
from .tables import read_table, write_table

__all__ = [
    "Run",
    "check_run",
    "confirm_run",
    "find_prompt",
    "find_run",
    "has_classes",
    "is_done",
    "open_run",
    "read_image",
    "read_json",
    "read_moments",
    "read_probes",
    "read_settings",
    "read_split",
    "read_summary",
    "read_table",
    "update_summary",
    "write_encoded",
    "write_images",
    "write_json",
    "write_moments",
    "write_picks",
    "write_probes",
    "write_prompts",
    "write_table",
]


def write_images(
    run: Run, images: Float[Tensor, "image 3 height width"], prompts: Sequence[Prompt]
) -> None:
    """Write pictures as images/NNNNN.png, numbered by prompt index."""
    write_encoded(run, [encoded(image) for image in images], prompts)


def write_encoded(run: Run, pictures: Sequence[bytes], prompts: Sequence[Prompt]) -> None:
    """Write pictures that are PNG already."""
    folder = run.folder / "images"
    for content, prompt in zip(pictures, prompts, strict=True):
        path = folder / f"{prompt.index or 0:05d}.png"
        write_file(path, lambda part, content=content: part.write_bytes(content))


def write_picks(
    run: Run, name: str, images: Float[Tensor, "image 3 height width"], seeds: Sequence[int]
) -> None:
    """Write the pictures that a search kept as picks/NAME/SEED.png."""
    for image, seed in zip(images, seeds, strict=True):
        write_picture(run.picks / name / f"{seed}.png", image)


def read_image(run: Run, prompt: Prompt) -> Float[Tensor, "3 height width"]:
    """Read back the picture of one prompt, in 0..1.

    Raises:
        RunError: if it is not there or no picture.
    """
    path = run.folder / "images" / f"{prompt.index or 0:05d}.png"
    try:
        return read_picture(path)
    except OSError as error:
        raise RunError(
            f"Cannot read {path} ({error}). Restore it, or do the run again in another folder."
        ) from error


def write_moments(
    run: Run, parts: Mapping[str, Mapping[Cell, Moments]], position: Mapping[str, MeanMap]
) -> None:
    """Write sums, named part/layer/step/count, mean and scatter, and the mean label maps."""
    tensors = pack_moments(parts, position)
    write_sealed(run.moments, lambda part: save_file(tensors, part))


def read_moments(
    run: Run, device: torch.device
) -> tuple[dict[str, dict[Cell, Moments]], dict[str, MeanMap]]:
    """Read back what `write_moments` wrote, onto a device.

    Raises:
        RunError: if it is not there or not whole.
    """
    try:
        refuse_damaged(run.moments)
        with safe_open(run.moments, framework="pt", device=str(device)) as file:
            return unpack_moments(file)
    except (OSError, ValueError, RuntimeError, OverflowError, SafetensorError) as error:
        raise RunError(
            f"Cannot read {run.moments} ({error}). Delete it, and run `underpaint run` again."
        ) from error


def write_probes(run: Run, probes: Mapping[ProbeKey, Probe]) -> None:
    """Write weights and biases, named property/layer/step, thresholds beside them."""
    tensors = pack_probes(probes)
    write_sealed(run.probes, lambda part: save_file(tensors, part))


def read_probes(
    run: Run, device: torch.device, *, layer: str | None = None
) -> dict[ProbeKey, Probe]:
    """Read probes back onto a device, of one layer or of all.

    Raises:
        RunError: if they are not there or not whole.
    """
    try:
        refuse_damaged(run.probes)
        return unpack_probes(run.probes, device, layer=layer)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise RunError(
            f"Cannot read {run.probes} ({error}). Run `underpaint run` again."
        ) from error


def check_run(settings: Mapping[str, object], model: Model) -> None:
    """Refuse to edit a model with what a run found out about another.

    Raises:
        RunError: if the run was made with other weights, another scheduler, or the same ones
            configured otherwise.
    """
    if differs := difference(settings, identity_of(model)):
        name, then, now = differs
        raise RunError(
            f"The run's probes were fitted on {settings['model']} with {name} {then}, and this "
            f"model has {now}. Run `underpaint run` on it first."
        )
