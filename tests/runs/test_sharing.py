"""Shared probes come back as they were, say what they are worth, and are refused elsewhere."""

import json
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from click.testing import CliRunner

import worlds
from underpaint.cli import main as cli
from underpaint.core.errors import ModelError, RunError
from underpaint.models.identity import identity_of
from underpaint.runs import runs, sharing
from underpaint.runs.sharing import load_probes, push_probes, share_run
from underpaint.study.stages import carry_out

LAYERS = ["down.0.0", "down.1.0", "mid.0", "up.0.0", "up.0.1", "up.1.0", "up.1.1"]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    run = runs.open_run(
        tmp_path_factory.mktemp("runs") / "run",
        {
            "model": "owner/thing@c0ffee",
            "fingerprint": "sha256:abc",
            "scheduler": "DDIMScheduler",
            "layers": LAYERS,
            "steps": 2,
            "guidance": 3.0,
            "properties": ["saliency", "depth"],
            "labelers": {"brightness": ["MIT", "sha256:def"]},
            "dtype": "torch.float32",
        },
    )
    carry_out(worlds.study(20), run, lambda *_: None)
    return run


@pytest.fixture
def folder(done, tmp_path) -> Path:
    share_run(done, tmp_path / "shared")
    return tmp_path / "shared"


def test_probes_come_back_as_they_were_with_what_they_read(done, folder):
    shared = load_probes(str(folder))
    own = runs.read_probes(done, torch.device("cpu"))
    best = shared.best_layers
    expected = {(name, best[name], step) for name in ("saliency", "depth") for step in (0, 1)}
    assert set(shared.probes) == expected
    for key, probe in shared.probes.items():
        assert torch.equal(probe.weight, own[key].weight)
        assert probe.threshold == own[key].threshold
    assert (shared.model, shared.steps, shared.guidance) == ("owner/thing@c0ffee", 2, 3.0)


def test_every_layer_can_be_shared(done, tmp_path):
    share_run(done, tmp_path / "all", every=True)
    layers = {layer for _, layer, _ in load_probes(str(tmp_path / "all")).probes}
    assert layers == set(LAYERS)  # and neither latents nor the permuted control


def test_the_card_says_scores_licences_and_fingerprint_and_the_hub_can_read_it(done, folder):
    card = huggingface_hub.ModelCard.load(folder / "README.md")
    assert card.data.base_model == "owner/thing"
    assert "underpaint" in card.data.tags
    text = card.text
    assert "| brightness | MIT | sha256:def |" in text
    assert "| fingerprint | sha256:abc |" in text
    final = runs.read_json(done.summary)["properties"]["depth"]["sources"]["probe"]["final"]
    assert f"| Residual correlation | {final['mean']:.2f} |".replace("-", "−") in text


def test_a_local_path_is_not_published_in_the_card(done, tmp_path):
    path = tmp_path / "secret" / "mine"
    path.mkdir(parents=True)
    own = {str(path): ["MIT", "sha256:def"]}
    settings = {**runs.read_json(done.settings), "model": str(path), "labelers": own}
    copy = runs.Run(Path(shutil.copytree(done.folder, tmp_path / "copy")))
    runs.write_json(copy.settings, settings)
    share_run(copy, tmp_path / "shared")
    for name in ("README.md", "probes.json"):
        text = (tmp_path / "shared" / name).read_text()
        assert "secret" not in text
        assert "mine" in text


def test_probes_of_other_weights_are_refused(folder, model):
    with pytest.raises(
        ModelError, match=r"fitted on owner/thing@c0ffee with fingerprint sha256:abc, and world"
    ):
        load_probes(str(folder), model=model)


@pytest.mark.parametrize("name", ["configuration", "scheduler"])
def test_probes_of_the_same_weights_set_otherwise_are_refused(folder, tmp_path, model, name):
    copy = shutil.copytree(folder, tmp_path / "copy")
    about = json.loads((copy / "probes.json").read_text())
    about |= {**identity_of(model), name: "another"}
    (copy / "probes.json").write_text(json.dumps(about))
    with pytest.raises(
        ModelError, match=f"fitted on owner/thing@c0ffee with {name} another, and world"
    ):
        load_probes(str(copy), model=model)


def test_a_folder_in_use_or_a_run_that_is_not_whole_is_refused(done, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(RunError, match="in use and holds no shared probes"):
        share_run(done, tmp_path)
    copy = runs.Run(Path(shutil.copytree(done.folder, tmp_path / "copy")))
    copy.probes.write_bytes(copy.probes.read_bytes()[:-9])
    with pytest.raises(RunError, match=r"probes\.safetensors is damaged"):
        share_run(copy, tmp_path / "shared")
    assert not (tmp_path / "shared").exists()


@pytest.mark.parametrize("name", ["probes.safetensors", "probes.json"])
def test_shared_probes_cut_short_or_missing_are_one_line(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes()[:-9])
    with pytest.raises(RunError, match="holds no whole shared probes") as caught:
        load_probes(str(folder))
    assert "\n" not in str(caught.value)
    (folder / name).unlink()
    with pytest.raises(RunError, match="holds no whole shared probes"):
        load_probes(str(folder))


def test_what_is_nowhere_is_refused(monkeypatch, tmp_path):
    with pytest.raises(RunError, match="there is no such folder and it is no hub id"):
        load_probes("no/such/folder")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(RunError, match=r"No shared probes 'nobody/none': the hub did not"):
        load_probes("nobody/none")


class Hub:
    """Stands in for the hub's client: a folder, and what was asked of it."""

    def __init__(self, root: Path) -> None:
        self.root, self.asked = root, []

    def create_repo(self, repo_id, **options):
        self.asked.append((repo_id, options))

    def upload_folder(self, *, repo_id, folder_path, allow_patterns, commit_message):
        for name in allow_patterns:
            (self.root / repo_id).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(folder_path) / name, self.root / repo_id / name)
        return f"hub:{repo_id}"

    def snapshot_download(self, repo_id, *, revision, allow_patterns):
        self.asked.append((repo_id, revision))
        return str(self.root / repo_id)


@pytest.fixture
def hub(monkeypatch, tmp_path) -> Hub:
    stand_in = Hub(tmp_path / "hub")
    monkeypatch.setattr(sharing.huggingface_hub, "HfApi", lambda: stand_in)
    monkeypatch.setattr(sharing.huggingface_hub, "snapshot_download", stand_in.snapshot_download)
    return stand_in


def test_probes_go_to_the_hub_and_come_back_pinned(hub, folder):
    assert push_probes(folder, "me/probes") == "hub:me/probes"
    assert hub.asked == [("me/probes", {"private": True, "exist_ok": True})]
    assert set(load_probes("me/probes@c0ffee").probes) == set(load_probes(str(folder)).probes)
    assert hub.asked[-1] == ("me/probes", "c0ffee")


def test_a_hub_that_refuses_is_one_line(hub, folder, monkeypatch):
    def forbidden(*_, **__):
        raise RuntimeError("403 Forbidden\nand more")

    monkeypatch.setattr(hub, "create_repo", forbidden)
    with pytest.raises(RunError, match=r"did not take .* as me/probes \(403 Forbidden\)"):
        push_probes(folder, "me/probes")


def test_the_command_writes_and_pushes(hub, done, tmp_path):
    arguments = ["share", str(done.folder), str(tmp_path / "shared"), "--push", "me/probes"]
    result = CliRunner().invoke(cli.main, [*arguments, "--public"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "hub:me/probes"
    assert hub.asked[0] == ("me/probes", {"private": False, "exist_ok": True})
