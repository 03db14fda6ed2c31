"""A run's folder: every file we write, its name and shape. The only code that writes results.

Every file is whole or not there (see `files`). Nothing is unpickled: JSON, CSV, safetensors,
Parquet and PNG.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .errors import RunError
from .files import LOCK, held, is_whole, write_file, write_sealed, writing
from .moments import Cell, Moments
from .probes import Probe, ProbeKey
from .prompts import Prompt
from .scoring import MeanMap

SCHEMA = 1


@dataclass(frozen=True)
class Run:
    """A folder of results. Paths are fixed; what is not there yet has not been done yet."""

    folder: Path

    @property
    def settings(self) -> Path:
        """What was asked for and of what: run.json."""
        return self.folder / "run.json"

    @property
    def moments(self) -> Path:
        """Sums of the training pictures."""
        return self.folder / "moments.safetensors"

    @property
    def probes(self) -> Path:
        """Fitted probes with their thresholds."""
        return self.folder / "probes.safetensors"

    @property
    def scores(self) -> Path:
        """Every score of every source on every held-out picture."""
        return self.folder / "scores.parquet"

    @property
    def edits(self) -> Path:
        """Every score of every edited picture."""
        return self.folder / "edits.parquet"

    @property
    def picks(self) -> Path:
        """Folder of pictures that `underpaint pick` kept."""
        return self.folder / "picks"

    @property
    def classes(self) -> Path:
        """Every score of recognition on every held-out picture."""
        return self.folder / "classes.parquet"

    @property
    def summary(self) -> Path:
        """What `underpaint show --json` prints."""
        return self.folder / "summary.json"

    @property
    def shards(self) -> Path:
        """Folder of what a run that is not finished has done so far."""
        return self.folder / "shards"

    @property
    def figures(self) -> Path:
        """Folder of pictures."""
        return self.folder / "figures"


def open_run(
    folder: Path, settings: Mapping[str, Any], made_with: Mapping[str, str] | None = None
) -> Run:
    """Begin a run in a folder, or go on with the one that is there if it was asked for the same.

    Args:
        folder: Made if it is not there.
        settings: What the numbers follow from. Two runs that differ here are never mixed.
        made_with: What is kept beside them but need not be the same, such as versions.

    Raises:
        RunError: if the folder holds another run or something that is no run, its run.json cannot
            be read, or another process is writing it.
    """
    run = Run(folder)
    wanted = json.loads(json.dumps({"schema": SCHEMA, **settings}))
    if folder.exists() and not (folder.is_dir() and _is_ours(folder)):
        raise RunError(f"{folder} is in use and holds no run. Choose another folder.")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with held(folder):
        if run.settings.exists():
            _refuse_another(run, wanted)
        else:
            write_json(run.settings, {**wanted, "made_with": dict(made_with or {})})
    return run


def _is_ours(folder: Path) -> bool:
    # A run that was killed at once may leave its lock alone.
    names = {each.name for each in folder.iterdir()}
    return "run.json" in names or names <= {LOCK, "run.json.part"}


def _refuse_another(run: Run, wanted: Mapping[str, Any]) -> None:
    try:
        found = json.loads(run.settings.read_text(encoding="utf-8"))
        found = {name: value for name, value in found.items() if name != "made_with"}
    except (OSError, ValueError, AttributeError) as error:
        raise RunError(
            f"{run.settings} is damaged ({error}), so nothing says what {run.folder} holds. "
            "Choose another folder, or delete this one."
        ) from error
    if differing := sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k)):
        name = differing[0]
        raise RunError(
            f"{run.folder} holds another run: its {name} is {found.get(name)!r}, not "
            f"{wanted.get(name)!r}. Choose another folder."
        )


def is_done(run: Run) -> bool:
    """Tell whether a run has come to its end, and its numbers are still what was written."""
    try:
        summary = json.loads(run.summary.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    has_all = isinstance(summary, dict) and {"properties", "cost"} <= set(summary)
    return has_all and all(is_whole(path) for path in (run.moments, run.probes, run.scores))


def find_run(folder: Path) -> Run:
    """Open a run that is there.

    Raises:
        RunError: if there is none.
    """
    run = Run(folder)
    if not run.settings.exists():
        raise RunError(
            f"{folder} holds no run: it has no run.json. Make one with `underpaint run`."
        )
    return run


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people to read too."""
    write_file(path, lambda part: part.write_text(json.dumps(value, indent=1) + "\n"))


def update_summary(run: Run, entries: Mapping[str, Any]) -> dict[str, Any]:
    """Put entries into summary.json and leave what other commands wrote there; return all of it.

    A summary that cannot be read is begun anew.
    """
    try:
        found = json.loads(run.summary.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = {}
    summary = {**(found if isinstance(found, dict) else {}), **entries}
    write_json(run.summary, summary)
    return summary


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        RunError: if it is not there or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"Cannot read {path} ({error}). Run `underpaint run` again.") from error


def write_prompts(run: Run, parts: Mapping[str, Sequence[Prompt]]) -> None:
    """Write every prompt with the split it is in, to prompts.csv."""

    def write(path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["prompts", "seeds", "prompt_inds", "split"])
            for split, prompts in parts.items():
                rows.writerows([p.text, p.seed, p.index, split] for p in prompts)

    write_file(run.folder / "prompts.csv", write)


def read_split(run: Run, split: str) -> tuple[Prompt, ...]:
    """Read one split's prompts back, in order."""
    try:
        with (run.folder / "prompts.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == split]
    except (OSError, KeyError, csv.Error) as error:
        raise RunError(f"Cannot read prompts.csv of {run.folder} ({error}). Run again.") from error
    return tuple(
        Prompt(row["prompts"], int(row["seeds"]), int(row["prompt_inds"] or 0)) for row in rows
    )


def write_images(
    run: Run, images: Float[Tensor, "image 3 height width"], prompts: Sequence[Prompt]
) -> None:
    """Write pictures as images/NNNNN.png, numbered by prompt index."""
    folder = run.folder / "images"
    for image, prompt in zip(images, prompts, strict=True):
        write_picture(folder / f"{prompt.index or 0:05d}.png", image)


def write_picks(
    run: Run, name: str, images: Float[Tensor, "image 3 height width"], seeds: Sequence[int]
) -> None:
    """Write the pictures that a search kept as picks/NAME/SEED.png."""
    for image, seed in zip(images, seeds, strict=True):
        write_picture(run.picks / name / f"{seed}.png", image)


def write_picture(path: Path, image: Float[Tensor, "3 height width"]) -> None:
    """Write one picture, in 0..1, as PNG."""
    pixels = (image.permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
    picture = Image.fromarray(pixels)
    write_file(path, lambda part: picture.save(part, format="PNG"))


def read_image(run: Run, prompt: Prompt) -> Float[Tensor, "3 height width"]:
    """Read back the picture of one prompt, in 0..1.

    Raises:
        RunError: if it is not there or no picture.
    """
    path = run.folder / "images" / f"{prompt.index or 0:05d}.png"
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except OSError as error:
        raise RunError(f"Cannot read {path} ({error}). Run `underpaint run` again.") from error
    return torch.from_numpy(pixels / np.float32(255)).permute(2, 0, 1)


def write_moments(
    run: Run, parts: Mapping[str, Mapping[Cell, Moments]], position: Mapping[str, MeanMap]
) -> None:
    """Write sums, named part/layer/step/count, mean and scatter, and the mean label maps."""
    tensors = pack(parts, position)
    write_sealed(run.moments, lambda part: save_file(tensors, part))


def read_moments(
    run: Run, device: torch.device
) -> tuple[dict[str, dict[Cell, Moments]], dict[str, MeanMap]]:
    """Read back what `write_moments` wrote, onto a device.

    Raises:
        RunError: if it is not there or not whole.
    """
    try:
        with safe_open(run.moments, framework="pt", device=str(device)) as file:
            return unpack(file)
    except (OSError, ValueError, SafetensorError) as error:
        raise RunError(
            f"Cannot read {run.moments} ({error}). Delete it, and run `underpaint run` again."
        ) from error


def pack(
    parts: Mapping[str, Mapping[Cell, Moments]], position: Mapping[str, MeanMap]
) -> dict[str, Tensor]:
    """Name every tensor of some sums, for one safetensors file."""
    tensors = {}
    for part, moments in parts.items():
        for (layer, step), each in moments.items():
            key = f"{part}/{layer}/{step}"
            tensors[f"{key}/count"] = torch.tensor(each.count)
            tensors[f"{key}/mean"] = each.mean.cpu()
            tensors[f"{key}/scatter"] = each.scatter.cpu()
    for name, each in position.items():
        tensors[f"position/{name}/count"] = torch.tensor(each.count)
        tensors[f"position/{name}/mean"] = each.mean.cpu()
    return tensors


def unpack(file: safe_open) -> tuple[dict[str, dict[Cell, Moments]], dict[str, MeanMap]]:
    """Read back what `pack` named."""
    parts: dict[str, dict[Cell, Moments]] = {}
    position: dict[str, MeanMap] = {}
    for key in sorted(file.keys()):
        if not key.endswith("/count"):
            continue
        stem = key.removesuffix("/count")
        count, mean = int(file.get_tensor(key)), file.get_tensor(f"{stem}/mean")
        part, *cell = stem.split("/")
        if part == "position":
            position[cell[0]] = MeanMap(count, mean)
        else:
            moments = Moments(count, mean, file.get_tensor(f"{stem}/scatter"))
            parts.setdefault(part, {})[cell[0], int(cell[1])] = moments
    return parts, position


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
        return unpack_probes(run.probes, device, layer=layer)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise RunError(
            f"Cannot read {run.probes} ({error}). Run `underpaint run` again."
        ) from error


def pack_probes(probes: Mapping[ProbeKey, Probe]) -> dict[str, Tensor]:
    """Name every tensor of some probes, for one safetensors file."""
    tensors = {}
    for (name, layer, step), each in probes.items():
        key = f"{name}/{layer}/{step}"
        tensors[f"{key}/weight"] = each.weight.cpu().contiguous()
        tensors[f"{key}/bias"] = each.bias.cpu().contiguous()
        if each.place is not None:
            tensors[f"{key}/place"] = each.place.cpu().contiguous()
        for part in ("threshold", "penalty"):
            if (value := getattr(each, part)) is not None:
                tensors[f"{key}/{part}"] = torch.tensor(value, dtype=torch.float64)
    return tensors


def unpack_probes(
    path: Path, device: torch.device, *, layer: str | None = None
) -> dict[ProbeKey, Probe]:
    """Read back what `pack_probes` named. What is wrong with the file comes as its own error."""
    found: dict[tuple[str, str, str], dict[str, Tensor]] = {}
    with safe_open(path, framework="pt", device=str(device)) as file:
        for key in sorted(file.keys()):
            name, at, step, part = key.split("/")
            if layer is None or at == layer:
                found.setdefault((name, at, step), {})[part] = file.get_tensor(key)
    return {
        (name, at, int(step)): Probe(
            at,
            int(step),
            name,
            parts["weight"],
            parts["bias"],
            place=parts.get("place"),
            **{part: float(parts[part]) for part in ("threshold", "penalty") if part in parts},
        )
        for (name, at, step), parts in found.items()
    }


def write_table(path: Path, rows: pd.DataFrame) -> None:
    """Write a table as Parquet."""
    write_sealed(path, lambda part: rows.to_parquet(part, index=False))


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet table back.

    Raises:
        RunError: if it is not there or not whole.
    """
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise RunError(f"Cannot read {path} ({error}). Delete it to begin anew.") from error
