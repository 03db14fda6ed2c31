"""`run --images`: where pictures with exact labels come from."""

from collections.abc import Sequence
from pathlib import Path

from ..core.errors import RunError
from ..core.prompts import Prompt
from ..core.properties import Property
from ..models import Model
from ..models.given import Given, Pictures, read_folder

RENDERED = "rendered"


def pictures_for(
    images: str | None, model: Model, properties: Sequence[Property]
) -> Pictures | None:
    """Find what `--images` names: scenes to be drawn, or a folder; None where nothing is named.

    Raises:
        RunError: if there is no such folder, or scenes are not square.
    """
    if images is None:
        return None
    if images == RENDERED:
        return _rendered(model, properties)
    if not Path(images).is_dir():
        raise RunError(f"--images says {images!r}: that is no folder, nor the word {RENDERED!r}.")
    return read_folder(Path(images), properties, size=model.resolution)


def _rendered(model: Model, properties: Sequence[Property]) -> Pictures:
    from ..world.renders import exact

    height, width = model.resolution
    if height != width:
        raise RunError(f"Scenes are drawn square, and {model.name} draws {width}×{height} pixels.")

    def find(prompts: Sequence[Prompt]) -> Given:
        drawn = exact([p.text for p in prompts], [p.seed for p in prompts], size=height)
        return Given(drawn["image"], {each.name: drawn[each.name] for each in properties})

    return find
