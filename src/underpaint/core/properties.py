"""What can be read from an activation: the properties of a scene that underpaint ships.

A property says how its labels are treated and scored; who labels it is `labelers`' matter.
"""

from dataclasses import dataclass
from typing import Literal


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
    kind: Literal["binary", "continuous"]
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

PROPERTIES: dict[str, Property] = {
    known.name: known for known in (SALIENCY, DEPTH, SHADING, NORMALS, ALBEDO)
}
