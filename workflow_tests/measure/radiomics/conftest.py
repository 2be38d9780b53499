"""A noisy image with two regions, and compiled kernels for every test of radiomics."""

import numpy as np
import pytest

from bonecast.measure.radiomics.features import use_compiled_kernels
from bonecast.measure.radiomics.grid import Surroundings

SPACING_MM = (0.8, 0.8, 2.5)


@pytest.fixture(scope="session", autouse=True)
def kernels(tmp_path_factory):
    use_compiled_kernels(tmp_path_factory.mktemp("kernels"))


@pytest.fixture(scope="session")
def noisy_image():
    """Noise on a grid of 0.8 x 0.8 x 2.5 mm with two regions in it, away from the middle."""
    rng = np.random.default_rng(11)
    image = np.round(rng.normal(150, 60, (61, 54, 23)))
    regions = [np.zeros(image.shape, bool) for _ in range(2)]
    regions[0][5:30, 8:31, 3:13] = True
    regions[1][33:56, 20:49, 9:21] = True
    return image, regions


def crop(image, region, margin):
    """A region's surroundings, `margin` voxels wide, and the region in them."""
    inside = np.argwhere(region)
    box = tuple(
        slice(max(low - margin, 0), min(high + margin + 1, size))
        for low, high, size in zip(inside.min(axis=0), inside.max(axis=0), image.shape, strict=True)
    )
    return Surroundings(image[box], box, image.shape, SPACING_MM), region[box]
