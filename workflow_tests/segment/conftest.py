"""Fixtures for tests of segmentation: small scans, masks of phantoms and real ones, the embedded
model, a backend that fails."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from bonecast.images import Volume, load, save
from bonecast.levels import VERSE_CODES
from bonecast.phantom.anatomy import draw_torso
from bonecast.phantom.torso import POSTERIOR_OFFSET, SACRUM, Scanner, image_torso
from bonecast.phantom.training import network_classes
from bonecast.segment.bodies import split_bodies
from bonecast.segment.labelmaps import read_mapping, translate


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


SPACING_MM = 2.0


def draw_labels(top, bottom, *, variant=None, seed=1, deformities=None) -> Volume:
    """Labels of a phantom from a level down to another, or to a height above the sacrum in mm."""
    rng = np.random.default_rng(seed)
    torso = draw_torso(rng, trabecular_hu=120, deformities=deformities, scale=1.0, variant=variant)

    def edge(level, share):
        vertebra = torso.vertebra(level)
        return vertebra.centre[2] + vertebra.posterior_height_mm * share

    high = edge(top, 0.7)
    low = edge(bottom, -0.75) if isinstance(bottom, str) else bottom
    scanner = Scanner(
        shape=(90, 90, int((high - low) / SPACING_MM)),
        spacing_mm=(SPACING_MM,) * 3,
        centre_mm=(0, 10, (high + low) / 2),
        noise_hu=0,
        blur_mm=0.3,
    )
    ct, label = image_torso(torso, scanner, rng)
    return ct.like(label)


def classes_of(labels: Volume) -> Volume:
    """Tissue classes as a network sees them: L6 is a body like any other."""
    data = labels.data.copy()
    for offset in (0, POSTERIOR_OFFSET):
        data[data == VERSE_CODES["L6"] + offset] = VERSE_CODES["L5"] + offset
    return labels.like(network_classes(data))


def masks_of(labels: Volume) -> tuple[Volume, Volume]:
    """Whole vertebrae with the sacrum, and bodies, in VerSe codes."""
    first, last = VERSE_CODES["T1"], VERSE_CODES["L6"]
    bodies = np.where((labels.data >= first) & (labels.data <= last), labels.data, 0)
    arch = labels.data.astype(int) - POSTERIOR_OFFSET
    whole = np.where((arch >= first) & (arch <= last), arch, bodies)
    whole[labels.data == SACRUM] = SACRUM
    return labels.like(whole.astype(np.uint8)), labels.like(bodies.astype(np.uint8))


REAL = {
    "verse014": ("ct/verse014/vertebrae.nii.gz", "verse", None),
    "totalseg_lumbar": (
        "ct/totalseg_lumbar/total_labels.nii.gz",
        "totalsegmentator",
        "ct/totalseg_lumbar/vertebral_bodies.nii.gz",
    ),
    "sample001": (
        "masks/sample001_T1-L5/sub-sample001_seg-vert_msk.nii.gz",
        "verse",
        None,
    ),
    "verse004": ("masks/verse004_T9-L5/sub-verse004_seg-vert_msk.nii.gz", "verse", None),
}


@pytest.fixture(scope="session")
def real_masks(shared_data):
    """A function that reads a real mask by name: whole vertebrae and bodies."""

    def read(name: str) -> tuple[Volume, Volume]:
        path, convention, bodies_path = REAL[name]
        mask = load(shared_data / path)
        whole = mask.like(translate(mask.data, read_mapping(convention)))
        if bodies_path is None:
            return whole, whole.like(split_bodies(whole))
        bodies = load(shared_data / bodies_path)
        mapping = read_mapping(f"{convention}_bodies")
        return whole, whole.like(translate(bodies.data, mapping))

    return read
