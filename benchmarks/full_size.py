"""Write the block of docs/models.md that says what full sizes took, from the slow tests' own lines.

pytest -m slow -s tests/models/test_full_size.py | python -m benchmarks.full_size
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"
MARKS = ("<!-- full size: written by benchmarks/full_size.py -->", "<!-- end of full size -->")


def main(lines: Iterable[str]) -> None:
    """Read lines of JSON, leave all others, and write the block between the marks."""
    found = [json.loads(line) for line in map(str.strip, lines) if line.startswith("{")]
    before, rest = PAGE.read_text(encoding="utf-8").split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    PAGE.write_text(f"{before}{MARKS[0]}\n{block(found)}{MARKS[1]}{after}", encoding="utf-8")


def block(found: Iterable[dict[str, Any]]) -> str:
    """Lay out what was measured as a table, and the arithmetic beneath it."""
    rows, notes = [], []
    for each in found:
        size = each.get("parameters_unet") or each.get("parameters")
        rows.append(
            f"| {each['what']} | {size / 1e6:.0f} M | {each['cpu_seconds']:.0f} | "
            f"{each['peak_rss_mb']} |\n"
        )
        for name in each:
            if name == "predicted" or (name.startswith("predicted_") and "steps" in name):
                notes.append(f"\n{name.replace('_', ' ')}: `{each[name]}`\n")
    heads = "| what | parameters | CPU seconds, building included | peak MB of the process |\n"
    return heads + "| --- | --: | --: | --: |\n" + "".join(rows) + "".join(notes)


if __name__ == "__main__":
    main(sys.stdin)
