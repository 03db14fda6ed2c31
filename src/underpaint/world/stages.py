"""Everything behind `tiny` and `tiny-transformer`, from nothing: one folder at the end.

Stages run in order and keep what they finished in OUT, so the same command goes on where it was
killed. Scenes are drawn beside them: training begins with the first shard. The time is shared out
as the measurements in the training record ask for: the autoencoder first and well, since colours
that it loses never come back.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from ..core.errors import ModelError
from ..models import find_device, load
from ..models.weights import find_folder
from . import denoiser as by_unet
from . import transformer as by_transformer
from .drawing import drawing, render_shards
from .measures import (
    measure_autoencoder,
    measure_pictures,
    measure_place,
    measure_readers,
    read_readers,
)
from .parts import Parts, placed, taken, trained
from .pool import Pool
from .renders import SHARD, read_shards
from .tokens import kept_tokenizer
from .training import Budget, Progress, at_once, train

SHARES = {
    "autoencoder": 0.13,
    "decoder": 0.05,
    "map_reader": 0.13,
    "word_reader": 0.09,
    "denoiser": 0.6,
}
"""How the minutes are divided."""


@dataclass(frozen=True)
class Kind:
    """One kind of denoiser: its network, loss and pipeline, and how it is trained and called.

    `checkpoint` names its file of weights in OUT, `rate` is for a batch of 32, and `settings` go
    into underpaint.json.
    """

    folder: str
    checkpoint: str
    new: Callable[[Any], nn.Module]
    loss: Callable[..., Any]
    pipeline: Callable[..., Any]
    rate: float
    settings: Mapping[str, Any]


KINDS = {
    "unet": Kind(
        folder="tiny",
        checkpoint="denoiser",
        new=by_unet.Denoiser,
        loss=by_unet.denoising_loss,
        pipeline=by_unet.new_pipeline,
        rate=6e-4,
        settings={"guidance": by_unet.GUIDANCE, "resolution": 128},
    ),
    "transformer": Kind(
        folder="tiny-transformer",
        checkpoint="transformer",
        new=by_transformer.TransformerDenoiser,
        loss=by_transformer.flow_loss,
        pipeline=by_transformer.new_pipeline,
        rate=2e-4,
        settings={
            "guidance": by_transformer.GUIDANCE,
            "resolution": 128,
            "call": {"max_sequence_length": 1},
        },
    ),
}


def train_all(
    out: Path,
    *,
    minutes: float,
    shards: int,
    device: str,
    progress: Progress,
    denoiser: str = "unet",
    source: str | None = None,
    warm: Path | None = None,
    scenes: int = SHARD,
) -> None:
    """Train a denoiser and what it stands on into a folder of `out`, resuming what `out` holds.

    Args:
        out: Folder of renders, checkpoints and losses.
        minutes: Of training, over all networks.
        shards: How many times `scenes` scenes to render.
        device: "auto" takes CUDA, else the CPU.
        progress: Told a line now and then.
        denoiser: "unet" or "transformer", of `KINDS`.
        source: Whose autoencoder and readers to take, "tiny" or a folder; trained here if None.
        warm: Folder whose denoiser's weights to begin with.
        scenes: Of one shard.

    Raises:
        ModelError: if `source` or `warm` does not hold the parts.
        SceneError: if scenes cannot be drawn.
    """
    kind, chosen = KINDS[denoiser], find_device(device)
    tokenizer = kept_tokenizer(out / f"tokenizer-{kind.checkpoint}", warm)
    network = _begun(kind, tokenizer, warm)
    given = None if source is None else taken(source)
    cores = os.cpu_count() or 1
    workers = cores if chosen.type == "cuda" else max(1, cores // 2)
    with drawing(
        out / "renders", shards, workers=workers, progress=progress, scenes=scenes
    ) as drawn:

        def budget(name: str, rate: float) -> Budget:
            return Budget(minutes * SHARES[name], rate, memory=0.998)

        parts = given or trained(
            out, drawn, tokenizer, device=chosen, scenes=scenes, budget=budget, progress=progress
        )
        placed(parts.vae, chosen)
        placed(network, chosen)
        pool = Pool(out, drawn, parts.vae, tokenizer)

        def fetch() -> None:
            pool.grow()
            drawn.give_back()

        batch = at_once(chosen, cpu=32)
        share = SHARES["denoiser"] if given is None else 1.0
        own = Budget(
            minutes * share,
            kind.rate * (batch / 32) ** 0.5,
            memory=0.999 if batch == 32 else 0.9995,
        )
        loss = kind.loss(network, pool, batch=batch)
        train(network, loss, out, kind.checkpoint, own, progress, meanwhile=fetch)
    _save(out / kind.folder, kind, network, parts, tokenizer)
    progress(f"trained: {out / kind.folder}")


def _begun(kind: Kind, tokenizer: Any, warm: Path | None) -> nn.Module:
    """Make a denoiser, always the same, or with the weights of a folder's."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = kind.new(tokenizer)
    if warm is None:
        return network
    for name, part in network.named_children():
        folder = find_folder(str(warm))
        if not (folder / name).is_dir():
            raise ModelError(f"{folder} has no {name}/, so there is nothing to go on from there.")
        found: Any = type(part)
        try:
            known = found.from_pretrained(
                folder, subfolder=name, local_files_only=True, use_safetensors=True
            )
            part.load_state_dict(known.float().state_dict())
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"{folder / name} cannot be gone on with: it is damaged, or of another build than "
                f"the one that is trained here ({str(error).splitlines()[0]})."
            ) from error
    return network


def _save(folder: Path, kind: Kind, network: nn.Module, parts: Parts, tokenizer: Any) -> None:
    pipeline = kind.pipeline(network, parts.vae, tokenizer)
    pipeline.to("cpu", torch.float16).save_pretrained(folder)
    (folder / "underpaint.json").write_text(json.dumps(dict(kind.settings)) + "\n")
    for name, reader in (("map_reader", parts.maps), ("word_reader", parts.words)):
        half = {key: each.cpu().half().contiguous() for key, each in reader.state_dict().items()}
        save_file(half, folder / f"{name}.safetensors")


def measure_all(
    out: Path,
    *,
    count: int,
    progress: Progress,
    denoiser: str = "unet",
    device: str = "cpu",
    scenes: int = SHARD,
) -> dict[str, float]:
    """Measure one denoiser's folder on the held-out shard and captions.

    Writes measures.json beside its weights, and a sheet of its first pictures into `out`.
    """
    kind = KINDS[denoiser]
    folder = out / kind.folder
    model = load(str(folder), device=device)
    maps, words = read_readers(folder)
    held_out = read_shards(
        render_shards(out / "renders", 0, workers=1, progress=progress, scenes=scenes)
    )
    found = measure_place(held_out) | measure_readers(maps, words, held_out)
    found |= measure_autoencoder(model, held_out)
    sheet = out / ("sheet.png" if denoiser == "unet" else f"sheet-{denoiser}.png")
    found |= measure_pictures(model, words, held_out, count=count, sheet=sheet, progress=progress)
    (folder / "measures.json").write_text(json.dumps(found, indent=1) + "\n")
    return found
