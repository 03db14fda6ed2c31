"""How good the embedded world is: what its places give away, its readers on exact truth, its
pictures on held-out captions."""

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from ..core.prompts import Prompt
from ..models import Model, decode, encode
from ..models.readers import MapReader, WordReader
from ..models.traces import trace
from ..scores.metrics import best_threshold, dice, prepare, spearman
from ..scores.sets import kernel_distance
from .reading import WORD_SIZES, standardised
from .renders import Renders
from .words import HELD_OUT, Caption

PARTS = ("object", "colour", "floor", "light")
_AT_ONCE = 50


def read_readers(folder: Path) -> tuple[MapReader, WordReader]:
    """Load both readers from a trained folder."""
    readers = (MapReader(), WordReader(WORD_SIZES))
    for reader, name in zip(readers, ("map_reader", "word_reader"), strict=True):
        saved = load_file(folder / f"{name}.safetensors")
        reader.load_state_dict({key: each.float() for key, each in saved.items()})
        reader.eval()
    return readers


def measure_place(held_out: Renders) -> dict[str, float]:
    """Score what knowing only a pixel's place gives: mean maps of one half, held to the other half.

    The mask's threshold is chosen on the half that the means are of. No model is asked: this is how
    much of the world a probe could read without an activation.
    """
    half = len(held_out) // 2
    known, asked = held_out[torch.arange(half)], held_out[torch.arange(half, len(held_out))]
    found = {}
    for name in ("saliency", "depth", "shading"):
        maps, truth = known.maps(name), asked.maps(name)
        if name == "depth":
            maps, truth = standardised(maps), standardised(truth)
        mean = maps.mean(dim=0, keepdim=True).double()
        guess = mean.expand(len(truth), -1, -1, -1)
        if name == "saliency":
            cut = best_threshold(mean.expand(half, -1, -1, -1), prepare(maps))
            found["place saliency dice"] = dice(guess > cut, prepare(truth))
        else:
            found[f"place {name} spearman"] = spearman(guess, prepare(truth))
    return {name: float(scores.nanmean()) for name, scores in found.items()}


@torch.no_grad()
def measure_readers(maps: MapReader, words: WordReader, held_out: Renders) -> dict[str, float]:
    """Score the readers on renders that no training has seen: means over pictures."""
    totals: dict[str, list[Tensor]] = {}
    for rows in torch.arange(len(held_out)).split(_AT_ONCE):
        part = held_out[rows]
        images = part.maps("image")
        read = maps(images)
        totals.setdefault("saliency dice", []).append(
            dice(read["saliency"] > 0.5, prepare(part.maps("saliency")))
        )
        for name in ("depth", "shading"):
            score = spearman(read[name], prepare(part.maps(name)))
            totals.setdefault(f"{name} spearman", []).append(score)
        for name, logits, truth in zip(PARTS, words(images), part.classes.T, strict=True):
            right = (logits.argmax(dim=1) == truth).double()
            totals.setdefault(f"{name} accuracy", []).append(right)
    return {name: float(torch.cat(scores).nanmean()) for name, scores in totals.items()}


@torch.no_grad()
def measure_autoencoder(model: Model, held_out: Renders) -> dict[str, float]:
    """Mean peak signal-to-noise ratio of held-out pictures, encoded and decoded, in dB."""
    ratios = []
    for rows in torch.arange(len(held_out)).split(_AT_ONCE):
        images = held_out[rows].maps("image")
        error = (decode(model, encode(model, images)).cpu() - images).square().mean(dim=(1, 2, 3))
        ratios.append(-10 * error.log10())
    return {"psnr": float(torch.cat(ratios).mean())}


@torch.no_grad()
def measure_pictures(
    model: Model,
    words: WordReader,
    held_out: Renders,
    *,
    count: int,
    sheet: Path,
    progress: Callable[[str], None],
) -> dict[str, float]:
    """Draw held-out captions and ask the word reader what it sees; write the first as a sheet.

    `kid` is the kernel distance of the drawn set to the renders (Bińkowski et al. 2018, section 3:
    unbiased squared MMD with the kernel (x·y/d + 1)³) on the word reader's features; `kid renders`
    is that of one half of the renders to the other.
    """
    captions = sorted(HELD_OUT, key=str)
    order = torch.randperm(len(captions), generator=torch.Generator().manual_seed(0)).tolist()
    asked: list[Caption] = [captions[order[i % len(order)]] for i in range(count)]
    right: list[Tensor] = []
    features: list[Tensor] = []
    shown: list[Tensor] = []
    for first in range(0, count, _AT_ONCE):
        part = asked[first : first + _AT_ONCE]
        prompts = [Prompt(str(caption), first + i) for i, caption in enumerate(part)]
        images = trace(model, prompts).images.cpu()
        truth = torch.tensor([caption.classes for caption in part])
        seen = torch.stack([logits.argmax(dim=1) for logits in words(images)], dim=1)
        right.append((seen == truth).double())
        features.append(words.features(images))
        shown.append(images)
        progress(f"drew {first + len(part)} of {count} held-out captions")
    _write_sheet(torch.cat(shown)[:80], sheet)
    real = torch.cat(
        [
            words.features(held_out[r].maps("image"))
            for r in torch.arange(len(held_out)).split(_AT_ONCE)
        ]
    )
    agreement = dict(zip(PARTS, torch.cat(right).mean(dim=0).tolist(), strict=True))
    half = len(real) // 2
    return {
        **{f"{name} agrees": value for name, value in agreement.items()},
        "kid": kernel_distance(torch.cat(features), real),
        "kid renders": kernel_distance(real[:half], real[half:]),
    }


def _write_sheet(images: Float[Tensor, "image 3 height width"], path: Path) -> None:
    rows = [torch.cat(list(row), dim=2) for row in images.split(10) if len(row) == 10]
    pixels = (torch.cat(rows, dim=1).permute(1, 2, 0) * 255).round().byte().numpy()
    Image.fromarray(pixels).save(path)
