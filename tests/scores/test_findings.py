"""What a run found in a few sentences: each is carried by its interval, or is not there."""

import pytest

from underpaint.scores.findings import findings, listed, moved


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
    assert (
        "All of saliency and depth can be read early: a probe has 90% of its final skill" in words
    )
    assert "by step 3 of 15." in words
    assert "same score in the noisy picture 3 to 4 steps later" in words
    assert (
        "x̂₀. No probe reaches the bar measurably before it. The predicted picture shows depth"
        in words
    )
    assert "For saliency, neither is measurably first." in words
    assert "At step 1 saliency scores 0.56 in the run with the caption, 0.33 in the run" in words
    assert "without it and 0.35 from the place alone." in words


@pytest.mark.parametrize("image", [(1, 0, 2), (-1, -2, 0), None])
def test_what_is_not_measurably_earlier_is_not_called_early(image):
    words = said(depth=found(image=image))
    assert "early" not in words.replace("earlier", "")
    assert "Depth" in said(depth=found(), shading=found(image=image))


@pytest.mark.parametrize(
    ("high", "words"),
    [(3, "From step 2 on, the labeler scores higher on the predicted picture than"), (16, "")],
)
def test_a_rival_that_scores_higher_is_said_to_where_every_resample_has_it(high, words):
    crossed = {"crossover": {"estimate": {"step": 2, "low": 2, "high": high}}}
    both = said(depth={**found(), **crossed}, shading=found())
    assert ("probe of depth, but that labeler made the labels." in both) == bool(words)
    assert words in said(depth={**found(), **crossed})
    assert ("scores higher" in said(depth={**found(), **crossed})) == bool(words)


def test_a_probe_that_is_first_is_called_so():
    words = said(depth=found(estimate=(2, 1, 3)))
    assert "The probe reads depth earlier than" in words
    assert "No probe reaches the bar" not in words


@pytest.mark.parametrize("halves", [0.05, -0.1, None])
def test_the_caption_is_credited_only_where_its_half_is_measurably_better(halves):
    assert "caption" not in said(depth=found(halves=halves))


def test_nothing_known_says_nothing():
    for lead in ({"image": None, "estimate": None}, None):
        assert said(depth={**found(halves=None), "bar": None, "lead": lead}) == ""


@pytest.mark.parametrize(("gain", "control", "is_said"), [(0.3, 0.1, True), (0.2, 0.15, False)])
def test_what_activations_add_is_said_where_the_control_adds_measurably_less(
    gain, control, is_said
):
    one = found()
    one["sources"] |= {"beyond": curve(gain), "beyond ensemble": curve(control)}
    words = said(saliency=one)
    assert ("activations add 0.30 (0.25 to 0.35) to the saliency score" in words) == is_said
    assert ("as a control, random features of x̂₀ in their place add 0.10." in words) == is_said
    assert "At step 3" not in words
    assert "trained on" not in words


def test_what_activations_add_later_is_said_and_what_a_trained_network_reads():
    one = found()
    later = {"mean": 0.0, "low": -0.01, "high": 0.01}
    one["sources"] |= {"beyond": curve(0.3), "beyond ensemble": curve(0.1), "trained": curve(0.48)}
    one["sources"]["beyond"]["by_step"] += [later, later]
    words = said(saliency=one)
    assert "At step 3 activations add 0.00 (−0.01 to 0.01)." in words
    assert "trained on x̂₀ scores 0.48 at step 1, the probe 0.56." in words


def edit(control, success, width=0.1, **other):
    spread = {"mean": success, "low": success - width, "high": success + width}
    return {"control": control, "images": 10, "left_out": 2, "success": spread, "seed": 0, **other}


def test_an_edit_is_said_to_move_objects_beside_its_own_control():
    edits = [edit("random", 0.9, seed=1), edit("none", 0.75), edit("random", 0.125)]
    words = moved({"edits": edits})
    assert (
        "in 75% (65 to 85) of 8 pictures; a random change as large does so in 12% (2 to 22)."
        in words
    )
    assert "Pasting" not in words
    assert "denoising on from step 8 does so in 88% (78 to 98)." in moved(
        {"edits": [*edits, edit("paste", 0.875, steps=[8, 8])]}
    )


def test_of_several_edits_the_one_with_the_most_controls_is_told_at_its_own_steps():
    default = [edit("none", 0.75, steps=[1, 5]), edit("random", 0.125, steps=[1, 5])]
    default.append(edit("weight", 0.0, steps=[1, 5]))
    weak = [edit("none", 0.5, steps=[1, 3]), edit("random", 0.25, steps=[1, 3])]
    pasted = edit("paste", 0.875, steps=[8, 8])
    words = moved({"edits": [*weak, pasted, *default]})
    assert "in 75% (65 to 85) of 8 pictures" in words
    assert "does so in 12%" in words
    assert "from step 8 does so in 88%" in words


@pytest.mark.parametrize(
    "edits",
    [
        [],
        [edit("none", 0.75)],
        [edit("none", 0.75), edit("random", 0.0, seed=1)],
        [edit("none", 0.3), edit("random", 0.2)],
        [edit("none", float("nan")), edit("random", 0.0)],
    ],
    ids=["none", "no control", "a control of other moves", "not measurably", "never scored"],
)
def test_an_edit_without_a_control_that_moves_less_is_not_told(edits):
    assert moved({"edits": edits}) == ""


def test_names_are_listed_as_a_sentence_does():
    assert [listed(x) for x in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "", "a", "a and b", "a, b and c",
    ]  # fmt: skip
