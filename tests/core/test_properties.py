import pytest
import torch

from underpaint.core.arrays import normalise
from underpaint.core.properties import ALBEDO, DEPTH, PROPERTIES, SALIENCY, SHADING


def labels(*, targets: int = 1) -> torch.Tensor:
    return torch.rand(3, targets, 6, 5, generator=torch.Generator().manual_seed(0)) * 9 + 100


@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (0.01, -5), (300, 7)])
@pytest.mark.parametrize("relative", [DEPTH, SHADING])
def test_relative_labels_forget_scale_and_shift(relative, scale, shift):
    changed = normalise(relative, labels() * scale + shift)
    torch.testing.assert_close(changed, normalise(relative, labels()), atol=2e-3, rtol=0)


def test_relative_labels_have_mean_zero_and_deviation_one_in_each_image():
    scored = normalise(DEPTH, labels())
    torch.testing.assert_close(scored.mean(dim=(2, 3)), torch.zeros(3, 1), atol=1e-5, rtol=0)
    deviation = scored.std(dim=(2, 3), correction=0)
    torch.testing.assert_close(deviation, torch.ones(3, 1))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_a_constant_map_becomes_zeros(value):
    constant = torch.full((2, 1, 7, 3), value)
    assert torch.equal(normalise(DEPTH, constant), torch.zeros_like(constant))


def test_an_unknown_pixel_stays_unknown_and_spoils_no_other():
    broken = labels()
    broken[1, 0, 0, 0] = torch.nan
    scored = normalise(DEPTH, broken)
    assert scored.isnan().nonzero().tolist() == [[1, 0, 0, 0]]
    assert float(scored[1].nanmean()) == pytest.approx(0, abs=1e-6)
    assert not scored[[0, 2]].isnan().any()


@pytest.mark.parametrize("absolute", [SALIENCY, ALBEDO])
def test_other_labels_pass_unchanged(absolute):
    given = labels(targets=absolute.targets)
    assert torch.equal(normalise(absolute, given), given)


def test_properties_are_found_by_their_names():
    assert list(PROPERTIES) == ["saliency", "depth", "shading", "normals", "albedo"]
    assert all(PROPERTIES[name].name == name for name in PROPERTIES)
    assert [known.name for known in PROPERTIES.values() if known.is_binary] == ["saliency"]
