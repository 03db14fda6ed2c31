"""Whether every weight of a pipeline came from its files: what did not is random, or nothing.

transformers fills a weight that its file lacks with fresh numbers, and says so in a warning alone.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from ..core.errors import ModelError


def check_filled(pipeline: Any, folder: Path | None) -> None:
    """Make sure that every weight was read.

    Libraries rename weights, split and join them as they read. So a name is compared from its
    block on, and one that is lacking counts only where what is left over in the files cannot be it.

    Args:
        pipeline: As it was read, on no device yet.
        folder: Where its parts' files are; None for a single file.

    Raises:
        ModelError: if one was not; it names the part and the weight.
    """
    for part, module in pipeline.components.items():
        if isinstance(module, nn.Module):
            check_module(part, module, None if folder is None else folder / part)


def check_module(part: str, module: nn.Module, folder: Path | None) -> None:
    """Make sure that every weight of one part was read, as `check_filled` does."""
    for name, weight in module.named_parameters():
        if weight.is_meta:
            raise _lacking(part, name)
    files = [] if folder is None else sorted(folder.glob("*.safetensors"))
    if not files:
        return
    filed = dict(_sizes(files))
    tails = {_tail(name) for name in filed}
    shared: dict[int, list[str]] = {}
    sizes: dict[int, int] = {}
    for name, weight in module.named_parameters(remove_duplicate=False):
        shared.setdefault(id(weight), []).append(name)
        sizes[id(weight)] = weight.numel()
    own = {_tail(name) for names in shared.values() for name in names}
    spare = Counter(size for name, size in filed.items() if _tail(name) not in own)
    lacking = [
        key for key, names in shared.items() if not any(_tail(name) in tails for name in names)
    ]
    if sum(sizes[key] for key in lacking) > sum(spare.elements()):
        # Where others are under another name in the files, theirs are of the same sizes.
        unmatched = [key for key in lacking if not _taken(spare, sizes[key])]
        raise _lacking(part, shared[(unmatched or lacking)[0]][0])


@torch.no_grad()
def check_used(
    part: str, module: nn.Module, missing: Iterable[str], answer: Callable[[], Tensor]
) -> None:
    """Make sure that what a network's files lack has no part in its answer.

    Some published files lack weights that their network never uses, such as those of DPT's first
    fusion. So each one that is lacking is made NaN, and then 0 if the answer stays finite.

    Args:
        part: What the network is called.
        module: As it was read.
        missing: Names of the weights and buffers that its files lack, as transformers lists them.
        answer: Asks the network about any picture.

    Raises:
        ModelError: if one has a part in the answer; it names the network and the weight.
    """
    held = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    lacking = {name: held[name] for name in sorted(missing) if name in held}
    floating = [each for each in lacking.values() if each.is_floating_point()]
    for each in floating:
        each.fill_(torch.nan)
    if floating and not answer().isfinite().all():
        raise _lacking(part, next(iter(lacking)))
    for each in floating:
        each.zero_()


def _taken(spare: Counter[int], size: int) -> bool:
    spare[size] -= 1
    return spare[size] >= 0


def _sizes(files: list[Path]) -> Iterator[tuple[str, int]]:
    for file in files:
        with safe_open(file, framework="pt") as opened:
            names = opened.keys()
            for name in names:
                yield name, prod(opened.get_slice(name).get_shape())


def _tail(name: str) -> str:
    """Take a weight's name from its first numbered block on, or its last two words."""
    found = re.search(r"(?:^|\.)(\w+\.\d+\..*)$", name)
    return found[1] if found else ".".join(name.split(".")[-2:])


def _lacking(part: str, name: str) -> ModelError:
    return ModelError(
        f"The files of {part} lack {name}, which would stay random. They are cut short, or of "
        "another build than their config.json says: download the model again."
    )
