"""Controls that move an object without touching an activation, and what all of them meet alike."""

import math
from dataclasses import replace

import pytest
import torch

import worlds
from underpaint.core.errors import EditError
from underpaint.core.prompts import Prompt
from underpaint.models import decode
from underpaint.models.levels import find_levels
from underpaint.models.traces import trace
from underpaint.steering.aims import aim_at
from underpaint.steering.choices import CONTROLS
from underpaint.steering.controls import WAYS, late_schedule, step_once
from underpaint.steering.experiments import NOTHING, edit_all
from underpaint.steering.rivals import paste_and_renoise, roll_latents, swap_patches
from underpaint.steering.targets import distances, move_mask, random_move

PROMPTS = [Prompt(f"thing {i}", i, i) for i in range(4)]


def box(*places):
    mask = torch.zeros(1, 1, 16, 16)
    top, bottom, left, far = places
    mask[..., top:bottom, left:far] = 1
    return mask


def latents():
    return torch.arange(64.0).view(1, 1, 8, 8)


def test_rolled_latents_go_as_far_as_the_object_and_come_round():
    rolled = roll_latents(latents(), box(2, 6, 2, 6), box(6, 10, 0, 4))
    assert torch.equal(rolled, latents().roll((2, -1), dims=(-2, -1)))


@pytest.mark.parametrize("shift", [(6, 6), (4, 2), (2, 2), (0, -4)])
def test_a_swapped_patch_is_where_the_object_shall_be_and_none_is_lost(shift):
    old = box(4, 10, 4, 10)
    then = old.roll(shift, dims=(-2, -1))
    swapped = swap_patches(latents(), old, then)
    down, right = (each // 2 for each in shift)
    there = swapped[0, 0, 2 + down : 5 + down, 2 + right : 5 + right]
    assert torch.equal(there, latents()[0, 0, 2:5, 2:5])
    assert torch.equal(swapped.flatten().sort().values, latents().flatten())
    outside = torch.ones(8, 8, dtype=torch.bool)
    outside[2:5, 2:5] = outside[2 + down : 5 + down, 2 + right : 5 + right] = False
    assert torch.equal(swapped[0, 0][outside], latents()[0, 0][outside])


def test_pasted_latents_are_noised_as_those_of_their_step(model):
    traced = trace(model, PROMPTS, steps=4, guidance=3.0)
    masks = box(2, 8, 2, 8).expand(4, -1, -1, -1), box(8, 14, 8, 14).expand(4, -1, -1, -1)
    made = [
        paste_and_renoise(
            model, traced.images, traced.final, masks, step=step, steps=4, seeds=[(seed,)] * 4
        )
        for step, seed in ((1, 0), (1, 0), (1, 1), (3, 0))
    ]
    assert torch.equal(made[0], made[1])
    signal, noise = find_levels(model, steps=4)[1]
    assert signal**2 + noise**2 == pytest.approx(1)
    drawn = (made[0] - made[2]) / noise  # of two independent draws
    assert drawn.std().item() == pytest.approx(math.sqrt(2), rel=0.15)
    assert find_levels(model, steps=4)[3][1] < noise


def test_pasting_where_the_object_is_changes_the_clean_picture_nowhere(model):
    traced = trace(model, PROMPTS[:1], steps=4, guidance=3.0)
    mask = torch.ones(1, 1, 16, 16)  # nothing is around it to fill its place with
    step, (signal, noise) = 3, find_levels(model, steps=4)[3]
    made = paste_and_renoise(
        model, traced.images, traced.final, (mask, mask), step=step, steps=4, seeds=[(0,)]
    )
    other = paste_and_renoise(
        model, traced.images, traced.final, (mask, mask), step=step, steps=4, seeds=[(1,)]
    )
    mean = (made + other) / 2 / signal
    spread = noise / signal / math.sqrt(2)
    assert (mean - traced.final).square().mean().sqrt().item() < 2 * spread
    assert decode(model, traced.final).allclose(traced.images)


def test_every_control_that_may_be_asked_for_is_carried_out():
    assert tuple(WAYS) == CONTROLS


@pytest.mark.parametrize("control", CONTROLS)
def test_every_control_meets_the_same_targets_and_changes_the_picture(setup, control):
    span = {"first_step": 0, "last_step": 0}
    rows, shown = edit_all(
        setup, replace(worlds.trial(control), **span), PROMPTS, [aim_at(random_move)], print
    )
    plain, _ = edit_all(
        setup, replace(worlds.trial(), **span), PROMPTS, [aim_at(random_move)], print
    )
    assert rows["dice_unedited"].equals(plain["dice_unedited"])
    assert rows["distance"].equals(plain["distance"])
    assert rows[["success", "dice_target", "distance"]].notna().all(axis=None)
    assert all(not torch.equal(each.before, each.after) for each in shown)


def test_what_acts_once_leaves_the_steps_before_alone(setup):
    late = replace(worlds.trial("roll"), first_step=1, last_step=1)
    rows, _ = edit_all(setup, late, PROMPTS, [aim_at(random_move)], print)
    first = replace(worlds.trial("roll"), first_step=0, last_step=0)
    others, _ = edit_all(setup, first, PROMPTS, [aim_at(random_move)], print)
    assert not rows["background_psnr"].equals(others["background_psnr"])


def test_a_control_that_moves_an_object_needs_one_and_a_place(setup):
    first = trace(setup.model, PROMPTS, steps=setup.steps, guidance=setup.guidance).images[0]

    def nothing(images):
        maps = worlds.brightest(images)
        is_first = (images - first).abs().amax(dim=(1, 2, 3)) < 1e-4
        maps["saliency"][is_first] = 0  # it shows none
        return maps

    blind = replace(setup, labelers=(replace(worlds.BRIGHTEST, read=nothing),))
    aim = aim_at(lambda _old, _random: box(2, 8, 2, 8)[0])
    rows, _ = edit_all(blind, worlds.trial("patch"), PROMPTS, [aim], print)
    assert rows["left_out"].tolist() == [NOTHING, "", "", ""]
    plain, _ = edit_all(blind, worlds.trial(), PROMPTS, [aim], print)
    assert (plain["left_out"] == "").all()
    with pytest.raises(EditError, match="nothing says where to"):
        edit_all(setup, worlds.trial("paste"), PROMPTS, [aim_at(light="left")], print)


def test_the_late_control_shares_no_step_with_the_edit():
    assert late_schedule(dict.fromkeys(range(10), 2.0), 15) == dict.fromkeys(range(10, 15), 2.0)
    assert late_schedule(dict.fromkeys(range(3), 1.0), 15) == dict.fromkeys((12, 13, 14), 1.0)
    assert late_schedule(dict.fromkeys(range(8, 14), 1.0), 15) == {14: 1.0}
    with pytest.raises(EditError, match="there are none"):
        late_schedule({14: 1.0}, 15)


def test_what_acts_once_does_so_at_the_same_share_of_any_run():
    assert [step_once(each, 15) for each in ("roll", "patch", "paste")] == [0, 2, 7]
    assert [step_once(each, 30) for each in ("roll", "patch", "paste")] == [0, 4, 14]


def test_distances_are_between_the_middles_of_boxes():
    old, none = box(2, 6, 2, 6), torch.zeros(1, 1, 16, 16)
    moved = move_mask(old, 3.0, 4.0)
    found = distances(torch.cat([old, old, none]), torch.cat([moved, none, moved]))
    assert found[0].item() == pytest.approx(5 / 16)
    assert found[1:].isnan().all()
