"""How all plots look: one style, and a colour and a dash for every source."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from matplotlib import rc_context

from ..scores.sources import SOURCES, Source, sources_of
from .fonts import families

STYLE: dict[Any, Any] = {
    "font.size": 7,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "pdf.fonttype": 42,  # text stays text, as publishers ask
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save in this style while the block, or the function, runs."""
    with rc_context({**STYLE, "font.family": families()}):
        yield


def paints_of(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Give a line's paint to every source of these names, declared or not."""
    return {name: _paint(source) for name, source in sources_of(names).items()}


def _paint(source: Source) -> dict[str, Any]:
    paint = {"color": source.colour, "linewidth": source.width, "linestyle": source.dash}
    # What the figure is about lies on top.
    return {**paint, "zorder": 3 + (source.width > 1.1) + (source.name == "probe")}


PAINTS: dict[str, dict[str, Any]] = {each.name: _paint(each) for each in SOURCES}

OTHER_PAINTS: tuple[dict[str, Any], ...] = (
    {"color": "#6A51A3", "linewidth": 1.1, "linestyle": (0, (6, 2))},
    {"color": "#882255", "linewidth": 1.1, "linestyle": (0, (3, 1, 1, 1))},
    {"color": "#117A8B", "linewidth": 1.1, "linestyle": (0, (1, 2))},
    {"color": "#7A5C00", "linewidth": 1.1, "linestyle": (0, (4, 1, 1, 1, 1, 1))},
)
"""For lines that are no source's, in turn."""


def spread_apart(wanted: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Move ascending places as little as is needed to be `gap` apart, between low and high."""
    places: list[float] = []
    for place in wanted:
        places.append(max(place, places[-1] + gap if places else low))
    ceiling = high
    for at in reversed(range(len(places))):
        places[at] = min(places[at], ceiling)
        ceiling = places[at] - gap
    return places
