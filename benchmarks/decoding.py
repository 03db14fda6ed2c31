"""Measure what other ways to run a VAE's decoder would gain: channels last, and compiled.

    python -m benchmarks.decoding [--times 3] [--large]

Each way decodes the same latents: first once, which holds what is done only once, then `--times`
more, of which the shortest counts, for other work on the machine only adds to it. Seconds are a
processor's, of compilers too. `--large` measures a decoder of Stable Diffusion v1.4's size with
random weights, one picture of 512², beside `tiny`. What is found goes into docs/benchmarks.json;
`python -m benchmarks.costs --page` writes it out.
"""

import argparse
import json
import os
import resource
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from benchmarks.costs import NUMBERS, machine, say
from underpaint.models import load

SD_WIDTHS = (128, 256, 512, 512)


def cpu_s() -> float:
    """Give the processor seconds of this process and of those that it ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def timed(work: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """Give the seconds of some work beside what it made."""
    begun = cpu_s()
    made = work()
    return cpu_s() - begun, made


def plain(vae: AutoencoderKL) -> Callable[[Tensor], Tensor]:
    """Decode as a study does."""
    vae.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
    return vae.decoder


def channels_last(vae: AutoencoderKL) -> Callable[[Tensor], Tensor]:
    """Decode with the channels of a pixel side by side."""
    vae.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return vae.decoder


def compiled(vae: AutoencoderKL) -> Callable[[Tensor], Tensor]:
    """Decode by what torch.compile makes of it."""
    vae.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
    return torch.compile(vae.decoder)


WAYS = {"as it is": plain, "channels last": channels_last, "compiled": compiled}


@torch.no_grad()
def measure(vae: AutoencoderKL, latents: Tensor, *, times: int) -> list[dict[str, Any]]:
    """Measure every way on the same latents."""
    known, rows = torch.empty(0), []
    for name, way in WAYS.items():
        decode = way(vae)
        first_s, made = timed(lambda decode=decode: decode(latents))
        spent = [timed(lambda decode=decode: decode(latents))[0] for _ in range(times)]
        known = made if name == "as it is" else known
        levels = [((each / 2 + 0.5).clamp(0, 1) * 255).round() for each in (made, known)]
        rows.append(
            {
                "way": name,
                "first_s": first_s,
                "picture_s": min(spent) / len(latents),
                "difference": float((made - known).abs().max()),
                "levels": float((levels[0] != levels[1]).double().mean()),
            }
        )
        say(json.dumps(rows[-1]))
    return rows


def large() -> AutoencoderKL:
    """Build an autoencoder of Stable Diffusion v1.4's layout with random weights."""
    return AutoencoderKL(
        block_out_channels=SD_WIDTHS,  # pyright: ignore[reportArgumentType]
        down_block_types=("DownEncoderBlock2D",) * 4,  # pyright: ignore[reportArgumentType]
        up_block_types=("UpDecoderBlock2D",) * 4,  # pyright: ignore[reportArgumentType]
        layers_per_block=2,
        sample_size=512,
    ).eval()


def main() -> None:
    """Measure, and keep what was found."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="The size of SD v1.4 too.")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    cache = tempfile.TemporaryDirectory()  # or what was compiled by the run before is found
    os.environ |= {"TORCHINDUCTOR_CACHE_DIR": cache.name, "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    generator = torch.Generator().manual_seed(0)
    found: dict[str, Any] = {}
    small = load("tiny", device="cpu").pipeline.vae
    sizes = {"`tiny`, 4 pictures of 128²": (small, 4, 16)}
    if asked.large:
        sizes["SD v1.4's size, random, 512²"] = (large(), 1, 64)
    for name, (vae, count, side) in sizes.items():
        say(name)
        latents = torch.randn(count, 4, side, side, generator=generator)
        found[name] = {**machine(), "rows": measure(vae, latents, times=asked.times)}
        numbers = json.loads(NUMBERS.read_text())
        NUMBERS.write_text(json.dumps({**numbers, "decoding": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
