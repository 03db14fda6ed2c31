import json

import pytest

from underpaint.core.errors import MetricError
from underpaint.probes.recipes import RECIPES
from underpaint.scores.sources import (
    BY_NAME,
    LATENTS,
    SOURCES,
    TAUGHT,
    Name,
    as_json,
    name_of,
    property_of,
    read_name,
    sources_of,
)

# What probes of runs that are on disk are kept under.
KEPT = {
    ("depth", "up.0"): Name("probe", "depth", "up.0"),
    ("placed depth", "up.0"): Name("probe+position", "depth", "up.0"),
    ("shuffled 2 depth", "up.0"): Name("shuffled", "depth", "up.0", 1),
    ("depth", "x_t"): Name("latent", "depth", "x_t"),
    ("depth", "x_0"): Name("latent", "depth", "x_0"),
    ("depth", "vae"): Name("vae", "depth", "vae"),
    ("depth", "random up.0"): Name("random", "depth", "up.0"),
    ("depth", "untrained up.0"): Name("untrained", "depth", "up.0"),
    ("depth", "unconditional up.0"): Name("unconditional", "depth", "up.0"),
    ("mlp depth", "up.0"): Name("mlp", "depth", "up.0"),
    ("shuffled 1 taught depth", "up.0"): Name("shuffled", TAUGHT + "depth", "up.0", 0),
    ("taught depth", "up.0"): Name("probe", TAUGHT + "depth", "up.0"),
}


@pytest.mark.parametrize(("kept", "name"), KEPT.items())
def test_names_of_probes_are_written_and_read_by_one_pair_of_functions(kept, name):
    assert read_name(*kept) == name
    assert name_of(name.source, name.property, name.layer, shuffle=name.shuffle) == kept
    assert property_of(kept[0]) == name.property


def test_a_property_or_layer_that_begins_like_a_source_is_taken_whole():
    assert read_name("mlpness", "vae.0") == Name("probe", "mlpness", "vae.0")
    assert read_name("shuffled", "random") == Name("random", "shuffled", "random")


def test_a_way_of_fitting_that_no_source_declares_is_refused():
    with pytest.raises(MetricError, match="No source is fitted by 'mlp' to 'random'"):
        read_name("mlp depth", "random up.0")


def test_no_two_sources_share_a_name_or_a_word_and_a_view():
    assert len(BY_NAME) == len(SOURCES)
    fitted = [each for each in SOURCES if each.word or each.views]
    places = [(each.word, view) for each in fitted for view in each.views or ("",)]
    assert len(set(places)) == len(places)


def test_every_recipe_is_a_source_under_its_own_word():
    assert {each.word for each in SOURCES} >= set(RECIPES)
    assert all(BY_NAME[name].word == name for name in RECIPES)


def test_every_source_says_what_it_sees_in_a_colour_for_either_ground():
    for each in SOURCES:
        assert len(each.sees.split()) > 2
        assert len(each.colour) == len(each.dark) == 7
        assert json.loads(json.dumps(as_json(each)))["name"] == each.name
    assert LATENTS == ("x_t", "x_0")


def test_a_source_that_is_not_declared_comes_last_in_a_colour_of_its_own():
    found = sources_of(["edges", "position", "corners", "probe"])
    assert list(found) == ["probe", "position", "edges", "corners"]
    assert len({each.colour for each in found.values()}) == 4
