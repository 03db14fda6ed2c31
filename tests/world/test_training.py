"""The one loop, its losses without labels, and a folder at the end that a run studies."""

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from diffusers import StableDiffusion3Pipeline
from safetensors.torch import load_file
from torch import nn

from underpaint.cli import main as cli
from underpaint.core.errors import ModelError, SceneError
from underpaint.models.weights import TINY
from underpaint.world import training as loops
from underpaint.world import transformer as by_transformer
from underpaint.world.drawing import Drawing, Growing, drawing, render_shards
from underpaint.world.parts import taken
from underpaint.world.pool import Pool, detail
from underpaint.world.renders import read_shards
from underpaint.world.stages import KINDS, measure_all, train_all
from underpaint.world.tokens import TOKENS, kept_tokenizer, new_tokenizer, tokens_of
from underpaint.world.training import Budget, compiled, train
from underpaint.world.transformer import TransformerDenoiser, drawn_levels
from underpaint.world.words import CAPTIONS

SCENES = 4
"""Of a shard here."""


@pytest.fixture(scope="module")
def renders(tmp_path_factory):
    """Draw the held-out shard and two others."""
    folder = tmp_path_factory.mktemp("world") / "renders"
    render_shards(folder, 2, workers=1, progress=lambda _: None, scenes=SCENES)
    return folder


def shards(folder: Path, count: int) -> Drawing:
    return Drawing(folder, count, (), torch.get_num_threads())


@pytest.fixture(scope="module", autouse=True)
def few_layers():
    """Have transformers of two narrow blocks in place of eight wide ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_transformer, "LAYERS", 2)
        patch.setattr(by_transformer, "HEADS", 2)
        yield


@pytest.fixture(scope="module")
def pool(renders, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    return Pool(folder, shards(renders, 2), taken("tiny").vae, new_tokenizer())


# Scenes that come while networks train


def test_a_pool_grows_by_the_shards_that_have_come(renders, tmp_path):
    drawn, words = shards(renders, 2), new_tokenizer()
    (tmp_path / "renders").mkdir()
    few = Drawing(tmp_path / "renders", 2, (), 1)
    (few.folder / "0001.safetensors").symlink_to(renders / "0001.safetensors")
    growing = Pool(tmp_path, few, taken("tiny").vae, words)
    assert growing.latents.shape == (2, SCENES, 4, 16, 16)
    (few.folder / "0002.safetensors").symlink_to(renders / "0002.safetensors")
    growing.grow()
    whole = Pool(tmp_path / "whole", drawn, taken("tiny").vae, words)
    assert torch.equal(growing.latents, whole.latents)
    assert torch.equal(growing.tokens, whole.tokens)
    assert (growing.latents[0] != growing.latents[1]).any()


def test_what_has_been_drawn_so_far_is_what_the_shards_hold(renders):
    growing = Growing(shards(renders, 2), device=torch.device("cpu"))
    known = growing.now()
    expected = read_shards([renders / f"000{n}.safetensors" for n in (1, 2)])
    assert len(known) == 2 * SCENES
    assert torch.equal(known.depth, expected.depth)
    assert all(torch.equal(known.truth[name], maps) for name, maps in expected.truth.items())


def test_training_waits_for_the_first_shard_alone_and_leaves_no_process(tmp_path):
    threads = torch.get_num_threads()
    with drawing(tmp_path, 500, workers=1, progress=lambda _: None, scenes=2) as drawn:
        drawn.wait(1)
        assert 1 <= len(drawn.ready()) < 500
        assert torch.get_num_threads() == max(1, threads - 1)
    assert torch.get_num_threads() == threads
    assert not drawn.is_drawing()


def test_a_process_that_dies_while_drawing_is_not_waited_for(tmp_path, monkeypatch):
    (tmp_path / "0001.part").mkdir()  # in the way of the first shard
    with (
        pytest.raises(SceneError, match="exit code 1"),
        drawing(tmp_path, 1, workers=1, progress=lambda _: None, scenes=1) as drawn,
    ):
        drawn.wait(1)


# No label in the loss


def test_detail_counts_more_wherever_it_is_and_means_one():
    generator = torch.Generator().manual_seed(0)
    flat = torch.randn(3, 4, 1, 1, generator=generator).expand(3, 4, 16, 16)
    assert torch.allclose(detail(flat), torch.ones(3, 16, 16))
    busy = flat.clone()
    busy[:, :, 9:14, 2:6] += torch.randn(3, 4, 5, 4, generator=generator)
    weights = detail(busy)
    assert torch.allclose(weights.mean(dim=(1, 2)), torch.ones(3))
    assert (weights[:, 10:13, 3:5] > 1.5).all()
    assert (weights[:, :6, 8:] < 1).all()
    assert torch.allclose(detail(busy.flip(-1)), weights.flip(-1), atol=1e-5)


@pytest.mark.parametrize("kind", ["unet", "transformer"])
def test_a_loss_falls_and_no_mask_is_asked_for(kind, pool):
    torch.manual_seed(0)
    network = KINDS[kind].new(pool.tokenizer)
    loss_of = KINDS[kind].loss(network, pool, batch=4)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = loss_of(torch.Generator().manual_seed(0))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.98 * losses[0]


def test_one_caption_in_ten_is_dropped(pool):
    _, words = pool.batch(2000, torch.Generator().manual_seed(0))
    dropped = (words == pool.empty).all(dim=1).double().mean()
    assert 0.07 < dropped < 0.13


# The transformer


def test_captions_are_encoded_as_the_pipeline_encodes_them(pool):
    torch.manual_seed(0)
    network = TransformerDenoiser(pool.tokenizer).eval()
    pipeline = by_transformer.new_pipeline(network, taken("tiny").vae, pool.tokenizer)
    texts = [str(CAPTIONS[7]), ""]
    with torch.no_grad():
        hidden, pooled = network.encode(tokens_of(pool.tokenizer, texts))
        expected, _, expected_pooled, _ = pipeline.encode_prompt(
            texts, None, None, do_classifier_free_guidance=False, max_sequence_length=1
        )
    assert hidden.shape == (2, TOKENS + 1, 128)
    torch.testing.assert_close(hidden, expected)
    torch.testing.assert_close(pooled, expected_pooled)


def test_an_untrained_transformer_predicts_nothing(pool):
    network = TransformerDenoiser(pool.tokenizer).eval()
    noisy = torch.randn(1, 4, 16, 16)
    with torch.no_grad():
        assert not network(noisy, torch.tensor([0.5]), pool.empty[None]).any()


def test_levels_of_noise_reach_both_ends_and_most_are_decided_ones():
    levels = drawn_levels(1000, torch.Generator().manual_seed(0))
    assert levels.min() >= 1e-3
    assert levels.max() <= 1
    assert (levels > 0.98).sum() >= 5
    moved = levels[350:]  # the logit-normal ones, whose median is at 1/3
    assert moved.median().item() == pytest.approx(1 / 3, abs=0.01)


# The loop


class Killed(Exception):
    """Stands for a run that dies in the middle."""


class Line:
    """Fit y = 2x, and note the weight at each step; die at step `dies`, if it is ever reached."""

    def __init__(self, *, dies: int | None = None) -> None:
        torch.manual_seed(0)
        self.network = nn.Linear(1, 1)
        self.seen: list[float] = []
        self.dies = dies

    def loss(self, generator: torch.Generator) -> torch.Tensor:
        if len(self.seen) == self.dies:
            raise Killed
        self.seen.append(self.network.weight.item())
        x = torch.rand(8, 1, generator=generator)
        return (self.network(x) - 2 * x).square().mean()

    def train(self, folder: Path, *, minutes: float) -> dict[str, torch.Tensor]:
        budget = Budget(minutes=minutes, rate=1e-2, save_every_s=0.0)
        train(self.network, self.loss, folder, "line", budget, lambda _: None)
        return load_file(folder / "line.safetensors")


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path):
    killed = Line(dies=5)
    with pytest.raises(Killed):
        killed.train(tmp_path, minutes=60.0)
    saved = load_file(tmp_path / "line.safetensors")
    assert saved["progress"][0] == 5
    resumed = Line(dies=3)
    with pytest.raises(Killed):
        resumed.train(tmp_path, minutes=60.0)
    assert resumed.seen[0] == saved["weights/weight"].item() != killed.seen[0]
    assert load_file(tmp_path / "line.safetensors")["progress"][0] == 8


def test_a_finished_run_goes_on_only_with_a_larger_budget(tmp_path):
    first = Line()
    saved = first.train(tmp_path, minutes=0.002)
    steps, seconds = saved["progress"].tolist()
    assert steps == len(first.seen) >= 1
    assert seconds >= 0.12
    assert torch.equal(first.network.weight.data, saved["average/weight"])
    assert not first.network.training

    same = Line()
    assert torch.equal(same.train(tmp_path, minutes=0.002)["progress"], saved["progress"])
    assert same.seen == []
    assert torch.equal(same.network.weight.data, saved["average/weight"])

    longer = Line()
    progress = longer.train(tmp_path, minutes=seconds / 60 + 0.002)["progress"].tolist()
    assert progress[0] == steps + len(longer.seen) > steps
    assert progress[1] > seconds
    assert longer.seen[0] == saved["weights/weight"].item()


def test_what_is_fetched_meanwhile_is_asked_for_while_training(tmp_path):
    asked = []
    line = Line()
    budget = Budget(minutes=0.002, rate=1e-2)
    train(
        line.network, line.loss, tmp_path, "line", budget, lambda _: None,
        meanwhile=lambda: asked.append(len(line.seen)),
    )  # fmt: skip
    assert asked[0] == 1


def test_losses_are_read_some_at_a_time_and_every_one_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(loops, "READ_EVERY", 4)
    line, lost = Line(), []

    def loss_of(generator):
        lost.append(line.loss(generator))
        return lost[-1]

    train(line.network, loss_of, tmp_path, "line", Budget(0.002, 1e-2), lambda _: None)
    rows = [json.loads(row) for row in (tmp_path / "line.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(4, len(lost) + 1, 4))
    assert rows[0]["loss"] == pytest.approx(sum(each.item() for each in lost[:4]) / 4)


def test_a_network_that_cannot_be_compiled_is_trained_as_it_is():
    said, line = [], Line()
    with compiled(line.network, line.loss, said.append, device=torch.device("cuda:99")):
        assert torch.isfinite(line.network(torch.ones(1, 1))).all()
    assert len(said) == 1
    assert "goes on without compiling" in said[0]


# A folder at the end


@pytest.fixture(scope="module")
def made(renders, tmp_path_factory):
    """Train a transformer for a step or two on what `tiny` stands on."""
    out = tmp_path_factory.mktemp("made")
    (out / "renders").symlink_to(renders)
    train_all(
        out, minutes=0.01, shards=2, device="cpu", progress=lambda _: None,
        denoiser="transformer", source="tiny", scenes=SCENES,
    )  # fmt: skip
    return out


def test_a_transformer_is_trained_into_a_folder_that_a_run_studies(made, tmp_path):
    folder = made / "tiny-transformer"
    out = tmp_path / "run"
    arguments = ["run", out, "--model", folder, "--count", 16, "--steps", 2, "--quick"]
    result = CliRunner().invoke(cli.main, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    summary = json.loads((out / "summary.json").read_text())
    assert summary["noise"][0] is None
    assert set(summary["properties"]) == {"saliency", "depth", "shading"}
    said = json.loads((folder / "underpaint.json").read_text())
    assert said["call"] == {"max_sequence_length": 1}


def test_readers_and_autoencoder_are_those_that_were_taken(made):
    folder = made / "tiny-transformer"
    for name in ("map_reader", "word_reader"):
        ours, theirs = (load_file(at / f"{name}.safetensors") for at in (folder, TINY))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    part = "vae/diffusion_pytorch_model.safetensors"
    assert all(
        torch.equal(load_file(folder / part)[key], each.half())
        for key, each in load_file(TINY / part).items()
    )


def test_training_again_goes_on_and_a_warm_start_has_the_folder_s_weights(made, tmp_path):
    folder = made / "tiny-transformer"
    before = load_file(made / "transformer.safetensors")["progress"].tolist()
    again = {
        "shards": 2, "device": "cpu", "progress": lambda _: None,
        "denoiser": "transformer", "source": "tiny", "scenes": SCENES,
    }  # fmt: skip
    train_all(made, minutes=before[1] / 60 + 0.001, **again)
    after = load_file(made / "transformer.safetensors")["progress"].tolist()
    assert after[0] > before[0]
    (tmp_path / "renders").symlink_to(made / "renders")
    train_all(tmp_path, minutes=1e-9, warm=folder, **again)
    warm = StableDiffusion3Pipeline.from_pretrained(
        tmp_path / "tiny-transformer", text_encoder_3=None, tokenizer_3=None
    )
    # The first step moves them by its rate at most.
    known = load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors")
    for key, each in warm.transformer.state_dict().items():
        torch.testing.assert_close(each, known[key].float(), atol=2e-3, rtol=0)


def test_words_keep_their_numbers_when_training_goes_on(made, tmp_path):
    captions = [str(caption) for caption in CAPTIONS[::100]]
    first, again = (
        tokens_of(kept_tokenizer(made / "tokenizer-transformer", None), captions) for _ in range(2)
    )
    warm = tokens_of(kept_tokenizer(tmp_path / "kept", made / "tiny-transformer"), captions)
    assert torch.equal(first, again)
    assert torch.equal(first, warm)


def test_a_warm_start_from_another_kind_of_network_is_refused(tmp_path):
    with pytest.raises(ModelError, match="has no transformer/"):
        train_all(
            tmp_path, minutes=0.01, shards=1, device="cpu", progress=lambda _: None,
            denoiser="transformer", source="tiny", warm=TINY,
        )  # fmt: skip


def test_either_denoiser_is_measured(made):
    found = measure_all(
        made, count=10, progress=lambda _: None, denoiser="transformer", scenes=SCENES
    )
    assert {"object agrees", "colour agrees", "floor agrees", "light agrees", "kid"} <= set(found)
    assert json.loads((made / "tiny-transformer" / "measures.json").read_text()) == found
    assert (made / "sheet-transformer.png").exists()
