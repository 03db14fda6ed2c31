"""Searches on a random model, with a labeler that sees a box at the brightest place."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import worlds
from underpaint.cli import moved as cli_moved
from underpaint.cli import pick as cli_pick
from underpaint.cli.main import main
from underpaint.core.errors import PickError, SchedulerError
from underpaint.core.prompts import Prompt
from underpaint.core.properties import SALIENCY
from underpaint.models.layers import find_layers
from underpaint.models.traces import trace
from underpaint.probes.live import preview_taps
from underpaint.runs import runs
from underpaint.steering.picks import (
    Finished,
    Search,
    Stopped,
    Wish,
    calls_spent,
    check_search,
    finish,
    judge,
    start,
)
from underpaint.steering.setups import open_to_read

PROMPTS = tuple(Prompt("thing", seed, seed) for seed in range(6))


@pytest.fixture
def search(model, finished):
    target = torch.zeros(1, 16, 16)
    target[:, 4:12, 4:12] = 1
    return Search(
        opened=open_to_read(finished, model, (worlds.BRIGHTEST,), batch=4),
        wishes=(Wish(SALIENCY, target, find_layers(model)[-1]),),
        keep=2,
        stop_at=1,
    )


def of(search, **changes):
    """Search another run."""
    return replace(search, opened=replace(search.opened, **changes))


def silent(*_):
    pass


def test_a_finished_candidate_is_the_picture_of_one_that_never_stopped(search):
    stopped = start(search, PROMPTS, silent)
    done = finish(search, stopped, [5, 0, 3, 2, 1], silent)
    whole = trace(search.opened.model, PROMPTS, steps=worlds.STEPS, guidance=3.0).images
    torch.testing.assert_close(done.images, whole[[5, 0, 3, 2, 1]], atol=1e-4, rtol=0)


def test_no_picture_is_decoded_twice(search, monkeypatch):
    vae = search.opened.model.pipeline.vae
    decoded, decode = [], vae.decode

    def counted(latents, *arguments, **more):
        decoded.append(len(latents))
        return decode(latents, *arguments, **more)

    monkeypatch.setattr(vae, "decode", counted)
    start(search, PROMPTS, silent)
    assert sum(decoded) == len(PROMPTS)


def test_early_scores_are_dice_of_the_reading_at_the_stop(search):
    stopped = start(search, PROMPTS, silent)
    layer = search.wishes[0].layer
    traced = trace(search.opened.model, PROMPTS, steps=worlds.STEPS, guidance=3.0, layers=[layer])
    probe = search.opened.probes["saliency", layer.name, 0]
    read = probe(traced.activations[layer][0])
    torch.testing.assert_close(stopped.read["saliency"], read.float(), atol=1e-4, rtol=1e-4)
    mask = read.repeat_interleave(2, -1).repeat_interleave(2, -2) > probe.threshold
    target = search.wishes[0].target > 0.5
    expected = 2 * (mask & target).sum((1, 2, 3)) / (mask.sum((1, 2, 3)) + target.sum())
    np.testing.assert_allclose(stopped.scores, expected, atol=1e-6)


def test_the_ranking_begins_with_the_best_and_ends_with_what_has_no_score(search):
    stopped = start(search, PROMPTS, silent)
    scores = np.array([0.1, np.nan, 0.5, 0.5, 0.0, 0.9])
    assert replace(stopped, scores=scores).ranking == [5, 2, 3, 0, 4, 1]


def known(early, final):
    count = len(early)
    stopped = Stopped(PROMPTS[:count], torch.zeros(count, 4, 8, 8), *2 * [np.array(early)], {})
    return stopped, Finished(tuple(range(count)), torch.zeros(count, 3, 16, 16), np.array(final))


@pytest.mark.parametrize(
    ("early", "share", "correlation"),
    [([1, 2, 3, 4], 1.0, 1.0), ([4, 3, 2, 1], -1.0, -1.0), ([3, 1, 2, 4], 0.0, 0.4)],
)
def test_the_worth_of_a_choice_whose_outcome_is_known(search, early, share, correlation):
    worth = judge(search, *known([float(x) for x in early], [0.0, 0.2, 0.4, 0.6]))
    assert worth.random == pytest.approx(0.3)
    assert worth.best == pytest.approx(0.5)
    assert worth.share == pytest.approx(share, abs=1e-9)
    assert worth.rank_correlation == pytest.approx(correlation)


def test_where_nothing_can_be_gained_the_share_is_undefined(search):
    worth = judge(search, *known([1.0, 2.0, 3.0], [0.5, 0.5, 0.5]))
    assert np.isnan(worth.share)
    assert np.isnan(worth.rank_correlation)


def test_calls_are_those_of_the_first_steps_and_of_finishing_the_kept(search):
    assert calls_spent(of(replace(search, keep=4, stop_at=3), steps=15), 64) == (240, 960)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"keep": 0}, "Cannot keep 0 of 6"),
        ({"keep": 7}, "Cannot keep 7 of 6"),
        ({"stop_at": worlds.STEPS}, "Cannot stop after 2 of 2 steps"),
        ({"stop_at": 0}, "Cannot stop after 0"),
    ],
)
def test_a_search_that_chooses_nothing_is_refused(search, changes, words):
    with pytest.raises(PickError, match=words):
        check_search(replace(search, **changes), 6)


def test_a_scheduler_that_cannot_go_on_from_the_middle_is_refused(search):
    from diffusers import LMSDiscreteScheduler

    other = worlds.model(scheduler=LMSDiscreteScheduler(**worlds.SCHEDULE))
    with pytest.raises(SchedulerError, match="cannot begin at step 1"):
        check_search(of(search, model=other), 6)


def test_what_no_probe_reads_cannot_be_wished_for(search):
    with pytest.raises(PickError, match="No probe reads saliency from layer"):
        start(of(search, probes={}), PROMPTS, silent)


def test_a_preview_shows_each_step_s_reading_and_changes_nothing(search):
    layer = search.wishes[0].layer
    seen = {}

    def watch(prompts):
        return preview_taps(
            {"saliency": layer},
            search.opened.probes,
            images=len(prompts),
            show=lambda step, name, picture: seen.setdefault((len(prompts), step, name), picture),
        )

    plain = start(search, PROMPTS, silent)
    watched = start(search, PROMPTS, silent, watch=watch)
    finish(search, watched, [0], silent, watch=watch)
    assert torch.equal(plain.latents, watched.latents)
    assert set(seen) == {(4, 0, "saliency"), (2, 0, "saliency"), (1, 1, "saliency")}
    side = 96
    first = plain.read["saliency"][0, 0]
    shares = (first - first.min()) / (first.max() - first.min())
    picture = seen[4, 0, "saliency"]
    assert picture.shape == (3, side, 4 * side)
    torch.testing.assert_close(picture[0, ::12, :side:12], shares, atol=1e-4, rtol=0)


@pytest.fixture
def command(run, monkeypatch):
    monkeypatch.setattr(cli_moved, "load_as", lambda *_, **__: worlds.model())
    monkeypatch.setattr(cli_pick, "labelers_for", lambda *_: (worlds.BRIGHTEST,))

    def call(*arguments):
        asked = ["pick", run.folder, "--candidates", 6, "--keep", 2, "--stop-at", 1, *arguments]
        return CliRunner().invoke(main, [str(each) for each in asked])

    return call


@pytest.fixture
def drawn(tmp_path):
    grey = np.zeros((16, 16), dtype=np.uint8)
    grey[2:8, 8:14] = 255
    Image.fromarray(grey).save(tmp_path / "here.png")
    return tmp_path / "here.png"


def test_the_command_keeps_pictures_and_a_sheet_and_says_what_it_spent(command, run, drawn):
    result = command("--mask", drawn, "--prompt", "a $5 thing", "--preview")
    assert result.exit_code == 0, result.output
    assert "8 of 12 denoiser calls (67%)." in result.output
    assert (run.figures / "preview-saliency.png").stat().st_size > 50
    assert len(list(run.picks.rglob("*.png"))) == 2
    assert len(list(run.figures.glob("pick-mask-here*.png"))) == 1
    summary = runs.read_json(run.summary)
    assert {"properties", "cost"} <= set(summary)
    assert [entry["calls"] for entry in summary["pick"]] == [8]
    assert "score" not in summary["pick"][0]


def test_scoring_finishes_all_and_the_same_search_takes_its_old_place(command, run, drawn):
    runs.update_summary(run, {"edits": ["dear"]})
    for _ in range(2):
        result = command("--mask", drawn, "--prompt", "a", "--prompt", "b", "--score")
        assert result.exit_code == 0, result.output
    assert "of a full search's gain" in result.output
    summary = runs.read_json(run.summary)
    assert summary["edits"] == ["dear"]
    (entry,) = summary["pick"]
    assert entry["score"]["kept"]["mean"] <= entry["score"]["best"]["mean"] + 1e-9
    json.dumps(summary, allow_nan=False)


def test_searches_that_differ_keep_their_own_pictures(command, run, drawn):
    for more in ([], ["--seed", 100], ["--keep", 1], []):
        assert command("--mask", drawn, "--prompt", "a", *more).exit_code == 0
    assert len(list(run.figures.glob("pick-mask-here*.png"))) == 3
    assert sorted(len(list(each.iterdir())) for each in run.picks.iterdir()) == [1, 2, 2]


def test_a_picture_like_that_of_a_prompt_is_looked_for(command, run, finished):
    prompt = runs.read_split(run, "test")[0]
    image = runs.read_image(finished, prompt)
    runs.write_images(run, image[None], [prompt])
    result = command("--like", prompt.index)
    assert result.exit_code == 0, result.output
    assert f"{prompt.text}: seeds" in result.output
    assert runs.read_json(run.summary)["pick"][0]["target"] == f"like {prompt.index}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "A search needs something to look for"),
        (["--like", 0, "--mask", "x.png"], "A search needs something to look for"),
        (["--like", 99], "No prompt has index 99"),
        (["--mask", "none.png"], "Cannot read the mask none.png"),
        (["--depth", "none.png"], "Cannot read the map none.png"),
        (["--like", 0, "--batch", 0], "Invalid value for '--batch'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_the_run_alone(command, run, arguments, words):
    result = command(*arguments)
    assert result.exit_code == (2 if words.startswith("Invalid value") else 1)
    assert words in result.output
    assert "pick" not in runs.read_json(run.summary)


def test_probes_of_another_model_are_refused(command, run, drawn):
    settings = runs.read_json(run.settings)
    runs.write_json(run.settings, {**settings, "fingerprint": "revision:other"})
    result = command("--mask", drawn)
    assert result.exit_code == 1
    assert "fitted on world with fingerprint revision:other" in result.output
