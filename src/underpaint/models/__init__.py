"""Models: the only code that reads weights. `load` gives a `Model` that every later stage takes."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from ..core.errors import ModelError
from .model import (
    Model,
    as_model,
    decode,
    decoder_attention,
    encode,
    exact_size,
    has_decoder_attention,
    packed,
    permuted,
    unpacked,
    untrained,
)
from .schedules import swap
from .weights import (
    check_weights,
    find_folder,
    fingerprint,
    first_line,
    read_defaults,
    read_index,
)

__all__ = [
    "Model",
    "as_model",
    "decode",
    "decoder_attention",
    "encode",
    "exact_size",
    "find_device",
    "has_decoder_attention",
    "load",
    "load_as",
    "packed",
    "permuted",
    "unpacked",
    "untrained",
]

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def load(
    id_or_path: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    scheduler: str | None = None,
    resolution: int | None = None,
) -> Model:
    """Load a latent diffusion model, without a safety checker, pickles or code from elsewhere.

    The network is used for hub ids alone, and not at all where HF_HUB_OFFLINE=1 is set.

    Args:
        id_or_path: "tiny" (embedded), a diffusers folder, or a hub id such as
            "CompVis/stable-diffusion-v1-4", pinned or not ("owner/name@revision"). A folder's
            optional underpaint.json may say `{"guidance": 2.5, "resolution": 128}`.
        device: "auto" takes CUDA, else the CPU. Apple's GPU has no float64, which the statistics
            need: it can be asked for by name to generate with, not to run a study on.
        dtype: "float32", "float16", "bfloat16" or "auto": float16 on CUDA, else float32. The VAE
            stays float32: in float16 some decode to black.
        scheduler: "ddim", "lms", "euler" or "dpm++" in place of the model's own.
        resolution: Height and width in pixels in place of the model's own.

    Raises:
        ModelError: if the model cannot be found, trusted or read, or device or dtype is unknown.
        SchedulerError: if no scheduler has that name.
    """
    chosen = find_device(device)
    precision = _dtype(dtype, chosen)
    with _quiet():
        folder = find_folder(id_or_path)
    index = read_index(folder)
    defaults = read_defaults(folder)
    check_weights(folder, index)
    # Only pipelines that can hold a safety checker take the words that keep it out.
    unsafe = {
        option: value
        for option, value in (("safety_checker", None), ("requires_safety_checker", False))
        if option in index
    }
    with _quiet():
        try:
            pipeline: Any = DiffusionPipeline.from_pretrained(
                folder,
                use_safetensors=True,
                torch_dtype={"vae": torch.float32, "default": precision},
                local_files_only=True,
                **unsafe,
            )
        except (OSError, ValueError, RuntimeError, AttributeError, SafetensorError) as error:
            raise ModelError(
                f"Cannot read the model in {folder} ({first_line(error)}). Check that its files "
                "are whole and that diffusers knows its pipeline."
            ) from error
        if scheduler is not None:
            pipeline.scheduler = swap(pipeline.scheduler, scheduler)
        pipeline.to(chosen)
    pipeline.set_progress_bar_config(disable=True)
    side = resolution or defaults.get("resolution")
    return Model.of(
        pipeline,
        name=id_or_path,
        fingerprint=fingerprint(folder),
        guidance=float(defaults["guidance"]) if "guidance" in defaults else None,
        resolution=(int(side), int(side)) if side else None,
    )


def load_as(settings: Mapping[str, Any], *, device: str = "auto", dtype: str = "auto") -> Model:
    """Load a model as a run did: by the settings in its run.json.

    Raises:
        ModelError: if the model cannot be found, trusted or read.
    """
    return load(
        settings["model"],
        device=device,
        dtype=dtype,
        scheduler=settings.get("swapped_scheduler"),
        resolution=settings.get("resolution"),
    )


def find_device(name: str) -> torch.device:
    """Name a device that is here; "auto" takes CUDA, else the CPU.

    Raises:
        ModelError: if there is none of that name.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ModelError(
            f"Cannot run on device {name!r} here ({first_line(error)}). Use 'auto' or 'cpu'."
        ) from error
    return device


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    if name not in _DTYPES:
        raise ModelError(f"No dtype {name!r}. Choose 'auto' or one of {', '.join(_DTYPES)}.")
    return _DTYPES[name]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the two libraries' remarks on loading off the terminal, then let them speak again."""
    with ExitStack() as restored:
        for logging in (diffusers_logging, transformers_logging):
            restored.callback(logging.set_verbosity, logging.get_verbosity())
            if logging.is_progress_bar_enabled():
                restored.callback(logging.enable_progress_bar)
            logging.set_verbosity_error()
            logging.disable_progress_bar()
        restored.enter_context(warnings.catch_warnings())
        # `torch_dtype` has a new name in diffusers 0.42; versions before know only this one.
        warnings.simplefilter("ignore", FutureWarning)
        yield
