"""Probes in a folder that others can use: their weights, and a card that says what they are worth.

    probes.safetensors   weights, biases and thresholds, named property/layer/step
    probes.json          which model they read, and how it was run
    README.md            the card: scores, what labelled them, licences

The folder is a model repository as the hub knows it; `push_probes` puts it there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from huggingface_hub import ModelCardData
from safetensors import SafetensorError
from safetensors.torch import save_file

from ..core.errors import ModelError, RunError, first_line
from ..core.files import is_whole, read_json_file, write_file
from ..core.ids import is_hub_id, shown_id, split_revision
from ..core.numbers import fixed, number
from ..core.schemas import LATER
from ..models import Model
from ..models.identity import difference, identity_of
from ..probes.probes import Probe, ProbeKey
from ..scores.naming import metric_name
from ..scores.tables import markdown
from .packing import pack_probes, unpack_probes
from .runs import (
    Run,
    read_probes,
    read_settings,
    read_summary,
    write_json,
)

WEIGHTS, ABOUT, CARD = "probes.safetensors", "probes.json", "README.md"
_FILES = {WEIGHTS, ABOUT, CARD}
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Shared:
    """Probes that somebody shared, and what they say of themselves.

    Args:
        probes: By property, layer and step, counted from 0.
        model: Id of the model that they read.
        fingerprint: Of its weights.
        steps: How many denoising steps it took.
        guidance: Its guidance scale.
        best_layers: By property, chosen on validation images.
        about: All that probes.json says.
    """

    probes: dict[ProbeKey, Probe]
    model: str
    fingerprint: str
    steps: int
    guidance: float
    best_layers: dict[str, str]
    about: Mapping[str, Any]


def share_run(run: Run, folder: str | Path, *, every: bool = False) -> None:
    """Write a run's probes, of each property's best layer or of every layer, with their card.

    Examples:
        >>> up.share_run(up.find_run(OUT), FOLDER / "probes")
        >>> sorted(path.name for path in (FOLDER / "probes").iterdir())
        ['README.md', 'probes.json', 'probes.safetensors']

    Args:
        run: A finished one.
        folder: Made if it is not there; a folder of other files is refused.
        every: Take every layer instead of the best.

    Raises:
        RunError: if the run is not finished, or the folder is in use.
    """
    folder, settings, summary = Path(folder), read_settings(run), read_summary(run)
    found = {name: each["best_layer"] for name, each in summary["properties"].items()}
    if not is_whole(run.probes):
        raise RunError(f"{run.probes} is damaged. Run `underpaint run` again.")
    if folder.exists() and (not folder.is_dir() or {x.name for x in folder.iterdir()} - _FILES):
        raise RunError(f"{folder} is in use and holds no shared probes. Choose another folder.")
    probes = {
        key: probe
        for key, probe in read_probes(run, _CPU).items()
        if key[0] in found and key[1] in (settings["layers"] if every else [found[key[0]]])
    }
    about = _about(settings, summary, found)
    write_file(folder / WEIGHTS, lambda part: save_file(pack_probes(probes), part))
    write_json(folder / ABOUT, about)
    card = _card(about, summary)
    write_file(folder / CARD, lambda part: part.write_text(card, encoding="utf-8"))


def push_probes(folder: str | Path, repository: str, *, private: bool = True) -> str:
    """Upload a folder that `share_run` wrote to a model repository of the hub; return its address.

    Examples:
        >>> up.push_probes(FOLDER / "probes", "you/sd14-probes")  # doctest: +SKIP
        'https://huggingface.co/you/sd14-probes/...'

    Raises:
        RunError: if the folder holds no shared probes, or the hub refuses.
    """
    load_probes(str(folder))
    api = huggingface_hub.HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        done = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            allow_patterns=sorted(_FILES),
            commit_message="Share probes",
        )
    # The hub client's errors have no base in common.
    except Exception as error:
        raise RunError(
            f"The hub did not take {folder} as {repository} ({first_line(error)}). Check the name, "
            "the network and that you are logged in."
        ) from error
    return str(done)


def load_probes(
    folder_or_id: str, *, model: Model | None = None, device: torch.device = _CPU
) -> Shared:
    """Load shared probes from a folder, or from the hub by id, pinned or not.

    Examples:
        >>> shared = up.load_probes(SHARED)
        >>> sorted({name for name, layer, step in shared.probes})
        ['depth', 'saliency']

    Args:
        folder_or_id: What `share_run` wrote, or owner/name, or owner/name@revision.
        model: What they are meant for: its weights are compared with those they were fitted on.
        device: Where to put them.

    Raises:
        RunError: if there are none, or they are not whole.
        ModelError: if they were fitted on other weights than those of `model`, under another
            scheduler, or on the same configured otherwise.
    """
    folder = _find(folder_or_id)
    try:
        about = read_json_file(folder / ABOUT)
        shared = Shared(
            probes=unpack_probes(folder / WEIGHTS, device),
            about=about,
            **{
                name: about[name]
                for name in ("model", "fingerprint", "steps", "guidance", "best_layers")
            },
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise RunError(
            f"{folder_or_id} holds no whole shared probes ({first_line(error)}). Write them with "
            "`underpaint share OUT FOLDER`."
        ) from error
    if model is not None and (differs := difference(about, identity_of(model))):
        name, then, now = differs
        raise ModelError(
            f"These probes were fitted on {shared.model} with {name} {then}, and {model.name} has "
            f"{now or 'none, for it is not from a file'}. Load the model that they name."
        )
    return shared


def _find(folder_or_id: str) -> Path:
    path = Path(folder_or_id).expanduser()
    if path.is_dir():
        return path
    if not is_hub_id(folder_or_id):
        raise RunError(
            f"No shared probes {folder_or_id!r}: there is no such folder and it is no hub id "
            "(owner/name)."
        )
    name, revision = split_revision(folder_or_id)
    try:
        return Path(
            huggingface_hub.snapshot_download(
                name, revision=revision, allow_patterns=sorted(_FILES)
            )
        )
    # The hub client's errors have no base in common.
    except Exception as error:
        raise RunError(
            f"No shared probes {folder_or_id!r}: the hub did not give them ({first_line(error)}). "
            "Check the id and the network, or give a folder."
        ) from error


def _about(
    settings: Mapping[str, Any], summary: Mapping[str, Any], best_layers: Mapping[str, str]
) -> dict[str, Any]:
    copied = ("fingerprint", "scheduler", "steps", "guidance", "properties", "dtype")
    return {
        "schema": 1,
        "model": shown_id(settings["model"]),
        **{name: settings[name] for name in copied},
        **{name: settings.get(name) for name in LATER},
        "labelers": {shown_id(name): each for name, each in settings["labelers"].items()},
        "resolution": settings.get("resolution"),
        "best_layers": dict(best_layers),
        "images": summary["images"],
        "made_with": settings.get("made_with", {}),
    }


def _card(about: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    model, revision = split_revision(about["model"])
    is_public = is_hub_id(about["model"])
    data = ModelCardData(
        library_name="underpaint",
        tags=["underpaint", "probing", "diffusion"],
        base_model=model if is_public else None,
    )
    images = summary["images"]
    rows = [
        (name, each["best_layer"], metric_name(metric), *_numbers(scores["final"]))
        for name, each in summary["properties"].items()
        for metric, scores in each["sources"]["probe"]["metrics"].items()
    ]
    heads = ("property", "best layer", "metric", "last step", "95% interval")
    labelers = [(name, licence, mark or "–") for name, (licence, mark) in about["labelers"].items()]
    text = f"""
# Linear probes of {model}

They read {", ".join(about["properties"])} from the self-attention outputs of the denoiser while it
draws, at every one of its {about["steps"]} steps. One probe is one linear map.

| read from | |
| --- | --- |
| model | {model} |
| revision | {revision or "–"} |
| fingerprint | {about["fingerprint"] or "–"} |
| scheduler, steps, guidance | {about["scheduler"]}, {about["steps"]}, {about["guidance"]} |

## Scores

Of {images["test"]} test images whose prompts were not seen in fitting ({images["train"]} images) or
choosing ({images["validation"]}). Labels are the labelers' opinions of the finished pictures.

{markdown(heads, rows, left=3)}
## Labelers

{markdown(("labeler", "licence", "weights"), labelers, left=3)}
The probes were fitted to what these said: their licences may bind what you do with them.

## Use

```python
import underpaint

model = underpaint.load({about["model"]!r})  # by id, or the folder where you have it
shared = underpaint.load_probes("THIS FOLDER OR ITS ID", model=model)
```
"""
    return f"---\n{data.to_yaml()}\n---\n{text}"


def _numbers(final: Mapping[str, Any]) -> tuple[str, str]:
    mean, low, high = (fixed(number(final[name])) for name in ("mean", "low", "high"))
    return mean, f"{low} … {high}"
