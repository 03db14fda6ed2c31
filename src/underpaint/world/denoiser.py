"""The UNet, text encoder, tokenizer and scheduler of `tiny`: Stable Diffusion's classes, narrow."""

import json
from typing import cast

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from jaxtyping import Bool, Float, Int
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from .renders import Renders
from .training import LossOf, fast_precision, picked
from .words import CAPTIONS, Caption

TOKENS = 16
UNCONDITIONAL_SHARE = 0.1  # captions dropped in training, so that guidance has a model without one
SNR_FLOOR, SNR_CEILING = 0.25, 5.0
OBJECT_WEIGHT, DECIDED_SNR = 4.0, 1.0
"""How much more the box around the object counts, once there is enough signal to have placed it."""
SHIFT = 3.0
"""How much less noise `tiny` meets than SD does, as a ratio to the signal."""


class Denoiser(nn.Module):
    """UNet and text encoder, trained together."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.unet = UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(48, 96, 144, 192),
            layers_per_block=2,
            attention_head_dim=4,  # the number of heads, in this class
            cross_attention_dim=64,
            norm_num_groups=16,
        )
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=64,
                intermediate_size=256,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=TOKENS,
                projection_dim=64,
                bos_token_id=cast(int, tokenizer.bos_token_id),
                eos_token_id=cast(int, tokenizer.eos_token_id),
                pad_token_id=cast(int, tokenizer.pad_token_id),
            )
        )


def new_tokenizer() -> CLIPTokenizer:
    """Learn byte pairs until every word of the grammar is one token; other words fall to pieces."""
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.pre_tokenizer = pre_tokenizers.Whitespace()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=2000, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
    )
    bpe.train_from_iterator((str(caption) for caption in CAPTIONS), trainer)
    merges = [tuple(pair) for pair in _merges(bpe)]
    pieces = [*alphabet, *(letter + "</w>" for letter in alphabet)]
    pieces += [left + right for left, right in merges]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,  # pyright: ignore[reportArgumentType]  (pairs, whatever transformers says)
        model_max_length=TOKENS,
    )


def _merges(bpe: Tokenizer) -> list[list[str]]:
    merges = json.loads(bpe.to_str())["model"]["merges"]
    return [pair.split(" ") if isinstance(pair, str) else pair for pair in merges]


def new_scheduler() -> DDIMScheduler:
    """SD's noise, shifted; `trailing` steps, so that 15 steps start where the noise is pure."""
    return DDIMScheduler(
        trained_betas=shifted_betas(),
        clip_sample=False,
        set_alpha_to_one=False,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
    )


def shifted_betas(shift: float = SHIFT) -> list[float]:
    """Divide SD's ratio of noise to signal by `shift` at every timestep but the last ones.

    Noise hides a small picture more than a large one: with n times the pixels a side, what is seen
    from afar is averaged over n² of them, and needs n times the noise to be hid as well (Hoogeboom
    et al. 2023, *simple diffusion*, section 3.2; Esser et al. 2024, equation 23). Latents of 16×16
    under the noise of SD's 64×64 ask for a shift by 4; by 3 pictures measure as good as by 2, by 4
    a little worse at 15 steps. The last of the 1000 timesteps keeps SD's noise, for drawing begins
    with noise alone: r^30 goes from 0 to 1 over about the last tenth of them.
    """
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    signal = (1 - betas).cumprod(dim=0)
    ratio = ((1 - signal) / signal).sqrt()
    r = torch.arange(1000, dtype=torch.float64) / 999
    signal = 1 / (1 + (ratio * shift ** (r**30 - 1)).square())
    before = torch.cat([torch.ones(1, dtype=torch.float64), signal[:-1]])
    return [float(f"{beta:.9g}") for beta in (1 - signal / before).tolist()]


def tokens_of(tokenizer: CLIPTokenizer, texts: list[str]) -> Int[Tensor, "text token"]:
    """Tokenize as the pipeline does: padded and cut to 16 tokens."""
    return tokenizer(
        texts, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt"
    ).input_ids


def caption_tokens(
    tokenizer: CLIPTokenizer, classes: Int[Tensor, "image 4"], *, mirrored: bool
) -> Int[Tensor, "image token"]:
    """The tokens of every picture's caption, of its mirror image if asked."""
    ids = {caption.classes: row for row, caption in enumerate(CAPTIONS)}
    shown = [str(caption.mirrored if mirrored else caption) for caption in CAPTIONS]
    rows = torch.tensor([ids[(a, b, c, d)] for a, b, c, d in classes.tolist()])
    return tokens_of(tokenizer, shown)[rows]


def caption_of(classes: tuple[int, int, int, int]) -> Caption:
    """The caption with these classes."""
    return next(caption for caption in CAPTIONS if caption.classes == classes)


def boxes_of(renders: Renders) -> Bool[Tensor, "image row col"]:
    """Mark the latents in a box around each picture's object, one latent wider on every side."""
    touched = F.max_pool2d(renders.maps("saliency"), 8) > 0.5
    wide = F.max_pool2d(touched.float(), 3, stride=1, padding=1)[:, 0]
    return (wide.amax(dim=2, keepdim=True) * wide.amax(dim=1, keepdim=True)).bool()


def denoising_loss(
    denoiser: Denoiser,
    tokenizer: CLIPTokenizer,
    latents: Float[Tensor, "image channel row col"],
    tokens: Int[Tensor, "image token"],
    boxes: Bool[Tensor, "image row col"],
    *,
    batch: int,
) -> LossOf:
    """v-prediction loss with weights `(min(SNR, 5) + 1/4) / (SNR + 1)`, more of it at the object.

    Without the quarter the weights are those of Hang et al. (2023, eq. 8 for v), which fall to
    nothing in the noise where a layout is decided: to 0.004, 0.03 and 0.08 at the first three of 15
    steps. A room has far more that cannot be foretold than an object has shape, and without weights
    the room is most of what is learnt. The box counts the same all over, so that no outline is
    drawn to either side; and nothing counts more while the object's place is open, or it would be
    drawn in several at once.
    Timesteps are stratified over the batch, which takes most of their noise out of the gradient.
    """
    device = next(denoiser.parameters()).device
    denoiser.unet.set_attn_processor(AttnProcessor())
    signal = new_scheduler().alphas_cumprod.to(device)
    snr = signal / (1 - signal)
    weight = (snr.clamp(max=SNR_CEILING) + SNR_FLOOR) / (snr + 1)
    weight = weight / weight.mean()
    extra = (OBJECT_WEIGHT - 1) * (snr > DECIDED_SNR)
    empty = tokens_of(tokenizer, [""])[0]

    def loss_of(generator: torch.Generator) -> Tensor:
        rows = picked(len(latents), batch, generator)
        clean = latents[rows].to(device, torch.float32)
        words = tokens[rows].clone()
        words[torch.rand(batch, generator=generator) < UNCONDITIONAL_SHARE] = empty
        noise = torch.randn(clean.shape, generator=generator).to(device)
        strata = (torch.arange(batch) + torch.rand(batch, generator=generator)) / batch
        timestep = (strata * len(signal)).long().to(device)
        a = signal[timestep].sqrt()[:, None, None, None]
        s = (1 - signal[timestep]).sqrt()[:, None, None, None]
        noisy = (a * clean + s * noise).contiguous(memory_format=torch.channels_last)
        with fast_precision(device):
            context = denoiser.text_encoder(words.to(device)).last_hidden_state
            predicted = denoiser.unet(noisy, timestep, context).sample
        error = (predicted.float() - (a * noise - s * clean)).square().mean(dim=1)
        counts = 1 + extra[timestep][:, None, None] * boxes[rows].to(device)
        return (weight[timestep] * (counts * error).mean(dim=(1, 2))).mean()

    return loss_of
