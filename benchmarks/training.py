"""Say how much of the training loop's time its network has, and how many samples pass in a second.

    python -m benchmarks.training [--denoiser unet transformer] [--seconds 20] [--device cpu]

The loop is `world.training.train` as it is, on latents of random numbers in place of drawn scenes,
which are drawn and encoded beside it. The network's share is what forward and backward passes take
of all time between the first step and the last. On a GPU, where a pass returns before it is done,
there is no share, only the samples.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from safetensors.torch import load_file

from underpaint.models import find_device
from underpaint.world.parts import placed
from underpaint.world.pool import Pool
from underpaint.world.renders import SHARD
from underpaint.world.stages import KINDS
from underpaint.world.tokens import TOKENS, new_tokenizer, tokens_of
from underpaint.world.training import Budget, at_once, train


def main() -> None:
    """Print a line of JSON for each denoiser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--denoiser", nargs="*", choices=tuple(KINDS), default=list(KINDS))
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    for name in asked.denoiser:
        found = measure(name, seconds=asked.seconds, device=find_device(asked.device))
        print(json.dumps({"denoiser": name, **found}))


def measure(name: str, *, seconds: float, device: torch.device) -> dict[str, Any]:
    """Train one kind of denoiser for some seconds, and time its passes."""
    kind, tokenizer = KINDS[name], new_tokenizer()
    network = kind.new(tokenizer)
    placed(network, device)
    batch = at_once(device, cpu=32)
    loss_of = kind.loss(network, random_pool(tokenizer, device), batch=batch)
    clock = SimpleNamespace(spent=0.0, begun=0.0)

    def begin(*_: object) -> None:
        clock.begun = time.perf_counter()

    def end(*_: object) -> None:
        clock.spent += time.perf_counter() - clock.begun

    backward = torch.Tensor.backward

    def timed(loss: torch.Tensor) -> None:
        begin()
        backward(loss)
        end()

    if device.type == "cpu":
        network.register_forward_pre_hook(begin)
        network.register_forward_hook(end)
    with tempfile.TemporaryDirectory() as folder, patch.object(torch.Tensor, "backward", timed):
        budget = Budget(seconds / 60, kind.rate, save_every_s=1e9)
        train(network, loss_of, Path(folder), "network", budget, print)
        steps, spent = load_file(Path(folder) / "network.safetensors")["progress"].tolist()
    return {
        "device": str(device),
        "threads": torch.get_num_threads(),
        "batch": batch,
        "steps": int(steps),
        "samples_a_second": round(steps * batch / spent, 1),
        "share_of_network": round(clock.spent / spent, 3) if device.type == "cpu" else None,
    }


def random_pool(tokenizer: Any, device: torch.device) -> Pool:
    """Make a pool of random latents and tokens: the loop takes as long with those."""
    pool = object.__new__(Pool)
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(2, SHARD, 4, 16, 16, generator=generator)
    words = torch.randint(len(tokenizer), (2, SHARD, TOKENS), generator=generator)
    pool.device, pool.shards = device, 1
    pool.latents, pool.tokens = latents.half().to(device), words.to(device)
    pool.empty = tokens_of(tokenizer, [""])[0].to(device)
    return pool


if __name__ == "__main__":
    main()
