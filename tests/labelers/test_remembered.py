"""Labels that are kept: the same to the bit, read once, and of nothing but that picture."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from test_labelers import saved

import worlds
from underpaint.cli import main as cli
from underpaint.core.errors import RunError
from underpaint.labelers import Labeler
from underpaint.labelers.remembered import remembering
from underpaint.runs import runs


def pictures(count: int = 3, *, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def asked():
    """List how many pictures the labeler was shown, call by call."""
    return []


@pytest.fixture
def plain(asked):
    def read(images: torch.Tensor) -> dict[str, torch.Tensor]:
        asked.append(len(images))
        return {"depth": images[:, :1].double().exp().float(), "normals": images * 2 - 1}

    return Labeler("stand-in", ("depth", "normals"), "MIT", read, "sha256:1")


def test_what_was_kept_is_what_was_said_to_the_bit(plain, asked, tmp_path):
    kept = remembering(plain, tmp_path)
    said = plain.read(pictures())
    for _ in range(2):
        found = kept.read(pictures())
        assert found.keys() == said.keys()
        assert all(torch.equal(found[name], said[name]) for name in said)
    assert asked == [3, 3, 1]


def test_only_new_pictures_are_shown_and_each_keeps_its_place(plain, asked, tmp_path):
    kept = remembering(plain, tmp_path)
    old, new = pictures(2), pictures(3, seed=1)
    kept.read(old)
    mixed = torch.stack([new[0], old[1], new[1], old[0], new[2]])
    found = kept.read(mixed)
    assert asked == [2, 1, 3]
    torch.testing.assert_close(found["normals"], mixed * 2 - 1, rtol=0, atol=0)


@pytest.mark.parametrize("change", [{"fingerprint": "sha256:2"}, {"name": "another"}])
def test_another_labeler_s_maps_are_not_taken(plain, asked, tmp_path, change):
    remembering(plain, tmp_path).read(pictures())
    remembering(replace(plain, **change), tmp_path).read(pictures())
    assert asked == [3, 1, 3, 1]


def test_a_labeler_that_nothing_names_is_not_kept(plain, tmp_path):
    nameless = replace(plain, fingerprint="")
    assert remembering(nameless, tmp_path) is nameless


def test_a_file_that_is_cut_short_is_made_again(plain, asked, tmp_path):
    kept = remembering(plain, tmp_path)
    said = kept.read(pictures())
    for path in tmp_path.rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:40])
    again = kept.read(pictures())
    assert torch.equal(again["depth"], said["depth"])
    assert asked == [3, 1, 3]
    kept.read(pictures())
    assert asked == [3, 1, 3]


def test_a_folder_that_cannot_be_written_is_one_line(plain, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="Cannot write"):
        remembering(plain, tmp_path / "file").read(pictures())


def test_a_second_run_asks_the_labeler_nothing_and_ends_the_same(tmp_path, monkeypatch):
    worlds.unprompted_pipeline().save_pretrained(tmp_path / "ldm")
    saved(tmp_path / "dpt")
    shown = []

    def counting(labeler: Labeler, folder: Path) -> Labeler:
        def read(images: torch.Tensor) -> dict[str, torch.Tensor]:
            shown.append(len(images))
            return labeler.read(images)

        return remembering(replace(labeler, read=read), folder)

    monkeypatch.setattr("underpaint.labelers.remembering", counting)
    found = []
    for out in (tmp_path / "one", tmp_path / "two"):
        shown.clear()
        command = ["run", str(out), "--model", str(tmp_path / "ldm"), "--count", "20"]
        command += ["--steps", "2", "--properties", "depth", "--quick"]
        command += ["--labelers", f"depth={tmp_path / 'dpt'}"]
        command += ["--label-cache", str(tmp_path / "cache")]
        done = CliRunner().invoke(cli.main, command)
        assert done.exit_code == 0, done.output
        found.append((sum(shown), runs.read_summary(runs.Run(out))["properties"]))
    assert found[0][0] > 20
    assert found[1] == (0, found[0][1])
