"""Which prompts a run takes, and how it splits them: by what its model reads."""

import pytest

import underpaint
import worlds
from underpaint.cli.prompts import prompts_of, split_of
from underpaint.core.errors import PromptError
from underpaint.models import Model
from underpaint.models.reading import reads
from underpaint.world.words import CAPTIONS

HOW = {"count": 100, "seed": 0, "cut": None}
LONG = "b" * 40


@pytest.fixture(scope="module")
def reading():
    return reads(worlds.pipeline())


def parts(split):
    return [{each.text for each in part} for part in (split.train, split.validation, split.test)]


def test_texts_that_differ_past_the_limit_are_one_prompt_and_that_is_said(
    reading, tmp_path, capsys
):
    path = tmp_path / "prompts.csv"
    texts = [f"{letter} {LONG} {end}" for letter in "acdefghi" for end in range(4)]
    rows = "".join(f"{text},{seed}\n" for seed, text in enumerate(texts))
    path.write_text(f"prompts,seeds\n{rows}")
    split = split_of(prompts_of(path, count=100, seed=0), reads=reading, **HOW)
    starts = [{text[0] for text in part} for part in parts(split)]
    assert sum(map(len, starts)) == len(set.union(*starts)) == 8
    assert sum(map(len, parts(split))) == 32
    said = capsys.readouterr().err
    assert "32 texts are longer than the model reads" in said
    assert "24 are one prompt with another to the model" in said


def test_rows_that_draw_one_picture_are_left_out_unless_each_has_its_own(reading, tmp_path, capsys):
    path = tmp_path / "prompts.csv"
    rows = "".join(f"{letter} {LONG} {end},7\n" for letter in "acdef" for end in range(2))
    path.write_text(f"prompts,seeds\n{rows}")
    asked = prompts_of(path, count=100, seed=0)
    assert sum(map(len, parts(split_of(asked, reads=reading, **HOW)))) == 5
    assert "5 rows would draw the picture of another row again" in capsys.readouterr().err
    given = split_of(asked, reads=reading, are_given=True, **HOW)
    assert sum(map(len, parts(given))) == 10


def test_a_model_without_prompts_never_draws_one_seed_in_two_parts(tmp_path):
    path = tmp_path / "prompts.csv"
    path.write_text("prompts,seeds\n" + "".join(f"text {i},{i // 2}\n" for i in range(20)))
    reading = reads(Model.of(worlds.unprompted_pipeline(), name="ldm"))
    split = split_of(prompts_of(path, count=100, seed=0), reads=reading, **HOW)
    seeds = [prompt.seed for part in (split.train, split.validation, split.test) for prompt in part]
    assert sorted(seeds) == list(range(10))


def test_what_was_taken_for_what_is_said(tmp_path, capsys):
    path = tmp_path / "PartiPrompts.tsv"
    path.write_text("Prompt\tCategory\nfog\tWorld\nrain\tWorld\nsun\tWorld\n")
    asked = prompts_of(path, count=2, seed=5)
    assert [each.text for each in asked] == ["fog", "rain"]
    said = capsys.readouterr().err
    assert "has 3 prompts; --count takes the first 2." in said
    assert said.count("\n") == 2
    for words in ("parted by tabs", "'Prompt' taken for prompts", "drawn from seed 5"):
        assert words in said


def test_the_embedded_model_tells_all_its_captions_apart():
    reading = reads(underpaint.load("tiny"))
    read = {reading(underpaint.Prompt(str(caption), 1)) for caption in CAPTIONS}
    assert len(read) == len(CAPTIONS)
    assert not any(reading.is_cut(str(caption)) for caption in CAPTIONS)


def test_a_cut_that_parts_what_the_model_reads_as_one_is_refused(reading, tmp_path):
    path = tmp_path / "prompts.csv"
    rows = [f"{letter} {LONG} {end},{end}\n" for end in range(2) for letter in "acdef"]
    path.write_text("prompts,seeds\n" + "".join(rows))
    with pytest.raises(PromptError, match="The model does not tell it from"):
        split_of(prompts_of(path, count=9, seed=0), reads=reading, **HOW | {"cut": (1, 1)})
