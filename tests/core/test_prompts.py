import itertools
import time
from dataclasses import replace
from pathlib import Path

import pytest

from underpaint.core.errors import PromptError
from underpaint.core.prompts import Prompt, cut_prompts, read_prompts, split_prompts


@pytest.fixture
def write(tmp_path: Path):
    def write(content: str, *, encoding: str = "utf-8") -> Path:
        path = tmp_path / "prompts.csv"
        path.write_bytes(content.encode(encoding))
        return path

    return write


def test_a_file_gives_its_prompts_in_order(write):
    path = write('prompts,seeds,prompt_inds\n"a cone, red",7,3\r\n fog ,0,4\n')
    read = read_prompts(path)
    assert read.prompts == (Prompt("a cone, red", 7, 3), Prompt("fog", 0, 4))
    assert read.encoding == "utf-8"


def test_indices_are_optional_and_other_columns_are_left_alone(write):
    path = write("seeds,by,prompts\n7,me,fog\n")
    assert read_prompts(path).prompts == (Prompt("fog", 7, None),)


@pytest.mark.parametrize(
    ("encoding", "named"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("cp1252", "cp1252")]
)
def test_letters_survive_and_the_encoding_is_named(write, encoding, named):
    read = read_prompts(write("prompts,seeds\nCafé – naïve,1\n", encoding=encoding))
    assert read.prompts[0].text == "Café – naïve"
    assert read.encoding == named


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("prompts,seeds\n", "no prompts below its header"),
        ("prompt,seed\nfog,1\n", "no column 'prompts', only prompt, seed"),
        ("prompts\nfog\n", "no column 'seeds'"),
        ("prompts,seeds\nfog,1.5\n", "line 2 needs whole numbers.*'fog,1.5'"),
        ("prompts,seeds\nfog,\n", "line 2 needs whole numbers.*'fog,'"),
        ("prompts,seeds,prompt_inds\nfog,1,x\n", "whole numbers for seeds and prompt_inds"),
        ("prompts,seeds\nfog,-1\n", "line 2: Seed -1 is out of range.*'fog,-1'"),
        ("prompts,seeds\nfog,9223372036854775808\n", "out of range"),
        ("prompts,seeds\n  ,1\n", "line 2: A prompt has no text"),
        ("prompts,seeds\nfog\n", "line 2 has more or fewer cells than the header: 'fog'"),
        ("prompts,seeds\na cone, red,1\n", "more or fewer cells.*'a cone, red,1'"),
        ("prompts,seeds,prompt_inds\nfog,1,5\nrain,2,5\n", "uses prompt_inds 5 twice"),
        ('prompts,seeds\n"fog,1\n', "not valid CSV"),
    ],
)
def test_an_unusable_file_is_refused_with_its_reason(write, content, words):
    with pytest.raises(PromptError, match=words) as caught:
        read_prompts(write(content))
    assert "\n" not in str(caught.value)


def test_a_long_row_is_quoted_in_part(write):
    with pytest.raises(PromptError) as caught:
        read_prompts(write(f"prompts,seeds\n{'fog ' * 200},x\n"))
    assert len(str(caught.value)) < 300


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "image.csv"
    path.write_bytes(b"prompts,seeds\n\x81\xff,1\n")
    with pytest.raises(PromptError, match=r"neither UTF-8 nor Windows-1252.*Save it as UTF-8"):
        read_prompts(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(PromptError, match=r"Cannot read .*none\.csv \(No such file"):
        read_prompts(tmp_path / "none.csv")


def test_a_prompt_without_text_or_with_an_impossible_seed_is_refused():
    with pytest.raises(PromptError, match="no text"):
        Prompt(" ", 0)
    with pytest.raises(PromptError, match="Seed -1 is out of range"):
        Prompt("fog", -1)


def many(texts: int = 40, seeds: int = 3) -> list[Prompt]:
    return [Prompt(f"scene {text}", seed) for text in range(texts) for seed in range(seeds)]


def test_no_text_is_in_two_parts_whatever_its_case_or_spacing():
    prompts = [
        *many(),
        *(Prompt(f"  SCENE   {text}", 100 + text) for text in range(40)),
    ]
    split = split_prompts(prompts)
    parts = (split.train, split.validation, split.test)
    assert sorted(map(repr, itertools.chain(*parts))) == sorted(map(repr, prompts))
    texts = [{" ".join(prompt.text.lower().split()) for prompt in part} for part in parts]
    assert all(not one & other for one, other in itertools.combinations(texts, 2))


def test_shares_count_texts():
    split = split_prompts(many(40), validation=0.1, test=0.3)
    assert [len(part) // 3 for part in (split.train, split.validation, split.test)] == [24, 4, 12]


def test_a_split_does_not_depend_on_order_but_on_the_seed():
    assert split_prompts(many()) == split_prompts(many()[::-1])
    assert split_prompts(many(), seed=1) != split_prompts(many())


@pytest.mark.parametrize(("validation", "test"), [(0.15, 0.25), (0.01, 0.98), (0.98, 0.01)])
def test_three_texts_give_every_part_one(validation, test):
    split = split_prompts(many(3, 1), validation=validation, test=test)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [1, 1, 1]


def test_too_few_texts_are_refused():
    with pytest.raises(PromptError, match="2 different prompts cannot be split"):
        split_prompts(many(2, 50))


@pytest.mark.parametrize(("validation", "test"), [(0.0, 0.5), (0.5, 0.0), (0.5, 0.5), (-0.1, 0.2)])
def test_shares_that_leave_a_part_empty_are_refused(validation, test):
    with pytest.raises(PromptError, match="leave a part empty"):
        split_prompts(many(), validation=validation, test=test)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_leak_planted_in_the_split_is_refused(part):
    clean = split_prompts([Prompt(f"thing {i}", i) for i in range(20)])
    leaked = Prompt(clean.train[0].text.upper() + " ", 99)  # another seed, case and spacing
    with pytest.raises(PromptError, match=f"is in train and in {part}"):
        replace(clean, **{part: (*getattr(clean, part), leaked)})


def test_quotes_commas_and_newlines_inside_a_prompt_survive(write):
    path = write('prompts,seeds\n"a ""red"" cone,\non grass",7\n')
    assert read_prompts(path).prompts == (Prompt('a "red" cone,\non grass', 7),)


def test_a_hundred_thousand_rows_are_read_and_checked_in_seconds(write):
    rows = "".join(f"scene {n},{n},{n}\n" for n in range(100_000))
    begun = time.perf_counter()
    with pytest.raises(PromptError, match="uses prompt_inds 5 twice"):
        read_prompts(write(f"prompts,seeds,prompt_inds\n{rows}fog,1,5\n"))
    assert time.perf_counter() - begun < 20  # pairwise comparison would take hours


def test_a_cut_keeps_the_file_s_order_and_takes_validation_from_before_it():
    prompts = many(617, 1)
    split = cut_prompts(prompts, train=246, test=371)
    assert split.test == tuple(prompts[246:])
    assert len(split.validation) == 49
    assert sorted((*split.train, *split.validation), key=prompts.index) == prompts[:246]
    assert [prompts.index(each) for each in split.train] == sorted(map(prompts.index, split.train))
    assert cut_prompts(prompts, train=246, test=371, seed=1).validation != split.validation


def test_fewer_prompts_are_cut_in_the_same_proportion():
    assert len(cut_prompts(many(40, 1), train=246, test=371).test) == 24


@pytest.mark.parametrize(("train", "test"), [(0, 1), (1, 0), (1, 1000), (-1, 1)])
def test_a_cut_that_leaves_a_part_empty_is_refused(train, test):
    with pytest.raises(PromptError, match="40 prompts cannot be cut"):
        cut_prompts(many(40, 1), train=train, test=test)


def test_a_text_on_both_sides_of_a_cut_is_refused():
    with pytest.raises(PromptError, match=r"is in (train|validation) and in test"):
        cut_prompts([*many(10, 1), Prompt("SCENE 1", 5)], train=10, test=1)
