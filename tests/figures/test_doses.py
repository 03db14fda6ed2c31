import numpy as np
from PIL import Image

from underpaint.figures.edits import SHARES, draw_doses, series


def entry(strength=3.0, steps=(1, 8), control="none", **changes):
    settings = {
        "target": "random moves",
        "prompts": "test",
        "control": control,
        "strength": strength,
        "steps": list(steps),
        "layers": "up.*",
        "unconditional": 0.5,
        "held": "",
        "carried": "",
        "margin": -1.0,
        "seed": 0,
        "background_psnr": {"median": 20 + strength},
    }
    share = {"mean": strength / 10, "low": strength / 20, "high": None}
    return settings | dict.fromkeys(SHARES, share) | changes


LIKE = entry()
ENTRIES = [
    entry(6.0),
    LIKE,
    entry(1.0),
    entry(steps=(9, 15)),
    entry(steps=(1, 4)),
    entry(6.0, control="random"),
    entry(2.0, held="depth"),
    entry(5.0, seed=1),
    entry(5.0, margin=0.0),
    entry(4.0, object_kept={"mean": None, "low": None, "high": None}),
]


def test_a_series_differs_in_one_setting_and_is_in_its_order():
    strengths = series(ENTRIES, like=LIKE, over="strength")
    assert [each["strength"] for each in strengths] == [1, 3, 4, 6]
    spans = series(ENTRIES, like=LIKE, over="steps")
    assert [each["steps"] for each in spans] == [[1, 4], [1, 8], [9, 15]]
    random = series(ENTRIES, like=LIKE, over="strength", control="random")
    assert [each["strength"] for each in random] == [6]


def test_the_picture_shows_what_was_measured(tmp_path):
    drawn = []
    for number, entries in enumerate((ENTRIES, ENTRIES[1:], [LIKE])):
        draw_doses(entries, like=LIKE, path=tmp_path / f"{number}.png")
        drawn.append(np.asarray(Image.open(tmp_path / f"{number}.png").convert("RGB")))
    assert all(each.std() > 5 for each in drawn)
    assert not np.array_equal(drawn[0], drawn[1])
