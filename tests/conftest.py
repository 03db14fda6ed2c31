"""Fixtures only: models are built once for a test run, and tests leave them as they were."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

import worlds
from underpaint.core.properties import PROPERTIES
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


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep from the hub, and from what this machine has of it."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Share one headless Chromium, where there is one."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium is installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(autouse=True)
def _only_properties_that_ship():
    """Let each test begin as a process does: properties of one's own are kept by name."""
    shipped = dict(PROPERTIES)
    yield
    PROPERTIES.clear()
    PROPERTIES.update(shipped)
