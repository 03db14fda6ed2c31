"""Measure what a study costs, and write docs/benchmarks.md with its pictures from the numbers.

    python -m benchmarks.costs [--quick]     measure into docs/benchmarks.json, then write the page
    python -m benchmarks.costs --parts       measure the parts of a study of `tiny` alone
    python -m benchmarks.costs --page        write the page again from the numbers that are there

What was measured elsewhere stays in docs/benchmarks.json: `speed`, by `python -m benchmarks.speed
--into docs/benchmarks.json`, and `gpu`, on one H100, with the code it was measured of.

Everything runs on this machine, on one thread if OMP_NUM_THREADS=1, in one go.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.stats import spearmanr

import worlds  # pyright: ignore[reportMissingImports]
from benchmarks.clock import beside_a_clock
from benchmarks.ways import of_decoding
from underpaint.cli.classify import class_network
from underpaint.core.arrays import to_image
from underpaint.core.prompts import Prompt, split_prompts
from underpaint.core.properties import PROPERTIES
from underpaint.labelers import label, labelers_for
from underpaint.labelers import name as classes_of
from underpaint.models import decode, load
from underpaint.models.layers import find_layers
from underpaint.models.traces import trace
from underpaint.runs import runs
from underpaint.scores.metrics import prepare, spearman
from underpaint.study.bench import compare
from underpaint.study.pooling import pool
from underpaint.study.stages import carry_out

ROOT = Path(__file__).resolve().parents[1]
NUMBERS, PAGE = ROOT / "docs" / "benchmarks.json", ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "pictures"
THREE = ("saliency", "depth", "shading")


def main() -> None:
    """Measure, unless only the page is asked for; then write the page."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="Small counts, to try it out.")
    parser.add_argument("--page", action="store_true", help="Only write the page.")
    parser.add_argument("--parts", action="store_true", help="Only measure the parts of a study.")
    parser.add_argument("--grown", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.grown:
        print(json.dumps(grow(asked.grown)))
        return
    found = json.loads(NUMBERS.read_text()) if NUMBERS.exists() else {}
    if asked.parts:
        found["parts"] = {**machine(), **parts(images=16, steps=15)}
    elif not asked.page:
        found |= measure(quick=asked.quick)
    NUMBERS.write_text(json.dumps(found, indent=1) + "\n")
    PICTURES.mkdir(exist_ok=True)
    draw(found)
    PAGE.write_text(page(found))


def measure(*, quick: bool) -> dict[str, Any]:
    """Measure everything on the page."""
    sizes = (40, 80) if quick else (100, 300, 1000, 3000)
    images, steps = (8, 3) if quick else (32, 15)
    say(f"cost of {images} pictures")
    found = {
        "machine": machine(),
        "is_quick": quick,
        "bench": cost(images=images, steps=steps),
        "metrics": ranks(side_px=512, grid=64, maps=3 if quick else 12),
        "growth": [grown(size) for size in sizes],
    }
    found["parts"] = {**machine(), **parts(images=16, steps=steps)}
    return {**found, "scaling": scaling(images=8, steps=3 if quick else 15)}


def say(line: str) -> None:
    """Tell on stderr what is measured."""
    print(line, file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """Say what it runs on."""
    names = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {
        "processor": names[0].split(":")[1].strip() if names else platform.processor(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def cost(
    *, images: int, steps: int, layers: int | None = None, names: Sequence[str] = THREE
) -> dict[str, Any]:
    """Compare probing `tiny` with bare generation and the literature's method."""
    model = load("tiny", device="cpu")
    found = find_layers(model)
    chosen = found if layers is None else [found[at] for at in spread(len(found), layers)]
    return compare(
        model,
        labelers_for(model),
        [PROPERTIES[name] for name in names],
        chosen,
        images=images,
        steps=steps,
        progress=say,
        clock=time.process_time,
    )


def parts(*, images: int, steps: int) -> dict[str, float]:
    """Time the parts of a study of `tiny` that grow with its pictures, in processor seconds each.

    `generation` is of a whole picture, and so is `pooling`; the others are of one look at one.
    """
    model = load("tiny", device="cpu")
    prompts = [Prompt("a red mug on a sand floor", seed) for seed in range(images)]
    labelers, namer = labelers_for(model), class_network(model, None)
    layers = find_layers(model)
    traced, generation_s = least(
        lambda: trace(model, prompts, steps=steps, layers=layers, halves=True), times=1
    )
    latents = traced.latents[steps // 2]
    seen, decoding_s = least(lambda: decode(model, latents))
    wanted = list(PROPERTIES.values())
    ways: dict[str, Callable[[], Any]] = {
        "labelling": lambda: label(labelers, wanted, seen),
        "naming": lambda: classes_of(namer, seen),
        "pooling": lambda: pool(traced),
    }
    spent = {way: least(work)[1] for way, work in ways.items()}
    found = {"generation": generation_s, "decoding": decoding_s, **spent}
    return {part: seconds / images for part, seconds in found.items()}


def least(work: Callable[[], Any], *, times: int = 3) -> tuple[Any, float]:
    """Do some work a few times; give what it made, and the fewest processor seconds it took."""
    made, spent = None, []
    for _ in range(times):
        begun = time.process_time()
        made = work()
        spent.append(time.process_time() - begun)
    return made, min(spent)


def spread(total: int, count: int) -> list[int]:
    """Choose so many places, from the first to the last."""
    return sorted({round(x) for x in np.linspace(0, total - 1, count)})


def scaling(*, images: int, steps: int) -> dict[str, list[dict[str, Any]]]:
    """Vary layers, steps and properties, one at a time."""
    kept = ("overhead", "seconds")
    ways: dict[str, list[tuple[int, Callable[[], dict]]]] = {
        "layers": [(n, lambda n=n: cost(images=images, steps=steps, layers=n)) for n in (1, 4, 16)],
        "steps": [(n, lambda n=n: cost(images=images, steps=n)) for n in (1, steps // 3, steps)],
        "properties": [
            (n, lambda n=n: cost(images=images, steps=steps, names=list(PROPERTIES)[:n]))
            for n in (1, 3, 5)
        ],
    }
    result = {}
    for name, trials in ways.items():
        result[name] = []
        for number, trial in trials:
            say(f"{number} {name}")
            measured = trial()
            result[name].append({"number": number, **{key: measured[key] for key in kept}})
    return result


def grown(count: int) -> dict[str, Any]:
    """Carry out a study of so many pictures in a process of its own."""
    say(f"a study of {count} pictures")
    command = [sys.executable, "-m", "benchmarks.costs", "--grown", str(count)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def grow(count: int) -> dict[str, Any]:
    """Study a random model of 8-pixel latents, with every source, and give seconds and memory."""
    plan = worlds.study(32)
    prompts = [Prompt(f"thing {i}", i, i) for i in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        run = runs.open_run(Path(folder) / "run", {})
        before = peak_mb()
        begun = time.process_time()
        carry_out(replace(plan, split=split_prompts(prompts)), run, lambda *_: None)
        seconds = time.process_time() - begun
    return {"images": count, "cpu_seconds": seconds, "peak_mb": peak_mb(), "before_mb": before}


def peak_mb() -> float:
    """Read the peak of this program's memory: `getrusage` counts that of whoever started it too."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found, "Only Linux tells."
    return int(found[1]) / 2**10


def ranks(*, side_px: int, grid: int, maps: int) -> dict[str, Any]:
    """Compare exact rank correlation by cells with scipy's on the maps at full size."""
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(maps, 1, grid, grid, generator=random)
    noise = torch.rand(maps, 1, side_px, side_px, generator=random)
    # Labels of 256 levels, with many ties, and readings of 64 that follow them in part.
    labels = ((to_image(coarse, (side_px, side_px)) + noise) * 128).round() / 256
    read = ((coarse + torch.rand(coarse.shape, generator=random)) * 32).round() / 64
    ours = spearman(read, prepare(labels))  # and now compiled, warm
    begun = time.process_time()
    truth = prepare(labels)
    prepared = time.process_time() - begun
    # The least of five: threads that wait beside other work count as busy.
    by_cells = min(timeit.repeat(lambda: spearman(read, truth), timer=time.process_time, number=1))
    full = to_image(read.double(), (side_px, side_px))
    begun = time.process_time()
    pairs = zip(full.numpy(), labels.double().numpy(), strict=True)
    found = [spearmanr(a.ravel(), b.ravel()) for a, b in pairs]
    theirs = [each.statistic for each in found]  # pyright: ignore[reportAttributeAccessIssue]
    by_pixels = time.process_time() - begun
    return {
        "side_px": side_px,
        "grid": grid,
        "maps": maps,
        "largest_difference": float((ours - torch.tensor(theirs)).abs().max()),
        "seconds_prepare": prepared / maps,
        "seconds_cells": by_cells / maps,
        "seconds_scipy": by_pixels / maps,
        "ratio": by_pixels / by_cells,
        # A label is prepared once for all layers, steps and sources: 16 × 15 and more.
        "ratio_with_label": by_pixels * 240 / (by_cells * 240 + prepared),
    }


def draw(found: dict[str, Any]) -> None:
    """Draw growth and scaling."""
    growth = found["growth"]
    figure = Figure(figsize=(9, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    x = [each["images"] for each in growth]
    left.plot(x, [each["cpu_seconds"] for each in growth], "o-")
    left.set(xlabel="pictures", ylabel="processor seconds", xlim=(0, None), ylim=(0, None))
    right.plot(x, [each["peak_mb"] for each in growth], "o-", label="peak")
    right.plot(x, [each["before_mb"] for each in growth], "o:", label="before the first picture")
    right.set(xlabel="pictures", ylabel="memory, MB", xlim=(0, None), ylim=(0, None))
    right.legend()
    figure.savefig(PICTURES / "growth.png", dpi=120)
    figure = Figure(figsize=(9, 3), layout="constrained")
    for axis, (name, rows) in zip(
        figure.subplots(1, 3, sharey=True), found["scaling"].items(), strict=True
    ):
        axis.plot([each["number"] for each in rows], [each["overhead"] for each in rows], "o-")
        axis.axhline(1.1, linestyle=":", color="grey")
        axis.set(xlabel=name, xlim=(0, None), ylabel="probed / bare" if name == "layers" else "")
    figure.savefig(PICTURES / "scaling.png", dpi=120)


def page(found: dict[str, Any]) -> str:
    """Write the page of costs."""
    bench, metrics, at = found["bench"], found["metrics"], found["machine"]
    growth, seconds = found["growth"], bench["seconds"]
    first, last = growth[0], growth[-1]
    per_image = [each["cpu_seconds"] / each["images"] for each in growth]
    more = (last["peak_mb"] - first["peak_mb"]) / (last["images"] - first["images"]) * 1000
    counts = " A trial with small counts: not for quoting." if found["is_quick"] else ""
    rows = "".join(
        f"| {name} | {each['number']} | {each['seconds']['bare']:.2f} | "
        f"{each['seconds']['probed']:.2f} | {each['overhead']:.2f} |\n"
        for name, trials in found["scaling"].items()
        for each in trials
    )
    grew = "".join(
        f"| {each['images']} | {each['cpu_seconds']:.1f} | {share * 1000:.0f} | "
        f"{each['peak_mb']:.0f} |\n"
        for each, share in zip(growth, per_image, strict=True)
    )
    share = bench["seconds_reference_cell"]
    told = [
        "# What a study costs",
        "Written by `python -m benchmarks.costs` from [benchmarks.json](benchmarks.json), measured "
        f"in one go on {at['processor']}, {at['threads']} thread(s), torch {at['torch']}. The load "
        f"of the machine when it began was {at['load']}: ratios are taken of work done in turns, "
        f"and processor seconds where it can be, since other work disturbs both.{counts}",
        "## Against bare generation, and against the literature's method",
        "What `underpaint bench --json` measures, in processor seconds where it tells wall time: "
        f"`tiny`, {bench['images']} pictures, "
        f"{bench['layers']} layers, {bench['steps']} steps, {', '.join(bench['properties'])}.",
        "| what | measured | asked |\n|---|--:|--:|\n"
        f"| `overhead`: probed / bare generation | {bench['overhead']:.2f} | ≤ 1.10 |\n"
        "| `reference_ratio`: the literature's method / ours, fitting included | "
        f"{bench['reference_ratio']:.0f} | ≥ 100 |\n"
        "| activations that the literature's method writes, MB | "
        f"{bench['reference_bytes_written'] / 1e6:.0f} | |\n"
        "| activations that ours writes, MB | 0 | |",
        f"Probed is {seconds['traced']:.2f} s of generation with capture, {seconds['fold']:.2f} s "
        f"of folding and {seconds['read']:.2f} s of reading, beside {seconds['bare']:.2f} s bare; "
        f"fitting takes {seconds['fit']:.2f} s once, however many pictures there are. "
        f"Labelling ({seconds['label']:.2f} s) is left out on both sides: either method needs it. "
        f"One cell of the reference method was carried out in full ({share['train']:.1f} s of "
        f"training, {share['store']:.3f} s of storing); the rest is that times "
        f"{bench['layers'] * bench['steps']} cells, and generation anew for each: "
        f"{bench['seconds_reference']:.0f} s in all.",
        "## Over the number of pictures",
        "A random model of 8-pixel latents, 2 steps, every source, each count in a process of its "
        "own (`python -m benchmarks.costs --grown COUNT`).",
        "![Time and memory over pictures](pictures/growth.png)",
        "| pictures | processor seconds | ms a picture | peak MB |\n|--:|--:|--:|--:|\n" + grew,
        f"From {first['images']} to {last['images']} pictures, time a picture goes from "
        f"{per_image[0] * 1000:.0f} to {per_image[-1] * 1000:.0f} ms, and the peak grows by "
        f"{more:.0f} MB a thousand pictures: the table of scores has a row for each picture, "
        "source, layer, step and metric. Activations are none of it.",
        "## Over layers, steps and properties",
        "![Overhead over layers, steps and properties](pictures/scaling.png)",
        "| what | number | bare, s | probed, s | overhead |\n|---|--:|--:|--:|--:|\n" + rows,
        "## Exact rank correlation by cells",
        f"Labels of {metrics['side_px']}×{metrics['side_px']} against readings on "
        f"{metrics['grid']}×{metrics['grid']}, {metrics['maps']} pairs, against "
        "`scipy.stats.spearmanr` on the upsampled readings.",
        "| what | measured | asked |\n|---|--:|--:|\n"
        f"| largest difference | {metrics['largest_difference']:.1e} | ≤ 1e-12 |\n"
        f"| scipy / ours, a label prepared once | {metrics['ratio']:.0f}× | ≥ 20× |\n"
        "| the same with preparing the label, over 240 cells | "
        f"{metrics['ratio_with_label']:.0f}× | |",
    ]
    told += [*of_parts(found), *of_decoding(found), *of_gpu(found)]
    return "\n\n".join(part.rstrip("\n") for part in told) + "\n"


def of_parts(found: dict[str, Any]) -> list[str]:
    """Lay out what the parts of a study of `tiny` take, and what they make of a test picture."""
    if (each := found.get("parts")) is None:
        return []
    times = {"generation": 1, "pooling": 1, "decoding": 30, "labelling": 30, "naming": 30}
    rows = "".join(
        f"| {part} | {each[part] * 1000:.1f} | {each[part] * count:.2f} |\n"
        for part, count in times.items()
    )
    return [
        "## Part by part",
        "`python -m benchmarks.costs --parts`: processor seconds of one thread, `tiny`, 15 steps, "
        f"16 layers in both halves, five properties, torch {each['torch']}. Rivals are decoded "
        "and labelled at every step, x_t and x̂₀, 30 times a test picture; `--rivals-at` takes "
        "fewer. Pooling and naming are what `--classes` adds.",
        "| part | ms each | s a test picture |\n|---|--:|--:|\n" + rows,
    ]


def of_gpu(found: dict[str, Any]) -> list[str]:
    """Lay out what was measured on a GPU, of which code, and beside a stand-in for one."""
    told = []
    if old := found.get("gpu"):
        rows = "".join(f"| {what} | {value} |\n" for what, value in old["measured"].items())
        told += [
            "## On a GPU",
            f"{old['machine']}; {old['model']}. Measured of {old['code']}: what was changed since "
            "has not been measured on a GPU.",
            "| what | measured |\n|---|---|\n" + rows,
        ]
    return told + beside_a_clock(found.get("speed", {}))


if __name__ == "__main__":
    main()
