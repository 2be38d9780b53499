"""What stays on the disk with either value of disk.keep, and what that means for later runs."""

import shutil

import numpy as np
import pytest
import yaml

from bonecast.images import Volume, save
from bonecast.levels import VERSE_CODES

NAMES = ("p1", "p2", "p3")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Three small scans with masks of two vertebrae: folders ct/ and masks/."""
    folder = tmp_path_factory.mktemp("drawn")
    for number, name in enumerate(NAMES):
        draw(folder, name, number)
    return folder


def draw(folder, name, seed):
    """A block of muscle in fat in air with two bony boxes in it, 48 x 48 x 40 voxels of 2 mm."""
    rng = np.random.default_rng(seed)
    hu = np.full((48, 48, 40), -1000.0)
    hu[4:-4, 4:-4] = -100
    hu[10:-10, 10:-10] = 50
    mask = np.zeros(hu.shape, np.uint8)
    for level, z in (("L2", slice(3, 17)), ("L1", slice(21, 35))):
        mask[14:34, 18:34, z] = VERSE_CODES[level]
    hu[mask > 0] = 150
    hu[14:34, 18:34, [3, 16, 21, 34]] = 400
    hu += rng.normal(0, 10, hu.shape)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    for kind, data in (("ct", hu.astype(np.int16)), ("masks", mask)):
        (folder / kind).mkdir(exist_ok=True)
        save(Volume(data, affine), folder / kind / f"{name}.nii.gz")
