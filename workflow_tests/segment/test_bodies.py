"""Bodies cut out of whole vertebrae: a drawn vertebra, and real ones with known bodies."""

import numpy as np
import pytest

from bonecast.images import Volume, load
from bonecast.levels import VERSE_CODES
from bonecast.segment.bodies import split_bodies


def dice(one, other):
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def draw_spine(spacing_mm, tilt_degrees=0.0, levels=("L1", "L2", "L3")):
    """Elliptic bodies with pedicles, ring-shaped arches and spinous processes.

    Returns the whole vertebrae as a Volume and the mask of the bodies; the spine is
    tilted about the left-right axis.
    """
    size_mm = np.array([90.0, 110.0, 40.0 * len(levels) + 30])
    shape = np.ceil(size_mm / spacing_mm).astype(int)
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = -size_mm / 2
    x, y, z = (affine[k, 3] + spacing_mm[k] * np.arange(shape[k]) for k in range(3))
    x, y, z = np.meshgrid(x, y, z, indexing="ij", sparse=True)
    angle = np.deg2rad(tilt_degrees)
    ap = np.cos(angle) * y + np.sin(angle) * z
    si = -np.sin(angle) * y + np.cos(angle) * z
    whole = np.zeros(shape, np.uint8)
    bodies = np.zeros(shape, np.uint8)
    for index, level in enumerate(levels):
        height = si - 35.0 * ((len(levels) - 1) / 2 - index)
        body = ((x / 23) ** 2 + ((ap - 15) / 17) ** 2 < 1) & (ap > 0) & (np.abs(height) < 13)
        radius = np.hypot(x, ap + 9)
        arch = (radius > 10) & (radius < 15) & (ap <= 0) & (height > -4) & (height < 10)
        spinous = (np.abs(x) < 3) & (ap < -20) & (ap > -45) & (np.abs(height) < 6)
        process = (np.abs(x) < 38) & (np.abs(ap + 12) < 4) & (radius > 10) & (np.abs(height) < 4)
        bodies[body] = VERSE_CODES[level]
        whole[body | arch | spinous | process] = VERSE_CODES[level]
    return Volume(whole, affine), bodies


@pytest.mark.parametrize(
    ("spacing_mm", "tilt_degrees", "least"),
    [((1.0, 1.0, 1.0), 0, 0.98), ((1.0, 1.0, 3.0), 20, 0.96), ((0.8, 0.8, 5.0), -15, 0.94)],
)
def test_drawn_bodies_are_found(spacing_mm, tilt_degrees, least):
    vertebrae, truth = draw_spine(spacing_mm, tilt_degrees)
    found = split_bodies(vertebrae)
    assert found.dtype == np.uint8
    for level in ("L1", "L2", "L3"):
        code = VERSE_CODES[level]
        assert dice(found == code, truth == code) >= least


def test_a_body_never_leaves_its_vertebra():
    vertebrae, _ = draw_spine((1.0, 1.0, 3.0), 20)
    found = split_bodies(vertebrae)
    assert np.array_equal(found[found > 0], vertebrae.data[found > 0])


def test_a_broken_arch_borrows_the_neighbours_canal():
    vertebrae, truth = draw_spine((1.0, 1.0, 1.0))
    code = VERSE_CODES["L2"]
    y = vertebrae.affine[1, 3] + np.arange(vertebrae.data.shape[1])
    broken = vertebrae.data.copy()
    broken[:, y < -9, :] = np.where(broken[:, y < -9, :] == code, 0, broken[:, y < -9, :])
    found = split_bodies(vertebrae.like(broken))
    assert dice(found == code, truth == code) >= 0.96


def test_without_any_canal_there_is_no_body():
    _, bodies = draw_spine((1.0, 1.0, 2.0))
    assert not split_bodies(Volume(bodies, np.diag([1.0, 1.0, 2.0, 1.0]))).any()


def test_an_empty_mask_stays_empty():
    empty = Volume(np.zeros((4, 5, 6), np.uint8), np.eye(4))
    assert not split_bodies(empty).any()


def test_real_bodies_from_whole_vertebrae(shared_data):
    folder = shared_data / "masks" / "sample001_T1-L5"
    whole = load(folder / "sub-sample001_seg-vert_msk.nii.gz")
    regions = load(folder / "sub-sample001_seg-subreg_msk.nii.gz").data
    # Every second voxel in the finely sampled planes: the same result at a quarter of the time.
    thin = (slice(None), slice(None, None, 2), slice(None, None, 2))
    affine = whole.affine @ np.diag([1.0, 2.0, 2.0, 1.0])
    codes = whole.data[thin].astype(np.uint8)
    truth = np.where(regions[thin] >= 49, codes, 0)
    found = split_bodies(Volume(codes, affine))
    scores = [dice(found == code, truth == code) for code in range(8, 25)]
    assert min(scores) >= 0.95
    assert np.mean(scores) >= 0.97


@pytest.mark.parametrize(
    "path",
    ["ct/verse014/vertebrae.nii.gz", "masks/verse004_T9-L5/sub-verse004_seg-vert_msk.nii.gz"],
)
def test_every_real_vertebra_has_a_body_of_plausible_size(shared_data, path):
    vertebrae = load(shared_data / path)
    found = split_bodies(vertebrae)
    for code in np.unique(vertebrae.data)[1:]:
        part = np.count_nonzero(found == code) / np.count_nonzero(vertebrae.data == code)
        # Bodies are half to four fifths of a thoracolumbar vertebra.
        assert 0.45 < part < 0.85
