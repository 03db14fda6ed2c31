"""Which prompts `run` takes: a file's, or captions of the embedded model's world."""

import hashlib
import json
from functools import partial
from pathlib import Path

import click
import numpy as np

from ..core.prompts import Prompt, Split, cut_prompts, read_prompts, split_prompts
from ..world.words import CAPTIONS, unknown_words


def split_of(
    path: Path | None,
    *,
    count: int,
    seed: int,
    cut: tuple[int, int] | None,
    is_wordless: bool = False,
) -> Split:
    """Read a file's prompts, or make them up: captions, or for a model that takes none, seeds."""
    divide = split_prompts if cut is None else partial(cut_prompts, train=cut[0], test=cut[1])
    if path is not None:
        found = read_prompts(path)
        said = [] if found.encoding == "utf-8" else [f"was read as {found.encoding}"]
        if len(found.prompts) > count:
            said.append(f"has {len(found.prompts)} prompts; --count takes the first {count}")
        if said:
            click.echo(f"{path} {' and '.join(said)}.", err=True)
        return divide(_numbered(found.prompts[:count]), seed=seed)
    random = np.random.default_rng(seed)
    if is_wordless:
        drawn = [int(s) for s in random.integers(10**8, size=count)]
        return divide(_numbered(tuple(Prompt(f"seed {s}", s) for s in drawn)), seed=seed)
    texts = [str(CAPTIONS[i % len(CAPTIONS)]) for i in random.permutation(len(CAPTIONS))]
    texts = [texts[i % len(texts)] for i in range(count)]
    seeds = random.integers(10**8, size=count)
    prompts = [Prompt(text, int(s)) for text, s in zip(texts, seeds, strict=True)]
    return divide(_numbered(tuple(prompts)), seed=seed)


def say_unknown(split: Split) -> None:
    """Say on stderr which words of the prompts the embedded model has never read."""
    texts = " ".join(p.text for p in (*split.train, *split.validation, *split.test))
    if unknown := unknown_words(texts):
        click.echo(
            f"tiny does not know {len(unknown)} of these words: {', '.join(unknown[:12])}"
            f"{' …' if len(unknown) > 12 else ''}. It draws what is left of the prompt.",
            err=True,
        )


def _numbered(prompts: tuple[Prompt, ...]) -> list[Prompt]:
    """Keep the file's own numbers where all have one, else number by place: files go by it."""
    if all(each.index is not None for each in prompts):
        return list(prompts)
    return [Prompt(each.text, each.seed, place) for place, each in enumerate(prompts)]


def digest(split: Split) -> str:
    """Name the prompts of a split, so that a run is never mixed with another's."""
    parts = (split.train, split.validation, split.test)
    rows = [[[each.text, each.seed] for each in part] for part in parts]
    return "sha256:" + hashlib.sha256(json.dumps(rows).encode()).hexdigest()
