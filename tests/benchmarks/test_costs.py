"""The page of costs: its numbers are those measured, and what it says of ranks is so."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import costs


def test_exact_rank_correlation_by_cells_is_scipys_and_fast():
    found = costs.ranks(side_px=256, grid=16, maps=16)
    assert found["largest_difference"] < 1e-12
    assert found["ratio"] > 4  # 20 at full size


def test_costs_are_written_from_what_was_measured(monkeypatch, tmp_path):
    seconds = {"bare": 2.0, "traced": 2.1, "label": 0.3, "fold": 0.05, "read": 0.02, "fit": 0.4}
    bench = {
        "overhead": 1.085, "reference_ratio": 321.4, "images": 8, "steps": 3, "layers": 16,
        "properties": ["depth"], "seconds": {**seconds, "probed": 2.17}, "seconds_reference": 99.0,
        "seconds_reference_cell": {"store": 0.1, "train": 1.5}, "reference_bytes_written": 7e6,
    }  # fmt: skip
    trials = [{"number": n, "overhead": 1.0 + n / 100, "seconds": bench["seconds"]} for n in (1, 4)]
    found = {
        "machine": {"processor": "P", "threads": 1, "load": 0.1, "torch": "2", "python": "3"},
        "is_quick": False,
        "bench": bench,
        "scaling": dict.fromkeys(("layers", "steps", "properties"), trials),
        "metrics": costs.ranks(side_px=16, grid=4, maps=1),
        "growth": [
            {"images": n, "cpu_seconds": n / 10, "peak_mb": 100 + n / 100, "before_mb": 90}
            for n in (100, 3000)
        ],
    }
    parts = {"generation": 0.5, "pooling": 0.001, "decoding": 0.03, "labelling": 0.01}
    found["parts"] = {**found["machine"], **parts, "naming": 0.002}
    found["gpu"] = {"machine": "G", "model": "M", "code": "that", "measured": {"UNet": "28 ms"}}
    speed = {
        "machine": found["machine"] | {"torch": "2"}, "wall": 90.0, "floor": 75.0, "ratio": 1.2,
        "device": {"generation": 50.0, "decoding": 25.0}, "idle": {"decoding": 4.0},
    }  # fmt: skip
    found["speed"] = {"--quick": speed, "without --quick": speed | {"wall": 105.0, "ratio": 1.4}}
    ways = [
        {"way": way, "first_s": 9.0, "picture_s": each, "difference": 2e-6, "levels": 4e-5}
        for way, each in (("as it is", 0.06), ("compiled", 0.04))
    ]
    found["decoding"] = {"small": {**found["machine"], "rows": ways}}
    monkeypatch.setattr(costs, "PICTURES", tmp_path)
    costs.draw(found)
    assert {path.name for path in tmp_path.iterdir()} == {"growth.png", "scaling.png"}
    page = costs.page(found)
    assert "| 1.08 | ≤ 1.10 |" in page or "| 1.09 | ≤ 1.10 |" in page
    assert "321 | ≥ 100" in page
    assert "the peak grows by 10 MB a thousand pictures" in page
    assert "| layers | 4 | 2.00 | 2.17 | 1.04 |" in page
    assert "| decoding | 30.0 | 0.90 |" in page
    assert "| small | compiled | 9.0 | 0.040 | 1.50× | 2e-06 | 4.0e-05 |" in page
    assert "Measured of that" in page
    assert "| wall clock, s | 90.0 | 105.0 |" in page
    assert "| **wall / floor** | **1.20** | **1.40** |\n| asked | ≤ 1.25 | ≤ 1.60 |" in page
    older = {
        key: each for key, each in found.items() if key not in ("parts", "decoding", "gpu", "speed")
    }
    assert page.startswith(costs.page(older).rstrip("\n"))
