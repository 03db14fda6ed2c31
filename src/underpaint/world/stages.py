"""Everything behind `tiny`, from nothing: renders, autoencoder, readers, denoiser, one folder.

Stages run in order and keep what they finished in OUT, so the same command goes on where it was
killed. The time is shared out as the measurements in the training record ask for: the autoencoder
first and well, since colours that it loses never come back.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..models import load
from ..models.readers import MapReader, WordReader
from .autoencoder import (
    Decoding,
    decoding_loss,
    encode_all,
    fold_normalisation,
    new_autoencoder,
    reconstruct,
    reconstruction_loss,
)
from .denoiser import (
    Denoiser,
    boxes_of,
    caption_tokens,
    denoising_loss,
    new_scheduler,
    new_tokenizer,
)
from .measures import (
    measure_autoencoder,
    measure_pictures,
    measure_place,
    measure_readers,
    read_readers,
)
from .reading import WORD_SIZES, map_loss, word_loss
from .renders import read_shards, render_shards
from .training import Budget, train

SHARES = {
    "autoencoder": 0.13,
    "decoder": 0.05,
    "map_reader": 0.13,
    "word_reader": 0.09,
    "denoiser": 0.6,
}
"""How the minutes are divided."""
GUIDANCE = 3.5
READERS_SEE = 8_000
"""Pictures that the readers meet as the autoencoder gives them back, beside all as rendered."""


def train_all(
    out: Path, *, minutes: float, shards: int, device: str, progress: Callable[[str], None]
) -> None:
    """Train the embedded model and its readers into `out/tiny`, resuming what `out` holds.

    Args:
        out: Folder of renders, checkpoints and losses.
        minutes: Of training, over all networks.
        shards: Thousands of scenes to render.
        device: "auto" takes CUDA, else the CPU.
        progress: Told a line now and then.
    """
    chosen = torch.device("cuda" if device == "auto" and torch.cuda.is_available() else "cpu")
    chosen = chosen if device == "auto" else torch.device(device)
    paths = render_shards(out / "renders", shards, workers=os.cpu_count() or 1, progress=progress)
    renders = read_shards(paths[1:])

    def budget(name: str, rate: float, memory: float) -> Budget:
        return Budget(minutes * SHARES[name], rate, memory)

    def fresh(network: nn.Module) -> nn.Module:
        return network.to(memory_format=torch.channels_last).to(chosen)  # pyright: ignore[reportCallIssue]

    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer = new_tokenizer()
        vae, maps, words = new_autoencoder(), MapReader(), WordReader(WORD_SIZES)
        denoiser = Denoiser(tokenizer)
    for network in (vae, maps, words, denoiser):
        fresh(network)

    loss = reconstruction_loss(vae, renders)
    train(vae, loss, out, "autoencoder", budget("autoencoder", 2e-3, 0.998), progress)
    fewer = renders[torch.arange(min(len(renders), READERS_SEE))]
    sample = encode_all(vae, fewer[torch.arange(min(len(fewer), 2000))], mirrored=False)
    fold_normalisation(vae, sample.to(chosen))
    latents = _once(
        out / "latents.safetensors",
        lambda: torch.cat(
            [encode_all(vae, renders, mirrored=flip).half() for flip in (False, True)]
        ),
    )
    drawn = Decoding(vae)
    loss = decoding_loss(drawn, renders, latents[: len(renders)])
    train(drawn, loss, out, "decoder", budget("decoder", 1e-3, 0.998), progress)
    decoded = _once(
        out / "decoded.safetensors",
        lambda: (reconstruct(vae, fewer) * 255).round().to(torch.uint8),
    )
    loss = map_loss(maps, renders, decoded)
    train(maps, loss, out, "map_reader", budget("map_reader", 2e-3, 0.998), progress)
    loss = word_loss(words, renders, decoded)
    train(words, loss, out, "word_reader", budget("word_reader", 1e-3, 0.998), progress)

    tokens = [caption_tokens(tokenizer, renders.classes, mirrored=flip) for flip in (False, True)]
    boxes = boxes_of(renders)
    boxes = torch.cat([boxes, boxes.flip(-1)])
    loss = denoising_loss(denoiser, tokenizer, latents, torch.cat(tokens), boxes, batch=32)
    train(denoiser, loss, out, "denoiser", budget("denoiser", 6e-4, 0.999), progress)

    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=denoiser.text_encoder,
        tokenizer=tokenizer,
        unet=denoiser.unet,
        scheduler=new_scheduler(),  # pyright: ignore[reportArgumentType]
        safety_checker=None,  # pyright: ignore[reportArgumentType]
        feature_extractor=None,  # pyright: ignore[reportArgumentType]
        requires_safety_checker=False,
    )
    pipeline.to("cpu", torch.float16).save_pretrained(out / "tiny")
    settings = {"guidance": GUIDANCE, "resolution": 128}
    (out / "tiny" / "underpaint.json").write_text(json.dumps(settings) + "\n")
    for name, network in (("map_reader", maps), ("word_reader", words)):
        half = {key: each.cpu().half().contiguous() for key, each in network.state_dict().items()}
        save_file(half, out / "tiny" / f"{name}.safetensors")
    progress(f"trained: {out / 'tiny'}")


def _once(path: Path, make: Callable[[], Tensor]) -> Tensor:
    """Read a tensor that an earlier, interrupted run has made, or make and keep it."""
    if not path.exists():
        unfinished = path.with_suffix(".part")
        save_file({"made": make().contiguous()}, unfinished)
        unfinished.rename(path)
    return load_file(path)["made"]


def measure_all(out: Path, *, count: int, progress: Callable[[str], None]) -> dict[str, float]:
    """Measure `out/tiny` on the held-out shard and captions; write measures.json and a sheet."""
    folder = out / "tiny"
    model = load(str(folder), device="cpu")
    maps, words = read_readers(folder)
    held_out = read_shards(render_shards(out / "renders", 0, workers=1, progress=progress))
    found = measure_place(held_out) | measure_readers(maps, words, held_out)
    found |= measure_autoencoder(model, held_out)
    found |= measure_pictures(
        model, words, held_out, count=count, sheet=out / "sheet.png", progress=progress
    )
    (folder / "measures.json").write_text(json.dumps(found, indent=1) + "\n")
    return found
