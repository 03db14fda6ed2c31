"""Files as people have them: parts left out, variants, single checkpoints, a call's own words."""

import json
import re
import shutil
from hashlib import sha256

import pytest
import torch
from safetensors.torch import load_file, save_file

import single_files
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


@pytest.fixture
def single(tmp_path):
    """Write a Stable Diffusion as one file, its configuration without weights beside it."""
    worlds.pipeline().save_pretrained(tmp_path / "dreams")
    for file in (tmp_path / "dreams").rglob("*.safetensors"):
        file.unlink()
    file = tmp_path / "dreams.safetensors"
    single_files.save_single(worlds.pipeline(), file)
    return file


def test_a_single_file_is_read_to_the_last_weight(single):
    model, own = load(str(single), device="cpu"), worlds.pipeline()
    for part in ("unet", "vae", "text_encoder"):
        read = getattr(model.pipeline, part).state_dict()
        made = getattr(own, part).state_dict()
        assert set(read) == set(made)
        assert all(torch.equal(read[name], each) for name, each in made.items())
    assert model.weights == f"sha256:{sha256(single.read_bytes()).hexdigest()}"
    layers = find_layers(own)
    assert find_layers(model) == layers
    seen, expected = (trace(each, PROMPTS, steps=2, layers=layers) for each in (model, own))
    assert torch.equal(seen.final, expected.final)
    assert all(torch.equal(seen.activations[at], expected.activations[at]) for at in layers)


def test_a_single_file_keeps_its_vae_in_float32(single):
    model = load(str(single), device="cpu", dtype="bfloat16")
    assert (model.dtype, model.pipeline.vae.dtype) == (torch.bfloat16, torch.float32)


def without(file, name: str, **renamed: str) -> None:
    """Write a file of weights again, one of them left out and some under other names."""
    weights = load_file(file)
    (found,) = [each for each in weights if each.endswith(name)] if name else [None]
    kept = {}
    for each, weight in weights.items():
        for said, other in renamed.items():
            each = each.replace(f".{said}.", f".{other}.")
        kept[each] = weight
    kept.pop(found, None)
    save_file(kept, file, metadata={"format": "pt"})


@pytest.mark.parametrize(
    "name",
    [
        "middle_block.1.transformer_blocks.0.attn1.to_q.weight",
        "first_stage_model.decoder.conv_in.weight",
        "layers.0.mlp.fc1.weight",
    ],
)
def test_a_single_file_that_lacks_a_weight_is_refused(single, name):
    without(single, name)
    with pytest.raises(ModelError, match=r"Cannot read the model in .*dreams|lack encoder\.layers"):
        load(str(single), device="cpu")


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("unet", "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight"),
        ("vae", "decoder.conv_in.weight"),
        ("text_encoder", "layers.0.mlp.fc1.weight"),
        ("text_encoder", "token_embedding.weight"),
    ],
)
def test_a_folder_that_lacks_a_weight_is_refused_and_none_stays_random(tmp_path, part, name):
    worlds.pipeline().save_pretrained(tmp_path)
    (file,) = (tmp_path / part).glob("*.safetensors")
    without(file, name)
    with pytest.raises(ModelError, match=rf"files of {part} lack .*{re.escape(name)}, which would"):
        load(str(tmp_path), device="cpu")


def test_weights_under_the_names_of_former_versions_are_not_lacking(tmp_path):
    worlds.pipeline().save_pretrained(tmp_path)
    (file,) = (tmp_path / "vae").glob("*.safetensors")
    former = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    without(file, "", **former)
    model, own = load(str(tmp_path), device="cpu"), worlds.pipeline().vae.state_dict()
    read = model.pipeline.vae.state_dict()
    assert all(torch.equal(read[name], each) for name, each in own.items())


def test_tied_weights_that_a_file_holds_once_are_not_lacking(tmp_path):
    worlds.packed_pipeline().save_pretrained(tmp_path)
    held = load_file(next((tmp_path / "text_encoder_2").glob("*.safetensors")))
    assert ("shared.weight" in held) != ("encoder.embed_tokens.weight" in held)
    assert load(str(tmp_path), device="cpu", resolution=16).fingerprint
