"""The studio without a window: what its desk does on a random model, and that its page is whole."""

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner

import worlds
from underpaint.cli import studio as cli_studio
from underpaint.cli.main import main
from underpaint.core.errors import EditError, LayerError, PromptError, SchedulerError
from underpaint.core.prompts import Prompt
from underpaint.models import decode
from underpaint.models.traces import trace
from underpaint.steering.aims import aim_at, labels_of, where_of
from underpaint.steering.choices import MARGIN
from underpaint.steering.edits import Edit, taps
from underpaint.steering.studio import Stroke, glimpse, open_desk, paint
from underpaint.steering.studio.desk import UNCONDITIONAL, mask_of


@pytest.fixture(scope="module")
def desk(finished, model):
    return open_desk(finished, model, (worlds.BRIGHTEST,), glob="up.*")


def mask(desk):
    drawn = torch.zeros(desk.setup.model.resolution)
    drawn[2:8, 8:14] = 1
    return drawn


def test_a_picture_made_step_by_step_is_that_of_the_whole_run(desk):
    seen = list(paint(desk, "a red cone", 5, None))
    whole = trace(desk.setup.model, [Prompt("a red cone", 5)], steps=worlds.STEPS, guidance=3.0)
    assert [each.step for each in seen] == list(range(worlds.STEPS))
    torch.testing.assert_close(seen[-1].picture, whole.images[0], atol=1e-4, rtol=0)
    first = decode(desk.setup.model, whole.estimates[0])[0]
    torch.testing.assert_close(seen[0].picture, first, atol=1e-4, rtol=0)
    assert seen[-1].score is None  # nothing was wanted


def test_painting_brings_what_is_read_to_the_mask(desk):
    wanted = mask(desk)
    grid = desk.readers["saliency"].grid

    def overlap(stroke):
        read = list(paint(desk, "a red cone", 5, stroke))[-1].read["saliency"]
        assert read.shape == grid
        cells = torch.nn.functional.adaptive_avg_pool2d(wanted[None], grid)[0] > 0.5
        return (2 * (read.bool() & cells).sum() / (read.sum() + cells.sum())).item()

    painted = overlap(Stroke(wanted, 3.0, 0, worlds.STEPS - 1, carries=False))
    assert painted > 0.9
    assert painted > overlap(None)


def test_an_object_that_carries_its_looks_is_asked_for_with_them_and_only_near(desk):
    assert desk.carried == ("shading",)  # of what the labeler reads; it knows no colours
    wanted, pictures = mask(desk), {}
    for carries in (False, True):
        stroke = Stroke(wanted, 1.0, 0, worlds.STEPS - 1, carries)
        pictures[carries] = list(paint(desk, "a red cone", 5, stroke))[-1].picture
    assert not torch.equal(pictures[True], pictures[False])
    plain = list(paint(desk, "a red cone", 5, None))[-1].picture
    there = labels_of([worlds.BRIGHTEST], plain[None], desk.carried)
    aim = aim_at(lambda _now, _random: wanted[None], carried=desk.carried)
    targets = aim({name: maps[0] for name, maps in there.items()}, np.random.default_rng(0))
    targets = {name: maps[None] for name, maps in targets.items()}
    schedule = dict.fromkeys(range(worlds.STEPS), 1.0)
    where = where_of(targets, there, MARGIN)
    edit = Edit(targets, schedule, where=where, unconditional=UNCONDITIONAL)
    edits = taps(edit, desk.setup.probes, desk.setup.moments, layers=desk.setup.layers)
    whole = trace(
        desk.setup.model,
        [Prompt("a red cone", 5)],
        steps=worlds.STEPS,
        guidance=desk.setup.guidance,
        edits=edits,
    )
    torch.testing.assert_close(pictures[True], whole.images[0], atol=1e-3, rtol=0)


def test_many_strokes_take_their_looks_from_one_picture(desk, monkeypatch):
    whole = []

    def counted(*args, **how):
        whole.append("stop_at" not in how)
        return trace(*args, **how)

    monkeypatch.setattr("underpaint.steering.studio.desk.trace", counted)
    for strength in (1.0, 2.0, 3.0):
        list(
            paint(
                desk, "a red cone nobody drew", 6, Stroke(mask(desk), strength, 0, worlds.STEPS - 1)
            )
        )
    assert whole.count(True) == 1


def test_a_stroke_of_no_strength_changes_nothing_and_is_scored(desk):
    plain = list(paint(desk, "a red cone", 5, None))[-1]
    stroke = Stroke(mask(desk), 0.0, 0, worlds.STEPS - 1)
    still = list(paint(desk, "a red cone", 5, stroke))[-1]
    assert torch.equal(plain.picture, still.picture)
    assert still.score is not None
    assert 0 <= still.score <= 1


def test_glimpses_are_those_of_their_seeds_and_the_nearest_comes_first(desk):
    wanted = mask(desk)
    found = glimpse(desk, "a red cone", range(3, 9), stop_at=1, mask=wanted, batch=4)
    assert sorted(each.seed for each in found) == list(range(3, 9))
    scores = [-1 if each.score is None else each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    alone = next(iter(paint(desk, "a red cone", found[0].seed, None)))
    torch.testing.assert_close(found[0].picture, alone.picture, atol=1e-4, rtol=0)
    unranked = glimpse(desk, "a red cone", range(3, 9), stop_at=1)
    assert [each.seed for each in unranked] == list(range(3, 9))
    assert {each.score for each in unranked} == {None}


def test_a_mask_is_what_any_layer_covers_whatever_its_size():
    layer = np.zeros((64, 64, 4), dtype=np.uint8)
    layer[:32, 32:] = (255, 138, 61, 255)
    other = np.zeros_like(layer)
    other[32:, :32, 3] = 255
    found = mask_of({"layers": [layer, other]}, (16, 16))
    assert found is not None
    assert found.sum() == 128
    assert found[0, 15] == found[15, 0] == 1
    for nothing in (None, {"layers": []}, {"layers": [np.zeros_like(layer)]}):
        assert mask_of(nothing, (16, 16)) is None


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda desk: list(paint(desk, "  ", 1, None)), PromptError, "The prompt is empty"),
        (
            lambda desk: list(paint(desk, "a", 1, Stroke(mask(desk), 1.0, 0, worlds.STEPS))),
            EditError,
            "Cannot paint through steps 1 to 3: the run has 2",
        ),
        (
            lambda desk: list(paint(desk, "a", 1, Stroke(0 * mask(desk), 1.0, 0, 0))),
            EditError,
            "The mask is empty or fills the picture",
        ),
        (
            lambda desk: glimpse(desk, "a", [1], stop_at=worlds.STEPS + 1),
            SchedulerError,
            "Cannot look at step 3 of 2",
        ),
        (lambda desk: glimpse(desk, "a", [], stop_at=1), PromptError, "There are no prompts"),
    ],
)
def test_what_cannot_be_done_is_one_line(desk, call, error, words):
    with pytest.raises(error, match=words):
        call(desk)


def test_layers_that_match_nothing_are_refused_before_a_window_opens(finished, model):
    with pytest.raises(LayerError, match="No layer matches"):
        open_desk(finished, model, (worlds.BRIGHTEST,), glob="side.*")


def test_the_page_shows_every_step_and_ranks_seeds(desk):
    gradio = pytest.importorskip("gradio")
    from underpaint.steering.studio import page

    built = page.build(desk, text="a red cone", seed=5)
    labels = {getattr(each, "label", None) for each in built.blocks.values()}
    assert {"Prompt", "Seed", "Picture", "Strength (1 makes the reading the target)"} <= labels
    layer = np.zeros((384, 384, 4), dtype=np.uint8)
    layer[50:200, 200:350, 3] = 255
    seen = list(
        page.show(desk, "a red cone", "5", {"layers": [layer]}, 3.0, worlds.STEPS, carries=True)
    )
    assert len(seen) == worlds.STEPS
    picture, *maps, editor, said = seen[-1]
    assert (editor["background"][..., :3] == np.asarray(picture)[:384, :384]).all()
    assert (editor["layers"][0] == layer).all()  # painted over the last picture
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert len(maps) == len(desk.properties)
    assert "Dice of the labeler's mask to yours" in said
    drawn = {"layers": [layer]}
    pictures, seeds, said = page.first_steps(desk, "a red cone", "5", drawn, 4, 1, "saliency")
    assert said == ""
    assert sorted(seeds) == [5, 6, 7, 8]
    assert [words.split(" · ")[-1] for _, words in pictures] == [f"seed {seed}" for seed in seeds]
    assert all(words.startswith("Dice") for _, words in pictures)
    [refused] = page.show(desk, " ", "5", None, 3.0, 1, carries=False)
    assert refused[-1].startswith("**Not done.** The prompt is empty")
    assert all(each == gradio.skip() for each in refused[:-1])


@pytest.mark.parametrize("seed", ["-3", "", "1.5", "cone", str(2**63)])
def test_a_bad_seed_is_one_message_and_leaves_pictures_as_they_are(desk, seed):
    gradio = pytest.importorskip("gradio")
    from underpaint.steering.studio import page

    [refused] = page.show(desk, "a red cone", seed, None, 3.0, 1, carries=False)
    pictures, seeds, said = page.first_steps(desk, "a red cone", seed, None, 4, 1, "saliency")
    assert refused[-1] == said
    assert "is no whole number of at least 0" in said
    assert all(each == gradio.skip() for each in (*refused[:-1], pictures, seeds))


def test_without_gradio_one_line_says_what_to_install(monkeypatch, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    monkeypatch.setattr(cli_studio, "find_spec", lambda _: None)
    result = CliRunner().invoke(main, ["studio", str(tmp_path)])
    assert result.exit_code == 1
    assert result.output.strip().endswith('pip install "underpaint[studio]"')


def test_a_folder_that_holds_no_run_is_one_line(tmp_path):
    pytest.importorskip("gradio")
    result = CliRunner().invoke(main, ["studio", str(tmp_path)])
    assert result.exit_code == 1
    assert "holds no run" in result.output
    assert "Traceback" not in result.output


def test_the_studio_listens_on_loopback_unless_asked():
    command = main.get_command(click.Context(main), "studio")
    assert command is not None
    host = next(each for each in command.params if each.name == "host")
    assert host.default == "127.0.0.1"
