"""A run that was stopped, and gone on with when sources of scores had been added or taken away."""

import json
from dataclasses import replace

import pytest

import worlds
from underpaint.core.files import is_whole
from underpaint.runs import runs
from underpaint.scores.sources import SOURCES
from underpaint.study import bygone, scoring
from underpaint.study.bygone import forget_other_sources
from underpaint.study.scoring import Reading
from underpaint.study.stages import carry_out

FLAT = replace(SOURCES[2], name="flat")


def by_flat(property, held):
    labels = held.truth.labels
    cut = 0.5 if property.is_binary else None
    yield Reading("flat", "", [(labels.new_zeros(labels.shape), cut, held.truth)])


def interrupted(run, planned, *, after: str):
    """Carry a study out until a stage has begun, as Ctrl-C would."""

    def progress(stage, done, total):
        if stage == after and done > 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(planned, run, progress)


def names_of(run):
    return json.loads(run.settings.read_text())["sources"]


def test_a_run_stopped_before_a_rival_was_added_is_finished_with_it(tmp_path, monkeypatch):
    planned = replace(worlds.study(8), controls={}, sees_decoder=False)
    run = runs.open_run(tmp_path / "run", {}, sources=[each.name for each in SOURCES])
    interrupted(run, planned, after="held-out pictures")
    assert is_whole(run.moments)
    summed = run.moments.stat().st_mtime_ns
    monkeypatch.setattr(scoring, "SCORERS", (*scoring.SCORERS, by_flat))
    said = []
    forget_other_sources(run, (*SOURCES, FLAT), said.append)
    assert said == [f"Sources have changed since {run.folder} began, with flat: scored again."]
    found = carry_out(planned, run, lambda *_: None)
    assert "flat" in found["properties"]["depth"]["sources"]
    assert names_of(run)[-1] == "flat"
    assert run.moments.stat().st_mtime_ns == summed  # a rival reads no sums


def test_a_source_that_is_gone_or_fitted_has_the_sums_made_again(tmp_path):
    run = runs.open_run(tmp_path / "run", {}, sources=["probe", "old"])
    for path in (run.moments, run.probes, run.scores):
        bygone.write_json(path, {})
    said = []
    forget_other_sources(run, SOURCES[:1], said.append)
    assert "without old" in said[0]
    assert not run.moments.exists()
    bygone.write_json(run.moments, {})
    forget_other_sources(run, SOURCES[:2], said.append)
    assert f"with {SOURCES[1].name}" in said[1]
    assert not run.moments.exists()
    forget_other_sources(run, SOURCES[:2], said.append)
    assert len(said) == 2
