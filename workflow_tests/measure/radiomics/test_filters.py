"""Filters: against the closed form, the IBSI's construction and the library's own."""

import numpy as np
import pytest
import pywt

from bonecast.measure.radiomics.filters import (
    filtered_images,
    laplacian_of_gaussian,
    wavelet_map,
)
from bonecast.measure.radiomics.grid import Region
from bonecast.measure.radiomics.settings import WAVELET_BANDS, WAVELET_TAPS, RadiomicsSettings


def test_laplacian_of_gaussian_of_an_impulse_is_the_closed_form():
    """IBSI-2 phase 1 filters an impulse (configuration 2.a): the response is the kernel."""
    sigma, half = 2.5, 16
    image = np.zeros((2 * half + 1,) * 3)
    image[half, half, half] = 1
    squared = sum(axis**2 for axis in np.meshgrid(*[np.arange(-half, half + 1.0)] * 3))
    gaussian = np.exp(-squared / (2 * sigma**2)) / (2 * np.pi * sigma**2) ** 1.5
    expected = (squared / sigma**4 - 3 / sigma**2) * gaussian
    found = laplacian_of_gaussian(image, sigma)
    assert np.abs(found - expected).max() < 2e-3 * np.abs(expected).max()
    # Cut off at four standard deviations, and blind to a constant and to a slope.
    assert found[half, half, half + 10] != 0 == found[half, half, half + 11]
    slope = np.broadcast_to(np.arange(60.0)[:, None, None], (60, 60, 60))
    assert abs(laplacian_of_gaussian(slope + 7, sigma)[30, 30, 30]) < 1e-3 * 37


@pytest.mark.parametrize("wavelet", WAVELET_TAPS)
def test_undecimated_responses_hold_those_of_the_decimated_transform(wavelet):
    """Every second response along each axis is a coefficient of PyWavelets' transform.

    pictologics' own undecimated transform (in single precision, for the IBSI's benchmarks on
    filters) agrees with ours to 2e-7 of the largest response; its kernels take a minute to
    compile, so that is not repeated here.
    """
    taps = pywt.Wavelet(wavelet).dec_len
    assert taps == WAVELET_TAPS[wavelet]
    image = np.random.default_rng(2).normal(150, 60, (20, 24, 18))
    decimated = pywt.dwtn(image, wavelet, mode="symmetric")
    for band in WAVELET_BANDS:
        theirs = decimated[band.replace("l", "a").replace("h", "d")]
        # Inside, where no boundary is felt: coefficient k ends at voxel 2 k + 1.
        inner = [np.arange(taps // 2, n - taps // 2) for n in theirs.shape]
        ours = wavelet_map(image, wavelet, band)[np.ix_(*[2 * k + 1 - taps // 2 for k in inner])]
        assert np.allclose(ours, theirs[np.ix_(*inner)], rtol=0, atol=1e-9)


def test_high_pass_bands_see_no_constant_and_low_pass_ones_keep_it():
    image = np.full((16, 16, 16), 100.0)
    assert np.abs(wavelet_map(image, "coif1", "lhl")).max() < 1e-9
    assert wavelet_map(image, "coif1", "lll") == pytest.approx(100 * np.sqrt(8), rel=1e-9)


def test_every_filter_named_is_computed():
    settings = RadiomicsSettings(log_sigma_mm=(1.0, 2.5), wavelet="db2")
    image = np.random.default_rng(0).normal(size=(12, 12, 12))
    made = list(filtered_images(Region(image, image > 0, 1.0), settings))
    assert len(made) == len(settings.filters) == 10
    assert settings.filters[:3] == ("log1mm", "log2p5mm", "wavelet_db2_lll")
    assert np.array_equal(made[1], laplacian_of_gaussian(image, 2.5))
    assert settings.needs_scan and settings.reach_mm == 11
