"""What to generate: prompts with their seeds, read from CSV and split without leaks."""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import PromptError
from .files import read_bytes

LARGEST_SEED = 2**63 - 1
_ENCODINGS = ("utf-8-sig", "cp1252")
_REQUIRED = ("prompts", "seeds")


@dataclass(frozen=True)
class Prompt:
    """A text and the seed of the noise that it starts from.

    Args:
        text: What the image should show. Not empty.
        seed: From 0 to 2**63 - 1.
        index: The prompt's number in the file it came from, if that has numbers.
    """

    text: str
    seed: int
    index: int | None = None

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise PromptError("A prompt has no text. Give it some, or leave it out.")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise PromptError(f"Seed {self.seed} is out of range. Use 0 to 2**63 - 1.")
        if self.index is not None and not 0 <= self.index <= LARGEST_SEED:
            raise PromptError(f"Index {self.index} is out of range. Use 0 to 2**63 - 1.")


@dataclass(frozen=True)
class PromptFile:
    """Prompts in the order of their file, and the encoding it turned out to be in."""

    prompts: tuple[Prompt, ...]
    encoding: str


@dataclass(frozen=True)
class Split:
    """Three parts that share no prompt text. Probes are fitted on `train` alone.

    Raises:
        PromptError: if a text is in two parts, so that what is tested was seen before.
    """

    train: tuple[Prompt, ...]
    validation: tuple[Prompt, ...]
    test: tuple[Prompt, ...]

    def __post_init__(self) -> None:
        part_of: dict[str, str] = {}
        for part in ("train", "validation", "test"):
            for prompt in getattr(self, part):
                other = part_of.setdefault(plain(prompt.text), part)
                if other != part:
                    raise PromptError(
                        f"{prompt.text[:80]!r} is in {other} and in {part}: scores would be of "
                        "what was seen before. Split by text, as `split_prompts` does."
                    )


def read_prompts(path: Path) -> PromptFile:
    """Read a CSV with the columns `prompts`, `seeds` and, if it has them, `prompt_inds`.

    UTF-8 is tried first, then Windows-1252; the answer says which it was, because reading one as
    the other spoils letters without an error.

    Raises:
        PromptError: if the file, a column or a row is not usable; the message quotes the row.
    """
    text, encoding = _read_text(Path(path))
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        columns = reader.fieldnames or []
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise PromptError(f"{path} is not valid CSV ({error}). Check its quotes.") from error
    if missing := [name for name in _REQUIRED if name not in columns]:
        raise PromptError(
            f"{path} has no column {missing[0]!r}, only {', '.join(columns) or 'nothing'}. "
            "It needs prompts and seeds; prompt_inds is optional."
        )
    if not rows:
        raise PromptError(f"{path} has no prompts below its header. Add at least one row.")

    prompts = tuple(_parse_row(row, where=f"{path}, line {line}") for line, row in rows)
    indices = [prompt.index for prompt in prompts if prompt.index is not None]
    if twice := sorted(index for index, times in Counter(indices).items() if times > 1):
        raise PromptError(f"{path} uses prompt_inds {twice[0]} twice. Number each prompt once.")
    return PromptFile(prompts, encoding)


def split_prompts(
    prompts: Sequence[Prompt], *, seed: int = 0, validation: float = 0.15, test: float = 0.25
) -> Split:
    """Split prompts by their text, so that no text is in two parts.

    Texts are the same if they differ in case and spacing only. They are put in the order of a hash
    of seed and text; the first are for testing, the next for validation. So neither the order of
    the prompts nor the machine matters.

    Args:
        prompts: All there are.
        seed: Another seed, another split.
        validation: Share of the texts, in 0..1; one text at least.
        test: Share of the texts, in 0..1; one text at least.

    Raises:
        PromptError: if a share is out of range, or there are too few texts for three parts.
    """
    if not (validation > 0 and test > 0 and validation + test < 1):
        raise PromptError(
            f"Shares of {validation} for validation and {test} for test leave a part empty. Both "
            "have to be above 0 and sum to less than 1."
        )
    by_text: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        by_text.setdefault(plain(prompt.text), []).append(prompt)
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
    prompts: Sequence[Prompt], *, train: int, test: int, validation: float = 0.2, seed: int = 0
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

    Raises:
        PromptError: if a part is empty, or a text is on both sides of the cut.
    """
    cut = round(len(prompts) * train / max(train + test, 1))
    first, rest = prompts[:cut], prompts[cut:]
    texts = _by_hash({plain(prompt.text) for prompt in first}, seed)
    if train < 1 or test < 1 or not rest or len(texts) < 2 or not 0 < validation < 1:
        raise PromptError(
            f"{len(prompts)} prompts cannot be cut {train}/{test}, with {validation} of the first "
            "part for validation. Give at least 2 different prompts before the cut and 1 after it."
        )
    held = set(texts[: min(max(1, round(validation * len(texts))), len(texts) - 1)])
    return Split(
        train=tuple(prompt for prompt in first if plain(prompt.text) not in held),
        validation=tuple(prompt for prompt in first if plain(prompt.text) in held),
        test=tuple(rest),
    )


def _by_hash(texts: Iterable[str], seed: int) -> list[str]:
    return sorted(texts, key=lambda text: hashlib.sha256(f"{seed}:{text}".encode()).digest())


def _read_text(path: Path) -> tuple[str, str]:
    try:
        content = read_bytes(path)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise PromptError(f"Cannot read {path} ({said}). Check the path.") from error
    if not content.strip():
        raise PromptError(f"{path} is empty. It needs a header, prompts,seeds, and rows.")
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding), encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    raise PromptError(f"{path} is neither UTF-8 nor Windows-1252 text. Save it as UTF-8.")


def _parse_row(row: dict, *, where: str) -> Prompt:
    # DictReader files cells beyond the header under None, and cells that are missing as None.
    if None in row or None in row.values():
        raise PromptError(f"{where} has more or fewer cells than the header: {_quoted(row)}.")
    try:
        seed = int(row["seeds"])
        index = int(row["prompt_inds"]) if row.get("prompt_inds") else None
    except ValueError as error:
        raise PromptError(
            f"{where} needs whole numbers for seeds and prompt_inds: {_quoted(row)}."
        ) from error
    try:
        return Prompt(row["prompts"].strip(), seed, index)
    except PromptError as error:
        raise PromptError(f"{where}: {error} The row is {_quoted(row)}.") from error


def _quoted(row: dict) -> str:
    beyond = row.get(None, [])
    cells = [cell for name, cell in row.items() if name is not None and cell is not None]
    text = repr(",".join([*cells, *beyond]))
    return text if len(text) <= 120 else f"{text[:116]} …'"


def plain(text: str) -> str:
    """Fold case and spaces: texts that are then equal are one prompt, on one side of a split."""
    return " ".join(text.casefold().split())


def _by_seed(prompt: Prompt) -> tuple[int, str, int]:
    return prompt.seed, prompt.text, -1 if prompt.index is None else prompt.index
