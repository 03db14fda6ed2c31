"""The paper of a run: its numbers are the run's, its sentences are what intervals allow."""

import copy
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from underpaint.cli.main import main
from underpaint.core.errors import RunError
from underpaint.core.prompts import Prompt
from underpaint.figures.paper import write_paper
from underpaint.figures.paper.markup import plain
from underpaint.figures.paper.words import abstract, property_words
from underpaint.runs import runs
from underpaint.scores.findings import rivalry, title

HOSTILE = 'a #red "cone" \\ $x$ @chen2023 <img src=x> [*] 🎈'


def point(mean, low=None, high=None):
    return {"mean": mean, "low": low, "high": high, "undefined": 0}


def lead(steps, low, high):
    return {"steps": steps, "low": low, "high": high, "log_noise": None}


def source(final, onset=None):
    steps = [point(0.1), point(0.2), point(final, final - 0.02, final + 0.02)]
    metrics = {"dice": {"by_step": steps, "final": steps[-1]}}
    return {
        "layer": "up.0",
        "by_step": steps,
        "final": steps[-1],
        "onset": onset,
        "reached": onset,
        "metrics": metrics,
    }


@pytest.fixture
def summary():
    onset = {"step": 2, "low": 2, "high": 3}
    found = {
        "metric": "dice",
        "best_layer": "up.0",
        "bar": 0.7,
        "sources": {"probe": source(0.83, onset), "position": source(0.31)},
        "lead": {"image": lead(4, 4, 5), "estimate": lead(-1, -1, -1)},
        "crossover": {"image": None, "estimate": None},
        "layers": {},
    }
    return {
        "model": "world",
        "steps": 3,
        "noise": [None, 2.4, 0.5],
        "images": {"train": 30, "validation": 9, "test": 12},
        "properties": {"saliency": found},
        "cost": {"seconds": 3.0, "seconds_generation": 2.0, "peak_rss_mb": 9.0},
    }


def test_nothing_is_called_early_where_the_interval_includes_zero(summary):
    assert title(summary).startswith("The scene can be read before")
    even = copy.deepcopy(summary)
    even["properties"]["saliency"]["lead"] = {"image": lead(1, 0, 2), "estimate": lead(0, -1, 1)}
    for said in (title(even), abstract(even), rivalry(even)):
        assert "can be read before" not in said
        assert "earlier" not in said
    assert "neither is measurably first" in rivalry(even)


def test_the_numbers_of_a_sentence_are_the_runs(summary):
    found = summary["properties"]["saliency"]
    said = property_words("saliency", found, summary)
    assert "the probe scores Dice 0.83 (0.81 to 0.85)." in said
    assert "By step 2 (2.4× more noise than signal) the probe at up.0 has 90%" in said
    assert "the labeler on the noisy picture reaches the same score 4 steps later (4 to 5)" in said
    assert "The one bar is 0.70." in said
    none = {**found, "bar": None, "lead": {"image": None, "estimate": None}}
    assert "not measurably above its controls" in property_words("saliency", none, summary)


@pytest.mark.parametrize("name", ["a_b", HOSTILE, "x*y*"])
def test_a_property_of_ones_own_is_named_as_it_is(name, summary):
    summary["properties"] = {name: summary["properties"]["saliency"]}
    for markup in (property_words(name, summary["properties"][name], summary), abstract(summary)):
        outside = re.sub(r'#"(\\.|[^"\\])*"', "", markup)
        assert set(outside) <= set("*. ")


def test_text_from_outside_is_never_markup():
    literal = plain(HOSTILE)
    assert literal.startswith('#"')
    assert literal.endswith('"')
    assert not re.search(r'(?<!\\)"', literal[2:-1])
    assert "\n" not in plain("a\nb")


@pytest.fixture
def finished(tmp_path, summary):
    run = runs.open_run(
        tmp_path / "run",
        {
            "model": f"models/{HOSTILE}",
            "fingerprint": "sha256:0",
            "scheduler": "DDIMScheduler",
            "steps": 3,
            "guidance": 2.0,
            "layers": ["up.0"],
            "properties": ["saliency"],
            "labelers": {"tiny": ["MIT", "sha256:1"]},
        },
    )
    runs.write_json(run.summary, summary)
    counts = summary["images"]
    others = {part: [Prompt(part, n, n) for n in range(counts[part])] for part in counts}
    runs.write_prompts(run, others | {"test": [Prompt(HOSTILE, 1, 0), *others["test"][1:]]})
    return run


def test_a_run_becomes_a_tagged_pdf_with_its_source_beside_it(finished):
    pytest.importorskip("typst")
    result = CliRunner().invoke(main, ["paper", str(finished.folder)])
    assert result.exit_code == 0, result.output
    pdf = finished.folder / "paper" / "paper.pdf"
    assert result.output.strip() == str(pdf)
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF-")
    assert b"/StructTreeRoot" in content
    source = (finished.folder / "paper" / "paper.typ").read_text(encoding="utf-8")
    assert plain(HOSTILE[:90]) in source
    assert "<<" not in source
    assert "0.83 (0.81 to 0.85)" in source


def test_a_picture_that_cannot_be_copied_or_drawn_is_one_line(finished):
    pytest.importorskip("typst")
    for make in (Path.mkdir, Path.touch):
        shutil.rmtree(finished.figures, ignore_errors=True)
        finished.figures.mkdir()
        make(finished.figures / "curves-saliency.png")
        result = CliRunner().invoke(main, ["paper", str(finished.folder)])
        assert isinstance(result.exception, SystemExit)
        assert result.output.startswith("Error: ")
        assert "figures" in result.output


def test_without_typst_the_paper_says_what_to_install(finished, monkeypatch):
    monkeypatch.setattr("underpaint.figures.paper.writing.find_spec", lambda _name: None)
    with pytest.raises(RunError, match=r"underpaint\[paper\]"):
        write_paper(finished)
