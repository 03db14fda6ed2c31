"""Which edits of a summary may be held against each other: those that differ in what is named."""

from collections.abc import Mapping, Sequence
from typing import Any

SETTINGS = (
    "target",
    "prompts",
    "control",
    "strength",
    "steps",
    "layers",
    "unconditional",
    "held",
    "carried",
    "margin",
    "seen_by",
    "beside",
    "seed",
)
"""What says how an edit was made, in a summary's entries."""


def are_alike(one: Mapping[str, Any], other: Mapping[str, Any], *, free: Sequence[str]) -> bool:
    """Tell whether two edits were made in the same way, but for what is free to differ.

    Examples:
        >>> edit = {"control": "none", "seed": 0}
        >>> are_alike(edit, {**edit, "control": "random"}, free=("control",))
        True
    """
    return all(one.get(name) == other.get(name) for name in SETTINGS if name not in free)


def most_compared(entries: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Find the edit that has the most controls beside it, the first of several; None without any.

    Examples:
        >>> few = {"control": "none", "seed": 0}
        >>> many = {"control": "none", "seed": 1}
        >>> most_compared([few, many, {**many, "control": "random"}]) is many
        True
    """
    own = [each for each in entries if each["control"] == "none"]
    beside = [sum(are_alike(each, x, free=("control",)) for x in entries) for each in own]
    return own[beside.index(max(beside))] if own else None
