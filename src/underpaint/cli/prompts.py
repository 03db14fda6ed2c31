"""Which prompts `run` takes: a file's, or captions of the embedded model's world."""

import hashlib
import json
from functools import partial
from pathlib import Path

import click
import numpy as np

from ..core.prompts import (
    Prompt,
    Split,
    alike,
    as_written,
    cut_prompts,
    distinct,
    read_prompts,
    split_prompts,
)
from ..models.reading import Reading
from ..world.words import CAPTIONS, unknown_words


def prompts_of(path: Path | None, *, count: int, seed: int) -> list[Prompt] | None:
    """Read the first prompts of a file, and say on stderr what was taken for what."""
    if path is None:
        return None
    found = read_prompts(path, seed=seed)
    said = [] if found.encoding == "utf-8" else [f"was read as {found.encoding}"]
    if len(found.prompts) > count:
        said.append(f"has {len(found.prompts)} prompts; --count takes the first {count}")
    if said:
        click.echo(f"{path} {' and '.join(said)}.", err=True)
    if found.taken:
        click.echo(f"{path}: {'; '.join(found.taken)}.", err=True)
    return _numbered(found.prompts[:count])


def split_of(
    prompts: list[Prompt] | None,
    *,
    reads: Reading,
    count: int,
    seed: int,
    cut: tuple[int, int] | None,
    takes_text: bool = True,
    are_given: bool = False,
) -> Split:
    """Split prompts by what the model reads of them, and say on stderr what that changed.

    Args:
        prompts: Those of a file. Where there is none they are made up: captions, or for a model
            that takes no text, seeds.
        reads: What the model reads.
        count: How many to make up.
        seed: Of what is made up, and of the split.
        cut: Parts to split by, in the order of the file; None for a split by text.
        takes_text: Whether the model takes prompts.
        are_given: Whether each row has a picture of its own, so that equal rows are not one.
    """
    divide = split_prompts if cut is None else partial(cut_prompts, train=cut[0], test=cut[1])
    if prompts is None:
        made_up = distinct(_made_up(count, seed, takes_text=takes_text), reads)
        return divide(made_up, seed=seed, reads=reads)
    rows = prompts if are_given else distinct(prompts, reads)
    said = []
    if twice := len(prompts) - len(rows):
        said.append(f"{twice} rows would draw the picture of another row again and are left out")
    if long := sum(reads.is_cut(text) for text in {prompt.text for prompt in rows}):
        said.append(f"{long} texts are longer than the model reads: what is beyond is ignored")
    written, read = (len({p.group for p in alike(rows, by)}) for by in (as_written, reads))
    if merged := written - read:
        said.append(f"{merged} are one prompt with another to the model, and split as one")
    if not reads.is_known:
        said.append("what the model reads of a text is not known here: they are split as written")
    if said:
        click.echo(f"Of {len(prompts)} prompts, {'; '.join(said)}.", err=True)
    return divide(rows, seed=seed, reads=reads)


def say_unknown(split: Split) -> None:
    """Say on stderr which words of the prompts the embedded model has never read."""
    texts = " ".join(p.text for p in (*split.train, *split.validation, *split.test))
    if unknown := unknown_words(texts):
        click.echo(
            f"tiny does not know {len(unknown)} of these words: {', '.join(unknown[:12])}"
            f"{' …' if len(unknown) > 12 else ''}. It draws what is left of the prompt.",
            err=True,
        )


def _made_up(count: int, seed: int, *, takes_text: bool) -> list[Prompt]:
    random = np.random.default_rng(seed)
    if not takes_text:
        drawn = [int(s) for s in random.integers(10**8, size=count)]
        return _numbered(tuple(Prompt(f"seed {s}", s) for s in drawn))
    texts = [str(CAPTIONS[i % len(CAPTIONS)]) for i in random.permutation(len(CAPTIONS))]
    texts = [texts[i % len(texts)] for i in range(count)]
    seeds = random.integers(10**8, size=count)
    prompts = [Prompt(text, int(s)) for text, s in zip(texts, seeds, strict=True)]
    return _numbered(tuple(prompts))


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
