"""The pictures that `--images` names: rendered scenes, or a folder."""

from collections.abc import Sequence
from pathlib import Path

from ..core.errors import RunError
from ..core.prompts import Prompt
from ..core.properties import Property
from ..models import Model
from ..models.folders import HOLES, WHOLE, read_folder
from ..models.given import Given, Pictures

RENDERED = "rendered"


def pictures_of(
    images: str | None, properties: Sequence[Property], model: Model
) -> Pictures | None:
    """Find what `--images` names: scenes to be drawn, or a folder; None where nothing is named.

    Behind a folder may stand what its zeros are, FOLDER:holes or FOLDER:whole.

    Raises:
        RunError: if there is no such folder, or scenes cannot be drawn as they are asked for.
    """
    if images is None:
        return None
    if images == RENDERED:
        return _rendered(model, properties)
    named, _, said = images.rpartition(":")
    zeros = said if named and said in (HOLES, WHOLE) and not Path(images).is_dir() else None
    folder = Path(named if zeros else images)
    if not folder.is_dir():
        raise RunError(f"--images says {images!r}: that is no folder, nor the word {RENDERED!r}.")
    return read_folder(folder, properties, size=model.resolution, zeros=zeros)


def _rendered(model: Model, properties: Sequence[Property]) -> Pictures:
    from ..world.renders import TRUTH, exact

    height, width = model.resolution
    if height != width:
        raise RunError(f"Scenes are drawn square, and {model.name} draws {width}×{height} pixels.")
    known = (*TRUTH, "depth")
    if unknown := [each.name for each in properties if each.name not in known]:
        raise RunError(
            f"Scenes have no exact {unknown[0]}: leave it out of --properties, or give pictures "
            "with labels of your own as --images FOLDER."
        )

    def find(prompts: Sequence[Prompt]) -> Given:
        drawn = exact([p.text for p in prompts], [p.seed for p in prompts], size=height)
        return Given(drawn["image"], {each.name: drawn[each.name] for each in properties})

    return find
