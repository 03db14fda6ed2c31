"""Who says what an unedited picture shows, so that an edit knows what to ask for.

Labelers say it of the finished picture. Probes read it while the picture is made, up to the last
step that is edited: then neither a labeler nor a finished picture is needed, and labelers only
score. With a_k a layer's activation at step k, W, b and t a probe's weight, bias and threshold, and
u the nearest upsampling to the picture's size (`arrays.to_image`),

    mask   u([W^T a_k + b > t])
    maps   u(W^T a_k + b)

each at the layer that reads its property best on validation pictures. Readings are in the units of
labels as they are, so nothing is scaled.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ..core.arrays import to_image
from ..core.errors import EditError
from ..core.properties import DEPTH, SALIENCY, SHADING
from ..models.capture import Tap
from ..models.layers import Layer
from ..probes.live import reading_taps
from ..probes.probes import Probe
from .setups import Setup


@dataclass(frozen=True, eq=False)
class Look:
    """One look at a batch while it is made: taps for `trace`, and what they have read since.

    Args:
        taps: They leave every activation as it is.
        probes: Of one step, by property.
        read: Filled as soon as a layer has run at that step.
    """

    taps: Mapping[Layer, Tap]
    probes: Mapping[str, Probe]
    read: dict[str, Float[Tensor, "image _target _row _col"]]

    def labels(self, size: tuple[int, int]) -> dict[str, Float[Tensor, "image _target _h _w"]]:
        """Give what was read as aims take it: a mask of 0 and 1, maps as they were read.

        Args:
            size: Height and width of the pictures.
        """
        found = {}
        for name, maps in self.read.items():
            cut = self.probes[name].threshold
            found[name] = to_image((maps if cut is None else maps > cut).float(), size)
        return found


def look_on(setup: Setup, also: Sequence[str], *, step: int, images: int) -> Look:
    """Make the taps that read, at one step, all that aims speak of and the run has probes of.

    Args:
        setup: Its `readers` say where each property is read.
        also: Further properties, by name.
        step: From 0.
        images: Of the batch.

    Raises:
        EditError: if the run has no probes of masks.
    """
    check_read(setup.readers, [SALIENCY.name])
    wanted = dict.fromkeys((SALIENCY.name, DEPTH.name, SHADING.name, *also))
    layers = {name: setup.readers[name] for name in wanted if name in setup.readers}
    probes = {name: setup.probes[name, layer.name, step] for name, layer in layers.items()}
    read: dict[str, Tensor] = {}

    def keep(_step: int, name: str, maps: Tensor) -> None:
        read[name] = maps

    at_step = {(name, probe.layer, step): probe for name, probe in probes.items()}
    taps = reading_taps(layers, at_step, images=images, show=keep)
    return Look({layer: taps[layer.module] for layer in layers.values()}, probes, read)


def check_read(known: Iterable[str], needed: Sequence[str]) -> None:
    """Refuse an edit that needs to be told by probes what the run has no probes of.

    Args:
        known: Properties that the run has probes of.
        needed: Those that the edit's targets are made of.

    Raises:
        EditError: if one is missing.
    """
    if missing := [name for name in needed if name not in {*known}]:
        raise EditError(
            f"The run has no probes of {missing[0]}, so they cannot say what its pictures show of "
            f"it. Run it with {missing[0]} among --properties, or leave that to labelers."
        )
