"""How all plots look: one style, and a colour and a dash for every source."""

from typing import Any

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

PAINTS: dict[str, dict[str, Any]] = {
    "probe": {"color": "#D55E00", "linewidth": 2.0, "zorder": 5},
    "image": {"color": "#0072B2", "linewidth": 1.4, "zorder": 4},
    "estimate": {"color": "#009E73", "linewidth": 1.4, "zorder": 4},
    "probe+position": {"color": "#D55E00", "linewidth": 1.1, "linestyle": (0, (5, 1.5))},
    "latent": {"color": "#CC79A7", "linewidth": 1.1},
    "random": {"color": "#B07C00", "linewidth": 1.1},
    "shuffled": {"color": "#8A8A8A", "linewidth": 1.1, "linestyle": ":"},
    "position": {"color": "#555555", "linewidth": 1.1, "linestyle": "--"},
    "ceiling": {"color": "#000000", "linewidth": 1.1, "linestyle": "-."},
}
"""Okabe & Ito's colours (2008), two darkened for white paper, and dashes for what has no hue."""

OTHER_PAINTS: tuple[dict[str, Any], ...] = (
    {"color": "#6A51A3", "linewidth": 1.1, "linestyle": (0, (6, 2))},
    {"color": "#882255", "linewidth": 1.1, "linestyle": (0, (3, 1, 1, 1))},
    {"color": "#117A8B", "linewidth": 1.1, "linestyle": (0, (1, 2))},
    {"color": "#7A5C00", "linewidth": 1.1, "linestyle": (0, (4, 1, 1, 1, 1, 1))},
)
"""For sources that have no paint of their own, in turn."""
