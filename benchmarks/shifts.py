"""Show `tiny` with more or less noise: the same network, its timesteps renamed.

    python -m benchmarks.shifts OUT [--shifts 1 2 4] [--count 200]

A timestep stands for a ratio of noise to signal. On another schedule the same ratio has another
number, so the time embedding alone is fitted anew, to give for the new number what it gave for the
old one; all else that the denoiser knows is as it was. Writes OUT/tiny-SHIFT and prints how good
its pictures are. `underpaint run OUT/run-SHIFT --model OUT/tiny-SHIFT --count 300 --quick` then
says when the scene is read.
"""

import argparse
import json
import math
import shutil
from pathlib import Path

import numpy as np
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from underpaint.models import load
from underpaint.models.weights import TINY
from underpaint.world.denoiser import shifted_betas
from underpaint.world.drawing import render_shards
from underpaint.world.measures import measure_pictures, read_readers
from underpaint.world.renders import read_shards

ITERATIONS = 6000
RATE = 2e-3


def main() -> None:
    """Write a folder for each shift, and print what its pictures are like."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="Where to write the models.")
    parser.add_argument("--shifts", type=float, nargs="*", default=[1.0, 2.0, 4.0])
    parser.add_argument("--count", type=int, default=200, help="Held-out captions to draw.")
    asked = parser.parse_args()
    held_out = read_shards(render_shards(asked.out / "renders", 0, workers=1, progress=print))
    _, words = read_readers(TINY)
    for shift in asked.shifts:
        folder = asked.out / f"tiny-{shift:g}"
        error = retime(folder, shift)
        found = measure_pictures(
            load(str(folder), device="cpu"),
            words,
            held_out,
            count=asked.count,
            sheet=asked.out / f"sheet-{shift:g}.png",
            progress=lambda _line: None,
        )
        print(json.dumps({"shift": shift, "embedding error": error, **found}))


def retime(folder: Path, shift: float) -> float:
    """Write `tiny` with another schedule; give the time embedding's mean squared error, relative.

    The error is over all timesteps, in units of the embedding's variance.
    """
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(TINY, folder)
    path = folder / "scheduler" / "scheduler_config.json"
    settings = json.loads(path.read_text())
    old, betas = settings["trained_betas"], shifted_betas(shift)
    path.write_text(json.dumps({**settings, "trained_betas": betas}, indent=1) + "\n")
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet").float()
    renamed = np.interp(log_ratios(betas), log_ratios(old), np.arange(len(old)))
    network = unet.time_embedding
    with torch.no_grad():
        wanted = network(unet.time_proj(torch.from_numpy(renamed).float()))
        given = unet.time_proj(torch.arange(len(betas)).float())
    adam = torch.optim.Adam(network.parameters(), lr=RATE)
    for step in range(ITERATIONS):
        adam.param_groups[0]["lr"] = RATE * (0.5 + 0.5 * math.cos(math.pi * step / ITERATIONS))
        loss = (network(given) - wanted).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    unet.half().save_pretrained(folder / "unet")
    return float(loss.detach() / wanted.var())


def log_ratios(betas: list[float]) -> np.ndarray:
    """Give the logarithm of each timestep's ratio of noise to signal."""
    signal = np.cumprod(1 - np.array(betas))
    return np.log((1 - signal) / signal) / 2


if __name__ == "__main__":
    main()
