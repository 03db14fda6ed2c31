"""Metrics by the names that papers give them."""

from collections.abc import Mapping
from typing import Any

METRIC_NAMES = {
    "dice": "Dice",
    "spearman": "Spearman",
    "pearson": "Pearson",
    "residual": "Residual correlation",
    "rmse": "RMSE",
}


def metric_name(metric: str) -> str:
    """Write a metric's name as papers do; one of the user's own stays as it is."""
    return METRIC_NAMES.get(metric, metric)


def bar_metric(found: Mapping[str, Any]) -> str:
    """Name the metric that the bar of a property's summary is a score of.

    It is the summary's own, but in those that told maps by `spearman` or `pearson`, beside a bar of
    `residual`.
    """
    known = found["sources"]["probe"]["metrics"]
    return "residual" if "residual" in known else found["metric"]
