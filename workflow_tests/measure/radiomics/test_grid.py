"""The grid of the whole image, evaluated in a box."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from bonecast.measure.radiomics.features import features_of_region
from bonecast.measure.radiomics.grid import Motion, Region, Surroundings, resample_region
from bonecast.measure.radiomics.names import FEATURES
from bonecast.measure.radiomics.settings import RadiomicsSettings

from .conftest import SPACING_MM, crop

ALL = RadiomicsSettings(families=tuple(FEATURES), log_sigma_mm=(1.5,), wavelet="coif1")


def whole_volume(image, region, settings) -> Region:
    """The whole image on pictologics' own grid."""
    from pictologics import Image
    from pictologics.preprocessing import resample_image

    def on_grid(array, interpolation):
        volume = Image(array.astype(np.float64), spacing=SPACING_MM, origin=(0, 0, 0))
        return resample_image(volume, (settings.spacing_mm,) * 3, interpolation).array

    return Region(
        np.round(np.round(on_grid(image, settings.interpolation), 6)),
        on_grid(region, "linear") >= 0.5 - 1e-6,
        settings.spacing_mm,
    )


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@pytest.mark.parametrize("spacing_mm", [1.0, 0.7, 2.0])
def test_a_box_has_the_values_of_the_whole_image(noisy_image, spacing_mm, interpolation):
    image, regions = noisy_image
    settings = replace(ALL, spacing_mm=spacing_mm, interpolation=interpolation)
    margin = {"linear": 19, "cubic": 42}[interpolation]
    for region in regions:
        whole = features_of_region(whole_volume(image, region, settings), settings)
        around, inside = crop(image, region, margin)
        boxed = resample_region(around, inside, spacing_mm, interpolation, settings.reach_mm)
        found = features_of_region(boxed, settings)
        assert len(found) == len(settings.columns) == 167 + 18 * 9
        for name, value in whole.items():
            assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


def test_a_spline_needs_no_more_than_its_margin():
    """In a line of 200 voxels the box and the whole differ by less than what rounding sees."""
    image = np.random.default_rng(3).normal(0, 1000, (200, 1, 1))
    mask = np.zeros(image.shape, bool)
    mask[90:110] = True
    box = (slice(60, 140), slice(0, 1), slice(0, 1))
    around = Surroundings(image[box], box, image.shape, (1.0, 1.0, 1.0))
    found = resample_region(around, mask[box], 0.5, "cubic")
    step, points = 0.5, 400
    origin = (199 - step * (points - 1)) / 2
    whole = ndimage.affine_transform(
        image[:, 0, 0], [step], [origin], output_shape=(points,), order=3, mode="nearest"
    )
    inside = whole[found.offset[0] :][: found.image.shape[0]]
    assert np.array_equal(np.round(np.round(inside, 6)), found.image[:, 0, 0])


def test_a_region_at_the_border_keeps_the_points_beyond_the_first_voxel(noisy_image):
    image, _ = noisy_image
    region = np.zeros(image.shape, bool)
    region[0:20, 10:30, 0:8] = True
    settings = replace(ALL, spacing_mm=2.0, families=("intensity",), log_sigma_mm=(), wavelet=None)
    whole = whole_volume(image, region, settings)
    around, inside = crop(image, region, 2)
    boxed = resample_region(around, inside, 2.0)
    assert np.count_nonzero(boxed.mask) == np.count_nonzero(whole.mask)


def test_cropping_first_would_change_the_values(noisy_image):
    """The reason for the grid of the whole image: the same region, its crop taken as the image."""
    image, (region, _) = noisy_image
    settings = RadiomicsSettings(families=("glcm",))
    around, inside = crop(image, region, 2)
    start = tuple(slice(0, size) for size in inside.shape)
    alone = Surroundings(around.hu, start, inside.shape, SPACING_MM)
    right, wrong = (
        features_of_region(resample_region(part, inside, 1.0), settings)["rad_cm_contrast_acui"]
        for part in (around, alone)
    )
    assert abs(right / wrong - 1) > 1e-3


def test_a_crop_that_is_too_small_is_refused(noisy_image):
    image, (region, _) = noisy_image
    around, inside = crop(image, region, 2)
    resample_region(around, inside, 1.0)
    with pytest.raises(ValueError, match="does not reach"):
        resample_region(around, inside, 1.0, reach_mm=6)
    with pytest.raises(ValueError, match="does not reach"):
        resample_region(around, inside, 1.0, "cubic")


def test_a_turned_grid_reads_the_image_where_it_lies():
    """Of an image that is linear in the position, every point is known."""
    shape, spacing = (60, 50, 40), (0.8, 1.0, 1.5)
    slope = np.array([3.0, -2.0, 1.5])
    at = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1) * spacing
    image = at @ slope
    mask = np.zeros(shape, bool)
    mask[20:40, 15:35, 12:28] = True
    around = Surroundings(image, tuple(slice(0, n) for n in shape), shape, spacing)
    turn = Rotation.from_rotvec([4, -7, 11], degrees=True).as_matrix()
    shift = np.array([0.4, -0.3, 0.2])
    moved = resample_region(around, mask, 1.0, motion=Motion(turn, shift))
    still = resample_region(around, mask, 1.0, motion=Motion(np.eye(3), np.zeros(3)))
    plain = resample_region(around, mask, 1.0)
    assert np.count_nonzero(still.mask) == np.count_nonzero(plain.mask)
    assert np.array_equal(still.image[still.mask], plain.image[plain.mask])
    assert np.count_nonzero(moved.mask) == pytest.approx(np.count_nonzero(plain.mask), rel=0.02)
    # The region turns with its image: what lies in it stays.
    assert moved.image[moved.mask].mean() == pytest.approx(plain.image[plain.mask].mean(), abs=0.5)
    inner = (slice(10, -10),) * 3
    gradient = [np.diff(moved.image, axis=k)[inner].mean() for k in range(3)]
    assert np.array(gradient) == pytest.approx(turn.T @ slope, abs=0.02)
