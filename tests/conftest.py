"""Fixtures only: models are built once for a test run, and tests leave them as they were."""

from pathlib import Path

import pytest

import worlds
from underpaint.models import Model


@pytest.fixture(scope="session")
def model() -> Model:
    """Share one model with random weights and DDIM."""
    return worlds.model()


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save that model as a diffusers folder. Tests that damage it take a copy."""
    folder = tmp_path_factory.mktemp("models") / "world"
    worlds.pipeline().save_pretrained(folder)
    return folder
