from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

import worlds
from underpaint.core.arrays import to_grid
from underpaint.core.errors import EditError
from underpaint.models.layers import find_layers
from underpaint.models.traces import trace
from underpaint.probes.moments import gather
from underpaint.probes.probes import Probe, acting_directions, covariance
from underpaint.steering.edits import Edit, adam_taps, random_directions, reading_directions, taps

STEPS = 3
IMAGES = len(worlds.PROMPTS)
SIZE = (16, 16)


@pytest.fixture(scope="module")
def layers(model):
    return find_layers(model)


@pytest.fixture(scope="module")
def plain(model, layers):
    return trace(model, worlds.PROMPTS, steps=STEPS, layers=layers)


@pytest.fixture(scope="module")
def moments(plain):
    generator = torch.Generator().manual_seed(0)
    grids = {layer.grid for layer in plain.activations}
    labels = {grid: torch.rand(IMAGES, 3, *grid, generator=generator) for grid in grids}
    return gather(plain.activations, labels)


@pytest.fixture(scope="module")
def probes(layers):
    """Plant probes of a mask and of a vector: what they read need mean nothing to be edited."""
    generator = torch.Generator().manual_seed(1)
    planted = {}
    for layer in layers:
        for step in range(STEPS):
            for name, targets in (("saliency", 1), ("normals", 3)):
                weight = torch.randn(layer.channels, targets, generator=generator).double()
                bias = torch.randn(targets, generator=generator).double()
                threshold = 0.5 if name == "saliency" else None
                planted[name, layer.name, step] = Probe(
                    layer.name, step, name, weight, bias, threshold
                )
    return planted


def target(targets=1, *, seed=2, images=IMAGES):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(images, targets, *SIZE, generator=generator)


def edit(strength=1.0, *, steps=range(STEPS), **changes):
    return Edit(
        **{
            "targets": {"saliency": target(), "normals": target(3)},
            "schedule": dict.fromkeys(steps, float(strength)),
            **changes,
        }
    )


def as_tokens(activation):
    """Lay one step's activation out as a layer returns it, a second half in front."""
    tokens = activation.flatten(2).mT
    return torch.cat([tokens + 1, tokens])


def change_of(made, plain, layer, *, step=0):
    """Say how one layer's tap changes the conditional tokens of one step."""
    tokens = as_tokens(plain.activations[layer][step])
    return made[layer](step, tokens)[IMAGES:] - tokens[IMAGES:]


@pytest.mark.parametrize("direction", [acting_directions, reading_directions])
def test_at_strength_1_every_edited_layer_reads_its_targets(
    model, layers, probes, moments, direction
):
    wanted = edit(direction=direction)
    edited = trace(
        model,
        worlds.PROMPTS,
        steps=STEPS,
        layers=layers,
        edits=taps(wanted, probes, moments, layers=layers),
    )
    for layer, activation in edited.activations.items():
        for step in range(STEPS):
            for name, maps in wanted.targets.items():
                read = probes[name, layer.name, step](activation[step])
                expected = to_grid(maps.double(), layer.grid)
                torch.testing.assert_close(read, expected, atol=2e-4, rtol=0)


def test_a_reading_goes_strength_times_as_far_as_its_target(layers, probes, moments, plain):
    layer = layers[-1]
    probe = probes["saliency", layer.name, 0]
    before = probe(plain.activations[layer][0])
    apart = to_grid(target().double(), layer.grid) - before
    only = {"saliency": target()}
    for strength in (0.5, 3.0, -1.0):
        change = change_of(
            taps(edit(strength, targets=only), probes, moments, layers=[layer]), plain, layer
        )
        moved = (change.double() @ probe.weight).mT.reshape(before.shape)
        torch.testing.assert_close(moved, strength * apart, atol=1e-4, rtol=1e-4)


def test_the_edit_is_the_least_change_in_the_data_s_covariance(layers, probes, moments, plain):
    """Second route: a general-purpose optimiser with the reading as its constraint."""
    layer = layers[0]
    sigma = covariance(moments[layer.name, 0], layer.channels)
    own = [probes[name, layer.name, 0] for name in ("saliency", "normals")]
    weight = torch.cat([probe.weight for probe in own], dim=1).numpy()
    change = change_of(taps(edit(), probes, moments, layers=[layer]), plain, layer)
    ours = change[0, 5].double().numpy()

    scale = float(sigma.diagonal().mean())
    inverse = np.linalg.inv(sigma.numpy() / scale)
    found = minimize(
        lambda shift: shift @ inverse @ shift,
        np.zeros(layer.channels),
        jac=lambda shift: 2 * inverse @ shift,
        constraints={
            "type": "eq",
            "fun": lambda shift: weight.T @ (shift - ours),
            "jac": lambda _shift: weight.T,
        },
        method="SLSQP",
        options={"maxiter": 2000, "ftol": 1e-14},
    )
    assert found.success
    assert ours @ inverse @ ours <= found.fun * (1 + 1e-4)
    np.testing.assert_allclose(found.x, ours, atol=1e-2 * np.abs(ours).max())


@pytest.mark.parametrize("direction", [acting_directions, reading_directions])
def test_what_is_held_is_read_as_before(layers, probes, moments, plain, direction):
    only = {"saliency": target()}
    made = taps(
        edit(targets=only, held=("normals",), direction=direction), probes, moments, layers=layers
    )
    free = taps(edit(targets=only, direction=direction), probes, moments, layers=layers)
    for layer in layers:
        change, other = (change_of(each, plain, layer).double() for each in (made, free))
        mask, normals = (probes[name, layer.name, 0].weight for name in ("saliency", "normals"))
        torch.testing.assert_close(change @ mask, other @ mask, atol=1e-4, rtol=1e-4)
        assert (change @ normals).abs().max() < 1e-3 * (change @ mask).abs().max()
        assert (other @ normals).abs().max() > 1e-2 * (change @ mask).abs().max()


def test_along_the_weight_the_change_has_the_least_norm(layers, probes, moments, plain):
    layer = layers[0]
    weight = torch.cat([probes[name, layer.name, 0].weight for name in ("saliency", "normals")], 1)
    made = taps(edit(direction=reading_directions), probes, moments, layers=[layer])
    change = change_of(made, plain, layer).double()
    least = (change @ weight) @ torch.linalg.pinv(weight)  # second route: the pseudo-inverse
    torch.testing.assert_close(change, least, atol=1e-5, rtol=1e-4)
    acting = change_of(taps(edit(), probes, moments, layers=[layer]), plain, layer)
    assert (change.norm(dim=-1) < acting.norm(dim=-1)).all()


def test_a_random_change_is_as_long_as_the_edit_s_and_goes_elsewhere(
    layers, probes, moments, plain
):
    layer = layers[-1]

    def change(direction):
        made = taps(edit(direction=direction), probes, moments, layers=[layer])
        return change_of(made, plain, layer)

    def random(seed):
        return change(random_directions(torch.Generator().manual_seed(seed)))

    acting = change(acting_directions)
    torch.testing.assert_close(random(0).norm(dim=-1), acting.norm(dim=-1), atol=1e-4, rtol=1e-4)
    assert torch.equal(random(0), random(0))
    assert not torch.allclose(random(0), random(1), atol=1e-2)
    cosine = torch.cosine_similarity(random(0), acting, dim=-1).abs().mean()
    assert cosine < 0.9


def test_each_layer_and_step_has_a_random_direction_of_its_own(layers, probes, moments):
    direction = random_directions(torch.Generator().manual_seed(0))
    weight = probes["saliency", layers[0].name, 0].weight
    sigma = covariance(moments[layers[0].name, 0], layers[0].channels)
    assert not torch.allclose(direction(weight, sigma), direction(weight, sigma))


@pytest.mark.parametrize("make", ["closed", "adam"])
def test_an_edit_that_is_switched_off_gives_the_same_bytes(
    model, layers, probes, moments, plain, make
):
    off = edit(0.0, unconditional=0.5)
    made = (
        taps(off, probes, moments, layers=layers)
        if make == "closed"
        else adam_taps(off, probes, layers=layers)
    )
    edited = trace(model, worlds.PROMPTS, steps=STEPS, layers=layers, edits=made)
    assert torch.equal(edited.final, plain.final)
    assert torch.equal(edited.images, plain.images)


def test_only_scheduled_steps_are_edited(model, layers, probes, moments, plain):
    layer = layers[3]
    edited = trace(
        model,
        worlds.PROMPTS,
        steps=STEPS,
        layers=[layer],
        edits=taps(edit(steps=[1]), probes, moments, layers=[layer]),
    )
    is_same = [
        torch.equal(edited.activations[layer][step], plain.activations[layer][step])
        for step in range(STEPS)
    ]
    assert is_same == [True, False, False]  # the last is not edited, but comes of an edited one
    assert torch.equal(edited.latents[:2], plain.latents[:2])


def test_places_outside_the_mask_of_where_are_left_alone(layers, probes, moments, plain):
    layer = layers[0]
    where = torch.zeros(IMAGES, 1, *SIZE)
    where[..., :8] = 1
    made = taps(edit(where=where), probes, moments, layers=[layer])
    change = change_of(made, plain, layer)
    is_left = to_grid(where, layer.grid).flatten(1).bool()
    whole = change_of(taps(edit(), probes, moments, layers=[layer]), plain, layer)
    assert (change[~is_left] == 0).all()
    assert torch.equal(change[is_left], whole[is_left])


def test_the_unconditional_half_moves_the_other_way_by_its_share(layers, probes, moments, plain):
    layer = layers[-1]
    tokens = as_tokens(plain.activations[layer][0])
    for share in (0.0, 0.5):
        made = taps(edit(unconditional=share), probes, moments, layers=[layer])
        moved = made[layer](0, tokens) - tokens
        if share == 0.0:
            assert (moved[:IMAGES] == 0).all()
        torch.testing.assert_close(moved[:IMAGES], -share * moved[IMAGES:], atol=1e-5, rtol=1e-4)


def test_without_guidance_there_is_no_half_to_push(layers, probes, moments, plain):
    layer = layers[-1]
    tokens = as_tokens(plain.activations[layer][0])
    made = taps(edit(unconditional=0.5), probes, moments, layers=[layer])
    assert torch.equal(made[layer](0, tokens[IMAGES:]), made[layer](0, tokens)[IMAGES:])


def test_adam_brings_readings_closer_to_their_targets(layers, probes, plain):
    layer = layers[0]
    mask = torch.zeros(IMAGES, 1, *SIZE)
    mask[..., 4:12, 2:8] = 1
    wanted = edit(targets={"saliency": mask, "normals": target(3)})
    made = adam_taps(wanted, probes, layers=[layer], iterations=60, learning_rate=0.02)
    change = change_of(made, plain, layer)
    before = plain.activations[layer][0]
    after = before + change.mT.reshape(before.shape)
    goal = to_grid(wanted.targets["normals"], layer.grid)
    normals = probes["normals", layer.name, 0]
    assert (normals(after) - goal).abs().mean() < 0.5 * (normals(before) - goal).abs().mean()
    saliency = probes["saliency", layer.name, 0]
    is_in = to_grid(mask, layer.grid) > 0.5

    def agreement(activation):
        return ((saliency(activation) > 0.5) == is_in).double().mean()

    assert agreement(after) > max(agreement(before), 0.8)


def test_adam_does_not_depend_on_the_batch(layers, probes, plain):
    layer = layers[0]
    whole = change_of(adam_taps(edit(), probes, layers=[layer], iterations=5), plain, layer)
    first = replace(edit(), targets={k: v[:1] for k, v in edit().targets.items()})
    tokens = as_tokens(plain.activations[layer][0])[[0, IMAGES]]
    alone = adam_taps(first, probes, layers=[layer], iterations=5)[layer](0, tokens) - tokens
    torch.testing.assert_close(alone[1], whole[0], atol=1e-5, rtol=1e-3)


def test_hooks_are_gone_after_an_edit_that_does_not_fit(model, layers, probes, moments, plain):
    few = edit(targets={"saliency": target(images=2)})
    with pytest.raises(EditError, match="An edit of 2 images at"):
        trace(
            model,
            worlds.PROMPTS,
            steps=STEPS,
            edits=taps(few, probes, moments, layers=layers),
        )
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.denoiser.modules()]
    assert sum(hooks) == 0
    assert torch.equal(trace(model, worlds.PROMPTS, steps=STEPS).final, plain.final)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"targets": {}}, "has no target"),
        ({"targets": {"saliency": target() * float("nan")}}, "target of saliency holds NaN"),
        ({"targets": {"a": target(), "b": target(images=2)}}, "The target of b has the shape"),
        ({"where": target(images=2)}, "mask of where has the shape"),
        ({"where": 2 * torch.ones(IMAGES, 1, *SIZE)}, r"where leaves 0\.\.1"),
        ({"schedule": {-1: 1.0}}, "at step -1 with strength 1"),
        ({"schedule": {0: float("inf")}}, "give a finite strength"),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused(changes, words):
    with pytest.raises(EditError, match=words):
        edit(**changes)


def test_a_property_is_not_both_moved_and_held():
    with pytest.raises(EditError, match="both move and hold normals"):
        edit(held=("normals",))


def test_an_edit_that_no_probe_can_steer_is_refused(layers, probes, moments):
    with pytest.raises(EditError, match=r"No probe reads depth from layer down\.0\.0 at step 1"):
        taps(edit(targets={"depth": target()}), probes, moments, layers=layers)
    with pytest.raises(EditError, match=r"at step 8\. Edit layers, steps and properties"):
        taps(edit(steps=[7]), probes, moments, layers=layers)
    with pytest.raises(EditError, match="reads 1 maps from 8 channels; the target has 3 maps"):
        taps(edit(targets={"saliency": target(3)}), probes, moments, layers=layers)
    with pytest.raises(EditError, match="No moments of layer"):
        taps(edit(), probes, {}, layers=layers)
