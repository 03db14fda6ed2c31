"""Numbers that may be undefined: NaN in Python, null in JSON, a dash on paper."""

import math
from collections.abc import Mapping
from typing import Any, TypeVar

UNKNOWN = "–"


def number(value: float | None) -> float:
    """Read a value from JSON: what is null there is NaN."""
    return math.nan if value is None else float(value)


Value = TypeVar("Value", int, float)


def or_null(value: Value) -> Value | None:
    """Write a value to JSON, which has neither NaN nor infinity: those are null."""
    return value if math.isfinite(value) else None


def fixed(value: float) -> str:
    """Write a number in two decimals, "–" if it is NaN."""
    # Adding zero turns a rounded -0.0 into 0.0.
    return UNKNOWN if math.isnan(value) else f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def with_interval(point: Mapping[str, Any]) -> str:
    """Write a mean with its interval, "0.83 (0.81 to 0.85)"; "–" where nothing is known."""
    mean, low, high = (fixed(number(point[end])) for end in ("mean", "low", "high"))
    return mean if point["mean"] is None or point["low"] is None else f"{mean} ({low} to {high})"
