"""What unedited pictures show, as the run's own probes read it while they are made."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

import worlds
from underpaint.core.arrays import to_image
from underpaint.core.errors import EditError
from underpaint.core.prompts import Prompt
from underpaint.labelers import Labeler
from underpaint.models.layers import find_layers
from underpaint.models.traces import trace
from underpaint.probes.probes import Probe
from underpaint.runs import runs
from underpaint.steering.aims import aim_at
from underpaint.steering.experiments import edit_all
from underpaint.steering.seeing import check_read, look_on
from underpaint.steering.targets import move_mask, random_move
from underpaint.steering.trials import completed, edit_columns, summarise_edits

PROMPTS = [Prompt(f"thing {i}", i, i) for i in range(4)]


@pytest.fixture
def seeing(setup):
    """Let the first layer, which is not edited, read every property."""
    first = find_layers(setup.model)[0]
    return replace(setup, readers=dict.fromkeys(("saliency", "depth", "shading"), first))


def planted(setup, step, **maps):
    """Give probes of one step that read these maps at their layer, whatever the picture."""
    probes = dict(setup.probes)
    for name, values in maps.items():
        layer = setup.readers[name]
        probes[name, layer.name, step] = Probe(
            layer=layer.name,
            step=step,
            property=name,
            weight=torch.zeros(layer.channels, 1, dtype=torch.float64),
            bias=torch.zeros(1, dtype=torch.float64),
            threshold=0.5 if name == "saliency" else None,
            place=values.double()[None],
        )
    return replace(setup, probes=probes)


def corner(setup):
    """Say that an object fills two by two cells of the reading layer."""
    mask = torch.zeros(setup.readers["saliency"].grid)
    mask[:2, :2] = 1
    return mask


def test_a_look_reads_what_the_layer_holds_at_that_step_and_changes_nothing(seeing):
    layer = seeing.readers["depth"]
    plain = trace(
        seeing.model, PROMPTS, steps=seeing.steps, guidance=seeing.guidance, layers=[layer]
    )
    for step in range(seeing.steps):
        look = look_on(seeing, (), step=step, images=len(PROMPTS))
        watched = trace(
            seeing.model, PROMPTS, steps=seeing.steps, guidance=seeing.guidance, edits=look.taps
        )
        assert torch.equal(plain.images, watched.images)
        found = look.labels((16, 16))
        probe = seeing.probes["depth", layer.name, step]
        read = probe(plain.activations[layer][step])
        torch.testing.assert_close(found["depth"], to_image(read, (16, 16)).float())
        mask = seeing.probes["saliency", layer.name, step]
        cells = mask(plain.activations[layer][step]) > mask.threshold
        assert torch.equal(found["saliency"], to_image(cells.float(), (16, 16)))


def test_targets_are_made_of_what_probes_read_at_the_last_step_that_is_edited(seeing):
    own = torch.linspace(-1, 2, 64).view(8, 8)[tuple(map(slice, seeing.readers["depth"].grid))]
    told = planted(seeing, 0, saliency=corner(seeing), depth=own)
    told = planted(told, 1, saliency=1 - corner(seeing), depth=-own)
    trial = replace(worlds.trial(), seen_by="probes", first_step=0, last_step=0)
    asked = []

    def watching(there, random):
        asked.append(there)
        return aim_at(lambda old, _: move_mask(old, 4.0, 2.0))(there, random)

    rows, shown = edit_all(told, trial, PROMPTS, [watching], lambda *_: None)
    mask = to_image(corner(seeing)[None], (16, 16))
    for there, each in zip(asked, shown, strict=True):
        assert torch.equal(there["saliency"], mask)
        assert torch.equal(there["depth"], to_image(own[None], (16, 16)))
        assert torch.equal(each.target, move_mask(mask, 4.0, 2.0)[0])
    assert set(rows["seen_by"]) == {"probes"}
    assert rows["dice_seen"].max() < 1  # the labeler sees another place


def test_what_labelers_say_makes_no_target_and_gives_every_score(seeing):
    told = planted(seeing, 1, saliency=corner(seeing))
    blind = Labeler(
        "blind",
        ("saliency", "depth", "shading"),
        "MIT",
        lambda x: dict.fromkeys(("saliency", "depth", "shading"), torch.zeros_like(x[:, :1])),
    )
    trial = replace(worlds.trial(), seen_by="probes")
    tables, pictures = zip(
        *(
            edit_all(replace(told, labelers=(each,)), trial, PROMPTS, [aim_at(random_move)], print)
            for each in (worlds.BRIGHTEST, blind)
        ),
        strict=True,
    )
    for one, other in zip(*pictures, strict=True):
        assert torch.equal(one.target, other.target)
        assert torch.equal(one.after, other.after)
    assert tables[0]["dice_old"].notna().all()
    assert tables[1]["dice_target"].eq(0).all()
    assert tables[1]["dice_seen"].eq(0).all()


def test_both_ways_meet_the_same_moves_where_they_see_the_same(seeing):
    told = planted(seeing, 1, saliency=corner(seeing))
    mask = to_image(corner(seeing)[None], (16, 16))
    whole = Labeler(
        "corner",
        ("saliency", "depth", "shading"),
        "MIT",
        lambda x: dict.fromkeys(("saliency", "depth", "shading"), mask.expand(len(x), -1, -1, -1)),
    )
    told = replace(told, labelers=(whole,))
    tables, pictures = zip(
        *(
            edit_all(
                told, replace(worlds.trial(), seen_by=each), PROMPTS, [aim_at(random_move)], print
            )
            for each in ("labelers", "probes")
        ),
        strict=True,
    )
    assert len(pictures[0]) == len(PROMPTS)
    for one, other in zip(*pictures, strict=True):
        assert torch.equal(one.target, other.target)
        assert torch.equal(one.after, other.after)
    assert tables[0]["dice_target"].equals(tables[1]["dice_target"])
    assert tables[1]["dice_seen"].eq(1).all()


def test_success_is_compared_with_that_seen_by_labelers_picture_by_picture(seeing):
    told = planted(seeing, 1, saliency=corner(seeing))
    tables = []
    for each, hits in (("labelers", [1, 0, 1, 0]), ("probes", [1, 1, 0, float("nan")])):
        trial = replace(worlds.trial(), seen_by=each)
        rows, _ = edit_all(told, trial, PROMPTS, [aim_at(random_move)], print)
        tables.append(rows.assign(success=hits))
    entries = summarise_edits(pd.concat(tables))
    assert "success_above_labelers" not in entries[0]
    found = entries[1]["success_above_labelers"]
    assert found["mean"] == pytest.approx(0)
    assert found["undefined"] == 1
    assert [each["seen_by"] for each in entries] == ["labelers", "probes"]


def test_rows_from_before_there_was_a_choice_were_seen_by_labelers(seeing):
    rows, _ = edit_all(seeing, worlds.trial(), PROMPTS, [aim_at(random_move)], print)
    older = completed(rows.drop(columns=["seen_by", "dice_seen"]))
    assert set(older["seen_by"]) == {"labelers"}
    assert older[edit_columns()].equals(rows[edit_columns()])


def test_a_run_without_probes_of_masks_cannot_say_where_the_object_is(setup):
    with pytest.raises(EditError, match="has no probes of saliency"):
        look_on(setup, (), step=0, images=1)
    check_read(["saliency"], ["saliency"])


def test_the_command_sees_by_probes_and_keeps_both_ways_apart(command, run):
    for words in ([], ["--seen-by", "probes"], []):
        result = command("--count", 1, "--frames", 1, *words)
        assert result.exit_code == 0, result.output
    rows = pd.read_parquet(run.edits)
    assert list(rows["seen_by"].unique()) == ["probes", "labelers"]
    entries = runs.read_json(run.summary)["edits"]
    assert "success_above_labelers" in entries[0]
    assert len(list(run.figures.glob("edit-random-*.png"))) == 2
    assert len(list((run.folder / "edits").iterdir())) == 2


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (["--depth", "translate"], "depth"),
        (["--light", "left"], "shading"),
        (["--move", "random"], "saliency"),
    ],
)
def test_what_probes_cannot_say_is_refused_in_one_line(command, run, words, missing):
    settings = runs.read_json(run.settings)
    settings["properties"].remove(missing)
    runs.write_json(run.settings, settings)
    result = command("--seen-by", "probes", "--hold", "none", "--carry", "none", *words)
    assert result.exit_code == 1
    assert f"The run has no probes of {missing}, so they cannot say" in result.output
    assert not run.edits.exists()


def test_light_and_depth_are_asked_for_by_what_probes_read(command, run):
    words = ("--depth", "translate", "--light", "left", "--move", "random", "--carry", "none")
    result = command("--count", 1, "--seen-by", "probes", *words)
    assert result.exit_code == 0, result.output
    rows = pd.read_parquet(run.edits)
    done = rows[rows["left_out"] == ""]
    assert len(done)
    assert done[["depth_spearman", "shading_spearman"]].notna().all(axis=None)
