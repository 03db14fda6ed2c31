"""One batch of generation, and everything it revealed on the way.

The pipeline's own `__call__` runs unchanged. Two places are watched: self-attention outputs, for
activations, and the scheduler's step, for the latents x_t and the estimate of x_0 behind them.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ..core.errors import EditError, ModelError, PromptError, SchedulerError
from ..core.prompts import Prompt
from .asking import Asking, find_asking
from .calling import call, check_ready
from .capture import Tap, shadowed, tapped, watched
from .guard import check_finite, check_grid, check_hooks, check_latents, check_size, check_tokens
from .layers import Layer, find_place
from .model import Model, as_model, exact_size, packed, unpacked
from .places import Place, text_length
from .schedules import as_initial, as_seen, observe, plan, substituted
from .vae import decode
from .words import words_of


@dataclass(frozen=True, eq=False)
class Trace:
    """What a batch of generation revealed, step by step.

    Latents and estimates are float32, activations keep the model's dtype; all stay on the model's
    device. Position 0 along `step` is the run's step `first_step`: 0 unless it was resumed.

    Args:
        prompts: One for each image.
        timesteps: The scheduler's own numbers.
        images: Drawn from `final`, or from the last estimate where the run was stopped early.
        latents: x_t as the denoiser sees it on entering each step, for every kind of scheduler.
        estimates: The clean latents that the guided output implies at each step.
        final: x_t after the last step taken; `start=(trace.final, step)` goes on from it.
        activations: Conditional half of the guidance batch only; grids differ between layers.
        first_step: Step of the whole run that comes first here.
        shadows: The same layers of each shadow denoiser, by its name.
        unconditional: The same layers in the other half of the guidance batch, if it was asked for
            and the batch has two halves; empty otherwise.
    """

    prompts: tuple[Prompt, ...]
    timesteps: Float[Tensor, "step"]
    images: Float[Tensor, "image 3 height width"]
    latents: Float[Tensor, "step image latent lrow lcol"]
    estimates: Float[Tensor, "step image latent lrow lcol"]
    final: Float[Tensor, "image latent lrow lcol"]
    # A leading underscore: sizes that differ between the entries of one mapping.
    activations: dict[Layer, Float[Tensor, "step image _channel _row _col"]]
    first_step: int = 0
    shadows: dict[str, dict[Layer, Float[Tensor, "step image _channel _row _col"]]] = field(
        default_factory=dict
    )
    unconditional: dict[Layer, Float[Tensor, "step image _channel _row _col"]] = field(
        default_factory=dict
    )


@torch.no_grad()
def trace(
    model: Model | DiffusionPipeline,
    prompts: Sequence[Prompt],
    *,
    steps: int = 15,
    guidance: float | None = None,
    layers: Sequence[Layer] = (),
    edits: Mapping[Layer, Tap] | None = None,
    stop_at: int | None = None,
    start: tuple[Float[Tensor, "image latent lrow lcol"], int] | None = None,
    shadows: Mapping[str, nn.Module] | None = None,
    blank: bool = False,
    halves: bool = False,
    draws: bool = True,
) -> Trace:
    """Generate one image for each prompt and keep what the model showed on the way.

    Each image draws its noise on the CPU from its own seed, so it is the same in any batch and on
    any device. With no edits the latents are, bit for bit, those of the pipeline alone.

    Examples:
        >>> layers = up.find_layers(model)
        >>> traced = up.trace(model, [up.Prompt("a red cone", 1)], steps=3, layers=layers)
        >>> traced.images.shape, len(traced.activations)
        (torch.Size([1, 3, 16, 16]), 7)

    Args:
        model: From `load`, or a diffusers pipeline as it is.
        prompts: One batch; its size is the memory that this takes.
        steps: Denoising steps of the whole run.
        guidance: Guidance scale; the model's own where not given. At 1 or below there is none.
        layers: Whose activations to keep.
        edits: What to call at a layer, with the run's step and the tokens of the whole guidance
            batch `[unconditional images, then conditional; row-major position; channel]`. What it
            returns takes their place, there and in `activations`.
        stop_at: Stop after this many steps of the run; images then show the last estimate.
        start: Latents x_t, as in `Trace.latents` or `Trace.final`, and the step they enter.
        shadows: Denoisers of the same build that are shown the same latents, as controls, by name.
        blank: Say nothing to the model in place of the prompts' texts; only their seeds count.
        halves: Keep the unconditional half of `layers` too, where guidance runs one.
        draws: Draw the pictures; without, `images` have no pixels.

    Raises:
        PromptError: if there are no prompts.
        SchedulerError: if the scheduler does not run the denoiser once a step, cannot begin in the
            middle, or a step is out of range.
        EditError: if an edit changes the shape or dtype of an activation.
        LayerError: if a layer does not show, once a step, the images and tokens that it should, or
            shows values that are not finite.
        ModelError: if the pipeline cannot stop early, or draws what is not finite.
    """
    model = as_model(model)
    first_step = start[1] if start else 0
    end_step = steps if stop_at is None else stop_at
    _check_request(prompts, steps=steps, first_step=first_step, end_step=end_step, start=start)
    scheduler = plan(model.pipeline.scheduler, steps=steps, begin=first_step)
    request = pipeline_call(model, prompts, steps=steps, guidance=guidance)
    if blank:
        request["prompt"] = [""] * len(prompts)
    if start:
        _check_going_on(model, steps=end_step - first_step)
        initial = as_initial(scheduler, start[0].to(model.device), steps=steps)
        request["latents"] = packed(model, initial.to(model.dtype))
    if end_step < steps:
        request["callback_on_step_end"] = _stop_after(model.pipeline, end_step - first_step)

    count = end_step - first_step
    check_ready(model)
    check_hooks(model.denoiser)
    for layer in {**dict.fromkeys(layers), **(edits or {})}:
        check_grid(layer, model.resolution)
    asking = find_asking(model, request["guidance_scale"])
    if edits and not asking.is_common:
        raise EditError(
            f"{type(model.pipeline).__name__} guides in its own order or in calls of its own, in "
            "which an edit is not known to hold. Set guidance to 1."
        )
    lengths: list[int] = []
    kept: dict[Layer, Tensor] = {}
    other: dict[Layer, Tensor] = {}
    taps = {
        layer.module: _tap(
            layer,
            edit=(edits or {}).get(layer),
            kept=kept if layer in layers else None,
            other=other if halves and layer in layers else None,
            images=len(prompts),
            steps=count,
            first_step=first_step,
            asking=asking,
            place=find_place(model, layer),
            lengths=lengths,
        )
        for layer in {**dict.fromkeys(layers), **(edits or {})}
    }
    shade: dict[str, dict[Layer, Tensor]] = {name: {} for name in shadows or {}}
    seen: list[tuple[float, Tensor, Tensor]] = []

    def hear(_module: nn.Module, _args: tuple, kwargs: dict) -> None:
        lengths.append(text_length(kwargs))

    def record(out: Tensor, timestep: Any, sample: Tensor) -> None:
        if len(lengths) != asking.calls * (len(seen) + 1):
            raise SchedulerError(
                f"The denoiser ran {len(lengths)} times up to step {first_step + len(seen)}; "
                f"{asking.calls} a step were expected. Set guidance to 1, or use a pipeline that "
                "has no further guidance or views."
            )
        x, estimate = observe(scheduler, out, timestep, sample, step=len(seen))
        seen.append((float(timestep), unpacked(model, x), unpacked(model, estimate)))

    with ExitStack() as opened:
        opened.enter_context(substituted(model.pipeline, scheduler))
        opened.enter_context(
            tapped(model.denoiser, taps, steps=count, first_step=first_step, calls=asking.calls)
        )
        # Before shadows, which are given the same text.
        opened.enter_context(model.denoiser.register_forward_pre_hook(hear, with_kwargs=True))
        opened.enter_context(watched(scheduler, record))
        for name, shadow in (shadows or {}).items():
            followers = {
                layer.module: _tap(
                    layer,
                    edit=None,
                    kept=shade[name],
                    images=len(prompts),
                    steps=count,
                    first_step=first_step,
                    asking=Asking(),
                    place=find_place(model, layer),
                    lengths=lengths,
                )
                for layer in layers
            }
            opened.enter_context(tapped(shadow, followers, steps=count, first_step=first_step))
            opened.enter_context(
                shadowed(
                    model.denoiser,
                    shadow,
                    images=len(prompts),
                    parts=asking.parts,
                    part=asking.part,
                    calls=asking.calls,
                    call=asking.call,
                )
            )
        # What an edit raises is whose edit it is.
        drawn = model.pipeline(**request) if edits else call(model, **request)
        if not hasattr(drawn, "images"):
            raise ModelError(
                f"{type(model.pipeline).__name__} gives no pictures, but {type(drawn).__name__}. "
                "Use a text-to-image pipeline."
            )
        final = unpacked(model, as_seen(scheduler, drawn.images, scheduler.timesteps[-1]))

    timesteps, latents, estimates = zip(*seen, strict=True)
    shown = final if end_step == steps else estimates[-1]
    check_latents([*latents[1:], final], first_step=first_step)
    for layers_kept in (kept, other, *shade.values()):
        # Rows of channels, as they lie in memory.
        check_finite(
            {layer.name: each.permute(0, 1, 3, 4, 2) for layer, each in layers_kept.items()},
            first_step=first_step,
        )
    if draws:
        images = decode(model, shown)
        check_size(model.pipeline, shown, images, model.resolution)
    else:
        images = shown.new_empty(len(prompts), 3, 0, 0).float()
    return Trace(
        prompts=tuple(prompts),
        timesteps=torch.tensor(timesteps),
        images=images,
        latents=torch.stack(latents),
        estimates=torch.stack(estimates),
        final=final,
        activations={layer: kept[layer] for layer in layers},
        first_step=first_step,
        shadows=shade,
        unconditional=other,
    )


def excerpt(trace: Trace, first: int, last: int) -> Trace:
    """Give some of a trace's images, from the first up to and without the last."""
    some = slice(first, last)

    def of(activations: Mapping[Layer, Tensor]) -> dict[Layer, Tensor]:
        return {layer: each[:, some] for layer, each in activations.items()}

    return replace(
        trace,
        prompts=trace.prompts[some],
        images=trace.images[some],
        latents=trace.latents[:, some],
        estimates=trace.estimates[:, some],
        final=trace.final[some],
        activations=of(trace.activations),
        shadows={name: of(each) for name, each in trace.shadows.items()},
        unconditional=of(trace.unconditional),
    )


def _check_request(
    prompts: Sequence[Prompt],
    *,
    steps: int,
    first_step: int,
    end_step: int,
    start: tuple[Tensor, int] | None,
) -> None:
    if not prompts:
        raise PromptError("There are no prompts to generate from. Give at least one.")
    if not first_step < end_step <= steps:
        raise SchedulerError(
            f"Cannot stop after {end_step} of {steps} steps when beginning at step {first_step}. "
            f"Choose stop_at from {first_step + 1} to {steps}."
        )
    if start and len(start[0]) != len(prompts):
        raise PromptError(
            f"There are {len(prompts)} prompts and latents to start {len(start[0])} images from. "
            "Give one of each for every image."
        )


def _check_going_on(model: Model, *, steps: int) -> None:
    if steps > 1 and model.call.get("eta"):
        raise SchedulerError(
            f"With eta {model.call['eta']} each step draws noise, and a run that begins in the "
            "middle would draw that of its beginning. Leave eta out of the call."
        )


def pipeline_call(
    model: Model, prompts: Sequence[Prompt], *, steps: int, guidance: float | None
) -> dict[str, Any]:
    """Say to the pipeline, in its own words, what to generate."""
    return {
        "prompt": [prompt.text for prompt in prompts],
        **exact_size(model),
        "num_inference_steps": steps,
        "guidance_scale": model.guidance if guidance is None else guidance,
        "generator": [torch.Generator("cpu").manual_seed(prompt.seed) for prompt in prompts],
        "output_type": "latent",
    }


def _stop_after(pipeline: Any, count: int) -> Any:
    """Make a callback that interrupts a pipeline after `count` steps, as diffusers documents it."""
    if "callback_on_step_end" not in words_of(pipeline):
        raise ModelError(
            f"{type(pipeline).__name__} cannot stop early. Leave stop_at out to run every step."
        )

    def interrupt(pipeline: Any, step: int, _timestep: Any, _tensors: dict[str, Any]) -> dict:
        pipeline._interrupt = step + 1 >= count
        return {}

    return interrupt


def _tap(
    layer: Layer,
    *,
    edit: Tap | None,
    kept: dict[Layer, Tensor] | None,
    images: int,
    steps: int,
    first_step: int,
    asking: Asking,
    place: Place,
    lengths: Sequence[int],
    other: dict[Layer, Tensor] | None = None,
) -> Tap:
    """Make the tap of one layer: edit what passes, and keep its conditional half if asked.

    `other` is where the unconditional half is kept, if there is one; `lengths` are those of the
    texts that the denoiser was given at each run so far.
    """
    rows, cols = layer.grid

    def keep(half: Tensor, room: dict[Layer, Tensor], step: int) -> None:
        if layer not in room:
            # Rows of channels in memory, as the model makes them and as probes take them.
            empty = half.new_empty(steps, images, rows, cols, layer.channels)
            room[layer] = rearrange(
                empty, "step image row col channel -> step image channel row col"
            )
        room[layer][step] = rearrange(
            half, "image (row col) channel -> image channel row col", row=rows, col=cols
        )

    def tap(run: int, joint: Tensor) -> Tensor | None:
        step, call = divmod(run, asking.calls)
        count = rows * cols
        check_tokens(
            layer,
            joint,
            step=first_step + step,
            batch=asking.parts * images,
            count=place.tokens(count, lengths[-1]),
        )
        before, tokens, after = place.split(joint, count)
        edited = edit(first_step + step, tokens) if edit else None
        if edited is not None and (edited.shape != tokens.shape or edited.dtype != tokens.dtype):
            raise EditError(
                f"An edit at {layer.name} turned {tuple(tokens.shape)} {tokens.dtype} into "
                f"{tuple(edited.shape)} {edited.dtype}. Return the same shape and dtype, or None."
            )
        shown = tokens if edited is None else edited
        if kept is not None and call == asking.call:
            keep(asking.of(shown, images), kept, step)
        if other is not None and asking.empty is not None and call == asking.empty[0]:
            part = asking.empty[1] * images
            keep(shown[part : part + images], other, step)
        if edited is None or joint.shape[1] == count:
            return edited
        return torch.cat([before, edited, after], dim=1)

    return tap
