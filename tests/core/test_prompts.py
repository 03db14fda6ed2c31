import itertools
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from underpaint.core.errors import PromptError
from underpaint.core.prompts import (
    Prompt,
    alike,
    cut_prompts,
    distinct,
    read_prompts,
    split_prompts,
)


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
        ("name,seed\nfog,1\n", "no column 'prompts', only 'name, seed'"),
        ("prompt,caption\nfog,mist\n", "columns 'prompt' and 'caption', and either could be"),
        ("Prompts,seed,Seeds\nfog,1,2\n", "columns 'seed' and 'Seeds', and either could be"),
        ("prompts,prompts,seeds\nfog,mist,1\n", "columns 'prompts' and 'prompts'"),
        ("prompts\nfog, thick\n", "line 2 has more or fewer cells.*'fog, thick'"),
        ("prompts,seeds\nf\0og,1\n", "NUL"),
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
        ("prompts,seeds\nfog,1e3\n", "line 2 needs whole numbers.*'fog,1e3'"),
        ("prompts,seeds\nfog,1_000\n", "line 2 needs whole numbers.*'fog,1_000'"),
        ("prompts,seeds\nfog," + "9" * 5000, "line 2 needs whole numbers"),
        ("\n\nprompts,seeds\nfog,x\n", "line 4 needs whole numbers"),
        ('prompts,seeds\r\n"a\r\nb",1\r\n\r\n"c\r\nd",x\r\n', "line 5 needs whole numbers"),
        ("prompts,seeds\rfog,1\rrain,x\r", "line 3 needs whole numbers"),
    ],
)
def test_an_unusable_file_is_refused_with_its_reason(write, content, words):
    with pytest.raises(PromptError, match=words) as caught:
        read_prompts(write(content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("blank", ["\n", "   \n", ",\n", " , \n"])
def test_rows_that_say_nothing_are_no_rows(write, blank):
    path = write(f"{blank if blank == chr(10) else ''}prompts,seeds\nfog,1\n{blank}rain,2\n{blank}")
    assert read_prompts(path).prompts == (Prompt("fog", 1), Prompt("rain", 2))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["prompts.csv", "prompts.txt"])
def test_lines_end_as_any_system_ends_them(tmp_path, end, encoding, name):
    path = tmp_path / name
    path.write_bytes(end.join(["prompts,seeds", "fog,1", "thin\train,2.0", ""]).encode(encoding))
    assert read_prompts(path).prompts == (Prompt("fog", 1), Prompt("thin\train", 2))
    path.write_bytes(end.join(["prompts", "fog", '"rain, thin"', ""]).encode(encoding))
    assert [prompt.text for prompt in read_prompts(path).prompts] == ["fog", "rain, thin"]


def test_lines_of_json_end_at_line_ends_alone(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "fog\u2028rain", "seed": 1}\n{"prompt": "sun", "seed": 2}\n')
    assert [prompt.text for prompt in read_prompts(path).prompts] == ["fog\u2028rain", "sun"]


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_an_object_that_says_one_thing_twice_is_refused(tmp_path, ending):
    path = tmp_path / f"prompts.{ending}"
    lines = ['{"prompt": "fog", "seed": 1, "seed": 2}', '{"prompt": "sun", "seed": 3}']
    path.write_text(f"[{','.join(lines)}]" if ending == "json" else "\n".join(lines))
    with pytest.raises(PromptError, match="the key 'seed' stands twice"):
        read_prompts(path)


def test_a_long_row_is_quoted_in_part(write):
    with pytest.raises(PromptError) as caught:
        read_prompts(write(f"prompts,seeds\n{'fog ' * 200},x\n"))
    assert len(str(caught.value)) < 300


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "image.csv"
    path.write_bytes(b"prompts,seeds\n\x81\xff,1\n")
    with pytest.raises(PromptError, match=r"no encoding that is known here.*Save it as UTF-8"):
        read_prompts(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(PromptError, match=r"Cannot read .*none\.csv \(No such file"):
        read_prompts(tmp_path / "none.csv")


TEXTS = ('a "red" cone,\non grass', "fog")
TABLE = {"prompt": TEXTS, "seed": [7, 2**31], "step": [50, 50], "cfg": [7.5, 7.5]}


def listed(path: Path, kind: str) -> Path:
    """Write the same two prompts as people have them."""
    table = pd.DataFrame(TABLE)
    rows = table.to_dict("records")
    if kind == "parquet":
        table.to_parquet(path)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "list":
        path.write_text(json.dumps(rows, indent=1))
    elif kind == "columns":
        path.write_text(json.dumps({"prompt": TEXTS, "seed": TABLE["seed"]}))
    elif kind == "decimals":
        table.assign(seed=table["seed"].astype(float)).to_csv(path, index=False)
    elif kind.startswith("utf-16"):
        table.to_csv(path, index=False, encoding=kind)
    else:
        table.to_csv(path, index=False, sep=kind)
    return path


KINDS = ["parquet", "jsonl", "list", "columns", "decimals", "utf-16", "utf-16-le", "\t", ";", "|"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["prompts.csv", "prompts"])
def test_the_same_prompts_are_read_from_every_kind_of_file(tmp_path, kind, name):
    read = read_prompts(listed(tmp_path / name, kind))
    assert read.prompts == (Prompt(TEXTS[0], 7), Prompt(TEXTS[1], 2**31))
    assert "column 'prompt' taken for prompts" in read.taken
    assert "column 'seed' taken for seeds" in read.taken


def test_columns_that_are_named_as_documented_are_not_spoken_of(write):
    assert read_prompts(write("prompts,seeds,text\nfog,1,mist\n")).taken == ()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "PartiPrompts.tsv",
            "Prompt\tCategory\tChallenge\tNote\n"
            'a sign\tWorld\tBasic\t\n"KEEP" off the grass\tSigns\tWriting\tquotes\n',
        ),
        ("PartiPrompts.tsv", 'Prompt\tCategory\na sign\n"KEEP" off the grass\tSigns\n'),
        ("DrawBench.csv", 'Prompts,Category\na sign,Text\n"""KEEP"" off the grass",Text\n'),
        ("lines.txt", '\ufeffa sign\r\n\r\n  "KEEP" off the grass\r\n'),
        ("list.json", '["a sign", "\\"KEEP\\" off the grass"]'),
    ],
)
def test_where_a_file_has_no_seeds_they_are_drawn_from_the_run_s_and_said(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    read, other = read_prompts(path, seed=3), read_prompts(path, seed=4)
    assert [each.text for each in read.prompts] == ["a sign", '"KEEP" off the grass']
    assert read == read_prompts(path, seed=3)
    assert [each.seed for each in read.prompts] != [each.seed for each in other.prompts]
    assert read.prompts[0].seed != read.prompts[1].seed
    assert "seeds drawn from seed 3, for it has none" in read.taken


def test_a_text_file_of_one_prompt_a_line_may_begin_with_words_that_name_columns(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("text, on a sign\nprompt; now\n")
    texts = [each.text for each in read_prompts(path).prompts]
    assert texts == ["text, on a sign", "prompt; now"]


@pytest.mark.parametrize(
    ("encoding", "texts"),
    [
        ("cp1251", ("красный конус на траве", "закат над морем, картина маслом", "кошка")),
        ("cp1251", ("кошка",)),
        ("koi8_r", ("красный конус на траве", "кошка")),
        ("gb18030", ("一个红色的圆锥在草地上", "夕阳下的大海，油画", "猫")),
        ("gb18030", ("一只猫坐在窗台上",)),
        ("cp932", ("草の上の赤い円錐", "ネコが寝ている")),
        ("cp1252", ("schöne Häuser am Fluß", "un château près d'une rivière", "pää")),
        ("cp1252", ("été",)),
        ("mac_roman", ("schöne Häuser am Fluß", "crème brûlée")),
    ],
)
def test_letters_are_never_spoiled_by_reading_one_encoding_as_another(write, encoding, texts):
    rows = "".join(f'"{text}",{seed}\n' for seed, text in enumerate(texts))
    read = read_prompts(write(f"prompts,seeds\n{rows}", encoding=encoding))
    assert tuple(each.text for each in read.prompts) == texts
    assert read.encoding == encoding


@pytest.mark.parametrize("encoding", ["euc_kr", "euc_jp", "cp1253", "big5"])
def test_an_encoding_that_is_not_plain_is_right_or_refused(write, encoding):
    text = {"euc_kr": "고양이", "euc_jp": "草の上", "cp1253": "κώνος", "big5": "一個紅色的圓錐"}
    path = write(f"prompts,seeds\n{text[encoding]},1\n", encoding=encoding)
    try:
        assert read_prompts(path).prompts[0].text == text[encoding]
    except PromptError as error:
        assert "Save it as UTF-8" in str(error)  # noqa: PT017 (either outcome is right)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", '{"prompt": "fog", "seed": 1}\n{"prompt": "rain"}\n', "needs whole numbers"),
        ("a.jsonl", '{"prompt": "fog", "seed": true}\n', "needs whole numbers"),
        ("a.jsonl", '{"prompt": "fog", "seed": 1e300}\n', "needs whole numbers"),
        ("a.jsonl", '{"prompt": ["fog"], "seed": 1}\n', "no text for a prompt"),
        ("a.jsonl", '{"prompt": "\\ud800", "seed": 1}\n', "no characters"),
        ("a.json", '["fog", {"prompt": "rain"}]', "mixes kinds"),
        ("a.json", "[" * 100_000, "not valid JSON"),
        ("a.json", '{"prompt": "fog"', "not valid JSON"),
        ("a.csv", "PAR1 and no more", "no whole Parquet"),
    ],
)
def test_other_kinds_of_unusable_files_are_refused_in_one_line(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(PromptError, match=words) as caught:
        read_prompts(path)
    assert "\n" not in str(caught.value)


def test_parquet_without_a_seed_in_a_row_is_refused_with_the_row(tmp_path):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"prompt": ["fog", "rain"], "seed": [1.0, np.nan]}).to_parquet(path)
    with pytest.raises(PromptError, match="row 2 needs whole numbers"):
        read_prompts(path)


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


def first_words(prompt: Prompt) -> tuple[str, ...]:
    """Read two words, as a model with a short context does."""
    return tuple(prompt.text.split()[:2])


def test_texts_that_the_model_reads_as_one_are_in_one_part():
    prompts = [Prompt(f"scene {i} {end}", i) for i in range(20) for end in ("at dawn", "at dusk")]
    split = split_prompts(prompts, reads=first_words)
    parts = (split.train, split.validation, split.test)
    read = [{first_words(prompt) for prompt in part} for part in parts]
    assert all(not one & other for one, other in itertools.combinations(read, 2))
    assert {prompt.text for part in parts for prompt in part} == {each.text for each in prompts}
    assert all(len({each.group for each in part}) * 2 == len(part) for part in parts)


def test_being_one_prompt_goes_on_from_text_to_text():
    prompts = [Prompt("fog on hills", 1), Prompt("FOG ON hills", 2), Prompt("FOG ON sea", 3)]
    marked = alike([*prompts, Prompt("rain on sea", 4)], first_words)
    assert len({each.group for each in marked}) == 2
    assert alike(prompts[::-1], first_words)[::-1] == marked[:3]
    assert alike(marked, first_words) == marked


def test_a_cut_between_texts_that_the_model_reads_as_one_is_refused():
    prompts = [*many(10, 1), Prompt("scene 1 at dusk", 5)]
    assert len(cut_prompts(prompts, train=10, test=1).test) == 1
    with pytest.raises(PromptError, match=r"is in .* and in test.*does not tell it from"):
        cut_prompts(prompts, train=10, test=1, reads=first_words)


def test_what_would_draw_the_same_picture_again_is_left_out():
    prompts = [Prompt("fog on hills", 1, 0), Prompt("fog on sea", 1, 1), Prompt("fog on sea", 2, 2)]
    assert distinct(prompts, first_words) == [prompts[0], prompts[2]]


def test_a_row_that_stands_twice_is_taken_once():
    split = split_prompts([*many(), *many()])
    assert sum(map(len, (split.train, split.validation, split.test))) == len(many())


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
    begun = time.process_time()  # of this process alone: others may be at work beside it
    with pytest.raises(PromptError, match="uses prompt_inds 5 twice"):
        read_prompts(write(f"prompts,seeds,prompt_inds\n{rows}fog,1,5\n"))
    assert time.process_time() - begun < 20  # pairwise comparison would take hours


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
