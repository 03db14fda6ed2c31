import pytest
import torch
from scipy.stats import rankdata

from underpaint.scores import ranks
from underpaint.scores.ranks import rank_cells


@pytest.fixture
def values():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 6, (3, 2, 9), generator=generator).double()  # many ties


def test_cells_rank_as_their_pixels_do(values):
    pixels = torch.tensor([4, 1, 6, 2, 2, 3, 1, 1, 5])
    found = rank_cells(values, pixels.double())
    spread = values.repeat_interleave(pixels, dim=-1)
    expected = torch.from_numpy(rankdata(spread.numpy(), axis=-1))
    assert torch.equal(found.repeat_interleave(pixels, dim=-1), expected)


def test_cells_of_one_size_rank_as_their_pixels_do_with_and_without_ties(values):
    draw = torch.Generator().manual_seed(1)
    values = torch.cat([values, torch.randn(2, 2, 9, generator=draw).double()])
    values[0, 0] = 1.0
    found = rank_cells(values, torch.full((9,), 4.0).double())
    expected = torch.from_numpy(rankdata(values.repeat_interleave(4, dim=-1).numpy(), axis=-1))
    assert torch.equal(found.repeat_interleave(4, dim=-1), expected)


def test_ranks_do_not_depend_on_how_many_are_taken_at_once(values, monkeypatch):
    pixels = torch.ones(9, dtype=torch.float64)
    whole = rank_cells(values, pixels)
    monkeypatch.setattr(ranks, "_CHUNK", 10)
    assert torch.equal(rank_cells(values, pixels), whole)


def test_negative_zero_ties_with_zero():
    found = rank_cells(torch.tensor([[0.0, -0.0, 1.0]]).double(), torch.ones(3).double())
    assert found.tolist() == [[1.5, 1.5, 3.0]]


def test_ranks_on_a_gpu_are_those_of_the_processor_to_the_last_bit():
    random = torch.Generator().manual_seed(0)
    values = (torch.randn(50, 64, generator=random).double() * 4).round()
    values[0], values[1, 3], values[2, :5] = 1.0, torch.nan, torch.inf
    pixels = torch.randint(1, 9, (64,), generator=random).double()
    there = ranks._rank_there(values, pixels)
    here = torch.from_numpy(ranks._rank_here(values.numpy(), pixels.numpy()))
    is_known = ~values.isnan().any(dim=-1)
    assert torch.equal(there[is_known], here[is_known])
