"""What a comparison takes of a finished run, and whether runs can be compared at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from ..core.errors import MetricError

MOST_LEVELS = 5


@dataclass(frozen=True)
class Side:
    """One finished run: what to call it, run.json, summary.json and its table of scores."""

    name: str
    settings: Mapping[str, Any]
    summary: Mapping[str, Any]
    rows: pd.DataFrame

    @property
    def noise(self) -> Float64[np.ndarray, "step"]:
        """Give ln(noise / signal) of every step, infinite where there is noise alone."""
        known = [np.inf if each is None else each for each in self.summary["noise"]]
        return np.log(np.array(known, dtype=np.float64))

    def depth(self, layer: str | None) -> float | None:
        """Give where a layer runs, from 0 for the first to 1 for the last that was read."""
        layers = self.settings["layers"]
        if layer not in layers:
            return None
        return layers.index(layer) / (len(layers) - 1) if len(layers) > 1 else 0.0


def common_properties(sides: Sequence[Side]) -> dict[str, str]:
    """Find the properties that can be compared, with their headline metric.

    Raises:
        MetricError: if there is none, or the runs are of different kinds; it says why.
    """
    if len(sides) < 2:
        raise MetricError(f"{len(sides)} run was given. Give two or more to compare.")
    first = sides[0]
    for side in sides:
        if side.summary.get("noise") is None:
            raise MetricError(
                f"{side.name} does not say how much noise its steps had: it was made before runs "
                "kept it. Run it again, or leave it out."
            )
        if side.settings.get("pictures") != first.settings.get("pictures"):
            kinds = [each.settings.get("pictures") or "generated" for each in (first, side)]
            raise MetricError(
                f"{first.name} and {side.name} are of other pictures ({kinds[0]} and {kinds[1]}). "
                "Compare runs of one kind."
            )
    reasons, common = [], {}
    for name in first.summary["properties"]:
        if any(name not in side.summary["properties"] for side in sides):
            continue
        metrics = {side.summary["properties"][name]["metric"] for side in sides}
        labelers = {_labeler(side.settings, name) for side in sides}
        if len(metrics) > 1:
            reasons.append(f"{name} is scored by {' and by '.join(sorted(metrics))}")
        elif len(labelers) > 1:
            reasons.append(f"{name} is labelled by other weights")
        else:
            common[name] = metrics.pop()
    if not common:
        known = "; ".join(", ".join(side.summary["properties"]) for side in sides)
        why = "; ".join(reasons) or f"they have no property in common ({known})"
        raise MetricError(
            f"{' and '.join(side.name for side in sides)} cannot be compared: {why}. Run one of "
            "them again with the other's --properties and --labelers."
        )
    return common


def common_levels(sides: Sequence[Side]) -> Float64[np.ndarray, "level"]:
    """Choose round levels of ln(noise / signal) that every run met, the noisiest first.

    Raises:
        MetricError: if there are none.
    """
    met = [side.noise[np.isfinite(side.noise)] for side in sides]
    low = max(each.min(initial=np.inf) for each in met)
    high = min(each.max(initial=-np.inf) for each in met)
    for unit in (1.0, 0.5, 0.25, 0.1):
        levels = np.arange(np.ceil(low / unit), np.floor(high / unit) + 1) * unit
        if len(levels) >= 2:
            every = -(-len(levels) // MOST_LEVELS)
            return levels[::-1][::every]
    raise MetricError(
        f"{' and '.join(side.name for side in sides)} met no noise in common. Run one of them "
        "again with more --steps."
    )


def _labeler(settings: Mapping[str, Any], name: str) -> str:
    """Tell which weights a property's labels come from."""
    labelers, chosen = settings.get("labelers", {}), settings.get("labeled_by", {}).get(name)
    ours = [each[1] for key, each in labelers.items() if key == "tiny"]
    others = [each[1] for key, each in labelers.items() if key != "tiny"]
    if chosen is None:
        return str(ours or others)
    return str(labelers[chosen][1] if chosen in labelers else [chosen, *others])
