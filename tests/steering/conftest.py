"""Fixtures of edits and searches: a whole run on a random model, carried out once."""

import pytest
from click.testing import CliRunner

import worlds
from underpaint.cli import edit as cli_edit
from underpaint.cli import moved as cli_moved
from underpaint.cli.main import main
from underpaint.core.prompts import Prompt, split_prompts
from underpaint.core.properties import DEPTH, SALIENCY, SHADING
from underpaint.models.layers import find_layers
from underpaint.runs import runs
from underpaint.steering.setups import Setup
from underpaint.study.stages import carry_out
from underpaint.study.study import Study


@pytest.fixture(scope="session")
def finished(tmp_path_factory, model):
    """Carry out a small study once; tests that write into it take a copy."""
    layers = find_layers(model)
    prompts = [Prompt(f"thing {i}", i, i) for i in range(24)]
    split = split_prompts(prompts)
    settings = {
        "model": "world",
        "fingerprint": model.fingerprint,
        "scheduler": "DDIMScheduler",
        "steps": worlds.STEPS,
        "guidance": 3.0,
        "layers": [layer.name for layer in layers],
        "properties": ["saliency", "depth", "shading"],
    }
    run = runs.open_run(tmp_path_factory.mktemp("runs") / "run", settings)
    carry_out(
        Study(
            model,
            (worlds.BRIGHTEST,),
            (SALIENCY, DEPTH, SHADING),
            layers,
            split,
            worlds.STEPS,
            3.0,
            8,
        ),
        run,
        lambda *_: None,
    )
    return run


@pytest.fixture
def setup(model, finished):
    return Setup(
        model=model,
        labelers=(worlds.BRIGHTEST,),
        probes=runs.read_probes(finished, model.device),
        moments=runs.read_moments(finished, model.device)[0]["training"],
        layers=find_layers(model)[-2:],
        steps=worlds.STEPS,
        guidance=3.0,
        batch=4,
    )


@pytest.fixture
def run(finished, tmp_path):
    """Copy the finished run."""
    copy = runs.Run(tmp_path / "run")
    copy.folder.mkdir()
    for path in finished.folder.iterdir():
        if path.is_file():
            (copy.folder / path.name).write_bytes(path.read_bytes())
    return copy


@pytest.fixture
def command(run, monkeypatch):
    """Call `underpaint edit` on that run, with the random model in place of one from disk."""
    monkeypatch.setattr(cli_moved, "load_as", lambda *_, **__: worlds.model())
    monkeypatch.setattr(cli_edit, "labelers_for", lambda *_: (worlds.BRIGHTEST,))
    monkeypatch.setattr(cli_edit, "namers_for", lambda *_: {"object": worlds.NAMER})

    def call(*arguments):
        asked = ["edit", str(run.folder), *map(str, arguments)]
        return CliRunner().invoke(main, asked)

    return call
