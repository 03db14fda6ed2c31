import json
import shutil
from dataclasses import replace
from pathlib import Path

import diffusers
import huggingface_hub
import pytest
import torch

import worlds
from underpaint.core.errors import ModelError, SchedulerError
from underpaint.models import (
    Model,
    decode,
    decoder_attention,
    encode,
    has_decoder_attention,
    load,
    load_as,
    packed,
    unpacked,
    untrained,
    weights,
)


@pytest.fixture
def folder(saved_model: Path, tmp_path: Path) -> Path:
    """Copy the saved model, so that a test may damage it."""
    return Path(shutil.copytree(saved_model, tmp_path / "world"))


def images(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def latents(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def test_a_saved_model_loads_with_all_that_has_to_be_known(saved_model):
    model = load(str(saved_model), device="cpu")
    assert model.name == str(saved_model)
    assert model.denoiser is model.pipeline.unet
    assert model.resolution == (16, 16)
    assert model.guidance == 7.5
    assert (model.device, model.dtype) == (torch.device("cpu"), torch.float32)
    assert isinstance(model.pipeline.scheduler, diffusers.DDIMScheduler)
    for mine, theirs in zip(
        model.denoiser.parameters(), worlds.pipeline().unet.parameters(), strict=True
    ):
        assert torch.equal(mine, theirs)


def test_loading_says_nothing_and_leaves_the_libraries_talkative(saved_model, capfd, recwarn):
    before = diffusers.utils.logging.get_verbosity()
    load(str(saved_model), device="cpu", scheduler="euler")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert not [warned for warned in recwarn if "torch_dtype" in str(warned.message)]
    assert diffusers.utils.logging.get_verbosity() == before
    assert diffusers.utils.logging.is_progress_bar_enabled()


def test_a_safety_checker_is_never_loaded(folder):
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["requires_safety_checker"] = True
    (folder / "model_index.json").write_text(json.dumps(index))
    assert load(str(folder), device="cpu").pipeline.safety_checker is None


def test_the_model_s_own_defaults_are_read(folder):
    (folder / "underpaint.json").write_text('{"guidance": 2.5, "resolution": 32}')
    model = load(str(folder), device="cpu")
    assert (model.guidance, model.resolution) == (2.5, (32, 32))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ddim", diffusers.DDIMScheduler),
        ("lms", diffusers.LMSDiscreteScheduler),
        ("euler", diffusers.EulerDiscreteScheduler),
        ("dpm++", diffusers.DPMSolverMultistepScheduler),
    ],
)
def test_another_scheduler_can_be_asked_for(saved_model, name, kind):
    model = load(str(saved_model), device="cpu", scheduler=name)
    assert type(model.pipeline.scheduler) is kind
    assert model.pipeline.scheduler.config.beta_schedule == "scaled_linear"


def test_half_precision_leaves_the_vae_in_float32(saved_model):
    model = load(str(saved_model), device="cpu", dtype="bfloat16")
    assert model.dtype == model.pipeline.text_encoder.dtype == torch.bfloat16
    assert model.pipeline.vae.dtype == torch.float32


def test_a_fingerprint_tells_weights_from_weights_but_not_place_from_place(saved_model, folder):
    assert weights.fingerprint(folder) == weights.fingerprint(saved_model)
    assert weights.fingerprint(folder).startswith("sha256:")
    file = next((folder / "unet").glob("*.safetensors"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert weights.fingerprint(folder) != weights.fingerprint(saved_model)


def test_what_a_call_is_given_beside_a_prompt_makes_another_model(folder):
    plain = load(str(folder), device="cpu").fingerprint
    assert plain == weights.fingerprint(folder)  # as it was before a call could be given anything
    said = folder / "underpaint.json"
    said.write_text('{"guidance": 2}')
    assert load(str(folder), device="cpu").fingerprint == plain
    found = []
    for skipped in ("1", "2", "1"):
        said.write_text('{"guidance": 2, "call": {"clip_skip": ' + skipped + "}}")
        found.append(load(str(folder), device="cpu").fingerprint)
    assert found[0] == found[2] != found[1] != plain
    assert all(each.startswith(f"{plain}+") for each in found)


def test_a_hub_snapshot_is_named_by_its_revision(tmp_path):
    assert weights.fingerprint(tmp_path / "snapshots" / ("ab" * 20)) == f"revision:{'ab' * 20}"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))


@pytest.mark.usefixtures("no_network")
def test_an_unknown_id_without_network_is_refused_in_one_line():
    with pytest.raises(
        ModelError, match=r"No model 'nobody/nothing'.*give a diffusers folder"
    ) as error:
        load("nobody/nothing", device="cpu")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("name", ["some/where/else", "./models", "sd14"])
def test_a_path_that_does_not_exist_is_never_looked_up_on_the_hub(name):
    with pytest.raises(ModelError, match=r"there is no such folder and it is no hub id"):
        load(name, device="cpu")


def test_a_missing_embedded_model_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "TINY", tmp_path)
    with pytest.raises(ModelError, match=r"model is not in this install.*underpaint train"):
        load("tiny", device="cpu")


def test_the_embedded_model_is_found_by_name(monkeypatch, saved_model):
    monkeypatch.setattr(weights, "TINY", saved_model)
    model = load("tiny", device="cpu")
    assert (model.name, model.resolution) == ("tiny", (16, 16))


def test_a_file_or_a_folder_of_something_else_is_refused(tmp_path, folder):
    with pytest.raises(ModelError, match=r"is a file\. Give a diffusers folder"):
        load(str(folder / "model_index.json"), device="cpu")
    with pytest.raises(ModelError, match=r"not a diffusers folder: it has no model_index\.json"):
        load(str(tmp_path), device="cpu")


def test_an_index_that_is_no_json_object_is_refused(folder):
    (folder / "model_index.json").write_text("{")
    with pytest.raises(ModelError, match="not valid JSON"):
        load(str(folder), device="cpu")
    (folder / "model_index.json").write_text("[]")
    with pytest.raises(ModelError, match="not a JSON object"):
        load(str(folder), device="cpu")


def test_pipeline_code_that_comes_along_is_not_run(folder):
    (folder / "pipeline.py").write_text("raise SystemExit('ran')")
    (folder / "model_index.json").write_text('{"_class_name": ["pipeline", "Own"]}')
    with pytest.raises(ModelError, match=r"brings its own pipeline code.*which is not run"):
        load(str(folder), device="cpu")


@pytest.mark.parametrize(
    "content", ['{"guidance": "high"}', '{"resolution": 0}', '{"steps": 5}', '{"guidance": true}']
)
def test_defaults_that_make_no_sense_are_refused(folder, content):
    (folder / "underpaint.json").write_text(content)
    with pytest.raises(ModelError, match="It may hold guidance and resolution"):
        load(str(folder), device="cpu")


def test_a_missing_component_is_named(folder):
    shutil.rmtree(folder / "vae")
    with pytest.raises(ModelError, match=r"has no vae/, which its model_index.json lists"):
        load(str(folder), device="cpu")


def test_missing_weights_are_named(folder):
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"unet has no \.safetensors weights"):
        load(str(folder), device="cpu")


def test_pickled_weights_are_refused_with_how_to_convert_them(folder):
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    file.rename(file.with_suffix(".bin"))
    with pytest.raises(ModelError, match=r"only pickled weights.*save_pretrained\(OUT\)"):
        load(str(folder), device="cpu")


def test_weights_cut_short_are_named(folder):
    file = folder / "text_encoder" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged or cut short"):
        load(str(folder), device="cpu")


def test_weights_of_another_shape_are_refused_in_one_line(folder):
    path = folder / "unet" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "block_out_channels": [16, 16]}))
    with pytest.raises(ModelError, match="Cannot read the model in") as caught:
        load(str(folder), device="cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("choice", "error", "words"),
    [
        ({"device": "abacus"}, ModelError, "Cannot run on device 'abacus' here"),
        ({"device": "cpu", "dtype": "int8"}, ModelError, r"No dtype 'int8'\. Choose 'auto' or"),
        ({"device": "cpu", "scheduler": "heun"}, SchedulerError, "No scheduler 'heun'"),
    ],
)
def test_choices_that_cannot_be_met_are_refused(saved_model, choice, error, words):
    with pytest.raises(error, match=words):
        load(str(saved_model), **choice)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_here_is_refused(saved_model):
    with pytest.raises(ModelError, match="Cannot run on device 'cuda' here"):
        load(str(saved_model), device="cuda")
    assert load(str(saved_model)).device.type in {"cpu", "mps"}


def test_a_pipeline_without_prompt_or_vae_is_refused():
    bare = diffusers.DDPMPipeline(
        diffusers.UNet2DModel(sample_size=8, block_out_channels=(32, 32, 32, 32)), worlds.ddim()
    )
    with pytest.raises(ModelError, match="DDPMPipeline is not a latent text-to-image pipeline"):
        Model.of(bare, name="bare")


def test_a_pipeline_that_packs_latents_in_its_own_way_is_refused(monkeypatch):
    made = worlds.pipeline()
    monkeypatch.setattr(type(made), "_pack_latents", lambda: None, raising=False)
    with pytest.raises(ModelError, match="packs its latents into tokens in a way that is not"):
        Model.of(made, name="packed")


def test_a_model_that_does_not_say_its_size_is_refused_or_told():
    made = worlds.pipeline()
    made.unet.register_to_config(sample_size=None)
    with pytest.raises(ModelError, match=r"does not say its image size.*underpaint\.json"):
        Model.of(made, name="sizeless")
    assert Model.of(made, name="told", resolution=(16, 16)).resolution == (16, 16)


def test_decoding_is_the_pipeline_s_own(model):
    own = model.pipeline.vae.decode(latents() / model.pipeline.vae.config.scaling_factor).sample
    shown = model.pipeline.image_processor.postprocess(own.detach(), output_type="pt")
    torch.testing.assert_close(decode(model, latents()), shown)


def test_images_are_floats_from_0_to_1_even_from_wild_latents(model):
    drawn = decode(model, latents() * 1000)
    assert drawn.dtype == torch.float32
    assert 0 <= drawn.min() < drawn.max() <= 1


def test_decoding_and_encoding_do_not_depend_on_how_images_are_batched(model):
    many = latents(19)
    apart = torch.cat([decode(model, part) for part in many.split(5)])
    torch.testing.assert_close(decode(model, many), apart)
    torch.testing.assert_close(encode(model, images(19))[4:5], encode(model, images(19)[4:5]))


def test_encoding_is_the_posterior_mean_at_the_denoiser_s_scale(model):
    vae = model.pipeline.vae
    mean = vae.encode(images() * 2 - 1).latent_dist.mean
    torch.testing.assert_close(encode(model, images()), mean * vae.config.scaling_factor)
    assert torch.equal(encode(model, images()), encode(model, images()))


@pytest.mark.parametrize(
    "config",
    [
        {"shift_factor": 0.3},
        {"latents_mean": [0.1, 0.2, 0.3, 0.4], "latents_std": [1.0, 2.0, 3.0, 4.0]},
    ],
)
def test_a_vae_s_shift_and_deviation_are_undone_both_ways(config):
    model = worlds.model()
    vae = model.pipeline.vae
    vae.register_to_config(**config)
    own = vae.encode(images() * 2 - 1).latent_dist.mean
    scaling = vae.config.scaling_factor
    if "shift_factor" in config:
        by_hand = (own - 0.3) * scaling
    else:
        mean, deviation = (torch.tensor(config[name])[:, None, None] for name in config)
        by_hand = (own - mean) * scaling / deviation
    torch.testing.assert_close(encode(model, images()), by_hand)
    drawn = (vae.decode(own).sample / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(decode(model, encode(model, images())), drawn, atol=1e-4, rtol=0)


def test_packed_latents_are_laid_out_and_back_as_the_pipeline_does():
    model = worlds.packed_model()
    laid_out = torch.randn(2, 4, 8, 16, generator=torch.Generator().manual_seed(0))
    tokens = packed(model, laid_out)
    assert tokens.shape == (2, 32, 16)
    assert torch.equal(unpacked(model, tokens), laid_out)
    # Second route: a token is a square of 2x2 latents.
    assert torch.equal(tokens[0, 1], laid_out[0, :, 0:2, 2:4].flatten())


@pytest.mark.parametrize(
    ("make", "guidance"),
    [(worlds.pipeline, 7.5), (worlds.packed_pipeline, 3.5), (worlds.pixart_pipeline, 4.5)],
)
def test_guidance_is_what_the_pipeline_itself_takes(make, guidance):
    assert Model.of(make(), name="own", resolution=(16, 16)).guidance == guidance


def test_a_size_between_latents_is_refused():
    with pytest.raises(ModelError, match=r"cannot draw 17×16 pixels: one of its latents covers 2"):
        Model.of(worlds.pipeline(), name="odd", resolution=(17, 16))
    with pytest.raises(ModelError, match="latents covers 4"):
        Model.of(worlds.packed_pipeline(), name="odd", resolution=(16, 18))


def test_a_pinned_id_asks_the_hub_for_that_revision(monkeypatch, saved_model):
    asked = {}

    def download(name, **options):
        asked.update(options, name=name)
        return str(saved_model)

    monkeypatch.setattr(weights.DiffusionPipeline, "download", download)
    load("nobody/thing@c0ffee", device="cpu")
    assert (asked["name"], asked["revision"]) == ("nobody/thing", "c0ffee")
    assert asked["safety_checker"] is None


def test_a_component_of_the_wrong_class_is_refused_in_one_line(folder):
    index = json.loads((folder / "model_index.json").read_text())
    index["unet"] = ["diffusers", "AutoencoderKL"]
    (folder / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="Cannot read the model in") as caught:
        load(str(folder), device="cpu")
    assert "\n" not in str(caught.value)


def test_a_model_is_loaded_again_as_a_run_did(saved_model):
    settings = {"model": str(saved_model), "swapped_scheduler": "lms", "resolution": 32}
    model = load_as(settings, device="cpu")
    assert isinstance(model.pipeline.scheduler, diffusers.LMSDiscreteScheduler)
    assert model.resolution == (32, 32)


def test_the_decoders_attention_is_what_decoding_passes_through():
    model = worlds.model()
    assert has_decoder_attention(model)
    passed = []
    site = model.pipeline.vae.decoder.mid_block.attentions[0].to_out[0]
    with site.register_forward_hook(lambda _module, _inputs, out: passed.append(out)):
        decode(model, latents())
    found = decoder_attention(model, latents())
    tokens = found.permute(0, 2, 3, 1).flatten(1, 2)
    torch.testing.assert_close(tokens, torch.cat(passed))
    assert found.shape[-2:] == (8, 8)
    assert not site._forward_hooks


def test_a_decoder_without_attention_is_refused_as_a_source():
    tiny = load("tiny", device="cpu")
    assert not has_decoder_attention(tiny)
    with pytest.raises(ModelError, match="no self-attention in its decoder's middle"):
        decoder_attention(tiny, torch.zeros(1, 4, 16, 16))


def test_untrained_weights_are_new_everywhere_and_the_model_keeps_its_own():
    denoiser = worlds.model().denoiser
    before = {name: weight.clone() for name, weight in denoiser.named_parameters()}
    for name, weight in untrained(denoiser, seed=0).named_parameters():
        if weight.ndim < 2:
            assert (weight == float(name.endswith("weight"))).all()
            continue
        bound = weight[0].numel() ** -0.5
        assert weight.abs().max() <= bound
        assert float(weight.std()) == pytest.approx(bound / 3**0.5, rel=0.3)
        assert not torch.equal(weight, before[name])
    assert all(torch.equal(each, before[name]) for name, each in denoiser.named_parameters())


def test_large_pictures_go_through_the_vae_two_at_a_time(model):
    seen = []
    hook = model.pipeline.vae.decoder.register_forward_pre_hook(
        lambda _module, given: seen.append(len(given[0]))
    )
    decode(replace(model, resolution=(512, 512)), torch.zeros(5, 4, 8, 8))
    hook.remove()
    assert seen == [2, 2, 1]


def test_pictures_go_through_the_vae_in_parts_and_none_alone(model, monkeypatch):
    sizes = []
    draw = model.pipeline.vae.decode
    monkeypatch.setattr(
        model.pipeline.vae, "decode", lambda part: sizes.append(len(part)) or draw(part)
    )
    latents = torch.randn(9, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    whole = decode(model, latents)
    assert sizes == [3, 3, 3]
    assert torch.equal(whole[:5], decode(model, latents[:5]))
