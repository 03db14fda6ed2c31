"""What docs/benchmarks.md says of `benchmarks.speed`: a study beside a GPU that is a clock."""

from collections.abc import Mapping
from typing import Any

ASKED_RATIOS = {"--quick": "≤ 1.25", "without --quick": "≤ 1.60"}


def beside_a_clock(speed: Mapping[str, Any]) -> list[str]:
    """Lay out what `benchmarks.speed` found, a column for each kind of run."""
    if not speed:
        return []
    one = next(iter(speed.values()))["machine"]
    seconds = {
        "wall clock, s": [each["wall"] for each in speed.values()],
        "floor: generation, decoding and labelers, s": [each["floor"] for each in speed.values()],
        "all that the clock worked, s": [sum(each["device"].values()) for each in speed.values()],
        "the clock stood idle, s": [sum(each["idle"].values()) for each in speed.values()],
    }
    rows = [["", *(f"`{name}`" if name[0] == "-" else name for name in speed)]]
    rows += [["---", *("--:" for _ in speed)]]
    rows += [[what, *(f"{each:.1f}" for each in own)] for what, own in seconds.items()]
    shares = [sum(each["device"].values()) / each["wall"] for each in speed.values()]
    rows += [["share of the time that the clock worked", *(f"{each:.0%}" for each in shares)]]
    asked = [each.get("gpu_share") for each in speed.values()]
    if None not in asked:
        rows += [["the same as `cost` says, from asking", *(f"{each:.0%}" for each in asked)]]
    rows += [["**wall / floor**", *(f"**{each['ratio']:.2f}**" for each in speed.values())]]
    rows += [["asked", *(ASKED_RATIOS[name] for name in speed)]]
    return [
        "## Beside a stand-in for a GPU",
        "`python -m benchmarks.speed` runs the study of today beside a clock that stands for that "
        f"GPU, on {one['processor']} (load {one['load']}, torch {one['torch']}). Some of the "
        "clock's seconds are guesses; its file says which.",
        "".join(f"| {' | '.join(row)} |\n" for row in rows),
    ]
