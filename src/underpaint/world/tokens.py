"""Words to numbers: the tokenizer and text encoders of the denoisers, CLIP's classes, narrow."""

import json
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Int
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTokenizer

from ..models.weights import find_folder
from .words import CAPTIONS, Caption

TOKENS = 16
WIDTH = 64


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


def kept_tokenizer(kept: Path, warm: Path | None) -> CLIPTokenizer:
    """Take the tokenizer that a denoiser's training began with, or begin with one in `kept`.

    It is that of the folder whose weights training begins with, where there is one.

    Byte pairs that are equally frequent are learnt in no fixed order, so no two that are learnt
    number words alike, and weights know words by their numbers alone.
    """
    if not kept.exists():
        source = None if warm is None else find_folder(str(warm)) / "tokenizer"
        begun = new_tokenizer() if source is None else CLIPTokenizer.from_pretrained(source)
        unfinished = kept.with_suffix(".part")
        begun.save_pretrained(unfinished)
        unfinished.rename(kept)
    return CLIPTokenizer.from_pretrained(kept)


def text_config(tokenizer: CLIPTokenizer) -> CLIPTextConfig:
    """Describe a text encoder of two layers that reads this tokenizer's words."""
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        projection_dim=WIDTH,
        bos_token_id=cast(int, tokenizer.bos_token_id),
        eos_token_id=cast(int, tokenizer.eos_token_id),
        pad_token_id=cast(int, tokenizer.pad_token_id),
    )


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
