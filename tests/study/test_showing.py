"""What a run keeps to show is what would be made again, and then nothing is."""

import json
from dataclasses import replace
from functools import partial

import click
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import worlds
from underpaint.cli.figure import draw_pictures
from underpaint.cli.options import PROMPTS
from underpaint.core.files import remove_sealed, write_sealed
from underpaint.core.prompts import Prompt
from underpaint.figures import maps as figures
from underpaint.models import given, traces
from underpaint.models.given import Given
from underpaint.models.layers import Layer
from underpaint.runs import runs
from underpaint.site.export import export
from underpaint.study import batches, looks
from underpaint.study.looks import PICTURE_PX
from underpaint.study.showing import (
    LABEL_PX,
    MAP_PX,
    Shown,
    coarse,
    fine,
    read_shown,
    show_anew,
    shown_of,
    shown_path,
    write_shown,
)
from underpaint.study.stages import carry_out
from underpaint.study.study import SHOWN, places_to_show

CPU = torch.device("cpu")
STEPS = 3


def nothing(*_):
    """Report to nobody."""


def never():
    raise AssertionError("what was kept was made again")


def plan(**changes):
    """Plan a study of three steps without networks to train."""
    small = {"steps": STEPS, "controls": {}, "sees_decoder": False, "trains": False}
    return replace(worlds.study(8), **{**small, **changes})


def settings_of(study):
    return {
        "model": "world", "fingerprint": study.model.fingerprint, "scheduler": "DDIMScheduler",
        "steps": study.steps, "guidance": study.guidance,
        "layers": [layer.name for layer in study.layers],
        "properties": [each.name for each in study.properties],
    }  # fmt: skip


def carried(study, folder):
    run = runs.open_run(folder, settings_of(study))
    carry_out(study, run, nothing)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return carried(plan(), tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def drawn(monkeypatch):
    """Count pictures that are generated, and latents that are drawn."""
    seen = {"traced": 0, "drawn": 0}

    def counting(name, real, model, what, *args, **how):
        seen[name] += len(what)
        return real(model, what, *args, **how)

    for name, module, verb in (
        ("traced", batches, "trace"), ("traced", given, "trace"), ("drawn", looks, "draw"),
        ("drawn", traces, "decode"),
    ):  # fmt: skip
        monkeypatch.setattr(module, verb, partial(counting, name, getattr(module, verb)))
    return seen


def values(shown):
    """Lay out all that is shown, by what it is, with the step of a byte of each map."""
    for kind in ("pictures", "maps", "read"):
        for name, each in getattr(shown, kind).items():
            step = ((each.high - each.low) / 254)[..., None, None]
            yield (kind, name), fine(each), step.expand(fine(each).shape)


def assert_alike(some, others):
    """Hold one picture's maps against another's: a byte apart at most, where rounding differs."""
    assert (some.prompt, some.layers) == (others.prompt, others.layers)
    pairs = list(zip(values(some), values(others), strict=True))
    assert len(pairs) == 3 + 2 * 4 + 2 * len(some.layers)
    for (name, x, step), (other, y, _) in pairs:
        assert name == other
        assert ((x - y).abs() <= 1.01 * step + 1e-6).all(), name
    for key, cut in some.cuts.items():
        assert torch.equal(cut, others.cuts[key])


def anew(run, study, prompts):
    _, position = runs.read_moments(run, CPU)
    return list(show_anew(study, prompts, runs.read_probes(run, CPU), position))


def test_a_byte_a_value_is_off_by_half_a_byte_at_most_and_holes_stay():
    maps = torch.randn(4, 2, 8, 9) * torch.tensor([1e-3, 1.0, 50.0, 0.0])[:, None, None, None]
    maps[1, 0, 2, 3] = torch.nan
    maps[2, 1] = torch.nan
    back = fine(coarse(maps, 9))
    assert torch.equal(back.isnan(), maps.isnan())
    low, high = maps.nan_to_num(torch.inf).amin((2, 3)), maps.nan_to_num(-torch.inf).amax((2, 3))
    half = ((high - low).clamp(min=0) / 508)[..., None, None]
    assert ((back - maps).abs() <= 1.001 * half + 1e-7)[~maps.isnan()].all()
    assert torch.equal(back[3], maps[3])


def test_maps_are_shrunk_in_their_own_shape():
    assert coarse(torch.rand(1, 1, 64, 128), 32).bytes.shape == (1, 1, 16, 32)
    flat = coarse(torch.full((1, 3, 64, 64), 0.25), 16)
    torch.testing.assert_close(fine(flat), torch.full((1, 3, 16, 16), 0.25))


@pytest.mark.parametrize("total", [1, 4, 11, 12, 13, 24, 617])
def test_places_are_spread_the_first_and_those_that_are_kept_among_them(total):
    kept = places_to_show(total)
    assert kept[0] == 0
    assert kept[-1] == total - 1
    assert len(kept) == min(SHOWN, total)
    assert np.ptp(np.diff(kept)) <= 1 if len(kept) > 1 else True
    for count in range(2 * SHOWN + 2):
        some = places_to_show(total, count)
        assert len(set(some)) == len(some) == min(count, total)
        assert set(some) <= set(kept) if count <= SHOWN else set(kept) <= set(some)


def test_a_site_shows_those_that_are_kept_unless_told_otherwise():
    [asked] = PROMPTS(click.Command("export")).params
    assert asked.default == SHOWN


def test_what_is_kept_is_what_would_be_made_again(run):
    study = plan()
    test = study.split.test
    assert {path.name for path in run.shown.glob("*.safetensors")} == {
        shown_path(run, prompt).name for prompt in test
    }
    for kept, made in zip(
        [read_shown(run, prompt) for prompt in test], anew(run, study, test), strict=True
    ):
        assert_alike(kept, made)


def test_what_is_kept_is_what_was_scored(run):
    study = plan()
    prompt = study.split.test[0]
    kept, picture = read_shown(run, prompt), runs.read_image(run, prompt)
    torch.testing.assert_close(fine(kept.pictures["final"])[0], picture, atol=0.004, rtol=0)
    label = study.labelers[0].read(picture[None])["saliency"]
    assert (fine(kept.maps["saliency", "label"]) != label).float().mean() < 0.02
    torch.testing.assert_close(
        {name: float(cut[1]) for name, cut in kept.cuts.items()},
        {
            ("saliency", layer.name): runs.read_probes(run, CPU)[
                "saliency", layer.name, 1
            ].threshold
            for layer in study.layers
        },
    )


def test_figure_and_site_of_a_run_make_nothing_again(run, tmp_path, drawn):
    test, lines = plan().split.test, []
    path = draw_pictures(run, test[0], never)
    assert path.name == f"steps-{test[0].index:05d}.png"
    how = {"prompts": SHOWN, "progress": nothing, "say": lines.append}
    wrote = export(run, tmp_path / "site", again=never, **how)
    assert wrote["maps"] == len(test)
    assert drawn == {"traced": 0, "drawn": 0}
    assert lines == []
    page = json.loads((tmp_path / "site" / "data" / "run.json").read_text())
    sizes = {x.name: {"grid": list(x.grid), "channels": x.channels} for x in plan().layers}
    assert {x.pop("name"): x for x in page["layers"]} == sizes


def sheets(site):
    return {
        path.relative_to(site): np.asarray(Image.open(path), float)
        for path in sorted((site / "data" / "maps").rglob("*probe.webp"))  # nothing is lost there
    }


def test_a_run_from_before_is_drawn_as_one_that_kept_its_pictures(
    run, tmp_path, drawn, monkeypatch
):
    rows = {"kept": [], "anew": []}
    old = runs.Run(tmp_path / "old")
    old.folder.mkdir()
    for path in run.folder.iterdir():
        if path != run.shown:
            (old.folder / path.name).symlink_to(path)
    for name, each, again in (("kept", run, never), ("anew", old, plan)):
        keep = rows[name].append

        def draw_row(_axis, maps, _colours, keep=keep):
            keep(maps.numpy())

        with monkeypatch.context() as patch:
            patch.setattr(
                figures, "_draw_row", lambda _axis, maps, *_, keep=keep: keep(maps.numpy())
            )
            patch.setattr(figures.Figure, "savefig", lambda *_, **__: None)
            draw_pictures(each, plan().split.test[0], again)
        export(each, tmp_path / name, again=again, prompts=SHOWN, progress=nothing)
    assert drawn["traced"] == 1 + len(plan().split.test)
    assert len(rows["kept"]) == 2 + 3 * 2
    for some, others in zip(rows["kept"], rows["anew"], strict=True):
        span = np.ptp(some)
        assert (np.abs(some - others) <= 1.01 * span / 254).mean() > 0.999  # a mask's edge may move
    kept, made = sheets(tmp_path / "kept"), sheets(tmp_path / "anew")
    assert kept.keys() == made.keys()
    assert len(kept) == 2 * len(plan().split.test)
    assert all(np.abs(kept[name] - made[name]).max() <= 2 for name in kept)
    for name in ("run", "prompts", "drawn"):
        each = [(tmp_path / x / "data" / f"{name}.json").read_bytes() for x in ("kept", "anew")]
        assert each[0] == each[1], name


@pytest.mark.parametrize("damage", ["cut", "flip", "gone", "other layers", "other steps"])
def test_a_damaged_file_is_said_and_that_picture_made_again(damage, tmp_path, drawn):
    study = plan()
    run = carried(study, tmp_path / "run")
    drawn.update(traced=0, drawn=0)
    prompt, lines = study.split.test[1], []
    before, path = read_shown(run, prompt), shown_path(run, prompt)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= damage == "flip"
    tensors = load_file(path)
    if damage == "gone":
        remove_sealed(path)
    elif damage == "other layers":
        write_sealed(path, lambda part: save_file(tensors, part, metadata={"layers": "[]"}))
    elif damage == "other steps":
        key = next(name for name in tensors if name.endswith("bytes"))
        tensors[key] = tensors[key][:1]
        layers = json.dumps([vars(each) for each in study.layers])
        write_sealed(path, lambda part: save_file(tensors, part, metadata={"layers": layers}))
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
    assert read_shown(run, prompt) is None
    *kept, made = shown_of(run, study.split.test, plan, lines.append)
    assert [each.prompt for each in kept] == [p for p in study.split.test if p != prompt]
    assert drawn["traced"] == 1
    assert [str(path) in line for line in lines] == ([] if damage == "gone" else [True])
    assert_alike(made, before)


def test_pictures_are_shown_at_every_step_where_rivals_are_looked_at_in_some(run, tmp_path, drawn):
    study = plan(goes_beyond=False)
    whole = 0
    for name, at in (("all", None), ("some", (0, 2))):
        drawn.update(traced=0, drawn=0)
        some = carried(replace(study, rivals_at=at), tmp_path / name)
        whole = whole or drawn["drawn"]
        for prompt in study.split.test:
            assert_alike(read_shown(some, prompt), read_shown(run, prompt))
    test, validation = len(study.split.test), len(study.split.validation)
    # All test pictures are shown here: the step that rivals leave out is drawn for them alone.
    assert whole - drawn["drawn"] == 2 * validation
    assert test <= SHOWN


def test_what_was_seen_on_the_way_is_not_drawn_again_for_thresholds(tmp_path, drawn):
    study = plan()
    validation, images = len(study.split.validation), 40
    counts = {}
    for looks_ahead in (True, False):
        drawn["drawn"] = 0
        carried(replace(study, looks_ahead=looks_ahead), tmp_path / str(looks_ahead))
        counts[looks_ahead] = drawn["drawn"]
    held_out = validation + len(study.split.test)
    # Looked at ahead, each estimate is drawn once; else that of training pictures never.
    assert counts[False] == images + 2 * STEPS * held_out
    assert counts[True] == counts[False] + STEPS * (images - held_out)


def test_given_pictures_are_shown_as_they_are_and_their_holes_stay(tmp_path):
    images = torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    depth = images[:, :1].clone()
    depth[:, :, :4, :4] = torch.nan
    labels = {"depth": depth, "saliency": (images[:, 1:2] > 0.5).float()}

    def find(prompts):
        at = [prompt.index for prompt in prompts]
        return Given(images[at], {name: maps[at] for name, maps in labels.items()})

    study = plan(pictures=find, goes_beyond=False)
    run = carried(study, tmp_path / "run")
    prompt = study.split.test[0]
    kept = read_shown(run, prompt)
    torch.testing.assert_close(
        fine(kept.pictures["final"])[0], images[prompt.index], atol=0.002, rtol=0
    )
    seen = fine(kept.maps["depth", "label"])
    assert seen[..., :4, :4].isnan().all()
    assert seen.isnan().sum() == 16
    assert_given_again(kept, anew(run, study, [prompt])[0])
    assert draw_pictures(run, prompt, never).is_file()
    assert export(run, tmp_path / "site", again=never, prompts=2, progress=nothing)["maps"] == 2


def assert_given_again(kept, made):
    for name in ("final", "image", "estimate"):
        torch.testing.assert_close(
            fine(kept.pictures[name]), fine(made.pictures[name]), atol=0.006, rtol=0
        )


def test_a_picture_of_512_pixels_and_sixteen_layers_takes_few_bytes(tmp_path):
    sides = [*[64] * 5, *[32] * 5, *[16] * 5, 8]
    layers = tuple(Layer(f"up.{at}", "", 320, (side, side)) for at, side in enumerate(sides))
    names, steps = ("saliency", "depth", "shading"), 15
    every, one = torch.rand(steps, 3, 512, 512), torch.rand(1, 3, 512, 512)
    pictures = dict.fromkeys(("image", "estimate"), coarse(every, PICTURE_PX))
    seen = {source: coarse(every[:, :1], MAP_PX) for source in ("image", "estimate")}
    seen |= {"label": coarse(one[:, :1], LABEL_PX), "position": coarse(one[:, :1], MAP_PX)}
    made = Shown(
        Prompt("a red cone", 1, 0),
        layers,
        pictures | {"final": coarse(one, LABEL_PX)},
        {(name, source): each for name in names for source, each in seen.items()},
        {(x, y.name): coarse(torch.rand(steps, 1, *y.grid), MAP_PX) for x in names for y in layers},
        {},
    )
    run = runs.Run(tmp_path)
    write_shown(run, made)
    assert 1e6 < shown_path(run, made.prompt).stat().st_size < 4e6
