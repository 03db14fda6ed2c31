"""See, measure and use the 3D scene inside a diffusion model before any eye can."""

from .core.errors import UnderpaintError
from .core.prompts import Prompt, read_prompts, split_prompts
from .core.properties import PROPERTIES, Property
from .labelers import Labeler, label
from .models import Model, load
from .models.capture import tapped
from .models.layers import Layer, find_layers, select_layers
from .models.traces import Trace, trace
from .probes.fitting import fit
from .probes.live import reading_taps
from .probes.moments import Moments, gather
from .probes.probes import Probe
from .runs.runs import Run, find_run
from .runs.sharing import Shared, load_probes, push_probes, share_run
from .scores.scores import Scores
from .study.scoring import score

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
    "find_run",
    "fit",
    "gather",
    "label",
    "load",
    "load_probes",
    "push_probes",
    "read_prompts",
    "reading_taps",
    "score",
    "select_layers",
    "share_run",
    "split_prompts",
    "tapped",
    "trace",
]
