"""Filtered images of a region: Laplacian of Gaussian and wavelets, as the IBSI defines them.

Both are finite filters evaluated on the resampled grid, so that a box with a margin of their
reach has the values of the whole image. IBSI: Whybra et al., Radiology 2024;310:e231319, and the
IBSI-2 reference manual (arXiv 2006.05470).
"""

from collections.abc import Iterator

import numpy as np
import pywt
from scipy import ndimage

from bonecast.measure.radiomics.grid import Region
from bonecast.measure.radiomics.settings import LOG_CUTOFF_SD, WAVELET_BANDS, RadiomicsSettings

BOUNDARY = "reflect"
"""Beyond the image's border: what the IBSI recommends and calls mirroring (abc|cba)."""


def filtered_images(region: Region, settings: RadiomicsSettings) -> Iterator[np.ndarray]:
    """Every filtered image, in the order of `settings.filters`."""
    for sigma_mm in settings.log_sigma_mm:
        yield laplacian_of_gaussian(region.image, sigma_mm / region.spacing_mm)
    if settings.wavelet:
        for band in WAVELET_BANDS:
            yield wavelet_map(region.image, settings.wavelet, band)


def laplacian_of_gaussian(image: np.ndarray, sigma_voxels: float) -> np.ndarray:
    """Laplacian of Gaussian (L6PA), cut off at four standard deviations."""
    return ndimage.gaussian_laplace(
        image, sigma_voxels, mode=BOUNDARY, truncate=LOG_CUTOFF_SD, output=np.float64
    )


def wavelet_map(image: np.ndarray, wavelet: str, band: str) -> np.ndarray:
    """One response of the undecimated separable wavelet transform, first level.

    Args:
        wavelet: a name that PyWavelets knows.
        band: `l` or `h` for each axis: low or high pass.
    """
    filters = pywt.Wavelet(wavelet)
    taps = {"l": filters.dec_lo, "h": filters.dec_hi}
    for axis, letter in enumerate(band):
        image = ndimage.convolve1d(image, taps[letter], axis=axis, mode=BOUNDARY)
    return image
