"""What a run found in a few sentences: each is carried by its interval, or is not there."""

import pytest

from underpaint.scores.findings import findings, listed


def curve(mean):
    return {"by_step": [{"mean": mean, "low": mean - 0.05, "high": mean + 0.05}]}


def found(image=(4, 4, 5), estimate=(-1, -1, 0), halves=0.2):
    lead = {
        rival: dict(zip(("steps", "low", "high"), ends, strict=True)) if ends else None
        for rival, ends in (("image", image), ("estimate", estimate))
    }
    sources = {"probe": curve(0.56), "unconditional": curve(0.33), "position": curve(0.35)}
    sources["probe"]["reached"] = {"step": 3, "low": 2, "high": 3}
    return {"bar": 0.7, "lead": lead, "sources": sources, "halves": halves and curve(halves)}


def said(**properties):
    return " ".join(findings({"steps": 15, "properties": properties}))


def test_it_says_how_early_who_else_and_with_which_half():
    words = said(saliency=found(), depth=found(image=(3, 2, 4), estimate=(-2, -3, -1)))
    assert "All of saliency and depth can be read early: from step 3 of 15 on" in words
    assert "reaches the same score 3 to 4 steps later" in words
    assert "x̂₀. The predicted picture shows depth earlier than the probe." in words
    assert "For saliency, neither is measurably first." in words
    assert "saliency is read at 0.56 from the half" in words
    assert "at 0.33 from the half that does not, and at 0.35 from the place alone" in words


@pytest.mark.parametrize("image", [(1, 0, 2), (-1, -2, 0), None])
def test_what_is_not_measurably_earlier_is_not_called_early(image):
    words = said(depth=found(image=image))
    assert "early" not in words.replace("earlier", "")
    assert "Depth" in said(depth=found(), shading=found(image=image))


@pytest.mark.parametrize(
    ("high", "words"),
    [(3, "From step 2 on, the labeler scores higher there than the best"), (16, "")],
)
def test_a_rival_that_scores_higher_is_said_to_where_every_resample_has_it(high, words):
    crossed = {"crossover": {"estimate": {"step": 2, "low": 2, "high": high}}}
    both = said(depth={**found(), **crossed}, shading=found())
    assert ("of depth; it also made the labels." in both) == bool(words)
    assert words in said(depth={**found(), **crossed})
    assert ("scores higher" in said(depth={**found(), **crossed})) == bool(words)


def test_a_probe_that_is_first_is_called_so():
    assert "The probe reads depth earlier than" in said(depth=found(estimate=(2, 1, 3)))


@pytest.mark.parametrize("halves", [0.05, -0.1, None])
def test_the_caption_is_credited_only_where_its_half_is_measurably_better(halves):
    assert "caption" not in said(depth=found(halves=halves))


def test_nothing_known_says_nothing():
    for lead in ({"image": None, "estimate": None}, None):
        assert said(depth={**found(halves=None), "bar": None, "lead": lead}) == ""


def test_names_are_listed_as_a_sentence_does():
    assert [listed(x) for x in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "", "a", "a and b", "a, b and c",
    ]  # fmt: skip
