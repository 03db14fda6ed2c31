"""One way to edit, how its pictures are scored, and what many of them say together."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import cast

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from ..core.numbers import or_null
from ..scores.intervals import Interval, interval, share_interval
from ..scores.metrics import dice, prepare, rmse, spearman

MEASURES = (
    "dice_target",
    "dice_old",
    "dice_unedited",
    "background_psnr",
    "depth_spearman",
    "depth_unedited",
    "depth_rmse",
    "shading_spearman",
    "shading_unedited",
    "shading_rmse",
    "object_kept",
    "colour_kept",
    "recall_old",
    "recall_new",
    "success",
    "joint",
)
"""Dice of the edited picture's mask to the target and to its old self, Dice of the unedited
picture's mask to the target, and PSNR in dB outside both masks; of depth and shading, where they
are targets, rank correlation of the edited picture's and of the unedited picture's with the
target, and the edited one's error in deviations of the picture; whether the class network still
says of the object and its colour what the prompt says, where the object was moved at all; where a
second object is asked for, how much of the old place and of the new one the mask covers; whether
the object is where it should be and not where it was, or the two are where they should be; and
whether it is so and still the object."""

KEPT = ("object_kept", "colour_kept")
SHARES = (*KEPT, "success", "joint")
"""Measures that are 1 or 0 of each picture."""

THERE, GONE = 0.7, 0.5
"""An object is where it should be if its Dice to the target is above the one, and is no more where
it was if its Dice to its old self is below the other."""
COVERED = 0.5
"""A place holds an object if the mask covers more of it than this."""
FEWEST = 6
"""Pictures with a distance that it takes to say what comes of it."""


@dataclass(frozen=True)
class Trial:
    """One way to edit, as each of its rows and its summary name it.

    Args:
        target: What was aimed at, in words: "random moves", "move 0.2,0", "mask cat.png".
        prompts: "test", or "prompt 12".
        control: "none" for the edit itself, else a name of `choices.CONTROLS`.
        strength: The same at each step.
        first_step: From 0, as `last_step`; both are edited.
        layers: As the glob that chose them.
        unconditional: How far the unconditional half is pushed the other way.
        seed: Of random targets and directions. Trials that share it meet the same targets.
        held: Properties whose readings are left as they are, by name with commas between; one that
            is a target is moved all the same.
        carried: Properties whose maps go along with the object, likewise.
        margin: How near to where the object was and shall be anything is edited, as a share of the
            picture's larger side; below 0 for no limit.
        seen_by: Who says what the unedited picture shows, of `choices.SEERS`: targets are made of
            that. Labelers score in any case.
        beside: Whether the object stays, and its like is asked for at another place.
    """

    target: str
    prompts: str
    control: str
    strength: float
    first_step: int
    last_step: int
    layers: str
    unconditional: float = 0.0
    seed: int = 0
    held: str = ""
    carried: str = ""
    margin: float = -1.0
    seen_by: str = "labelers"
    beside: bool = False


def edit_scores(
    before: Float[Tensor, "image 3 height width"],
    after: Float[Tensor, "image 3 height width"],
    *,
    old: Bool[Tensor, "image 1 height width"],
    now: Bool[Tensor, "image 1 height width"],
    target: Float[Tensor, "image 1 height width"] | None,
) -> dict[str, Float64[Tensor, "image"]]:
    """Score what became of masks and of what is around them, by the first of `MEASURES`.

    Background is what neither the old mask nor the target holds. Its PSNR is `-10 log10` of the
    mean squared difference to the unedited picture: infinite if nothing changed there, NaN if there
    is no background. Two empty masks have no Dice: NaN; nor is there one to a target if there is
    none.

    Args:
        before: Unedited pictures, in 0..1.
        after: Edited ones.
        old: The labeler's masks of the unedited pictures.
        now: Those of the edited ones.
        target: Where the object should be, if that was asked.
    """
    wanted = torch.zeros_like(old) if target is None else target > 0.5
    background = ~(old | wanted)
    squared = (after.double() - before.double()).square().mean(dim=1, keepdim=True)
    pixels = background.sum(dim=(1, 2, 3))
    error = (squared * background).sum(dim=(1, 2, 3)) / pixels  # 0 / 0 is NaN
    truth = prepare(wanted.float())
    nothing = torch.full_like(error, math.nan)
    return {
        "dice_target": nothing if target is None else dice(now, truth),
        "dice_old": dice(now, prepare(old.float())),
        "dice_unedited": nothing if target is None else dice(old, truth),
        "background_psnr": -10 * error.log10(),
    }


def map_scores(
    name: str,
    *,
    before: Float[Tensor, "image target height width"],
    after: Float[Tensor, "image target height width"],
    target: Float[Tensor, "image target height width"],
) -> dict[str, Float64[Tensor, "image"]]:
    """Score what became of one property's maps, normalised, by those of `MEASURES` it names."""
    truth = prepare(target)
    return {
        f"{name}_spearman": spearman(after, truth),
        f"{name}_unedited": spearman(before, truth),
        f"{name}_rmse": rmse(after, truth),
    }


def both_scores(
    now: Bool[Tensor, "image 1 height width"],
    *,
    old: Bool[Tensor, "image 1 height width"],
    beside: Bool[Tensor, "image 1 height width"],
) -> dict[str, Float64[Tensor, "image"]]:
    """Say how much of each of two places a mask covers: `|A ∩ B| / |B|`, NaN of an empty one.

    Args:
        now: The labeler's masks of the edited pictures.
        old: Those of the unedited ones.
        beside: Where another object should be.
    """

    def covered(place: Tensor) -> Tensor:
        return (now & place).sum(dim=(1, 2, 3)).double() / place.sum(dim=(1, 2, 3))

    return {"recall_old": covered(old), "recall_new": covered(beside)}


def judged_beside(
    scores: Mapping[str, Float64[Tensor, "image"]], kept: Mapping[str, Float64[Tensor, "image"]]
) -> dict[str, Float64[Tensor, "image"]]:
    """Say of each picture whether there is another object now, and the one that was there still is.

    `success` is 1 where Dice to the union of both places is above `THERE` and the mask covers more
    than `COVERED` of each. One object as large as the other, at either place, has a Dice of 2/3.
    `joint` is 1 where besides the class network says what it said. What is kept is asked only where
    something came to the new place.

    Args:
        scores: As `edit_scores` and `both_scores` give them.
        kept: As in `judged`.
    """
    came = scores["recall_new"] > COVERED
    succeeded = (scores["dice_target"] > THERE) & came & (scores["recall_old"] > COVERED)
    success = torch.where(scores["dice_target"].isnan(), math.nan, succeeded.double())
    found = {"success": success}
    if "object_kept" in kept:
        found["joint"] = success * kept["object_kept"]
    return found | {name: torch.where(came, each, math.nan) for name, each in kept.items()}


def judged(
    scores: Mapping[str, Float64[Tensor, "image"]], kept: Mapping[str, Float64[Tensor, "image"]]
) -> dict[str, Float64[Tensor, "image"]]:
    """Say of each picture whether the edit succeeded, and what was kept where it moved anything.

    `success` is 1 where the mask is at the target and no more at its old place (`THERE`, `GONE`):
    NaN where there is no target, or the target is the old place. `joint` is 1 where besides the
    object is kept, and 0 also where nothing moved: who does nothing keeps everything. What is kept
    is asked only where the object has left a place that it should leave, and of edits that do not
    move it.

    Args:
        scores: As `edit_scores` gives them.
        kept: "object_kept", "colour_kept": 1, 0, or NaN where the unedited picture was not named
            as its prompt is.
    """
    target, old, unedited = (scores[name] for name in ("dice_target", "dice_old", "dice_unedited"))
    can_move = unedited.nan_to_num(0) < GONE
    is_asked = ~target.isnan() & can_move
    succeeded = ((target > THERE) & ~(old >= GONE)).double()
    success = torch.where(is_asked, succeeded, math.nan)
    found = {"success": success}
    if "object_kept" in kept:
        found["joint"] = success * kept["object_kept"]
    stayed = is_asked & (old >= GONE)
    return found | {name: torch.where(stayed, math.nan, each) for name, each in kept.items()}


def edit_columns() -> list[str]:
    """Name the columns that say which trial a row is of."""
    return [field.name for field in fields(Trial)]


def summarise_edits(rows: pd.DataFrame) -> list[dict]:
    """Give the `edits` part of `underpaint show --json`: an entry for each trial.

    Each measure has its mean with an interval over prompts, and its median. `gain` is Dice to the
    target above that of the unedited picture, `above_random` above the same trial's random control
    where there is one; both are paired, as is `success_above_labelers`, success above that of the
    same trial seen by labelers. `dice_seen` is Dice of the masks that targets are made of to the
    labeler's of the finished picture. Steps are numbered from 1. What is undefined, or infinite, is
    None. `time` is the seconds of an edited picture over those of an unedited one. `kid` is the
    squared kernel distance of the edited pictures to the same unedited ones, `by_distance` the
    share of success of the nearest third of the moves, of the middle one and of the farthest.
    """
    names = edit_columns()
    plain = rows.astype(dict.fromkeys(names, object))  # numpy's numbers are not JSON's
    found = {Trial(*cast(tuple, key)): own for key, own in plain.groupby(names, sort=False)}
    return [_entry(trial, own, found) for trial, own in found.items()]


def _entry(trial: Trial, rows: pd.DataFrame, others: Mapping[Trial, pd.DataFrame]) -> dict:
    entry: dict = asdict(trial)
    entry["steps"] = [entry.pop("first_step") + 1, entry.pop("last_step") + 1]
    entry["images"] = len(rows)
    is_edited = rows["left_out"].to_numpy() == ""
    entry["left_out"] = int((~is_edited).sum())
    prompts = rows["prompt"].to_list()
    scores = {measure: _numbers(rows, measure) for measure in MEASURES}
    for measure, values in scores.items():
        entry[measure] = _plain(
            values, prompts, of=share_interval if measure in SHARES else interval
        )
    for name in ("kid", "dice_seen"):
        entry[name] = _plain(_numbers(rows, name), prompts)
    entry["by_distance"] = _by_distance(rows)
    entry["gain"] = _plain(scores["dice_target"] - scores["dice_unedited"], prompts)
    beside = {
        "above_random": (replace(trial, control="random"), "dice_target"),
        "success_above_labelers": (replace(trial, seen_by="labelers"), "success"),
    }
    for name, (other, measure) in beside.items():
        if other != trial and other in others:
            entry[name] = _above(rows, others[other], measure)
    seconds = [_numbers(rows, name)[is_edited].sum() for name in ("seconds", "seconds_unedited")]
    entry["time"] = float(seconds[0] / seconds[1])
    return entry


def _above(rows: pd.DataFrame, others: pd.DataFrame, measure: str) -> dict:
    """Give the mean difference of one measure between two trials, picture by picture."""
    both = rows.merge(others, on=["image", "aim"], suffixes=("", "_other"))
    above = _numbers(both, measure) - _numbers(both, f"{measure}_other")
    return _plain(above, both["prompt"].to_list())


def _by_distance(rows: pd.DataFrame) -> list[dict]:
    """Give success over the distance moved, in thirds of the moves."""
    moved = pd.DataFrame(rows[rows["distance"].notna() & rows["success"].notna()])
    if len(moved) < FEWEST or len({*moved["distance"]}) < 3:
        return []
    found = []
    for places in np.array_split(np.argsort(_numbers(moved, "distance"), kind="stable"), 3):
        third = moved.iloc[places]
        success = _plain(_numbers(third, "success"), third["prompt"].to_list(), of=share_interval)
        ends = [float(third["distance"].min()), float(third["distance"].max())]
        found.append({"distance": ends, "images": len(third), "success": success})
    return found


LATER = {
    "success": math.nan,
    "joint": math.nan,
    "kid": math.nan,
    "distance": math.nan,
    "seen_by": "labelers",
    "dice_seen": math.nan,
    "beside": False,
    "recall_old": math.nan,
    "recall_new": math.nan,
}
"""Columns that rows of an earlier version may lack, and what to hold of them then."""


def completed(rows: pd.DataFrame) -> pd.DataFrame:
    """Add to rows of an earlier version the columns that it did not have.

    Success follows from the Dice that they hold; the rest is as it was then, or was not measured
    and is NaN.
    """
    missing = {name: value for name, value in LATER.items() if name not in rows.columns}
    if {"success", "joint"} & missing.keys():
        dice = ("dice_target", "dice_old", "dice_unedited")
        scores = {name: torch.from_numpy(_numbers(rows, name).copy()) for name in dice}
        kept = {name: torch.from_numpy(_numbers(rows, name).copy()) for name in KEPT}
        missing |= {name: each.numpy() for name, each in judged(scores, kept).items()}
    return rows.assign(**missing) if missing else rows


def _numbers(rows: pd.DataFrame, column: str) -> Float64[np.ndarray, "row"]:
    return rows[column].to_numpy(dtype=np.float64)


def _plain(
    values: Float64[np.ndarray, "row"],
    prompts: list[str],
    *,
    of: Callable[[Float64[np.ndarray, "row"], list[str]], Interval] = interval,
) -> dict:
    known = values[~np.isnan(values)]
    if np.isinf(known).any():  # backgrounds that nothing changed: their PSNR has no mean
        undefined = {"undefined": len(values) - len(known)}
        found = dict.fromkeys(("mean", "low", "high"), math.nan) | undefined
    else:
        found = asdict(of(values, prompts))
    found["median"] = float(np.median(known)) if len(known) else math.nan
    return {name: or_null(value) for name, value in found.items()}
