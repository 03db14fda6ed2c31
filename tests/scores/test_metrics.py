import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, spearmanr
from sklearn.linear_model import LinearRegression
from sklearn.metrics import f1_score, root_mean_squared_error

from underpaint.core.arrays import to_grid, to_image
from underpaint.core.errors import MetricError
from underpaint.scores.metrics import (
    METRICS,
    best_threshold,
    dice,
    pearson,
    prepare,
    residual,
    rmse,
    spearman,
)

SIZE = (24, 20)
GRIDS = [(8, 5), (7, 3), (1, 20), (24, 20)]  # dividing, not dividing, thin, one pixel a cell


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def labels(generator):
    return torch.randn(4, 1, *SIZE, generator=generator).cumsum(-1).cumsum(-2)


@pytest.fixture
def position(generator):
    return torch.randn(1, *SIZE, generator=generator).cumsum(-2)


def predict(generator, labels, grid, *, steps=3, noise=5.0):
    shape = (steps, *labels.shape[:2], *grid)
    return to_grid(labels, grid) + noise * torch.randn(shape, generator=generator)


def each_map(predicted, labels):
    """Pair each prediction, upsampled and flat, with its label: the long way round."""
    for step, image in np.ndindex(*predicted.shape[:2]):
        upsampled = to_image(predicted[step, image, 0].double(), SIZE).flatten()
        yield (step, image), upsampled.numpy(), labels[image, 0].double().flatten().numpy()


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("has_ties", [True, False])
@pytest.mark.parametrize(
    ("metric", "known"),
    [
        (spearman, lambda p, y: spearmanr(p, y)[0]),
        (pearson, lambda p, y: pearsonr(p, y)[0]),
        (rmse, root_mean_squared_error),
    ],
    ids=["spearman", "pearson", "rmse"],
)
def test_a_grid_scores_exactly_what_its_upsampled_map_does(
    generator, labels, grid, has_ties, metric, known
):
    predicted = predict(generator, labels, grid)
    if has_ties:
        labels, predicted = labels.round(), (predicted / 4).round()
    found = metric(predicted, prepare(labels))
    assert found.shape == (3, 4)
    for place, p, y in each_map(predicted, labels):
        assert float(found[place]) == pytest.approx(known(p, y), abs=1e-12, rel=1e-12)


@pytest.mark.parametrize("grid", GRIDS)
def test_dice_is_that_of_the_upsampled_mask(generator, labels, grid):
    predicted = predict(generator, labels, grid) > 1
    masks = (labels > 2).float()
    found = dice(predicted, prepare(masks))
    for place, p, y in each_map(predicted, masks):
        assert float(found[place]) == pytest.approx(f1_score(y > 0.5, p > 0.5), abs=1e-12)


@pytest.mark.parametrize("grid", GRIDS)
def test_residual_correlates_what_regression_on_position_leaves(generator, labels, position, grid):
    predicted = predict(generator, labels, grid)
    found = residual(predicted, prepare(labels, position=position))
    q = position.double().flatten().numpy()[:, None]
    for place, p, y in each_map(predicted, labels):
        left = [each - LinearRegression().fit(q, each).predict(q) for each in (p, y)]
        assert float(found[place]) == pytest.approx(pearsonr(*left)[0], abs=1e-11)


def test_residual_sees_what_is_hidden_by_position(generator, position):
    own = torch.randn(50, 1, *SIZE, generator=generator)
    labels = 10 * position + own
    truth = prepare(labels, position=position)
    noise = 10 * position + torch.randn(50, 1, *SIZE, generator=generator)
    assert pearson(noise, truth).mean() > 0.95  # nothing but place, and it looks like skill
    assert abs(residual(noise, truth).mean()) < 0.02
    assert residual(labels - 7 * position, truth).min() > 1 - 1e-9


def test_position_itself_has_nothing_left_to_correlate(labels, position):
    truth = prepare(labels, position=position)
    assert residual(position.expand(2, 4, -1, -1, -1) * 3 + 1, truth).isnan().all()
    own = prepare(position[None] * 2 - 5, position=position)
    assert residual(labels[:1], own).isnan().all()


def test_a_flat_position_map_takes_nothing_away(generator, labels):
    predicted = predict(generator, labels, (8, 5))
    truth = prepare(labels, position=torch.full((1, *SIZE), 0.1))
    torch.testing.assert_close(residual(predicted, truth), pearson(predicted, truth))


def test_residual_without_a_position_map_is_refused(labels):
    with pytest.raises(MetricError, match="needs a position map"):
        residual(labels, prepare(labels))


@pytest.mark.parametrize("name", ["spearman", "pearson", "residual"])
def test_correlations_know_a_perfect_map_at_any_scale(labels, position, name):
    truth = prepare(labels, position=position)
    for scale in (2.0, -2.0):
        found = METRICS[name](labels * scale + 1000, truth)
        torch.testing.assert_close(found, torch.full((4,), scale / 2).double(), atol=1e-6, rtol=0)


def test_rmse_keeps_its_digits_far_from_zero(generator, labels):
    predicted = predict(generator, labels, (8, 5)).double()
    near = rmse(predicted, prepare(labels.double()))
    far = rmse(predicted + 1e6, prepare(labels.double() + 1e6))
    torch.testing.assert_close(far, near, rtol=1e-8, atol=0)


@pytest.mark.parametrize("name", ["spearman", "pearson", "residual"])
def test_a_constant_map_has_no_correlation(generator, labels, position, name):
    values = torch.tensor([0.1, 1 / 3, 1000.7, -7e-3], dtype=torch.float64)
    flat = values[:, None, None, None].expand(4, 1, 7, 3)
    truth = prepare(labels, position=position)
    assert METRICS[name](flat, truth).isnan().all()
    flat_label = prepare(values[:, None, None, None].expand(4, 1, *SIZE), position=position)
    assert METRICS[name](predict(generator, labels, (8, 5)), flat_label).isnan().all()


@pytest.mark.parametrize("name", ["spearman", "pearson", "residual", "rmse"])
def test_a_prediction_with_a_nan_has_no_score(labels, position, name):
    predicted = to_grid(labels, (8, 5))
    predicted[2, 0, 3, 3] = torch.nan
    found = METRICS[name](predicted, prepare(labels, position=position))
    assert found.isnan().tolist() == [False, False, True, False]


def test_two_empty_masks_score_nan_and_a_missed_mask_0():
    masks = torch.zeros(2, 1, *SIZE)
    masks[1, 0, 3:9, 3:9] = 1
    found = dice(torch.zeros(2, 1, 8, 5, dtype=torch.bool), prepare(masks))
    assert found[0].isnan()
    assert found[1] == 0


def test_targets_are_averaged_and_a_missing_one_makes_the_score_nan(generator):
    labels = torch.randn(3, 3, *SIZE, generator=generator)
    labels[2, 1] = 4.0
    predicted = torch.randn(5, 3, 3, 8, 5, generator=generator)
    found = pearson(predicted, prepare(labels))
    alone = [pearson(predicted[:, :, [t]], prepare(labels[:, [t]])) for t in range(3)]
    torch.testing.assert_close(found[:, :2], torch.stack(alone).mean(dim=0)[:, :2])
    assert found[:, 2].isnan().all()


def test_any_leading_axes_are_sources(generator, labels):
    predicted = predict(generator, labels, (8, 5), steps=6)
    truth = prepare(labels)
    nested = spearman(predicted.unflatten(0, (2, 3)), truth)
    assert torch.equal(nested.flatten(0, 1), spearman(predicted, truth))
    assert torch.equal(spearman(predicted[2], truth), spearman(predicted, truth)[2])


def test_noise_scores_chance(generator):
    labels = torch.randn(400, 1, *SIZE, generator=generator)
    noise = torch.randn(400, 1, *SIZE, generator=generator)
    truth = prepare(labels, position=labels.mean(dim=0))
    for name in ("spearman", "pearson", "residual"):
        assert abs(METRICS[name](noise, truth).mean()) < 0.01
    half = dice(noise > 0, prepare((labels > 0).float()))
    assert float(half.mean()) == pytest.approx(0.5, abs=0.01)


def test_the_best_threshold_separates_a_planted_mask(generator):
    masks = torch.zeros(6, 1, *SIZE)
    masks[:, :, 6:15, 4:12] = 1  # along cell edges of an 8 × 5 grid
    masks[5] = 0  # an image with nothing in it
    readings = to_grid(masks, (8, 5)) * torch.tensor([1.0, 50.0])[:, None, None, None, None]
    readings = readings + 0.3 * torch.rand(2, 6, 1, 8, 5, generator=generator)
    found = best_threshold(readings, prepare(masks))
    assert found.shape == (2,)
    scores = dice(readings > found[:, None, None, None, None], prepare(masks))
    assert (scores[:, :5] == 1).all()
    assert scores[:, 5].isnan().all()


def test_no_candidate_beats_the_chosen_threshold(generator, labels):
    truth = prepare((labels > 2).float())
    readings = predict(generator, labels, (7, 3), steps=1)[0]
    chosen = best_threshold(readings, truth, candidates=1000)
    best = dice(readings > chosen, truth).nanmean()
    for each in readings.flatten():
        assert dice(readings > each, truth).nanmean() <= best


@pytest.mark.parametrize("hole", [0.0, 0.3])
def test_a_threshold_is_that_of_trying_each_candidate(generator, labels, hole):
    """Second route: every candidate's masks, made and scored; with ties, a NaN and holes."""
    masks = (labels > 0).float()
    masks = masks.masked_fill(torch.rand(labels.shape, generator=generator) < hole, torch.nan)
    truth = prepare(masks)
    readings = (predict(generator, labels, (7, 3)) * 4).round() / 4
    readings[1, 0, 0, 2, 1] = torch.nan
    found = best_threshold(readings, truth, candidates=9)
    for at, own in enumerate(readings):
        values = own.flatten().sort().values
        tried = values[torch.linspace(0, len(values) - 1, 9).round().long()]
        scores = torch.stack([dice(own > each, truth).nanmean() for each in tried])
        assert float(found[at]) == float(tried[scores.argmax()])


def test_a_threshold_without_any_foreground_is_refused(labels):
    with pytest.raises(MetricError, match="None of 4 masks holds foreground"):
        best_threshold(labels, prepare(torch.zeros_like(labels)))


HOLES = [lambda i, y, x: (x + 3 * y) % 5 == i, lambda i, y, x: x > 12 + i, lambda i, y, x: y < i]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("hole", HOLES)
@pytest.mark.parametrize(
    ("metric", "known"),
    [
        (spearman, lambda p, y: spearmanr(p, y)[0]),
        (pearson, lambda p, y: pearsonr(p, y)[0]),
        (rmse, root_mean_squared_error),
    ],
)
def test_unknown_pixels_count_for_nothing(generator, labels, grid, hole, metric, known):
    y, x = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    unknown = torch.stack([hole(i, y, x) for i in range(4)])[:, None]  # none, in one case, of one
    predicted = predict(generator, labels, grid)
    scores = metric(predicted, prepare(labels.masked_fill(unknown, torch.nan)))
    assert scores.shape == (3, 4)
    for (step, image), p, y in each_map(predicted, labels):
        seen = ~unknown[image, 0].flatten().numpy()
        assert float(scores[step, image]) == pytest.approx(known(p[seen], y[seen]), abs=1e-7)


@pytest.mark.parametrize("grid", GRIDS)
def test_dice_residual_and_thresholds_are_over_known_pixels(generator, labels, position, grid):
    unknown = torch.rand(labels.shape, generator=generator) < 0.4
    holed = labels.masked_fill(unknown, torch.nan)
    predicted = predict(generator, labels, grid)
    mask = prepare((holed > 0).float().masked_fill(unknown, torch.nan))
    # The long way round: cut the known pixels out, and score them as pictures of one row.
    for image in range(4):
        seen = ~unknown[image, 0]
        cut = labels[image, 0][seen][None, None, None]
        shown = to_image(predicted, SIZE)[:, image, 0][:, seen][:, None, None, None]
        place = position[0][seen][None, None]
        ours = residual(predicted, prepare(holed, position=position))[:, image]
        theirs = residual(shown, prepare(cut, position=place))[:, 0]
        torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=1e-9)
        ours = dice(predicted > 0, mask)[:, image]
        torch.testing.assert_close(ours, dice(shown > 0, prepare((cut > 0).float()))[:, 0])
    thresholds = best_threshold(predicted, mask)
    at = thresholds[:, None, None, None, None]
    chosen = dice(predicted > at, mask).nanmean(dim=1)
    others = torch.stack([dice(predicted > at + d, mask).nanmean(dim=1) for d in (-3.0, 3.0)])
    assert (chosen >= others.amax(dim=0) - 1e-12).all()


def test_a_map_of_which_nothing_is_known_scores_nan_and_no_other(labels):
    holed = labels.clone()
    holed[1] = torch.nan
    for metric in (spearman, pearson, rmse):
        scores = metric(labels, prepare(holed))
        assert scores.isnan().tolist() == [False, True, False, False]
    assert spearman(labels, prepare(holed))[0] == pytest.approx(1)


def test_a_prediction_that_varies_only_where_nothing_is_known_has_no_correlation(labels):
    holed = labels.clone()
    holed[..., :10] = torch.nan
    predicted = torch.zeros(4, 1, 1, 2)
    predicted[..., 0] = torch.arange(4.0)[:, None, None]
    assert pearson(predicted, prepare(holed)).isnan().all()
    assert spearman(predicted, prepare(holed)).isnan().all()
