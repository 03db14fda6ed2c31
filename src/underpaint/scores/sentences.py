"""What a summary shows, in plain sentences: for the terminal, the README and the results."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.numbers import UNKNOWN, fixed, number
from .sources import BY_NAME

Found = Mapping[str, Any]
"""A property's part of a summary."""
Noise = Sequence[float | int | None] | None
"""Each step's ratio of noise to signal, None for noise alone; None where they are not known."""


def headline(name: str, found: Found, noise: Noise) -> str:
    """Say when one property can be read, and when its rivals reach the same score.

    Args:
        name: Of the property.
        found: Its part of the summary.
        noise: The summary's ratios of noise to signal, None where they are not known.
    """
    reached = found["sources"]["probe"].get("reached")
    if found.get("bar") is None or reached is None or not found.get("lead"):
        return f"{name}: the probe at {found['best_layer']} is not measurably above its controls."
    rivals = [f"{_named(rival)} {compared(lead)}" for rival, lead in found["lead"].items()]
    return (
        f"{name}: by step {reached['step']}{_noise(noise, reached['step'])} the probe at "
        f"{found['best_layer']} has 90% of its final skill; {', '.join(rivals)}."
    )


def crossings(found: Found) -> str:
    """Say from which step on each rival beats the better probe, with their intervals."""
    parts = [
        f"{_named(rival)} scores higher from step {_step(step)}"
        if step
        else f"{_named(rival)} never scores higher"
        for rival, step in found["crossover"].items()
    ]
    return f"Beside `probe+position`, {', and '.join(parts)}." if parts else ""


def compared(lead: Mapping[str, Any] | None) -> str:
    """Say when a rival reaches the bar, beside the probe."""
    if lead is None:
        return "never reaches that score"
    low, high, steps = lead["low"], lead["high"], lead["steps"]
    if low >= 0 or high <= 0:
        ends = f"{min(abs(low), abs(high))} to {max(abs(low), abs(high))}"
    else:
        ends = f"{-low} earlier to {high} later"
    if "most" in lead:
        return f"reaches the same score {_between(steps, lead['most'])} ({ends})"
    if steps == 0:
        later = "" if low < 0 < high else " later" if low >= 0 else " earlier"
        return f"reaches the same score at the same step ({ends}{later})"
    count = f"{abs(steps)} step{'' if abs(steps) == 1 else 's'}"
    return f"reaches the same score {count} {'later' if steps > 0 else 'earlier'} ({ends})"


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


def _between(least: int, most: int) -> str:
    """Say between how many steps later, or earlier, something lies."""
    words = [f"{abs(each)} {'later' if each >= 0 else 'earlier'}" for each in (least, most)]
    if least >= 0 or most < 0:
        near, far = sorted((abs(least), abs(most)))
        return f"{near} to {far} steps {'later' if least >= 0 else 'earlier'}"
    return f"between {words[0]} and {words[1]}"


def gained(found: Found) -> str:
    """Say what the activation adds to the place at the last step; "" where that was not scored."""
    gain = found.get("gain")
    if gain is None:
        return ""
    reads = fixed(number(found["sources"]["probe+position"]["final"]["mean"]))
    last = [fixed(number(gain["final"][part])) for part in ("mean", "low", "high")]
    return (
        f"Given the place too, a probe reads {reads} at the last step, {last[0]} ({last[1]} to "
        f"{last[2]}) above the place alone."
    )


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
    said = []
    for source, each in of_splits["sources"].items():
        own, last = found["sources"].get(source, {}).get("final", {}), each["final"]
        low, high = (number(own.get(bound)) for bound in ("low", "high"))
        layers = ", ".join(dict.fromkeys(each["layers"]))
        said.append(
            f"{source} {last['mean']:.3f}, deviation {last['sd']:.3f} (one split resampled: "
            f"{(high - low) / 3.92:.3f}; read at {layers})"
        )
    return f"over {count} other splits of the prompts, last step: {'; '.join(said)}."


def _share(found: Mapping[str, Any]) -> str:
    value, low, high = (100 * number(found[part]) for part in ("mean", "low", "high"))
    if value != value:
        return UNKNOWN
    return f"{value:.0f}% ({low:.0f} to {high:.0f})".replace("-", "−")


def _named(source: str) -> str:
    return BY_NAME[source].said if source in BY_NAME else source


def _step(step: Mapping[str, int]) -> str:
    return f"{step['step']} on ({step['low']} to {step['high']})"


def _noise(ratios: Noise, step: int) -> str:
    """Say how noise compares with signal at a step counted from 1; "" where that is not known."""
    if not ratios or step > len(ratios):
        return ""
    ratio = ratios[step - 1]
    if ratio is None:
        return " (noise alone)"
    if ratio <= 0:
        return ""
    if ratio >= 1:
        return f" ({ratio:.1f}× more noise than signal)"
    return f" ({1 / ratio:.1f}× more signal than noise)"
