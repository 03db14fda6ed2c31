"""The page of results: what a thorough run adds to it."""

from benchmarks.results import left_out


def summary_of(*sources: str) -> dict:
    by_step = [{"mean": 0.125 * step, "low": 0.1 * step, "high": 0.2 * step} for step in (1, 2)]
    found = {each: {"by_step": by_step, "onset": None, "reached": None} for each in sources}
    return {
        "images": {"train": 6, "validation": 1, "test": 3},
        "cost": {"seconds": 7.6},
        "steps": 2,
        "properties": {"saliency": {"metric": "dice", "sources": found}},
    }


def test_only_what_a_thorough_run_adds_is_shown_of_it_beside_what_it_is_held_against():
    quick = summary_of("probe", "estimate", "latent")
    told = left_out(quick, summary_of("probe", "estimate", "latent", "trained", "random"))
    rows = [line.split(" | ")[1] for line in told[-1].splitlines()[2:]]
    assert sorted(rows) == ["estimate", "probe", "random", "trained"]
    assert "of 10 pictures (6 training, 3 test)" in told[1]
    assert "| 0.12 | 0.25 (0.20 to 0.40) | – | – |" in told[-1]


def test_a_thorough_page_shows_another_run_for_the_source_that_it_lacks():
    own = summary_of("probe", "image", "trained", "joint")
    told = left_out(own, summary_of("probe", "image", "trained", "trained noisy", "joint"))
    rows = [line.split(" | ")[1] for line in told[-1].splitlines()[2:]]
    assert rows == ["probe", "image", "trained", "trained noisy"]
    assert told[0] == "## A reader made for noise"


def test_without_a_thorough_run_there_is_no_such_chapter():
    assert left_out(summary_of("probe"), None) == []
