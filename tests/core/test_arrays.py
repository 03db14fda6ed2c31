import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from underpaint.core.arrays import cell_of_pixel, to_grid, to_image, to_rows
from underpaint.core.errors import LabelError

sizes = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(0, 9), st.integers(0, 9))


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_cells_of_a_checkerboard_average_to_a_half():
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2
    assert torch.equal(to_grid(board.float(), (4, 4)), torch.full((4, 4), 0.5))


def test_a_grid_that_divides_the_image_holds_plain_block_means():
    maps = random(2, 3, 12, 8)
    by_pooling = torch.nn.functional.avg_pool2d(maps, (3, 4))
    torch.testing.assert_close(to_grid(maps, (4, 2)), by_pooling)


@given(sizes)
def test_up_and_down_again_changes_nothing(size):
    rows, cols, extra_height, extra_width = size
    cells = random(rows, cols)
    pixels = to_image(cells, (rows + extra_height, cols + extra_width))
    torch.testing.assert_close(to_grid(pixels, (rows, cols)), cells)


@given(sizes)
def test_the_best_map_on_cells_is_the_cell_mean(size):
    rows, cols, extra_height, extra_width = size
    label = random(rows + extra_height, cols + extra_width)
    means = to_grid(label, (rows, cols)).requires_grad_()
    loss = (to_image(means, tuple(label.shape)) - label).square().sum()
    # The claim that everything rests on: after nearest upsampling, squared error is stationary.
    torch.testing.assert_close(
        torch.autograd.grad(loss, means)[0], torch.zeros(rows, cols), atol=1e-5, rtol=0
    )


@given(st.integers(1, 40), st.integers(1, 40))
def test_each_pixel_is_in_one_cell_and_no_cell_is_empty(cells, extra):
    counts = torch.bincount(cell_of_pixel(cells + extra, cells), minlength=cells)
    assert counts.sum() == cells + extra
    assert counts.min() >= 1
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("height", [5, 7, 49, 512])
def test_a_mask_full_of_ones_averages_to_exactly_one(height):
    assert torch.equal(to_grid(torch.ones(height, height), (3, 5)), torch.ones(3, 5))


def test_dtype_is_kept():
    assert to_grid(random(4, 4).double(), (2, 2)).dtype == torch.float64


@pytest.mark.parametrize("grid", [(9, 4), (4, 9), (0, 4)])
def test_a_grid_finer_than_the_maps_is_refused(grid):
    with pytest.raises(LabelError, match=r"grid does not fit 8×8 pixels.*maps at the image's size"):
        to_grid(random(8, 8), grid)


def test_an_image_coarser_than_the_grid_is_refused():
    with pytest.raises(LabelError, match=r"8×8 grid does not fit 4×16 pixels"):
        to_image(random(8, 8), (4, 16))


def test_rows_go_image_by_image_then_along_grid_rows():
    activation = torch.arange(2 * 3 * 2 * 2.0).reshape(2, 3, 2, 2)
    rows = to_rows(activation)
    assert rows.shape == (8, 3)
    assert torch.equal(rows[1], activation[0, :, 0, 1])
    assert torch.equal(rows[6], activation[1, :, 1, 0])
