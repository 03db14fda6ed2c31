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
