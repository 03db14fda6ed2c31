"""A second object beside the one that stays: what is asked, and when it is there."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import worlds
from underpaint.core.errors import EditError
from underpaint.core.prompts import Prompt
from underpaint.labelers import Labeler
from underpaint.models.traces import trace
from underpaint.runs import runs
from underpaint.steering import controls
from underpaint.steering.aims import aim_beside
from underpaint.steering.experiments import edit_all
from underpaint.steering.rivals import copy_patches
from underpaint.steering.targets import box_of, copy_map, move_mask, random_place
from underpaint.steering.trials import both_scores, completed, judged_beside

PROMPTS = [Prompt(f"thing {i}", i, i) for i in range(4)]
BESIDE = replace(worlds.trial(), beside=True)


def box(top, bottom, left, far):
    mask = torch.zeros(1, 16, 16)
    mask[:, top:bottom, left:far] = 1
    return mask


def always(*masks):
    """Make a labeler that sees the same in every picture."""
    whole = torch.stack(masks).amax(dim=0)
    names = ("saliency", "depth", "shading")
    return Labeler(
        "always", names, "MIT", lambda x: dict.fromkeys(names, whole.expand(len(x), -1, -1, -1))
    )


def test_the_second_looks_like_the_first_and_all_else_stays():
    maps = torch.arange(256.0).view(1, 16, 16)
    old, new = box(2, 6, 2, 6), box(8, 12, 9, 13)
    copied = copy_map(maps, old, new)
    assert torch.equal(copied[0, 8:12, 9:13], maps[0, 2:6, 2:6])
    assert torch.equal(copied[new == 0], maps[new == 0])


def test_a_random_place_is_beside_the_object_and_in_the_picture():
    mask = torch.zeros(1, 64, 64)
    mask[:, 20:40, 4:20] = 1
    found = [random_place(mask, np.random.default_rng(seed)) for seed in range(200)]
    for each in found:
        assert each.sum() == mask.sum()
        (top, bottom, left, far), (top2, bottom2, left2, far2) = box_of(mask), box_of(each)
        gaps = (top2 - bottom, top - bottom2, left2 - far, left - far2)
        assert max(gaps) - 1 >= 2  # pixels between them: 1/32 of 64
    assert len({box_of(each) for each in found}) > 100
    assert torch.equal(found[7], random_place(mask, np.random.default_rng(7)))
    with pytest.raises(EditError, match="no room beside"):
        random_place(box(2, 12, 2, 12), np.random.default_rng(0))


def test_what_is_asked_for_is_both_places_and_the_looks_at_the_new_one():
    old, shading = box(2, 6, 2, 6), torch.rand(1, 16, 16)
    aim = aim_beside(lambda mask, _: move_mask(mask, 6.0, 0.0), carried=("shading",))
    found = aim({"saliency": old, "shading": shading}, np.random.default_rng(0))
    new = box(2, 6, 8, 12)
    assert torch.equal(found["saliency"], old + new)
    assert torch.equal(found["shading"], copy_map(shading, old, new))
    near = aim_beside(lambda mask, _: move_mask(mask, 2.0, 0.0))
    with pytest.raises(EditError, match="would stand on the first"):
        near({"saliency": old}, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ((box(0, 4, 0, 4), box(8, 12, 8, 12)), (1, 1, 1, 1)),  # both
        ((box(0, 4, 0, 4),), (1, 0, 0, math.nan)),  # nothing came: keeping is no merit
        ((box(8, 12, 8, 12),), (0, 1, 0, 1)),  # it has moved
        ((box(0, 4, 0, 4), box(8, 12, 8, 10)), (1, 0.5, 0, math.nan)),  # half of a second
        ((box(0, 4, 0, 4), box(8, 12, 8, 11)), (1, 0.75, 1, 1)),
        ((box(0, 16, 0, 16),), (1, 1, 0, 1)),  # the mask is everywhere
    ],
)
def test_a_second_object_is_there_if_both_places_are_covered_and_little_else(seen, expected):
    old, new = box(0, 4, 0, 4)[None] > 0, box(8, 12, 8, 12)[None] > 0
    now = torch.stack(seen).amax(dim=0)[None] > 0
    scores = both_scores(now, old=old, beside=new)
    both = old | new
    scores["dice_target"] = 2 * (now & both).sum().double()[None] / (now.sum() + both.sum())
    found = {**scores, **judged_beside(scores, {"object_kept": torch.ones(1).double()})}
    names = ("recall_old", "recall_new", "success", "object_kept")
    assert [found[name].item() for name in names] == pytest.approx(list(expected), nan_ok=True)


def test_a_copied_patch_leaves_the_first_where_it_is():
    x = torch.arange(64.0).view(1, 1, 8, 8)
    copied = copy_patches(x, box(2, 6, 2, 6)[None], box(8, 12, 10, 14)[None])
    assert torch.equal(copied[0, 0, 4:6, 5:7], x[0, 0, 1:3, 1:3])
    copied[0, 0, 4:6, 5:7] = x[0, 0, 4:6, 5:7]
    assert torch.equal(copied, x)


@pytest.mark.parametrize("control", ["patch", "paste"])
def test_controls_copy_what_the_edit_leaves(setup, monkeypatch, control):
    asked = []
    for name in ("copy_patches", "paste_and_renoise"):
        own = getattr(controls, name)

        def watching(*given, own=own, name=name, **more):
            asked.append((name, given, more))
            return own(*given, **more)

        monkeypatch.setattr(controls, name, watching)
    old, new = box(1, 5, 1, 5), box(1, 5, 9, 13)
    told = replace(setup, labelers=(always(old),))
    aim = aim_beside(lambda mask, _: move_mask(mask, 8.0, 0.0))
    edit_all(told, replace(BESIDE, control=control), PROMPTS[:1], [aim], print)
    ((name, given, more),) = asked
    masks = given[1:] if control == "patch" else given[3]
    assert torch.equal(masks[0][0], old)
    assert torch.equal(masks[1][0], new)  # the new place alone, of a target that is both
    assert name == ("copy_patches" if control == "patch" else "paste_and_renoise")
    assert control == "patch" or more["paste"] is copy_map


def test_success_is_judged_by_what_the_labeler_sees_at_both_places(setup):
    old, new = box(1, 5, 1, 5), box(1, 5, 9, 13)
    aim = aim_beside(lambda mask, _: move_mask(mask, 8.0, 0.0))
    told = replace(setup, labelers=(always(old),))  # a second never comes
    rows, shown = edit_all(told, BESIDE, PROMPTS, [aim], print)
    assert rows["recall_old"].eq(1).all()
    assert rows["recall_new"].eq(0).all()
    assert rows["success"].eq(0).all()
    assert torch.equal(shown[0].target, (old + new)[0])
    assert rows["distance"].eq(0.5).all()
    plain = trace(setup.model, PROMPTS, steps=setup.steps, guidance=setup.guidance).images

    def both_once_edited(images):
        apart = (images[:, None] - plain).abs().amax(dim=(2, 3, 4)).amin(dim=1)
        is_edited = (apart > 1e-4)[:, None, None, None]
        return {"saliency": torch.where(is_edited, old + new, old)}

    comes = Labeler("comes", ("saliency",), "MIT", both_once_edited)
    rows, _ = edit_all(replace(setup, labelers=(comes,)), BESIDE, PROMPTS, [aim], print)
    assert rows["success"].eq(1).all()


@pytest.mark.parametrize("control", controls.MOVING)
def test_a_control_that_moves_what_stays_is_refused(setup, control):
    with pytest.raises(EditError, match=f"The control {control} moves the object"):
        edit_all(
            setup, replace(BESIDE, control=control), PROMPTS, [aim_beside(random_place)], print
        )


def test_rows_from_before_there_was_a_second_object_have_none(setup):
    aim = aim_beside(random_place)
    rows, _ = edit_all(setup, BESIDE, PROMPTS, [aim], print)
    older = completed(rows.drop(columns=["beside", "recall_old", "recall_new"]))
    assert not older["beside"].any()
    assert older[["recall_old", "recall_new"]].isna().all(axis=None)


def test_the_command_asks_for_a_second_object(command, run):
    for words in (["--beside"], []):
        result = command("--count", 1, "--limit", 4, "--frames", 0, *words)
        assert result.exit_code == 0, result.output
    rows = pd.read_parquet(run.edits)
    asked = rows[rows["beside"]]
    assert len(asked) == 4
    done = asked[asked["left_out"] == ""]
    assert done["success"].notna().all()
    assert rows[~rows["beside"]]["recall_new"].isna().all()
    assert [each["beside"] for each in runs.read_json(run.summary)["edits"]] == [True, False]
    assert len(list(run.figures.glob("edit-random-moves-*.png"))) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--light", "left"], "Give no --depth and --light with it"),
        (["--scale", "1.1"], "would stand on the first"),
        (["--control", "roll"], "The control roll moves the object"),
    ],
)
def test_what_no_second_object_can_be_asked_with_is_one_line(command, run, words, said):
    result = command("--beside", *words)
    assert result.exit_code == 1
    assert said in result.output
    assert not run.edits.exists()
