import pytest

from underpaint.scores.sentences import crossings, headline, noise_words


def lead(steps, low, high):
    return {"steps": steps, "low": low, "high": high, "log_noise": None}


def found(**changes):
    return {
        "best_layer": "up.3.2",
        "bar": 0.78,
        "sources": {
            "probe": {"reached": {"step": 3, "low": 2, "high": 3}, "by_step": [{}] * 15},
            "probe+position": {},
        },
        "lead": {"image": lead(4, 4, 5), "estimate": lead(-1, -1, 1)},
        "crossover": {"image": {"step": 8, "low": 8, "high": 9}, "estimate": None},
        **changes,
    }


def test_the_headline_says_when_in_noise_and_beside_whom():
    assert headline("saliency", found(), [14.6, 3.8, 2.37]) == (
        "saliency: by step 3 (2.4× more noise than signal) the probe at up.3.2 has 90% of its "
        "final skill; the labeler on the noisy picture reaches the same score 4 steps later "
        "(4 to 5), the labeler on the predicted picture is not measurably earlier or later "
        "(1 earlier to 1 later)."
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


def test_crossings_name_who_is_beaten():
    assert crossings(found()) == (
        "Beside probe+position, the labeler on the noisy picture scores higher from step 8 on "
        "(8 to 9), and the labeler on the predicted picture never scores higher."
    )
    assert crossings(found(sources={"probe": {"by_step": []}})).startswith("Beside the probe, ")


def test_a_crossing_that_resamples_do_not_have_is_said_to_be_uncertain():
    late = found(crossover={"estimate": {"step": 12, "low": 9, "high": 16}})
    assert "from step 12 on (9 to never)." in crossings(late)
    assert "from step 7 on." in crossings(found(crossover={"estimate": 7}))


def test_noise_is_said_as_a_ratio_and_alone_where_there_is_nothing_else():
    assert [noise_words([None, 2.44, 0.5, 0], step) for step in (1, 2, 3, 4, 5)] == [
        "noise alone", "2.4× more noise than signal", "2.0× more signal than noise", "", "",
    ]  # fmt: skip
