"""Features of one region: a thin adapter over pictologics."""

import os
from pathlib import Path

import numpy as np

from bonecast.images import bounding_box
from bonecast.measure.radiomics.filters import filtered_images
from bonecast.measure.radiomics.grid import Region
from bonecast.measure.radiomics.names import FEATURES, FILTER_FAMILY, TEXTURE_FAMILIES, column
from bonecast.measure.radiomics.settings import RadiomicsSettings

COMPILED_EDGES = (12, 40)
"""Edges, in voxels, of the regions that kernels are compiled on: small and large regions
take different ones."""


def use_compiled_kernels(cache: str | Path) -> None:
    """Keep the kernels that numba compiles in a folder, so that only the first run pays.

    To be called before anything imports numba. A NUMBA_CACHE_DIR already set is kept.
    One thread: participants run side by side.
    """
    os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(cache).resolve()))
    os.environ["PICTOLOGICS_DISABLE_WARMUP"] = "1"
    os.environ["PICTOLOGICS_NUM_THREADS"] = "1"


def compile_kernels(settings: RadiomicsSettings) -> int:
    """Run every kernel of these settings once, so that all are in the cache.

    Returns:
        How many features were computed.
    """
    for edge in COMPILED_EDGES:
        drawn = np.random.default_rng(0).integers(0, 400, (edge,) * 3).astype(np.float64)
        mask = np.zeros(drawn.shape, bool)
        mask[2:-2, 2:-2, 2:-2] = True
        found = features_of_region(Region(drawn, mask, settings.spacing_mm), settings)
    return len(found)


def _library():
    """pictologics' feature functions, with numba's threads started.

    In 0.9.0 the kernel for regions of fewer than 10,000 voxels asks for its thread's number
    without starting the threads: loaded from the cache, it would crash the process.
    """
    import numba
    from pictologics import features

    numba.get_num_threads()
    return features


def resegment(region: Region, settings: RadiomicsSettings) -> np.ndarray:
    """The intensity mask: the region without values out of range and without outliers.

    Both as in the IBSI's reference manual (re-segmentation): the range first, both ends included,
    then the standard deviation (without Bessel's correction) of what is left.

    Returns:
        Boolean, of the region's shape.
    """
    keep = region.mask
    if settings.resegment_hu is not None:
        low, high = settings.resegment_hu
        keep = keep & (region.image >= low) & (region.image <= high)
    if settings.outlier_sd is not None and keep.any():
        values = region.image[keep]
        keep = keep & (np.abs(region.image - values.mean()) <= settings.outlier_sd * values.std())
    return keep


def discretise(
    image: np.ndarray, values: np.ndarray, settings: RadiomicsSettings
) -> tuple[np.ndarray, int]:
    """Grey levels from 1, and their number.

    Args:
        image: HU to be discretised, of any shape.
        values: HU of the region, which give the range of a fixed number of bins.
    """
    if settings.bin_count is None:
        width, low = settings.bin_width_hu, settings.anchor_hu
        # The first bin takes everything below the anchor: padding beyond air.
        levels = np.maximum(np.floor((image - low) / width).astype(np.int32) + 1, 1)
        return levels, int(np.maximum(np.floor((values.max() - low) / width) + 1, 1))
    return _fixed_number(image, values, settings.bin_count), settings.bin_count


def _fixed_number(image: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    low, high = values.min(), values.max()
    if high == low:
        return np.ones(image.shape, np.int32)
    levels = np.floor(count * (image - low) / (high - low)).astype(np.int32) + 1
    return np.clip(levels, 1, count)


def features_of_region(region: Region, settings: RadiomicsSettings) -> dict[str, float]:
    """Every feature of the settings by column; NaN where a feature is not defined.

    Args:
        region: image and mask on an isotropic grid.
    """
    library = _library()
    wanted = set(settings.families)
    intensity = resegment(region, settings)
    values = region.image[intensity]
    found: dict[str, float] = {}
    if not len(values):
        return dict.fromkeys(settings.columns, float("nan"))
    if "intensity" in wanted:
        found |= library.calculate_intensity_features(values)
    if "ivh" in wanted:
        found |= _ivh(library, values, settings)
    if wanted & {"morphology", "spatial_intensity", "local_intensity"}:
        found |= _in_space(library, region, intensity, wanted)
    if wanted & {"histogram", *TEXTURE_FAMILIES}:
        found |= _of_levels(library, region, intensity, values, settings)
    named = {
        column(name, tag): float(found[name])
        for family in settings.families
        for name, tag in FEATURES[family].items()
    }
    for name, response in zip(settings.filters, filtered_images(region, settings), strict=True):
        of_filter = library.calculate_intensity_features(response[intensity])
        named |= {
            column(long, tag, name): float(of_filter[long])
            for long, tag in FEATURES[FILTER_FAMILY].items()
        }
    return named


def _ivh(library, values: np.ndarray, settings: RadiomicsSettings) -> dict[str, float]:
    """The intensity-volume histogram, of whole HU unless the settings say otherwise."""
    if settings.ivh_bin_count is not None:
        return library.calculate_ivh_features(
            _fixed_number(values, values, settings.ivh_bin_count).astype(np.float64)
        )
    if settings.ivh_bin_width_hu is None:
        return library.calculate_ivh_features(values, bin_width=1.0)
    width = settings.ivh_bin_width_hu
    low, high = settings.resegment_hu or (values.min(), values.max())
    levels = np.floor((values - low) / width) + 1
    return library.calculate_ivh_features(levels, bin_width=width, min_val=low, max_val=high)


def _in_space(library, region: Region, intensity: np.ndarray, wanted: set[str]) -> dict:
    """Families that need positions: shape, spatial autocorrelation and local peaks."""
    from pictologics import Image

    def held(array: np.ndarray) -> "Image":
        return Image(array=array, spacing=(region.spacing_mm,) * 3, origin=(0.0, 0.0, 0.0))

    image = held(region.image)
    whole, kept = held(region.mask.astype(np.uint8)), held(intensity.astype(np.uint8))
    found = {}
    if "morphology" in wanted:
        found |= library.calculate_morphology_features(
            whole, image, intensity_mask=kept, grid_offset=region.offset
        )
    if "spatial_intensity" in wanted:
        found |= library.calculate_spatial_intensity_features(image, kept)
    if "local_intensity" in wanted:
        found |= library.calculate_local_intensity_features(image, kept)
    return found


def _of_levels(library, region, intensity, values, settings) -> dict[str, float]:
    """Families of the discretised image: histogram and texture."""
    # Nothing outside the region counts; the kernels read less in a tight box.
    tight = bounding_box(region.mask)
    inside = intensity[tight]
    levels, bins = discretise(region.image[tight], values, settings)
    found = {}
    if "histogram" in settings.families:
        found |= library.calculate_intensity_histogram_features(levels[inside], n_bins=bins)
    textures = [family for family in settings.families if family in TEXTURE_FAMILIES]
    if textures:
        found |= library.calculate_all_texture_features(
            np.where(inside, levels, 0),
            inside.astype(np.uint8),
            bins,
            # Zones are as far from the border as the whole region's border is.
            distance_mask_array=region.mask[tight].astype(np.uint8),
            families=textures,
        )
    return found
