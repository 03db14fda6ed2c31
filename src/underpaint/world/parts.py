"""What a denoiser stands on: an autoencoder and two readers, trained here or from a folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTokenizer

from ..core.errors import ModelError
from ..models.readers import MapReader, WordReader
from ..models.weights import check_part, find_folder
from .autoencoder import (
    Decoding,
    decoding_loss,
    encode_all,
    fold_normalisation,
    new_autoencoder,
    reconstruct,
    reconstruction_loss,
)
from .drawing import Drawing, Growing
from .measures import read_readers
from .pool import Pool
from .reading import WORD_SIZES, map_loss, word_loss
from .training import Budget, Progress, at_once, train

READERS_SEE = 8_000
"""Pictures that the readers meet as the autoencoder gives them back, beside all as rendered."""


@dataclass(frozen=True)
class Parts:
    """An autoencoder and the readers of its pictures."""

    vae: AutoencoderKL
    maps: MapReader
    words: WordReader


def taken(source: str) -> Parts:
    """Take autoencoder and readers from "tiny" or a folder that training wrote.

    Raises:
        ModelError: if they are not all there.
    """
    folder = find_folder(source)
    check_part(folder / "vae")
    missing = [
        name
        for name in ("map_reader", "word_reader")
        if not (folder / f"{name}.safetensors").exists()
    ]
    if missing:
        raise ModelError(
            f"{folder} has no {missing[0]}.safetensors. Take the parts of 'tiny', or of a folder "
            "that `underpaint train` wrote."
        )
    vae = AutoencoderKL.from_pretrained(folder, subfolder="vae", local_files_only=True)
    maps, words = read_readers(folder)
    return Parts(vae.float().eval(), maps, words)


def trained(
    out: Path,
    drawn: Drawing,
    tokenizer: CLIPTokenizer,
    *,
    device: torch.device,
    scenes: int,
    budget: Callable[[str, float], Budget],
    progress: Progress,
) -> Parts:
    """Train autoencoder, decoder and readers, in this order, or go on with what `out` holds."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae, maps, words = new_autoencoder(), MapReader(), WordReader(WORD_SIZES)
    for network in (vae, maps, words):
        placed(network, device)
    growing = Growing(drawn, device=_room_for(drawn, scenes, device))

    def fetch() -> None:
        growing.grow()
        drawn.give_back()

    loss = reconstruction_loss(vae, growing.now)
    own = budget("autoencoder", 2e-3)
    train(vae, loss, out, "autoencoder", own, progress, meanwhile=fetch)
    drawn.wait(-(-READERS_SEE // scenes))
    growing.grow()
    renders = growing.now()
    fewer = renders[torch.arange(min(len(renders), READERS_SEE))]
    sample = encode_all(vae, fewer.truth["image"][:2000], mirrored=False)
    fold_normalisation(vae, sample.to(device))
    pool = Pool(out, drawn, vae, tokenizer)
    assert pool.latents is not None
    drawer = Decoding(vae)
    known = renders[torch.arange(min(len(renders), pool.latents.shape[1]))]
    loss = decoding_loss(drawer, known, pool.latents[0])
    train(drawer, loss, out, "decoder", budget("decoder", 1e-3), progress)
    decoded = _once(
        out / "decoded.safetensors",
        lambda: (reconstruct(vae, fewer) * 255).round().to(torch.uint8),
    ).to(renders.classes.device)
    loss = map_loss(maps, renders, decoded, batch=at_once(device, cpu=24))
    train(maps, loss, out, "map_reader", budget("map_reader", 2e-3), progress)
    loss = word_loss(words, renders, decoded, batch=at_once(device, cpu=48))
    train(words, loss, out, "word_reader", budget("word_reader", 1e-3), progress)
    return Parts(vae, maps, words)


def placed(network: nn.Module, device: torch.device) -> None:
    """Put a network where it is trained, laid out as convolutions want it."""
    network.to(memory_format=torch.channels_last).to(device)  # pyright: ignore[reportCallIssue]


def _room_for(drawn: Drawing, scenes: int, device: torch.device) -> torch.device:
    """Choose where renders are held: on the device if all of them fill less than half of it."""
    if device.type != "cuda":
        return torch.device("cpu")
    free, _ = torch.cuda.mem_get_info(device)
    bytes_each = 128 * 128 * 13
    return device if drawn.shards * scenes * bytes_each < free / 2 else torch.device("cpu")


def _once(path: Path, make: Callable[[], Tensor]) -> Tensor:
    """Read a tensor that an earlier, interrupted run has made, or make and keep it."""
    if not path.exists():
        unfinished = path.with_suffix(".part")
        save_file({"made": make().contiguous()}, unfinished)
        unfinished.rename(path)
    return load_file(path)["made"]
