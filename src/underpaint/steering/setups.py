"""What edits, searches and the studio work with: a model, and what a run found out about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..labelers import Labeler, Namer
from ..models import Model
from ..models.layers import Layer
from ..probes.moments import Cell, Moments
from ..probes.probes import Probe, ProbeKey


@dataclass(frozen=True, eq=False)
class Setup:
    """What edits are made with: a model, and what a run found out about it.

    `namers` say what a picture shows, by what is named: "object" and "colour".
    """

    model: Model
    labelers: tuple[Labeler, ...]
    probes: Mapping[ProbeKey, Probe]
    moments: Mapping[Cell, Moments]
    layers: tuple[Layer, ...]
    steps: int
    guidance: float
    batch: int
    namers: Mapping[str, Namer] = field(default_factory=dict[str, Namer])
