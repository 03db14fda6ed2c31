"""What `underpaint edit` is asked to aim at: its options, as aims and in words."""

from functools import partial, reduce
from pathlib import Path
from typing import cast

from torch import Tensor

from ..core.errors import EditError
from ..steering.aims import Aim, Place, Side, aim_at, aim_beside
from ..steering.experiments import names_in
from ..steering.targets import (
    move_mask,
    random_move,
    random_place,
    read_map,
    read_mask,
    scale_mask,
)


def aims_of(
    move: str | None,
    scale: float | None,
    mask: Path | None,
    depth: str | None,
    light: str | None,
    *,
    count: int,
    size: tuple[int, int],
    carried: str = "",
    beside: bool = False,
) -> tuple[str, list[Aim]]:
    """Say what to aim at, in words and as what makes targets of the labels that are there."""
    if beside and (depth, light) != (None, None):
        raise EditError("--beside asks for a second object. Give no --depth and --light with it.")
    if mask is not None and not (move is None and scale is None):
        raise EditError("--mask says where the object is. Give no --move and --scale beside it.")
    is_free = (move, scale, mask, light) == (None,) * 4 and depth in (None, "translate")
    anywhere = random_place if beside else random_move
    shift = anywhere if is_free else _move(move, anywhere)
    places: dict[str, Place] = {}
    if scale is not None:
        places[f"scale {scale:g}"] = lambda old, _random: scale_mask(old, scale)
    if shift is not None and (move is not None or depth is None):
        places["random moves" if shift is anywhere else f"move {move}"] = shift
    if mask is not None:
        drawn = read_mask(mask, size)
        places[f"mask {mask.name}"] = lambda _old, _random: drawn
    words = list(places)
    wanted: Tensor | Place | None = None
    if depth == "translate":
        if shift is None:
            raise EditError("--depth translate goes as far as --move. Give one, or nothing else.")
        wanted = shift
        words.append("depth translated" if places else "depth translated at random")
    elif depth is not None:
        wanted = read_map(Path(depth), size)
        words.append(f"depth {Path(depth).name}")
    if light is not None:
        words.append(f"light {light}")
    if beside:
        words.append("beside the object")
    place = _one_after_another(list(places.values()))
    if beside and place is not None:
        aim = aim_beside(place, carried=names_in(carried))
    else:
        aim = aim_at(place, depth=wanted, light=cast(Side | None, light), carried=names_in(carried))
    return ", ".join(words), [aim] * (count if shift is anywhere else 1)


def _move(text: str | None, anywhere: Place) -> Place | None:
    if text is None:
        return None
    if text == "random":
        return anywhere
    try:
        dx, dy = (float(part) for part in text.split(","))
    except ValueError as error:
        raise EditError(f"--move {text!r} is not DX,DY. Write it like 0.2,0 or -24,8.") from error
    moved = partial(move_mask, dx=dx, dy=dy)
    return lambda old, _random: moved(old)


def _one_after_another(places: list[Place]) -> Place | None:
    if not places:
        return None
    return lambda old, random: reduce(lambda mask, place: place(mask, random), places, old)
