"""The noun behind every labeler, and the one verb that uses it: pictures to checked label maps."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.errors import LabelError
from ..core.prompts import plain
from ..core.properties import Property
from .alone import check_alone, middle_of

_READ_AT_ONCE = 32
_ONE_AT_A_TIME = threading.RLock()
"""Pipelines keep their schedule's state between steps: two threads would mix theirs."""

Read = Callable[[Float[Tensor, "image 3 height width"]], dict[str, Tensor]]
"""Pictures to label maps `image target height width`, by property."""


@dataclass(frozen=True)
class Labeler:
    """A labeler: what it is called, which properties it reads, licence, and its weights' name.

    `networks` are the modules behind `read`. They are on the pictures' device while they read, and
    wait in main memory otherwise: a generator and its labelers need not fit a GPU together. Empty
    for a labeler that sees to that itself. `asked` says of how many pictures it was asked when
    `ask` held one of them against the same one alone: at first none.
    """

    name: str
    reads: tuple[str, ...]
    licence: str
    read: Read
    fingerprint: str = ""
    networks: tuple[Any, ...] = ()
    asked: set[int] = field(default_factory=set, init=False, compare=False, repr=False)

    @property
    def weight_bytes(self) -> int:
        """Count the bytes of its weights, as far as its modules are known."""
        weights = [each for network in self.networks for each in network.parameters()]
        return sum(each.numel() * each.element_size() for each in weights)


@dataclass(frozen=True)
class Namer:
    """A class network: what it is called, the classes it knows, its licence, and how it reads.

    `read` takes pictures in 0..1 to logits `image class`, in the order of `classes`; `features` to
    what it makes them of, if that is known.
    """

    name: str
    classes: tuple[str, ...]
    licence: str
    read: Callable[[Float[Tensor, "image 3 height width"]], Float[Tensor, "image _"]]
    features: Callable[[Float[Tensor, "image 3 height width"]], Float[Tensor, "image _"]] | None = (
        None
    )


@contextmanager
def awake(networks: Sequence[Any], device: torch.device) -> Iterator[None]:
    """Have networks on a device while the block runs, then put them back into main memory.

    Those that are on the device already stay there: who is awake for a whole study is not moved
    for each batch.
    """
    if device.type == "cpu":
        yield
        return
    asleep = [each for each in networks if next(each.parameters()).device.type == "cpu"]
    try:
        for network in asleep:
            network.to(device)
        yield
    finally:
        for network in asleep:
            network.to("cpu")


@torch.no_grad()
def label(
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    images: Float[Tensor, "image 3 height width"],
) -> dict[str, Float[Tensor, "image _ height width"]]:
    """Label pictures in 0..1: `image target height width` for each property.

    Examples:
        >>> grey = lambda pictures: {"depth": pictures.mean(1, keepdim=True)}
        >>> labeler = up.Labeler("grey", ("depth",), "MIT", grey)
        >>> up.label([labeler], [up.PROPERTIES["depth"]], torch.rand(2, 3, 16, 16))["depth"].shape
        torch.Size([2, 1, 16, 16])

    Raises:
        LabelError: if a property has no labeler, or a labeler returns the wrong shape, values that
            are not finite, or a mask outside 0..1.
    """
    found = read(labelers, properties, images)
    check(labelers, properties, found)
    return found


@torch.no_grad()
def read(
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    images: Float[Tensor, "image 3 height width"],
) -> dict[str, Float[Tensor, "image _ height width"]]:
    """Label pictures as `label` does, and leave their values for `check`: a GPU waits for nobody.

    Raises:
        LabelError: if a property has no labeler, or a labeler returns the wrong shape, or says
            otherwise of a picture alone than among others.
    """
    found: dict[str, Tensor] = {}
    for labeler in labelers:
        wanted = [each for each in properties if each.name in labeler.reads]
        if not wanted:
            continue
        with _ONE_AT_A_TIME, awake(labeler.networks, images.device):
            names = [each.name for each in wanted]
            parts = [ask(labeler, names, part) for part in images.split(_READ_AT_ONCE)]
        for each in wanted:
            maps = torch.cat([part[each.name] for part in parts])
            _check_shape(f"Labeler {labeler.name}", each, maps, images)
            found[each.name] = maps
    if missing := [each.name for each in properties if each.name not in found]:
        raise LabelError(
            f"No labeler reads {missing[0]}; {[labeler.name for labeler in labelers]} are loaded. "
            "Leave the property out, or give it a labeler."
        )
    return found


@torch.no_grad()
def ask(
    labeler: Labeler, names: Sequence[str], images: Float[Tensor, "image 3 height width"]
) -> dict[str, Tensor]:
    """Take a labeler's maps of some pictures, and hold one of them against that picture alone.

    That is done when it is first asked, and once more when it is first asked of several at once.

    Raises:
        LabelError: if it gives no tensor of a name, or says otherwise of the picture alone.
    """
    maps = _maps(labeler, names, images)
    together = min(len(images), 2)
    if together > max(labeler.asked, default=0):
        place = middle_of(maps[names[0]])
        alone = _maps(labeler, names, images[place : place + 1])
        for name in names:
            check_alone(f"Labeler {labeler.name}", name, maps[name], alone[name], place)
        labeler.asked.add(together)
    return maps


def check(
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    maps: Mapping[str, Float[Tensor, "*axes"]],
) -> None:
    """Check the values of label maps, however many at once.

    Raises:
        LabelError: if they are not finite, or a mask is outside 0..1.
    """
    for each in properties:
        giver = [labeler.name for labeler in labelers if each.name in labeler.reads][-1]
        _check_values(f"Labeler {giver}", each, maps[each.name])


@torch.no_grad()
def name(
    namer: Namer, images: Float[Tensor, "image 3 height width"]
) -> Float[Tensor, "image class"]:
    """Give the probability of each class, for each picture in 0..1.

    Raises:
        LabelError: if the class network returns the wrong shape, or values that are not finite.
    """
    with _ONE_AT_A_TIME:
        logits = torch.cat([namer.read(part) for part in images.split(_READ_AT_ONCE)])
    expected = (len(images), len(namer.classes))
    if tuple(logits.shape) != expected or not logits.isfinite().all():
        raise LabelError(
            f"Class network {namer.name} gave logits of {tuple(logits.shape)}, or not all finite; "
            f"{expected} finite ones are needed. Give one for each picture and class."
        )
    return logits.softmax(dim=1)


@torch.no_grad()
def features_of(
    namer: Namer, images: Float[Tensor, "image 3 height width"]
) -> Float[Tensor, "image _"]:
    """Give what a class network names pictures by: its features, or else its logits."""
    look = namer.features or namer.read
    with _ONE_AT_A_TIME:
        return torch.cat([look(part) for part in images.split(_READ_AT_ONCE)])


def check_maps(
    giver: str,
    property: Property,
    maps: Float[Tensor, "*axes"],
    images: Float[Tensor, "image 3 height width"],
) -> None:
    """Check label maps of some pictures, whoever gives them.

    Raises:
        LabelError: if they have another shape, are not finite, or are a mask outside 0..1.
    """
    _check_shape(giver, property, maps, images)
    _check_values(giver, property, maps)


def _check_values(giver: str, property: Property, maps: Tensor) -> None:
    if not maps.isfinite().all():
        raise LabelError(
            f"{giver} gave NaN or infinity for {property.name}. "
            "Run it in float32, or mend it: such labels cannot be fitted."
        )
    _check_range(giver, property, maps)


def known_maps(
    giver: str,
    property: Property,
    maps: Float[Tensor, "*axes"],
    images: Float[Tensor, "image 3 height width"],
) -> Float[Tensor, "*axes"]:
    """Check measured maps, which may have holes: what is not finite is unknown, NaN.

    Raises:
        LabelError: if they have another shape, are a mask outside 0..1, or nothing of one is known.
    """
    _check_shape(giver, property, maps, images)
    known = maps.isfinite()
    if empty := (known.flatten(2).any(dim=2).logical_not().nonzero()[:1]).tolist():
        raise LabelError(
            f"{giver} gave {property.name} of which nothing is known for picture {empty[0][0]} of "
            f"{len(maps)}: all of a map is NaN or infinite. Leave that picture out."
        )
    _check_range(giver, property, maps[known])
    return torch.where(known, maps, torch.nan)


def _maps(labeler: Labeler, names: Sequence[str], images: Tensor) -> dict[str, Tensor]:
    """Take what a labeler gives for maps of numbers, true and false for 1 and 0."""
    # A copy: a labeler that works in place must not change what the next one sees.
    given: Any = labeler.read(images.clone())
    if not isinstance(given, Mapping):
        raise LabelError(
            f"Labeler {labeler.name} gave a {type(given).__name__}; maps by property are needed, "
            f"as in {{{names[0]!r}: maps}}."
        )
    if missing := [name for name in names if name not in given]:
        raise LabelError(
            f"Labeler {labeler.name} gave no {missing[0]}, only {sorted(map(str, given))}. "
            "Name in `reads` what its function gives."
        )
    return {name: _as_map(labeler, name, given[name]) for name in names}


def _as_map(labeler: Labeler, name: str, found: Any) -> Tensor:
    if not isinstance(found, Tensor) or found.is_complex():
        kind = found.dtype if isinstance(found, Tensor) else type(found).__name__
        raise LabelError(
            f"Labeler {labeler.name} gave {name} as {kind}; a tensor of real numbers is "
            "needed. Turn it into one, such as with `torch.from_numpy`."
        )
    return found.float() if found.dtype == torch.bool else found


def _check_shape(giver: str, property: Property, maps: Tensor, images: Tensor) -> None:
    expected = (len(images), property.targets, *images.shape[-2:])
    if tuple(maps.shape) != expected:
        raise LabelError(
            f"{giver} gave {property.name} maps of {tuple(maps.shape)}; pictures "
            f"need {expected}. Resize its maps to the pictures."
        )


def _check_range(giver: str, property: Property, maps: Tensor) -> None:
    if property.is_binary and not ((maps >= 0) & (maps <= 1)).all():
        raise LabelError(
            f"{giver} gave {property.name} from {maps.min():.3g} to "
            f"{maps.max():.3g}. Masks are shares of foreground, 0 to 1."
        )


def class_of(namer: Namer, text: str) -> int | None:
    """Find the one class that a prompt names; None if it names none, or several.

    A class with several names, "tench, Tinca tinca", is named by any of them.
    """
    said = plain(text)
    found = [
        place
        for place, each in enumerate(namer.classes)
        if any(_names(plain(one), said) for one in each.split(","))
    ]
    return found[0] if len(found) == 1 else None


def _names(name: str, said: str) -> bool:
    """Tell whether a name stands in a text as whole words. Most of 1000 names do not even occur."""
    return bool(name) and name in said and bool(re.search(rf"\b{re.escape(name)}\b", said))
