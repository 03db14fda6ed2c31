import numpy as np
import pandas as pd
import pytest
import torch

from underpaint.core.errors import MetricError
from underpaint.scores.scores import COLUMNS, ScoreKey, Scores, best_layer, curves
from underpaint.scores.tabulating import tabulate

KEYS = (
    ScoreKey("probe", "depth", "up.0", "spearman"),
    ScoreKey("probe", "depth", "up.1", "spearman"),
    ScoreKey("image", "depth", "", "spearman"),
)


def make(images, *, splits="test", seed=0, keys=KEYS):
    generator = torch.Generator().manual_seed(seed)
    blocks = {
        key: torch.rand(4, len(images), generator=generator, dtype=torch.float64) for key in keys
    }
    prompts = [f"prompt {image // 2}" for image in images]
    return blocks, tabulate(blocks, images=images, prompts=prompts, splits=[splits] * len(images))


def test_every_score_has_a_row_of_its_own():
    blocks, scores = make([5, 6, 7])
    assert tuple(scores.rows.columns) == COLUMNS
    assert len(scores.rows) == 3 * 4 * 3
    row = scores.rows.query("source == 'probe' and layer == 'up.1' and step == 2 and image == 6")
    assert row["value"].item() == blocks[KEYS[1]][2, 1].item()
    assert row["prompt"].item() == "prompt 3"


def test_curves_give_back_what_was_tabulated_in_any_row_order():
    blocks, scores = make([9, 3, 4])
    shuffled = Scores(scores.rows.sample(frac=1, random_state=0))
    found = curves(shuffled, "test")
    assert set(found) == set(KEYS)
    for key, block in blocks.items():
        assert found[key].images == (3, 4, 9)
        assert found[key].prompts == ("prompt 1", "prompt 2", "prompt 4")
        np.testing.assert_array_equal(found[key].values, block.T.numpy()[[1, 2, 0]])


def test_added_scores_hold_the_rows_of_both():
    first, second = make([0, 1])[1], make([2, 3, 4], seed=1, splits="validation")[1]
    both = first + second
    assert len(both.rows) == len(first.rows) + len(second.rows)
    assert isinstance(both.rows["prompt"].dtype, pd.CategoricalDtype)
    assert set(curves(both, "validation")[KEYS[0]].images) == {2, 3, 4}
    np.testing.assert_array_equal(both.rows["value"], [*first.rows["value"], *second.rows["value"]])


def test_scores_of_plain_strings_work_as_well():
    scores = make([0, 1])[1]
    plain = Scores(scores.rows.astype({"source": str, "prompt": str, "split": str}))
    assert set(curves(plain + scores.__class__(plain.rows[:0]), "test")) == set(KEYS)


def test_undefined_scores_stay_in_the_table():
    blocks = {KEYS[0]: torch.tensor([[0.5, torch.nan]]).double()}
    scores = tabulate(blocks, images=[0, 1], prompts=["a", "b"], splits=["test", "test"])
    assert scores.rows["value"].isna().sum() == 1
    assert np.isnan(curves(scores, "test")[KEYS[0]].values[1, 0])


def test_scores_for_other_images_than_named_are_refused():
    with pytest.raises(MetricError, match="cover 2 images; 3 numbers"):
        tabulate(
            {KEYS[0]: torch.zeros(1, 2).double()},
            images=[0, 1, 2],
            prompts=[""] * 3,
            splits=[""] * 3,
        )


@pytest.mark.parametrize("fault", ["missing", "twice"])
def test_a_key_that_does_not_score_each_image_once_a_step_is_refused(fault):
    rows = make([0, 1, 2])[1].rows
    broken = rows.drop(rows.index[4]) if fault == "missing" else pd.concat([rows, rows[:12]])
    with pytest.raises(MetricError, match="one value for each image at each step"):
        curves(Scores(broken), "test")


def test_no_scores_are_no_curves():
    scores = tabulate({}, images=[0], prompts=["a"], splits=["test"])
    assert curves(scores, "test") == {}


def test_the_best_layer_is_the_best_over_all_steps():
    early, late = torch.tensor([[0.6], [0.7]]).double(), torch.tensor([[0.1], [0.8]]).double()
    empty = torch.full((2, 1), torch.nan).double()
    blocks = {
        ScoreKey("probe", "depth", layer, "spearman"): block
        for layer, block in [("up.0", late), ("up.1", early), ("up.2", empty)]
    }
    scores = tabulate(blocks, images=[0], prompts=["a"], splits=["validation"])
    validation = curves(scores, "validation")
    wanted = {"source": "probe", "property": "depth", "metric": "spearman"}
    assert best_layer(validation, **wanted) == "up.1"
    with pytest.raises(MetricError, match="so no layer can be chosen"):
        best_layer(curves(scores, "test"), **wanted)
