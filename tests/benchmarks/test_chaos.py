"""A sample of `python -m benchmarks.chaos`, whose fifty kills take minutes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
def test_a_run_that_is_killed_at_random_moments_loses_nothing_and_ends_the_same():
    command = [sys.executable, "-m", "benchmarks.chaos", "--kills", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.stdout == "3 kills, 0 lost, identical\n", done.stderr
    assert done.returncode == 0
