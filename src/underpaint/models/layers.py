"""Where activations are read: the outputs of a denoiser's self-attention layers.

Layers are found by what they are, not by a table of names; their order, width and grid are
measured while the model runs once.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import prod
from typing import Any
from weakref import WeakKeyDictionary

from diffusers.models.attention import AttentionModuleMixin
from diffusers.models.attention_processor import Attention
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from torch import Tensor, nn

from ..core.errors import LayerError
from .asking import begin, left_alone
from .calling import Enough
from .capture import Tap, tapped
from .model import Model, as_model
from .places import Place, find_places

_SITE = ".to_out.0"
_PLACES: WeakKeyDictionary[nn.Module, dict[str, Place]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Layer:
    """One self-attention output.

    Args:
        name: Short and stable: "down.0.0", "mid.0", "up.3.0", "block.0"; a fourth part counts
            transformer blocks where an attention stage has several ("up.0.0.3").
        module: Path inside the denoiser of the output projection, before the residual is added.
        channels: Width of the activation.
        grid: Rows and columns of the activation at the model's own resolution.
    """

    name: str
    module: str
    channels: int
    grid: tuple[int, int]


def find_layers(model: Model | DiffusionPipeline) -> tuple[Layer, ...]:
    """Find every self-attention layer, in the order in which they run.

    The model runs once, on an empty prompt: `named_modules` lists a UNet's up blocks before its
    middle, and no config says a layer's grid.

    Examples:
        >>> [layer.name for layer in up.find_layers(model)][:3]
        ['down.0.0', 'down.1.0', 'mid.0']

    Args:
        model: From `load`, or a diffusers pipeline as it is.

    Raises:
        LayerError: if the model has no self-attention layers that we know of.
        ModelError: if it is a pipeline that cannot be read.
    """
    model = as_model(model)
    names = name_sites(model.denoiser)
    if not names:
        raise LayerError(
            f"{type(model.denoiser).__name__} has no self-attention layers that are known here. "
            "Use a UNet, PixArt, Stable Diffusion 3 or Flux model."
        )
    shown, planes, given = _first_run(model, names)
    layers = [
        Layer(names[site], site, tokens.shape[-1], planes[site])
        for site, tokens in shown.items()
        if site in planes
    ]
    grid = (1, 1)
    if others := [site for site in shown if site not in planes]:
        grid = _token_grid(model, given)
        _PLACES[model.denoiser] = find_places(model.denoiser, others, *given, grid=grid)
        layers += [
            Layer(names[site], site, shown[site].shape[-1], grid)
            for site in others
            if site in _PLACES[model.denoiser]
        ]
    _check_found(model, layers, shown, grid=grid)
    return tuple(layers)


def find_place(model: Model, layer: Layer) -> Place:
    """Say where the image's tokens stand in a layer; measured with `find_layers`, once.

    Raises:
        LayerError: if they cannot be told from the text's.
    """
    if not model.is_transformer:
        return Place()
    if layer.module not in _PLACES.get(model.denoiser, {}):
        find_layers(model)
    places = _PLACES.get(model.denoiser, {})
    if layer.module not in places:
        raise LayerError(
            f"No layer {layer.module!r} in this model whose image tokens can be told from the "
            "text's. `underpaint layers MODEL` lists those it has."
        )
    return places[layer.module]


def select_layers(layers: Sequence[Layer], glob: str) -> tuple[Layer, ...]:
    """Keep the layers whose names match a shell pattern, such as "up.*"; commas join several.

    Examples:
        >>> [layer.name for layer in up.select_layers(up.find_layers(model), "mid.*,up.0.*")]
        ['mid.0', 'up.0.0', 'up.0.1']

    Raises:
        LayerError: if a pattern matches none.
    """
    patterns = [pattern.strip() for pattern in glob.split(",")]
    for pattern in patterns:
        if not any(fnmatchcase(layer.name, pattern) for layer in layers):
            raise LayerError(
                f"No layer matches {pattern!r}. There are "
                f"{', '.join(layer.name for layer in layers)}."
            )
    return tuple(
        layer for layer in layers if any(fnmatchcase(layer.name, glob) for glob in patterns)
    )


def last_stages(layers: Sequence[Layer], count: int = 2) -> str:
    """Write the pattern of the last stages: "up.2.*,up.3.*" of Stable Diffusion, "block.*" of DiT.

    A UNet's stage is one of its blocks; a transformer's, all of its blocks of one kind.
    """
    stages = dict.fromkeys(
        re.sub(r"^((?:down|up)\.\d+|\D+?)\.\d.*", r"\1", layer.name) for layer in layers
    )
    return ",".join(f"{stage}.*" for stage in list(stages)[-count:])


def name_sites(denoiser: nn.Module) -> dict[str, str]:
    """Name each self-attention output of a denoiser: short names by module path.

    Self-attention is an attention module that takes no other sequence (`is_cross_attention` false);
    text that comes along in joint attention leaves by another projection. Flux's single blocks
    project later, together with their feed-forward half: there the site is the module itself, whose
    tokens are the text's and then the image's.
    """
    sites = {
        path: path + _SITE if isinstance(getattr(module, "to_out", None), nn.ModuleList) else path
        for path, module in denoiser.named_modules()
        if isinstance(module, Attention | AttentionModuleMixin)
        if not getattr(module, "is_cross_attention", False)
        if isinstance(getattr(module, "to_out", None), nn.ModuleList)
        or getattr(module, "pre_only", False)
    }
    stages = [path.rsplit(".transformer_blocks.", 1)[0] for path in sites]
    names = {
        site: _short_name(path, is_alone=stages.count(stage) == 1)
        for (path, site), stage in zip(sites.items(), stages, strict=True)
    }
    if len(set(names.values())) < len(names):
        return {site: site.removesuffix(_SITE) for site in names}
    return names


def _short_name(path: str, *, is_alone: bool) -> str:
    """Shorten a UNet's or a transformer's module path; leave any other as it is."""
    if found := re.fullmatch(r"(single_)?(\w*transformer_blocks|blocks)\.(\d+)\.attn1?", path):
        return f"{'single' if found[1] else 'block'}.{found[3]}"
    place = re.match(r"(down|mid|up)_block(?:s\.(\d+))?\.attentions\.(\d+)", path)
    if not place:
        return path
    block = re.search(r"\.transformer_blocks\.(\d+)\.", path)
    parts = [place[1], place[2], place[3], block[1] if block and not is_alone else None]
    return ".".join(part for part in parts if part is not None)


def _first_run(
    model: Model, sites: Iterable[str]
) -> tuple[dict[str, Tensor], Mapping[str, tuple[int, int]], tuple[tuple, dict]]:
    """Let the denoiser run once, within its pipeline.

    Returns:
        What each site gave, in the order in which they ran; `_planes`; and what the denoiser was
        given, by place and by name.
    """
    shown: dict[str, Tensor] = {}
    given: list[tuple[tuple, dict]] = []

    def show(site: str) -> Tap:
        return lambda _step, tokens: shown.update({site: tokens})

    def end(_module: nn.Module, args: tuple, kwargs: dict, _output: Any) -> None:
        given.append((args, kwargs))
        raise Enough

    with ExitStack() as opened:
        opened.enter_context(left_alone(model.denoiser))
        opened.enter_context(tapped(model.denoiser, {site: show(site) for site in sites}, steps=1))
        planes = opened.enter_context(_planes(model.denoiser, sites))
        opened.enter_context(model.denoiser.register_forward_hook(end, with_kwargs=True))
        begin(model, [""], guidance=1.0)
    return shown, planes, given[0]


def _token_grid(model: Model, given: tuple[tuple, dict]) -> tuple[int, int]:
    """Say how a transformer lays an image's tokens out, row by row."""
    args, kwargs = given
    latents = args[0] if args else next(iter(kwargs.values()))
    if not isinstance(latents, Tensor) or latents.ndim not in (3, 4):
        raise LayerError(
            f"{type(model.denoiser).__name__} is given its latents in a way that is not known "
            "here: neither as a batch of pictures nor of tokens, so no layer's batch can be told."
        )
    if latents.ndim == 3:
        # Measured, since factors count the 2x2 of a token in some pipelines and not in others.
        unit = round((prod(model.resolution) / latents.shape[1]) ** 0.5)
        grid = (model.resolution[0] // unit, model.resolution[1] // unit)
        if prod(grid) != latents.shape[1]:
            raise LayerError(
                f"{type(model.denoiser).__name__} is given {latents.shape[1]} tokens for "
                f"{model.resolution[0]}×{model.resolution[1]} pixels, which make no grid of "
                "square cells: other tokens are among them."
            )
        return grid
    patch = getattr(model.denoiser.config, "patch_size", None) or 1
    return latents.shape[-2] // patch, latents.shape[-1] // patch


def _check_found(
    model: Model,
    layers: Sequence[Layer],
    shown: Mapping[str, Tensor],
    *,
    grid: tuple[int, int],
) -> None:
    count = prod(grid)
    few = [site for site, tokens in shown.items() if 1 < tokens.shape[1] < count]
    if not layers and few:
        raise LayerError(
            f"{few[0]} has {shown[few[0]].shape[1]} tokens, and {grid[0]}×{grid[1]} = {count} were "
            "expected. Merged tokens do this: take the patch off."
        )
    if not layers:
        raise LayerError(
            f"{type(model.denoiser).__name__} has no layer whose image tokens can be told from the "
            "text's, so none can be read. Merged tokens do this too: take a patch off."
        )
    for layer in layers:
        rows, cols = layer.grid
        tokens = shown[layer.module].shape[1]
        if not model.is_transformer and tokens != rows * cols:
            raise LayerError(
                f"{layer.module} has {tokens} tokens, and {rows}×{cols} = {rows * cols} were "
                "expected. Merged tokens do this: take the patch off."
            )


@contextmanager
def _planes(denoiser: nn.Module, sites: Iterable[str]) -> Iterator[Mapping[str, tuple[int, int]]]:
    """Give, by site, the rows and columns of what the nearest module around it is given.

    A UNet's attention is given an image's rows and columns, or stands in a module that is; a
    transformer is given them as a whole, and its sites are not among these.
    """
    modules = dict(denoiser.named_modules())
    found: dict[str, tuple[int, int]] = {}

    def hook_for(inside: Sequence[str]) -> Callable[..., None]:
        def hook(_module: nn.Module, args: tuple, kwargs: dict) -> None:
            given = args[0] if args else kwargs.get("hidden_states")
            if isinstance(given, Tensor) and given.ndim == 4:
                found.update(dict.fromkeys(inside, (given.shape[-2], given.shape[-1])))

        return hook

    around: dict[str, list[str]] = {}
    for site in sites:
        parts = site.split(".")
        for depth in range(1, len(parts) + 1):
            around.setdefault(".".join(parts[:depth]), []).append(site)
    with ExitStack() as hooks:
        for path, inside in around.items():
            hook = hook_for(inside)
            hooks.enter_context(modules[path].register_forward_pre_hook(hook, with_kwargs=True))
        yield found
