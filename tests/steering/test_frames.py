"""Frames of an edit on a random model: the same pictures at every strength, whole or not there."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import worlds
from underpaint.core.errors import EditError, RunError
from underpaint.core.prompts import Prompt
from underpaint.runs import runs
from underpaint.runs.runs import Run
from underpaint.site.views import write_edits
from underpaint.steering.aims import aim_at
from underpaint.steering.experiments import edit_all, edit_frames
from underpaint.steering.frames import STRENGTHS, read_frames, strengths_of, write_frames
from underpaint.steering.targets import random_move

PROMPTS = [Prompt(f"thing {i}", i, i) for i in range(3)]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


@pytest.fixture
def found(setup):
    return edit_frames(setup, worlds.trial(), PROMPTS, aim_at(random_move), (1.0, 3.0))


def test_a_frame_is_the_picture_that_the_edit_alone_makes(setup, found):
    rows, shown = edit_all(
        setup, worlds.trial(strength=3.0), PROMPTS, [aim_at(random_move)], lambda *_: None
    )
    of_three, pictures = found[3.0]
    assert of_three["dice_target"].equals(rows["dice_target"])
    assert [(a.after == b.after).all() for a, b in zip(shown, pictures, strict=True)] == [True] * 3
    assert not (found[1.0][1][0].after == pictures[0].after).all()


def test_what_is_kept_is_read_back_and_packed_in_one_row(found, tmp_path):
    out = Run(tmp_path / "run")
    folder = write_frames(out, "moves", worlds.trial(), found)
    ((place, words),) = read_frames(out)
    assert place == folder
    assert words["strengths"] == [1.0, 3.0]
    assert [each["index"] for each in words["pictures"]] == [0, 1, 2]
    expected = found[3.0][0].set_index("image")["dice_target"]
    assert [each["dice_target"][1] for each in words["pictures"]] == expected.tolist()
    assert write_edits(out, tmp_path / "edits")
    sheet = pixels(tmp_path / "edits" / "0" / "00001-mask.webp")
    tiles = [pixels(folder / "00001" / f"{name}.png") for name in
             ("target", "strength-1-mask", "strength-3-mask")]  # fmt: skip
    np.testing.assert_array_equal(sheet, np.concatenate(tiles, axis=1))
    assert set(np.unique(sheet)) == {0, 255}


def test_a_picture_that_cannot_be_edited_has_no_frames(setup, tmp_path):
    def only_first(old, random):
        if random.integers(2):
            raise EditError("No room.")
        return aim_at(random_move)(old, random)

    found = edit_frames(
        setup, worlds.trial(), [Prompt("thing", i, i) for i in range(6)], only_first, (1.0,)
    )
    write_frames(Run(tmp_path), "some", worlds.trial(), found)
    ((_, words),) = read_frames(Run(tmp_path))
    rows = found[1.0][0]
    assert [each["index"] for each in words["pictures"]] == rows["image"][
        rows["left_out"] == ""
    ].tolist()
    assert 0 < len(words["pictures"]) < 6


def test_a_lost_picture_is_one_line_that_says_what_to_do(found, tmp_path):
    folder = write_frames(Run(tmp_path / "run"), "moves", worlds.trial(), found)
    (folder / "00001" / "strength-3.png").unlink()
    with pytest.raises(RunError, match=r"Cannot read .*strength-3.png .* Run `underpaint edit`"):
        write_edits(Run(tmp_path / "run"), tmp_path / "edits")


def test_the_trials_own_strength_is_among_those_kept_once():
    assert strengths_of(worlds.trial(strength=3.0)) == STRENGTHS
    assert strengths_of(worlds.trial(strength=2.5))[3] == 2.5
    assert 0.0 not in strengths_of(worlds.trial(strength=0.0))


def test_the_command_keeps_frames_of_so_many_pictures_or_none(command, run):
    assert command("--count", 2, "--frames", 0).exit_code == 0
    assert list(read_frames(run)) == []
    for control in ("none", "random", "none"):
        assert command("--count", 2, "--frames", 3, "--control", control).exit_code == 0
    kept = list(read_frames(run))
    assert [words["control"] for _, words in kept] == ["none", "random"]
    assert [len(words["pictures"]) for _, words in kept] == [3, 3]


def test_frames_are_as_many_as_asked_whatever_the_batch(command, run):
    tests = len(runs.read_split(run, "test"))
    for batch in (1, 32):
        assert command("--count", 8, "--frames", tests, "--batch", batch).exit_code == 0
        ((_, words),) = read_frames(run)
        assert len(words["pictures"]) == tests


def test_one_frame_of_another_picture_s_target_takes_two(command, run):
    result = command("--count", 1, "--frames", 1, "--control", "other")
    assert result.exit_code == 0, result.output
    ((_, words),) = read_frames(run)
    assert len(words["pictures"]) == 1
