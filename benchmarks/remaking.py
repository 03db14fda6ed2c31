"""Remake what docs say of `tiny`: the full study, crossed draws, edits, searches, the pages.

    python -m benchmarks.remaking [OUT] [--limit 40] [--how "on two cores"]

Stages that are done are not done again: a study goes on where it was cut, and of the others those
that were finished are named in OUT/remade.json, with the seconds that they took. Delete a name
there, or OUT, to have it made anew.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.editing import PARTS
from benchmarks.results import ROOT
from benchmarks.results import main as write_page
from underpaint.core.files import write_file

PROPERTIES = "saliency,depth,shading,normals,albedo"
SPLITS = 5
RECORD = "remade.json"
COMMAND = "from underpaint.cli.main import main; main()"


@dataclass(frozen=True)
class Stage:
    """One piece of the work: its name, and what Python is called with."""

    name: str
    words: tuple[str, ...]


def stages(
    out: Path, *, count: int, limit: int, prompts: int, parts: Sequence[str] = PARTS
) -> tuple[Stage, ...]:
    """List the work in its order.

    Args:
        out: The run's folder.
        count: Pictures of the study.
        limit: Test prompts that are edited.
        prompts: Prompts that are searched for.
        parts: Of the page of edits.
    """
    study = ("run", str(out), "--properties", PROPERTIES, "--count", str(count), "--classes")
    again = (*study, "--splits", str(SPLITS))
    most = ("--captions", "--noises")
    crossed = [word for name in most for word in (name, str(min(12, count // 8)))]
    few = ("--limit", str(limit), "--prompts", str(prompts))
    return (
        Stage("study", ("-c", COMMAND, *study)),
        Stage("other splits", ("-c", COMMAND, *again)),
        Stage("crossed draws", ("-c", COMMAND, "cross", str(out), *crossed)),
        *(
            Stage(f"editing: {part}", ("-m", "benchmarks.editing", str(out), "--only", part, *few))
            for part in parts
        ),
    )


def carry_out(out: Path, work: Sequence[Stage]) -> dict[str, float]:
    """Do the stages that are not done; give the seconds of all of them.

    Raises:
        subprocess.CalledProcessError: if one fails. Those before it stay done.
    """
    record = out / RECORD
    done: dict[str, float] = json.loads(record.read_text()) if record.exists() else {}
    for stage in work:
        if stage.name in done:
            continue
        begun = time.perf_counter()
        print(f"== {stage.name}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, *stage.words], check=True, cwd=ROOT)
        done[stage.name] = time.perf_counter() - begun
        content = json.dumps(done, indent=1)
        write_file(record, lambda part, content=content: part.write_text(content))
    return {stage.name: done[stage.name] for stage in work}


def main() -> None:
    """Do what is asked for, then write the pages."""
    parser = argparse.ArgumentParser(description="Remake docs/results.md and docs/editing.md.")
    parser.add_argument("out", type=Path, nargs="?", default=ROOT / "results")
    parser.add_argument("--count", type=int, default=617, help="Pictures of the study.")
    parser.add_argument("--limit", type=int, default=40, help="Test prompts to edit.")
    parser.add_argument("--prompts", type=int, default=3, help="Prompts to search for.")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="Of the edits.")
    parser.add_argument("--how", default="", help="What the times depend on, for the page.")
    asked = parser.parse_args()
    out = asked.out.resolve()
    few = {name: getattr(asked, name) for name in ("count", "limit", "prompts", "parts")}
    work = stages(out, **few)
    took = carry_out(out, work)
    write_page(out, asked.how)
    for name, seconds in took.items():
        print(f"{name}: {seconds:.0f} s")


if __name__ == "__main__":
    main()
