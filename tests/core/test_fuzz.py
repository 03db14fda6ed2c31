"""Whatever bytes a file holds: an answer, or one line that says what is wrong. Nothing else."""

import io
import json
import os
import random
import shutil
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file

from underpaint.cli import main as cli
from underpaint.core import pictures
from underpaint.core.errors import RunError, UnderpaintError
from underpaint.core.files import write_sealed
from underpaint.core.prompts import read_prompts, split_prompts
from underpaint.runs import runs
from underpaint.steering.targets import read_map, read_mask
from underpaint.study.stages import carry_out
from worlds import study

FUZZ = settings(
    max_examples=40,
    deadline=60_000,  # milliseconds: more than that is a hang, on the busiest machine too
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
CPU = torch.device("cpu")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Finish a small run, with settings as the command line would write them."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    plan = study(8)
    asked = {
        "model": "world",
        "fingerprint": "",
        "scheduler": "DDIMScheduler",
        "steps": 2,
        "guidance": 3.0,
        "layers": [layer.name for layer in plan.layers],
        "properties": ["saliency", "depth"],
    }
    run = runs.open_run(folder, asked)
    carry_out(plan, run, lambda *_: None)
    return run


@pytest.fixture(scope="module")
def damaged(whole, tmp_path_factory):
    """Give a copy of that run, for tests to damage one file of at a time."""
    folder = tmp_path_factory.mktemp("runs") / "copy"
    shutil.copytree(whole.folder, folder)
    return runs.Run(folder)


def one_line(error: UnderpaintError) -> None:
    assert str(error).strip()
    assert "\n" not in str(error).strip()


def tried(action, *arguments, **how):
    """Do it, or see it refused in one line."""
    try:
        return action(*arguments, **how)
    except UnderpaintError as error:
        one_line(error)
        return None


def invoke(*arguments):
    """Run a command: done, or one line and exit code 1. Any other exception is the test's."""
    result = CliRunner().invoke(cli.main, [str(each) for each in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in (0, 1)
    return result


def flipped(content: bytes, seed: int) -> bytes:
    """Cut bytes short, or change some of them."""
    chance = random.Random(seed)
    changed = bytearray(content)
    if chance.random() < 0.3:
        return bytes(changed[: chance.randrange(len(changed) + 1)])
    for _ in range(chance.choice((1, 1, 4, 40))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def files_of(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


CELLS = st.sampled_from(
    [
        "",
        "a cone",
        '"',
        '"a, b"',
        "1",
        "-1",
        "9" * 30,
        "1e3",
        "１",
        "é",
        "\0",
        "\r",
        "=1+1",
        "../../x",
    ]
)
ROWS = st.lists(st.lists(CELLS, min_size=1, max_size=4).map(",".join), max_size=6)
HEADERS = st.sampled_from(
    ["prompts,seeds", "seeds,prompts,prompt_inds", "prompts,prompts,seeds", "prompts", "", ",,"]
)


@FUZZ
@given(
    content=st.binary(max_size=200)
    | st.builds(lambda h, r: "\n".join([h, *r]).encode(), HEADERS, ROWS)
)
def test_any_prompts_file_is_read_or_refused(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "prompts.csv"
    path.write_bytes(content)
    found = tried(read_prompts, path)
    if found is not None:
        tried(split_prompts, found.prompts)
        assert all(each.text.strip() and 0 <= each.seed < 2**63 for each in found.prompts)


def png(mode: str, size: tuple[int, int]) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).convert(mode).resize(
            size
        ).save(file, "PNG")
        return file.getvalue()


PICTURES = [png(mode, (16, 16)) for mode in ("L", "RGB", "RGBA", "P", "1", "I;16")]


@FUZZ
@given(
    content=st.binary(max_size=100)
    | st.builds(flipped, st.sampled_from(PICTURES), st.integers(0, 10**6))
    | st.sampled_from([*PICTURES, png("L", (1, 1)), png("L", (17, 16))])
)
@pytest.mark.parametrize("read", [read_mask, read_map])
def test_any_drawn_mask_or_map_is_read_or_refused(read, content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "mask.png"
    path.write_bytes(content)
    found = tried(read, path, (16, 16))
    assert found is None or (found.shape == (1, 16, 16) and bool(found.isfinite().all()))


def replaced(value, chance: random.Random, other):
    """Put something else in one place of nested JSON, or take that place away."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value))
        rest = {name: each for name, each in value.items() if name != key}
        return rest if chance.random() < 0.2 else {**rest, key: replaced(value[key], chance, other)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        place = chance.randrange(len(value))
        return [*value[:place], replaced(value[place], chance, other), *value[place + 1 :]]
    return other


DEEP = "[" * 100_000
HUGE = '{"properties": ' + "9" * 5000 + "}"


@FUZZ
@given(seed=st.integers(0, 10**6), other=ANYTHING, way=st.sampled_from("jjjjbt"))
@pytest.mark.parametrize("name", ["summary.json", "run.json"])
def test_any_summary_or_settings_are_shown_or_refused(name, seed, other, way, whole, damaged):
    path = damaged.folder / name
    chance = random.Random(seed)
    original = (whole.folder / name).read_bytes()
    if way == "j":
        changed = replaced(json.loads(original), chance, other)
        path.write_text(json.dumps(changed))
    else:
        path.write_bytes(
            flipped(original, seed) if way == "b" else chance.choice((DEEP, HUGE, "")).encode()
        )
    try:
        for extra in ([], ["--json"]):
            done = invoke("show", damaged.folder, *extra)
            if done.exit_code == 0 and extra:
                json.loads(done.stdout)
        tried(runs.read_settings, damaged)
        tried(runs.open_run, damaged.folder, {"steps": 2})
        runs.is_done(damaged)
    finally:
        path.write_bytes(original)


TENSORS = st.sampled_from(
    [torch.zeros(0), torch.zeros(3).double(), torch.ones(2, 2).double(), torch.tensor(-1),
     torch.full((2, 3, 3), float("nan")), torch.zeros(1, dtype=torch.uint8)]
)  # fmt: skip
NAMES = st.sampled_from(
    ["a", "training/up.0/0/count", "training/up.0/count", "position/depth/mean", "position/count",
     "depth/up.0/x/weight", "depth/up.0/0/weight", "depth/up.0/0/bias", "///", "training/a/0/mean"]
)  # fmt: skip


@FUZZ
@given(
    seed=st.integers(0, 10**6),
    way=st.sampled_from(["bytes", "resealed", "tensors"]),
    tensors=st.dictionaries(NAMES, TENSORS, max_size=4),
)
@pytest.mark.parametrize("name", ["moments.safetensors", "probes.safetensors", "scores.parquet"])
def test_any_numbers_are_read_or_refused(name, seed, way, tensors, whole, damaged):
    path, seal = damaged.folder / name, damaged.folder / f"{name}.sha256"
    original, sealed = (whole.folder / name).read_bytes(), seal.read_bytes()
    changed = flipped(original, seed)
    try:
        if way == "bytes":
            path.write_bytes(changed)
            assert changed == original or not runs.is_done(damaged)
        elif way == "resealed":
            write_sealed(path, lambda part: part.write_bytes(changed))
        elif name.endswith("safetensors"):
            kept = {} if seed % 2 else load_file(whole.folder / name)
            mixed = {**kept, **{key: each.clone() for key, each in tensors.items()}}
            write_sealed(path, lambda part: save_file(mixed, part))
        readers = {
            "moments.safetensors": lambda: runs.read_moments(damaged, CPU),
            "probes.safetensors": lambda: runs.read_probes(damaged, CPU),
            "scores.parquet": lambda: runs.read_table(damaged.scores),
        }
        found = tried(readers[name])
        if way == "bytes" and changed != original:
            assert found is None  # its checksum tells
    finally:
        path.write_bytes(original)
        seal.write_bytes(sealed)


@FUZZ
@given(seed=st.integers(0, 10**6), content=st.none() | st.binary(max_size=80))
def test_any_table_of_prompts_of_a_run_is_read_or_refused(seed, content, whole, damaged):
    original = (whole.folder / "prompts.csv").read_bytes()
    path = damaged.folder / "prompts.csv"
    path.write_bytes(flipped(original, seed) if content is None else content)
    for split in ("train", "validation", "test"):
        tried(runs.read_split, damaged, split)
    path.write_bytes(original)


@pytest.mark.parametrize("rows", [0, 1, -1])
def test_a_table_of_prompts_cut_at_a_row_is_refused_and_written_anew(rows, whole, tmp_path):
    shutil.copytree(whole.folder, tmp_path / "run")
    run = runs.Run(tmp_path / "run")
    path = run.folder / "prompts.csv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:rows] if rows else []), encoding="utf-8")
    for split in ("train", "test"):
        with pytest.raises(RunError, match=r"prompts\.csv .* prompts for \w+, not \d+"):
            runs.read_split(run, split)
    assert not runs.is_done(run)  # so that the same command mends it
    assert "prompts.csv" in invoke("paper", run.folder).output
    assert "prompts.csv" in invoke("export", run.folder, tmp_path / "site", "--prompts", "0").output


@FUZZ
@given(text=st.text(max_size=300))
def test_any_words_make_a_file_name_that_stays_where_it_is(text):
    name = pictures.file_name(text)
    assert 0 < len(name.encode()) <= 120
    assert Path(name).name == name
    assert name not in (".", "..")
    assert "\0" not in name


def test_reading_a_damaged_run_writes_nothing_beside_it(whole, tmp_path):
    shutil.copytree(whole.folder, tmp_path / "run")
    (tmp_path / "run" / "summary.json").write_text("{")
    before = files_of(tmp_path)
    for command in ("show", "figure", "edit", "classify"):
        assert invoke(command, tmp_path / "run").exit_code == 1
    assert invoke("export", tmp_path / "run", tmp_path / "site").exit_code == 1
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("command", ["show", "classify", "paper"])
def test_a_run_that_is_not_finished_says_so(command, tmp_path):
    settings = {"model": "tiny", "fingerprint": "", "scheduler": "", "steps": 2, "guidance": 3.0}
    lists = {"layers": ["up.0"], "properties": ["saliency"]}
    run = runs.open_run(tmp_path / "run", {**settings, **lists})
    said = invoke(command, run.folder).output
    assert "is not finished: it has no summary.json yet. Go on" in said


@pytest.mark.parametrize("name", ["images", "shards", "summary.json"])
def test_a_link_that_leads_out_of_a_run_is_refused(name, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    run = runs.open_run(tmp_path / "run", {"steps": 1})
    (run.folder / name).symlink_to(outside)
    for action in (lambda: runs.find_run(run.folder), lambda: runs.open_run(run.folder, {})):
        with pytest.raises(UnderpaintError, match="leads out of the run"):
            action()
    assert not any(outside.iterdir())


def test_a_picture_too_large_to_hold_is_refused_before_its_pixels_are_read(tmp_path):
    small = png("L", (16, 16))
    wide = small[:16] + (60_000).to_bytes(4, "big") * 2 + small[24:]
    crc = zlib.crc32(wide[12:29]).to_bytes(4, "big")
    (tmp_path / "wide.png").write_bytes(wide[:29] + crc + wide[33:])
    with pytest.raises(UnderpaintError, match="3600000000 pixels"):
        read_mask(tmp_path / "wide.png", (16, 16))


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path):
    with suppress(AttributeError):  # where there are no named pipes
        os.mkfifo(tmp_path / "pipe")
        for read in (read_prompts, lambda path: read_mask(path, (16, 16))):
            with pytest.raises(UnderpaintError, match="no file"):
                read(tmp_path / "pipe")
    with pytest.raises(UnderpaintError):
        read_prompts(tmp_path)
