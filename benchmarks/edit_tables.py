"""Tables of docs/editing.md, of the entries of a run's summary. Nothing is measured here."""

from collections.abc import Mapping
from fnmatch import fnmatch
from functools import reduce
from typing import Any

import torch

from underpaint.core.properties import PROPERTIES
from underpaint.figures.edits import series
from underpaint.probes.moments import merge
from underpaint.probes.probes import acting_directions, covariance
from underpaint.runs import runs
from underpaint.scores.alike import are_alike, most_compared
from underpaint.steering.choices import SEERS
from underpaint.steering.controls import ONCE

CONTROLS = (
    "none", "random", "shaped", "weight", "other", "late", "adam", "roll", "patch", "paste",
    "self-guidance",
)  # fmt: skip
STEPS_OF = {"self-guidance": ("--steps", "2-8")}
"""Where a control acts at steps of its own: at the first, attention says nothing yet."""
SEEN = tuple((seer, control) for control in ("none", "random", "patch") for seer in SEERS)
"""Who says what the unedited picture shows, and beside what."""
BESIDE = ("none", "random", "patch", "paste")
"""Ways to ask for a second object."""


def like_default(entries: list[dict]) -> Mapping[str, Any] | None:
    """Find the edit by the command's defaults: every control is measured beside it alone."""
    return most_compared([each for each in entries if is_move(each)])


def is_beside(entry: dict, like: Mapping[str, Any]) -> bool:
    """Say whether an entry differs in its control alone, and in when it acts if it acts once."""
    is_apart = entry["control"] in (*ONCE, *STEPS_OF)
    free = ("control", "steps") if is_apart else ("control",)
    return are_alike(entry, like, free=free)


def is_plain(entry: dict) -> bool:
    """Say whether an entry is of test pictures, seen by labelers, with no second object."""
    is_usual = entry.get("seen_by", SEERS[0]) == SEERS[0] and not entry.get("beside")
    return is_usual and is_of_test(entry)


def is_of_test(entry: dict) -> bool:
    """Say whether an entry is of test pictures."""
    return entry["prompts"].endswith("test")


def is_move(entry: dict) -> bool:
    """Say whether an entry is of such pictures' objects moved at random."""
    return entry["target"] == "random moves" and is_plain(entry)


def edit_table(entries: list[dict]) -> list[str]:
    """Write a row for each control of the moves at random, all else as the command's defaults."""
    if (like := like_default(entries)) is None:
        return ["Not measured yet."]
    rows = [
        "| control | steps | pictures (left out) | median Dice to target | to the old mask "
        "| success (95%) | joint (95%) | background dB | KID | object kept where it moved (95%) "
        "| time |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for control in CONTROLS:
        for each in entries:
            if each["control"] == control and is_beside(each, like):
                rows.append(
                    f"| {control} | {span(each)} | {pictures(each)} | "
                    f"{middle(each, 'dice_target')} | "
                    f"{middle(each, 'dice_old')} | {spread(each['success'])} | "
                    f"{spread(each['joint'])} | {middle(each, 'background_psnr')} | "
                    f"{fine(each['kid'])} | {spread(each['object_kept'])} | "
                    f"{each['time']:.2f}× |"
                )
    first, last = like["steps"]
    return [
        f"Strength {like['strength']:g}, steps {first}–{last}, layers `{like['layers']}`, carried: "
        f"{like['carried'].replace(',', ', ') or 'nothing'}, margin {like['margin']:g}.",
        "",
        *rows,
    ]


def seen_table(entries: list[dict]) -> list[str]:
    """Write a row for each that said what unedited pictures show, by each of some controls."""
    moves = [each for each in entries if each["target"] == "random moves"]
    probed = [each for each in moves if each.get("seen_by", SEERS[0]) != SEERS[0]]
    likes = [each for each in probed if each["control"] == "none" and is_of_test(each)]
    if not likes:
        return ["Not measured yet."]
    rows = [
        "| seen by | control | steps | pictures (left out) | Dice of the mask seen "
        "| median Dice to target | success (95%) | joint (95%) | background dB (95%) "
        "| success above labelers (95%) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for seer, control in SEEN:
        free = ("seen_by", "control", *(("steps",) if control in ONCE else ()))
        for each in moves:
            is_asked = (each.get("seen_by", SEERS[0]), each["control"]) == (seer, control)
            if is_asked and are_alike(each, likes[-1], free=free):
                rows.append(
                    f"| {seer} | {control} | {span(each)} | {pictures(each)} | "
                    f"{middle(each, 'dice_seen')} | {middle(each, 'dice_target')} | "
                    f"{spread(each['success'])} | "
                    f"{spread(each['joint'])} | {spread(each['background_psnr'])} | "
                    f"{spread(each.get('success_above_labelers'))} |"
                )
    return rows


def beside_table(entries: list[dict]) -> list[str]:
    """Write a row for each way to ask for a second object, and the most that can be seen of it."""
    rows = [
        "| control | steps | pictures (left out) | median Dice to both | new place covered "
        "| old place covered | success (95%) | joint (95%) | background dB | KID |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    found = [each for each in entries if each.get("beside") and is_of_test(each)]
    for control in BESIDE:
        for each in found:
            if each["control"] == control and are_alike(each, found[-1], free=("control", "steps")):
                rows.append(
                    f"| {control} | {span(each)} | {pictures(each)} | "
                    f"{middle(each, 'dice_target')} | "
                    f"{middle(each, 'recall_new')} | {middle(each, 'recall_old')} | "
                    f"{spread(each['success'])} | {spread(each['joint'])} | "
                    f"{middle(each, 'background_psnr')} | {fine(each['kid'])} |"
                )
    return rows if found else ["Not measured yet."]


def carried_table(run: runs.Run, entries: list[dict]) -> list[str]:
    """Say what else is read when the mask's reading moves by one, mean over layers and steps."""
    if (like := like_default(entries)) is None:
        return ["Not measured yet."]
    cpu = torch.device("cpu")
    probes = runs.read_probes(run, cpu)
    moments = reduce(merge, runs.read_moments(run, cpu)[0].values())
    first, last = like["steps"]
    carried: dict[str, list[torch.Tensor]] = {}
    for (layer, step), own in moments.items():
        is_edited = any(fnmatch(layer, glob) for glob in like["layers"].split(","))
        if is_edited and first - 1 <= step < last:
            weight = probes["saliency", layer, step].weight
            acting = acting_directions(weight, covariance(own, len(weight)))
            for (name, at, when), probe in probes.items():
                if (at, when) == (layer, step) and name in PROPERTIES:
                    carried.setdefault(name, []).append((probe.weight.mT @ acting)[:, 0])
    means = {name: torch.stack(each).mean(dim=0).tolist() for name, each in carried.items()}
    return [
        "| property | read with one of mask |",
        "|---|---|",
        *(f"| {name} | {', '.join(map(number, each))} |" for name, each in means.items()),
    ]


def looks_table(entries: list[dict]) -> list[str]:
    """Write a row for each choice of what goes along and how near, steps and layers as default."""
    if (like := like_default(entries)) is None:
        return ["Not measured yet."]
    rows = [
        "| carried | margin | strength | median Dice to target | to the old mask | background dB "
        "| object kept (95%) | colour kept (95%) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in entries:
        is_default = all(each[name] == like[name] for name in ("carried", "margin"))
        is_same = all(each[name] == like[name] for name in ("steps", "layers", "unconditional"))
        if not (is_move(each) and each["control"] == "none" and is_same):
            continue
        if is_default and each["strength"] != like["strength"]:
            continue  # a dose
        margin = "everywhere" if each["margin"] < 0 else f"{each['margin']:g}"
        rows.append(
            f"| {each['carried'].replace(',', ', ') or 'nothing'} | {margin} | "
            f"{each['strength']:g} | {middle(each, 'dice_target')} | "
            f"{middle(each, 'dice_old')} | "
            f"{middle(each, 'background_psnr')} | {spread(each['object_kept'])} | "
            f"{spread(each['colour_kept'])} |"
        )
    return rows


def dose_table(entries: list[dict]) -> list[str]:
    """Write a row for each strength, then for each span of steps, all else as the defaults."""
    if (like := like_default(entries)) is None:
        return ["Not measured yet."]
    rows = [
        "| strength | steps | median Dice to target | random direction | to the old mask "
        "| background dB | object kept | colour kept |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for over in ("strength", "steps"):
        random = {
            str(each[over]): each
            for each in series(entries, like=like, over=over, control="random")
        }
        for each in series(entries, like=like, over=over):
            beside = random.get(str(each[over]))
            rows.append(
                f"| {each['strength']:g} | {span(each)} | "
                f"{middle(each, 'dice_target')} | "
                f"{number(beside['dice_target']['median'] if beside else None)} | "
                f"{middle(each, 'dice_old')} | "
                f"{middle(each, 'background_psnr')} | "
                f"{number(each['object_kept']['mean'])} | {number(each['colour_kept']['mean'])} |"
            )
    return rows


def target_table(entries: list[dict]) -> list[str]:
    """Write a row for each other target, of the test pictures."""
    rows = [
        "| target | pictures (left out) | Dice to target (unedited) "
        "| depth: rank correlation (unedited), error | shading: the same | background dB "
        "| object kept | colour kept |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in entries:
        if is_plain(each) and each["control"] == "none" and not is_move(each):
            maps = [
                f"{number(each[f'{name}_spearman']['mean'])} "
                f"({number(each[f'{name}_unedited']['mean'])}), "
                f"{number(each[f'{name}_rmse']['mean'])}"
                for name in ("depth", "shading")
            ]
            rows.append(
                f"| {each['target']} | {pictures(each)} | "
                f"{middle(each, 'dice_target')} "
                f"({middle(each, 'dice_unedited')}) | {' | '.join(maps)} | "
                f"{middle(each, 'background_psnr')} | "
                f"{number(each['object_kept']['mean'])} | {number(each['colour_kept']['mean'])} |"
            )
    return rows if len(rows) > 2 else ["Not measured yet."]


def erase_table(entries: list[dict]) -> list[str]:
    """Write a row for each property that was erased and each range of steps."""
    if not entries:
        return ["Not measured yet."]
    measured = [name for name in entries[0] if name.startswith("same_")]
    heads = [f"{name.removeprefix('same_')} lost (95%)" for name in measured]
    rows = [
        f"| erased | steps | pictures | {' | '.join(heads)} | KID (random) "
        "| object kept (random) |",
        "|---" * (len(measured) + 5) + "|",
    ]
    for each in entries:
        lost = [spread(each[name]["lost"]) for name in measured]
        both = [
            f"{number(each[name]['erased']['mean'])} ({number(each[name]['random']['mean'])})"
            for name in ("object_kept",)
        ]
        both = [f"{fine(each['kid']['erased'])} ({fine(each['kid']['random'])})", *both]
        rows.append(
            f"| {each['property']} | {span(each)} | {each['images']} | "
            f"{' | '.join([*lost, *both])} |"
        )
    return rows


def pick_table(entries: list[dict]) -> list[str]:
    """Write a row for each measure of the searches that were finished whole."""
    rows = [
        "| prompts | candidates | kept | calls | rank correlation (95%) | of the estimate (95%) "
        "| kept | random | best | share of the gain (95%) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in entries:
        if found := each.get("score"):
            rows.append(
                f"| {len(each['prompts'])} | {each['candidates']} | {each['keep']} | "
                f"{each['calls_share']:.0%} | {spread(found['rank_correlation'])} | "
                f"{spread(found['estimate_rank_correlation'])} | "
                f"{number(found['kept']['mean'])} | {number(found['random']['mean'])} | "
                f"{number(found['best']['mean'])} | {spread(found['share'])} |"
            )
    return rows if len(rows) > 2 else ["Not measured yet."]


def number(value: float | None) -> str:
    """Write two decimals."""
    return "–" if value is None else f"{value:.2f}"


def middle(entry: dict, measure: str) -> str:
    """Write a measure's median over pictures."""
    return number(entry[measure]["median"])


def span(entry: dict) -> str:
    """Write the first and the last step that was edited."""
    first, last = entry["steps"]
    return f"{first}–{last}"


def pictures(entry: dict) -> str:
    """Write how many pictures there were, and of how many there was nothing to edit."""
    return f"{entry['images']} ({entry['left_out']})"


def fine(found: dict) -> str:
    """Write the mean of something small."""
    return "–" if found["mean"] is None else f"{found['mean']:.4f}"


def spread(found: dict | None) -> str:
    """Write a mean with its interval."""
    if found is None:
        return "–"
    return f"{number(found['mean'])} ({number(found['low'])} … {number(found['high'])})"
