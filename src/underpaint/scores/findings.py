"""What a run found, in a few sentences for somebody who has not read how: no more than it shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.numbers import fixed, number
from .verdicts import by_verdict, lead_over

Summary = Mapping[str, Any]


def title(summary: Summary) -> str:
    """Give the title that the intervals carry.

    Examples:
        >>> title({"properties": {}})
        'Is the scene there before the noisy picture shows it?'
    """
    ahead = by_verdict(summary, "image")["later"]
    if ahead and len(ahead) == len(summary["properties"]):
        return "The scene can be read before the noisy picture shows it"
    if ahead:
        return "Some of the scene can be read before the noisy picture shows it"
    return "Is the scene there before the noisy picture shows it?"


def findings(summary: Summary) -> tuple[str, ...]:
    """Say how early properties are read, against the fair rival, and what the caption does.

    Each sentence is written from intervals: what they do not carry is not said.
    """
    beside = rivalry(summary)
    rival = "The fair rival is the clean picture that the model itself predicts at each step, x̂₀."
    fair = " ".join(each for each in (rival, beside, overtaken(summary)) if each)
    said = (early(summary), fair if beside else "", _by_caption(summary))
    return tuple(each for each in said if each)


def early(summary: Summary) -> str:
    """Say how much later the labeler sees the same in the noisy picture; "" if not measurably."""
    found = by_verdict(summary, "image")
    ahead = found["later"]
    if not ahead:
        return ""
    properties = summary["properties"]
    first = [properties[name]["sources"]["probe"]["reached"]["step"] for name in ahead]
    leads = [lead_over(properties[name], "image") or {} for name in ahead]
    spans = [each[end] for each in leads for end in ("steps", "most") if end in each]
    is_all = len(ahead) == sum(map(len, found.values())) > 1
    which = f"All of {listed(ahead)}" if is_all else listed(ahead).capitalize()
    return (
        f"{which} can be read early: from step {_span(first)} of {summary['steps']} on, a probe "
        "has 90% of its final skill. In the noisy picture, the labeler reaches the same score "
        f"{_span(spans)} step{'' if set(spans) == {1} else 's'} later."
    )


def rivalry(summary: Summary) -> str:
    """Say of all properties at once who is first: the probe or the predicted clean picture."""
    found = by_verdict(summary, "estimate")
    first, later, even, never = (found[each] for each in ("later", "earlier", "even", "never"))
    told = [
        f"The probe reads {listed(first)} earlier than the predicted picture." if first else "",
        f"The predicted picture shows {listed(later)} earlier than the probe." if later else "",
        f"The predicted picture never shows {listed(never)} as well as the probe." if never else "",
        f"For {listed(even)}, neither is measurably first." if even else "",
    ]
    return " ".join(each for each in told if each)


def overtaken(summary: Summary) -> str:
    """Say from which step on the labeler on the predicted picture scores higher than probes.

    Only of properties where every resample has such a step: their intervals end before the last.
    """
    steps = {}
    for name, found in summary["properties"].items():
        crossed = (found.get("crossover") or {}).get("estimate")
        if isinstance(crossed, Mapping) and crossed["high"] <= summary["steps"]:
            steps[name] = crossed["step"]
    if not steps:
        return ""
    is_all = len(steps) == len(summary["properties"])
    which = "" if is_all else f" of {listed(list(steps))}"
    return (
        f"From step {_span(list(steps.values()))} on, the labeler scores higher there than the "
        f"best probe{which}; it also made the labels."
    )


def _by_caption(summary: Summary) -> str:
    """Say what the first step reads with the caption, without it, and from the place alone."""
    for name, found in summary["properties"].items():
        halves, sources = found.get("halves"), found["sources"]
        if halves is None or "unconditional" not in sources or "position" not in sources:
            continue
        low = halves["by_step"][0].get("low")
        if low is None or low <= 0:
            continue
        with_it, without, place = (
            fixed(number(sources[each]["by_step"][0]["mean"]))
            for each in ("probe", "unconditional", "position")
        )
        return (
            f"At step 1 it takes the caption: {name} is read at {with_it} from the half of the "
            f"network that sees the caption, at {without} from the half that does not, and at "
            f"{place} from the place alone."
        )
    return ""


def listed(names: Sequence[str]) -> str:
    """Write "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _span(steps: Sequence[int]) -> str:
    low, high = min(steps), max(steps)
    return str(low) if low == high else f"{low} to {high}"
