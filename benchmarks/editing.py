"""Measure edits and searches of a finished run, and write the numbers into docs/editing.md.

    python benchmarks/editing.py OUT [--limit 40] [--prompts 3] [--only …] [--skip-measuring]

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
from fnmatch import fnmatch
from functools import reduce
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from underpaint.cli.kept import trial_name
from underpaint.core.properties import PROPERTIES
from underpaint.figures.edits import SETTINGS, draw_doses, series
from underpaint.probes.moments import merge
from underpaint.probes.probes import acting_directions, covariance
from underpaint.runs import runs
from underpaint.steering.controls import ONCE
from underpaint.steering.trials import Trial, edit_columns

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "editing.md"
PICTURES = ROOT / "docs" / "pictures"
CONTROLS = (
    "none", "random", "shaped", "weight", "other", "late", "adam", "roll", "patch", "paste",
    "self-guidance",
)  # fmt: skip
STEPS_OF = {"self-guidance": ("--steps", "2-8")}
"""Where a control acts at steps of its own: at the first, attention says nothing yet."""
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
PARTS = ("controls", "looks", "doses", "targets", "erase", "pick")


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


def like_default(entries: list[dict]) -> dict | None:
    """Find the settings of the command's defaults: the weight control is only measured there."""
    found = [each for each in entries if is_move(each) and each["control"] == "weight"]
    return found[-1] if found else None


def is_beside(entry: dict, like: dict) -> bool:
    """Say whether an entry differs in its control alone, and in when it acts if it acts once."""
    is_apart = entry["control"] in (*ONCE, *STEPS_OF)
    free = ("control", "steps") if is_apart else ("control",)
    return all(entry[name] == like[name] for name in SETTINGS if name not in free)


def is_move(entry: dict) -> bool:
    """Say whether an entry is of test pictures' objects moved at random."""
    return entry["target"] == "random moves" and entry["prompts"].endswith("test")


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
                    f"| {control} | {each['steps'][0]}–{each['steps'][1]} | {each['images']} "
                    f"({each['left_out']}) | {number(each['dice_target']['median'])} | "
                    f"{number(each['dice_old']['median'])} | {spread(each['success'])} | "
                    f"{spread(each['joint'])} | {number(each['background_psnr']['median'])} | "
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
        is_like = all(each[name] == like[name] for name in ("steps", "layers", "unconditional"))
        if not (is_move(each) and each["control"] == "none" and is_like):
            continue
        if is_default and each["strength"] != like["strength"]:
            continue  # a dose
        margin = "everywhere" if each["margin"] < 0 else f"{each['margin']:g}"
        rows.append(
            f"| {each['carried'].replace(',', ', ') or 'nothing'} | {margin} | "
            f"{each['strength']:g} | {number(each['dice_target']['median'])} | "
            f"{number(each['dice_old']['median'])} | "
            f"{number(each['background_psnr']['median'])} | {spread(each['object_kept'])} | "
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
                f"| {each['strength']:g} | {each['steps'][0]}–{each['steps'][1]} | "
                f"{number(each['dice_target']['median'])} | "
                f"{number(beside['dice_target']['median'] if beside else None)} | "
                f"{number(each['dice_old']['median'])} | "
                f"{number(each['background_psnr']['median'])} | "
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
        if each["prompts"].endswith("test") and each["control"] == "none" and not is_move(each):
            maps = [
                f"{number(each[f'{name}_spearman']['mean'])} "
                f"({number(each[f'{name}_unedited']['mean'])}), "
                f"{number(each[f'{name}_rmse']['mean'])}"
                for name in ("depth", "shading")
            ]
            rows.append(
                f"| {each['target']} | {each['images']} ({each['left_out']}) | "
                f"{number(each['dice_target']['median'])} "
                f"({number(each['dice_unedited']['median'])}) | {' | '.join(maps)} | "
                f"{number(each['background_psnr']['median'])} | "
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
            f"| {each['property']} | {each['steps'][0]}–{each['steps'][1]} | {each['images']} | "
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


def fine(found: dict) -> str:
    """Write the mean of something small."""
    return "–" if found["mean"] is None else f"{found['mean']:.4f}"


def spread(found: dict | None) -> str:
    """Write a mean with its interval."""
    if found is None:
        return "–"
    return f"{number(found['mean'])} ({number(found['low'])} … {number(found['high'])})"


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
