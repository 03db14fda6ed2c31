"""Ways to decode, of which one differs by what is known."""

import torch

from benchmarks import decoding
from worlds import model as random_model


def test_a_way_is_held_against_the_decoder_as_it_is(monkeypatch):
    vae = random_model().pipeline.vae
    latents = torch.randn(2, vae.config.latent_channels, 8, 8)
    ways = {"as it is": decoding.plain, "channels last": decoding.channels_last}
    ways["moved"] = lambda vae: lambda x: vae.decoder(x) + 0.5
    monkeypatch.setattr(decoding, "WAYS", ways)
    plain, last, moved = decoding.measure(vae, latents, times=2)
    assert (plain["difference"], plain["levels"]) == (0, 0)
    assert last["difference"] < 1e-4
    assert abs(moved["difference"] - 0.5) < 1e-4
    assert moved["levels"] > 0.5
    assert all(each["first_s"] > 0 and each["picture_s"] > 0 for each in (plain, last, moved))
