"""Metrics by the names that papers give them."""

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
