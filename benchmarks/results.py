"""Write docs/results.md, its pictures and the README table from a finished run.

    python -m benchmarks.results RUN ["beside nothing else, on two cores"] [--thorough RUN2]

RUN2 is a run without `--quick`, of fewer pictures where all of them would take too long: what only
it knows gets a chapter of its own.
"""

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.edit_tables import edit_table, erase_table
from underpaint.core.numbers import UNKNOWN, fixed, number
from underpaint.runs.runs import find_run, read_json
from underpaint.scores.findings import findings
from underpaint.scores.naming import metric_name
from underpaint.scores.sentences import (
    crossings,
    gained,
    shares_told,
    spread_told,
    step_words,
    timing,
)
from underpaint.scores.sources import SOURCES, sources_of

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
README, PAGE = ROOT / "README.md", ROOT / "docs" / "results.md"
MARKS = ("<!-- results: written by benchmarks/results.py -->", "<!-- end of results -->")
KINDS = ("curves", "layers", "beyond", "noise")
QUICKLY = " --quick"
SHOWN_STEPS = (1, 3, 5, 10)
BOTH = ("probe", "estimate", "position", "joint", "beyond", "beyond swapped", "beyond ensemble")
"""Sources that are shown of a thorough run too, to hold the others against."""
READERS = ("probe", "image", "estimate", "latent", "position", "trained")
"""The same, where the page's own run is thorough and the other knows a source more."""


def main(folder: Path, how: str = "", thorough: Path | None = None) -> None:
    """Read a run; write the page, the pictures and the README's block."""
    run = find_run(folder)
    summary, settings = read_json(run.summary), read_json(run.settings)
    PICTURES.mkdir(exist_ok=True)
    pictures = [f"{kind}-{name}.png" for name in summary["properties"] for kind in KINDS]
    for name in pictures:
        shutil.copy(run.figures / name, PICTURES / name)
    shutil.copy(sorted(run.figures.glob("steps-*.png"))[0], PICTURES / "steps.png")
    for name in summary.get("cross", {}).get("properties", {}):
        shutil.copy(run.figures / f"cross-{name}.png", PICTURES / f"cross-{name}.png")
    if summary.get("classify"):
        shutil.copy(sorted(run.figures.glob("classes-*.png"))[0], PICTURES / "classes.png")
    whole = None if thorough is None else read_json(find_run(thorough).summary)
    results = (run.figures / "table-2.md").read_text()
    PAGE.write_text(page(summary, settings, results, how, whole))
    before, rest = README.read_text().split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    said = "".join(f"{at}. {each}\n" for at, each in enumerate(findings(summary), 1))
    README.write_text(f"{before}{MARKS[0]}\n{said}\n{race(summary)}{MARKS[1]}{after}")


def page(
    summary: Mapping[str, Any],
    settings: Mapping[str, Any],
    results: str,
    how: str = "",
    thorough: Mapping[str, Any] | None = None,
) -> str:
    """Write the page of results; `how` says what the times depend on.

    `thorough` is the summary of a run without `--quick`.
    """
    images, cost = summary["images"], summary["cost"]
    parts = [
        f"# What a run of {summary['model']} shows",
        told(summary),
        "![Steps × rows](pictures/steps.png)",
        f"Made by `underpaint run OUT{QUICKLY if settings.get('quick') else ''} --properties "
        f"{','.join(summary['properties'])}{' --classes' if summary.get('classify') else ''}`"
        f"{how and ', ' + how}: {sum(images.values())} pictures ({images['train']} training, "
        f"{images['validation']} validation, {images['test']} test, split by prompt text), "
        f"{summary['steps']} {settings['scheduler']} steps, guidance {settings['guidance']}. It "
        f"took {cost['seconds']:.0f} s, {cost['seconds_generation']:.0f} s of it generation, and "
        f"{cost['peak_rss_mb']:.0f} MB at most. Layers, thresholds and penalties were chosen "
        "without test pictures; intervals (95%) resample prompts. Labels are the opinion of the "
        "embedded labeler on the final picture, which "
        "[measures.json](../src/underpaint/models/tiny/measures.json) compares with the truth of "
        f"renders.{_noise(summary)}",
        "## Every source on the same test pictures",
        table(summary, _sources(summary)),
        "*90% of own end*: the first step from which a source holds 90% of its own final skill "
        "above `position`, and lies above `shuffled`. *At the bar*: the first step from which it "
        "holds 90% of the probe's, the same score for all sources. `image` and `estimate` reach 1 "
        f"by construction, for the same labeler gives the label; {UNKNOWN} is a source that never "
        "does, or no value. `shuffled` is fitted to, chosen by and held against the labels of "
        f"other pictures: it shares no more with them than the place.{_absent(summary)}",
        results,
        *left_out(summary, thorough),
        *costs(cost),
        *splits(summary),
        *crossed(summary),
        *edits(summary),
        *classes(summary),
        "## Beside a transformer",
        "The same world, drawn by a flow-matching transformer that does not ship yet: at which "
        "noise, in which layers and from which half it can be read, and what edits do to it, is in "
        "[UNet and transformer](world.md#unet-and-transformer).",
        "## Curves and layers",
        "Rings stand where a source reaches the one bar. Maps of gains say what each layer, and "
        "six of them together, add to a linear reader of x̂₀.",
        *(
            f"![{name}, {kind}](pictures/{kind}-{name}.png)"
            for name in summary["properties"]
            for kind in KINDS
        ),
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def race(summary: Mapping[str, Any]) -> str:
    """Lay out who reaches the bar when, and what each reads at step 1, as Markdown.

    Scores are those that the bar is one of, for which the place alone has 0 where it is taken out.
    """
    sources = {"probe": "probe", "estimate": "labeler on x̂₀", "image": "labeler on x_t"}
    heads = ["place alone", "step 1: probe", "step 1: labeler on x̂₀", "last step: probe"]
    heads += [f"step at the bar: {name}" for name in sources.values()]
    rows = [["property (score)", *heads], ["---", *["--:"] * len(heads)]]
    for name, found in summary["properties"].items():
        known, metric = found["sources"], found["metric"]
        cells = {each: known[each]["metrics"][metric] for each in (*sources, "position")}
        place = number(cells["position"]["final"]["mean"])
        means = [
            fixed(place),
            *(fixed(number(cells[each]["by_step"][0]["mean"])) for each in ("probe", "estimate")),
            fixed(number(cells["probe"]["final"]["mean"])),
        ]
        times = [step_words(known[each].get("reached"), summary["steps"]) for each in sources]
        rows.append([f"{name} ({metric_name(metric)})", *means, *times])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def told(summary: Mapping[str, Any]) -> str:
    """Say for each property when it is read, when its rivals get there, and who ends higher."""
    sentences = []
    for name, found in summary["properties"].items():
        timed = timing(found, summary.get("noise"))
        parts = [f"- **{name}**: {timed}", crossings(found), gained(found)]
        sentences.append(" ".join(part for part in parts if part))
    return "\n".join(sentences)


def classes(summary: Mapping[str, Any]) -> list[str]:
    """Lay out what `underpaint classify` found, if it was asked."""
    found = summary.get("classify")
    if found is None:
        return []
    rows = [["source", "layer", "chance", "step 1", "step 3", "last step", "stays"]]
    rows.append(["---", "---", *("--:" for _ in rows[0][2:])])
    for source, each in found["sources"].items():
        last = [fixed(number(each["final"][part])) for part in ("mean", "low", "high")]
        stays = each["stays"]["median"]
        rows.append([
            source,
            each["layer"] or UNKNOWN,
            fixed(number(each["chance"]["mean"])),
            *(fixed(number(each["by_step"][at]["mean"])) for at in (0, 2)),
            f"{last[0]} ({last[1]} to {last[2]})",
            UNKNOWN if stays is None else f"{stays:g}",
        ])  # fmt: skip
    return [
        "## Who names the object",
        "`underpaint classify OUT`: how often the class that the prompt names is the first of "
        f"{len(found['classes'])}. `image` and `estimate` are the class network on x_t and x̂₀; "
        "the others are a linear probe of pooled activations: of the conditional half, which the "
        "prompt feeds; of the unconditional half; and of pictures of the empty prompt, held "
        "against what the class network sees in them. *Stays*: the median step from which it is "
        "so to the end, where it is at the end.",
        "".join(f"| {' | '.join(row)} |\n" for row in rows),
        "Read `conditional` beside the other two: what it knows at step 1 is what the prompt says.",
        "![Classes over steps](pictures/classes.png)",
    ]


def left_out(summary: Mapping[str, Any], thorough: Mapping[str, Any] | None) -> list[str]:
    """Lay out what a run without `--quick` knows beyond this one, beside what both know."""
    if thorough is None:
        return []
    own = _sources(summary)
    is_thorough = "trained" in own
    held = READERS if is_thorough else BOTH
    shown = tuple(each for each in _sources(thorough) if each in held or each not in own)
    images, cost = thorough["images"], thorough["cost"]
    if is_thorough:
        return [
            "## A reader made for noise",
            "The labeler was made for clean pictures: that it sees little in x_t says when *it* "
            "sees something, not when there is something to be seen. `trained noisy` is a network "
            "like `trained`, but fitted to x_t itself at each step. It came after the run above; "
            f"this is another, of {sum(images.values())} pictures ({images['train']} training, "
            f"{images['test']} test) and fewer layers, with its own bar.",
            table(thorough, shown),
        ]
    return [
        "## What `--quick` leaves out",
        f"A run without `--quick`, of {sum(images.values())} pictures ({images['train']} training, "
        f"{images['test']} test), whose other networks and readers took it to "
        f"{cost['seconds']:.0f} s. `beyond` and what belongs to it here is what layers add to the "
        "labeler's maps of x̂₀ and to its latents; above, to a linear reader of x̂₀ alone "
        "([method](method.md)). `trained` is a small network on x̂₀, fitted to the labels.",
        table(thorough, shown),
    ]


def costs(cost: Mapping[str, Any]) -> list[str]:
    """Say what each part of the run took."""
    parts = sorted(cost.get("parts", {}).items(), key=lambda each: -each[1])
    if not parts:
        return []
    said = ", ".join(f"{name} {seconds:.0f}" for name, seconds in parts if seconds >= 1)
    return ["## What it costs", f"Seconds by part: {said}."]


def splits(summary: Mapping[str, Any]) -> list[str]:
    """Say how far scores move with the split of the prompts."""
    found = summary.get("splits")
    if found is None:
        return []
    lines = [
        f"- **{name}**: {spread_told(summary['properties'][name], each, found['count'])}"
        for name, each in found["properties"].items()
    ]
    return [
        "## Other splits of the same prompts",
        "`underpaint run OUT … --splits K`: probes, penalties, layers and thresholds chosen anew "
        "in each split. Intervals resample the test pictures of one.",
        "\n".join(lines),
    ]


def crossed(summary: Mapping[str, Any]) -> list[str]:
    """Say what readings owe to the caption, the noise and their meeting."""
    found = summary.get("cross")
    if found is None:
        return []
    best = {name: each["best_layer"] for name, each in summary["properties"].items()}
    own = found["properties"]
    return [
        "## Caption, noise, and their meeting",
        f"`underpaint cross OUT`: {found['captions']} captions, each drawn from the same "
        f"{found['noises']} noises. What follows the caption is the same from any noise; what "
        "follows the noise is the same under any caption; their meeting is what this caption does "
        "in this noise alone ([method](method.md#crossed-draws)).",
        "\n".join(f"- **{name}**: {shares_told(each, best[name])}" for name, each in own.items()),
        *(f"![{name}, crossed](pictures/cross-{name}.png)" for name in own),
    ]


def edits(summary: Mapping[str, Any]) -> list[str]:
    """Lay out what edits and erasures did, where the run has any; the page of edits has more."""
    parts = []
    if found := summary.get("edits"):
        parts += [
            "## Edits",
            "Objects of test pictures moved at random, beside what anybody would try first "
            "([what the columns mean](editing.md)).",
            "\n".join(edit_table(found)),
        ]
    if found := summary.get("erase"):
        parts += [
            "## Erasure",
            "What is linear of a property is taken out of activations at some steps; *lost* is how "
            "much less the picture's labels are like the untouched picture's than after a random "
            "subspace of the same rank and variance is taken out.",
            "\n".join(erase_table(found)),
        ]
    return parts


def _noise(summary: Mapping[str, Any]) -> str:
    """Say what each step's number stands for."""
    if not (ratios := summary.get("noise")):
        return ""
    said = ", ".join("∞" if ratio is None else f"{ratio:.2g}" for ratio in ratios)
    return (
        " A step's number means something on one schedule only; the ratio of noise to signal that "
        f"the denoiser meets at each is {said}."
    )


def _absent(summary: Mapping[str, Any]) -> str:
    """Say which sources this run has not, and why."""
    known = _sources(summary)
    missing = [each for each in SOURCES if each.absent and each.name not in known]
    return "".join(f" No `{each.name}`: {each.absent}." for each in missing)


def _sources(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """Name all sources of a run, in the order of tables."""
    known = [source for found in summary["properties"].values() for source in found["sources"]]
    return tuple(sources_of(known))


def table(
    summary: Mapping[str, Any], sources: tuple[str, ...], *, steps: tuple[int, ...] = SHOWN_STEPS
) -> str:
    """Lay out means by step, the last with its interval, and when bars are met, as Markdown."""
    steps = tuple(step for step in steps if step < summary["steps"])
    heads = [
        "property",
        "source",
        *(f"step {step}" for step in steps),
        "last step",
        "90% of own end",
        "at the bar",
    ]
    rows = [heads, ["---", "---", *("--:" for _ in heads[2:])]]
    for name, found in summary["properties"].items():
        for source in sources:
            if source not in found["sources"]:
                continue
            by_step = found["sources"][source]["by_step"]
            means = [fixed(number(by_step[step - 1]["mean"])) for step in steps]
            last = [fixed(number(by_step[-1][part])) for part in ("mean", "low", "high")]
            title = f"{name} ({metric_name(found['metric'])})"
            each = found["sources"][source]
            times = [step_words(each.get(x), len(each["by_step"])) for x in ("onset", "reached")]
            ends = [f"{last[0]} ({last[1]} to {last[2]})", *times]
            rows.append([title, source, *means, *ends])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write docs/results.md from a finished run.")
    parser.add_argument("run", type=Path)
    parser.add_argument("how", nargs="?", default="", help="What the times depend on.")
    parser.add_argument("--thorough", type=Path, help="A run without --quick.")
    asked = parser.parse_args()
    main(asked.run, asked.how, asked.thorough)
