"""One training loop for every network here: budgeted in minutes, killed and resumed at will.

The learning rate follows the share of the budget that is spent, so a run on any machine ends with
its cosine tail, and a run that is resumed with a larger budget simply goes on. Checkpoints are
safetensors, written beside the last and renamed over it.

Nothing in a step waits for the device: the batch is drawn where the network is, the average is
taken over all weights in one call, and losses are read a hundred at a time.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

Progress = Callable[[str], None]
LossOf = Callable[[torch.Generator], Tensor]
"""Draws a batch with the generator, which is on the network's device, and returns its mean loss."""

READ_EVERY = 100
LOOK_EVERY_S = 2.0
LARGE_CARD_BYTES = 30 * 2**30


@dataclass(frozen=True)
class Budget:
    """How long to train, how fast, and how much of the past the averaged weights remember."""

    minutes: float
    rate: float
    memory: float = 0.999
    decay: float = 0.01
    save_every_s: float = 120.0


def train(
    network: nn.Module,
    loss_of: LossOf,
    folder: Path,
    name: str,
    budget: Budget,
    progress: Progress,
    *,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Minimise the loss with AdamW until the budget is spent; leave averaged weights in `network`.

    Resumes from `folder/name.safetensors` if it is there. Losses are appended to `name.jsonl`.
    `meanwhile` is called every two seconds, to fetch what has been drawn since.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = dict(network.named_parameters())
    values = list(weights.values())
    device = values[0].device
    optimizer = new_optimizer(values, budget)
    average = [value.detach().clone() for value in values]
    path = folder / f"{name}.safetensors"
    step, spent = _resume(path, weights, average, optimizer)
    generator = torch.Generator(device).manual_seed(step)
    saved, looked, lost, unread = spent, 0.0, torch.zeros((), device=device), 0
    last = time.monotonic()
    network.train()
    with compiled(network, loss_of, progress, device=device) as seconds:
        spent, last = spent + seconds, time.monotonic()  # compiling is part of the deadline
        while (share := spent / (60 * budget.minutes)) < 1:
            rate = budget.rate * min((step + 1) / 200, 0.5 + 0.5 * math.cos(math.pi * share))
            lost += take_step(loss_of(generator), values, optimizer, rate=rate)
            keep = min(budget.memory, (1 + step) / (10 + step))
            with torch.no_grad():
                torch._foreach_lerp_(average, values, 1 - keep)  # pyright: ignore
            step, unread = step + 1, unread + 1
            now = time.monotonic()
            spent, last = spent + min(now - last, 60.0), now  # a pause costs no budget
            if now - looked > LOOK_EVERY_S:
                looked = now
                meanwhile()
            if step % READ_EVERY == 0:
                row = {"step": step, "minutes": spent / 60, "loss": float(lost) / unread}
                lost, unread = torch.zeros_like(lost), 0
                with (folder / f"{name}.jsonl").open("a") as log:
                    log.write(json.dumps(row) + "\n")
                progress(f"{name}: step {step}, {spent / 60:.1f} min, loss {row['loss']:.4f}")
            if spent - saved > budget.save_every_s:
                saved = spent
                _save(path, step, spent, weights, average, optimizer)
    _save(path, step, spent, weights, average, optimizer)
    with torch.no_grad():
        for value, mean in zip(values, average, strict=True):
            value.copy_(mean)
    network.eval()


def new_optimizer(values: list[nn.Parameter], budget: Budget) -> torch.optim.AdamW:
    """Make AdamW, in one kernel where the device has it."""
    has_fused = values[0].device.type in ("cpu", "cuda")
    return torch.optim.AdamW(
        values, lr=budget.rate, betas=(0.9, 0.98), weight_decay=budget.decay, fused=has_fused
    )


def take_step(
    loss: Tensor, values: list[nn.Parameter], optimizer: torch.optim.Optimizer, *, rate: float
) -> Tensor:
    """Follow a loss's gradient by one step of this rate; return the loss, still on its device."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(values, 1.0)
    optimizer.step()
    return loss.detach()


@contextmanager
def compiled(
    network: nn.Module, loss_of: LossOf, progress: Progress, *, device: torch.device
) -> Iterator[float]:
    """Compile the network's forward on CUDA while the block runs; where that fails, say so.

    One loss is taken forward and back first, for backward passes are compiled only when they run.

    Yields:
        How many seconds that took.
    """
    if device.type != "cuda":
        yield 0.0
        return
    begun = time.monotonic()
    network.compile()
    try:
        loss_of(torch.Generator(device).manual_seed(0)).backward()
    except Exception as error:  # a compiler's errors have no base in common
        line = f"{type(error).__name__}: {error}".splitlines()[0]
        progress(f"goes on without compiling ({line})")
        network._compiled_call_impl = None
    network.zero_grad(set_to_none=True)
    try:
        yield time.monotonic() - begun
    finally:
        network._compiled_call_impl = None


def _save(
    path: Path,
    step: int,
    spent: float,
    weights: dict[str, nn.Parameter],
    average: list[Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    tensors = {}
    for (key, value), mean in zip(weights.items(), average, strict=True):
        state = optimizer.state[value]
        tensors |= {
            f"weights/{key}": value.detach(),
            f"average/{key}": mean,
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
    average: list[Tensor],
    optimizer: torch.optim.Optimizer,
) -> tuple[int, float]:
    if not path.exists():
        return 0, 0.0
    saved = load_file(path)
    step, spent = saved["progress"].tolist()
    is_fused = bool(optimizer.defaults.get("fused"))
    for (key, value), mean in zip(weights.items(), average, strict=True):
        value.data.copy_(saved[f"weights/{key}"])
        mean.copy_(saved[f"average/{key}"])
        where = value.device if is_fused else "cpu"
        optimizer.state[value] = {
            "step": torch.tensor(step, dtype=torch.float32, device=where),
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


def at_once(device: torch.device, *, cpu: int) -> int:
    """Choose how many pictures go through at once: as on a CPU, 4 times or 16 times as many."""
    if device.type != "cuda":
        return cpu
    is_large = torch.cuda.get_device_properties(device).total_memory > LARGE_CARD_BYTES
    return cpu * (16 if is_large else 4)


def picked(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Pick `size` of `count` rows at random, on the generator's device."""
    return torch.randint(count, (size,), generator=generator, device=generator.device)


def coin(generator: torch.Generator) -> bool:
    """Toss a coin."""
    return bool(torch.rand((), generator=generator, device=generator.device) < 0.5)


def strata(size: int, generator: torch.Generator) -> Tensor:
    """Draw one number from each of `size` equal parts of 0..1, in order.

    A batch that is spread over all levels of noise has most of their spread out of its gradient.
    """
    drawn = torch.rand(size, generator=generator, device=generator.device)
    return (torch.arange(size, device=generator.device) + drawn) / size
