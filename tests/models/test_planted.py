"""A signal is planted where the image's tokens of the prompts are, and garbage everywhere else."""

from contextlib import nullcontext

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from underpaint.core.errors import LayerError
from underpaint.models.asking import Asking
from underpaint.models.layers import Layer
from underpaint.models.places import Place
from underpaint.models.traces import _tap

SOME = {"max_examples": 60, "suppress_health_check": [HealthCheck.too_slow], "deadline": None}


@settings(**SOME)
@given(
    images=st.integers(1, 3),
    parts=st.integers(1, 3),
    seen_parts=st.integers(1, 3),
    part=st.integers(0, 2),
    calls=st.integers(1, 2),
    call=st.integers(0, 1),
    side=st.sampled_from(["alone", "before", "after"]),
    text=st.integers(1, 5),
    spare=st.integers(0, 2),
    missing=st.integers(-3, 3),
)
def test_the_planted_signal_is_read_or_it_is_an_error(
    images, parts, seen_parts, part, calls, call, side, text, spare, missing
):
    part, call, grid, channels, steps = part % parts, call % calls, (2, 3), 4, 2
    layer = Layer("block.0", "block.0", channels, grid)
    kept: dict[Layer, torch.Tensor] = {}
    place = Place(side, spare)
    tap = _tap(
        layer,
        edit=None,
        kept=kept,
        images=images,
        steps=steps,
        first_step=0,
        asking=Asking(calls, call, parts, part),
        place=place,
        lengths=[text],
    )
    generator = torch.Generator().manual_seed(0)
    signal = torch.randn(steps, images, 6, channels, generator=generator)
    beside = 0 if side == "alone" else text + spare
    count = 6 + beside + missing
    lead = beside if side == "before" else 0
    is_right = seen_parts == parts and missing == 0
    with nullcontext() if is_right else pytest.raises(LayerError, match=r"block\.0 at step 0"):
        for run in range(steps * calls):
            batch = torch.full((seen_parts * images, max(count, 1), channels), 1e9)
            if run % calls == call and is_right:
                rows = slice(part * images, (part + 1) * images)
                batch[rows, lead : lead + 6] = signal[run // calls]
            tap(run, batch)
    if is_right:
        assert torch.equal(kept[layer].flatten(3).mT, signal)
