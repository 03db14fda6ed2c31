"""Move activations so that probes read what is wanted, by the least change in the data's own terms.

An edit becomes one tap a layer for `trace(edits=…)`. At each step of its schedule a tap reads the
tokens as they pass, after whatever edits have done before, and moves each by

    strength A (target - reading),

with A from `probes.acting_directions` or one of the controls below. All but the random one have
`W^T A = 1`: at strength 1 the reading then is the target, and at strength s it goes s times as far.

Notation
    W   weights of the probes, the targets of all edited properties side by side
    Σ   covariance of one layer's activations at one step
    A   how each channel moves for each target's unit of change
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, huber_loss

from ..core.arrays import to_grid
from ..core.errors import EditError
from ..models.capture import Tap
from ..models.layers import Layer
from ..probes.moments import Cell, Moments
from ..probes.probes import Probe, ProbeKey, acting_directions, covariance

Direction = Callable[
    [Float64[Tensor, "channel target"], Float64[Tensor, "channel channel2"]],
    Float64[Tensor, "channel target"],
]
"""Called with W and Σ. Returns A."""

Move = Callable[[Tensor, Tensor], Tensor]
"""Called with tokens `image place channel` and what to read there, `image place target`. Returns
the change of the tokens that strength 1 means."""


@dataclass(frozen=True, eq=False)
class Edit:
    """What probes shall read, where, and how hard at each step.

    Args:
        targets: By property, full-size maps in the units of its probes' labels: shares of
            foreground in 0..1 for a mask, `properties.normalise`d values for a relative property.
        schedule: Strength by step, from 0. Steps that are missing, or at 0, are left alone.
        held: Further properties, whose probes' readings the move shall leave as they are.
        direction: Along what to move; `acting_directions` is the least change in the data's own
            covariance.
        where: Share of the move to make at each place, full size. Everywhere if not given.
        unconditional: Push the unconditional half of the guidance batch the other way, by this
            share of the move: guidance then leads away from where that half goes.
    """

    # Leading underscores: sizes that are checked here, with words of our own.
    targets: Mapping[str, Float[Tensor, "_image _target _height _width"]]
    schedule: Mapping[int, float]
    held: tuple[str, ...] = ()
    direction: Direction = acting_directions
    where: Float[Tensor, "_image 1 _height _width"] | None = None
    unconditional: float = 0.0

    def __post_init__(self) -> None:
        if not self.targets:
            raise EditError("An edit has no target. Give it one for at least one property.")
        if both := sorted({*self.held} & {*self.targets}):
            raise EditError(f"An edit cannot both move and hold {both[0]}. Choose one.")
        first = next(iter(self.targets.values()))
        maps = {f"target of {name}": each for name, each in self.targets.items()}
        if self.where is not None:
            maps["mask of where"] = self.where
        for name, each in maps.items():
            if not each.isfinite().all():
                raise EditError(f"The {name} holds NaN or infinity. Give it a number everywhere.")
            if len(each) != len(first) or each.shape[-2:] != first.shape[-2:]:
                raise EditError(
                    f"The {name} has the shape {tuple(each.shape)} beside {tuple(first.shape)}. "
                    "Give all maps of an edit the same images and size."
                )
        if self.where is not None and not ((self.where >= 0) & (self.where <= 1)).all():
            raise EditError("The mask of where leaves 0..1. It holds shares of the move.")
        for step, strength in self.schedule.items():
            if step < 0 or not math.isfinite(strength):
                raise EditError(
                    f"An edit is scheduled at step {step} with strength {strength}. Count steps "
                    "from 0, and give a finite strength."
                )

    @property
    def steps(self) -> tuple[int, ...]:
        """Steps at which it does anything."""
        return tuple(step for step, strength in self.schedule.items() if strength)


def taps(
    edit: Edit,
    probes: Mapping[ProbeKey, Probe],
    moments: Mapping[Cell, Moments],
    *,
    layers: Sequence[Layer],
) -> dict[Layer, Tap]:
    """Make the taps that carry out an edit at these layers, in closed form.

    Several properties are moved jointly: each meets its target without disturbing the others, nor
    those that are held. An edit whose strengths are all 0 has no taps, so its pictures are those of
    no edit, bit for bit.

    Raises:
        EditError: if a layer and step has no probe or no moments, or a target has another number
            of maps than its probe reads.
        MomentsError: as in `acting_directions`.
    """

    def closed_form(layer: Layer, step: int) -> Move:
        own = _probes_at(edit, probes, layer, step)
        held = [_probe_at(name, probes, layer, step) for name in edit.held]
        if (layer.name, step) not in moments:
            raise EditError(
                f"No moments of layer {layer.name} at step {step + 1}. Gather that layer too, or "
                "leave it alone."
            )
        weight = torch.cat([probe.weight for probe in own], dim=1)
        bias = torch.cat([probe.bias for probe in own])
        every = torch.cat([weight, *(probe.weight for probe in held)], dim=1)
        acting = edit.direction(every, covariance(moments[layer.name, step], len(weight)))
        acting = acting[:, : weight.shape[1]]  # what is held is to change by nothing

        def move(tokens: Tensor, target: Tensor) -> Tensor:
            w, b, a = (each.to(tokens.device) for each in (weight, bias, acting))
            return (target - (tokens.double() @ w + b)) @ a.mT

        return move

    return _taps(edit, layers, closed_form)


def adam_taps(
    edit: Edit,
    probes: Mapping[ProbeKey, Probe],
    *,
    layers: Sequence[Layer],
    iterations: int = 128,
    learning_rate: float = 5e-3,
) -> dict[Layer, Tap]:
    """Make the taps of the literature's edit: Adam on the tokens until probes read the target.

    128 iterations at a rate of 5e-3 a layer and step, on cross-entropy for masks and Huber's loss
    for maps (Chen, Viégas & Wattenberg 2023, *Beyond Surface Statistics*, and its code). The
    reference that `taps` is compared with; `Edit.direction` has no part in it.

    A probe with a threshold reads a mask. Ridge probes read shares p of foreground where that work
    has logits: `4 (p - threshold)` stands for them, the tangent of the log-odds at one half. Losses
    are summed over images, so an image does not depend on its batch.

    Raises:
        EditError: as in `taps`.
    """

    def descent(layer: Layer, step: int) -> Move:
        own = _probes_at(edit, probes, layer, step)

        def loss(tokens: Tensor, target: Tensor) -> Tensor:
            parts = target.split([probe.weight.shape[1] for probe in own], dim=-1)
            total = tokens.new_zeros(())
            for probe, wanted in zip(own, parts, strict=True):
                read = tokens @ probe.weight.to(tokens) + probe.bias.to(tokens)
                if probe.threshold is None:
                    each = huber_loss(read, wanted, reduction="none")
                else:
                    logits = 4 * (read - probe.threshold)
                    each = binary_cross_entropy_with_logits(logits, wanted, reduction="none")
                total = total + each.mean(dim=(1, 2)).sum()
            return total

        @torch.enable_grad()
        def move(tokens: Tensor, target: Tensor) -> Tensor:
            start = tokens.detach().float()
            moved = start.clone().requires_grad_()
            adam = torch.optim.Adam([moved], lr=learning_rate)
            for _ in range(iterations):
                adam.zero_grad()
                loss(moved, target.float()).backward()
                adam.step()
            return (moved - start).detach()

        return move

    return _taps(edit, layers, descent)


def reading_directions(
    weight: Float64[Tensor, "channel target"], covariance: Float64[Tensor, "channel channel2"]
) -> Float64[Tensor, "channel target"]:
    """Give the change of least norm that moves each reading by one, and no other: W (W^T W)^-1.

    A control: it is read as well as `acting_directions`, though the data hardly ever go that way.
    """
    return acting_directions(weight, torch.eye(len(covariance)).to(covariance))


def random_directions(generator: torch.Generator) -> Direction:
    """Make a control that moves tokens as far as `acting_directions`, but anywhere.

    With `A^T A = L L^T` and orthonormal random columns Q, `R = Q L^T` has `R^T R = A^T A`: for
    every change wanted, its move is as long as A's. Each layer and step draws anew.
    """

    def direction(weight: Tensor, covariance: Tensor) -> Tensor:
        acting = acting_directions(weight, covariance)
        drawn = torch.randn(acting.shape, generator=generator, dtype=acting.dtype)
        q, _ = torch.linalg.qr(drawn.to(acting.device))
        return q @ torch.linalg.cholesky(acting.mT @ acting).mT

    return direction


def shaped_directions(generator: torch.Generator) -> Direction:
    """Make a control that moves tokens as far as `acting_directions`, along what the data do.

    As `random_directions`, but Q spans Σ^½ times random columns: a change that the activations
    themselves go along as often as any, which a direction drawn from all of space hardly is.
    """

    def direction(weight: Tensor, covariance: Tensor) -> Tensor:
        acting = acting_directions(weight, covariance)
        drawn = torch.randn(acting.shape, generator=generator, dtype=acting.dtype)
        eigenvalues, axes = torch.linalg.eigh(covariance)
        root = axes * eigenvalues.clamp(min=0).sqrt()
        q, _ = torch.linalg.qr(root @ drawn.to(acting.device))
        return q @ torch.linalg.cholesky(acting.mT @ acting).mT

    return direction


def _taps(
    edit: Edit, layers: Sequence[Layer], move_at: Callable[[Layer, int], Move]
) -> dict[Layer, Tap]:
    if not edit.steps:
        return {}
    return {
        layer: _tap(edit, layer, {step: move_at(layer, step) for step in edit.steps})
        for layer in layers
    }


def _tap(edit: Edit, layer: Layer, moves: Mapping[int, Move]) -> Tap:
    target = torch.cat([_at_places(each, layer) for each in edit.targets.values()], dim=-1)
    where = None if edit.where is None else _at_places(edit.where, layer)
    images = len(target)

    def tap(step: int, tokens: Tensor) -> Tensor | None:
        if step not in moves:
            return None
        if len(tokens) not in (images, 2 * images) or tokens.shape[1] != target.shape[1]:
            raise EditError(
                f"An edit of {images} images at {layer.name}, {layer.grid[0]}×{layer.grid[1]}, met "
                f"a batch of {tuple(tokens.shape)}. Give one target for each prompt, and the "
                "model's own resolution."
            )
        # Unconditional images come first in the batch; without guidance there are none.
        conditional = tokens[-images:]
        change = edit.schedule[step] * moves[step](conditional, target.to(tokens.device))
        if where is not None:
            change = change * where.to(tokens.device)
        others = tokens[:-images]
        pushed = others.double() - edit.unconditional * change if len(others) else others
        # Added in float64: a channel's mean may be a thousand times what the reading depends on.
        return torch.cat([pushed, conditional.double() + change]).to(tokens.dtype)

    return tap


def _at_places(
    maps: Float[Tensor, "image target height width"], layer: Layer
) -> Float64[Tensor, "image place target"]:
    cells = to_grid(maps.double(), layer.grid)
    return rearrange(cells, "image target row col -> image (row col) target")


def _probes_at(
    edit: Edit, probes: Mapping[ProbeKey, Probe], layer: Layer, step: int
) -> list[Probe]:
    """Find the probe of each edited property, in the order of its targets."""
    own = []
    for name, maps in edit.targets.items():
        probe = _probe_at(name, probes, layer, step)
        if probe.weight.shape != (layer.channels, maps.shape[1]):
            raise EditError(
                f"The probe of {name} at {layer.name} reads {probe.weight.shape[1]} maps from "
                f"{probe.weight.shape[0]} channels; the target has {maps.shape[1]} maps and the "
                f"layer {layer.channels} channels. Use the probes of this model."
            )
        own.append(probe)
    return own


def _probe_at(name: str, probes: Mapping[ProbeKey, Probe], layer: Layer, step: int) -> Probe:
    probe = probes.get((name, layer.name, step))
    if probe is None:
        raise EditError(
            f"No probe reads {name} from layer {layer.name} at step {step + 1}. Edit layers, "
            "steps and properties that probes were fitted for."
        )
    return probe
