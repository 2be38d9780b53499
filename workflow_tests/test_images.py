"""Volumes on disk: order, values and types survive."""

import nibabel as nib
import numpy as np
import pytest

from bonecast import images

FLIPPED = np.array([[0, -2.0, 0, 10], [-3.0, 0, 0, 20], [0, 0, -4.0, 30], [0, 0, 0, 1]])
"""Rows run to the back, columns to the left, slices to the feet."""


@pytest.fixture
def data() -> np.ndarray:
    return np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)


def write(path, data, slope=None, inter=None):
    image = nib.Nifti1Image(data, FLIPPED)
    image.header.set_slope_inter(slope, inter)
    nib.save(image, path)
    if slope is not None:
        # nibabel divides by the slope it is given: put the raw values back.
        content = bytearray(path.read_bytes())
        content[352:] = data.tobytes(order="F")
        path.write_bytes(content)
    return path


def test_loaded_in_ras_order(tmp_path, data):
    volume = images.load(write(tmp_path / "a.nii", data))
    assert volume.data.shape == (3, 2, 4)
    assert volume.spacing_mm == (2, 3, 4)
    for index in np.ndindex(2, 3, 4):
        world = FLIPPED @ [*index, 1]
        found = np.rint(np.linalg.solve(volume.affine, world)[:3]).astype(int)
        assert volume.data[tuple(found)] == data[index]


@pytest.mark.parametrize(
    ("slope", "inter", "whole"),
    [(None, None, True), (1, -1024, True), (2, 0, True), (1, 40000, True), (0.5, 0, False)],
)
def test_scaling_keeps_whole_numbers_whole(tmp_path, data, slope, inter, whole):
    volume = images.load(write(tmp_path / "a.nii", data, slope, inter))
    expected = np.sort(data, axis=None).astype(float) * (slope or 1) + (inter or 0)
    assert np.array_equal(np.sort(volume.data, axis=None), expected)
    assert np.issubdtype(volume.data.dtype, np.integer) is whole


def test_written_and_read_again(tmp_path, data):
    volume = images.load(write(tmp_path / "a.nii", data))
    images.save(volume, tmp_path / "b.nii.gz")
    again = images.load(tmp_path / "b.nii.gz")
    assert again.data.dtype == np.int16
    assert np.array_equal(again.data, volume.data)
    assert np.allclose(again.affine, volume.affine)


def test_four_dimensions_are_refused(tmp_path, data):
    nib.save(nib.Nifti1Image(np.stack([data, data], axis=-1), FLIPPED), tmp_path / "a.nii")
    with pytest.raises(ValueError, match="3-D"):
        images.load(tmp_path / "a.nii")


def test_a_box_holds_its_mask_with_a_margin_inside_the_array():
    mask = np.zeros((10, 20, 30), bool)
    mask[4:6, 1, 25] = True
    assert images.bounding_box(mask) == (slice(4, 6), slice(1, 2), slice(25, 26))
    # 3 mm are two voxels of 2 mm and six of 0.5 mm, where there are as many.
    assert images.bounding_box(mask, (2, 2, 0.5), 3.0) == (slice(2, 8), slice(0, 4), slice(19, 30))
    assert images.bounding_box(np.zeros((3, 3, 3), bool)) is None
