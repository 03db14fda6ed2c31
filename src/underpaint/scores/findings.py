"""What a run found, in a few sentences for somebody who has not read how: no more than it shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.numbers import fixed, number

Summary = Mapping[str, Any]
Lead = Mapping[str, int]


def findings(summary: Summary) -> tuple[str, ...]:
    """Say how early properties are read, against the fair rival, and what the caption does.

    Each sentence is written from intervals: what they do not carry is not said.
    """
    said = (_early(summary), _beside_prediction(summary), _by_caption(summary))
    return tuple(each for each in said if each)


def _early(summary: Summary) -> str:
    """Say how much later the labeler sees the same in the noisy picture."""
    leads = _leads(summary, "image")
    ahead = [name for name, lead in leads.items() if lead["low"] > 0]
    if not ahead:
        return ""
    first = [summary["properties"][name]["sources"]["probe"]["reached"]["step"] for name in ahead]
    which = (
        f"All of {listed(ahead)}" if len(ahead) == len(leads) > 1 else listed(ahead).capitalize()
    )
    return (
        f"{which} can be read early: from step {_span(first)} of {summary['steps']} on, a probe "
        "has 90% of its final skill. In the noisy picture, the labeler reaches the same score "
        f"{_span([leads[name]['steps'] for name in ahead])} steps later."
    )


def _beside_prediction(summary: Summary) -> str:
    """Say who is first: the probe, or the labeler on the predicted clean picture."""
    leads = _leads(summary, "estimate")
    first = [name for name, lead in leads.items() if lead["low"] > 0]
    later = [name for name, lead in leads.items() if lead["high"] < 0]
    even = [name for name in leads if name not in first + later]
    parts = [
        f"the probe reads {listed(first)} earlier" if first else "",
        f"the prediction shows {listed(later)} earlier" if later else "",
        f"neither is measurably first for {listed(even)}" if even else "",
    ]
    if not leads:
        return ""
    rival = "The fair rival is the picture that the model itself predicts at each step, x̂₀"
    return f"{rival}: {'; '.join(part for part in parts if part)}."


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


def _leads(summary: Summary, rival: str) -> dict[str, Lead]:
    """Find the leads over a rival that are known."""
    found = {name: (each.get("lead") or {}) for name, each in summary["properties"].items()}
    return {name: leads[rival] for name, leads in found.items() if leads.get(rival)}


def _span(steps: Sequence[int]) -> str:
    low, high = min(steps), max(steps)
    return str(low) if low == high else f"{low} to {high}"
