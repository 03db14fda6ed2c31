"""Measure edits and searches of a finished run, and write the numbers into docs/editing.md.

    python -m benchmarks.editing OUT [--limit 40] [--prompts 3] [--only …] [--skip-measuring]

Every number on the page is measured here, by the commands that the page names. Edits of each
control meet the same random moves. Only the page's marked blocks are replaced. Commands that were
carried out are listed in OUT/measured.json and not done again: what was stopped goes on.
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.edit_tables import (
    BESIDE,
    CONTROLS,
    SEEN,
    STEPS_OF,
    beside_table,
    carried_table,
    dose_table,
    edit_table,
    erase_table,
    like_default,
    looks_table,
    pick_table,
    seen_table,
    target_table,
)
from underpaint.cli.kept import trial_name
from underpaint.figures.edits import draw_doses
from underpaint.runs import runs
from underpaint.steering.choices import SEERS
from underpaint.steering.trials import Trial, edit_columns

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "editing.md"
PICTURES = ROOT / "docs" / "pictures"
STRENGTHS = (0.5, 1, 2, 3, 4, 6)
SPANS = ("1-3", "1-7", "1-10", "6-15", "11-15")
LOOKS = (
    ("--margin", "-1"),
    ("--carry", "albedo,shading"),
    ("--carry", "albedo"),
    ("--carry", "none"),
    ("--carry", "none", "--strength", "5", "--margin", "-1"),
)
TARGETS = (
    ("--scale", "0.7"),
    ("--depth", "translate"),
    ("--move", "random", "--depth", "translate"),
    ("--light", "left"),
    ("--light", "right"),
    ("--move", "random", "--light", "left"),
)
PARTS = ("controls", "seen", "beside", "looks", "doses", "targets", "erase", "pick")


def main() -> None:
    """Carry out the commands, then fill in the page."""
    parser = argparse.ArgumentParser(description="Measure edits and searches for docs/editing.md.")
    parser.add_argument("out", type=Path, help="A finished run.")
    parser.add_argument("--limit", type=int, default=40, help="Test prompts to edit.")
    parser.add_argument("--prompts", type=int, default=3, help="Prompts to search for.")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS, help="What to measure.")
    parser.add_argument("--skip-measuring", action="store_true", help="Use what OUT holds.")
    asked = parser.parse_args()
    run = runs.find_run(asked.out)
    if not asked.skip_measuring:
        measure(run, asked.only, limit=asked.limit, prompts=asked.prompts)
    summary = runs.read_json(run.summary)
    entries = summary.get("edits", [])
    page = PAGE.read_text(encoding="utf-8")
    tables = {
        "controls": {"edits": edit_table(entries), "carried": carried_table(run, entries)},
        "seen": {"seen": seen_table(entries)},
        "beside": {"beside": beside_table(entries)},
        "looks": {"looks": looks_table(entries)},
        "doses": {"doses": dose_table(entries)},
        "targets": {"targets": target_table(entries)},
        "erase": {"erase": erase_table(summary.get("erase", []))},
        "pick": {"pick": pick_table(summary.get("pick", []))},
    }
    for part in asked.only:  # what was measured before stays, where nothing new was
        for block, lines in tables[part].items():
            page = fill(page, block, lines)
    PAGE.write_text(page, encoding="utf-8")
    draw(run, entries, asked.only)


def draw(run: runs.Run, entries: list[dict], parts: Sequence[str]) -> None:
    """Put the pictures of some parts beside the page."""
    if found := like_default(entries):
        first, last = (step - 1 for step in found["steps"])
        settings = {name: found[name] for name in edit_columns() if name in found}
        trial = Trial(**{**settings, "control": "none", "first_step": first, "last_step": last})
        if "controls" in parts:
            strip = run.figures / f"edit-{trial_name(trial, strength=True)}.png"
            shrink(strip, "edit.png")
        if "doses" in parts:
            draw_doses(entries, like=found, path=run.figures / "edit-doses.png")
            shrink(run.figures / "edit-doses.png", "edit-doses.png")
    if "beside" in parts:
        strips = sorted(run.figures.glob("edit-random-moves-beside-the-object-*-none-*.png"))
        shrink(next(iter(strips), None), "edit-beside.png")
    if "targets" in parts:
        shrink(next(run.figures.glob("edit-light-left-*.png"), None), "edit-light.png")
    if "pick" in parts:
        shrink(next(iter(sorted(run.figures.glob("pick-mask-left-*.png"))), None), "pick.png")


def measure(run: runs.Run, parts: Sequence[str], *, limit: int, prompts: int) -> None:
    """Carry out the commands of some parts of the page, but for those that were before."""
    done = run.folder / "measured.json"
    known = runs.read_json(done)["commands"] if done.exists() else []
    for command in commands_of(run, parts, limit=limit, prompts=prompts):
        words = [str(each) for each in command]
        if words not in known:
            underpaint(*words)
            known.append(words)
            runs.write_json(done, {"commands": known})


def commands_of(
    run: runs.Run, parts: Sequence[str], *, limit: int, prompts: int
) -> Iterator[Sequence[object]]:
    """List the commands of some parts of the page."""
    edit = ("edit", run.folder, "--count", 1, "--limit", limit, "--frames", 0)
    if "controls" in parts:
        for control in CONTROLS:
            yield (*edit, "--control", control, *STEPS_OF.get(control, ()))
    if "seen" in parts:
        for seer, control in SEEN:
            yield (*edit, "--control", control, *(("--seen-by", seer) if seer != SEERS[0] else ()))
    if "beside" in parts:
        yield from ((*edit, "--beside", "--control", control) for control in BESIDE)
        # As good as pasted by hand, with next to no noise: what the labeler sees of two objects.
        last = runs.read_settings(run)["steps"]
        yield (*edit, "--beside", "--control", "paste", "--steps", last)
    if "looks" in parts:
        yield from ((*edit, *words) for words in LOOKS)
    if "doses" in parts:
        for control in ("none", "random"):
            beside = (*edit, "--control", control)
            yield from ((*beside, "--strength", strength) for strength in STRENGTHS)
            yield from ((*beside, "--steps", span) for span in SPANS)
    if "targets" in parts:
        yield from ((*edit, *words) for words in TARGETS)
    if "erase" in parts:
        yield "erase", run.folder, "--property", "depth", "--limit", limit
    if "pick" in parts:
        mask = run.folder / "left.png"
        draw_mask(mask, Image.open(next((run.folder / "images").glob("*.png"))).size)
        texts = list(dict.fromkeys(prompt.text for prompt in runs.read_split(run, "test")))
        asked = [part for text in texts[:prompts] for part in ("--prompt", text)]
        yield "pick", run.folder, "--mask", mask, "--score", *asked


def underpaint(*words: str) -> None:
    """Run one command in a process of its own, as a person would."""
    code = "from underpaint.cli.main import main; main()"
    subprocess.run([sys.executable, "-c", code, *words], check=True)


def draw_mask(path: Path, size: tuple[int, int]) -> None:
    """Draw an ellipse in the left half."""
    picture = Image.new("L", size)
    box = np.multiply([0.140625, 0.375, 0.515625, 0.8125], [*size, *size]).tolist()
    ImageDraw.Draw(picture).ellipse(box, fill=255)
    picture.save(path)


def fill(page: str, name: str, lines: list[str]) -> str:
    """Replace what stands between the two marks of a block."""
    begin, end = f"<!-- {name}: measured -->", f"<!-- {name}: end -->"
    block = "\n".join([begin, "", *lines, "", end])
    return re.sub(f"{begin}.*?{end}", lambda _: block, page, flags=re.DOTALL)


def shrink(path: Path | None, name: str) -> None:
    """Put a picture beside the page, no wider than 700 pixels."""
    if path is None or not path.exists():
        return
    PICTURES.mkdir(parents=True, exist_ok=True)
    with Image.open(path) as picture:
        if picture.width <= 700:
            shutil.copyfile(path, PICTURES / name)
            return
        size = (700, round(picture.height * 700 / picture.width))
        small = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        small.save(PICTURES / name, optimize=True)


if __name__ == "__main__":
    main()
