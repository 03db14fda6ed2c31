from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

import worlds
from underpaint.cli import main as cli
from underpaint.core.errors import RunError
from underpaint.core.properties import DEPTH, SALIENCY
from underpaint.labelers import Labeler
from underpaint.models.layers import find_layers
from underpaint.models.traces import trace
from underpaint.study.budget import Need, check_budget, fit_batch, free_bytes, need
from underpaint.study.folding import fold, labelled

GB = 2**30
NEED = Need({"weights": 4 * GB, "sums": GB}, {"activations": GB, "VAE": GB})


@pytest.mark.parametrize(("available", "batch"), [(7, 1), (8.9, 1), (13, 4), (1000, 32)])
def test_the_largest_batch_that_fits_is_chosen(available, batch):
    assert fit_batch(NEED, int(available * GB)) == batch
    assert NEED.total(batch) <= available * GB


def test_what_does_not_fit_is_refused_with_the_arithmetic():
    line = r"weights 4\.00 \+ sums 1\.00 \+ 1 × \(activations 1\.00 \+ VAE 1\.00\) = 7\.00"
    with pytest.raises(RunError, match=line):
        fit_batch(NEED, 6 * GB)
    with pytest.raises(RunError, match=r"batch of 3 takes.* = 11\.00 GB, and there are 10\.00 GB"):
        check_budget(NEED, 3, 10 * GB)
    check_budget(NEED, 3, 11 * GB)


def test_activations_sums_and_weights_are_counted_exactly(model):
    layers = find_layers(model)
    found = need(model, layers, [SALIENCY, DEPTH], steps=5, controls=0)
    traced = trace(model, worlds.PROMPTS[:1], steps=5, layers=layers)
    live = sum(each.numel() * each.element_size() for each in traced.activations.values())
    assert found.each["activations"] == live
    own = (model.denoiser, model.pipeline.vae, model.pipeline.text_encoder)
    weights = sum(p.numel() * p.element_size() for part in own for p in part.parameters())
    assert found.fixed["weights"] == weights
    batch = labelled(traced, (worlds.LOOK,), (SALIENCY, DEPTH))
    held = sum(each.scatter.nbytes for each in fold(batch)[0].values())
    assert found.fixed["sums"] == 3 * held
    on_gpu = need(
        replace(model, device=torch.device("cuda")), layers, [SALIENCY, DEPTH], steps=5, controls=0
    )
    assert on_gpu.fixed["sums"] == 3 * held
    both = need(model, layers, [SALIENCY, DEPTH], steps=5, controls=1)
    denoiser = sum(p.numel() * p.element_size() for p in model.denoiser.parameters())
    assert both.each["activations"] == 2 * live
    assert both.fixed["weights"] == weights + denoiser


def test_memory_in_use_counts_as_free_where_it_is_ours(model):
    assert free_bytes(model.device, 5) - free_bytes(model.device, 0) == pytest.approx(5, abs=GB)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--budget", "0.001"], "A batch of 32 takes about weights"),
        (["--batch", "auto", "--budget", "0.001"], "A batch of 1 takes about weights"),
        (["--batch", "all"], "--batch is 'all'. Give a whole number of at least 1, or auto."),
        (["--cut", "most"], "--cut is 'most'. Write TRAIN/TEST"),
        (["--resolution", "15"], "cannot draw 15×15 pixels"),
        (["--scheduler", "heun"], "No scheduler 'heun'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    tmp_path, saved_model, options, words
):
    out = tmp_path / "out"
    arguments = ["run", str(out), "--model", str(saved_model), "--device", "cpu", *options]
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 1
    assert words in result.output
    assert not out.exists()


def test_labelers_count_with_their_weights(model):
    layers = find_layers(model)
    look = Labeler("look", ("depth",), "MIT", lambda x: {}, networks=(torch.nn.Linear(4, 4),))
    how = {"steps": 5, "controls": 0}
    assert need(model, layers, [DEPTH], labelers=[look, look], **how).fixed["labelers"] == 160
    assert need(model, layers, [DEPTH], **how).fixed["labelers"] == 0
