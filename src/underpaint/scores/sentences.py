"""What a summary shows, in plain sentences: for the terminal, the README and the results."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.numbers import UNKNOWN, fixed, number, with_interval
from .naming import metric_name
from .sources import BY_NAME
from .verdicts import Found, compared

Noise = Sequence[float | int | None] | None
"""Each step's ratio of noise to signal, None for noise alone; None where they are not known."""


def headline(name: str, found: Found, noise: Noise) -> str:
    """Say when one property can be read, and when its rivals reach the same score.

    Args:
        name: Of the property.
        found: Its part of the summary.
        noise: The summary's ratios of noise to signal, None where they are not known.
    """
    return f"{name}: {timing(found, noise)}"


def timing(found: Found, noise: Noise) -> str:
    """Say the same without the property's name, beginning in lower case."""
    reached = found["sources"]["probe"].get("reached")
    if found.get("bar") is None or reached is None or not found.get("lead"):
        return f"the probe at {found['best_layer']} is not measurably above its controls."
    rivals = [f"{_named(rival)} {compared(lead)}" for rival, lead in found["lead"].items()]
    ratio = noise_words(noise, reached["step"])
    return (
        f"by step {reached['step']}{ratio and f' ({ratio})'} the probe at "
        f"{found['best_layer']} has 90% of its final skill; {', '.join(rivals)}."
    )


def crossings(found: Found) -> str:
    """Say from which step on each rival beats the better probe, with their intervals."""
    steps = len(found["sources"]["probe"]["by_step"])
    parts = [
        f"{_named(rival)} scores higher from step {_crossed(step, steps)}"
        if step
        else f"{_named(rival)} never scores higher"
        for rival, step in found["crossover"].items()
    ]
    better = "probe+position" if "probe+position" in found["sources"] else "the probe"
    return f"Beside {better}, {', and '.join(parts)}." if parts else ""


def gap_words(found: Found) -> str:
    """Say which sources were not looked at at every step, and at which; "" where all were."""
    by_steps: dict[tuple[int, ...], list[str]] = {}
    for source, each in found["sources"].items():
        if "seen" in each:
            by_steps.setdefault(tuple(each["seen"]), []).append(source)
    return " ".join(
        f"{' and '.join(names)}: looked at at steps {', '.join(map(str, steps))} alone; times are "
        "bounds where steps lie between."
        for steps, names in by_steps.items()
    )


def gained(found: Found) -> str:
    """Say what the activation adds to the place at the last step; "" where that was not scored."""
    gain = found.get("gain")
    if gain is None:
        return ""
    ends = {source: found["sources"][source]["final"] for source in ("probe+position", "position")}
    if not number(ends["position"]["mean"]):  # as where scores leave the place out
        reads = with_interval(ends["probe+position"])
        return f"Given the place too, a probe reads {reads} at the last step."
    reads = fixed(number(ends["probe+position"]["mean"]))
    return (
        f"Given the place too, a probe reads {reads} at the last step, "
        f"{with_interval(gain['final'])} above the place alone."
    )


def noise_words(ratios: Noise, step: int) -> str:
    """Say how noise compares with signal at a step counted from 1; "" where that is not known.

    Examples:
        >>> [noise_words([None, 2.44, 0.5], step) for step in (1, 2, 3, 9)]
        ['noise alone', '2.4× more noise than signal', '2.0× more signal than noise', '']
    """
    if not ratios or step > len(ratios):
        return ""
    ratio = ratios[step - 1]
    if ratio is None:
        return "noise alone"
    if ratio <= 0:
        return ""
    more, less = ("noise", "signal") if ratio >= 1 else ("signal", "noise")
    times = f"{max(ratio, 1 / ratio):.1f}"
    return "as much noise as signal" if times == "1.0" else f"{times}× more {more} than {less}"


def shares_told(found: Found, layer: str) -> str:
    """Say what a layer's readings owe to caption, noise and their meeting, and what the label does.

    Args:
        found: A property's part of the summary's `cross`.
        layer: Whose readings.
    """
    by_step = found["layers"][layer]["by_step"]
    shown = {f"step {at}": by_step[at - 1] for at in (1, 3) if at < len(by_step)}
    shown |= {"last step": by_step[-1], "the label": found["label"]}
    said = [
        f"{when} {', '.join(f'{part} {_share(each[part])}' for part in each)}"
        for when, each in shown.items()
    ]
    return f"shares of variance at {layer}: {'; '.join(said)}."


def spread_told(found: Found, of_splits: Found, count: int) -> str:
    """Say how far last scores move with the split of the prompts, beside what resampling says.

    Args:
        found: A property's part of the summary.
        of_splits: Its part of the summary's `splits`.
        count: How many splits there were.
    """
    said, metric = [], of_splits["metric"]
    for source, each in of_splits["sources"].items():
        known = found["sources"].get(source, {}).get("metrics", {})
        own, last = known.get(metric, {}).get("final", {}), each["final"]
        low, high = (number(own.get(bound)) for bound in ("low", "high"))
        layers = ", ".join(dict.fromkeys(each["layers"]))
        said.append(
            f"{source} {last['mean']:.3f}, deviation {last['sd']:.3f} (one split resampled: "
            f"{(high - low) / 3.92:.3f}; read at {layers})"
        )
    return (
        f"over {count} other splits of the prompts, last step, {metric_name(metric)}: "
        f"{'; '.join(said)}."
    )


def _share(found: Mapping[str, Any]) -> str:
    value, low, high = (100 * number(found[part]) for part in ("mean", "low", "high"))
    if value != value:
        return UNKNOWN
    return f"{value:.0f}% ({low:.0f} to {high:.0f})".replace("-", "−")


def _named(source: str) -> str:
    return BY_NAME[source].said if source in BY_NAME else source


def step_words(found: Mapping[str, int] | None, steps: int, to: str = " to ") -> str:
    """Write a step with its interval, which ends at "never" where resamples have no such step.

    Args:
        found: The step, counted from 1, its bounds, and the `earliest` that it may have been where
            steps between were not looked at; None for no step.
        steps: How many there are.
        to: What stands between two steps.

    Examples:
        >>> step_words({"step": 3, "low": 2, "high": 16}, 15)
        '3 (2 to never)'
    """
    if found is None:
        return UNKNOWN
    earliest = f"{found['earliest']}{to}" if "earliest" in found else ""
    high = "never" if found["high"] > steps else found["high"]
    return f"{earliest}{found['step']} ({found['low']}{to}{high})"


def _crossed(step: Mapping[str, int] | int, steps: int) -> str:
    if isinstance(step, int):  # of a run from before crossovers had intervals
        return f"{step} on"
    return step_words(step, steps).replace(" (", " on (")
