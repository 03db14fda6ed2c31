"""What remakes the pages: stages that are done stay done, and one that fails leaves them so."""

import json
import subprocess

import pytest
from benchmarks.editing import PARTS
from benchmarks.remaking import RECORD, Stage, carry_out, stages


def test_stages_that_are_done_are_not_done_again(tmp_path):
    log = tmp_path / "log"
    write = f"open({str(log)!r}, 'a').write"
    first = Stage("first", ("-c", f"{write}('1')"))
    broken = Stage("second", ("-c", "raise SystemExit(3)"))
    with pytest.raises(subprocess.CalledProcessError):
        carry_out(tmp_path, [first, broken])
    assert list(json.loads((tmp_path / RECORD).read_text())) == ["first"]
    mended = Stage("second", ("-c", f"{write}('2')"))
    took = carry_out(tmp_path, [first, mended])
    assert log.read_text() == "12"
    assert list(took) == ["first", "second"]
    assert all(seconds > 0 for seconds in took.values())


def test_the_study_is_whole_and_every_part_of_the_edits_follows(tmp_path):
    study, splits, crossed, *rest = stages(tmp_path, count=617, limit=40, prompts=3)
    assert "--quick" not in study.words
    assert splits.words == (*study.words, "--splits", "5")
    assert crossed.words[2:] == ("cross", str(tmp_path), "--captions", "12", "--noises", "12")
    assert [stage.name for stage in rest] == [f"editing: {part}" for part in PARTS]
