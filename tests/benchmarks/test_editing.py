"""The page of edits is remade by commands that are not carried out twice."""

import pytest

from benchmarks import editing
from underpaint.runs.runs import Run


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
