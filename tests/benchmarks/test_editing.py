"""The page of edits is remade by commands that are not carried out twice."""

import pytest

from benchmarks import edit_tables, editing
from underpaint.runs.runs import Run
from underpaint.scores.alike import SETTINGS
from underpaint.steering.trials import MEASURES


def test_what_was_stopped_goes_on_with_the_commands_that_are_left(tmp_path, monkeypatch):
    carried_out = []

    def underpaint(*words):
        if len(carried_out) == 2:
            raise KeyboardInterrupt
        carried_out.append(words)

    monkeypatch.setattr(editing, "underpaint", underpaint)
    with pytest.raises(KeyboardInterrupt):
        editing.measure(Run(tmp_path), ["controls"], limit=4, prompts=1)
    monkeypatch.setattr(editing, "underpaint", lambda *words: carried_out.append(words))
    editing.measure(Run(tmp_path), ["controls"], limit=4, prompts=1)
    named = [words[words.index("--control") + 1] for words in carried_out]
    assert named == list(editing.CONTROLS)
    editing.measure(Run(tmp_path), ["controls"], limit=4, prompts=1)
    assert len(carried_out) == len(editing.CONTROLS)
    editing.measure(Run(tmp_path), ["controls"], limit=8, prompts=1)  # other pictures
    assert len(carried_out) == 2 * len(editing.CONTROLS)


def entry(**changes):
    """Make an entry of a summary, whose numbers are all the same."""
    settings = dict.fromkeys(SETTINGS, 0) | {
        "target": "random moves", "prompts": "24 of test", "control": "none", "steps": [1, 5],
        "layers": "up.*", "carried": "", "seen_by": "labelers", "beside": False,
    }  # fmt: skip
    number = {"mean": 0.5, "low": 0.25, "high": 0.75, "median": 0.5}
    measured = dict.fromkeys((*MEASURES, "kid", "dice_seen"), number)
    return {**settings, "images": 24, "left_out": 2, "time": 1.0, **measured, **changes}


def cells(lines, *columns):
    return [tuple(line.split(" | ")[place].strip("| ") for place in columns) for line in lines[2:]]


def test_who_saw_the_pictures_is_compared_at_the_same_steps():
    above = {"mean": -0.125, "low": -0.25, "high": 0.0}
    probed = {"seen_by": "probes", "success_above_labelers": above}
    entries = [
        entry(),
        entry(control="patch", steps=[3, 3]),
        entry(steps=[1, 10]),  # of the doses
        entry(seen_by="probes", beside=True, target="random moves, beside the object"),
        entry(control="random"),
        entry(**probed),
        entry(**probed, control="patch", steps=[3, 3]),
        entry(**probed, prompts="24 of validation"),
    ]
    table = edit_tables.seen_table(entries)
    assert cells(table, 0, 1, 2) == [
        ("labelers", "none", "1–5"),
        ("probes", "none", "1–5"),
        ("labelers", "random", "1–5"),
        ("labelers", "patch", "3–3"),
        ("probes", "patch", "3–3"),
    ]
    assert cells(table, 9)[:2] == [("–",), ("-0.12 (-0.25 … 0.00)",)]
    assert edit_tables.seen_table(entries[:3]) == ["Not measured yet."]


def test_second_objects_have_a_table_of_their_own():
    second = {"beside": True, "target": "random moves, beside the object"}
    entries = [
        entry(control="weight"),  # by which the defaults are known
        entry(),
        entry(**second, control="paste", steps=[15, 15]),
        entry(**second, control="paste", steps=[8, 8]),
        entry(**second),
    ]
    found = cells(edit_tables.beside_table(entries), 0, 1)
    assert found == [("none", "1–5"), ("paste", "15–15"), ("paste", "8–8")]
    assert cells(edit_tables.edit_table(entries)[2:], 0) == [("none",), ("weight",)]
    assert edit_tables.target_table(entries) == ["Not measured yet."]
    assert edit_tables.beside_table(entries[:2]) == ["Not measured yet."]
