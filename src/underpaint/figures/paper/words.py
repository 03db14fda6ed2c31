"""What a run's numbers allow to be said: no sentence that its interval does not carry."""

from collections.abc import Mapping
from typing import Any

from ...core.numbers import fixed, number
from ...scores.tables import metric_name
from .markup import joined

Summary = Mapping[str, Any]


def with_interval(point: Mapping[str, Any]) -> str:
    """Write a mean with its interval, "0.83 (0.81 to 0.85)"; "–" where nothing is known."""
    mean, low, high = (fixed(number(point[end])) for end in ("mean", "low", "high"))
    return mean if point["mean"] is None or point["low"] is None else f"{mean} ({low} to {high})"


def noise_words(summary: Summary, step: int) -> str:
    """Say how noise compares with signal at a step counted from 1; "" where that is not known."""
    noise = summary.get("noise")
    if not noise or step > len(noise):
        return ""
    ratio = noise[step - 1]
    if ratio is None:
        return "where there is nothing but noise"
    if ratio >= 1:
        return f"under {ratio:.1f} times as much noise as signal"
    return f"under {1 / ratio:.1f} times as much signal as noise"


def lead_words(lead: Mapping[str, Any] | None, rival: str) -> str:
    """Say when a rival reaches the bar, beside the probe, as far as the interval goes."""
    if lead is None:
        return f"{rival} never reaches that score"
    low, high, steps = lead["low"], lead["high"], abs(lead["steps"])
    count = f"{steps} step{'' if steps == 1 else 's'}"
    if "most" in lead and (low > 0 or high < 0):
        ends = sorted((steps, abs(lead["most"])))
        when = "later" if low > 0 else "earlier"
        span = sorted((abs(low), abs(high)))
        return f"{rival} reaches it {ends[0]} to {ends[1]} steps {when} ({span[0]} to {span[1]})"
    if low > 0:
        return f"{rival} reaches it {count} later ({low} to {high})"
    if high < 0:
        return f"{rival} reaches it {count} earlier ({-high} to {-low})"
    return f"{rival} reaches it at about the same step ({_signed(low)} to {_signed(high)} later)"


def _signed(value: int) -> str:
    return str(value).replace("-", "−")


def onset_words(name: str, found: Mapping[str, Any], summary: Summary) -> str:
    """Say in a sentence or two how early one property can be read, at one bar."""
    probe = found["sources"]["probe"]
    metric, final = metric_name(found["metric"]), with_interval(probe["final"])
    words = f"*{name.capitalize()}.* The probe at {found['best_layer']} ends at {metric} {final}"
    if (onset := probe["onset"]) is None:
        return f"{words}, not measurably above its controls, so it has no onset."
    noise = noise_words(summary, onset["step"])
    words += (
        f", and has 90% of that skill from step {onset['step']} of {summary['steps']} on"
        f"{f', {noise}' if noise else ''}."
    )
    lead = found.get("lead") or {}
    rivals = {"image": "the labeler on the noisy picture", "estimate": "on the predicted picture"}
    said = [lead_words(lead[each], rivals[each]) for each in rivals if each in lead]
    if found.get("bar") is None or not said:
        return words
    return f"{words} At the one bar of {fixed(number(found['bar']))}, {', and '.join(said)}."


def headline(summary: Summary) -> str:
    """Give the title that the intervals carry."""
    leads = [(each.get("lead") or {}).get("image") for each in summary["properties"].values()]
    ahead = [each is not None and each["low"] > 0 for each in leads]
    if ahead and all(ahead):
        return "The scene can be read before the noisy picture shows it"
    if any(ahead):
        return "Some of the scene can be read before the noisy picture shows it"
    return "Is the scene there before the noisy picture shows it?"


def rivalry(summary: Summary) -> str:
    """Say of all properties at once who is first: the probe or the predicted clean picture."""
    leads = {
        name: each["lead"]["estimate"]
        for name, each in summary["properties"].items()
        if (each.get("lead") or {}).get("estimate") is not None
    }
    first = [name for name, each in leads.items() if each["low"] > 0]
    later = [name for name, each in leads.items() if each["high"] < 0]
    even = [name for name in leads if name not in first + later]
    said = []
    if first:
        said.append(f"The probe reads {joined(first)} earlier than the predicted clean picture.")
    if later:
        said.append(f"The predicted clean picture shows {joined(later)} earlier than the probe.")
    if even:
        said.append(f"For {joined(even)} neither is measurably first.")
    return " ".join(said)


def abstract(summary: Summary) -> str:
    """Write the abstract with this run's numbers."""
    names, images = list(summary["properties"]), summary["images"]
    finals = joined(
        [
            f"{name} {with_interval(each['sources']['probe']['final'])}"
            for name, each in summary["properties"].items()
        ]
    )
    return (
        f"A latent diffusion model turns noise into a picture in {summary['steps']} steps. "
        f"We fit linear probes to its self-attention outputs on {images['train']} generated "
        f"pictures and ask, on {images['test']} held-out ones, what they read of the final "
        f"picture's {joined(names)}, how early, and whether simpler sources would do. At the last "
        f"step the probes score: {finals} (95% intervals over prompts). {headline(summary)}. "
        f"{rivalry(summary)}"
    ).strip()
