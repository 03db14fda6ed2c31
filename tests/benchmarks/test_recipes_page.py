"""The benchmark of recipes, on labels that are planted in a random model's activations."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from underpaint.core.arrays import to_image
from underpaint.core.properties import DEPTH, SALIENCY

PATH = Path(__file__).parents[2] / "benchmarks" / "recipes.py"
SPEC = importlib.util.spec_from_file_location("recipe_benchmark", PATH)
assert SPEC
assert SPEC.loader
benchmark = importlib.util.module_from_spec(SPEC)
sys.modules["recipe_benchmark"] = benchmark
SPEC.loader.exec_module(benchmark)


def pictures(images, seed):
    generator = torch.Generator().manual_seed(seed)
    activation = torch.randn(images, 6, 4, 4, generator=generator)
    depth = to_image(activation[:, :1] - 2 * activation[:, 1:2], (16, 16))
    return benchmark.Pictures(
        {("up.0", 1): activation},
        {"depth": depth, "saliency": (depth > 1).float()},
        tuple(f"{seed} {i}" for i in range(images)),
    )


@pytest.mark.parametrize(("property", "convex"), [(DEPTH, "huber"), (SALIENCY, "logistic")])
def test_every_recipe_is_scored_on_the_same_planted_labels(property, convex):
    lines = benchmark.compare(
        property,
        "up.0",
        1,
        train=pictures(32, 1),
        validation=pictures(8, 2),
        test=pictures(12, 3),
    )
    assert [line.recipe for line in lines] == ["ridge", convex, "paper", "mlp"]
    ridge, found, *_ = lines
    assert ridge.score > 0.9
    assert ridge.difference.mean == 0
    assert found.difference.mean > -0.05
    said = benchmark.verdict(lines).splitlines()
    assert [line.split("`")[1] for line in said] == [convex, "paper", "mlp"]
    assert f"{found.difference.mean:+.3f} on average" in said[0]
    page = benchmark.table(lines, steps=15)
    assert page.count("\n") == 2 + len(lines)
    assert f"| up.0 | 2 | {convex} |" in page
