"""Kill a small run at random moments, let it go on, and compare it with one that was left alone.

    python -m benchmarks.chaos [--kills 50] [--seed 0]

Each trial starts a study of a random model in a process of its own, kills that with SIGKILL at a
moment drawn evenly from the time an undisturbed run takes, and runs the same again to its end. Its
summary (all but "cost"), scores, sums, probes and what is shown must be the undisturbed run's, byte
for byte, and no picture whose shard was whole may be drawn again: that is what "lost" counts. Every
second trial is killed while it scores and writes beside generation, every third goes on so.
"""

import argparse
import json
import multiprocessing
import random
import re
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import worlds
from underpaint.core.files import is_whole
from underpaint.runs import runs
from underpaint.study import batches, stages, training

BATCH = 4
FILES = ("scores.parquet", "moments.safetensors", "probes.safetensors")


def carry_out(folder: Path, drawn: Path, *, overlaps: bool = False) -> None:
    """Run the study in this process, and note how many pictures it drew."""
    torch.set_num_threads(1)
    real, count = batches.trace, 0

    def trace(model, prompts, **how):
        nonlocal count
        count += len(prompts)
        return real(model, prompts, **how)

    batches.trace = trace
    # The network that is trained on x̂₀ draws the training pictures once more; it is left out.
    plan = replace(worlds.study(BATCH), overlaps=overlaps, trains=False)
    training.SUMS_PER_S = float("inf")  # sums after every batch
    stages.carry_out(plan, runs.open_run(folder, {}), lambda *_: None)
    drawn.write_text(str(count))


def kept(folder: Path) -> int:
    """Count the pictures that need not be drawn again, from what is whole on disk."""
    split = worlds.study(BATCH).split
    run = runs.Run(folder)
    held_out = len(split.validation) + len(split.test)
    if is_whole(run.moments):
        trained = len(split.train)
    else:
        states: dict[str, int] = {"tuning": 0, "training": 0}
        for path in run.shards.glob("t*.safetensors"):
            part, images = re.fullmatch(r"(\w+)-(\d+)", path.stem).groups()
            if is_whole(path):
                states[part] = max(states[part], int(images))
        trained = sum(states.values())
    if is_whole(run.scores) and is_whole(run.probes):
        return trained + held_out
    batches = {
        path.name: min(BATCH, len(split.validation) - int(path.stem.split("-")[1]))
        for path in run.shards.glob("validation-*.safetensors")
        if is_whole(path)
    }
    for path in run.shards.glob("scores-*.parquet"):
        first = int(path.stem.split("-")[1])
        if first >= len(split.validation) and is_whole(path):
            batches[path.name] = min(BATCH, held_out - first)
    return trained + sum(batches.values())


def start(
    folder: Path, drawn: Path, *, overlaps: bool = False
) -> multiprocessing.process.BaseProcess:
    """Start the study in a process of its own."""
    process = multiprocessing.get_context("fork").Process(
        target=carry_out, args=(folder, drawn), kwargs={"overlaps": overlaps}
    )
    process.start()
    return process


def facts(folder: Path) -> tuple:
    """Give what must be the same: the summary but for its cost, and every file of numbers."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    summary.pop("cost")
    shown = sorted(runs.Run(folder).shown.glob("*.safetensors"))
    return summary, [path.read_bytes() for path in (*(folder / name for name in FILES), *shown)]


def main() -> int:
    """Do all trials and print one line: kills, lost, and whether all ended the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    moments = random.Random(asked.seed)
    lost = different = failed = before_end = 0
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        begun = time.perf_counter()
        start(place / "whole", place / "drawn").join()
        seconds = time.perf_counter() - begun
        expected, total = facts(place / "whole"), int((place / "drawn").read_text())
        for kill in range(asked.kills):
            folder, drawn = place / f"kill-{kill}", place / f"drawn-{kill}"
            process = start(folder, drawn, overlaps=kill % 2 == 0)
            process.join(moments.uniform(0, seconds))
            before_end += process.is_alive()
            process.kill()
            process.join()
            already = kept(folder)
            drawn.unlink(missing_ok=True)
            again = start(folder, drawn, overlaps=kill % 3 == 0)
            again.join()
            if again.exitcode:
                failed += 1
                continue
            lost += int(drawn.read_text()) - (total - already)
            different += facts(folder) != expected
            print(f"{kill + 1}: {already} of {total} pictures kept", file=sys.stderr)
    same = "identical" if not different + failed else f"{different} differ, {failed} failed"
    print(f"{asked.kills} kills, {lost} lost, {same}")
    print(f"{before_end} of them before the end of a run of {seconds:.1f} s", file=sys.stderr)
    return int(bool(lost or different or failed))


if __name__ == "__main__":
    sys.exit(main())
