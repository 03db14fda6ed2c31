import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from underpaint.cli import main as cli


def convert(*arguments):
    return CliRunner().invoke(cli.main, ["convert", *map(str, arguments)])


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"state_dict": x, "epoch": 3}])
def test_pickled_tensors_become_safetensors(tmp_path, wrap):
    shared = torch.arange(6.0).reshape(2, 3)
    weights = {"module.a": shared, "module.b": shared, "module.c": shared.T}
    torch.save(wrap(weights), tmp_path / "weights.pth")
    result = convert(tmp_path / "weights.pth", tmp_path / "out")
    assert result.exit_code == 0, result.output
    found = load_file(tmp_path / "out" / "model.safetensors")
    assert set(found) == {"a", "b", "c"}
    assert torch.equal(found["c"], shared.T)


class Bomb:
    def __reduce__(self):
        return (print, ("ran",))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"a": Bomb()}, "as tensors alone"),
        ({"a": 1.0}, "something other than named tensors"),
        ([torch.ones(1)], "something other than named tensors"),
    ],
)
def test_what_is_no_tensor_is_refused_and_never_run(tmp_path, content, words):
    torch.save(content, tmp_path / "weights.pth")
    result = convert(tmp_path / "weights.pth", tmp_path / "out")
    assert result.exit_code == 1
    assert words in result.output
    assert "ran" not in result.output.split()
    assert result.output.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_missing_or_no_pickle_is_one_line(tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"hello")
    for path in (tmp_path / "weights.pth", tmp_path / "none.pth"):
        result = convert(path, tmp_path / "out")
        assert result.exit_code == 1
        assert "as tensors alone" in result.output
