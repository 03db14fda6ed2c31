"""Files as people have them: parts left out, variants, single checkpoints, a call's own words."""

import json
import shutil

import pytest
import torch

import worlds
from underpaint.core.errors import ModelError
from underpaint.models import decode, load
from underpaint.models.layers import find_layers
from underpaint.models.loading import _dtype
from underpaint.models.traces import trace

PROMPTS = list(worlds.PROMPTS[:2])


@pytest.fixture(scope="module")
def without_t5(tmp_path_factory):
    """Save a Stable Diffusion 3 whose index lists its third text encoder as [null, null]."""
    folder = tmp_path_factory.mktemp("models") / "sd3"
    worlds.flow_pipeline().save_pretrained(folder)
    return folder


def text_tokens(model) -> set[int]:
    """Count the text's tokens that the denoiser is given."""
    seen = set()

    def look(_module, _args, kwargs):
        seen.add(kwargs["encoder_hidden_states"].shape[1])

    with model.denoiser.register_forward_pre_hook(look, with_kwargs=True):
        trace(model, PROMPTS, steps=1, layers=find_layers(model))
    return seen


def test_stable_diffusion_3_loads_without_its_t5(without_t5):
    assert json.loads((without_t5 / "model_index.json").read_text())["text_encoder_3"] == [None] * 2
    model = load(str(without_t5), device="cpu")
    assert model.pipeline.text_encoder_3 is None
    assert text_tokens(model) == {32 + 256}


def test_what_a_call_is_given_is_written_beside_the_model(without_t5):
    (without_t5 / "underpaint.json").write_text('{"call": {"max_sequence_length": 1}}')
    assert text_tokens(load(str(without_t5), device="cpu")) == {32 + 1}


@pytest.mark.parametrize("word", ["max_length", "num_inference_steps", "latents", "self"])
def test_a_word_that_a_call_does_not_take_or_that_is_ours_is_refused(without_t5, word):
    (without_t5 / "underpaint.json").write_text(json.dumps({"call": {word: 3}}))
    with pytest.raises(ModelError, match=rf"is not to be given {word!r}.*max_sequence_length"):
        load(str(without_t5), device="cpu")


@pytest.mark.parametrize("parts", [("unet", "vae", "text_encoder"), ("unet",)])
def test_a_folder_of_a_variant_loads(tmp_path, parts):
    worlds.pipeline().save_pretrained(tmp_path)
    for part in parts:
        (file,) = (tmp_path / part).glob("*.safetensors")
        file.rename(file.with_suffix(".fp16.safetensors"))
    model = load(str(tmp_path), device="cpu")
    own = worlds.pipeline().unet.state_dict()
    assert all(torch.equal(own[name], each) for name, each in model.denoiser.state_dict().items())


def test_plain_weights_are_taken_where_a_variant_lies_beside_them(tmp_path):
    worlds.pipeline().save_pretrained(tmp_path)
    (file,) = (tmp_path / "unet").glob("*.safetensors")
    shutil.copy(file, file.with_suffix(".non_ema.safetensors"))
    assert load(str(tmp_path), device="cpu").dtype == torch.float32


def test_variants_that_are_not_one_are_refused(tmp_path):
    worlds.pipeline().save_pretrained(tmp_path)
    for part, kind in (("unet", "fp16"), ("vae", "bf16")):
        (file,) = (tmp_path / part).glob("*.safetensors")
        file.rename(file.with_suffix(f".{kind}.safetensors"))
    with pytest.raises(ModelError, match=r"no weights of one kind: some parts come as 'fp16'"):
        load(str(tmp_path), device="cpu")


def test_a_checkpoint_without_its_configuration_says_how_to_convert_it(tmp_path):
    file = tmp_path / "dreams.safetensors"
    file.write_bytes(b"")
    with pytest.raises(ModelError, match=r"from_single_file\('dreams.safetensors'\)\.save_pretr"):
        load(str(file), device="cpu")


def test_a_transformer_is_in_bfloat16_on_a_card_that_has_it(monkeypatch):
    cuda = torch.device("cuda")
    for has_it in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has_it=has_it, **_: has_it)
        wide = torch.bfloat16 if has_it else torch.float16
        assert _dtype("auto", cuda, is_transformer=True) == wide
        assert _dtype("auto", cuda, is_transformer=False) == torch.float16
    assert _dtype("auto", torch.device("cpu"), is_transformer=True) == torch.float32


def narrow(model) -> None:
    """Put a VAE into float16 with activations beyond it, as SDXL's has."""
    model.pipeline.vae.to(torch.float16)
    with torch.no_grad():
        model.pipeline.vae.decoder.conv_in.bias.fill_(60000.0)
        model.pipeline.vae.decoder.conv_in.weight.fill_(60000.0)


def test_a_vae_that_overflows_in_half_is_decoded_in_float32_where_it_says_so():
    model = worlds.model()
    latents = torch.ones(1, 4, 8, 8)
    narrow(model)
    model.pipeline.vae.register_to_config(force_upcast=True)
    upcast = decode(model, latents)
    assert upcast.isfinite().all()
    assert model.pipeline.vae.dtype == torch.float16
    model.pipeline.vae.to(torch.float32)
    assert torch.equal(decode(model, latents), upcast)


def test_pictures_that_are_not_finite_are_an_error_and_no_label():
    model = worlds.model()
    narrow(model)
    model.pipeline.vae.register_to_config(force_upcast=False)
    with pytest.raises(ModelError, match=r"draws NaN or infinity, in torch\.float16"):
        decode(model, torch.ones(1, 4, 8, 8))
