"""All that is shown of one picture, kept while a run draws it, so that nothing is drawn again.

A run chooses a few test pictures before any is scored (`places_to_show`). Of each it keeps, in a
sealed file of its own, what its figures and its site are drawn of: small pictures of x_t and x̂₀,
the maps that every source gives, and what each layer's probes read, at every step. A picture that
was not kept is made again in the same way (`show_anew`).

Maps are kept in a byte a value. Each map has ends of its own, so rounding is at most 1/508 of what
the values of that map span.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Float32, Float64, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..core.files import write_sealed
from ..core.pictures import shrunk
from ..core.progress import Say
from ..core.prompts import Prompt
from ..core.properties import PROPERTIES
from ..models.layers import Layer
from ..probes.moments import MeanMap
from ..probes.probes import Probe, ProbeKey
from ..runs.folder import Run, read_settings
from ..runs.runs import read_moments, read_probes
from .batches import bare, batches
from .checkpoints import checked
from .folding import Batch
from .looks import PICTURE_PX, Looks, look
from .pooling import SHOWN as DECODED
from .pooling import shown as latents_of
from .scoring import readings
from .study import Study

MAP_PX = 96
"""The longest side of maps of every step."""
LABEL_PX = 256
"""The longest side of what there is one of: the final picture and its labels."""
ANEW_AT_ONCE = 4
"""Pictures that are made again together."""

_LEVELS, _UNKNOWN = 254, 255
_CPU = torch.device("cpu")

Named = tuple[str, str]
"""A property and a source, or a property and a layer."""


@dataclass(frozen=True, eq=False)
class Coarse:
    """Maps in a byte a value: `low + (high - low) * byte / 254`; 255 is unknown, NaN."""

    bytes: UInt8[Tensor, "map target row col"]
    low: Float32[Tensor, "map target"]
    high: Float32[Tensor, "map target"]


@dataclass(frozen=True, eq=False)
class Shown:
    """All that is shown of one picture, in main memory and small.

    Args:
        prompt: Whose picture.
        layers: Those that are read, in the order in which they run.
        pictures: In 0..1: "image" and "estimate" of every step, and the "final" one.
        maps: By property and source, normalised: "image" and "estimate" of every step, and one
            each of "label" and "position", the mean of training labels.
        read: What the probes of a property and layer read at every step.
        cuts: Of masks, where such a reading becomes foreground at every step.
    """

    prompt: Prompt
    layers: tuple[Layer, ...]
    pictures: Mapping[str, Coarse]
    maps: Mapping[Named, Coarse]
    read: Mapping[Named, Coarse]
    cuts: Mapping[Named, Float64[Tensor, "step"]]


def coarse(maps: Float[Tensor, "map target row col"], side_px: int) -> Coarse:
    """Shrink maps so that no side is longer, and round them to bytes in main memory.

    Examples:
        >>> maps = torch.tensor([[[[0.0, 0.5], [float("nan"), 1.0]]]])
        >>> fine(coarse(maps, 96))[0, 0].isnan().tolist()
        [[False, False], [True, False]]
    """
    small = shrunk(maps, side_px).cpu()
    known = small.isfinite()
    low = torch.where(known, small, torch.inf).amin(dim=(-2, -1))
    high = torch.where(known, small, -torch.inf).amax(dim=(-2, -1))
    is_known = known.any(dim=(-2, -1))
    low, high = (torch.where(is_known, each, 0.0) for each in (low, high))
    span = torch.where(high > low, high - low, 1.0)[..., None, None]
    shares = torch.where(known, (small - low[..., None, None]) / span, 0.0)
    levels = (shares * _LEVELS).round()
    return Coarse(torch.where(known, levels, _UNKNOWN).to(torch.uint8), low, high)


def fine(maps: Coarse) -> Float32[Tensor, "map target row col"]:
    """Give the values that bytes stand for."""
    low, high = maps.low[..., None, None], maps.high[..., None, None]
    values = low + (high - low) * (maps.bytes.float() / _LEVELS)
    return torch.where(maps.bytes == _UNKNOWN, torch.nan, values)


def show(
    study: Study,
    batch: Batch,
    places: Sequence[int],
    read_maps: Mapping[Named, Float[Tensor, "step image _ _ _"]],
    looks: Looks,
    *,
    cuts: Mapping[Named, Float64[Tensor, "step"]],
    position: Mapping[str, MeanMap],
) -> list[Shown]:
    """Gather what is shown of some pictures of a batch.

    Args:
        study: Whose properties and layers.
        batch: With its final pictures and labels; activations are not needed.
        places: Of those pictures in the batch.
        read_maps: What probes read in the whole batch.
        looks: What is seen in those pictures alone, at every step, and the drawn pictures.
        cuts: Where readings of masks become foreground.
        position: Mean label maps.
    """
    found = []
    for at, place in enumerate(places):
        pictures = {name: coarse(x[:, at], PICTURE_PX) for name, x in looks.pictures.items()}
        pictures["final"] = coarse(batch.trace.images[[place]], LABEL_PX)
        maps, read, own_cuts = {}, {}, {}
        for each in study.properties:
            for source, seen in looks.maps.items():
                maps[each.name, source] = coarse(seen[each.name][:, at], MAP_PX)
            maps[each.name, "label"] = coarse(batch.labels[each.name][[place]], LABEL_PX)
            maps[each.name, "position"] = coarse(position[each.name].mean[None], MAP_PX)
            for layer in study.layers:
                key = each.name, layer.name
                read[key] = coarse(read_maps[key][:, place], MAP_PX)
                if each.is_binary:
                    own_cuts[key] = cuts[key].cpu()
        prompt = batch.trace.prompts[place]
        found.append(Shown(prompt, study.layers, pictures, maps, read, own_cuts))
    return found


def show_anew(
    study: Study,
    prompts: Sequence[Prompt],
    probes: Mapping[ProbeKey, Probe],
    position: Mapping[str, MeanMap],
) -> Iterator[Shown]:
    """Make pictures again, and gather what is shown of them.

    Args:
        study: With model and labelers; its properties and layers are shown.
        prompts: Whose pictures.
        probes: Of those properties and layers, with thresholds of masks; others are not used.
        position: Mean label maps.
    """
    wanted = {(each.name, layer.name) for each in study.properties for layer in study.layers}
    probes = {key: probe for key, probe in probes.items() if key[:2] in wanted}
    cuts = {
        (name, layer): torch.tensor(
            [probes[name, layer, step].threshold or 0.0 for step in range(study.steps)]
        ).double()
        for name, layer in wanted
    }
    few = replace(bare(study), batch=ANEW_AT_ONCE, rivals_at=None)
    for batch in batches(few, prompts):
        places = range(len(batch.trace.prompts))
        latents = latents_of(batch.trace)
        looks = look(few.model, few.labelers, few.properties, latents, places=places)
        read_maps = readings(probes, batch)
        yield from show(few, batch, places, read_maps, looks, cuts=cuts, position=position)


def shown_of(
    run: Run, prompts: Sequence[Prompt], again: Callable[[], Study], say: Say
) -> Iterator[Shown]:
    """Give what is shown of some pictures: first those that were kept, then those made again.

    Args:
        run: Finished.
        prompts: Whose pictures.
        again: Gives the run's study, with its model; called where a picture was not kept.
        say: Told a line for each file that was damaged.

    Raises:
        RunError: if something is made again, and the run's probes or sums cannot be read.
    """
    missing = []
    for prompt in prompts:
        kept = read_shown(run, prompt, say)
        if kept is None:
            missing.append(prompt)
        else:
            yield kept
    if missing:
        study = again()
        _, position = read_moments(run, _CPU)
        yield from show_anew(study, missing, read_probes(run, study.model.device), position)


def shown_path(run: Run, prompt: Prompt) -> Path:
    """Name the file of one picture, as `images/` does."""
    return run.shown / f"{prompt.index or 0:05d}.safetensors"


def write_shown(run: Run, shown: Shown) -> None:
    """Keep all that is shown of one picture."""
    tensors: dict[str, Tensor] = {}
    for kind in ("pictures", "maps", "read"):
        for name, each in getattr(shown, kind).items():
            key = "/".join((kind, *((name,) if isinstance(name, str) else name)))
            tensors |= {f"{key}/{part}": getattr(each, part) for part in ("bytes", "low", "high")}
    tensors |= {f"cuts/{'/'.join(name)}": each for name, each in shown.cuts.items()}
    # Copies: safetensors writes no two tensors that share memory.
    whole = {
        name: each.clone(memory_format=torch.contiguous_format) for name, each in tensors.items()
    }
    about = {"layers": json.dumps([asdict(each) for each in shown.layers])}
    path = shown_path(run, shown.prompt)
    write_sealed(path, lambda part: save_file(whole, part, metadata=about))


def read_shown(run: Run, prompt: Prompt, say: Say = lambda _line: None) -> Shown | None:
    """Read what was kept of a picture; None where it was not, or is not as it was written."""
    path = shown_path(run, prompt)
    if not checked(path, say):
        return None
    try:
        with safe_open(path, framework="pt") as file:
            return _unpacked(file, prompt, read_settings(run))
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        say(f"{path} is damaged ({error}); it is drawn again.")
        return None


def _unpacked(file: Any, prompt: Prompt, settings: Mapping[str, Any]) -> Shown:
    """Take a file apart, and make sure that it holds what this run shows."""
    listed = json.loads((file.metadata() or {})["layers"])
    layers = tuple(Layer(**{**each, "grid": tuple(each["grid"])}) for each in listed)
    if [each.name for each in layers] != settings["layers"]:
        raise ValueError("its layers are not the run's")
    steps, properties = settings["steps"], [PROPERTIES[name] for name in settings["properties"]]
    kept = dict.fromkeys(DECODED, (steps, PICTURE_PX)) | {"final": (1, LABEL_PX)}
    pictures = {name: _coarse(file, f"pictures/{name}", *how, 3) for name, how in kept.items()}
    sizes = dict.fromkeys(DECODED, (steps, MAP_PX))
    sizes |= {"label": (1, LABEL_PX), "position": (1, MAP_PX)}
    maps, read, cuts = {}, {}, {}
    for each in properties:
        for source, how in sizes.items():
            key = each.name, source
            maps[key] = _coarse(file, f"maps/{'/'.join(key)}", *how, each.targets)
        for layer in layers:
            key = each.name, layer.name
            read[key] = _coarse(file, f"read/{'/'.join(key)}", steps, MAP_PX, each.targets)
            if each.is_binary:
                cuts[key] = _like(file, f"cuts/{'/'.join(key)}", (steps,), torch.float64)
    return Shown(prompt, layers, pictures, maps, read, cuts)


def _coarse(file: Any, key: str, count: int, side_px: int, targets: int) -> Coarse:
    # A copy: the tensor itself is the file, which may be cut short while it is looked at.
    values = file.get_tensor(f"{key}/bytes").clone()
    low, high = (
        _like(file, f"{key}/{end}", (count, targets), torch.float32) for end in ("low", "high")
    )
    is_small = values.ndim == 4 and 1 <= min(values.shape[2:]) <= max(values.shape[2:]) <= side_px
    if values.dtype != torch.uint8 or not is_small or values.shape[:2] != (count, targets):
        raise ValueError(f"{key} is {values.dtype} of {tuple(values.shape)}")
    return Coarse(values, low, high)


def _like(file: Any, key: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    values = file.get_tensor(key).clone()
    if values.dtype != dtype or values.shape != shape or not values.isfinite().all():
        raise ValueError(f"{key} is {values.dtype} of {tuple(values.shape)}")
    return values
