"""Probes that sums cannot give: logistic, Huber, the literature's recipe and a small network.

These need the activations of a cell in memory, so they are for chosen cells. They show how far a
closed-form fit moves the scores. Labels are cell means (soft labels for binary properties). For
cross-entropy that has the same optimum as image-size labels under nearest upsampling; for Huber's
loss, which is not quadratic, it has not quite, where a label's edge runs through a cell.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, huber_loss

from ..core.arrays import to_rows
from ..core.errors import MomentsError
from ..core.properties import Property
from .probes import Probe

Loss = Callable[[Tensor, Tensor], Tensor]
"""Mean loss of readings, given labels of the same shape."""


RECIPES = ("logistic", "huber", "mlp", "paper")
"""Ways to fit a probe that need rows; ridge, which does not, is not among them."""
CONVEX = ("logistic", "huber")
"""Those with a penalty, which is chosen on pictures apart; each has its own."""
_LOSSES: dict[str, Loss] = {
    "logistic": binary_cross_entropy_with_logits,
    "huber": huber_loss,
}
_THRESHOLDS = {"logistic": 0.0, "huber": None}
CONVEX_PENALTIES = tuple(10.0**exponent for exponent in range(-8, 0))
"""What is chosen from, as fractions of the mean variance of the activations: 1e-8 to 0.1."""


@dataclass(frozen=True)
class MlpProbe:
    """A probe with one hidden layer of ReLU units: the literature's non-linear read-out."""

    layer: str
    step: int
    property: str
    hidden_weight: Float[Tensor, "channel unit"]
    hidden_bias: Float[Tensor, "unit"]
    weight: Float[Tensor, "unit target"]
    bias: Float[Tensor, "target"]
    threshold: float | None = None

    def __call__(
        self, activation: Float[Tensor, "image channel row col"]
    ) -> Float64[Tensor, "image target row col"]:
        """Read the property at every place of an activation grid."""
        units = torch.relu(to_rows(activation).double() @ self.hidden_weight + self.hidden_bias)
        rows, cols = activation.shape[-2:]
        return rearrange(
            units @ self.weight + self.bias,
            "(image row col) target -> image target row col",
            row=rows,
            col=cols,
        )


def suits(recipe: str, property: Property) -> bool:
    """Tell whether a recipe can fit a property: logistic fits masks, huber maps, others both."""
    return recipe not in CONVEX or property.is_binary == (recipe == "logistic")


def fit_by(
    recipe: str,
    activation: Float[Tensor, "image channel row col"],
    labels: Float[Tensor, "image target row col"],
    *,
    property: Property,
    layer: str,
    step: int,
    apart: int,
    generator: torch.Generator,
) -> Probe | MlpProbe:
    """Fit one cell by the recipe of a name, on every row.

    The first `apart` pictures choose the penalty of a convex recipe, as ridge's is chosen; the
    others are fitted to all of them. `paper` learns shading at 1e-2, as its source does, and all
    else at 1e-3.
    """
    place = {"property": property, "layer": layer, "step": step}
    if recipe in CONVEX:
        held_out = activation[:apart], labels[:apart]
        return fit_convex(recipe, activation[apart:], labels[apart:], held_out, **place)
    if recipe == "mlp":
        return fit_mlp(activation, labels, generator=generator, **place)
    rate = 1e-2 if property.name == "shading" else 1e-3
    return fit_paper(activation, labels, generator=generator, learning_rate=rate, **place)


def fit_convex(
    recipe: str,
    activation: Float[Tensor, "image channel row col"],
    labels: Float[Tensor, "image target row col"],
    held_out: tuple[Tensor, Tensor],
    *,
    property: Property,
    layer: str,
    step: int,
    relative_penalties: Sequence[float] = CONVEX_PENALTIES,
) -> Probe:
    """Fit logistic regression or Huber's loss with the penalty that has the least loss apart.

    The path goes from the strongest penalty to the weakest, each search beginning where the last
    one ended.

    Args:
        recipe: "logistic" or "huber".
        activation: Of the pictures that are fitted.
        labels: Theirs, as cell means.
        held_out: Activation and labels of the pictures that choose.
        property: What is read.
        layer: Whose activation it is.
        step: From 0.
        relative_penalties: To choose from, as fractions of the mean variance of the activations.
    """
    loss = _LOSSES[recipe]
    x, y = _paired_rows(*held_out, torch.float64)
    variance = float(activation.double().var(dim=(0, 2, 3), correction=0).mean())
    place = {"property": property, "layer": layer, "step": step}
    best, least, probe = None, float("inf"), None
    for relative in sorted(relative_penalties, reverse=True):
        penalty = relative * (variance or 1.0)
        probe = fit_penalised(recipe, activation, labels, penalty=penalty, begin_at=probe, **place)
        error = float(loss(x @ probe.weight + probe.bias, y))
        if best is None or error < least:
            best, least = probe, error
    assert best is not None, "At least one penalty is given."
    return best


def fit_penalised(
    recipe: str,
    activation: Float[Tensor, "image channel row col"],
    labels: Float[Tensor, "image target row col"],
    *,
    property: Property,
    layer: str,
    step: int,
    penalty: float,
    begin_at: Probe | None = None,
) -> Probe:
    """Minimise `mean loss + penalty ||w||^2 / 2` by L-BFGS, in float64, to convergence.

    "logistic" is cross-entropy, and the probe reads log-odds: the same objective as scikit-learn's
    `LogisticRegression(C=1 / (rows penalty))`. "huber" is Huber's loss with δ = 1. A search that
    begins at another penalty's probe is shorter.
    """
    start = None if begin_at is None else (begin_at.weight, begin_at.bias)
    weight, bias = _minimise(_LOSSES[recipe], activation, labels, penalty, start)
    return Probe(layer, step, property.name, weight, bias, _THRESHOLDS[recipe], penalty)


def fit_paper(
    activation: Float[Tensor, "image channel row col"],
    labels: Float[Tensor, "image target row col"],
    *,
    property: Property,
    layer: str,
    step: int,
    generator: torch.Generator,
    epochs: int = 30,
    learning_rate: float = 1e-3,
) -> Probe:
    """Train a linear probe as the literature does: Adam, batches of 4 images, 30 epochs.

    Binary: two logits, no bias, cross-entropy; the probe reads their difference, with threshold 0.
    Continuous: one output with bias, Huber's loss with δ = 1 (Chen, Viégas & Wattenberg 2023,
    *Beyond Surface Statistics*, and its code). Weights start uniform within `1/sqrt(channels)`.
    """
    channels, targets = activation.shape[1], labels.shape[1]
    if property.is_binary:
        logits = _uniform((channels, 2 * targets), channels, generator)

        def read_logits(x: Tensor) -> Tensor:
            background, foreground = (x @ logits).chunk(2, dim=1)
            # Softmax over two logits is the sigmoid of their difference.
            return foreground - background

        _descend(
            [logits],
            read_logits,
            binary_cross_entropy_with_logits,
            activation,
            labels,
            generator,
            epochs,
            learning_rate,
        )
        weight = (logits[:, targets:] - logits[:, :targets]).detach().double()
        bias = torch.zeros(targets, dtype=torch.float64, device=weight.device)
        return Probe(layer, step, property.name, weight, bias, threshold=0.0)
    weight = _uniform((channels, targets), channels, generator)
    bias = _uniform((targets,), channels, generator)
    _descend(
        [weight, bias],
        lambda x: x @ weight + bias,
        huber_loss,
        activation,
        labels,
        generator,
        epochs,
        learning_rate,
    )
    return Probe(layer, step, property.name, weight.detach().double(), bias.detach().double())


def fit_mlp(
    activation: Float[Tensor, "image channel row col"],
    labels: Float[Tensor, "image target row col"],
    *,
    property: Property,
    layer: str,
    step: int,
    generator: torch.Generator,
    epochs: int = 30,
    learning_rate: float = 1e-3,
) -> MlpProbe:
    """Train the literature's non-linear probe, C → C/2 → targets with ReLU, as `fit_paper` does."""
    channels, targets = activation.shape[1], labels.shape[1]
    units = max(1, channels // 2)
    hidden_weight = _uniform((channels, units), channels, generator)
    hidden_bias = _uniform((units,), channels, generator)
    weight = _uniform((units, targets), units, generator)
    bias = _uniform((targets,), units, generator)
    loss = binary_cross_entropy_with_logits if property.is_binary else huber_loss
    _descend(
        [hidden_weight, hidden_bias, weight, bias],
        lambda x: torch.relu(x @ hidden_weight + hidden_bias) @ weight + bias,
        loss,
        activation,
        labels,
        generator,
        epochs,
        learning_rate,
    )
    trained = (hidden_weight, hidden_bias, weight, bias)
    return MlpProbe(
        layer,
        step,
        property.name,
        *(each.detach().double() for each in trained),
        threshold=0.0 if property.is_binary else None,
    )


def _minimise(
    loss: Loss,
    activation: Float[Tensor, "image channel row col"],
    labels: Float[Tensor, "image target row col"],
    penalty: float,
    start: tuple[Tensor, Tensor] | None = None,
) -> tuple[Float64[Tensor, "channel target"], Float64[Tensor, "target"]]:
    x, y = _paired_rows(activation, labels, torch.float64)
    if penalty <= 0:
        raise MomentsError(f"The penalty must be > 0, got {penalty}. Try 1e-6.")
    # Standardised channels only speed up the search: the penalty is on the raw weights.
    mean, scale = x.mean(dim=0), x.std(dim=0, correction=0)
    scale = torch.where(scale > 0, scale, 1.0)
    standard = (x - mean) / scale
    weight = x.new_zeros(x.shape[1], y.shape[1])
    bias = x.new_zeros(y.shape[1])
    if start is not None:
        weight, bias = start[0] * scale[:, None], start[1] + mean @ start[0]
    variables = [weight.requires_grad_(), bias.requires_grad_()]
    search = torch.optim.LBFGS(
        variables,
        max_iter=1000,
        history_size=30,
        tolerance_grad=1e-9,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        search.zero_grad()
        # The loss averages over targets; each target's own objective averages over rows alone.
        fitted = loss(standard @ weight + bias, y) * y.shape[1]
        total = fitted + penalty / 2 * (weight / scale[:, None]).square().sum()
        total.backward()
        return total.detach()

    search.step(objective)  # pyright: ignore[reportArgumentType]
    raw = (weight / scale[:, None]).detach()
    return raw, (bias - mean @ raw).detach()


def _descend(
    variables: list[Tensor],
    read: Callable[[Tensor], Tensor],
    loss: Loss,
    activation: Float[Tensor, "image channel row col"],
    labels: Float[Tensor, "image target row col"],
    generator: torch.Generator,
    epochs: int,
    learning_rate: float,
    images_at_once: int = 4,
) -> None:
    _paired_rows(activation, labels, torch.float32)
    for variable in variables:
        variable.data = variable.data.to(activation.device)
        variable.requires_grad_()
    adam = torch.optim.Adam(variables, lr=learning_rate)
    for _ in range(epochs):
        for batch in torch.randperm(len(labels), generator=generator).split(images_at_once):
            x, y = _paired_rows(activation[batch], labels[batch], torch.float32)
            if len(x) == 0:  # nothing of these pictures is known
                continue
            adam.zero_grad()
            loss(read(x), y).backward()
            adam.step()


def _paired_rows(
    activation: Tensor, labels: Tensor, dtype: torch.dtype
) -> tuple[Float[Tensor, "row channel"], Float[Tensor, "row target"]]:
    if len(labels) == 0:
        raise MomentsError("No image to fit a probe to, got 0. Keep the activations of some.")
    x, y = to_rows(activation).to(dtype), to_rows(labels).to(activation.device, dtype)
    known = y.isnan().any(dim=1).logical_not()
    return (x, y) if known.all() else (x[known], y[known])


def _uniform(
    shape: tuple[int, ...], fan_in: int, generator: torch.Generator
) -> Float[Tensor, "*shape"]:
    bound = fan_in**-0.5
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)
