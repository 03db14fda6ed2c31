"""Unconditional latent diffusion: the pictures of diffusers' own pipeline, and a whole study."""

import csv
from unittest.mock import patch

import pytest
import torch
from click.testing import CliRunner

import worlds
from underpaint.cli import main as cli
from underpaint.core.errors import ModelError
from underpaint.core.prompts import Prompt
from underpaint.models import Model, decode, decoder_attention, encode, load
from underpaint.models.layers import find_layers
from underpaint.models.schedules import swap
from underpaint.models.traces import trace

STEPS = 6


@pytest.fixture(scope="module")
def unprompted():
    return Model.of(worlds.unprompted_pipeline(), name="unprompted")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("unprompted") / "ldm"
    worlds.unprompted_pipeline().save_pretrained(path)
    return path


@pytest.mark.parametrize("name", ["ddim", "euler", "dpm++"])
def test_pictures_are_those_of_the_pipeline_itself(name):
    own = worlds.unprompted_pipeline()
    own.scheduler = swap(own.scheduler, name)
    seen = trace(own, worlds.PROMPTS, steps=STEPS)
    with patch.object(own.vqvae, "decode", wraps=own.vqvae.decode) as decode:
        drawn = own(
            batch_size=3,
            generator=[torch.Generator().manual_seed(prompt.seed) for prompt in worlds.PROMPTS],
            num_inference_steps=STEPS,
            output_type="np",
        ).images
    scaling = own.vqvae.config.scaling_factor
    torch.testing.assert_close(seen.final / scaling, decode.call_args.args[0])
    # A latent as near to two codes of the book rounds either way, from a difference of 1e-7.
    images = torch.from_numpy(drawn).permute(0, 3, 1, 2)
    torch.testing.assert_close(seen.images, images, atol=0.02, rtol=0)


def test_latents_are_what_the_denoiser_sees_and_texts_say_nothing(unprompted):
    entered = []
    with unprompted.denoiser.register_forward_pre_hook(lambda _m, args: entered.append(args[0])):
        seen = trace(unprompted, worlds.PROMPTS, steps=STEPS)
    assert torch.equal(seen.latents, torch.stack(entered))
    renamed = [Prompt("another", prompt.seed) for prompt in worlds.PROMPTS]
    assert torch.equal(trace(unprompted, renamed, steps=STEPS).final, seen.final)


def test_a_run_goes_on_from_its_middle_and_stops_there(unprompted):
    whole = trace(unprompted, worlds.PROMPTS, steps=STEPS)
    stopped = trace(unprompted, worlds.PROMPTS, steps=STEPS, stop_at=2)
    assert torch.equal(stopped.final, whole.latents[2])
    resumed = trace(unprompted, worlds.PROMPTS, steps=STEPS, start=(stopped.final, 2))
    torch.testing.assert_close(resumed.final, whole.final)


def test_every_attention_of_its_unet_is_a_layer_with_all_images(unprompted):
    layers = find_layers(unprompted)
    assert [layer.name for layer in layers] == ["down.1.0", "mid.0", "up.0.0", "up.0.1"]
    assert {layer.grid for layer in layers} == {(8, 8)}
    seen = trace(unprompted, worlds.PROMPTS, steps=2, layers=layers)
    assert {each.shape for each in seen.activations.values()} == {(2, 3, 16, 8, 8)}


def test_an_edit_changes_the_picture(unprompted):
    layer = find_layers(unprompted)[-1]
    plain = trace(unprompted, worlds.PROMPTS, steps=2)
    edited = trace(
        unprompted, worlds.PROMPTS, steps=2, edits={layer: lambda _step, tokens: tokens + 1}
    )
    assert not torch.allclose(edited.final, plain.final)


def test_a_vq_vae_is_read_before_and_drawn_after_its_codes_are_rounded(unprompted):
    vqvae = unprompted.pipeline.vqvae
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        codes = vqvae.encode(images * 2 - 1).latents
        drawn = vqvae.decode(codes).sample
    latents = encode(unprompted, images)
    torch.testing.assert_close(latents, codes * vqvae.config.scaling_factor)
    torch.testing.assert_close(decode(unprompted, latents), (drawn / 2 + 0.5).clamp(0, 1))

    kept = []
    middle = vqvae.decoder.mid_block.attentions[0].to_out[0]
    with middle.register_forward_hook(lambda _m, _args, out: kept.append(out)), torch.no_grad():
        vqvae.decode(codes)
    found = decoder_attention(unprompted, latents)
    torch.testing.assert_close(found.flatten(2).mT, kept[0])


def test_guidance_without_a_prompt_is_refused(unprompted):
    assert unprompted.guidance == 1.0
    assert not unprompted.takes_text
    with pytest.raises(ModelError, match=r"Guidance 2\.5 asks for a prompt"):
        trace(unprompted, worlds.PROMPTS, steps=2, guidance=2.5)


def test_a_study_finishes_with_seeds_for_prompts(folder, tmp_path):
    out = tmp_path / "run"
    command = ["run", str(out), "--model", str(folder), "--count", "20", "--steps", "3"]
    command += ["--properties", "depth"]
    done = CliRunner().invoke(cli.main, command)
    assert done.exit_code == 0, done.output
    assert "takes no prompt" in done.output
    rows = list(csv.DictReader((out / "prompts.csv").open()))
    assert len({row["seeds"] for row in rows}) == 20
    assert {row["prompts"] for row in rows} == {f"seed {row['seeds']}" for row in rows}
    shown = CliRunner().invoke(cli.main, ["show", str(out)])
    assert shown.exit_code == 0
    assert "probe+position" in shown.output


def test_pictures_too_small_for_the_labeler_are_refused(tmp_path):
    worlds.unprompted_pipeline(size=16).save_pretrained(tmp_path / "small")
    command = ["run", str(tmp_path / "run"), "--model", str(tmp_path / "small"), "--count", "20"]
    done = CliRunner().invoke(cli.main, command)
    assert done.exit_code == 1
    assert "multiples of 32 pixels, and these are 16×16" in done.output


def test_a_folder_is_loaded_as_any_other(folder):
    model = load(str(folder), device="cpu")
    assert model.resolution == (32, 32)
    own = Model.of(worlds.unprompted_pipeline(), name="own")
    first, second = (trace(each, worlds.PROMPTS, steps=2).final for each in (model, own))
    torch.testing.assert_close(first, second)
