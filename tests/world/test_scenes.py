import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from underpaint.core.errors import PromptError
from underpaint.models.weights import TINY
from underpaint.world.autoencoder import (
    Decoding,
    decoding_loss,
    encode_all,
    fold_normalisation,
    new_autoencoder,
    reconstruct,
)
from underpaint.world.denoiser import new_scheduler
from underpaint.world.drawing import render_shards
from underpaint.world.layouts import layout
from underpaint.world.render import BLOCK_COLOUR, BLOCKS, FLOOR, render
from underpaint.world.renders import draw, read_shards
from underpaint.world.tokens import TOKENS, caption_of, new_tokenizer, tokens_of
from underpaint.world.words import (
    CAPTIONS,
    FLOORS,
    HELD_OUT,
    OBJECTS,
    TRAINING,
    VOCABULARY,
    parse,
    unknown_words,
)

# Words


def test_every_caption_parses_and_prints_back():
    assert len({str(caption) for caption in CAPTIONS}) == len(CAPTIONS) == 1800
    for caption in CAPTIONS:
        assert parse(str(caption)) == caption
        assert parse(f"  {str(caption).upper()} ") == caption


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a photo of the sea",
        "a red dog on a sand floor, light from above",
        "a red ball on a sand floor, light from below",
        "a red ball on a sand floor, light from above, please",
    ],
)
def test_what_is_no_caption_is_refused_in_its_own_words(text):
    with pytest.raises(PromptError) as refusal:
        parse(text)
    assert repr(text) in str(refusal.value)
    assert str(CAPTIONS[0]) in str(refusal.value)


def test_no_mirror_carries_a_held_out_caption_into_training():
    training = set(TRAINING)
    assert not training & HELD_OUT
    assert training | HELD_OUT == set(CAPTIONS)
    assert len(HELD_OUT) == 180
    for captions in (training, set(HELD_OUT)):
        assert {caption.mirrored for caption in captions} == captions
    assert all(caption.mirrored.mirrored == caption for caption in CAPTIONS)


def test_training_shows_every_word_of_every_held_out_caption():
    shown = [set(words) for words in zip(*(caption.classes for caption in TRAINING), strict=True)]
    for caption in HELD_OUT:
        assert all(word in words for word, words in zip(caption.classes, shown, strict=True))


def test_unknown_words_are_named_once_in_order():
    assert unknown_words("A zebra on a RED floor, zebra-striped, in 2 halves") == (
        "zebra", "striped", "in", "2", "halves",
    )  # fmt: skip
    assert all(unknown_words(str(caption)) == () for caption in CAPTIONS)


# Tokens


def test_every_word_is_one_token_and_other_words_fall_to_pieces():
    tokenizer = new_tokenizer()
    for word in VOCABULARY:
        assert tokenizer.tokenize(word) == [f"{word}</w>"]
    for word in ("zebra", "redball", "Größe"):
        pieces = tokenizer.tokenize(word)
        assert len(pieces) > 1
        assert tokenizer.unk_token not in pieces


def test_training_meets_the_noise_that_tiny_ships_with():
    shipped = DDIMScheduler.from_pretrained(TINY, subfolder="scheduler").config
    built = new_scheduler().config
    assert all(shipped[name] == value for name, value in built.items() if name[0] != "_")


def test_every_caption_fits_its_tokens():
    tokenizer = new_tokenizer()
    captions = [str(caption) for caption in CAPTIONS]
    tokens = tokens_of(tokenizer, captions)
    assert tokens.shape == (len(CAPTIONS), TOKENS)
    words = torch.tensor([len(caption.replace(",", " ,").split()) for caption in captions])
    assert ((tokens != tokenizer.eos_token_id).sum(dim=1) == words + 1).all()  # + the start token
    assert (tokens[:, 0] == tokenizer.bos_token_id).all()
    assert len(tokens.unique(dim=0)) == len(CAPTIONS)


# Pictures


@pytest.mark.parametrize("thing", OBJECTS)
def test_a_picture_is_albedo_times_shading_plus_highlight(thing):
    random = np.random.default_rng(OBJECTS.index(thing))
    captions = [caption for caption in CAPTIONS if caption.object == thing]
    for caption in captions[:: len(captions) // 3]:
        # One ray a pixel, so that one surface fills it and no average stands between the parts.
        pixels = render(layout(caption, random), 64, 1)
        image, mask, depth, shading = np.split(pixels[..., :6], (3, 4, 5), axis=-1)
        normals, albedo, drawn = np.split(pixels[..., 6:], (3, 6), axis=-1)
        assert np.isfinite(pixels).all()
        assert (drawn == 1).all()
        assert (depth > 0).all()
        assert 0 < mask.mean() < 1
        np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-5)
        matte = np.minimum(albedo * shading, 1)
        assert (image >= matte - 1e-5).all()
        background = mask[..., 0] == 0
        np.testing.assert_allclose(image[background], matte[background], atol=1e-5)
        highlight = (image - matte)[~background]
        assert highlight.max() < 0.25 + 1e-5


def test_what_a_caption_names_shows_in_its_picture():
    random = np.random.default_rng(0)
    for caption in CAPTIONS[::29]:
        scene = layout(caption, random)
        other, bare = scene.copy(), scene.copy()
        other[FLOOR] = (scene[FLOOR] + 1) % len(FLOORS)
        bare[BLOCKS:BLOCK_COLOUR] = 0
        drawn, refloored, cleared = (render(each, 64, 1) for each in (scene, other, bare))
        floor = (drawn[..., 9:12] != refloored[..., 9:12]).any(axis=-1)
        assert floor.mean() > 0.02
        assert drawn[..., 3].sum() > 0.7 * cleared[..., 3].sum() > 0


def test_renders_keep_the_truth_to_the_byte():
    caption = parse("a teal mug on a checkered floor, light from the left")
    renders = draw([caption, caption.mirrored], seed=3)
    assert renders.classes.tolist() == [list(caption.classes), list(caption.mirrored.classes)]
    assert {name: maps.shape[1] for name, maps in renders.truth.items()} == {
        "image": 3, "saliency": 1, "shading": 1, "normals": 3, "albedo": 3,
    }  # fmt: skip
    random = np.random.default_rng(3)
    pixels = torch.from_numpy(render(layout(caption, random), 128, 2)).permute(2, 0, 1)
    assert (renders.maps("image")[0] - pixels[:3]).abs().max() <= 0.5 / 255 + 1e-6
    assert (renders.maps("normals")[0] - pixels[6:9]).abs().max() <= 1 / 255 + 1e-6
    assert (renders.maps("depth") > 0).all()
    assert renders.maps("normals").norm(dim=1).max() < 1 + 2 / 255  # averaged: one or shorter


def test_shards_are_drawn_beside_networks_at_work_and_never_twice(tmp_path):
    torch.rand(512, 512) @ torch.rand(512, 512)  # starts torch's threads, which no fork inherits
    said = []
    paths = render_shards(tmp_path, 1, workers=1, progress=said.append, scenes=3)
    again = render_shards(tmp_path, 1, workers=1, progress=said.append, scenes=3)
    held_out, training = (
        {caption_of(tuple(each)) for each in read_shards([path]).classes.tolist()} for path in paths
    )
    assert again == paths
    assert len(said) == 1
    assert held_out <= HELD_OUT
    assert not training & HELD_OUT


def test_the_same_seed_draws_the_same_picture():
    captions = [CAPTIONS[7], CAPTIONS[1234]]
    first, again, other = (draw(captions, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(first.depth, again.depth)
    assert all(torch.equal(maps, again.truth[name]) for name, maps in first.truth.items())
    assert not torch.equal(first.truth["image"], other.truth["image"])


# Training


@torch.no_grad()
def test_folding_normalises_latents_and_leaves_the_pictures_alone():
    torch.manual_seed(0)
    vae = new_autoencoder().eval()
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    before = vae.encode(images).latent_dist
    pictures = vae.decode(before.mean).sample
    spread = before.mean.std(dim=(0, 2, 3))
    after = fold_normalisation(vae, before.mean).encode(images).latent_dist
    torch.testing.assert_close(after.mean.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(after.mean.std(dim=(0, 2, 3)), torch.ones(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(vae.decode(after.mean).sample, pictures, atol=1e-4, rtol=1e-4)
    expected = before.std / spread[None, :, None, None]
    torch.testing.assert_close(after.std, expected, atol=0, rtol=1e-3)


@pytest.fixture(scope="module")
def few():
    return draw(
        [parse(f"a red {thing} on a sand floor, light from above") for thing in OBJECTS], seed=1
    )


def test_the_decoder_learns_alone_and_latents_stay_what_they_were(few):
    torch.manual_seed(0)
    vae = new_autoencoder()
    latents = encode_all(vae, few.truth["image"], mirrored=False)
    before = (reconstruct(vae, few) - few.maps("image")).square().mean()
    drawn = Decoding(vae)
    loss_of = decoding_loss(drawn, few, latents)
    optimizer = torch.optim.Adam(drawn.parameters(), 1e-3)
    for step in range(6):
        optimizer.zero_grad()
        loss_of(torch.Generator().manual_seed(step)).backward()
        optimizer.step()
    assert (reconstruct(vae, few) - few.maps("image")).square().mean() < 0.7 * before
    assert torch.equal(encode_all(vae, few.truth["image"], mirrored=False), latents)
