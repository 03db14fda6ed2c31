"""`underpaint run` from its words to its folder: who labels, what is recorded, what is drawn."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

import worlds
from underpaint.cli import main as cli
from underpaint.cli import run as cli_run
from underpaint.core.errors import RunError
from underpaint.core.properties import PROPERTIES, Property
from underpaint.labelers import Labeler, Namer
from underpaint.runs import runs
from underpaint.study import solving

NORMALS = Labeler("other", ("normals",), "MIT", lambda images: {"normals": images}, "sha256:1")
EDGES = Property("edges", "continuous", ("spearman", "residual"))


def run(out, saved_model, *more):
    words = ["run", out, "--model", saved_model, "--device", "cpu", "--guidance", 3, "--quick"]
    words += ["--count", 40, "--steps", 2, "--properties", "saliency,depth", *more]
    return CliRunner().invoke(cli.main, [str(each) for each in words])


@pytest.fixture
def small(monkeypatch):
    """Label by brightness, and leave a site that is no more than found."""

    def publish(run, site, **_):
        (site / "data").mkdir(parents=True)
        for name in ("index.html", "data/run.json"):
            (site / name).write_text("{}")

    monkeypatch.setattr(cli_run, "labelers_for", lambda *_, **__: (worlds.LOOK, NORMALS))
    monkeypatch.setattr(cli_run, "write_site", publish)


@pytest.fixture
def stopped(monkeypatch, small):
    """Let `run` come as far as its first picture."""

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_run, "carry_out", stop)


@pytest.mark.parametrize("last", ["draw_all", "draw_pictures", "write_site"])
def test_a_run_killed_after_its_summary_is_drawn_and_published_by_the_next(
    small, tmp_path, saved_model, monkeypatch, last
):
    def killed(*_, **__):
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as until:
        until.setattr(cli_run, last, killed)
        assert run(out, saved_model).exit_code == 1
    before = json.loads((out / "summary.json").read_text())
    assert not (out / "site").exists()
    again = run(out, saved_model)
    assert again.exit_code == 0, again.output
    assert "is done already" not in again.output
    names = {path.name.split("-")[0] for path in (out / "figures").iterdir()}
    assert {"curves", "layers", "table", "steps", "labels"} <= names
    assert (out / "site" / "index.html").is_file()
    after = json.loads((out / "summary.json").read_text())
    del before["cost"], after["cost"]  # which counts figures and site
    assert after == before
    assert "is done already" in run(out, saved_model).output


def test_only_labelers_that_read_something_are_recorded(stopped, tmp_path, saved_model):
    run(tmp_path / "out", saved_model)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["labelers"] == {
        "brightness": ["MIT", ""]
    }


def test_a_run_goes_on_that_recorded_labelers_which_read_nothing(tmp_path):
    asked = {"labelers": {"a": ["MIT", "1"], "b": ["MIT", "2"]}}
    begun = runs.open_run(tmp_path / "run", asked)
    begun.scores.touch()
    runs.open_run(tmp_path / "run", {"labelers": {"a": ["MIT", "1"]}})
    with pytest.raises(RunError, match="its labelers is"):
        runs.open_run(tmp_path / "run", {"labelers": {"a": ["MIT", "3"]}})
    with pytest.raises(RunError, match="its labelers is"):
        runs.open_run(tmp_path / "run", {"labelers": {"c": ["MIT", "1"]}})


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ([], "Labels of saliency, depth: brightness (MIT)."),
        (["--images", "rendered"], "Labels of saliency, depth are exact; brightness (MIT) is held"),
    ],
)
def test_it_is_said_who_labels_what(stopped, tmp_path, saved_model, more, line):
    output = run(tmp_path / "out", saved_model, *more).output
    assert line in output
    assert "rendered scenes" not in output
    assert "other" not in output


def test_the_reader_of_rendered_scenes_is_named_on_other_pictures_alone(
    stopped, tmp_path, saved_model, monkeypatch
):
    ours = replace(worlds.LOOK, name="tiny", reads=("depth",))
    theirs = Labeler("theirs", ("saliency",), "MIT", worlds.brightness)
    monkeypatch.setattr(cli_run, "labelers_for", lambda *_, **__: (ours, theirs))
    output = run(tmp_path / "out", saved_model).output
    assert "Labels of depth: tiny (MIT). It is the reader of rendered scenes" in output
    assert "Labels of saliency: theirs (MIT).\n" in output


@pytest.fixture
def mine(tmp_path):
    """Give a folder for pictures of one's own, with none in it."""
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--count", 3), "1 training prompts are too few"),
        (("--steps", 100_000), "takes 1 to 1000 steps, got 100000"),
        (("--guidance", "nan"), "not a finite number"),
        (("--layers", "side.*"), "No layer matches 'side.*'"),
        (("--seed", 2**63), "is not in the range"),
        (("--cut", "0/24"), "cannot be cut 0/24"),
        (("--recipe", "paper"), "keeps all activations of"),
        (("--images", "mine"), "Save it as PNG"),
    ],
)
def test_what_a_study_cannot_do_is_refused_before_anything_is_written(
    small, tmp_path, saved_model, mine, monkeypatch, more, words
):
    monkeypatch.setattr(solving, "RECIPE_BYTES", 1)
    more = [mine if each == "mine" else each for each in more]
    result = run(tmp_path / "out", saved_model, *more)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert words in result.output
    assert not (tmp_path / "out").exists()


def test_classes_that_no_prompt_names_are_refused_before_anything_is_written(
    small, tmp_path, saved_model, monkeypatch
):
    namer = Namer("shapes", ("cube", "cone"), "MIT", lambda images: images.mean((1, 2, 3))[:, None])
    monkeypatch.setattr(cli_run, "class_network", lambda *_: namer)
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("".join(f"a thing {number}\n" for number in range(40)))
    result = run(tmp_path / "out", saved_model, "--classes", "--prompts", prompts)
    assert "prompts name one class of shapes" in result.output
    assert not (tmp_path / "out").exists()


def test_a_run_that_nothing_came_of_makes_room_for_another(stopped, tmp_path, saved_model):
    assert run(tmp_path / "out", saved_model, "--batch", 4).exit_code == 1
    assert (
        "Stopped. The same command goes on"
        in run(tmp_path / "out", saved_model, "--batch", 8).output
    )
    assert json.loads((tmp_path / "out" / "run.json").read_text())["batch"] == 8
    shard = tmp_path / "out" / "shards" / "tuning.safetensors"
    shard.parent.mkdir()
    shard.touch()
    refused = run(tmp_path / "out", saved_model, "--batch", 4)
    assert "holds another run: its batch is 8, not 4" in refused.output


def test_a_run_stops_where_another_took_its_folder_before_it_could_write(
    small, tmp_path, saved_model, monkeypatch
):
    begun = cli_run.runs.open_run

    def overtaken(folder, settings, *more, **words):
        opened = begun(folder, settings, *more, **words)
        begun(folder, {**settings, "seed": 1}, *more, **words)
        return opened

    monkeypatch.setattr(cli_run.runs, "open_run", overtaken)
    result = run(tmp_path / "out", saved_model)
    assert "holds another run: its seed is 1, not 0" in result.output
    assert not (tmp_path / "out" / "images").exists()


def test_what_nobody_labels_is_refused_before_anything_is_written(
    stopped, tmp_path, saved_model, monkeypatch
):
    monkeypatch.setitem(PROPERTIES, "edges", EDGES)
    result = run(tmp_path / "out", saved_model, "--properties", "depth,edges")
    assert result.exit_code == 1
    assert "Nobody labels edges. Say who with --labelers" in result.output
    assert not (tmp_path / "out").exists()


def test_scenes_without_a_truth_of_a_property_are_refused(
    stopped, tmp_path, saved_model, monkeypatch
):
    look = Labeler("look", ("edges",), "MIT", lambda images: {"edges": images[:, :1]})
    monkeypatch.setitem(PROPERTIES, "edges", EDGES)
    monkeypatch.setattr(cli_run, "labelers_for", lambda *_, **__: (look,))
    more = ("--properties", "edges", "--images", "rendered")
    result = run(tmp_path / "out", saved_model, *more)
    assert result.exit_code == 1
    assert "Scenes have no exact edges" in result.output
    assert not (tmp_path / "out").exists()


def test_labelers_are_looked_at_before_a_study_and_not_once_it_is_done(
    small, tmp_path, saved_model, monkeypatch
):
    looked = []
    monkeypatch.setattr(cli_run, "warn_of_scaling", lambda each, *_: looked.append(each.name))
    assert run(tmp_path / "out", saved_model).exit_code == 0
    assert looked == ["brightness"]
    again = run(tmp_path / "out", saved_model)
    assert "is done already" in again.output
    assert looked == ["brightness"]
