from itertools import count

from underpaint.core.properties import DEPTH
from underpaint.labelers import Labeler
from underpaint.models.layers import find_layers
from underpaint.study.bench import compare
from worlds import model as random_model


def test_where_every_part_takes_a_second_the_ratios_are_known():
    model, seconds = random_model(), count()
    look = Labeler("grey", ("depth",), "MIT", lambda x: {"depth": x.mean(dim=1, keepdim=True)})
    layers = find_layers(model)
    found = compare(
        model, [look], [DEPTH], layers,
        images=8, steps=2, progress=lambda _line: None, clock=lambda: float(next(seconds)),
    )  # fmt: skip
    assert set(found["seconds"].values()) == {1.0, 3.0}
    assert found["overhead"] == 3.0  # tracing, folding and reading, over bare generation
    # A layer of the reference: half a picture and a whole one, then two cells stored and trained.
    assert found["seconds_reference"] == len(layers) * (1.5 + 2 * 2)
    assert found["reference_ratio"] == len(layers) * 5.5 / (3 + 1)
    cell = 8 * layers[-1].channels * layers[-1].grid[0] * layers[-1].grid[1] * 4
    assert found["reference_bytes_written"] >= len(layers) * 2 * cell
