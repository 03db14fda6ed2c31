"""Typst, safely: text from outside the program becomes a string literal and never markup."""

import json
from collections.abc import Sequence


def plain(text: str) -> str:
    """Write any text as a Typst expression that shows it as it is.

    Examples:
        >>> plain('a "red" #cone')
        '#"a \\\\"red\\\\" #cone"'
    """
    shown = "".join(each if each.isprintable() else " " for each in text)
    return "#" + json.dumps(shown, ensure_ascii=False)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str, label: str) -> str:
    """Write a captioned table; cells and heads are markup already.

    The first column is left-aligned, the others to the right.
    """
    columns = f"({', '.join(['auto'] * len(heads))})"
    cells = ", ".join(f"[{each}]" for row in rows for each in row)
    header = ", ".join(f"[*{each}*]" for each in heads)
    return (
        f"#figure(table(columns: {columns}, "
        "align: (col, _) => if col == 0 { left } else { right }, stroke: none, "
        f"inset: (x: 3pt, y: 2.5pt), table.hline(), table.header({header}), table.hline(), "
        f"{cells}, table.hline()), caption: [{caption}]) <{label}>\n"
    )


def picture(path: str, *, caption: str, alt: str, label: str, is_wide: bool = False) -> str:
    """Place a picture with its caption; a wide one spans both columns at the top of a page."""
    image = f"image({json.dumps(path)}, width: 100%, alt: {json.dumps(alt)})"
    where = 'placement: top, scope: "parent", ' if is_wide else "placement: auto, "
    return f"#figure({image}, {where}caption: [{caption}]) <{label}>\n"
