"""Edits of a whole run on a random model, with a labeler that sees a box at the brightest place."""

import json
import math
from dataclasses import replace
from threading import Timer

import numpy as np
import pandas as pd
import pytest
import torch
from filelock import FileLock
from PIL import Image

import worlds
from underpaint.cli import edit as cli_edit
from underpaint.core.errors import EditError, RunError
from underpaint.core.files import LOCK
from underpaint.core.prompts import Prompt
from underpaint.runs import runs
from underpaint.runs.runs import check_run
from underpaint.steering import experiments
from underpaint.steering.aims import aim_at
from underpaint.steering.experiments import ALONE, edit_all
from underpaint.steering.naming import still_named
from underpaint.steering.targets import move_mask, random_move
from underpaint.steering.trials import Trial, completed, edit_scores, judged, summarise_edits

MOVE = aim_at(random_move)


def edited(setup, aims=(MOVE,), **changes):
    prompts = [Prompt(f"thing {i}", i, i) for i in range(6)]
    return edit_all(setup, worlds.trial(**changes), prompts, list(aims), lambda *_: None)


def test_scores_know_where_the_object_is_and_what_stayed():
    before = torch.full((1, 3, 8, 8), 0.5)
    after = before.clone()
    after[..., 4:] += 0.1  # half of the picture, half of the background
    old, target = torch.zeros(2, 1, 1, 8, 8)
    old[..., :2, :4] = 1
    target[..., :2, 4:] = 1
    found = edit_scores(before, after, old=old > 0.5, now=target > 0.5, target=target)
    assert {name: float(each) for name, each in found.items()} == {
        "dice_target": 1.0,
        "dice_old": 0.0,
        "dice_unedited": 0.0,
        "background_psnr": pytest.approx(-10 * math.log10(0.01 / 2), abs=1e-4),
    }


def test_an_untouched_background_is_infinitely_good_and_none_is_undefined():
    picture, everything = torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8)
    nowhere = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    same = edit_scores(picture, picture, old=nowhere, now=nowhere, target=0 * everything)
    assert same["background_psnr"].item() == float("inf")
    assert same["dice_target"].isnan().all()
    whole = edit_scores(picture, picture, old=nowhere, now=nowhere, target=everything)
    assert whole["background_psnr"].isnan().all()


def test_an_edit_of_no_strength_changes_no_picture(setup):
    rows, shown = edited(setup, strength=0.0)
    assert (rows["dice_old"] == 1).all()
    assert (rows["dice_target"] == rows["dice_unedited"]).all()
    assert np.isinf(rows["background_psnr"]).all()
    assert torch.equal(shown[0].before, shown[0].after)
    entry = summarise_edits(rows)[0]
    assert entry["background_psnr"]["mean"] is None
    assert entry["gain"]["mean"] == 0


def test_the_object_is_kept_where_it_is_still_named_as_the_prompt_does(setup):
    prompts = [Prompt("a thing", 0), Prompt("another", 1), Prompt("a thing", 2)]
    pictures = {"thing": torch.tensor([0.9, 0.1, 0.0]), "other": torch.tensor([0.1, 0.9, 0.0])}

    def shown(*names):
        return torch.stack([pictures[each] for each in names])[:, :, None, None].expand(
            -1, -1, 4, 4
        )

    before, after = shown("thing", "thing", "other"), shown("other", "thing", "thing")
    assert still_named(worlds.NAMER, prompts, before, before).nan_to_num(-1).tolist() == [1, -1, -1]
    assert still_named(worlds.NAMER, prompts, before, after).nan_to_num(-1).tolist() == [0, -1, -1]


def scored(*dice, kept):
    names = ("dice_target", "dice_old", "dice_unedited")
    scores = {
        n: torch.tensor([each], dtype=torch.float64) for n, each in zip(names, dice, strict=True)
    }
    return {
        name: each.item()
        for name, each in judged(
            scores, {"object_kept": torch.tensor([kept], dtype=torch.float64)}
        ).items()
    }


@pytest.mark.parametrize(
    ("dice", "kept", "expected"),
    [
        ((0.9, 0.2, 0.1), 1.0, (1, 1, 1)),  # moved and kept
        ((0.9, 0.2, 0.1), 0.0, (1, 0, 0)),  # moved, and something else now
        ((0.1, 0.9, 0.1), 1.0, (0, 0, math.nan)),  # stayed: keeping is no merit
        ((0.1, 0.1, 0.1), 1.0, (0, 0, 1)),  # went elsewhere
        ((0.9, 0.6, 0.1), 1.0, (0, 0, math.nan)),  # it is there twice
        ((0.9, 0.2, 0.1), math.nan, (1, math.nan, math.nan)),  # never was what the prompt says
        ((0.9, 0.8, 0.8), 1.0, (math.nan, math.nan, 1)),  # its target is its place
        ((math.nan, 0.9, math.nan), 1.0, (math.nan, math.nan, 1)),  # nothing says where
        ((0.9, math.nan, 0.0), 1.0, (1, 1, 1)),  # there was no object before
    ],
)
def test_success_is_there_and_gone_and_joint_is_kept_besides(dice, kept, expected):
    found = scored(*dice, kept=kept)
    assert list(found.values()) == pytest.approx(list(expected), nan_ok=True)


def test_rows_of_an_earlier_version_get_what_their_scores_say(setup):
    setup = replace(setup, namers={"object": worlds.NAMER})
    rows, _ = edited(setup)
    before = rows.drop(columns=["success", "joint", "kid", "distance"])
    after = completed(before.assign(object_kept=[1.0, 0.0, math.nan] * 2))
    assert after["success"].equals(rows["success"])
    np.testing.assert_array_equal(after["joint"], rows["success"] * ([1, 0, math.nan] * 2))
    assert after[["kid", "distance"]].isna().all(axis=None)
    assert completed(rows) is rows


def test_the_summary_has_success_over_distance_and_the_distance_of_the_sets(setup):
    setup = replace(setup, namers={"object": worlds.NAMER})
    rows, _ = edited(setup, aims=[MOVE] * 2)
    entry = summarise_edits(rows)[0]
    thirds = entry["by_distance"]
    assert [each["images"] for each in thirds] == [4, 4, 4]
    ends = [end for each in thirds for end in each["distance"]]
    assert ends == sorted(ends)
    mean = sum(each["success"]["mean"] for each in thirds) / 3
    assert mean == pytest.approx(entry["success"]["mean"])
    assert entry["kid"]["mean"] == pytest.approx(rows["kid"].mean())
    still, _ = edited(setup, strength=0.0)
    assert still["kid"].abs().max() < 1e-9
    assert still["success"].eq(0).all()


def test_another_picture_s_target_is_the_control_scored_by_the_own(setup):
    rows, _ = edited(setup)
    others, _ = edited(setup, control="other")
    assert rows["dice_unedited"].equals(others["dice_unedited"])
    assert not rows["background_psnr"].equals(others["background_psnr"])
    alone = replace(setup, batch=1)
    with pytest.raises(EditError, match="needs another picture"):
        edited(alone, control="other")


def test_a_picture_alone_in_its_batch_has_no_other_and_is_counted(setup):
    five = replace(setup, batch=5)  # of six: the last is alone
    rows, _ = edited(five, control="other")
    assert rows["left_out"].tolist() == [""] * 5 + [ALONE]


def test_a_picture_whose_neighbours_cannot_be_edited_has_no_other(setup):
    def only_first(there, random):
        only_first.asked += 1
        if only_first.asked % 4 != 1:
            raise EditError("No room.")
        return MOVE(there, random)

    only_first.asked = 0
    rows, _ = edit_all(
        setup,
        worlds.trial("none"),
        [Prompt(f"thing {i}", i, i) for i in range(8)],
        [only_first],
        lambda *_: None,
    )
    assert (rows["left_out"] == "").sum() == 2
    only_first.asked = 0
    with pytest.raises(EditError, match="needs another picture"):
        edited(setup, aims=[only_first], control="other")


def test_the_late_control_edits_as_many_of_the_last_steps(setup):
    early = Trial("random moves", "test", "late", 1.0, 0, 0, "up.*")
    last = Trial("random moves", "test", "none", 1.0, worlds.STEPS - 1, worlds.STEPS - 1, "up.*")
    prompts = [Prompt(f"thing {i}", i, i) for i in range(3)]
    late, same = (edit_all(setup, t, prompts, [MOVE], lambda *_: None)[1] for t in (early, last))
    assert torch.equal(late[0].after, same[0].after)
    assert not torch.equal(late[0].after, late[0].before)


def test_depth_and_shading_are_scored_where_they_are_targets(setup):
    rows, shown = edited(setup, aims=[aim_at(random_move, depth=random_move, light="left")])
    for name in ("depth", "shading"):
        assert rows[[f"{name}_spearman", f"{name}_unedited", f"{name}_rmse"]].notna().all(axis=None)
    assert rows["dice_target"].notna().all()
    only, _ = edited(setup, aims=[aim_at(light="right")])
    assert only["shading_spearman"].notna().all()
    assert only[["dice_target", "depth_spearman"]].isna().all(axis=None)
    assert np.isfinite(only["background_psnr"]).all()
    assert shown[0].target.amax() == 1


def test_every_trial_meets_the_same_targets_whatever_the_batch(setup):
    tables = [edited(setup, aims=[MOVE] * 2, control=c)[0] for c in ("none", "random")]
    small = replace(setup, batch=5)
    tables.append(edited(small, aims=[MOVE] * 2)[0])
    tables = [table.sort_values(["image", "aim"], ignore_index=True) for table in tables]
    assert len(tables[0]) == 12
    assert tables[0]["dice_unedited"].equals(tables[1]["dice_unedited"])
    assert tables[0]["dice_unedited"].equals(tables[2]["dice_unedited"])
    assert not tables[0]["background_psnr"].equals(tables[1]["background_psnr"])
    np.testing.assert_allclose(
        tables[0]["background_psnr"], tables[2]["background_psnr"], rtol=1e-2
    )


def test_pictures_are_drawn_once_for_an_edit_and_its_controls(setup, monkeypatch):
    drawn, draw = [], experiments.trace

    def counted(model, prompts, **words):
        drawn.append(len(prompts))
        return draw(model, prompts, **words)

    monkeypatch.setattr(experiments, "trace", counted)
    fresh = replace(setup, batch=6)
    tables = [edited(fresh, control=c)[0] for c in ("none", "random")]
    assert drawn == [6]
    assert tables[0]["dice_unedited"].equals(tables[1]["dice_unedited"])
    edit_all(fresh, worlds.trial(), [Prompt("another", 9, 9)], [MOVE], lambda *_: None)
    assert drawn == [6, 1]
    # Other probes may see other things in the same pictures.
    edit_all(replace(fresh), worlds.trial(), [Prompt("another", 9, 9)], [MOVE], lambda *_: None)
    assert drawn == [6, 1, 1]


def test_a_picture_that_cannot_be_edited_is_counted_with_its_reason(setup):
    def only_some(there, random):
        if random.random() < 0.5:
            raise EditError("No room.")
        return MOVE(there, random)

    rows, _ = edited(setup, aims=[only_some])
    out = rows["left_out"] == "No room."
    assert 0 < out.sum() < 6
    assert rows.loc[out, "dice_target"].isna().all()
    assert rows.loc[~out, "dice_target"].notna().all()
    entry = summarise_edits(rows)[0]
    assert (entry["images"], entry["left_out"]) == (6, out.sum())
    assert entry["dice_target"]["undefined"] == out.sum()


def test_if_nothing_can_be_edited_the_first_reason_is_given(setup):
    far = 20.0
    with pytest.raises(EditError, match=r"No picture could be edited\. A move by 20,0 pixels"):
        edited(setup, aims=[aim_at(lambda old, _: move_mask(old, far, 0.0))])


def test_the_summary_compares_with_the_random_control_image_by_image(setup):
    rows = pd.concat([edited(setup, control=c)[0] for c in ("none", "weight", "adam", "random")])
    entries = {entry["control"]: entry for entry in summarise_edits(rows)}
    assert "above_random" not in entries["random"]
    for control in ("none", "weight", "adam"):
        own, random = entries[control], entries["random"]
        expected = own["dice_target"]["mean"] - random["dice_target"]["mean"]
        assert own["above_random"]["mean"] == pytest.approx(expected)
    assert entries["none"]["steps"] == [1, worlds.STEPS]
    json.dumps(list(entries.values()), allow_nan=False)


@pytest.mark.parametrize("name", ["fingerprint", "scheduler", "configuration"])
def test_probes_of_another_model_or_scheduler_are_refused(finished, model, name):
    settings = runs.read_json(finished.settings)
    check_run(settings, model)
    with pytest.raises(RunError, match=f"fitted on world with {name} other, and this model has"):
        check_run({**settings, name: "other"}, model)


def test_settings_are_chosen_on_validation_prompts(command, run):
    assert command("--split", "validation", "--count", 1, "--frames", 0).exit_code == 0
    rows = pd.read_parquet(run.folder / "edits.parquet")
    assert set(rows["image"]) == {each.index for each in runs.read_split(run, "validation")}
    assert set(rows["prompts"]) == {"validation"}


def test_an_older_table_is_added_to(command, run):
    assert command("--count", 1, "--frames", 0).exit_code == 0
    rows = pd.read_parquet(run.folder / "edits.parquet")
    runs.write_table(run.edits, rows.drop(columns=["success", "joint", "kid", "distance"]))
    assert command("--count", 1, "--frames", 0, "--control", "roll").exit_code == 0
    both = pd.read_parquet(run.folder / "edits.parquet")
    assert len(both) == 2 * len(rows)
    assert both["success"].notna().sum() == 2 * rows["success"].notna().sum()


def test_the_command_edits_the_test_prompts_and_keeps_each_trial_once(command, run):
    for control, seed in (("none", 0), ("random", 0), ("random", 1), ("none", 0)):
        result = command("--control", control, "--count", 2, "--seed", seed)
        assert result.exit_code == 0, result.output
    assert "Median Dice to the target" in result.output
    rows = pd.read_parquet(run.folder / "edits.parquet")
    tests = len(runs.read_split(run, "test"))
    assert rows.groupby("control").size().to_dict() == {"none": 2 * tests, "random": 4 * tests}
    summary = runs.read_json(run.summary)
    assert [entry["control"] for entry in summary["edits"]] == ["random", "random", "none"]
    assert "above_random" in summary["edits"][-1]
    assert "properties" in summary
    assert len(list(run.figures.glob("edit-random-moves-test-none-1-1-1-*.png"))) == 1


def test_rows_that_another_edit_wrote_meanwhile_stay(command, run, monkeypatch):
    assert command("--count", 1, "--frames", 0, "--seed", 1).exit_code == 0
    others = pd.read_parquet(run.folder / "edits.parquet").assign(seed=7)
    whole = cli_edit.edit_all

    def slowly(*arguments, **more):
        found = whole(*arguments, **more)
        rows = pd.concat([runs.read_table(run.edits), others], ignore_index=True)
        runs.write_table(run.edits, rows)
        return found

    monkeypatch.setattr(cli_edit, "edit_all", slowly)
    assert command("--count", 1, "--frames", 0, "--seed", 2).exit_code == 0
    rows = pd.read_parquet(run.folder / "edits.parquet")
    assert rows.groupby("seed").size().to_dict() == dict.fromkeys((1, 2, 7), len(others))
    assert [each["seed"] for each in runs.read_json(run.summary)["edits"]] == [1, 7, 2]


def test_rows_are_written_when_another_process_lets_go_of_the_run(command, run, monkeypatch):
    monkeypatch.setattr(cli_edit, "PATIENCE_S", 30.0)
    lock = FileLock(run.folder / LOCK, thread_local=False)
    lock.acquire()
    Timer(4.0, lock.release).start()  # by then the pictures are made
    result = command("--count", 1, "--limit", 2, "--frames", 0)
    assert result.exit_code == 0, result.output
    assert not lock.is_locked
    assert len(pd.read_parquet(run.folder / "edits.parquet")) == 2


def test_pictures_of_edits_that_differ_stand_side_by_side(command, run):
    asked = ([], ["--hold", "none"], ["--carry", "none"], ["--margin", "-1"], ["--seed", 3],
             ["--unconditional", "0"], ["--layers", "up.0.*"])  # fmt: skip
    for words in (*asked, []):
        result = command("--count", 1, "--limit", 1, "--frames", 1, *words)
        assert result.exit_code == 0, result.output
    assert len(list(run.figures.glob("edit-random-*.png"))) == len(asked)
    assert len(list((run.folder / "edits").iterdir())) == len(asked)


@pytest.mark.parametrize("kept", [pd.DataFrame({"control": ["none"]}), None])
def test_a_table_that_cannot_be_added_to_is_refused_and_left(command, run, kept):
    path = run.folder / "edits.parquet"
    path.write_bytes(b"dear") if kept is None else kept.to_parquet(path)
    written = path.read_bytes()
    result = command("--count", 1)
    assert result.exit_code == 1
    assert "edits.parquet" in result.output
    assert "Delete it" in result.output
    assert path.read_bytes() == written


def test_the_command_moves_the_object_of_one_prompt(command, run):
    prompt = runs.read_split(run, "test")[0]
    moves = [command("--prompt", prompt.index, "--move", m) for m in ("0.25,0", "-4,0")]
    assert 0 in [each.exit_code for each in moves], moves[0].output
    rows = pd.read_parquet(run.folder / "edits.parquet")
    assert set(rows["prompts"]) == {f"prompt {prompt.index}"}
    assert runs.read_json(run.summary)["edits"][0]["dice_target"]["low"] is None  # one prompt


def test_the_command_paints_a_drawn_mask(command, run, tmp_path):
    drawn = np.zeros((16, 16), dtype=np.uint8)
    drawn[2:8, 8:14] = 255
    Image.fromarray(drawn).save(tmp_path / "here.png")
    result = command("--mask", tmp_path / "here.png", "--steps", "1-2")
    assert result.exit_code == 0, result.output
    rows = pd.read_parquet(run.folder / "edits.parquet")
    assert set(rows["target"]) == {"mask here.png"}
    assert set(rows["last_step"]) == {1}


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        (["--move", "random", "--depth", "translate"], "random moves, depth translated"),
        (["--depth", "translate"], "depth translated at random"),
        (["--light", "left"], "light left"),
        (["--depth", "near.png", "--light", "right"], "depth near.png, light right"),
        (["--scale", "0.5", "--light", "right"], "scale 0.5, light right"),
    ],
)
def test_targets_can_be_combined(command, run, tmp_path, monkeypatch, arguments, target):
    monkeypatch.chdir(tmp_path)
    ramp = np.tile(np.arange(16, dtype=np.uint8) * 16, (16, 1))
    Image.fromarray(ramp).save("near.png")
    result = command("--count", 1, "--carry", "none", *arguments)
    assert result.exit_code == 0, result.output
    rows = pd.read_parquet(run.folder / "edits.parquet")
    assert set(rows["target"]) == {target}
    done = rows[rows["left_out"] == ""]
    for word, column in (("depth", "depth_spearman"), ("light", "shading_spearman")):
        assert done[column].notna().all() == (word in target)


def test_only_some_of_the_test_prompts_may_be_edited(command, run):
    for strength in (1, 2):
        result = command("--count", 1, "--limit", 2, "--strength", strength)
        assert result.exit_code == 0, result.output
    rows = pd.read_parquet(run.folder / "edits.parquet")
    assert set(rows["prompts"]) == {"2 of test"}
    assert rows["image"].nunique() == 2
    assert (run.figures / "edit-doses.png").stat().st_size > 1000


def test_what_the_run_reads_is_held_and_what_it_does_not_is_said(command, run):
    for hold in ("albedo,depth", "none"):
        result = command("--count", 1, "--hold", hold, "--carry", "none")
        assert result.exit_code == 0, result.output
        assert ("no probes of albedo" in result.output) == (hold != "none")
    rows = pd.read_parquet(run.folder / "edits.parquet")
    held, free = (own["background_psnr"].dropna() for _, own in rows.groupby("held", sort=False))
    assert list(rows["held"].unique()) == ["depth", ""]
    assert not np.allclose(held, free)


def test_what_an_object_carries_is_aimed_at_and_scored(command, run):
    for carry in ("shading", "none"):
        result = command("--count", 1, "--limit", 2, "--hold", "none", "--carry", carry)
        assert result.exit_code == 0, result.output
    rows = pd.read_parquet(run.folder / "edits.parquet")
    own = dict(list(rows.groupby("carried", sort=False)))
    assert list(own) == ["shading", ""]
    kept = own["shading"][own["shading"]["left_out"] == ""]
    assert kept["shading_spearman"].notna().all()
    assert own[""]["shading_spearman"].isna().all()
    wrong = command("--carry", "weight")
    assert wrong.exit_code == 1
    assert "--carry 'weight' is none of" in wrong.output


def test_a_strength_beyond_what_was_measured_is_warned_of(command):
    result = command("--strength", 50, "--count", 1)
    assert result.exit_code == 0, result.output
    assert "beyond what was measured, 0 to 8" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--move", "1"], "--move '1' is not DX,DY"),
        (["--move", "1,2", "--mask", "x.png"], "Give no --move and --scale beside it"),
        (["--scale", "1.1", "--depth", "translate"], "--depth translate goes as far as --move"),
        (["--depth", "none.png"], "Cannot read the map none.png"),
        (["--scale", "-1"], "Invalid value for '--scale'"),
        (["--mask", "none.png"], "Cannot read the mask none.png"),
        (["--move", "16,0"], "No picture could be edited. A move by 16,0 pixels"),
        (["--steps", "0-1"], "--steps '0-1' is no span of this run's steps 1 to 2"),
        (["--steps", "2-3"], "is no span"),
        (["--steps", "2-1"], "is no span"),
        (["--count", "0"], "Invalid value for '--count'"),
        (["--limit", "0"], "Invalid value for '--limit'"),
        (["--prompt", "99"], "No prompt has index 99"),
        (["--layers", "side.*"], "No layer matches 'side.*'"),
        (["--hold", "size"], "--hold 'size' is none of saliency, depth"),
        (["--strength", "nan"], "Invalid value for '--strength'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_the_run_alone(command, run, arguments, words):
    result = command(*arguments)
    assert result.exit_code == (2 if words.startswith("Invalid value") else 1)
    assert words in result.output
    assert "Traceback" not in result.output
    assert not (run.folder / "edits.parquet").exists()
    assert "edits" not in runs.read_json(run.summary)
