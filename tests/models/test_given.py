"""Given pictures: noised as they should be, labelled by what is known of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import worlds
from underpaint.cli import main as cli
from underpaint.core import pictures
from underpaint.core.arrays import normalise
from underpaint.core.errors import LabelError, SchedulerError
from underpaint.core.prompts import Prompt, split_prompts
from underpaint.core.properties import DEPTH, NORMALS, SALIENCY
from underpaint.labelers import known_maps
from underpaint.models import encode
from underpaint.models.folders import read_folder
from underpaint.models.given import Given, trace_given
from underpaint.models.layers import find_layers
from underpaint.models.schedules import swap
from underpaint.probes.probes import Probe
from underpaint.runs import runs
from underpaint.scores.tables import result_page, result_table
from underpaint.study.stages import carry_out

PROMPTS = worlds.PROMPTS[:2]


@pytest.fixture(scope="module")
def model():
    return worlds.model()


def test_each_step_is_shown_the_picture_at_its_own_noise_level(model):
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    layers = find_layers(model)[:2]
    found = trace_given(model, images, PROMPTS, steps=4, layers=layers)
    clean = encode(model, images)
    scheduler = model.pipeline.scheduler
    for step, timestep in enumerate(found.timesteps):
        level = float(scheduler.alphas_cumprod[int(timestep)])
        noise = (found.latents[step] - level**0.5 * clean) / (1 - level) ** 0.5
        for place, prompt in enumerate(PROMPTS):
            drawn = torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(prompt.seed))
            torch.testing.assert_close(noise[place], drawn, atol=1e-3, rtol=1e-3)
    assert torch.equal(found.images, images)
    assert found.activations[layers[1]].shape == (4, 2, layers[1].channels, *layers[1].grid)


def test_given_pictures_are_not_drawn_at_any_step(model, monkeypatch):
    monkeypatch.setattr(model.pipeline.vae, "decode", None)
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(trace_given(model, images, PROMPTS, steps=3).images, images)


def test_a_scheduler_that_cannot_begin_in_the_middle_is_refused(model):
    pipeline = worlds.pipeline(scheduler=swap(model.pipeline.scheduler, "lms"))
    other = replace(model, pipeline=pipeline, denoiser=pipeline.unet)
    with pytest.raises(SchedulerError, match="cannot begin at step 1"):
        trace_given(other, torch.rand(2, 3, 16, 16), PROMPTS, steps=3)


@pytest.fixture
def folder(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "00007.png")
    np.save(tmp_path / "00007.depth.npy", np.arange(192.0).reshape(16, 12))
    deep = (np.arange(192).reshape(16, 12) * 256).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "00007.saliency.png")
    Image.new("RGB", (12, 16), (255, 128, 128)).save(tmp_path / "00007.normals.png")
    return tmp_path


def test_a_folder_gives_pictures_with_the_labels_beside_them(folder):
    find = read_folder(folder, [SALIENCY, DEPTH, NORMALS], size=(16, 12))
    found = find([Prompt("a thing", 1, 7)])
    assert found.images.shape == (1, 3, 16, 12)
    assert found.labels["depth"][0, 0, 1, 2] == 14
    assert found.labels["saliency"][0, 0, 1, 2] == pytest.approx(14 * 256 / 65535)
    assert (found.labels["normals"][0, :, 3, 4] - torch.tensor([1.0, 0, 0])).abs().max() < 0.004


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda at: (at / "00007.depth.npy").unlink(), "holds no depth of picture 00007"),
        (lambda at: (at / "00007.png").unlink(), "Cannot read"),
        (lambda at: (at / "00007.png").write_bytes(b"no"), "Cannot read"),
        (lambda at: (at / "00007.depth.npy").write_bytes(b"no"), "Cannot read"),
        (lambda at: np.save(at / "00007.depth.npy", np.ones((4, 4))), "it has to be 1 × 16 × 12"),
    ],
)
def test_a_folder_that_lacks_something_says_what(folder, spoil, words):
    spoil(folder)
    with pytest.raises(LabelError, match=words):
        read_folder(folder, [DEPTH], size=(16, 12))([Prompt("a thing", 1, 7)])


def test_a_picture_that_is_too_large_is_refused_before_it_is_read(folder, monkeypatch):
    monkeypatch.setattr(pictures, "LARGEST_PICTURE", 16 * 12 - 1)
    with pytest.raises(LabelError, match="it has 192 pixels; 191 are read at most"):
        read_folder(folder, [DEPTH], size=(16, 12))([Prompt("a thing", 1, 7)])


def test_exact_labels_replace_a_labelers_which_is_then_judged_by_them(model, tmp_path):
    def find(prompts):
        draws = [torch.Generator().manual_seed(prompt.seed) for prompt in prompts]
        images = torch.stack([torch.rand(3, 1, 1, generator=draw) for draw in draws])
        images = images * torch.linspace(0, 1, 16)  # brighter to the right
        far = 1 - images.mean(dim=1, keepdim=True)  # and the labeler takes what is bright for near
        return Given(images.expand(-1, -1, 16, 16), {"depth": far.expand(-1, -1, 16, 16)})

    prompts = [Prompt(f"thing {i}", i, i) for i in range(18)]
    study = replace(
        worlds.study(8), model=model, layers=find_layers(model)[:1], properties=(DEPTH,),
        split=split_prompts(prompts), controls={}, sees_decoder=False, pictures=find, recipe="mlp",
    )  # fmt: skip
    run = runs.open_run(tmp_path / "run", {})
    summary = carry_out(study, run, lambda *_: None)
    sources = summary["properties"]["depth"]["sources"]
    assert {"labeler", "taught", "judged", "mlp"} < set(sources)
    # The labeler blurs, and repeats no edge: not quite the opposite of the truth.
    ends = {name: each["metrics"]["spearman"]["final"]["mean"] for name, each in sources.items()}
    assert ends["labeler"] < -0.8
    assert ends["judged"] == pytest.approx(-ends["taught"], abs=0.2)
    assert abs(ends["probe"]) > 0.3
    # These maps are their place and nothing else: what is left of them has no correlation.
    assert sources["labeler"]["final"]["mean"] is None
    found = runs.read_probes(run, model.device)
    assert all(isinstance(each, Probe) for each in found.values())
    assert ("taught depth", study.layers[0].name, 0) in found
    assert found["placed depth", study.layers[0].name, 0].place.shape == (1, *study.layers[0].grid)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_a_folder_s_holes_are_unknown_and_the_rest_of_the_map_is_used(folder, hole):
    depth = np.load(folder / "00007.depth.npy").astype(np.float32)
    depth[0, :5] = hole
    np.save(folder / "00007.depth.npy", depth)
    found = read_folder(folder, [DEPTH], size=(16, 12))([Prompt("a thing", 1, 7)])
    normal = normalise(DEPTH, known_maps("it", DEPTH, found.labels["depth"], found.images))
    assert normal.isnan().nonzero().tolist() == [[0, 0, 0, x] for x in range(5)]
    seen = torch.from_numpy(depth.flatten()[5:])
    expected = (seen - seen.mean()) / seen.std(correction=0)
    torch.testing.assert_close(normal.flatten()[5:], expected)


def test_a_map_of_which_nothing_is_left_is_refused(folder):
    np.save(folder / "00007.depth.npy", np.full((16, 12), np.inf))
    found = read_folder(folder, [DEPTH], size=(16, 12))([Prompt("a thing", 1, 7)])
    with pytest.raises(LabelError, match=r"nothing is known for picture 0 of 1"):
        known_maps("it", DEPTH, found.labels["depth"], found.images)


def with_holes(maps: torch.Tensor, seed: int) -> torch.Tensor:
    """Forget a square of 8 pixels and every tenth pixel."""
    draw = torch.Generator().manual_seed(seed)
    unknown = torch.rand(maps.shape[-2:], generator=draw) < 0.1
    y, x = torch.randint(0, 8, (2,), generator=draw).tolist()
    unknown[y : y + 8, x : x + 8] = True
    return maps.masked_fill(unknown, torch.inf)


def study_of(model, find, **changes):
    prompts = [Prompt(f"thing {i}", i, i) for i in range(18)]
    return replace(
        worlds.study(8), model=model, layers=find_layers(model)[:1],
        properties=(SALIENCY, DEPTH), split=split_prompts(prompts), controls={},
        sees_decoder=False, pictures=find, **changes,
    )  # fmt: skip


@pytest.mark.parametrize("recipe", [None, "mlp"])
def test_a_study_of_labels_with_holes_counts_them_and_leaves_nothing_undefined(
    model, tmp_path, recipe
):
    def find(prompts):
        draws = [torch.Generator().manual_seed(prompt.seed) for prompt in prompts]
        images = torch.stack([torch.rand(3, 1, 1, generator=draw) for draw in draws])
        images = (images * torch.linspace(0, 1, 16)).expand(-1, -1, 16, 16)
        slopes = torch.linspace(0, 1, 16)[:, None] * images.mean(dim=1, keepdim=True)
        depth = torch.stack([with_holes(m, p.seed) for m, p in zip(slopes, prompts, strict=True)])
        mask = with_holes((slopes > 0.1).float(), 3)
        return Given(images, {"depth": depth, "saliency": mask})

    run = runs.open_run(tmp_path / "run", {})
    summary = carry_out(study_of(model, find, recipe=recipe), run, lambda *_: None)
    for name in ("depth", "saliency"):
        found = summary["properties"][name]
        assert 0.5 < found["known"] < 0.75
        for source in ("probe", "position", "probe+position", "ceiling", "latent"):
            assert found["sources"][source]["final"]["undefined"] == 0
            assert np.isfinite(found["sources"][source]["final"]["mean"])
    ceiling = summary["properties"]["depth"]["sources"]["ceiling"]["metrics"]
    assert ceiling["spearman"]["final"]["mean"] > 0.9
    tables = runs.read_table(run.scores)
    assert (
        tables[tables["metric"] == "known"].groupby("property", observed=True)["value"].max() < 0.75
    ).all()
    assert "Of the labels of depth" in result_page(summary, result_table(summary))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--recipe", "lasso"], "--recipe says 'lasso'. Choose from ridge, logistic"),
        (["--recipe", "logistic", "--properties", "depth"], "--recipe logistic fits masks"),
        (["--images", "nowhere"], "that is no folder, nor the word 'rendered'"),
        (["--layers", "nothing.*"], "No layer matches 'nothing.*'"),
        (["--count", "2"], "2 different prompts cannot be split"),
    ],
)
def test_a_wrong_request_is_one_line_and_leaves_nothing(arguments, words, tmp_path):
    result = CliRunner().invoke(cli.main, ["run", str(tmp_path / "out"), *arguments])
    assert result.exit_code == 1
    assert words in result.output
    assert result.output.count("\n") == 1
    assert not (tmp_path / "out").exists()
