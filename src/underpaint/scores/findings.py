"""What a run found, in a few sentences for somebody who has not read how: no more than it shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.numbers import fixed, number, with_interval
from .alike import are_alike, most_compared
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
    """Say how early properties are read, beside the fair rival, what the caption does, and edits.

    Each sentence is written from intervals: what they do not carry is not said.
    """
    said = (
        early(summary),
        _beside_the_fair_rival(summary),
        _by_caption(summary),
        _beyond(summary),
        moved(summary),
    )
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
        f"{which} can be read early: a probe has 90% of its final skill by step {_span(first)} of "
        f"{summary['steps']}. The labeler, made for clean pictures, reaches the same score in the "
        f"noisy picture {_span(spans)} step{'' if set(spans) == {1} else 's'} later."
    )


def _beside_the_fair_rival(summary: Summary) -> str:
    """Say who is first, the probe or the model's own prediction; "" where neither was timed."""
    beside = rivalry(summary)
    if not beside:
        return ""
    rival = "The fair rival is the clean picture that the model itself predicts at each step, x̂₀."
    none = (
        ""
        if by_verdict(summary, "estimate")["later"]
        else "No probe reaches the bar measurably before it."
    )
    return " ".join(each for each in (rival, none, beside, overtaken(summary)) if each)


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
        f"From step {_span(list(steps.values()))} on, the labeler scores higher on the predicted "
        f"picture than the best layer's probe{which}, but that labeler made the labels."
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
        known = {
            "in the run with the caption": "probe",
            "in the run without it": "unconditional",
            "from the caption's text alone": "text",
            "from the place alone": "position",
        }
        scores = [
            f"{_first(sources[source])} {what}"
            for what, source in known.items()
            if source in sources
        ]
        return (
            f"The model runs twice a step, with the caption and without. At step 1 {name} scores "
            f"{listed(scores)}."
        )
    return ""


def _beyond(summary: Summary) -> str:
    """Say what activations add to the predicted picture at step 1, if its control adds less."""
    for name, found in summary["properties"].items():
        gain, control = (
            found["sources"].get(each, {"by_step": [{}]})["by_step"][0]
            for each in ("beyond", "beyond ensemble")
        )
        if not number(gain.get("low")) > max(0, number(control.get("high"))):
            continue
        steps = found["sources"]["beyond"]["by_step"]
        later = f" At step 3 activations add {with_interval(steps[2])}." if len(steps) > 2 else ""
        learnt, probe = (found["sources"].get(each) for each in ("trained", "probe"))
        fairest = (
            f" A small network trained on x̂₀ scores {_first(learnt)} at step 1, the probe "
            f"{_first(probe)}."
            if learnt and probe
            else ""
        )
        return (
            f"At step 1 activations add {with_interval(gain)} to the {name} score of a linear "
            "reader of x̂₀; as a control, random features of x̂₀ in their place add "
            f"{fixed(control['mean'])}.{later}{fairest}"
        )
    return ""


def moved(summary: Summary) -> str:
    """Say how often an edit of activations moved the object, beside its controls.

    Of several edits it is the one with the most controls beside it: the default's.

    Returns:
        The sentence; "" where that edit did not move measurably more objects than its own random
        control, or has none.
    """
    edits = summary.get("edits") or []
    edit = most_compared(edits)
    if edit is None:
        return ""
    beside = {x["control"]: x["success"] for x in edits if are_alike(x, edit, free=("control",))}
    random = beside.get("random", {"high": None})
    if not number(edit["success"]["low"]) > number(random["high"]):
        return ""
    said = (
        f"Editing activations moves the object to the chosen place, as the labeler sees it, in "
        f"{_percent(edit['success'])} of {edit['images'] - edit['left_out']} pictures; a random "
        f"change as large does so in {_percent(random)}."
    )
    # It acts once, at a step of its own.
    alike = (x for x in edits if are_alike(x, edit, free=("control", "steps")))
    pasted = next((x for x in alike if x["control"] == "paste"), None)
    if pasted is None:
        return said
    return (
        f"{said} Pasting the object's pixels there and denoising on from step "
        f"{pasted['steps'][0]} does so in {_percent(pasted['success'])}."
    )


def _percent(share: Mapping[str, Any]) -> str:
    mean, low, high = (100 * number(share.get(part)) for part in ("mean", "low", "high"))
    return f"{mean:.0f}% ({low:.0f} to {high:.0f})"


def _first(source: Mapping[str, Any]) -> str:
    return fixed(number(source["by_step"][0]["mean"]))


def listed(names: Sequence[str]) -> str:
    """Write "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _span(steps: Sequence[int]) -> str:
    low, high = min(steps), max(steps)
    return str(low) if low == high else f"{low} to {high}"
