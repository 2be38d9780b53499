"""Fixtures for tests of segmentation: small scans, the embedded model, a backend that fails."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from bonecast.images import Volume, save
from bonecast.phantom.anatomy import draw_torso
from bonecast.phantom.torso import Scanner, image_torso


@pytest.fixture(scope="session")
def model(repo) -> Path:
    """The embedded model's folder."""
    return repo / "resources" / "embedded_model"


@pytest.fixture(scope="session")
def lumbar() -> tuple[Volume, np.ndarray]:
    """A small phantom scan and its labels."""
    rng = np.random.default_rng(11)
    torso = draw_torso(rng, trabecular_hu=130, scale=1.0)
    centre = torso.vertebra("L3").centre
    scanner = Scanner((80, 80, 60), (2, 2, 3), tuple(centre + [0, 10, -10]), 12, 0.7)
    return image_torso(torso, scanner, rng)


@pytest.fixture
def fakes(monkeypatch):
    """The module of fake backends, importable by name here and in child processes."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("fake_backend")


@pytest.fixture
def noise(tmp_path) -> dict[str, Path]:
    """Five scans of noise, p1 to p5."""
    rng = np.random.default_rng(3)
    scans = {f"p{i}": tmp_path / f"p{i}.nii.gz" for i in range(1, 6)}
    for path in scans.values():
        hu = rng.normal(100, 30, (12, 10, 8)).astype(np.int16)
        save(Volume(hu, np.diag([2.0, 2.0, 3.0, 1.0])), path)
    return scans
