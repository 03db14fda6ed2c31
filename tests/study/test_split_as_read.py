"""A study built in Python is split by what its model reads, as the command line's is."""

from dataclasses import replace

import pytest

from underpaint.core.errors import PromptError
from underpaint.core.prompts import Prompt, Split
from worlds import study

LONG = " ".join(["cone"] * 100)


@pytest.fixture(scope="module")
def planned():
    return study(8)


def split_of(train: str, test: str) -> Split:
    return Split((Prompt(train, 1),), (Prompt("a validated thing", 2),), (Prompt(test, 3),))


@pytest.mark.parametrize("other", [f"{LONG} blue", "CONE  " + LONG[5:]])
def test_two_texts_that_the_model_reads_as_one_are_not_in_train_and_test(planned, other):
    with pytest.raises(PromptError, match=r"is in train and in test.*reads=underpaint\.reads"):
        replace(planned, split=split_of(f"{LONG} red", other))


def test_two_texts_of_one_part_that_the_model_reads_as_one_are_one_unit(planned):
    both = (Prompt(f"{LONG} red", 1), Prompt(f"{LONG} blue", 2), Prompt("fog", 3))
    split = Split((Prompt("a", 4),), (Prompt("b", 5),), both)
    found = replace(planned, split=split).split.test
    assert [each.text for each in found] == [each.text for each in both]
    assert found[0].group == found[1].group != found[2].group


def test_a_picture_that_would_be_drawn_twice_is_refused_unless_pictures_are_given(planned):
    twice = (Prompt(f"{LONG} red", 1, 0), Prompt(f"{LONG} blue", 1, 1))
    split = Split(twice, (Prompt("a", 4),), (Prompt("b", 5),))
    with pytest.raises(PromptError, match="with seed 1 would draw the picture of another row"):
        replace(planned, split=split)
    given = replace(planned, split=split, pictures=lambda prompts: pytest.fail("not asked"))
    assert len(given.split.train) == 2
