"""Rows of edits: kept in a run, added to, and said in a line."""

from dataclasses import asdict

import pandas as pd

from ..core.errors import RunError
from ..core.pictures import name_apart
from ..runs import runs
from ..steering.trials import LATER, MEASURES, Trial, completed, edit_columns


def read_kept(run: runs.Run) -> pd.DataFrame | None:
    """Read edits.parquet, if there is one, before any time is spent on editing."""
    if not run.edits.exists():
        return None
    kept = runs.read_table(run.edits)
    known = {*edit_columns(), *MEASURES} - LATER.keys()
    if missing := sorted(known - set(kept.columns)):
        raise RunError(f"{run.edits} has no column {missing[0]}. Delete it to begin anew.")
    return completed(kept)


def keep(run: runs.Run, kept: pd.DataFrame | None, rows: pd.DataFrame) -> pd.DataFrame:
    """Add rows to edits.parquet, in place of those of the same trial; return all, these last."""
    if kept is not None:
        is_same = (kept[edit_columns()] == rows[edit_columns()].iloc[0]).all(axis=1)
        rows = pd.concat([pd.DataFrame(kept[~is_same]), rows], ignore_index=True)
    runs.write_table(run.edits, rows)
    return rows


def line_of(entry: dict) -> str:
    """Say in one line what came of a trial."""
    median = {name: entry[name]["median"] for name in ("dice_unedited", "dice_target", "dice_old")}
    unedited, target, old = (two(x) for x in median.values())
    psnr = entry["background_psnr"]["median"]
    shares = [two(entry[name]["mean"]) for name in ("success", "joint")]
    covered = [two(entry[name]["median"]) for name in ("recall_new", "recall_old")]
    both = f" of the new place {covered[0]} covered and of the old {covered[1]};"
    return (
        f"Median Dice to the target {target} (unedited {unedited}), to the old mask {old};"
        f"{both if entry['beside'] else ''} "
        f"success {shares[0]}, with the object kept {shares[1]}; "
        f"background {'–' if psnr is None else f'{psnr:.1f} dB'}; {entry['images']} pictures, "
        f"{entry['left_out']} left out; {entry['time']:.2f}× the time of no edit."
    )


def two(value: float | None) -> str:
    """Write two decimals."""
    return "–" if value is None else f"{value:.2f}"


def title_of(trial: Trial) -> str:
    also = {
        "carried": trial.carried.replace(",", ", "),
        "margin": f"{trial.margin:g}" if trial.margin >= 0 else "",
        "pushed": f"{trial.unconditional:g}" if trial.unconditional else "",
        "seen by": trial.seen_by if trial.seen_by != "labelers" else "",
        "seed": str(trial.seed) if trial.seed else "",
    }
    rest = "".join(f", {name} {value}" for name, value in also.items() if value)
    return (
        f"{trial.target}, strength {trial.strength:g}, steps {trial.first_step + 1}–"
        f"{trial.last_step + 1}, {trial.layers}, control {trial.control}{rest}"
    )


def trial_name(trial: Trial, *, strength: bool = False) -> str:
    """Name a trial's file or folder: whatever differs between two trials, their names differ."""
    words = f"{trial.target} {trial.prompts} {trial.control}"
    words += f" {trial.strength:g}" if strength else ""
    settings = asdict(trial)
    for name, usual in (("seen_by", "labelers"), ("beside", False)):
        if settings[name] == usual:  # so that what was made before there was a choice is found
            del settings[name]
    if not strength:  # frames hold every strength
        del settings["strength"]
    return name_apart(f"{words} {trial.first_step + 1}-{trial.last_step + 1}", settings)
