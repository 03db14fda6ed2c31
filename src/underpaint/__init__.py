"""See, measure and use the 3D scene in a diffusion model before the noisy picture shows it.

Names are imported when they are first used: torch takes seconds, and help or a version need none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.errors import UnderpaintError
    from .core.prompts import Prompt, read_prompts, split_prompts
    from .core.properties import PROPERTIES, Property, find_property
    from .labelers import Labeler, label
    from .models import Model, load
    from .models.capture import tapped
    from .models.layers import Layer, find_layers, select_layers
    from .models.reading import reads
    from .models.traces import Trace, trace
    from .probes.fitting import fit
    from .probes.live import reading_taps
    from .probes.moments import Moments, gather
    from .probes.probes import Probe
    from .runs.folder import Run, find_run, read_summary
    from .runs.sharing import Shared, load_probes, push_probes, share_run
    from .scores.scores import Scores
    from .site.widget import widget
    from .study.scoring import score

_HOMES = {
    "core.errors": ("UnderpaintError",),
    "core.prompts": ("Prompt", "read_prompts", "split_prompts"),
    "core.properties": ("PROPERTIES", "Property", "find_property"),
    "labelers": ("Labeler", "label"),
    "models": ("Model", "load"),
    "models.capture": ("tapped",),
    "models.layers": ("Layer", "find_layers", "select_layers"),
    "models.reading": ("reads",),
    "models.traces": ("Trace", "trace"),
    "probes.fitting": ("fit",),
    "probes.live": ("reading_taps",),
    "probes.moments": ("Moments", "gather"),
    "probes.probes": ("Probe",),
    "runs.folder": ("Run", "find_run", "read_summary"),
    "runs.sharing": ("Shared", "load_probes", "push_probes", "share_run"),
    "scores.scores": ("Scores",),
    "site.widget": ("widget",),
    "study.scoring": ("score",),
}
"""Where each name is imported from; a test holds it to what type checkers are told above."""

__all__ = [
    "PROPERTIES",
    "Labeler",
    "Layer",
    "Model",
    "Moments",
    "Probe",
    "Prompt",
    "Property",
    "Run",
    "Scores",
    "Shared",
    "Trace",
    "UnderpaintError",
    "find_layers",
    "find_property",
    "find_run",
    "fit",
    "gather",
    "label",
    "load",
    "load_probes",
    "push_probes",
    "read_prompts",
    "read_summary",
    "reading_taps",
    "reads",
    "score",
    "select_layers",
    "share_run",
    "split_prompts",
    "tapped",
    "trace",
    "widget",
]


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f".{module}", __name__), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
