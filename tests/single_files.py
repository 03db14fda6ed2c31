"""A Stable Diffusion pipeline as one file, its weights named as sites of models have them."""

import re
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def save_single(pipe: Any, file: Path) -> None:
    """Write all weights of a Stable Diffusion v1 pipeline into one file, in its first layout."""
    layers, levels = pipe.unet.config.layers_per_block, len(pipe.vae.config.block_out_channels)
    whole = {
        f"model.diffusion_model.{_unet(name, layers)}": each
        for name, each in _weights(pipe.unet).items()
    }
    for name, each in _weights(pipe.vae).items():
        found = _vae(name, levels)
        is_kernel = ".attn_1." in found and each.ndim == 2
        whole[f"first_stage_model.{found}"] = each[:, :, None, None] if is_kernel else each
    for name, each in _weights(pipe.text_encoder).items():
        inside = name.removeprefix("text_model.")
        whole[f"cond_stage_model.transformer.text_model.{inside}"] = each
    save_file({name: each.contiguous() for name, each in whole.items()}, file)


def _weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: each.detach().clone() for name, each in module.state_dict().items()}


def _unet(name: str, layers: int) -> str:
    for said, place in _ENDS.items():
        if name.startswith(f"{said}."):
            return name.replace(said, place, 1)
    if found := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", name):
        part = 1 if found[1] == "attentions" else 2 * int(found[2])
        return f"middle_block.{part}.{_inside(found[3], found[1])}"
    found = re.fullmatch(r"(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.(.*)", name)
    assert found, name
    level, number = int(found[2]), int(found[4])
    if found[3] == "downsamplers":
        return f"input_blocks.{(layers + 1) * (level + 1)}.0.{found[5].replace('conv', 'op')}"
    if found[3] == "upsamplers":
        return f"output_blocks.{(layers + 1) * level + layers}.2.{found[5]}"
    place, ahead = ("input", 1) if found[1] == "down" else ("output", 0)
    block = f"{place}_blocks.{(layers + 1) * level + number + ahead}"
    return f"{block}.{int(found[3] == 'attentions')}.{_inside(found[5], found[3])}"


def _inside(name: str, kind: str) -> str:
    first, _, rest = name.partition(".")
    return f"{_RESNET[first]}.{rest}" if kind == "resnets" else name


def _vae(name: str, levels: int) -> str:
    name = re.sub(r"mid_block\.attentions\.0\.", "mid.attn_1.", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda at: f"mid.block_{int(at[1]) + 1}", name)
    name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(
        r"up_blocks\.(\d)\.(resnets|upsamplers\.0)",
        lambda at: (
            f"up.{levels - 1 - int(at[1])}." + ("block" if at[2] == "resnets" else "upsample")
        ),
        name,
    )
    name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    if ".attn_1." in name:
        for said, place in _ATTENTION.items():
            name = name.replace(f"attn_1.{said}.", f"attn_1.{place}.")
    return name
