"""Published sizes with random weights on the CPU: memory, and Table 1 with its widths.

Minutes and gigabytes: run with `pytest -m slow tests/test_full_size.py`. Each prints what it
measured as one line of JSON; docs/models.md quotes them.
"""

import json
import resource
import time
from contextlib import contextmanager
from dataclasses import replace

import diffusers
import psutil
import pytest
import torch
import transformers
from safetensors.torch import save_file

import worlds
from underpaint.core.properties import DEPTH, SALIENCY, SHADING
from underpaint.labelers import Labeler, label, labeler, name, namer
from underpaint.labelers.masks import tracer_labeler
from underpaint.models import Model
from underpaint.models.layers import find_layers
from underpaint.models.schedules import swap
from underpaint.models.traces import trace
from underpaint.scores.tables import block_rows
from underpaint.study.budget import check_budget, need

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")


@contextmanager
def measured(what: str, **notes):
    """Print wall and processor seconds and the peak of memory, after the block."""
    begun, cpu = time.perf_counter(), time.process_time()
    yield notes
    notes |= {
        "what": what,
        "seconds": round(time.perf_counter() - begun, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(f"\n{json.dumps(notes)}")


def sd14() -> Model:
    """Build Stable Diffusion v1.4 at its published size, from UNet to text encoder."""
    torch.manual_seed(0)
    tokens = worlds.tokenizer()
    config = worlds.text_config(tokens)
    config.update(
        {
            "vocab_size": 49408,
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "max_position_embeddings": 77,
        }
    )
    pipeline = diffusers.StableDiffusionPipeline(
        vae=diffusers.AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4,
            latent_channels=4,
            sample_size=512,
        ).eval(),
        text_encoder=transformers.CLIPTextModel(config).eval(),
        tokenizer=tokens,
        unet=diffusers.UNet2DConditionModel(
            sample_size=64, cross_attention_dim=768, attention_head_dim=8
        ).eval(),
        scheduler=swap(worlds.ddim(), "lms"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return Model.of(pipeline, name="sd14")


def skip_without_memory(gigabytes: int) -> None:
    """Skip where the process would be killed: what is asked for is the measured peak and a bit."""
    if (free := psutil.virtual_memory().available / 2**30) < gigabytes:
        pytest.skip(f"{free:.1f} GB of memory are free, and {gigabytes} are needed")


def test_stable_diffusion_v1_4_is_traced_in_full():
    skip_without_memory(8)
    with torch.random.fork_rng(), measured("SD v1.4, float32, 2 images x 2 steps, 512²") as notes:
        model = sd14()
        layers = find_layers(model)
        assert block_rows(layers) == [
            ("Encoder 1", "2", "64×64", "320"),
            ("Encoder 2", "2", "32×32", "640"),
            ("Encoder 3", "2", "16×16", "1280"),
            ("Encoder 4", "0", "–", "–"),
            ("Bottleneck", "1", "8×8", "1280"),
            ("Decoder 1", "0", "–", "–"),
            ("Decoder 2", "3", "16×16", "1280"),
            ("Decoder 3", "3", "32×32", "640"),
            ("Decoder 4", "3", "64×64", "320"),
        ]
        seen = trace(model, worlds.PROMPTS[:2], steps=2, guidance=7.5, layers=layers)
        assert seen.images.shape == (2, 3, 512, 512)
        assert all(each.isfinite().all() for each in seen.activations.values())
        kept = sum(each.numel() * 4 for each in seen.activations.values())
        properties = [SALIENCY, DEPTH, SHADING]
        found = need(model, layers, properties, steps=2, controls=0)
        assert found.each["activations"] * 2 == kept
        notes["parameters_unet"] = sum(p.numel() for p in model.denoiser.parameters())
        notes["activations_mb"] = round(kept / 2**20, 1)
        notes["predicted_mb"] = round((found.total(2) - found.fixed["sums"]) / 2**20)
        notes["predicted"] = found.sentence(2)
        full = need(model, layers, properties, steps=15, controls=0)
        notes["predicted_15_steps_batch_1"] = full.sentence(1)


def test_the_paper_s_study_fits_small_gpus():
    skip_without_memory(6)
    with torch.random.fork_rng(), measured("SD v1.4, float16: its sizes, one step") as notes:
        model = sd14()
        layers = find_layers(model)
        model.pipeline.to(torch.float16)
        on_gpu = replace(model, dtype=torch.float16, device=torch.device("cuda"))
        weights = torch.nn.Linear(343_030_465, 1, bias=False, device="meta")  # as DPT-Large has
        depth = Labeler("DPT-Large", ("depth",), "Apache-2.0", lambda _: {}, networks=(weights,))
        properties = [SALIENCY, DEPTH, SHADING]
        found = need(on_gpu, layers, properties, steps=15, controls=0, labelers=[depth])
        notes["parameters_unet"] = sum(p.numel() for p in model.denoiser.parameters())
        notes["predicted_float16_15_steps_batch_1"] = found.sentence(1)
        notes["predicted_float16_15_steps_batch_4"] = found.sentence(4)
        check_budget(found, 1, 10 * 2**30)
        check_budget(found, 4, 24 * 2**30)


def test_dpt_large_at_full_size(tmp_path):
    with torch.random.fork_rng(), measured("DPT-Large, 384², 1 image") as notes:
        torch.manual_seed(0)
        network = transformers.DPTForDepthEstimation(
            transformers.DPTConfig(
                hidden_size=1024,
                num_hidden_layers=24,
                num_attention_heads=16,
                intermediate_size=4096,
                image_size=384,
                backbone_out_indices=[5, 11, 17, 23],
                neck_hidden_sizes=[256, 512, 1024, 1024],
            )
        )
        notes["parameters"] = sum(p.numel() for p in network.parameters())
        network.save_pretrained(tmp_path)
        del network
        transformers.DPTImageProcessor(size={"height": 384, "width": 384}).save_pretrained(tmp_path)
        found = labeler("depth", str(tmp_path), CPU)
        maps = label([found], [DEPTH], torch.rand(1, 3, 512, 512))["depth"]
        assert maps.shape == (1, 1, 512, 512)
        # Inverse depth: the network ends in a ReLU, and cubic resizing may undershoot a little.
        notes["least"], notes["largest"] = float(maps.min()), float(maps.max())
        assert maps.isfinite().all()


def test_tracer_at_full_size(tmp_path):
    pytest.importorskip("carvekit")
    with torch.random.fork_rng(), measured("TRACER with EfficientNet-B7, 640², 1 image") as notes:
        from carvekit.ml.arch.tracerb7 import efficientnet
        from carvekit.ml.arch.tracerb7.tracer import TracerDecoder

        torch.manual_seed(0)
        network = TracerDecoder(encoder=efficientnet.EfficientEncoderB7())
        notes["parameters"] = sum(p.numel() for p in network.parameters())
        save_file(network.state_dict(), tmp_path / "model.safetensors")
        del network
        # By its loader, not its door: random weights may well see the check scene upside down.
        found = tracer_labeler(str(tmp_path), CPU)
        maps = label([found], [SALIENCY], torch.rand(1, 3, 512, 512))["saliency"]
        assert maps.shape == (1, 1, 512, 512)
        assert 0 <= maps.min() < maps.max() <= 1


def test_vgg_16_at_full_size(tmp_path):
    from torchvision.models import vgg16

    with torch.random.fork_rng(), measured("VGG-16, 224², 2 images") as notes:
        torch.manual_seed(0)
        network = vgg16(weights=None)
        notes["parameters"] = sum(p.numel() for p in network.parameters())
        save_file(network.state_dict(), tmp_path / "model.safetensors")
        del network
        found = namer(f"vgg16:{tmp_path}", CPU)
        assert found.classes[951] == "lemon"
        chances = name(found, torch.rand(2, 3, 512, 512))
        assert chances.shape == (2, 1000)
        torch.testing.assert_close(chances.sum(dim=1), torch.ones(2))
