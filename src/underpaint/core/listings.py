"""Files of prompts as people have them: which of their cells are texts, seeds and numbers.

A table (CSV, TSV, `;` or `|`), Parquet, JSON, JSON Lines or plain lines all become rows of the same
three cells. Columns are found by what they are called, whatever the case. A name that is documented
counts more than one that only means the same; where two mean the same, nobody is asked to guess.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .encodings import decode
from .errors import PromptError
from .files import LARGEST_TEXT, read_bytes

_MEANINGS = {
    "prompts": ("prompts", "prompt", "captions", "caption", "texts", "text"),
    "seeds": ("seeds", "seed"),
    "prompt_inds": ("prompt_inds", "prompt_ind"),
}
"""What is documented, and what means the same."""
_DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
_JSON = (".json", ".jsonl", ".ndjson")
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class Row:
    """The cells of one prompt as they stand in the file, and where that is."""

    place: str
    text: Any
    seed: Any = None
    index: Any = None


@dataclass(frozen=True)
class Listing:
    """The rows of a file, its encoding, whether it has seeds, and what was taken for what."""

    rows: tuple[Row, ...]
    encoding: str
    has_seeds: bool
    taken: tuple[str, ...]


def read_listing(path: Path) -> Listing:
    """Read a file of prompts, whatever kind its content shows it to be.

    Raises:
        PromptError: if it cannot be read, or does not say which cells are prompts.
    """
    try:
        content = read_bytes(path)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise PromptError(f"Cannot read {path} ({said}). Check the path.") from error
    if not content.strip():
        raise PromptError(f"{path} is empty. It needs a header, prompts,seeds, and rows.")
    if content.startswith(_PARQUET):
        return _from_parquet(path, content)
    try:
        text, encoding = decode(content)
    except ValueError as error:
        raise PromptError(f"Cannot read {path}: {error}. Save it as UTF-8.") from error
    if "\n" not in text:  # lines as Macintoshes ended them
        text = text.replace("\r", "\n")
    return replace(_from_text(path, text), encoding=encoding)


def _from_text(path: Path, text: str) -> Listing:
    ending = path.suffix.casefold()
    if ending in _JSON or text.lstrip()[:1] in ("[", "{"):
        found = _json(path, text, must=ending in _JSON)
        if found is not None:
            return found
    if ending in (".txt", "") and not _has_header(text):
        lines = [(at, line.strip()) for at, line in enumerate(text.split("\n"), start=1)]
        rows = tuple(Row(f"{path}, line {at}", line) for at, line in lines if line)
        return Listing(rows, "", False, ("each line taken for a prompt",))
    return _from_table(path, text)


def _has_header(text: str) -> bool:
    """Tell a table from lines: a first line of one known name, or that names texts and seeds."""
    first = text.lstrip().partition("\n")[0]
    for delimiter in _DELIMITERS:
        names = [name.strip().strip('"').casefold() for name in first.split(delimiter)]
        known = [key for key, same in _MEANINGS.items() if set(names) & set(same)]
        if "prompts" in known and ("seeds" in known or len(names) == 1):
            return True
    return False


def _from_table(path: Path, text: str) -> Listing:
    whole, text = text, text.lstrip("\r\n")
    before = whole[: len(whole) - len(text)].count("\n")
    delimiter = _delimiter(path, text)
    said = () if delimiter == "," else (f"cells taken as parted by {_DELIMITERS[delimiter]}",)
    try:
        header, rows = _cells(text, delimiter, quoting=csv.QUOTE_MINIMAL)
        if delimiter == "\t" and any(len(row) != len(header) for _, row in rows):
            header, rows = _cells(text, delimiter, quoting=csv.QUOTE_NONE)
    except csv.Error as error:
        if delimiter != "\t":
            raise PromptError(f"{path} is not valid CSV ({error}). Check its quotes.") from error
        header, rows = _cells(text, delimiter, quoting=csv.QUOTE_NONE)
    columns, taken = find_columns(path, header)
    # What a table leaves empty at the end of a row, an editor may take away with its tabs.
    needed = max(columns.values()) + 1 if delimiter == "\t" else len(header)
    cells = [(f"{path}, line {before + line}", row) for line, row in rows]
    for place, row in cells:
        if not needed <= len(row) <= len(header):
            quoted = shortened(delimiter.join(row))
            raise PromptError(f"{place} has more or fewer cells than the header: {quoted}.")
    return Listing(_rows(columns, cells), "", "seeds" in columns, (*said, *taken))


def _delimiter(path: Path, text: str) -> str:
    """Find what parts the header into names of which one is known; a comma where none does."""
    first = text.partition("\n")[0]
    likely = {
        delimiter: len(names)
        for delimiter in _DELIMITERS
        if _knows(names := next(csv.reader([first], delimiter=delimiter), []), "prompts")
    }
    most = max(likely.values(), default=0)
    best = [delimiter for delimiter, count in likely.items() if count == most]
    if len(best) > 1 and most > 1:
        names = " or ".join(_DELIMITERS[each] for each in best)
        raise PromptError(f"{path} could be parted by {names}. Write its header as prompts,seeds.")
    return best[0] if best else ","


def _cells(
    text: str, delimiter: str, *, quoting: Any
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Give the header, and each row that says anything with the line that it begins at."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True
    )
    header, rows = next(reader, []), []
    begun = reader.line_num + 1
    for row in reader:
        if any(cell.strip() for cell in row):
            rows.append((begun, row))
        begun = reader.line_num + 1
    return header, rows


def find_columns(path: Path, names: Sequence[str]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Find which column holds what, and say what was taken for what.

    Raises:
        PromptError: if none holds prompts, or two could hold the same.
    """
    plain = [name.strip().casefold() for name in names]
    columns, taken = {}, []
    for meaning, same in _MEANINGS.items():
        exact = [at for at, name in enumerate(names) if name.strip() == meaning]
        found = exact or [at for at, name in enumerate(plain) if name in same]
        if len(found) > 1:
            both = " and ".join(repr(names[at]) for at in found[:2])
            raise PromptError(
                f"{path} has the columns {both}, and either could be its {meaning}. Call the "
                f"right one {meaning}, and the other something else."
            )
        if found:
            columns[meaning] = found[0]
            if not exact:
                taken.append(f"column {names[found[0]]!r} taken for {meaning}")
    if "prompts" not in columns:
        raise PromptError(
            f"{path} has no column 'prompts', only {shortened(', '.join(names) or 'nothing')}. "
            "It needs prompts; seeds and prompt_inds are optional."
        )
    return columns, tuple(taken)


def _knows(names: Sequence[str], meaning: str) -> bool:
    return any(name.strip().casefold() in _MEANINGS[meaning] for name in names)


def _rows(
    columns: Mapping[str, int], cells: Iterable[tuple[str, Sequence[Any]]]
) -> tuple[Row, ...]:
    text, seed, index = (columns.get(each) for each in _MEANINGS)
    return tuple(
        Row(
            place,
            row[text if text is not None else 0],
            None if seed is None else row[seed],
            None if index is None else row[index],
        )
        for place, row in cells
    )


def _json(path: Path, text: str, *, must: bool) -> Listing | None:
    """Read a list, or one value a line: texts, or objects whose keys are columns."""
    try:
        values = _parsed(text)
    except (ValueError, RecursionError) as error:
        if not must:
            return None
        raise PromptError(f"{path} is not valid JSON ({error}). Check it.") from error
    if isinstance(values, dict):
        values = _entries(values)
    places = [f"{path}, entry {at}" for at in range(1, len(values) + 1)]
    if values and all(isinstance(each, str) for each in values):
        rows = tuple(Row(*pair) for pair in zip(places, values, strict=True))
        return Listing(rows, "", False, ("each string taken for a prompt",))
    if not all(isinstance(each, dict) for each in values):
        if not must:
            return None
        raise PromptError(f"{path} mixes kinds of entries. Give a list of texts, or of objects.")
    names = list(dict.fromkeys(name for each in values for name in each))
    if not names:
        return Listing((), "", False, ())
    columns, taken = find_columns(path, names)
    cells = [
        (place, [each.get(name) for name in names])
        for place, each in zip(places, values, strict=True)
    ]
    return Listing(_rows(columns, cells), "", "seeds" in columns, taken)


def _entries(values: dict[str, Any]) -> list[Any]:
    """Lay an object of equally long columns out as a list; any other is one entry."""
    columns = list(values.values())
    if not all(isinstance(each, list) for each in columns) or len({*map(len, columns)}) != 1:
        return [values]
    return [dict(zip(values, row, strict=True)) for row in zip(*columns, strict=True)]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its keys, each of which stands once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} stands twice")
    return found


def _parsed(text: str) -> Any:
    try:
        whole = json.loads(text, object_pairs_hook=_once)
        if isinstance(whole, list | dict):
            return whole
        raise ValueError("it is no list")
    except json.JSONDecodeError:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) < 2:
            raise
        return [json.loads(line, object_pairs_hook=_once) for line in lines]


def _from_parquet(path: Path, content: bytes) -> Listing:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(content))
        columns, taken = find_columns(path, file.schema_arrow.names)
        wanted = {file.schema_arrow.names[at] for at in columns.values()}
        groups = [file.metadata.row_group(at) for at in range(file.metadata.num_row_groups)]
        parts = [group.column(at) for group in groups for at in range(group.num_columns)]
        size = sum(
            part.total_uncompressed_size
            for part in parts
            if part.path_in_schema.partition(".")[0] in wanted
        )
        if max(size, file.metadata.num_rows) > LARGEST_TEXT:
            raise PromptError(f"{path} holds {size} bytes; {LARGEST_TEXT} are read at most.")
        names = list(wanted)
        table = file.read(columns=names)
        cells = zip(*(table.column(name).to_pylist() for name in names), strict=True)
        found = {key: names.index(file.schema_arrow.names[at]) for key, at in columns.items()}
        rows = _rows(found, ((f"{path}, row {at}", row) for at, row in enumerate(cells, start=1)))
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        said = str(error).partition("\n")[0]
        raise PromptError(f"{path} is no whole Parquet file ({said}).") from error
    return Listing(rows, "utf-8", "seeds" in columns, taken)


def shortened(text: str) -> str:
    """Quote what a file says, in part if it is long."""
    quoted = repr(text)
    return quoted if len(quoted) <= 120 else f"{quoted[:116]} …'"
