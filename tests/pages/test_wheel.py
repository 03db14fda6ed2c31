"""What `make wheel-check` would find missing only after minutes: the wheel holds all that runs."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "underpaint"


def test_the_wheel_holds_every_file_of_the_package(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = tmp_path.glob("underpaint-*.whl")
    with zipfile.ZipFile(path) as wheel:
        held = {each.filename: each.file_size for each in wheel.infolist()}
    files = [
        each for each in SOURCE.rglob("*") if each.is_file() and "__pycache__" not in each.parts
    ]
    missing = [
        each
        for each in files
        if held.get(f"underpaint/{each.relative_to(SOURCE).as_posix()}") != each.stat().st_size
    ]
    assert not missing
    assert held["underpaint/models/tiny/unet/diffusion_pytorch_model.safetensors"] > 1e6
    assert held["underpaint/models/tiny/map_reader.safetensors"] > 1e5
    assert held["underpaint/site/static/index.html"] > 100
    assert any(name.startswith("underpaint/site/static/assets/") for name in held)
