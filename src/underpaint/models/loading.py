"""Loading: from an id, a folder or a checkpoint to a `Model`. Nothing is unpickled or run."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.loaders.single_file_utils import SingleFileComponentError
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError
from torch import nn
from transformers.utils import logging as transformers_logging

from ..core.errors import ModelError, first_line
from .model import Model
from .schedules import swap
from .weights import (
    absent,
    check_part,
    check_weights,
    find_folder,
    fingerprint,
    is_checkpoint,
    read_defaults,
    read_index,
    variant,
)
from .wholeness import check_filled

_UNREADABLE = (
    OSError,
    ValueError,
    RuntimeError,
    AttributeError,
    KeyError,
    SafetensorError,
    SingleFileComponentError,
)
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

    Examples:
        >>> up.load("tiny").resolution
        (128, 128)

    Args:
        id_or_path: "tiny" (embedded), a diffusers folder, a hub id such as
            "CompVis/stable-diffusion-v1-4", pinned or not ("owner/name@revision"), or a single
            .safetensors checkpoint with its configuration in a folder of its name beside it. A
            folder's optional underpaint.json may say `{"guidance": 2.5, "resolution": 128,
            "call": {"max_sequence_length": 77}}`, the last for what else its pipeline's call takes.
        device: "auto" takes CUDA, else the CPU. Apple's GPU has no float64, which the statistics
            need: it can be asked for by name to generate with, not to run a study on.
        dtype: "float32", "float16", "bfloat16" or "auto": on CUDA bfloat16 for a transformer, where
            the card has it, and float16 for a UNet; else float32. The VAE stays float32: in float16
            some decode to black.
        scheduler: "ddim", "lms", "euler" or "dpm++" in place of the model's own.
        resolution: Height and width in pixels in place of the model's own.

    Raises:
        ModelError: if the model cannot be found, trusted or read, or device or dtype is unknown.
        SchedulerError: if no scheduler has that name.
    """
    chosen = find_device(device)
    with _quiet():
        folder = find_folder(id_or_path)
    index = read_index(folder)
    defaults = read_defaults(folder)
    precision = _dtype(dtype, chosen, is_transformer="transformer" in index)
    file = Path(id_or_path).expanduser() if is_checkpoint(id_or_path) else None
    with _quiet():
        try:
            if file is not None:
                pipeline = _read_checkpoint(file, folder, index, precision)
            else:
                pipeline = _read_folder(folder, index, precision)
        except _UNREADABLE as error:
            raise ModelError(
                f"Cannot read the model in {file or folder} ({first_line(error)}). Check that its "
                "files are whole and that diffusers knows its pipeline."
            ) from error
        check_filled(pipeline, folder if file is None else None)
        if scheduler is not None:
            pipeline.scheduler = swap(pipeline.scheduler, scheduler)
        pipeline.to(chosen)
    pipeline.set_progress_bar_config(disable=True)
    side = resolution or defaults.get("resolution")
    return Model.of(
        pipeline,
        name=id_or_path,
        fingerprint=fingerprint(file or folder),
        guidance=float(defaults["guidance"]) if "guidance" in defaults else None,
        resolution=(int(side), int(side)) if side else None,
        call=defaults.get("call"),
    )


def _read_folder(folder: Path, index: dict[str, Any], precision: torch.dtype) -> Any:
    check_weights(folder, index)
    return DiffusionPipeline.from_pretrained(
        folder,
        use_safetensors=True,
        torch_dtype={"vae": torch.float32, "default": precision},
        local_files_only=True,
        variant=variant(folder, index),
        **absent(index),
    )


def _read_checkpoint(
    file: Path, folder: Path, index: dict[str, Any], precision: torch.dtype
) -> Any:
    """Read a single file by the configuration that a folder holds."""
    check_part(file)
    kind: Any = getattr(diffusers, index["_class_name"], None)
    if not hasattr(kind, "from_single_file"):
        raise ModelError(
            f"{index['_class_name']} cannot be read from a single file. Convert {file.name} to a "
            "diffusers folder."
        )
    pipeline = kind.from_single_file(
        str(file),
        config=str(folder),
        local_files_only=True,
        torch_dtype=torch.float32,
        **absent(index),
    )
    # Here all parts come in one dtype, and the VAE is to keep all that the file says.
    check_filled(pipeline, None)
    for name, part in pipeline.components.items():
        if isinstance(part, nn.Module) and name != "vae":
            part.to(precision)
    return pipeline


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


def _dtype(name: str, device: torch.device, *, is_transformer: bool) -> torch.dtype:
    if name == "auto":
        if device.type != "cuda":
            return torch.float32
        # They are trained in bfloat16, and overflow in float16 to black pictures.
        is_wide = is_transformer and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if is_wide else torch.float16
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
