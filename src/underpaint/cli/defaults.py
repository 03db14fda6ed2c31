"""Where `run` takes what is not said from: another run, or a preset."""

from pathlib import Path
from typing import Any

import click

from ..core.errors import RunError
from ..runs.folder import find_run, read_settings
from ..study.presets import Preset, read_preset

_LIKE = "underpaint.like"


def take_from(ctx: click.Context, _option: click.Parameter, other: Path | None) -> None:
    """Take another run's settings as defaults."""
    if other is None:
        return
    settings = read_settings(find_run(other))
    ctx.meta[_LIKE] = other, settings
    try:
        ctx.default_map = {
            "model_id": settings["model"],
            "prompts": str(other / "prompts.csv"),
            "glob": ",".join(settings["layers"]),
            "properties": ",".join(_words(settings)),
            "dtype": settings["dtype"].removeprefix("torch."),
            **{name: settings[name] for name in ("count", "steps", "guidance", "batch", "seed")},
            "quick": settings["quick"],
            "images": settings.get("pictures"),
            "rivals_at": ",".join(map(str, settings.get("rivals_at", ()))) or None,
            "recipe": settings.get("recipe", "ridge"),
            "labeled_by": ",".join(map("=".join, settings.get("labeled_by", {}).items())) or None,
            "scheduler": settings.get("swapped_scheduler"),
            **{name: settings.get(name) for name in ("resolution", "cut", "classifier")},
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{other} does not say all that it did: {error} is missing in its run.json. "
            "Give its options one by one."
        ) from error


def _words(settings: dict[str, Any]) -> list[str]:
    """Say properties as `--properties` takes them."""
    own = settings.get("own_properties", {})
    return [f"{name}:{own[name]}" if name in own else name for name in settings["properties"]]


def refuse_other_weights(settings: dict[str, Any]) -> None:
    """Refuse to do a run again, by --like, with weights that are no longer those it had.

    Who asks for another scheduler or resolution beside --like gets it: then only weights count.
    """
    from ..models.identity import difference  # which needs torch

    other, theirs = click.get_current_context().meta.get(_LIKE, (None, None))
    if theirs is None or theirs["model"] != settings["model"]:
        return
    asked = ("swapped_scheduler", "resolution")
    is_same = all(theirs.get(name) == settings.get(name) for name in asked)
    then = theirs if is_same else {"fingerprint": theirs["fingerprint"]}
    differs = difference(then, settings)
    pairs = [differs] if differs else []
    known = theirs.get("labelers")
    if isinstance(known, dict) and theirs.get("labeled_by", {}) == settings.get("labeled_by", {}):
        found = settings["labelers"]
        pairs += [(f"labeler {name}", known[name], found[name]) for name in found if name in known]
    for what, was, now in pairs:
        if was != now:
            raise RunError(
                f"{other} was made with another {what}: it was {was} and is {now}, so its numbers "
                "cannot be had again. Bring that one back, or leave out --like."
            )


def take_preset(ctx: click.Context, _option: click.Parameter, name: str | None) -> Preset | None:
    """Take a preset's numbers and model as defaults."""
    if name is None:
        return None
    if ctx.default_map:
        raise RunError("--preset and --like both say what to do. Give one of them.")
    preset = read_preset(name)
    ctx.default_map = {
        "model_id": preset.model.pinned,
        "classifier": preset.classifier.pinned if preset.classifier else None,
        **{key: ",".join(x) if isinstance(x, list) else x for key, x in preset.numbers.items()},
    }
    return preset
