"""A model's folder: find it, check it before anything is loaded, and name its weights.

Nothing here unpickles or runs code from a folder: weights are safetensors or they are refused.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from safetensors import SafetensorError, safe_open

from ..core.errors import ModelError, first_line
from ..core.ids import is_hub_id, split_revision

TINY = Path(__file__).parent / "tiny"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.msgpack")
_WITHOUT_WEIGHTS = ("scheduler", "tokenizer", "feature_extractor", "image_processor")


def find_folder(id_or_path: str) -> Path:
    """Find the folder of a model: the embedded "tiny", a path, or a hub id (cached or fetched).

    A hub id may be pinned, as in `owner/name@revision`. For a checkpoint file it is the folder with
    its configuration: one of its name beside it, or the one that it lies in.

    Raises:
        ModelError: if there is none, or the hub cannot be asked.
    """
    if id_or_path == "tiny":
        if not (TINY / "model_index.json").exists():
            raise ModelError(
                f"The embedded model is not in this install: {TINY} has no model_index.json. "
                "Train it with `underpaint train OUT` and use it with `--model OUT/tiny`."
            )
        return TINY
    path = Path(id_or_path).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        return _beside(path)
    if not is_hub_id(id_or_path):
        raise ModelError(
            f"No model {id_or_path!r}: there is no such folder and it is no hub id (owner/name). "
            "Give 'tiny', a diffusers folder, or a hub id."
        )
    name, revision = split_revision(id_or_path)
    try:
        # A safety checker can blank an image, so it is never fetched or loaded.
        return Path(
            DiffusionPipeline.download(
                name, revision=revision, use_safetensors=True, safety_checker=None
            )
        )
    # Offline, unknown, private, timed out: the hub client's errors have no base in common.
    except Exception as error:
        raise ModelError(
            f"No model {id_or_path!r}: there is no such folder, and the hub did not give it "
            f"({first_line(error)}). Check the id and the network, or give a diffusers folder."
        ) from error


def is_checkpoint(id_or_path: str) -> bool:
    """Tell whether this is a single file of weights, as sites of models offer them."""
    path = Path(id_or_path).expanduser()
    return path.suffix == ".safetensors" and path.is_file()


def _beside(file: Path) -> Path:
    if file.suffix != ".safetensors":
        raise ModelError(
            f"{file} is a file. Give a diffusers folder, one with model_index.json in it, or a "
            ".safetensors checkpoint."
        )
    for folder in (file.with_suffix(""), file.parent):
        if (folder / "model_index.json").exists():
            return folder
    raise ModelError(
        f"{file} is a checkpoint without its configuration, which would be in {file.stem}/ beside "
        "it. Convert it once, where there is a network: in diffusers, StableDiffusionPipeline (or "
        f"the class of its kind).from_single_file({file.name!r}).save_pretrained({file.stem!r})."
    )


def read_index(folder: Path) -> dict[str, Any]:
    """Read which pipeline and components a folder says it holds.

    Raises:
        ModelError: if it is no diffusers folder, or names a pipeline class that it brings along.
    """
    index = _read_json(folder / "model_index.json")
    if not isinstance(index.get("_class_name"), str):
        raise ModelError(
            f"{folder} brings its own pipeline code ({index.get('_class_name')!r}), which is not "
            "run. Use a model whose pipeline is part of diffusers."
        )
    return index


def read_defaults(folder: Path) -> dict[str, Any]:
    """Read the optional underpaint.json: what the model is meant for.

    "guidance" and "resolution", and under "call" what else its pipeline's call is to be given.

    Raises:
        ModelError: if the file is not valid, or says anything else.
    """
    path = folder / "underpaint.json"
    if not path.exists():
        return {}
    defaults = _read_json(path)
    is_number = all(
        isinstance(value, int | float) and not isinstance(value, bool) and value > 0
        for name, value in defaults.items()
        if name != "call"
    )
    is_named = set(defaults) <= {"guidance", "resolution", "call"}
    if not is_named or not is_number or not isinstance(defaults.get("call", {}), dict):
        raise ModelError(
            f"{path} says {json.dumps(defaults)}. It may hold guidance and resolution (pixels), "
            'both positive numbers, and call, an object, as in {"guidance": 2.5, "resolution": '
            '128, "call": {"max_sequence_length": 77}}.'
        )
    return defaults


def check_weights(folder: Path, index: dict[str, Any]) -> None:
    """Make sure that every component is there, as whole safetensors files.

    Raises:
        ModelError: if a component is missing, comes as a pickle only, or is cut short.
    """
    for name in components(index):
        part = folder / name
        if not part.is_dir():
            raise ModelError(
                f"{folder} has no {name}/, which its model_index.json lists. Download it again."
            )
        if name.startswith(_WITHOUT_WEIGHTS):
            continue
        check_part(part)


def check_part(part: Path) -> None:
    """Make sure that one folder holds whole safetensors files, or that one file is such.

    Raises:
        ModelError: if it holds none, pickles only, or one that is cut short.
    """
    files = [part] if part.is_file() else sorted(part.glob("*.safetensors"))
    pickles = [found.name for kind in _PICKLES for found in sorted(part.glob(kind))]
    if not files and pickles:
        raise ModelError(
            f"{part} has only pickled weights ({pickles[0]}), which can run code. Convert them "
            "where you trust them: load it there and `save_pretrained(OUT)`."
        )
    if not files:
        raise ModelError(f"{part} has no .safetensors weights. Download the model again.")
    for file in files:
        _check_whole(file)


def variant(folder: Path, index: dict[str, Any]) -> str | None:
    """Name the variant, such as "fp16", that every component without plain weights comes in.

    Raises:
        ModelError: if there is none that all of them have.
    """
    offered = []
    for name in components(index):
        if name.startswith(_WITHOUT_WEIGHTS):
            continue
        # A shard's number may come before the variant or after it.
        stems = [
            re.sub(r"-\d{5}-of-\d{5}", "", file.name).removesuffix(".safetensors")
            for file in (folder / name).glob("*.safetensors")
        ]
        if all("." in stem for stem in stems):
            offered.append({stem.split(".", 1)[1] for stem in stems})
    if not offered:
        return None
    shared = set.intersection(*offered)
    if not shared:
        raise ModelError(
            f"{folder} has no weights of one kind: some parts come as {min(offered[0])!r} alone "
            f"and others as {min(offered[-1])!r} alone. Download one of them for all."
        )
    return "fp16" if "fp16" in shared else min(shared)


def absent(index: dict[str, Any]) -> dict[str, Any]:
    """Say which components a pipeline is to do without: as its index has it, and safety checkers.

    Only pipelines that can hold a safety checker take the words that keep it out.
    """
    left_out = {
        name: None
        for name, source in index.items()
        if isinstance(source, list) and source and source[0] is None
    }
    unsafe = {"safety_checker": None, "requires_safety_checker": False}
    return left_out | {name: value for name, value in unsafe.items() if name in index}


def components(index: dict[str, Any]) -> list[str]:
    """List the components that a model index names and that are loaded."""
    return [
        name
        for name, source in index.items()
        if isinstance(source, list) and source and source[0] is not None
        if name != "safety_checker"
    ]


def fingerprint(folder: Path) -> str:
    """Name a folder's weights: the revision of a hub snapshot, else sha256 over weight files.

    Every safetensors file counts, those of readers beside the pipeline too. Of a checkpoint it is
    that one file's.
    """
    if folder.is_file():
        with folder.open("rb") as stream:
            return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
    if folder.parent.name == "snapshots" and re.fullmatch(r"[0-9a-f]{40}", folder.name):
        return f"revision:{folder.name}"
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.safetensors")):
        digest.update(file.relative_to(folder).as_posix().encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return f"sha256:{digest.hexdigest()}"


def _check_whole(file: Path) -> None:
    try:
        with safe_open(file, framework="pt"):
            pass
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{file} is damaged or cut short ({first_line(error)}). Download it again."
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise ModelError(
            f"{path.parent} is not a diffusers folder: it has no {path.name}. Give a folder made "
            "by `save_pretrained`."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON ({first_line(error)}).") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} is not a JSON object. Write one, in braces.")
    return content
