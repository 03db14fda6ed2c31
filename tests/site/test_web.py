"""The page's own tests, where Node and the packages of web/ are installed. No user needs them."""

import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"


def test_the_typescript_holds_its_types_and_passes_its_tests():
    npm = shutil.which("npm")
    if npm is None or not (WEB / "node_modules").is_dir():
        pytest.skip("no Node, or no packages: run `npm ci` in web/")
    done = subprocess.run([npm, "test"], cwd=WEB, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
