"""The benchmark of shuffled labels, on a layer that tells object from ground and little else."""

import numpy as np
import torch
from benchmarks.recipes import Pictures
from benchmarks.shuffles import hand_outs, row

from underpaint.core.properties import SALIENCY


def pictures(images, seed):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros(images, 1, 16, 16)
    for place, (top, left) in enumerate(torch.randint(0, 4, (images, 2), generator=generator) * 3):
        mask[place, :, top : top + 4, left : left + 4] = 1
    shown = torch.nn.functional.avg_pool2d(mask, 2)
    mixing = torch.randn(6, 1, 1, generator=torch.Generator().manual_seed(9))
    noise = torch.randn(images, 6, 8, 8, generator=generator)
    cell = {("up.0", 0): 8 * mixing * shown + noise}
    return Pictures(cell, {"saliency": mask}, tuple(f"{seed} {i}" for i in range(images)))


def test_wrong_labels_are_at_chance_judged_by_themselves_and_not_by_the_right_ones():
    parts = {"train": pictures(48, 1), "validation": pictures(16, 2), "test": pictures(24, 3)}
    found = hand_outs(SALIENCY, ("up.0", 0), parts, shuffles=12, seed=0)
    own, others = (np.array(found[judge]) for judge in ("own", "others'"))
    # A sixteenth of the picture is object: Dice of all of it is 0.12.
    assert others.max() < 0.3
    assert np.median(own) > 0.6
    assert row(SALIENCY, ("up.0", 0), "own", found["own"]).startswith("| saliency | dice | up.0 |")
