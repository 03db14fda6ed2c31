"""Write the block of docs/models.md that says what comes of each pipeline under each change.

python -m benchmarks.matrix

The outcomes are those of tests/matrix.py, which compares what is read with a hook of its own.
"""

import sys
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "models.md"
MARKS = ("<!-- matrix: written by benchmarks/matrix.py -->", "<!-- end of matrix -->")


def main() -> None:
    """Try every pipeline under every change, and write what came of it between the marks."""
    _from_tests()
    import diffusers

    import matrix
    from changes import CHANGES

    warnings.simplefilter("ignore")
    diffusers.utils.logging.set_verbosity_error()
    cells = {
        (name, kind): cell(name, kind)
        for name in matrix.FAMILIES
        for kind in CHANGES
        if kind == "plain" or not cell(name, "plain").startswith("refused")
    }
    before, rest = PAGE.read_text(encoding="utf-8").split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    PAGE.write_text(f"{before}{MARKS[0]}\n{block(cells)}{MARKS[1]}{after}", encoding="utf-8")


@cache
def cell(name: str, kind: str) -> str:
    """Say what comes of a pipeline under all ways of one change; "–" where it can have none."""
    _from_tests()
    import matrix
    from changes import CHANGES

    found = [matrix.outcome(name, change) for change in CHANGES[kind].values()]
    return "; ".join(sorted({each for each in found if each != "–"})) or "–"


def block(cells: Mapping[tuple[str, str], str]) -> str:
    """Lay the outcomes out: one table of what is read, one of what is refused as it comes."""
    kinds = list(dict.fromkeys(kind for _, kind in cells))
    names = list(dict.fromkeys(name for name, _ in cells))
    refused = [name for name in names if cells[name, "plain"].startswith("refused")]
    rows = [f"| pipeline | {' | '.join(kinds)} |\n", "|---" * (len(kinds) + 1) + "|\n"]
    for name in names:
        if name not in refused:
            rows.append(f"| {_code(name)} | {' | '.join(cells[name, k] for k in kinds)} |\n")
    rows += ["\n| refused, whatever is done to it | why |\n", "|---|---|\n"]
    rows += [f"| {_code(name)} | {cells[name, 'plain'].split(': ')[1]} |\n" for name in refused]
    return "".join(rows)


def documented(page: str) -> dict[tuple[str, str], str]:
    """Read the outcomes back from the page; what is refused as it comes is so for every change."""
    lines = page.split(MARKS[0])[1].split(MARKS[1])[0].splitlines()
    kinds = lines[1 if not lines[0] else 0].strip("| ").split(" | ")[1:]
    found = {}
    for line in lines:
        name, *outcomes = [each.strip() for each in line.strip("| ").split(" | ")]
        if not name.startswith("`"):
            continue
        plain = name.replace("`", "")
        if len(outcomes) == 1:
            outcomes = [f"refused: {outcomes[0]}"] * len(kinds)
        found |= {(plain, kind): each for kind, each in zip(kinds, outcomes, strict=True)}
    return found


def _code(name: str) -> str:
    kind, _, note = name.partition(", ")
    return f"`{kind}`" + (f", {note}" if note else "")


def _from_tests() -> None:
    for folder in (ROOT / "tests", ROOT / "src"):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))


if __name__ == "__main__":
    main()
