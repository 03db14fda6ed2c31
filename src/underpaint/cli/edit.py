"""`underpaint edit`: move, scale or paint the object of a run's prompts, and score the edit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pandas as pd

from ..core.errors import EditError
from ..core.files import held
from ..core.prompts import Prompt
from ..core.properties import DEPTH, PROPERTIES, SALIENCY, SHADING
from ..figures.edits import draw_doses, draw_strip
from ..labelers import Namer, labelers_for, namer_for
from ..models import Model
from ..runs import runs
from ..steering.aims import Aim, steps_edited
from ..steering.choices import FRAMES
from ..steering.controls import ONCE, step_once
from ..steering.experiments import Shown, edit_all, edit_frames
from ..steering.frames import strengths_of, write_frames
from ..steering.seeing import check_read
from ..steering.setups import Setup, open_setup
from ..steering.trials import Trial, summarise_edits
from .aiming import aims_of
from .kept import keep, line_of, read_kept, title_of, trial_name
from .moved import model_of
from .options import PATIENCE_S
from .progress import progress_bar
from .refreshed import refresh_site

TRIED_STRENGTHS = (0.0, 8.0)
"""Range of strengths whose effect has been measured."""


@dataclass(frozen=True)
class Asked:
    """What the command line says: an option each."""

    out: Path
    move: str | None
    scale: float | None
    mask: Path | None
    depth: str | None
    light: str | None
    index: int | None
    split: str
    limit: int | None
    count: int
    strength: float
    span: str | None
    hold: str
    carry: str
    margin: float
    seen_by: str
    beside: bool
    glob: str | None
    unconditional: float
    controls: tuple[str, ...]
    frames: int | None
    batch: int
    seed: int
    device: str
    dtype: str

    @property
    def has_place(self) -> bool:
        """Whether an object is to be somewhere: asked for, or, where nothing is, at random."""
        is_placed = (self.move, self.scale, self.mask) != (None,) * 3
        return is_placed or (self.depth, self.light) == (None,) * 2


def edit(**words: Any) -> None:
    """Carry out `underpaint edit`, as its options say."""
    asked = Asked(**words)
    run = runs.find_run(asked.out)
    settings = runs.read_settings(run)
    _warn(asked)
    spans = [_span(asked.span, settings["steps"], control) for control in asked.controls]
    prompts = _prompts(run, asked.index, asked.split)[: asked.limit]
    runs.read_summary(run)  # there has to be one, before any time is spent
    read_kept(run)  # what cannot be added to is refused before any time is spent
    if asked.seen_by == "probes":
        check_read(settings["properties"], _needed(asked))
    held_still = _known("hold", asked.hold, settings["properties"])
    carried = _known("carry", asked.carry, settings["properties"]) if asked.has_place else ""

    model = model_of(settings, device=asked.device, dtype=asked.dtype)
    target, aims = aims_of(
        asked.move,
        asked.scale,
        asked.mask,
        asked.depth,
        asked.light,
        count=asked.count,
        size=model.resolution,
        carried=carried,
        beside=asked.beside,
    )
    labelers = labelers_for(model, settings.get("labeled_by"))
    setup, glob = open_setup(
        run, model, labelers, glob=asked.glob, batch=asked.batch, namers=namers_for(model)
    )
    for control, span in zip(asked.controls, spans, strict=True):
        trial = _trial(asked, control, target, span, glob, held_still, carried)
        frames = _frames(asked) if control == asked.controls[0] else 0
        _carry_out(run, setup, trial, prompts, aims, frames=frames)
    refresh_site(run)


def _carry_out(
    run: runs.Run,
    setup: Setup,
    trial: Trial,
    prompts: Sequence[Prompt],
    aims: Sequence[Aim],
    *,
    frames: int,
) -> None:
    """Edit in one way under a progress bar, keep what came of it, and say it in a line."""
    with progress_bar() as bar:
        task = bar.add_task("edited pictures", total=len(prompts) * len(aims))
        rows, shown = edit_all(
            setup, trial, prompts, aims, lambda _stage, done, _of: bar.update(task, completed=done)
        )
    said = _keep(run, trial, rows, shown)
    if frames:
        _keep_frames(run, setup, trial, _editable(rows, prompts), aims[0], count=frames)
    click.echo(f"{trial.control}: {said}" if trial.control != "none" else said)


def _warn(asked: Asked) -> None:
    """Warn of a strength that nobody measured."""
    low, high = TRIED_STRENGTHS
    if not low <= asked.strength <= high:
        click.echo(
            f"--strength {asked.strength:g} is beyond what was measured, {low:g} to {high:g}: "
            "expect the picture to break.",
            err=True,
        )


def _needed(asked: Asked) -> list[str]:
    """Name what has to be known of a picture to make the targets that are asked for."""
    also = {DEPTH.name: asked.depth == "translate", SHADING.name: asked.light is not None}
    return [SALIENCY.name, *(name for name, is_needed in also.items() if is_needed)]


def _trial(
    asked: Asked,
    control: str,
    target: str,
    span: tuple[int, int],
    glob: str,
    held_still: str,
    carried: str,
) -> Trial:
    of = f"{asked.limit} of {asked.split}" if asked.limit else asked.split
    return Trial(
        target=target,
        prompts=of if asked.index is None else f"prompt {asked.index}",
        control=control,
        strength=asked.strength,
        first_step=span[0],
        last_step=span[1],
        layers=glob,
        unconditional=asked.unconditional,
        seed=asked.seed,
        held=held_still,
        carried=carried,
        margin=asked.margin,
        seen_by=asked.seen_by,
        beside=asked.beside,
    )


def _keep(run: runs.Run, trial: Trial, rows: pd.DataFrame, shown: Sequence[Shown]) -> str:
    """Add an edit's rows, summary and pictures to its run, and say what came of it."""
    path = run.figures / f"edit-{trial_name(trial, strength=True)}.png"
    with held(run.folder, patience_s=PATIENCE_S):
        entries = summarise_edits(keep(run, read_kept(run), rows))
        runs.update_summary(run, {"edits": entries})
        draw_strip(shown, title=title_of(trial), path=path)
        draw_doses(entries, like=entries[-1], path=run.figures / "edit-doses.png")
    return f"{line_of(entries[-1])}\nPicture: {path}"


def _frames(asked: Asked) -> int:
    """Say of how many pictures to keep every strength: of one prompt's, none unasked."""
    if asked.frames is not None:
        return asked.frames
    return FRAMES if asked.index is None else 0


def _editable(rows: pd.DataFrame, prompts: Sequence[Prompt]) -> list[Prompt]:
    """Give those prompts whose pictures the first aim could be asked of."""
    done = {*rows.loc[(rows["aim"] == 0) & (rows["left_out"] == ""), "image"]}
    return [prompt for prompt in prompts if (prompt.index or 0) in done]


def _keep_frames(
    run: runs.Run, setup: Setup, trial: Trial, prompts: list[Prompt], aim: Aim, *, count: int
) -> None:
    """Keep some pictures at every strength, as many as are asked for and can be edited."""
    # Another picture's target takes another picture, even for one frame.
    made = prompts[: max(count, 2) if trial.control == "other" else count]
    if not made:
        return
    found = edit_frames(setup, trial, made, aim, strengths_of(trial))
    with held(run.folder, patience_s=PATIENCE_S):
        few = {strength: (table, shown[:count]) for strength, (table, shown) in found.items()}
        write_frames(run, trial_name(trial), trial, few)


def _span(text: str | None, steps: int, control: str) -> tuple[int, int]:
    """Read a span of steps; a control that acts once does so at the first of them."""
    if text is None and control in ONCE:
        return step_once(control, steps), step_once(control, steps)
    if text is None:
        return 0, steps_edited(steps) - 1
    first, last = span_of(text, steps)
    return first, first if control in ONCE else last


def span_of(text: str, steps: int) -> tuple[int, int]:
    """Read "A-B" or "A", counted from 1, as first and last step from 0.

    Raises:
        EditError: if these are not a run's steps.
    """
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    first = int(found[1]) if found else 0
    last = int(found[2] or found[1]) if found else 0
    if not 1 <= first <= last <= steps:
        raise EditError(
            f"--steps {text!r} is no span of this run's steps 1 to {steps}. Write it like 1-5."
        )
    return first - 1, last - 1


def _prompts(run: runs.Run, index: int | None, split: str) -> tuple[Prompt, ...]:
    if index is None:
        return runs.read_split(run, split)
    return (runs.find_prompt(run, index),)


def namers_for(model: Model) -> dict[str, Namer]:
    """Load who says whether an object and its colour are still those of the prompt."""
    from ..world.words import COLOURS, FLOORS, LIGHTS, OBJECTS

    words = (OBJECTS, tuple(COLOURS), FLOORS, tuple(LIGHTS))
    return {
        what: namer_for(model, words, part=part) for part, what in enumerate(("object", "colour"))
    }


def _known(option: str, text: str, known: Sequence[str]) -> str:
    """Read "a,b" or "none"; leave out, and say so, what the run has no probes of."""
    asked = [] if text == "none" else [each.strip() for each in text.split(",")]
    if wrong := [each for each in asked if each not in PROPERTIES]:
        raise EditError(
            f"--{option} {wrong[0]!r} is none of {', '.join(PROPERTIES)}. Or {option} none."
        )
    if missing := [each for each in asked if each not in known]:
        click.echo(
            f"The run has no probes of {', '.join(missing)}: an edit cannot {option} that, and may "
            f"change it. Run it with more --properties to {option} more.",
            err=True,
        )
    return ",".join(each for each in asked if each in known)
