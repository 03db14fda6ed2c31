"""The example in every public function's docstring runs, and gives what it says it gives."""

import doctest
import inspect

import pytest
import torch

import underpaint as up
import worlds
from underpaint.runs import runs
from underpaint.study.stages import carry_out

WITHOUT = {"score"}
"""Called by a study, with a batch and thresholds of its own."""
FUNCTIONS = sorted(name for name in up.__all__ if inspect.isroutine(getattr(up, name)))


@pytest.fixture(scope="module")
def names(model, tmp_path_factory):
    """Name what examples may use: a model, a finished run, shared probes and a folder."""
    folder = tmp_path_factory.mktemp("examples")
    settings = {
        "model": "owner/thing", "fingerprint": "sha256:abc", "scheduler": "DDIMScheduler",
        "layers": [layer.name for layer in up.find_layers(model)], "steps": 2, "guidance": 3.0,
        "properties": ["saliency", "depth"], "labelers": {"brightness": ["MIT", ""]},
        "dtype": "torch.float32",
    }  # fmt: skip
    run = runs.open_run(folder / "run", settings)
    carry_out(worlds.study(20), run, lambda *_: None)
    up.share_run(run, folder / "shared")
    site = worlds.site(run, folder / "site")
    places = {
        "OUT": run.folder, "FOLDER": folder, "SHARED": str(folder / "shared"), "SITE": site,
    }  # fmt: skip
    return {"up": up, "torch": torch, "model": model, **places}


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in WITHOUT])
def test_the_example_of_a_public_function_gives_what_it_says(name, names):
    function = inspect.unwrap(getattr(up, name))
    examples = doctest.DocTestParser().get_doctest(
        function.__doc__ or "", dict(names), name, function.__code__.co_filename, 0
    )
    assert examples.examples, f"{name} has no example"
    said = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert runner.run(examples, out=said.append).failed == 0, "".join(said)
