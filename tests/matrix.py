"""What comes of each pipeline under each change: read to the last bit, or refused with a reason.

Where the prompts' own part is, and where the image's tokens are, is written here by hand from the
source of each pipeline; what is tested has to measure it. The reading it is held against is taken
by a plain hook around the pipeline's own call.
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

import changes
import pipelines
import pipelines_joint as joint
import pipelines_moving as moving
import pipelines_unet as unets
import worlds
from underpaint.core.errors import UnderpaintError
from underpaint.core.prompts import Prompt
from underpaint.models import Model
from underpaint.models.layers import Layer, find_layers
from underpaint.models.traces import trace

PROMPTS = [Prompt("a red cone", 11), Prompt("fog", 12)]
STEPS, GUIDANCE = 2, 3.0


@dataclass(frozen=True)
class Family:
    """How to make a pipeline, and how it asks its denoiser, from its source.

    `asking` is how many calls it makes a step, which of them is the prompts', how many parts its
    batch has, and which of these is the prompts'. `side` is of its pictures, in pixels; `is_last`
    says that the image's tokens are behind the text's; `said` is what else its call takes.
    """

    make: Callable[[], Any]
    asking: tuple[int, int, int, int] = (1, 0, 2, 1)
    side: int = 16
    is_last: bool = True
    guidance: float = GUIDANCE
    said: dict[str, Any] = field(default_factory=dict)


ALONE, APART, AFTER, PERTURBED = (1, 0, 1, 0), (2, 0, 1, 0), (2, 1, 1, 0), (1, 0, 3, 1)
FAMILIES: dict[str, Family] = {
    "StableDiffusionPipeline": Family(worlds.pipeline),
    "StableDiffusionPAGPipeline": Family(pipelines.perturbed, PERTURBED),
    "StableDiffusionXLPipeline": Family(worlds.xl_pipeline),
    "StableDiffusionXLPAGPipeline": Family(unets.xl_perturbed, PERTURBED),
    "StableDiffusionXLImg2ImgPipeline": Family(unets.xl_from_picture),
    "LatentConsistencyModelPipeline": Family(pipelines.consistency, ALONE),
    "LDMPipeline": Family(worlds.unprompted_pipeline, ALONE, 32, guidance=1.0),
    "LDMTextToImagePipeline": Family(unets.first_latent),
    "PixArtAlphaPipeline": Family(joint.pixart_alpha),
    "PixArtSigmaPipeline": Family(worlds.pixart_pipeline),
    "PixArtSigmaPAGPipeline": Family(joint.pixart_perturbed, PERTURBED),
    "StableDiffusion3Pipeline": Family(worlds.flow_pipeline),
    "StableDiffusion3Pipeline, 3.5": Family(joint.dual),
    "StableDiffusion3PAGPipeline": Family(joint.flow_perturbed, PERTURBED),
    "FluxPipeline": Family(worlds.packed_pipeline, ALONE),
    "FluxImg2ImgPipeline": Family(joint.flux_from_picture, ALONE),
    "AuraFlowPipeline": Family(pipelines.aura_flow),
    "ChromaPipeline": Family(pipelines.chroma, APART),
    "BriaPipeline": Family(joint.bria),
    "OvisImagePipeline": Family(joint.ovis, APART),
    "LongCatImagePipeline": Family(joint.longcat, APART, said={"enable_prompt_rewrite": False}),
    "QwenImagePipeline": Family(joint.qwen_image),
    "SanaPipeline": Family(pipelines.sana, side=32),
    "SanaPAGPipeline": Family(joint.sana_perturbed, PERTURBED, 32),
    "SanaSprintPipeline": Family(joint.sana_sprint, ALONE, 32),
    "LuminaPipeline": Family(joint.lumina),
    "Lumina2Pipeline": Family(pipelines.lumina2, APART, 64),
    "CogView3PlusPipeline": Family(joint.cogview3),
    "CogView4Pipeline": Family(joint.cogview4, APART),
    "HunyuanDiTPipeline": Family(joint.hunyuan),
    "HunyuanDiTPAGPipeline": Family(
        partial(joint.hunyuan, "HunyuanDiTPAGPipeline", pag_applied_layers=["blocks.1"]), PERTURBED
    ),
    "HiDreamImagePipeline": Family(joint.hidream),
    "ZImagePipeline": Family(joint.z_image),
    "Kandinsky3Pipeline": Family(unets.kandinsky3),
    "KandinskyV22PriorPipeline": Family(unets.kandinsky_prior),
    "KandinskyV22Pipeline": Family(unets.kandinsky_decoder),
    "KandinskyV22CombinedPipeline": Family(unets.kandinsky),
    "WuerstchenPriorPipeline": Family(unets.wuerstchen),
    "StableCascadePriorPipeline": Family(unets.cascade),
    "IFPipeline": Family(unets.pixels),
    "AnimateDiffPipeline": Family(moving.animated),
    "WanPipeline": Family(moving.wan),
    "CogVideoXPipeline": Family(moving.cogvideo),
    **{
        kind: Family(partial(unets.relative, kind))
        for kind in (
            "StableDiffusionInpaintPipeline",
            "StableDiffusionImg2ImgPipeline",
            "StableDiffusionPanoramaPipeline",
            "StableDiffusionSAGPipeline",
            "SemanticStableDiffusionPipeline",
            "StableDiffusionModelEditingPipeline",
            "StableDiffusionParadigmsPipeline",
            "StableDiffusionLDM3DPipeline",
            "StableDiffusionGLIGENPipeline",
            "StableDiffusionAttendAndExcitePipeline",
        )
    },
    "StableDiffusionControlNetPipeline": Family(
        partial(unets.with_control, "StableDiffusionControlNetPipeline")
    ),
}

CAUSES: dict[str, str] = {
    "draws video": "draws video",
    "makes sound": "makes sound",
    "draws from a picture": "wants a picture",
    "is not a latent text-to-image pipeline": "no denoiser, VAE or prompt of the usual kind",
    "cannot be called without": "wants more than a prompt",
    "on a noise scale that is not known": "a noise scale of its own",
    "packs its latents into tokens in a way": "packs latents in its own way",
    "has no self-attention layers that are known": "attention of its own kind",
    "is given its latents in a way": "latents in lists",
    "fails in its own call": "its own call fails on a prompt alone",
    "up to step": "asks its denoiser several times a step",
    "has a cache": "a cache",
    "it may skip or move what a layer shows": "a cache",
    "were expected. Merged tokens": "merged tokens",
    "is offloaded to the CPU": "offloaded",
    "A hook of accelerate": "offloaded",
    "can be told from the text's": "image tokens that cannot be told from the text's",
    "it is made for another pipeline": "a denoiser of another pipeline",
    "has no plain weight left": "no plain weight left",
    "in an order that is not known": "prompts and pictures in an order of its own",
    "runs on a batch of": "a guidance of its own",
    "runs again at step": "a guidance of its own",
}
"""What a refusal has to say, and the word for it in a table."""


def seeded(family: Family) -> Any:
    """Make a family's pipeline, the same at every call."""
    return pipelines.seeded(family.make)


def outcome(name: str, change: Callable[[Any], None]) -> str:
    """Give "read", "refused: why", "in part: why", or "–" where diffusers itself cannot do it.

    Raises:
        AssertionError: if what is read is not what a hook reads, or a refusal names no cause.
        Exception: whatever else comes, which is the third thing that must not be.
    """
    family = FAMILIES[name]
    try:
        pipe = seeded(family)
        change(pipe)
        pipe.set_progress_bar_config(disable=True)
    except Exception:
        if change is changes.leave:
            raise
        return "–"
    refused: UnderpaintError | None = None
    try:
        model = described(name, pipe, family)
        layers = list(find_layers(model))
        try:
            read(model, family, layers)
        except UnderpaintError as error:
            refused = error
            layers = [layer for layer in layers if is_read(model, family, layer)]
    except UnderpaintError as error:
        refused, layers = error, []
    if refused is None:
        return "read" if len(layers) >= count_layers(name) else "in part: layers left out"
    (cause, *_) = [word for said, word in CAUSES.items() if said in str(refused)] or [None]
    assert cause is not None, f"{name}: no cause in {refused}"
    return f"{'in part' if layers else 'refused'}: {cause}"


@cache
def count_layers(name: str) -> int:
    """Count the layers of a family as it comes."""
    family = FAMILIES[name]
    return len(find_layers(described(name, seeded(family), family)))


def described(name: str, pipe: Any, family: Family) -> Model:
    """Describe a pipeline as a model."""
    size = (family.side, family.side)
    return Model.of(pipe, name=name, guidance=family.guidance, resolution=size, call=family.said)


def is_read(model: Model, family: Family, layer: Layer) -> bool:
    """Tell whether a layer is read where others of its model are refused."""
    try:
        read(model, family, [layer])
    except UnderpaintError:
        return False
    return True


def read(model: Model, family: Family, layers: Iterable[Layer]) -> None:
    """Read layers, and make sure that a hook of one's own reads the same."""
    layers = list(layers)
    traced = trace(model, PROMPTS, steps=STEPS, layers=layers)
    for layer, expected in by_hand(model, family, layers).items():
        assert torch.equal(traced.activations[layer], expected), (model.name, layer.name)


def by_hand(model: Model, family: Family, layers: list[Layer]) -> dict[Layer, Tensor]:
    """Read each layer with a plain hook, around the pipeline's own call."""
    calls, call, parts, part = family.asking
    seen: dict[Layer, list[Tensor]] = {layer: [] for layer in layers}
    hooks = [
        model.denoiser.get_submodule(layer.module).register_forward_hook(
            lambda _m, _i, output, layer=layer: seen[layer].append(output)
        )
        for layer in layers
    ]
    with torch.compiler.set_stance("force_eager"):
        model.pipeline(
            prompt=[each.text for each in PROMPTS],
            num_inference_steps=STEPS,
            guidance_scale=family.guidance,
            generator=[torch.Generator("cpu").manual_seed(each.seed) for each in PROMPTS],
            height=family.side,
            width=family.side,
            output_type="latent",
            **family.said,
            **_unbinned(model.pipeline),
        )
    for hook in hooks:
        hook.remove()
    images, found = len(PROMPTS), {}
    for layer, outputs in seen.items():
        assert len(outputs) == STEPS * calls, (model.name, layer.name, len(outputs))
        rows, cols = layer.grid
        own = torch.stack(outputs[call::calls])
        assert own.shape[1] == parts * images, (model.name, layer.name, own.shape)
        kept = own[:, part * images : (part + 1) * images]
        kept = kept[:, :, -rows * cols :] if family.is_last else kept[:, :, : rows * cols]
        found[layer] = kept.mT.unflatten(-1, layer.grid)
    return found


def _unbinned(pipe: Any) -> dict[str, bool]:
    binned = "use_resolution_binning" in inspect.signature(type(pipe).__call__).parameters
    return {"use_resolution_binning": False} if binned else {}
