"""A pipeline as three ONNX graphs that a browser can run: its words, one step, and its pictures.

The step's graph holds the closed-form edit of `edits.taps` and the probes that read it, for every
step of the run, so that whoever runs it gives targets, where and a strength and nothing else. Large
weights are kept in half precision and cast when a session opens: half the bytes to download.

Notation, for one layer at one step
    m, W, b   mean of its channels, weights of probes side by side, and what they read at that mean
    A         how each channel moves for a unit of change of each reading
"""

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn

from ..core.arrays import to_grid
from ..models import Model, decode
from ..models.capture import Tap, tapped
from ..models.layers import Layer

OPSET = 18
HALVED_FROM = 256
"""Weights of fewer elements stay in single precision: they weigh nothing."""
_PASSES = 3
"""Each lets more shapes be inferred, for the next to work with."""
_LARGEST_FOLDED = 4096
"""In elements: a larger constant is cheaper to work out than to download."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What reads a property, or several, at one layer and every step: W, and b at the mean m."""

    layer: Layer
    mean: Float64[Tensor, "step channel"]
    weight: Float64[Tensor, "step channel target"]
    bias: Float64[Tensor, "step target"]


@dataclass(frozen=True, eq=False)
class Acting:
    """How one layer is edited: what reads its targets there, and along what each of them moves."""

    reading: Reading
    direction: Float64[Tensor, "step channel target"]


def word_graph(model: Model) -> bytes:
    """Export the text encoder: `ids` (prompt, token) to `context` (prompt, token, width)."""

    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = model.pipeline.text_encoder

        def forward(self, ids: Int[Tensor, "prompt token"]) -> Tensor:
            return self.encoder(ids.long())[0]

    ids = torch.zeros(2, model.pipeline.tokenizer.model_max_length, dtype=torch.int32)
    return _halved(_traced(Words(), {"ids": ids}, ["context"]))


def picture_graph(model: Model) -> bytes:
    """Export the decoder: `latents` of one image to `picture`, 0..1 by channel, row and column."""

    class Picture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.vae = model.pipeline.vae

        def forward(self, latents: Float[Tensor, "1 latent lrow lcol"]) -> Tensor:
            return decode(model, latents)

    return _halved(_traced(Picture(), {"latents": _latents(model)}, ["picture"]))


def step_graph(
    model: Model, readings: Mapping[str, Reading], actings: Sequence[Acting], *, width: int
) -> bytes:
    """Export one guided step of the denoiser, with the edit inside.

    Inputs are `latents` of one image, `timestep`, `context` (unconditional, conditional), `step`
    from 0, `targets` (maps at the picture's size, those of `actings` in order), `asked` (1 for each
    of them that shall be met, 0 for what is held as it is), `where` (a mask of the places to edit),
    `strength` (0 leaves all alone) and `push`: the share by which the unconditional half is pushed
    the other way. Outputs are `out` (unconditional, conditional) and `read_NAME` for each property,
    maps of its layer's grid.

    Args:
        model: A UNet pipeline.
        readings: By property's name, what to show. Read after the edit, as in `Trace.activations`.
        actings: Layers to edit.
        width: Of the text encoder's output.
    """
    count = actings[0].direction.shape[-1]
    inputs = {
        "latents": _latents(model),
        "timestep": torch.tensor(500.0),
        "context": torch.zeros(2, model.pipeline.tokenizer.model_max_length, width),
        "step": torch.tensor(0, dtype=torch.int32),
        "targets": torch.zeros(1, count, *model.resolution),
        "asked": torch.ones(count),
        "where": torch.ones(1, 1, *model.resolution),
        "strength": torch.tensor(1.0),
        "push": torch.tensor(0.5),
    }
    names = [f"read_{name}" for name in readings]
    return _halved(_traced(_Step(model, readings, actings), inputs, ["out", *names]))


class _Step(nn.Module):
    """One guided step: what `step_graph` exports."""

    def __init__(
        self, model: Model, readings: Mapping[str, Reading], actings: Sequence[Acting]
    ) -> None:
        super().__init__()
        self.denoiser = model.denoiser
        self.shown = nn.ModuleDict({name: _Reader(each) for name, each in readings.items()})
        self.edits = nn.ModuleList(_Editor(each, model.resolution) for each in actings)
        self.layers = {each.reading.layer.module: at for at, each in enumerate(actings)}
        self.places = {name: each.layer for name, each in readings.items()}

    def forward(
        self,
        latents: Tensor,
        timestep: Tensor,
        context: Tensor,
        step: Tensor,
        targets: Tensor,
        asked: Tensor,
        where: Tensor,
        strength: Tensor,
        push: Tensor,
    ) -> tuple[Tensor, ...]:
        seen: dict[str, Tensor] = {}

        def tap_of(module: str) -> Tap:
            def tap(_call: int, tokens: Tensor) -> Tensor | None:
                if module in self.layers:
                    edit = self.edits[self.layers[module]]
                    tokens = edit(tokens, step, targets, strength * asked, where, push)
                for name, layer in self.places.items():
                    if layer.module == module:
                        read = self.shown[name](tokens[1:], step)
                        seen[name] = read.transpose(1, 2).reshape(1, -1, *layer.grid)
                return tokens

            return tap

        modules = {*self.layers, *(layer.module for layer in self.places.values())}
        with tapped(self.denoiser, {module: tap_of(module) for module in modules}, steps=1):
            both = torch.cat([latents, latents])
            out = self.denoiser(both, timestep, context, return_dict=False)[0]
        return out, *(seen[name] for name in self.places)


class _Reader(nn.Module):
    """Reads tokens `image place channel` at one step."""

    def __init__(self, reading: Reading) -> None:
        super().__init__()
        for name in ("mean", "weight", "bias"):
            self.register_buffer(name, getattr(reading, name).float())

    def forward(self, tokens: Tensor, step: Tensor) -> Float[Tensor, "image place target"]:
        # Centred first: a channel's mean may be a thousand times what the reading depends on.
        centred = tokens - _at(self.mean, step)
        return centred @ _at(self.weight, step) + _at(self.bias, step)


class _Editor(nn.Module):
    """Moves the tokens of a guidance batch so that the conditional half reads the targets."""

    by_row: Tensor
    by_col: Tensor

    def __init__(self, acting: Acting, size: tuple[int, int]) -> None:
        super().__init__()
        rows, cols = acting.reading.layer.grid
        self.read = _Reader(acting.reading)
        self.register_buffer("direction", acting.direction.float())
        # `to_grid` itself does not export. It averages along one axis, then along the other.
        self.register_buffer("by_row", to_grid(torch.eye(size[0])[..., None], (rows, 1))[..., 0].T)
        self.register_buffer("by_col", to_grid(torch.eye(size[1])[..., None], (cols, 1))[..., 0])

    def forward(
        self,
        tokens: Tensor,
        step: Tensor,
        targets: Tensor,
        strengths: Float[Tensor, "target"],
        where: Tensor,
        push: Tensor,
    ) -> Tensor:
        short = strengths * (self._at_places(targets) - self.read(tokens[1:], step))
        change = self._at_places(where) * (short @ _at(self.direction, step).transpose(0, 1))
        return tokens + torch.cat([-push * change, change])

    def _at_places(self, maps: Tensor) -> Float[Tensor, "image place target"]:
        return (self.by_row @ maps @ self.by_col).flatten(2).transpose(1, 2)


def _at(rows: Any, step: Tensor) -> Tensor:
    return torch.index_select(rows, 0, step.reshape(1))[0]


def _latents(model: Model) -> Float[Tensor, "1 latent lrow lcol"]:
    shrink = model.pipeline.vae_scale_factor
    rows, cols = (side // shrink for side in model.resolution)
    return torch.zeros(1, model.pipeline.vae.config.latent_channels, rows, cols)


def _traced(module: nn.Module, inputs: Mapping[str, Tensor], outputs: list[str]) -> bytes:
    """Export by tracing: a fifth of the time of the newer exporter, and no further package."""
    stream = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on tracing's limits: shapes are fixed here
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            stream,  # type: ignore[arg-type]
            input_names=list(inputs),
            output_names=outputs,
            opset_version=OPSET,
            do_constant_folding=False,  # keeps weights under their own names
            dynamo=False,
        )
    return stream.getvalue()


def _halved(graph: bytes) -> bytes:
    """Keep large weights in half precision, each cast back to single where it is used."""
    import onnx

    found = _folded(onnx.load_model_from_string(graph))
    casts = []
    for weight in found.graph.initializer:
        size = int(np.prod(weight.dims))
        own = weight.name.startswith(("edits.", "shown."))
        if weight.data_type != onnx.TensorProto.FLOAT or size < HALVED_FROM or own:
            continue
        name, values = weight.name, onnx.numpy_helper.to_array(weight)
        weight.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=1))
    _put_nodes(found, [*casts, *found.graph.node])
    return found.SerializeToString()


def _folded(model: Any) -> Any:
    """Work out what depends on shapes alone, which tracing leaves in: every shape is fixed here.

    The runtime for GPUs comes without kernels for such arithmetic on the processor.
    """
    import onnx

    for _ in range(_PASSES):
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
        shapes = {each.name: _shape(each) for each in (*model.graph.value_info, *model.graph.input)}
        known: dict[str, np.ndarray] = {}
        kept = []
        for node in model.graph.node:
            values = _evaluated(node, known, shapes)
            if values is None:
                kept.append(node)
            else:
                known.update(values)
        used = {name for node in kept for name in node.input}
        constants = [
            onnx.numpy_helper.from_array(value, name)
            for name, value in known.items()
            if name in used
        ]
        _put_nodes(model, kept)
        model.graph.initializer.extend(constants)
        del model.graph.value_info[:]
    return model


def _evaluated(
    node: Any, known: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...] | None]
) -> dict[str, np.ndarray] | None:
    """Give a node's outputs, by name, where they are the same whatever the graph is fed."""
    from onnx.reference import ReferenceEvaluator

    if node.op_type == "Shape" and not node.attribute:
        shape = shapes.get(node.input[0])
        return None if shape is None else {node.output[0]: np.array(shape, dtype=np.int64)}
    if not all(name in known for name in node.input if name):
        return None
    fed = {name: known[name] for name in node.input if name}
    outputs = ReferenceEvaluator(node).run(None, fed)
    if any(np.size(value) > _LARGEST_FOLDED for value in outputs):
        return None
    return dict(zip(node.output, map(np.asarray, outputs), strict=True))


def _shape(value: Any) -> tuple[int, ...] | None:
    sizes = value.type.tensor_type.shape.dim
    has_shape = value.type.tensor_type.HasField("shape")
    if not has_shape or not all(size.HasField("dim_value") for size in sizes):
        return None
    return tuple(size.dim_value for size in sizes)


def _put_nodes(model: Any, nodes: Sequence[Any]) -> None:
    copied = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copied)
