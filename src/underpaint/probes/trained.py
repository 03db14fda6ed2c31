"""A rival that is trained on latents of one step: x̂₀ or x_t in, the final picture's maps out.

A labeler was made for clean pictures and a linear map is weak; a small network that learns from x̂₀,
or from the noisy x_t, what the final label will be is the fairest reader of it. It knows the place.

    latents and waves → 3×3 convolutions of `WIDTH` channels, dilated by 1, 2, 4, 1, GELU between
    → 1×1 convolution → every target of every property, on the latent's grid

It is trained by Adam on squared errors, in units of each target's deviation, and kept as it was
after the epoch that did best on pictures apart.
"""

from copy import deepcopy
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from .places import COUNT, waves

WIDTH = 24
DILATIONS = (1, 2, 4, 1)
EPOCHS = 30
BATCH = 16
RATE = 3e-3


class Network(nn.Module):
    """Read maps of every target from latents of one step."""

    def __init__(self, channels: int, targets: int) -> None:
        super().__init__()
        widths = [channels + COUNT, *[WIDTH] * len(DILATIONS)]
        layers: list[nn.Module] = []
        for before, after, far in zip(widths, widths[1:], DILATIONS, strict=False):
            layers += [nn.Conv2d(before, after, 3, padding=far, dilation=far), nn.GELU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(WIDTH, targets, 1))
        for name, size in (("mean", channels), ("scale", channels)):
            self.register_buffer(name, torch.zeros(size) if name == "mean" else torch.ones(size))
        self.register_buffer("target_mean", torch.zeros(targets))
        self.register_buffer("target_scale", torch.ones(targets))

    def forward(
        self, latents: Float[Tensor, "image channel row col"]
    ) -> Float[Tensor, "image target row col"]:
        """Read every target, in the units of labels."""
        mean, scale, t_mean, t_scale = (
            getattr(self, name)[:, None, None]
            for name in ("mean", "scale", "target_mean", "target_scale")
        )
        place = waves((latents.shape[-2], latents.shape[-1])).to(latents)
        seen = torch.cat([(latents - mean) / scale, place.expand(len(latents), -1, -1, -1)], dim=1)
        return self.layers(seen) * t_scale + t_mean


@dataclass(frozen=True, eq=False)
class TrainedProbe:
    """One property's part of what a network reads."""

    network: Network
    part: slice

    @torch.no_grad()
    def __call__(
        self, activation: Float[Tensor, "image channel row col"]
    ) -> Float64[Tensor, "image target row col"]:
        """Read the property at every place of the latent's grid."""
        return self.network(activation.float())[:, self.part].double()


def train(
    latents: Float[Tensor, "image channel row col"],
    maps: Float[Tensor, "image target row col"],
    apart: tuple[Tensor, Tensor],
    *,
    seed: int,
    epochs: int = EPOCHS,
) -> Network:
    """Train a network on pictures, and keep it as it was when it did best on others.

    Args:
        latents: x̂₀ or x_t of one step.
        maps: The final labels as cell means on the latents' grid; NaN is unknown.
        apart: The same of the pictures that say when to stop.
        seed: Of first weights and the order of pictures: the same seed gives the same network.
        epochs: The most.
    """
    draw = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(latents.shape[1], maps.shape[1]).to(latents.device)
    _set_units(network, latents, maps)
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    best, least = deepcopy(network.state_dict()), float("inf")
    total = epochs * -(-len(latents) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=total)
    for _ in range(epochs):
        for some in torch.randperm(len(latents), generator=draw).split(BATCH):
            optimiser.zero_grad()
            _error(network, latents[some], maps[some]).backward()
            optimiser.step()
            schedule.step()
        with torch.no_grad():
            error = float(_error(network, *apart))
        if error < least:
            best, least = deepcopy(network.state_dict()), error
    network.load_state_dict(best)
    return network.eval().requires_grad_(False)


def _error(network: Network, latents: Tensor, maps: Tensor) -> Tensor:
    off = (network(latents) - maps) / network.get_buffer("target_scale")[:, None, None]
    return torch.where(maps.isnan(), 0.0, off.nan_to_num(0.0)).square().mean()


def _set_units(network: Network, latents: Tensor, maps: Tensor) -> None:
    scale = latents.std(dim=(0, 2, 3))
    network.get_buffer("mean").copy_(latents.mean(dim=(0, 2, 3)))
    network.get_buffer("scale").copy_(torch.where(scale > 0, scale, 1.0))
    mean = maps.nanmean(dim=(0, 2, 3))
    spread = (maps - mean[:, None, None]).square().nanmean(dim=(0, 2, 3)).sqrt()
    network.get_buffer("target_mean").copy_(mean.nan_to_num(0.0))
    network.get_buffer("target_scale").copy_(torch.where(spread > 0, spread, 1.0))
