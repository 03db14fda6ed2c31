"""Who is first: the only place that decides between earlier, later and not measurably different.

A lead is by how many steps a probe reaches the one bar before a rival, with its interval. The
rival is later only if the whole interval lies above zero, and earlier only if it lies below. An
interval that touches zero carries neither. Every page, table and paper takes its words from here.
"""

from collections.abc import Mapping
from typing import Any, Literal

Verdict = Literal["later", "earlier", "even", "never"]
"""Of a rival beside the probe; `never` if the rival does not reach the bar."""
Lead = Mapping[str, Any]
Found = Mapping[str, Any]
"""A property's part of a summary."""


def lead_over(found: Found, rival: str) -> Lead | None:
    """Find a property's lead over a rival; None where the rival never reaches the bar.

    Raises:
        KeyError: if the two were not timed: there is no bar, or no such rival.
    """
    if found.get("bar") is None:
        raise KeyError(f"no bar to time {rival} at")
    return found["lead"][rival]


def verdict_of(lead: Lead | None) -> Verdict:
    """Say whether a rival comes later than the probe, earlier, or neither measurably.

    Args:
        lead: In whole steps, positive where the probe is first; None for a rival that never comes.

    Examples:
        >>> verdict_of({"steps": 1, "low": 0, "high": 2})
        'even'
    """
    if lead is None:
        return "never"
    if lead["low"] > 0:
        return "later"
    return "earlier" if lead["high"] < 0 else "even"


def by_verdict(summary: Mapping[str, Any], rival: str) -> dict[Verdict, list[str]]:
    """Sort the properties that were timed by the verdict on one rival."""
    sorted_out: dict[Verdict, list[str]] = {"later": [], "earlier": [], "even": [], "never": []}
    for name, found in summary["properties"].items():
        if found.get("bar") is not None and rival in (found.get("lead") or {}):
            sorted_out[verdict_of(lead_over(found, rival))].append(name)
    return sorted_out


def when(lead: Lead | None) -> str:
    """Say when a rival reaches the bar, beside the probe, with the interval, for a cell of a table.

    Examples:
        >>> when({"steps": 4, "low": 4, "high": 5})
        '4 steps later (4 to 5)'
        >>> when({"steps": -1, "low": -1, "high": 0})
        'not measurably different (0 to 1 earlier)'
    """
    verdict = verdict_of(lead)
    if lead is None:
        return "never"
    low, high = lead["low"], lead["high"]
    if verdict == "even":
        return f"not measurably different ({_ends(low, high)})"
    near, far = sorted((abs(low), abs(high)))
    return f"{_count(lead)} {verdict} ({near} to {far})"


def compared(lead: Lead | None) -> str:
    """Say the same as a verb with what it needs, after the rival's name."""
    words = {
        "later": f"reaches the same score {when(lead)}",
        "earlier": f"reaches the same score {when(lead)}",
        "never": "never reaches that score",
    }
    even = when(lead).replace("different", "earlier or later")
    return words.get(verdict_of(lead), f"is {even}")


def _ends(low: int, high: int) -> str:
    """Name both ends of an interval that touches zero or holds it."""
    if low == high == 0:
        return "0"
    if low >= 0:
        return f"{low} to {high} later"
    return f"{-low} earlier to {high} later" if high > 0 else f"{-high} to {-low} earlier"


def _count(lead: Lead) -> str:
    """Count steps; "2 to 4 steps" where a gap in what was looked at leaves it open."""
    ends = sorted({abs(lead["steps"]), abs(lead.get("most", lead["steps"]))})
    return f"{' to '.join(map(str, ends))} step{'' if ends == [1] else 's'}"
