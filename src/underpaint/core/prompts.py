"""What to generate: prompts with their seeds, read from files and split without leaks."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from .errors import PromptError
from .listings import Row, read_listing, shortened

LARGEST_SEED = 2**63 - 1
_DRAWN_BELOW = 10**8
_WHOLE = re.compile(r"([+-]?\d+)(?:\.0*)?")


@dataclass(frozen=True)
class Prompt:
    """A text and the seed of the noise that it starts from.

    Args:
        text: What the image should show. Not empty.
        seed: From 0 to 2**63 - 1.
        index: The prompt's number in the file it came from, if that has numbers.
        read_as: Another text that the model cannot tell from this one, if there is any: the same
            for all of them (see `alike`).
    """

    text: str
    seed: int
    index: int | None = None
    read_as: str | None = None

    @property
    def group(self) -> str:
        """Name what this prompt is one of: equal groups are one prompt, on one side of a split."""
        return plain(self.text if self.read_as is None else self.read_as)

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise PromptError("A prompt has no text. Give it some, or leave it out.")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise PromptError(f"Seed {self.seed} is out of range. Use 0 to 2**63 - 1.")
        if self.index is not None and not 0 <= self.index <= LARGEST_SEED:
            raise PromptError(f"Index {self.index} is out of range. Use 0 to 2**63 - 1.")


Reads = Callable[[Prompt], Hashable]
"""What a model reads of a prompt. Equal answers draw the same picture from the same seed."""


@dataclass(frozen=True)
class PromptFile:
    """Prompts in the order of their file, its encoding, and what in it was taken for what."""

    prompts: tuple[Prompt, ...]
    encoding: str
    taken: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """Three parts that share no prompt. Probes are fitted on `train` alone.

    Raises:
        PromptError: if a prompt is in two parts, so that what is tested was seen before.
    """

    train: tuple[Prompt, ...]
    validation: tuple[Prompt, ...]
    test: tuple[Prompt, ...]

    def __post_init__(self) -> None:
        part_of: dict[str, str] = {}
        for part in ("train", "validation", "test"):
            for prompt in getattr(self, part):
                other = part_of.setdefault(prompt.group, part)
                if other != part:
                    raise PromptError(
                        f"{prompt.text[:80]!r} is in {other} and in {part}: scores would be of "
                        f"what was seen before.{_told_from(prompt)} Split by what the model reads, "
                        "as `split_prompts(prompts, reads=underpaint.reads(model))` does."
                    )


def _told_from(prompt: Prompt) -> str:
    if prompt.read_as is None or plain(prompt.read_as) == plain(prompt.text):
        return ""
    return f" The model does not tell it from {prompt.read_as[:80]!r}."


def read_prompts(path: str | Path, *, seed: int = 0) -> PromptFile:
    """Read prompts and, where the file has them, their seeds and numbers.

    Read are tables with a header (parted by commas, tabs, `;` or `|`), Parquet, JSON, JSON Lines,
    and .txt with a prompt a line. Columns are `prompts`, `seeds` and `prompt_inds`, or what plainly
    means the same: Prompt, caption, text; seed. Where there are no seeds, they are drawn. An
    encoding other than UTF-8 is found by what it spells, and refused where that is not plain. The
    answer says what was taken for what.

    Examples:
        >>> _ = (FOLDER / "some.csv").write_text("prompts,seeds\\na red cone,7\\n")
        >>> [(prompt.text, prompt.seed) for prompt in up.read_prompts(FOLDER / "some.csv").prompts]
        [('a red cone', 7)]

    Args:
        path: The file.
        seed: Where seeds are drawn from.

    Raises:
        PromptError: if the file, a column or a row is not usable; the message quotes the row.
    """
    path = Path(path)
    listing = read_listing(path)
    if not listing.rows:
        raise PromptError(f"{path} has no prompts below its header. Add at least one row.")
    prompts = tuple(_parse_row(row, has_seeds=listing.has_seeds) for row in listing.rows)
    indices = [prompt.index for prompt in prompts if prompt.index is not None]
    if twice := sorted(index for index, times in Counter(indices).items() if times > 1):
        raise PromptError(f"{path} uses prompt_inds {twice[0]} twice. Number each prompt once.")
    if listing.has_seeds:
        return PromptFile(prompts, listing.encoding, listing.taken)
    import numpy as np  # a command that only shows a run's numbers needs none

    drawn = np.random.default_rng(seed).integers(_DRAWN_BELOW, size=len(prompts)).tolist()
    prompts = tuple(replace(p, seed=number) for p, number in zip(prompts, drawn, strict=True))
    said = (*listing.taken, f"seeds drawn from seed {seed}, for it has none")
    return PromptFile(prompts, listing.encoding, said)


def alike(prompts: Sequence[Prompt], reads: Reads) -> list[Prompt]:
    """Mark prompts that the model cannot tell apart, or that differ in case and spacing only.

    Being one prompt goes on: if the second is the first in capitals, and the third what the model
    reads of the second, all three are one. Each is marked with the first text in the alphabet.
    """
    group_of: dict[tuple[str, Hashable], str] = {}
    parent: dict[str, str] = {}

    def root(text: str) -> str:
        while parent.setdefault(text, text) != text:
            parent[text] = text = parent[parent[text]]
        return text

    for prompt in prompts:
        own = root(plain(prompt.text))
        for key in (("marked", prompt.group), ("read", reads(prompt))):
            other = root(group_of.setdefault(key, own))
            first, last = sorted((own, other))
            parent[last] = own = first
    return [
        prompt if root(plain(prompt.text)) == plain(prompt.text) == prompt.group
        else replace(prompt, read_as=root(plain(prompt.text)))
        for prompt in prompts
    ]  # fmt: skip


def split_as_read(split: Split, reads: Reads, *, are_distinct: bool = True) -> Split:
    """Hold a split against what the model reads, and mark prompts that are one to it.

    Args:
        split: By whatever it was split.
        reads: What the model reads of a prompt.
        are_distinct: Whether rows of one text and seed are one picture, as generated ones are.

    Raises:
        PromptError: if a prompt is in two parts to the model, or the same picture is drawn twice.
    """
    parts = (split.train, split.validation, split.test)
    prompts = [prompt for part in parts for prompt in part]
    marked = iter(alike(prompts, reads))
    found = Split(*(tuple(islice(marked, len(part))) for part in parts))
    if are_distinct and len(once := distinct(prompts, reads)) < len(prompts):
        kept = {id(prompt) for prompt in once}
        again = next(prompt for prompt in prompts if id(prompt) not in kept)
        raise PromptError(
            f"{again.text[:80]!r} with seed {again.seed} would draw the picture of another row "
            "again. Leave it out, as `underpaint run` does."
        )
    return found


def distinct(prompts: Sequence[Prompt], reads: Reads) -> list[Prompt]:
    """Leave out what would draw a picture again: the model reads the same, from the same seed."""
    seen: dict[Hashable, Prompt] = {}
    for prompt in prompts:
        seen.setdefault((reads(prompt), prompt.seed), prompt)
    return list(seen.values())


def as_written(prompt: Prompt) -> str:
    """Read every letter of a prompt, as no model does."""
    return prompt.text


def split_prompts(
    prompts: Sequence[Prompt],
    *,
    seed: int = 0,
    validation: float = 0.15,
    test: float = 0.25,
    reads: Reads = as_written,
) -> Split:
    """Split prompts by their text, so that no text is in two parts.

    Texts are the same if they differ in case and spacing only, or if the model reads them as one.
    They are put in the order of a hash of seed and text; the first are for testing, the next for
    validation. So neither the order of the prompts nor the machine matters. A row that stands
    twice, its number too, is taken once.

    Examples:
        >>> split = up.split_prompts([up.Prompt(f"thing {seed}", seed) for seed in range(20)])
        >>> len(split.train), len(split.validation), len(split.test)
        (12, 3, 5)

    Args:
        prompts: All there are.
        seed: Another seed, another split.
        validation: Share of the texts, in 0..1; one text at least.
        test: Share of the texts, in 0..1; one text at least.
        reads: What the model reads of a prompt, as `underpaint.reads` says.

    Raises:
        PromptError: if a share is out of range, or there are too few texts for three parts.
    """
    if not (validation > 0 and test > 0 and validation + test < 1):
        raise PromptError(
            f"Shares of {validation} for validation and {test} for test leave a part empty. Both "
            "have to be above 0 and sum to less than 1."
        )
    by_text: dict[str, list[Prompt]] = {}
    for prompt in alike(list(dict.fromkeys(prompts)), reads):
        by_text.setdefault(prompt.group, []).append(prompt)
    if len(by_text) < 3:
        raise PromptError(
            f"{len(by_text)} different prompts cannot be split into train, validation and test. "
            "Give at least 3, and a few dozen for a fair score."
        )
    texts = _by_hash(by_text, seed)
    tests = min(max(1, round(test * len(texts))), len(texts) - 2)
    validations = min(max(1, round(validation * len(texts))), len(texts) - tests - 1)

    def gathered(part: list[str]) -> tuple[Prompt, ...]:
        return tuple(prompt for text in part for prompt in sorted(by_text[text], key=_by_seed))

    return Split(
        train=gathered(texts[tests + validations :]),
        validation=gathered(texts[tests : tests + validations]),
        test=gathered(texts[:tests]),
    )


def cut_prompts(
    prompts: Sequence[Prompt],
    *,
    train: int,
    test: int,
    validation: float = 0.2,
    seed: int = 0,
    reads: Reads = as_written,
) -> Split:
    """Split prompts by their order: the first `train` of every `train + test` parts, then the rest.

    The literature trains on the first rows of its list and tests on the others; it has no
    validation part. Ours is a share of the texts of the training rows, chosen by a hash of seed and
    text, so that the test rows stay the literature's.

    Args:
        prompts: All there are, in the order of their file.
        train: Parts for training and validation; with as many prompts as `train + test`, rows.
        test: Parts for testing.
        validation: Share of the training texts, in 0..1; one text at least.
        seed: Another seed, another choice of validation texts.
        reads: What the model reads of a prompt, as `underpaint.reads` says.

    Raises:
        PromptError: if a part is empty, or a text is on both sides of the cut.
    """
    prompts = alike(list(dict.fromkeys(prompts)), reads)
    cut = round(len(prompts) * train / max(train + test, 1))
    first, rest = prompts[:cut], prompts[cut:]
    texts = _by_hash({prompt.group for prompt in first}, seed)
    if train < 1 or test < 1 or not rest or len(texts) < 2 or not 0 < validation < 1:
        raise PromptError(
            f"{len(prompts)} prompts cannot be cut {train}/{test}, with {validation} of the first "
            "part for validation. Give at least 2 different prompts before the cut and 1 after it."
        )
    held = set(texts[: min(max(1, round(validation * len(texts))), len(texts) - 1)])
    return Split(
        train=tuple(prompt for prompt in first if prompt.group not in held),
        validation=tuple(prompt for prompt in first if prompt.group in held),
        test=tuple(rest),
    )


def _by_hash(texts: Iterable[str], seed: int) -> list[str]:
    return sorted(texts, key=lambda text: hashlib.sha256(f"{seed}:{text}".encode()).digest())


def _parse_row(row: Row, *, has_seeds: bool) -> Prompt:
    cells = [each for each in (row.text, row.seed, row.index) if each is not None]
    quoted = shortened(",".join(map(str, cells)))
    try:
        seed = _whole(row.seed) if has_seeds else 0
        index = None if row.index in (None, "") else _whole(row.index)
    except (ValueError, TypeError, OverflowError) as error:
        raise PromptError(
            f"{row.place} needs whole numbers for seeds and prompt_inds: {quoted}."
        ) from error
    # JSON can spell halves of characters, which no file of ours could hold.
    if not isinstance(row.text, str) or re.search("[\0\ud800-\udfff]", row.text):
        raise PromptError(f"{row.place} has no text for a prompt, or no characters: {quoted}.")
    try:
        return Prompt(row.text.strip(), seed, index)
    except PromptError as error:
        raise PromptError(f"{row.place}: {error} The row is {quoted}.") from error


def _whole(cell: Any) -> int:
    """Read a whole number, written 7, "7" or 7.0; none that a float has rounded."""
    if isinstance(cell, str):
        if written := _WHOLE.fullmatch(cell.strip()):
            return int(written[1])
        raise ValueError(f"{cell} is no whole number")
    if isinstance(cell, bool) or cell != int(cell) or (isinstance(cell, float) and cell > 2**53):
        raise ValueError(f"{cell} is no whole number")
    return int(cell)


def plain(text: str) -> str:
    """Fold case and spaces: texts that are then equal are one prompt."""
    return " ".join(text.casefold().split())


def _by_seed(prompt: Prompt) -> tuple[int, str, int]:
    return prompt.seed, prompt.text, -1 if prompt.index is None else prompt.index
