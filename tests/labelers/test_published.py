"""The whole study on folders as they are published: random weights, small widths, every file.

What this proves is that nothing has to be done to a published folder; what probes read in real
weights it cannot say.
"""

import importlib.util
import json
import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file
from test_labelers import marigold, saved
from test_masks import u2net
from test_namers import vit

import worlds
from underpaint import load
from underpaint.cli import main as cli
from underpaint.labelers import masks
from underpaint.models import encode
from underpaint.models.layers import find_layers
from underpaint.runs import runs
from underpaint.scores.tables import block_rows

PROMPTS = [
    f"{thing} on a {place} – n° {n}"
    for n, (thing, place) in enumerate(
        (thing, place)
        for thing in ("a lemon", "an orange", "a mug")
        for place in ("table", "bench", "lawn", "rug", "wall", "quay", "roof", "raft", "road")
    )
]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Save a generator, labelers of depth and shading, and a classifier, once."""
    root = tmp_path_factory.mktemp("published")
    rows = [f'"{text}, dusk",{7 * n},{100 + n}\n' for n, text in enumerate(PROMPTS)]
    (root / "prompts.csv").write_text(
        "prompts,seeds,prompt_inds\n" + "".join(rows), encoding="cp1252"
    )
    vit(root / "vit", ["lemon", "orange", "cup, mug"])
    worlds.published_sd14(root / "sd14")
    saved(root / "dpt")
    (root / "dpt" / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    marigold(root / "marigold", "MarigoldIntrinsicsPipeline")
    return root


def tracer(folder: Path) -> Path:
    """Save TRACER with random weights, as `underpaint convert` would."""
    from carvekit.ml.arch.tracerb7 import efficientnet
    from carvekit.ml.arch.tracerb7.tracer import TracerDecoder

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = TracerDecoder(encoder=efficientnet.EfficientEncoderB7())
    folder.mkdir()
    save_file(network.state_dict(), folder / "model.safetensors")
    return folder


def test_a_published_folder_has_the_literature_s_table_1(published):
    rows = block_rows(find_layers(load(str(published / "sd14"), device="cpu")))
    assert [(name, int(count), grid) for name, count, grid, _ in rows] == [
        ("Encoder 1", 2, "64×64"),
        ("Encoder 2", 2, "32×32"),
        ("Encoder 3", 2, "16×16"),
        ("Encoder 4", 0, "–"),
        ("Bottleneck", 1, "8×8"),
        ("Decoder 1", 0, "–"),
        ("Decoder 2", 3, "16×16"),
        ("Decoder 3", 3, "32×32"),
        ("Decoder 4", 3, "64×64"),
    ]
    assert [width for *_, width in rows] == ["8", "16", "32", "–", "32", "–", "32", "16", "8"]


def test_the_table_is_printed_by_the_command(published):
    result = CliRunner().invoke(cli.main, ["layers", str(published / "sd14"), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert re.search(r"Encoder 4 +│ 0 +│ – +│ –", result.output)
    assert re.search(r"Decoder 4 +│ 3 +│ 64×64 +│ 8", result.output)


def test_the_default_scheduler_is_refused_with_what_to_do(published, tmp_path):
    out = tmp_path / "out"
    arguments = ["run", str(out), "--model", str(published / "sd14"), "--resolution", "64"]
    arguments += ["--count", "27", "--steps", "2", "--device", "cpu", "--quick"]
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 1
    assert "PNDMScheduler would run the denoiser 3 times for 2 steps" in result.output


needs_carvekit = pytest.mark.skipif(
    importlib.util.find_spec("carvekit") is None, reason="carvekit is not installed"
)


@pytest.mark.parametrize(
    ("make", "file"),
    [
        (u2net, "u2net.onnx"),
        pytest.param(tracer, "tracer", marks=[needs_carvekit, pytest.mark.slow]),
    ],
    ids=["u2net", "tracer"],
)
def test_the_paper_s_study_finishes_every_stage(published, tmp_path, monkeypatch, make, file):
    monkeypatch.setattr(masks, "TRACER_SIDE_PX", 64)
    root, out = published, tmp_path / "out"
    labelers = {
        "saliency": make(tmp_path / file),
        "depth": root / "dpt",
        "shading": root / "marigold",
    }
    arguments = ["run", str(out), "--preset", "paper", "--device", "cpu", "--quick"]
    arguments += ["--model", str(root / "sd14"), "--prompts", str(root / "prompts.csv")]
    arguments += ["--count", "27", "--steps", "2", "--resolution", "64", "--batch", "27"]
    arguments += ["--labelers", ",".join(f"{name}={path}" for name, path in labelers.items())]
    result = CliRunner().invoke(cli.main, [*arguments, "--classifier", str(root / "vit")])
    assert result.exit_code == 0, result.output
    assert "prompts.csv was read as cp1252" in result.output
    assert f"Labels of depth: {root / 'dpt'} (apache-2.0)" in result.output

    settings = runs.read_json(out / "run.json")
    assert settings["scheduler"] == "LMSDiscreteScheduler"
    assert settings["guidance"] == 7.5
    assert len(settings["layers"]) == 16
    licence, fingerprint = settings["labelers"][str(root / "dpt")]
    assert licence == "apache-2.0"
    assert fingerprint.startswith("sha256:")
    summary = json.loads(CliRunner().invoke(cli.main, ["show", str(out), "--json"]).output)
    assert summary["images"] == {"train": 9, "validation": 2, "test": 16}
    for name in labelers:
        assert len(summary["properties"][name]["sources"]["probe"]["by_step"]) == 2
    assert summary["cost"]["peak_vram_mb"] is None
    for made in ("probes.safetensors", "scores.parquet", "figures", "site/index.html"):
        assert (out / made).exists()

    named = CliRunner().invoke(cli.main, ["classify", str(out), "--quick", "--device", "cpu"])
    assert named.exit_code == 0, named.output
    found = runs.read_json(out / "summary.json")["classify"]
    assert found["classes"] == ["lemon", "orange", "cup, mug"]
    assert found["left_out"] == 0


def test_encoding_and_decoding_keep_a_published_vae_s_scale(published):
    model = load(str(published / "sd14"), device="cpu", resolution=64)
    assert encode(model, torch.zeros(1, 3, 64, 64)).shape == (1, 4, 8, 8)
