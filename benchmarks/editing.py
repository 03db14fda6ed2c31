"""Measure edits and searches of a finished run, and write the numbers into docs/editing.md.

    python benchmarks/editing.py OUT [--count 1] [--prompts 3] [--skip-measuring]

Every number on the page is measured here, by the commands that the page names. Edits of each
control meet the same random moves. Only the page's marked blocks are replaced.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from underpaint import runs

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "editing.md"
PICTURES = ROOT / "docs" / "pictures"
CONTROLS = ("none", "random", "weight")


def main() -> None:
    """Carry out the commands, then fill in the page."""
    parser = argparse.ArgumentParser(description="Measure edits and searches for docs/editing.md.")
    parser.add_argument("out", type=Path, help="A finished run.")
    parser.add_argument("--count", type=int, default=1, help="Random moves of each test picture.")
    parser.add_argument("--prompts", type=int, default=3, help="Prompts to search for.")
    parser.add_argument("--skip-measuring", action="store_true", help="Use what OUT holds.")
    asked = parser.parse_args()
    run = runs.find_run(asked.out)
    mask = asked.out / "left.png"
    texts = list(dict.fromkeys(prompt.text for prompt in runs.read_split(run, "test")))
    texts = texts[: asked.prompts]
    if not asked.skip_measuring:
        draw_mask(mask, Image.open(next((asked.out / "images").glob("*.png"))).size)
        for control in CONTROLS:
            underpaint("edit", asked.out, "--count", asked.count, "--control", control)
        prompts = [part for text in texts for part in ("--prompt", text)]
        underpaint("pick", asked.out, "--mask", mask, "--score", *prompts)
    summary = runs.read_json(run.summary)
    page = PAGE.read_text(encoding="utf-8")
    page = fill(page, "edits", edit_table(summary.get("edits", [])))
    page = fill(page, "pick", pick_table(summary.get("pick", [])))
    PAGE.write_text(page, encoding="utf-8")
    shrink(next(run.figures.glob("edit-random-moves-test-none-*.png"), None), "edit.png")
    shrink(next(iter(sorted(run.figures.glob("pick-mask-left-*.png"))), None), "pick.png")


def underpaint(*arguments: object) -> None:
    """Run one command in a process of its own, as a person would."""
    code = "from underpaint.cli import main; main()"
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True)


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


def edit_table(entries: list[dict]) -> list[str]:
    """Write a row for each trial of random moves of the test pictures."""
    rows = [
        "| control | strength | steps | pictures (left out) | median Dice to target | unedited "
        "| to the old mask | mean gain (95%) | mean above random (95%) | background dB | time |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in entries:
        if (each["target"], each["prompts"]) == ("random moves", "test"):
            rows.append(
                f"| {each['control']} | {each['strength']:g} | {each['steps'][0]}–"
                f"{each['steps'][1]} | {each['images']} ({each['left_out']}) | "
                f"{number(each['dice_target']['median'])} | "
                f"{number(each['dice_unedited']['median'])} | "
                f"{number(each['dice_old']['median'])} | {spread(each['gain'])} | "
                f"{spread(each.get('above_random'))} | "
                f"{number(each['background_psnr']['median'])} | {each['time']:.2f}× |"
            )
    return rows if len(rows) > 2 else ["Not measured yet."]


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


def spread(found: dict | None) -> str:
    """Write a mean with its interval."""
    if found is None:
        return "–"
    return f"{number(found['mean'])} ({number(found['low'])} … {number(found['high'])})"


def shrink(path: Path | None, name: str) -> None:
    """Put a picture beside the page, no wider than 700 pixels."""
    if path is None:
        return
    PICTURES.mkdir(parents=True, exist_ok=True)
    with Image.open(path) as picture:
        if picture.width <= 700:
            shutil.copyfile(path, PICTURES / name)
            return
        size = (700, round(picture.height * 700 / picture.width))
        picture.convert("RGB").resize(size, Image.Resampling.LANCZOS).quantize(128).save(
            PICTURES / name, optimize=True
        )


if __name__ == "__main__":
    main()
