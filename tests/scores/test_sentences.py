import pytest

from underpaint.scores.sentences import compared, crossings, headline


def lead(steps, low, high):
    return {"steps": steps, "low": low, "high": high, "log_noise": None}


def found(**changes):
    return {
        "best_layer": "up.3.2",
        "bar": 0.78,
        "sources": {"probe": {"reached": {"step": 3, "low": 2, "high": 3}}},
        "lead": {"image": lead(4, 4, 5), "estimate": lead(-1, -1, 1)},
        "crossover": {"image": {"step": 8, "low": 8, "high": 9}, "estimate": None},
        **changes,
    }


def test_the_headline_says_when_in_noise_and_beside_whom():
    assert headline("saliency", found(), [14.6, 3.8, 2.37]) == (
        "saliency: by step 3 (2.4× more noise than signal) the probe at up.3.2 has 90% of its "
        "final skill; the labeler on x_t reaches the same score 4 steps later (4 to 5), the "
        "labeler on x̂₀ reaches the same score 1 step earlier (1 earlier to 1 later)."
    )


@pytest.mark.parametrize(
    ("noise", "words"),
    [
        (None, "step 3 the"),
        ([9, 5, None], "(noise alone)"),
        ([9, 2, 0.5], "(2.0× more signal"),
    ],
)
def test_noise_is_said_as_far_as_it_is_known(noise, words):
    assert words in headline("depth", found(), noise)


def test_without_a_bar_nothing_is_timed():
    assert "not measurably above its controls" in headline("depth", found(bar=None), None)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ((4, 4, 5), "4 steps later (4 to 5)"),
        ((1, 0, 2), "1 step later (0 to 2)"),
        ((-3, -4, -2), "3 steps earlier (2 to 4)"),
        ((0, -1, 0), "at the same step (0 to 1 earlier)"),
        ((0, -1, 2), "at the same step (1 earlier to 2 later)"),
    ],
)
def test_a_lead_is_later_or_earlier_with_its_interval(steps, words):
    assert compared(lead(*steps)).endswith(words)
    assert compared(None) == "never reaches that score"


def test_crossings_name_who_is_beaten():
    assert crossings(found()) == (
        "Beside `probe+position`, the labeler on x_t scores higher from step 8 on (8 to 9), and "
        "the labeler on x̂₀ never scores higher."
    )
