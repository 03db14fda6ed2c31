"""One cell of a study by a second route: own hooks, scikit-learn, scipy on upsampled maps."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import Ridge

import worlds
from underpaint.models import decode
from underpaint.probes.fitting import RELATIVE_PENALTIES
from underpaint.runs import runs
from underpaint.study.batches import training_parts
from underpaint.study.stages import carry_out

LAYER, STEP, AGREES = "up.0.1", 1, 1e-6


@pytest.fixture(scope="module")
def study():
    return worlds.study(8)


def seen(study, prompts):
    """Draw with the pipeline alone; give a layer at one step, conditional half, and pictures."""
    layer = next(each for each in study.layers if each.name == LAYER)
    pipeline, model = study.model.pipeline, study.model
    heard = []
    module = dict(pipeline.unet.named_modules())[layer.module]
    hook = module.register_forward_hook(lambda _m, _i, out: heard.append(out.detach().clone()))
    height, width = model.resolution
    try:
        latents = pipeline(
            [prompt.text for prompt in prompts],
            height=height,
            width=width,
            num_inference_steps=study.steps,
            guidance_scale=study.guidance,
            generator=[torch.Generator().manual_seed(prompt.seed) for prompt in prompts],
            output_type="latent",
        ).images
    finally:
        hook.remove()
    rows = heard[STEP][-len(prompts) :].double().numpy()  # image, token, channel
    return rows, decode(model, latents), layer.grid


def depth_of(study, images):
    """Label pictures, and standardise each map, as a relative property's is."""
    maps = study.labelers[0].read(images)["depth"][:, 0].double().numpy()
    mean = maps.mean(axis=(1, 2), keepdims=True)
    return (maps - mean) / maps.std(axis=(1, 2), keepdims=True)


def cells(maps, grid):
    """Average over the pixels of each cell, where sides divide."""
    high, wide = maps.shape[1] // grid[0], maps.shape[2] // grid[1]
    parts = maps.reshape(len(maps), grid[0], high, grid[1], wide)
    return parts.mean(axis=(2, 4)).reshape(len(maps), -1)


def test_scores_are_those_of_hooks_scikit_learn_and_scipy(study, tmp_path):
    run = runs.open_run(tmp_path / "run", {"model": "random"})
    carry_out(study, run, lambda *_: None)
    parts = training_parts(study)
    sets = {}
    for name, prompts in (*parts.items(), ("test", study.split.test)):
        rows, images, grid = seen(study, prompts)
        sets[name] = rows, depth_of(study, images)
    flat = {
        name: (rows.reshape(-1, rows.shape[-1]), cells(maps, grid).ravel())
        for name, (rows, maps) in sets.items()
    }
    x, y = flat["training"]
    scale = np.cov(x.T, bias=True).trace() / x.shape[1]
    errors = {}
    for share in RELATIVE_PENALTIES:
        fitted = Ridge(alpha=len(x) * share * scale, solver="svd").fit(x, y)
        errors[share] = ((fitted.predict(flat["tuning"][0]) - flat["tuning"][1]) ** 2).sum(), fitted
    _, best = min(errors.values(), key=lambda each: each[0])

    rows, maps = sets["test"]
    read = best.predict(rows.reshape(-1, rows.shape[-1])).reshape(len(rows), *grid)
    up = read.repeat(maps.shape[1] // grid[0], axis=1).repeat(maps.shape[2] // grid[1], axis=2)
    found = runs.read_table(run.scores)
    ours = found[
        (found["source"] == "probe")
        & (found["property"] == "depth")
        & (found["layer"] == LAYER)
        & (found["step"] == STEP)
        & (found["split"] == "test")
    ]
    for metric, statistic in (("spearman", stats.spearmanr), ("pearson", stats.pearsonr)):
        theirs = [statistic(a.ravel(), b.ravel()).statistic for a, b in zip(up, maps, strict=True)]
        mine = ours[ours["metric"] == metric].sort_values("image")["value"].to_numpy()
        np.testing.assert_allclose(mine, theirs, atol=AGREES)
