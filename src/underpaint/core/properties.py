"""What can be read from an activation: the properties of a scene that underpaint ships.

A property says how its labels are treated and scored; who labels it is `labelers`' matter.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from .errors import LabelError

Kind = Literal["binary", "continuous"]


@dataclass(frozen=True)
class Property:
    """One property of a scene, with one label map per target.

    Args:
        name: What it is called in Python, files, tables and on the command line.
        kind: "binary" labels are 0 or 1; "continuous" ones are any number.
        metrics: Names from `metrics.py`; the first is the headline.
        targets: Maps per image: 1, or 3 where a label is a vector or a colour.
        is_relative: Labels mean something only within one image, up to scale and shift.
    """

    name: str
    kind: Kind
    metrics: tuple[str, ...]
    targets: int = 1
    is_relative: bool = False

    @property
    def is_binary(self) -> bool:
        """Say whether labels are 0 or 1."""
        return self.kind == "binary"


SALIENCY = Property("saliency", "binary", ("dice",))
DEPTH = Property(
    "depth", "continuous", ("spearman", "pearson", "residual", "rmse"), is_relative=True
)
SHADING = Property(
    "shading", "continuous", ("spearman", "pearson", "residual", "rmse"), is_relative=True
)
NORMALS = Property("normals", "continuous", ("pearson", "residual", "rmse"), targets=3)
ALBEDO = Property("albedo", "continuous", ("pearson", "residual", "rmse"), targets=3)

COLOUR_RANGES: dict[str, tuple[float, float]] = {"normals": (-1.0, 1.0), "albedo": (0.0, 1.0)}
"""What black and white are where three targets are drawn as red, green and blue."""

PROPERTIES: dict[str, Property] = {
    known.name: known for known in (SALIENCY, DEPTH, SHADING, NORMALS, ALBEDO)
}
"""Those that ship, and those of the user's own that this process has met."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "binary": ("dice",),
    "continuous": ("spearman", "pearson", "residual"),
}
"""Kinds of one's own properties, and how they are scored."""

_SHIPPED = tuple(PROPERTIES)


def find_property(words: str) -> Property:
    """Find a property by its name; `NAME:binary` or `NAME:continuous` is one of your own.

    A binary one is scored by Dice. A continuous one means something only within one image, and is
    scored by rank correlation. It has one map an image. From then on this process knows its name.

    Examples:
        >>> up.find_property("depth").metrics[0]
        'spearman'
        >>> up.find_property("sky:binary").is_binary
        True

    Raises:
        LabelError: if no property has that name, or one of another kind has.
    """
    name, _, kind = words.strip().partition(":")
    if not kind and name in PROPERTIES:
        return PROPERTIES[name]
    if kind not in KINDS or name in _SHIPPED or not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name):
        raise LabelError(
            f"{words!r} is no property. Choose from {', '.join(PROPERTIES)}; or write NAME:binary "
            "or NAME:continuous for one of your own, NAME in small letters, digits and underscores."
        )
    made = Property(name, cast(Kind, kind), KINDS[kind], is_relative=kind == "continuous")
    if PROPERTIES.setdefault(name, made) != made:
        raise LabelError(f"{name} is known here as {PROPERTIES[name].kind}; {words!r} is another.")
    return made


def own_kinds(properties: Iterable[Property]) -> dict[str, str]:
    """Say the kinds of those that do not ship, by name: what `find_property` needs to know them."""
    return {each.name: each.kind for each in properties if each.name not in _SHIPPED}
