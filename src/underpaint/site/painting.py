"""The paint view: a small model as files that a browser generates and edits pictures with.

A step of DDIM is linear in the latents and in what the denoiser says, whatever that predicts, so
the page is given four numbers a step and knows nothing of schedules.

An object that is painted elsewhere takes its looks along, as `underpaint edit` has it (`aims`,
`targets.carry_map`). No labeler is at hand in a browser: what the object looks like without a mask
is what the probes read of it at the last step.
"""

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from transformers import CLIPTokenizer

from ..core.prompts import Prompt
from ..core.properties import COLOUR_RANGES, PROPERTIES, SALIENCY
from ..models import Model, load_as
from ..models.layers import Layer
from ..models.schedules import observe, plan
from ..probes.moments import Cell, Moments, merge
from ..probes.probes import Probe, ProbeKey, acting_directions, covariance
from ..runs.runs import Run, read_json, read_moments, read_probes
from ..steering.aims import steps_edited
from ..steering.choices import CARRIED, MARGIN
from ..steering.targets import FRINGE
from ..study.folding import joint_columns
from .graphs import Acting, Reading, picture_graph, step_graph, word_graph

LARGEST_BYTES = 42_000_000
"""Of weights, in half precision. The browser's runtime takes up to 17 MB beside them."""

STRENGTH, PUSH = 1.0, 0.5
"""As `underpaint edit` does unless told otherwise."""
STRENGTH_ALONE = 4.0
"""For a mask without looks, which says little: strengths up to here are what it takes."""

_SPREAD = 2.5
"""Deviations of a label to either side of its mean that the page's colours span."""


def reason_here() -> str:
    """Say why nothing can be painted with here, whatever the model; "" if nothing is in the way."""
    if find_spec("onnx") is None:
        return "onnx is not installed. Add it with `pip install 'underpaint[paint]'`."
    return ""


def reason_against(model: Model, settings: Mapping[str, Any], layers: Sequence[Layer]) -> str:
    """Say why a run's site has no paint view, in one line; "" if nothing is in the way."""
    if here := reason_here():
        return here
    parts = [getattr(model.pipeline, name, None) for name in ("unet", "text_encoder", "vae")]
    is_known = type(model.pipeline).__name__ == "StableDiffusionPipeline" and all(parts)
    if not is_known or not isinstance(model.pipeline.tokenizer, CLIPTokenizer):
        return f"browsers run Stable Diffusion pipelines, not {type(model.pipeline).__name__}."
    config = model.pipeline.scheduler.config
    is_linear = not (config.get("clip_sample") or config.get("thresholding"))
    if not isinstance(model.pipeline.scheduler, DDIMScheduler) or not is_linear:
        return "it takes a DDIM scheduler that clips nothing."
    weigh = 2 * sum(each.numel() for part in parts for each in part.parameters())  # type: ignore
    if weigh > LARGEST_BYTES:
        return (
            f"the weights are {weigh / 1e6:,.0f} MB to download, and {LARGEST_BYTES / 1e6:.0f} MB "
            "is the most."
        )
    if SALIENCY.name not in settings["properties"] or not edited_layers(layers):
        return "the run has no probes of saliency at the layers that edits act on."
    return ""


def write_paint(
    run: Run,
    into: Path,
    model: Model,
    *,
    layers: Sequence[Layer],
    prompts: Sequence[Prompt],
    grammar: Mapping[str, Any] | None,
) -> None:
    """Write three graphs and `paint.json`, which says how to use them.

    Args:
        run: Finished, with its probes and moments.
        into: A folder, made here.
        model: The run's; one without `reason_against`.
        layers: Those that the run knows.
        prompts: To offer; the first is what a visitor meets.
        grammar: Words to choose from, as `scenes.words.grammar` lays them out, or None.
    """
    settings, summary = read_json(run.settings), read_json(run.summary)
    if model.dtype != torch.float32 or model.device.type != "cpu":
        found_at = {**settings, "model": model.name}
        model = load_as(found_at, device="cpu", dtype="float32")
    cpu = torch.device("cpu")
    sums, _ = read_moments(run, cpu)
    probes, moments = read_probes(run, cpu), reduce(merge, sums.values())
    steps = settings["steps"]
    by_name = {layer.name: layer for layer in layers}
    read = {
        name: by_name[found["best_layer"]]
        for name, found in summary["properties"].items()
        if PROPERTIES[name].targets == 1 or name in CARRIED
    }
    readings = {
        name: _reading(probes, moments, [name], layer, steps) for name, layer in read.items()
    }
    moved = [SALIENCY.name, *(name for name in CARRIED if name in read)]
    actings = [_acting(probes, moments, moved, layer, steps) for layer in edited_layers(layers)]
    encoder = model.pipeline.text_encoder.config
    graphs = {
        "words": word_graph(model),
        "step": step_graph(model, readings, actings, width=encoder.hidden_size),
        "picture": picture_graph(model),
    }
    into.mkdir(parents=True)
    for name, graph in graphs.items():
        (into / f"{name}.onnx").write_bytes(graph)
    columns = joint_columns([PROPERTIES[name] for name in settings["properties"]])
    page = {
        "model": model.name,
        "guidance": max(1.0, settings["guidance"]),
        "latent": [model.pipeline.vae.config.latent_channels, *_latent_grid(model)],
        "picture": list(model.resolution),
        "steps": plan_steps(model.pipeline.scheduler, steps),
        "edit": {
            "steps": steps_edited(steps),
            "strength": STRENGTH if len(moved) > 1 else STRENGTH_ALONE,
            "strength_alone": STRENGTH_ALONE,
            "push": PUSH,
            "margin_px": round(MARGIN * max(model.resolution)),
            "fringe_px": round(FRINGE * max(model.resolution)),
            "moved": [{"name": name, "targets": PROPERTIES[name].targets} for name in moved],
        },
        "reads": {
            name: {
                "layer": layer.name,
                "grid": list(layer.grid),
                "targets": PROPERTIES[name].targets,
                **_colours(name, probes, moments, layer, steps, columns[name]),
            }
            for name, layer in read.items()
        },
        "tokens": tokens_of(model.pipeline.tokenizer),
        "grammar": grammar,
        "prompts": [
            {"text": each.text, "seed": str(each.seed), "index": each.index} for each in prompts
        ],
        "version": sha256(b"".join(graphs.values())).hexdigest()[:16],
        "bytes": {name: len(graph) for name, graph in graphs.items()},
    }
    (into / "paint.json").write_text(json.dumps(page, separators=(",", ":")), encoding="utf-8")


def plan_steps(scheduler: Any, steps: int) -> list[dict[str, Any]]:
    """Give each step's timestep, and what takes x_t and the guided output to what comes of them.

    `next` and `clean` are pairs (of x_t, of the output): the next latents and the estimate of the
    clean ones are sums of the two, so weighted.
    """
    planned = plan(scheduler, steps=steps)
    planned.set_timesteps(steps)
    zero, one = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
    found = []
    for step, timestep in enumerate(planned.timesteps):
        pairs: dict[str, list[float]] = {"next": [], "clean": []}
        for x, out in ((one, zero), (zero, one)):
            pairs["next"].append(float(planned.step(out, timestep, x).prev_sample))
            _, clean = observe(planned, out, timestep, x, step=step)
            pairs["clean"].append(float(clean))
        found.append({"timestep": float(timestep), **pairs})
    return found


def tokens_of(tokenizer: CLIPTokenizer) -> dict[str, Any]:
    """Lay out what byte-pair encoding needs: pieces by number, and pairs in order of merging."""
    merges = getattr(tokenizer, "bpe_ranks", None)
    if merges is None:
        merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    pairs = [pair.split(" ") if isinstance(pair, str) else list(pair) for pair in merges]
    return {
        "vocabulary": tokenizer.get_vocab(),
        "merges": pairs,
        "start": tokenizer.bos_token_id,
        "end": tokenizer.eos_token_id,
        "pad": tokenizer.pad_token_id,
        "unknown": tokenizer.unk_token_id,
        "length": tokenizer.model_max_length,
    }


def edited_layers(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Choose the layers of the two last blocks on the way up: where `underpaint edit` acts."""
    blocks = sorted({name.split(".")[1] for name in (x.name for x in layers) if name[:3] == "up."})
    last = {f"up.{block}" for block in blocks[-2:]}
    return tuple(each for each in layers if each.name.rpartition(".")[0] in last)


def _reading(
    probes: Mapping[ProbeKey, Probe],
    moments: Mapping[Cell, Moments],
    names: Sequence[str],
    layer: Layer,
    steps: int,
) -> Reading:
    own = [[probes[name, layer.name, step] for name in names] for step in range(steps)]
    weight = torch.stack([torch.cat([each.weight for each in at], dim=1) for at in own])
    bias = torch.stack([torch.cat([each.bias for each in at]) for at in own])
    mean = torch.stack([moments[layer.name, step].mean[: layer.channels] for step in range(steps)])
    return Reading(layer, mean, weight, bias + torch.einsum("sc,sct->st", mean, weight))


def _acting(
    probes: Mapping[ProbeKey, Probe],
    moments: Mapping[Cell, Moments],
    names: Sequence[str],
    layer: Layer,
    steps: int,
) -> Acting:
    reading = _reading(probes, moments, names, layer, steps)
    directions = [
        acting_directions(weight, covariance(moments[layer.name, step], layer.channels))
        for step, weight in enumerate(reading.weight)
    ]
    return Acting(reading, torch.stack(directions))


def _colours(
    name: str,
    probes: Mapping[ProbeKey, Probe],
    moments: Mapping[Cell, Moments],
    layer: Layer,
    steps: int,
    column: slice,
) -> dict[str, Any]:
    """Say which readings are the ends of a colour map, or where a mask begins at each step."""
    if PROPERTIES[name].targets > 1:
        low, high = COLOUR_RANGES[name]
        return {"low": low, "high": high}
    if PROPERTIES[name].is_binary:
        cuts = [probes[name, layer.name, step].threshold for step in range(steps)]
        return {"thresholds": [0.5 if cut is None else cut for cut in cuts]}
    last = moments[layer.name, steps - 1]
    place = layer.channels + column.start
    mean = float(last.mean[place])
    spread = _SPREAD * float(last.scatter[place, place] / last.count) ** 0.5 or 1.0
    return {"low": mean - spread, "high": mean + spread}


def _latent_grid(model: Model) -> tuple[int, int]:
    shrink = model.pipeline.vae_scale_factor
    return model.resolution[0] // shrink, model.resolution[1] // shrink
