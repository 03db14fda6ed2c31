"""One verdict for every page: an interval that touches zero is neither earlier nor later."""

import itertools

import pytest

from underpaint.figures.paper.words import abstract, property_words
from underpaint.scores.findings import early, findings, rivalry, title
from underpaint.scores.sentences import headline
from underpaint.scores.verdicts import by_verdict, compared, lead_over, verdict_of, when
from underpaint.site.numbers import words_of


def lead(steps, low, high, **more):
    return {"steps": steps, "low": low, "high": high, "log_noise": None, **more}


def summary(image, estimate):
    point = {"mean": 0.8, "low": 0.7, "high": 0.9, "undefined": 0}
    probe = {"by_step": [point] * 3, "final": point, "reached": {"step": 2, "low": 2, "high": 3}}
    found = {
        "metric": "dice",
        "best_layer": "up.0",
        "bar": 0.7,
        "sources": {"probe": probe},
        "lead": {"image": image, "estimate": estimate},
        "crossover": {},
        "halves": None,
    }
    images = {"train": 30, "validation": 9, "test": 12}
    return {"model": "m", "steps": 3, "images": images, "properties": {"depth": found}}


@pytest.mark.parametrize(
    ("ends", "verdict", "words"),
    [
        ((4, 4, 5), "later", "4 steps later (4 to 5)"),
        ((1, 1, 1), "later", "1 step later (1 to 1)"),
        ((-3, -4, -2), "earlier", "3 steps earlier (2 to 4)"),
        ((1, 0, 2), "even", "not measurably different (0 to 2 later)"),
        ((-1, -1, 0), "even", "not measurably different (0 to 1 earlier)"),
        ((0, -1, 2), "even", "not measurably different (1 earlier to 2 later)"),
        ((0, 0, 0), "even", "not measurably different (0)"),
    ],
)
def test_a_rival_is_later_or_earlier_only_where_the_interval_leaves_zero_out(ends, verdict, words):
    assert verdict_of(lead(*ends)) == verdict
    assert when(lead(*ends)) == words


def test_a_gap_leaves_the_count_of_steps_open():
    assert when(lead(2, 1, 5, most=4)) == "2 to 4 steps later (1 to 5)"
    assert when(lead(-3, -4, -1, most=-1)) == "1 to 3 steps earlier (1 to 4)"
    assert when(lead(0, -1, 5, most=4)) == "not measurably different (1 earlier to 5 later)"
    assert "1 to 4 steps later" in early(summary(lead(1, 1, 5, most=4), None))


def test_a_comparison_is_a_verb_with_what_it_needs():
    assert compared(lead(4, 4, 5)) == "reaches the same score 4 steps later (4 to 5)"
    assert compared(lead(1, 0, 2)) == "is not measurably earlier or later (0 to 2 later)"
    assert compared(None) == "never reaches that score"


@pytest.mark.parametrize("rival", ["image", "estimate"])
@pytest.mark.parametrize("ends", [(1, 0, 2), (-1, -2, 0), (0, 0, 0), (0, -1, 1)])
def test_every_page_gives_an_interval_that_touches_zero_the_same_verdict(rival, ends):
    run = summary(**{"image": None, "estimate": None, rival: lead(*ends)})
    found = run["properties"]["depth"]
    site = words_of(run)
    pages = {
        "terminal and results": headline("depth", found, None),
        "paper": property_words("depth", found, run) + abstract(run),
        "README": " ".join(findings(run)),
        "site": " ".join((site["title"], site["rivalry"], site["properties"]["depth"]["timing"])),
        "cell": site["properties"]["depth"]["leads"][rival],
    }
    for page, said in pages.items():
        bare = said.replace("not measurably earlier or later", "").split("(")
        assert not any("earlier than" in each or "steps later" in each for each in bare), page
        assert "can be read before" not in said, page
        assert "can be read early" not in said, page
    assert "not measurably" in pages["terminal and results"]
    assert "not measurably" in pages["paper"]
    assert "not measurably" in pages["site"]
    assert "not measurably" in pages["cell"]


@pytest.mark.parametrize("ends", [(4, 4, 5), (-2, -3, -1), (1, 0, 2), (0, -1, 0), (0, -1, 1), None])
def test_all_sentences_follow_the_one_verdict(ends):
    own = lead(*ends) if ends else None
    run = summary(own, own)
    verdict = verdict_of(own)
    assert by_verdict(run, "image")[verdict] == ["depth"]
    assert (title(run)[-1] != "?") == (verdict == "later") == bool(early(run))
    said = {
        "later": "The probe reads depth earlier than the predicted picture.",
        "earlier": "The predicted picture shows depth earlier than the probe.",
        "even": "For depth, neither is measurably first.",
        "never": "The predicted picture never shows depth as well as the probe.",
    }
    assert rivalry(run) == words_of(run)["rivalry"] == said[verdict]
    assert rivalry(run) in abstract(run).replace('\\"', '"')
    assert compared(own) in headline("depth", run["properties"]["depth"], None)


def test_without_a_bar_nobody_is_first():
    run = summary(None, None)
    run["properties"]["depth"]["bar"] = None
    assert not any(itertools.chain(*by_verdict(run, "image").values()))
    assert words_of(run)["properties"]["depth"]["leads"] == {}
    assert rivalry(run) == early(run) == ""
    with pytest.raises(KeyError):
        lead_over(run["properties"]["depth"], "image")
