"""Whatever changes the pictures makes another model, and whatever does not leaves it the same."""

import json
from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch

import worlds
from underpaint.core.errors import ModelError, RunError
from underpaint.core.prompts import Prompt
from underpaint.models import load, permuted
from underpaint.models.identity import difference, identity_of
from underpaint.models.traces import trace
from underpaint.runs.runs import check_run


@torch.no_grad()
def scaled(module: torch.nn.Module) -> None:
    for weight in module.parameters():
        weight.mul_(1.01)


@torch.no_grad()
def turned(pipe: Any) -> None:
    pipe.unet.conv_in.weight.mul_(-1)


def reread(pipe: Any) -> None:
    words = pipe.tokenizer.get_vocab()
    words["a</w>"], words["b</w>"] = words["b</w>"], words["a</w>"]
    pipe.tokenizer = type(pipe.tokenizer)(vocab=words, merges=[], model_max_length=32)


def noisier(pipe: Any) -> None:
    pipe.scheduler.alphas_cumprod = pipe.scheduler.alphas_cumprod**1.2


class Own:
    """A processor of attention that lets nothing through."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None):
        return torch.zeros_like(hidden_states)


SD, FLOW = worlds.pipeline, worlds.flow_pipeline
CHANGES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "text encoder": (SD, lambda pipe: scaled(pipe.text_encoder)),
    "VAE": (SD, lambda pipe: scaled(pipe.vae)),
    "signs of weights": (SD, turned),
    "order of weights": (
        SD,
        lambda pipe: pipe.unet.load_state_dict(permuted(pipe.unet, seed=0).state_dict()),
    ),
    "buffers": (FLOW, lambda pipe: pipe.transformer.pos_embed.pos_embed.mul_(2)),
    "words of a tokenizer": (SD, reread),
    "limit of a tokenizer": (SD, lambda pipe: setattr(pipe.tokenizer, "model_max_length", 5)),
    "noise of a scheduler": (SD, noisier),
    "shift of a scheduler": (FLOW, lambda pipe: pipe.scheduler.set_shift(7.0)),
    "spacing of a scheduler": (
        SD,
        lambda pipe: pipe.scheduler.register_to_config(timestep_spacing="trailing"),
    ),
    "another scheduler": (
        SD,
        lambda pipe: pipe.register_modules(
            scheduler=diffusers.EulerDiscreteScheduler.from_config(pipe.scheduler.config)
        ),
    ),
    "FreeU": (SD, lambda pipe: pipe.enable_freeu(s1=0.9, s2=0.2, b1=1.2, b2=1.4)),
    "processors": (SD, lambda pipe: pipe.unet.set_attn_processor(Own())),
}
SAME: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda pipe: None,
    "a run": lambda pipe: pipe("fog", num_inference_steps=1, output_type="latent"),
    "timesteps": lambda pipe: pipe.scheduler.set_timesteps(7),
    "slices": lambda pipe: pipe.enable_attention_slicing(),
    "FreeU, taken off": lambda pipe: (
        pipe.enable_freeu(s1=0.9, s2=0.2, b1=1.2, b2=1.4),
        pipe.disable_freeu(),
    ),
    "compiled": lambda pipe: setattr(pipe, "unet", torch.compile(pipe.unet, backend="eager")),
}


def loaded(make: Callable[[], Any], folder: Any) -> Any:
    make().save_pretrained(folder)
    return load(str(folder), device="cpu")


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_the_pictures_makes_another_model(change, tmp_path):
    make, apply = CHANGES[change]
    model = loaded(make, tmp_path)
    settings = {"model": "world", **identity_of(model)}
    check_run(settings, model)
    apply(model.pipeline)
    with pytest.raises(RunError, match="Run `underpaint run` on it first"):
        check_run(settings, model)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("text_encoder/config.json", {"hidden_act": "gelu"}),
        ("text_encoder/config.json", {"layer_norm_eps": 1e-3}),
        ("tokenizer/tokenizer_config.json", {"model_max_length": 16}),
    ],
)
def test_a_text_encoder_s_files_that_say_otherwise_make_another_model(tmp_path, file, change):
    before = identity_of(loaded(SD, tmp_path))
    path = tmp_path / file
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    differs = difference(before, identity_of(load(str(tmp_path), device="cpu")))
    assert differs is not None
    assert differs[0] == "text_configuration"


def test_words_in_another_order_make_another_model(tmp_path):
    before = identity_of(loaded(SD, tmp_path))
    path = tmp_path / "tokenizer" / "tokenizer.json"
    words = json.loads(path.read_text())
    vocab = words["model"]["vocab"]
    vocab["a</w>"], vocab["b</w>"] = vocab["b</w>"], vocab["a</w>"]
    path.write_text(json.dumps(words))
    after = load(str(tmp_path), device="cpu")
    with pytest.raises(RunError, match="with text_configuration"):
        check_run({"model": "world", **before}, after)


def test_what_a_file_leaves_to_defaults_or_says_of_itself_alone_is_no_difference(tmp_path):
    before = identity_of(loaded(SD, tmp_path))
    path = tmp_path / "text_encoder" / "config.json"
    said = json.loads(path.read_text()) | {"transformers_version": "9", "_name_or_path": "there"}
    del said["layer_norm_eps"]
    path.write_text(json.dumps(said))
    assert identity_of(load(str(tmp_path), device="cpu")) == before


def test_a_run_from_before_text_encoders_were_recorded_is_valid(tmp_path):
    model = loaded(SD, tmp_path)
    found = identity_of(model)
    before = {name: found[name] for name in ("fingerprint", "scheduler")}
    check_run({"model": "world", **before}, model)
    assert difference(found, before) is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_dtype_of_loading_is_no_difference(tmp_path, dtype):
    before = identity_of(loaded(SD, tmp_path))
    name = str(dtype).removeprefix("torch.")
    assert identity_of(load(str(tmp_path), device="cpu", dtype=name)) == before


@pytest.mark.parametrize(
    ("of", "to"), [("float32", torch.float16), ("float32", torch.bfloat16), ("float16", None)]
)
def test_a_pipeline_turned_to_another_dtype_is_refused_and_another_model(tmp_path, of, to):
    SD().save_pretrained(tmp_path)
    model = load(str(tmp_path), device="cpu", dtype=of)
    before = identity_of(model)
    model.pipeline.to(to or torch.float32)
    with pytest.raises(ModelError, match=r"turned into .* after it was described as .* Load it so"):
        trace(model, [Prompt("fog", 0)], steps=1, layers=[])
    assert identity_of(model)["fingerprint"] != before["fingerprint"]
    model.pipeline.unet.to(model.dtype)
    assert identity_of(model)["fingerprint"] != before["fingerprint"]


@pytest.mark.parametrize("change", SAME)
def test_what_changes_no_picture_leaves_a_model_the_same(change, tmp_path):
    model = loaded(SD, tmp_path)
    before = identity_of(model)
    SAME[change](model.pipeline)
    assert identity_of(model) == before
