"""What edits, searches and the studio work with: a model, and what a run found out about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from ..labelers import Labeler, Namer
from ..models import Model
from ..models.layers import Layer, find_layers, last_stages, select_layers
from ..probes.moments import Cell, Moments, merge
from ..probes.probes import Probe, ProbeKey
from ..runs.runs import Run, read_moments, read_probes, read_settings, read_summary


@dataclass(frozen=True, eq=False)
class Opened:
    """A finished run, opened: its model, what reads it, and how it draws, `batch` at once."""

    model: Model
    labelers: tuple[Labeler, ...]
    probes: Mapping[ProbeKey, Probe]
    steps: int
    guidance: float
    batch: int


@dataclass(frozen=True, eq=False)
class Setup(Opened):
    """What edits are made with besides: the layers they act on, and what is known of these.

    `namers` say what a picture shows, by what is named: "object" and "colour"; `readers` are the
    layers that read each property best on validation pictures. `drawn` holds the last batch that
    was drawn without an edit, for the control that is asked of the same pictures next; a setup that
    is made from another by `replace` begins without it.
    """

    moments: Mapping[Cell, Moments]
    layers: tuple[Layer, ...]
    namers: Mapping[str, Namer] = field(default_factory=dict[str, Namer])
    readers: Mapping[str, Layer] = field(default_factory=dict[str, Layer])
    drawn: dict[tuple, Any] = field(init=False, default_factory=dict[tuple, Any])


def open_to_read(run: Run, model: Model, labelers: Sequence[Labeler], *, batch: int) -> Opened:
    """Gather what a run reads its model's pictures with, while they are made.

    Args:
        run: Finished.
        model: The run's own, checked.
        labelers: The run's own.
        batch: Images at once.

    Raises:
        RunError: if the run is not finished.
    """
    settings = read_settings(run)
    return Opened(
        model=model,
        labelers=tuple(labelers),
        probes=read_probes(run, model.device),
        steps=settings["steps"],
        guidance=settings["guidance"],
        batch=batch,
    )


def open_setup(
    run: Run,
    model: Model,
    labelers: Sequence[Labeler],
    *,
    glob: str | None = None,
    batch: int,
    namers: Mapping[str, Namer] | None = None,
) -> tuple[Setup, str]:
    """Gather what a run found out about its model.

    Args:
        run: Finished.
        model: The run's own, checked.
        labelers: The run's own.
        glob: Of the layers to act on; None takes the last two stages.
        batch: Images at once.
        namers: By what is named.

    Returns:
        The setup, and the pattern of its layers.

    Raises:
        RunError: if the run is not finished.
        LayerError: if no layer matches.
    """
    settings = read_settings(run)
    by_name = {layer.name: layer for layer in find_layers(model)}
    known = [layer for name, layer in by_name.items() if name in settings["layers"]]
    summary = read_summary(run)["properties"]
    glob = glob or last_stages(known)
    sums, _ = read_moments(run, model.device)
    setup = Setup(
        **vars(open_to_read(run, model, labelers, batch=batch)),
        moments=reduce(merge, sums.values()),
        layers=select_layers(known, glob),
        namers=dict(namers or {}),
        readers={name: by_name[found["best_layer"]] for name, found in summary.items()},
    )
    return setup, glob
