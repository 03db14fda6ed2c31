"""See, measure and use the 3D scene inside a diffusion model before any eye can."""

from .capture import tapped
from .errors import UnderpaintError
from .fitting import fit
from .labelers import Labeler, label
from .layers import Layer, find_layers, select_layers
from .models import Model, load
from .moments import Moments, gather
from .probes import Probe
from .prompts import Prompt, read_prompts, split_prompts
from .properties import PROPERTIES, Property
from .runs import Run, find_run
from .scores import Scores
from .scoring import score
from .sharing import Shared, load_probes, push_probes, share_run
from .traces import Trace, trace

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
    "score",
    "select_layers",
    "share_run",
    "split_prompts",
    "tapped",
    "trace",
]
