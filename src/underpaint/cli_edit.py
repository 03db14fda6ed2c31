"""`underpaint edit`: move, scale or paint the object of a run's prompts, and score the edit."""

import re
from functools import partial, reduce
from pathlib import Path

import click
import pandas as pd

from . import runs
from .bars import progress_bar
from .editing import CONTROLS, Aim, Setup, check_run, edit_all
from .errors import EditError, PromptError, RunError
from .labelers import labelers_for
from .layers import find_layers, select_layers
from .models import load_as
from .moments import merge
from .prompts import Prompt
from .strips import draw_strip
from .targets import move_mask, random_move, read_mask, scale_mask
from .trials import MEASURES, Trial, edit_columns, summarise_edits

TRIED_STRENGTHS = (0.0, 6.0)
"""Range of strengths whose effect has been measured."""


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--move", metavar="DX,DY", help="Right and down: fractions below 1, else pixels.")
@click.option("--scale", type=float, help="About the object's own centre, as in 1.5.")
@click.option("--mask", type=click.Path(path_type=Path), help="PNG: the object white on black.")
@click.option("--prompt", "index", type=int, help="Index of a prompt.  [default: all of test]")
@click.option("--count", default=5, show_default=True, help="Random moves where none is given.")
@click.option("--strength", default=3.0, show_default=True, help="1 makes the reading the target.")
@click.option("--steps", "span", help="First and last, as in 1-8.  [default: the first half]")
@click.option("--layers", "glob", default="up.2.*,up.3.*", show_default=True, help="As a glob.")
@click.option(
    "--unconditional",
    default=0.5,
    show_default=True,
    help="Push the unconditional half the other way, by this share.",
)
@click.option("--control", type=click.Choice(list(CONTROLS)), default="none", show_default=True)
@click.option("--batch", default=32, show_default=True, help="Images at once.")
@click.option("--seed", default=0, show_default=True, help="Of random moves and directions.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, mps.")
@click.option("--dtype", default="auto", show_default=True, help="auto, float32, …")
def edit(
    out: Path,
    move: str | None,
    scale: float | None,
    mask: Path | None,
    index: int | None,
    count: int,
    strength: float,
    span: str | None,
    glob: str,
    unconditional: float,
    control: str,
    batch: int,
    seed: int,
    device: str,
    dtype: str,
) -> None:
    """Move, scale or paint the object in pictures of the run OUT, and score the edit.

    Keeps a row for each picture in edits.parquet, a before/after strip in figures/, and means with
    intervals over prompts in summary.json. The same edit again takes the place of the last.
    """
    run = runs.find_run(out)
    settings = runs.read_json(run.settings)
    for name, value in (("count", count), ("batch", batch)):
        if value < 1:
            raise EditError(f"--{name} is {value}. Give a whole number of at least 1.")
    first, last = _span(span, settings["steps"])
    prompts = _prompts(run, index)
    runs.read_json(run.summary)  # there has to be one, before any time is spent
    kept = _read_kept(run)
    _warn(strength)

    model = load_as(settings, device=device, dtype=dtype)
    check_run(settings, model)
    target, aims = _aims(move, scale, mask, count=count, size=model.resolution)
    known = [layer for layer in find_layers(model) if layer.name in settings["layers"]]
    sums, _ = runs.read_moments(run, model.device)
    setup = Setup(
        model=model,
        labelers=labelers_for(model, settings.get("labeled_by")),
        probes=runs.read_probes(run, model.device),
        moments=reduce(merge, sums.values()),
        layers=select_layers(known, glob),
        steps=settings["steps"],
        guidance=settings["guidance"],
        batch=batch,
    )
    whose = "test" if index is None else f"prompt {index}"
    trial = Trial(target, whose, control, strength, first, last, glob, unconditional, seed)
    with progress_bar() as bar:
        task = bar.add_task("edited pictures", total=len(prompts) * len(aims))
        rows, shown = edit_all(
            setup, trial, prompts, aims, lambda _stage, done, _of: bar.update(task, completed=done)
        )

    entries = summarise_edits(_keep(run, kept, rows))
    runs.update_summary(run, {"edits": entries})
    path = run.figures / f"edit-{_slug(trial)}.png"
    draw_strip(shown, title=_title(trial), path=path)
    click.echo(f"{_line(entries[-1])}\nPicture: {path}")


def _span(text: str | None, steps: int) -> tuple[int, int]:
    """Read "A-B" or "A", counted from 1, as first and last step from 0."""
    if text is None:
        return 0, max(1, (steps + 1) // 2) - 1
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    first = int(found[1]) if found else 0
    last = int(found[2] or found[1]) if found else 0
    if not 1 <= first <= last <= steps:
        raise EditError(
            f"--steps {text!r} is no span of this run's steps 1 to {steps}. Write it like 1-5."
        )
    return first - 1, last - 1


def _prompts(run: runs.Run, index: int | None) -> tuple[Prompt, ...]:
    if index is None:
        return runs.read_split(run, "test")
    known = [p for part in ("test", "validation", "train") for p in runs.read_split(run, part)]
    if not (found := tuple(prompt for prompt in known if prompt.index == index)):
        raise PromptError(f"No prompt has index {index}; there are {len(known)} in prompts.csv.")
    return found


def _aims(
    move: str | None,
    scale: float | None,
    mask: Path | None,
    *,
    count: int,
    size: tuple[int, int],
) -> tuple[str, list[Aim]]:
    """Say what to aim at, in words and as what makes a target of the mask that is there."""
    if sum(each is not None for each in (move, scale, mask)) > 1:
        raise EditError("--move, --scale and --mask each say what to aim at. Give one of them.")
    if mask is not None:
        drawn = read_mask(mask, size)
        return f"mask {mask.name}", [lambda _old, _random: drawn]
    if scale is not None:
        return f"scale {scale:g}", [lambda old, _random: scale_mask(old, scale)]
    if move is None:
        return "random moves", [random_move] * count
    try:
        dx, dy = (float(part) for part in move.split(","))
    except ValueError as error:
        raise EditError(f"--move {move!r} is not DX,DY. Write it like 0.2,0 or -24,8.") from error
    moved = partial(move_mask, dx=dx, dy=dy)
    return f"move {dx:g},{dy:g}", [lambda old, _random: moved(old)]


def _warn(strength: float) -> None:
    low, high = TRIED_STRENGTHS
    if not low <= strength <= high:
        click.echo(
            f"--strength {strength:g} is beyond what was measured, {low:g} to {high:g}: expect "
            "the picture to break.",
            err=True,
        )


def _read_kept(run: runs.Run) -> pd.DataFrame | None:
    """Read edits.parquet, if there is one, before any time is spent on editing."""
    if not run.edits.exists():
        return None
    kept = runs.read_table(run.edits)
    if missing := sorted({*edit_columns(), *MEASURES} - set(kept.columns)):
        raise RunError(f"{run.edits} has no column {missing[0]}. Delete it to begin anew.")
    return kept


def _keep(run: runs.Run, kept: pd.DataFrame | None, rows: pd.DataFrame) -> pd.DataFrame:
    """Add rows to edits.parquet, in place of those of the same trial; return all, these last."""
    if kept is not None:
        is_same = (kept[edit_columns()] == rows[edit_columns()].iloc[0]).all(axis=1)
        rows = pd.concat([pd.DataFrame(kept[~is_same]), rows], ignore_index=True)
    runs.write_table(run.edits, rows)
    return rows


def _line(entry: dict) -> str:
    """Say in one line what came of a trial."""
    median = {name: entry[name]["median"] for name in ("dice_unedited", "dice_target", "dice_old")}
    unedited, target, old = (f"{x:.2f}" if x is not None else "–" for x in median.values())
    psnr = entry["background_psnr"]["median"]
    return (
        f"Median Dice to the target {target} (unedited {unedited}), to the old mask {old}; "
        f"background {'–' if psnr is None else f'{psnr:.1f} dB'}; {entry['images']} pictures, "
        f"{entry['left_out']} left out; {entry['time']:.2f}× the time of no edit."
    )


def _title(trial: Trial) -> str:
    return (
        f"{trial.target}, strength {trial.strength:g}, steps {trial.first_step + 1}–"
        f"{trial.last_step + 1}, {trial.layers}, control {trial.control}"
    )


def _slug(trial: Trial) -> str:
    words = f"{trial.target} {trial.prompts} {trial.control} {trial.strength:g}"
    return re.sub(r"[^\w.-]+", "-", words.removesuffix(".png")).strip("-")
