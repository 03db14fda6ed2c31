"""One training loop for every network here: budgeted in minutes, killed and resumed at will.

The learning rate follows the share of the budget that is spent, so a run on any machine ends with
its cosine tail, and a run that is resumed with a larger budget simply goes on. Checkpoints are
safetensors, written beside the last and renamed over it.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

Progress = Callable[[str], None]
LossOf = Callable[[torch.Generator], Tensor]
"""Draws a batch with the generator and returns its mean loss."""


@dataclass(frozen=True)
class Budget:
    """How long to train, how fast, and how much of the past the averaged weights remember."""

    minutes: float
    rate: float
    memory: float = 0.999
    decay: float = 0.01
    save_every_s: float = 120.0


def train(
    network: nn.Module, loss_of: LossOf, folder: Path, name: str, budget: Budget, progress: Progress
) -> None:
    """Minimise the loss with AdamW until the budget is spent; leave averaged weights in `network`.

    Resumes from `folder/name.safetensors` if it is there. Losses are appended to `name.jsonl`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = dict(network.named_parameters())
    optimizer = torch.optim.AdamW(
        weights.values(), lr=budget.rate, betas=(0.9, 0.98), weight_decay=budget.decay
    )
    average = {key: value.detach().clone() for key, value in weights.items()}
    path = folder / f"{name}.safetensors"
    step, spent = _resume(path, weights, average, optimizer)
    generator = torch.Generator().manual_seed(step)
    last, saved, losses = time.monotonic(), spent, []
    network.train()
    while (share := spent / (60 * budget.minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = budget.rate * min((step + 1) / 200, 0.5 + 0.5 * math.cos(math.pi * share))
        loss = loss_of(generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        keep = min(budget.memory, (1 + step) / (10 + step))
        with torch.no_grad():
            for key, value in weights.items():
                average[key].lerp_(value, 1 - keep)
        losses.append(loss.item())
        step += 1
        now = time.monotonic()
        spent, last = spent + min(now - last, 60.0), now  # a pause of the machine costs no budget
        if step % 100 == 0:
            row = {"step": step, "minutes": spent / 60, "loss": sum(losses) / len(losses)}
            losses.clear()
            with (folder / f"{name}.jsonl").open("a") as log:
                log.write(json.dumps(row) + "\n")
            progress(f"{name}: step {step}, {spent / 60:.1f} min, loss {row['loss']:.4f}")
        if spent - saved > budget.save_every_s:
            saved = spent
            _save(path, step, spent, weights, average, optimizer)
    _save(path, step, spent, weights, average, optimizer)
    with torch.no_grad():
        for key, value in weights.items():
            value.copy_(average[key])
    network.eval()


def _save(
    path: Path,
    step: int,
    spent: float,
    weights: dict[str, nn.Parameter],
    average: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    tensors = {}
    for key, value in weights.items():
        state = optimizer.state[value]
        tensors |= {
            f"weights/{key}": value.detach(),
            f"average/{key}": average[key],
            f"first/{key}": state["exp_avg"],
            f"second/{key}": state["exp_avg_sq"],
        }
    unfinished = path.with_suffix(".part")
    tensors["progress"] = torch.tensor([step, spent], dtype=torch.float64)
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, unfinished)
    unfinished.rename(path)


def _resume(
    path: Path,
    weights: dict[str, nn.Parameter],
    average: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
) -> tuple[int, float]:
    if not path.exists():
        return 0, 0.0
    saved = load_file(path)
    step, spent = saved["progress"].tolist()
    for key, value in weights.items():
        value.data.copy_(saved[f"weights/{key}"])
        average[key].copy_(saved[f"average/{key}"])
        optimizer.state[value] = {
            "step": torch.tensor(step, dtype=torch.float32),
            "exp_avg": torch.empty_like(value).copy_(saved[f"first/{key}"]),
            "exp_avg_sq": torch.empty_like(value).copy_(saved[f"second/{key}"]),
        }
    return int(step), spent


def fast_precision(device: torch.device) -> torch.autocast:
    """Multiply in bfloat16 where the device can; emulated, it is ten times slower than float32."""
    asked = getattr(torch.cpu, "get_capabilities", dict[str, bool])  # newer than our oldest torch
    can = asked() if device.type == "cpu" else {"amx_bf16": True}
    able = bool(can.get("amx_bf16") or can.get("avx512_bf16"))
    return torch.autocast(device.type, torch.bfloat16, enabled=able)


def picked(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Pick `size` of `count` rows at random."""
    return torch.randint(count, (size,), generator=generator)
