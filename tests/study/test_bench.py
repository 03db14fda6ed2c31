from underpaint.core.properties import DEPTH
from underpaint.labelers import Labeler
from underpaint.models.layers import find_layers
from underpaint.study.bench import compare
from worlds import model as random_model


def test_the_cost_is_a_ratio_of_what_was_timed():
    model = random_model()
    look = Labeler("grey", ("depth",), "MIT", lambda x: {"depth": x.mean(dim=1, keepdim=True)})
    layers = find_layers(model)
    found = compare(model, [look], [DEPTH], layers, images=8, steps=2, progress=lambda _line: None)
    cells = len(layers) * 2
    cell = found["seconds_reference_cell"]
    generated = len(layers) * found["seconds"]["bare"] * 3 / 2
    expected = generated + cells * (cell["store"] + cell["train"])
    assert found["seconds_reference"] == expected
    assert found["reference_ratio"] == expected / (
        found["seconds"]["probed"] + found["seconds"]["fit"]
    )
    assert 0.2 < found["overhead"] < 20
    assert found["reference_bytes_written"] > cells * 8 * 4
