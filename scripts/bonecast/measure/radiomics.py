"""IBSI radiomics features of the trabecular core of each vertebral body.

A thin adapter over pictologics. What is ours is the grid: IBSI resampling aligns
the new grid with the centre of the whole image, and cropping a region first would
move it. The whole image's grid is therefore evaluated, but only in the region's box.
"""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from bonecast.measure.columns import LEVEL, Column, included, names, reason
from bonecast.measure.density import trabecular_mask
from bonecast.measure.frame import Body, why_not_measured
from bonecast.measure.radiomics_names import FEATURES, IBSI_NAMES, TEXTURE_FAMILIES
from bonecast.reasons import Reason

MIN_VOXELS = 200
"""Fewer resampled voxels carry no texture."""

HALF_DECIMALS = 6
HALF_TOLERANCE = 10.0**-HALF_DECIMALS
"""Interpolated values this near to a half count as a half."""

DEFAULT_FAMILIES = ("intensity", *TEXTURE_FAMILIES)
"""Histogram features repeat those of intensity at this bin width and are left out."""


@dataclass(frozen=True)
class RadiomicsSettings:
    """How features are computed.

    Attributes:
        spacing_mm: isotropic voxel of the resampled grid.
        bin_width_hu: width of the grey-level bins.
        anchor_hu: lower edge of the first bin.
        erosion_mm: distance of the region from the surface of the body; 0: the whole body.
        endplate_fraction: part of the body's height left out at each end-plate.
        families: families of features, keys of `FEATURES`.
    """

    spacing_mm: float = 1.0
    bin_width_hu: float = 25.0
    anchor_hu: float = -1000.0
    erosion_mm: float = 4.0
    endplate_fraction: float = 0.15
    families: tuple[str, ...] = DEFAULT_FAMILIES

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the features in the order of the table."""
        return tuple(short for family in self.families for short in FEATURES[family].values())


def use_compiled_kernels(cache: str | Path) -> None:
    """Keep the kernels that numba compiles in a folder, so that only the first run pays.

    To be called before anything imports numba. A NUMBA_CACHE_DIR already set is kept.
    One thread: participants run side by side.
    """
    os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(cache).resolve()))
    os.environ["PICTOLOGICS_DISABLE_WARMUP"] = "1"
    os.environ["PICTOLOGICS_NUM_THREADS"] = "1"


COMPILED_EDGES = (12, 40)
"""Edges, in voxels, of the regions that kernels are compiled on: small and large regions
take different ones."""


def compile_kernels() -> int:
    """Run every kernel once, so that all are in the cache.

    Returns:
        How many features were computed.
    """
    settings = RadiomicsSettings(families=tuple(FEATURES))
    for edge in COMPILED_EDGES:
        drawn = np.random.default_rng(0).integers(0, 400, (edge,) * 3).astype(np.float64)
        region = np.zeros(drawn.shape, bool)
        region[2:-2, 2:-2, 2:-2] = True
        found = features_of_region(drawn, region, settings)
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


def resample_region(
    crop: np.ndarray,
    mask: np.ndarray,
    box: tuple[slice, slice, slice],
    image_shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    new_spacing_mm: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Image and region on the IBSI grid of the whole image, inside the region's box only.

    Per axis the new grid has ceil(n s / t) points, centred on the image (n voxels of
    size s, new size t). Both are interpolated linearly; intensities are rounded to
    whole HU, the region is where at least half is covered.

    Args:
        crop: HU, the image cropped to `box`.
        mask: the region, boolean and not empty, of the same shape.
        box: the crop's place in the image.
        image_shape: voxels of the whole image.
        spacing_mm: voxel size of the image.
        new_spacing_mm: voxel size of the new grid.

    Returns:
        float64 image and boolean region, of equal shape.
    """
    tight = ndimage.find_objects(mask.astype(np.uint8))[0]
    # One voxel more on each side is all that linear interpolation reaches.
    inner = tuple(
        slice(max(part.start - 1, 0), min(part.stop + 1, n))
        for part, n in zip(tight, mask.shape, strict=True)
    )
    low = np.array([part.start + i.start for part, i in zip(box, inner, strict=True)])
    high = np.array([part.start + i.stop for part, i in zip(box, inner, strict=True)]) - 1
    step = new_spacing_mm / np.asarray(spacing_mm)
    size = np.array(image_shape)
    points = np.ceil(size / step - 1e-9).astype(int)
    origin = (size - 1) / 2 - step * (points - 1) / 2
    first = np.maximum(np.ceil((low - origin) / step - 1e-9), 0).astype(int)
    last = np.minimum(np.floor((high - origin) / step + 1e-9), points - 1).astype(int)
    counts = np.maximum(last - first + 1, 0)
    offset = origin + step * first - low

    def on_grid(array):
        return ndimage.affine_transform(
            array.astype(np.float64),
            step,
            offset,
            output_shape=tuple(counts),
            order=1,
            mode="nearest",
        )

    # Snapped first: a half must not round by the last bit, which depends on the crop.
    region = on_grid(mask[inner]) >= 0.5 - HALF_TOLERANCE
    return np.round(np.round(on_grid(crop[inner]), HALF_DECIMALS)), region


def features_of_region(
    image: np.ndarray, region: np.ndarray, settings: RadiomicsSettings
) -> dict[str, float]:
    """Features of a region on an isotropic grid, by short name.

    Args:
        image: HU, float64.
        region: boolean, the same shape.
    """
    library = _library()
    tight = ndimage.find_objects(region.astype(np.uint8))[0]
    image, region = image[tight], region[tight]
    values = image[region]
    levels = np.floor((image - settings.anchor_hu) / settings.bin_width_hu).astype(np.int32) + 1
    # The first bin takes everything below the anchor: padding beyond air.
    levels = np.maximum(levels, 1)
    bins = int(levels[region].max())
    found: dict[str, float] = {}
    if "intensity" in settings.families:
        found |= library.calculate_intensity_features(values)
    if "histogram" in settings.families:
        found |= library.calculate_intensity_histogram_features(levels[region], n_bins=bins)
    textures = [family for family in settings.families if family in TEXTURE_FAMILIES]
    if textures:
        inside = region.astype(np.uint8)
        found |= library.calculate_all_texture_features(
            np.where(region, levels, 0), inside, bins, families=textures
        )
    return {
        short: float(found[name])
        for family in settings.families
        for name, short in FEATURES[family].items()
    }


def measure_radiomics(
    bodies: dict[str, Body | None],
    levels: Collection[str],
    settings: RadiomicsSettings,
    left_out: dict[str, Reason] | None = None,
) -> list[dict]:
    """Features of every body, one row each, from head to foot.

    Args:
        bodies: as from `find_bodies`, with HU.
        levels: those to be analysed; others get a row with a reason and no values.
        left_out: levels whose attenuation is not included, and why (fracture, metal): their
            features are computed and not included either.

    Returns:
        Rows with level, included, reason and the features; a missing value is None.
    """
    left_out = left_out or {}
    rows = []
    for level, body in bodies.items():
        row = dict.fromkeys(names(radiomics_columns(settings)))
        row |= {"level": level, "included": False, "reason": None}
        rows.append(row)
        if reason := why_not_measured(level, body, levels):
            row["reason"] = reason
            continue
        if body.touches_border:
            row["reason"] = Reason.TOUCHES_BORDER
            continue
        core = body.mask
        if settings.erosion_mm > 0 or settings.endplate_fraction > 0:
            core = trabecular_mask(body, settings.erosion_mm, settings.endplate_fraction)
        if not core.any():
            row["reason"] = Reason.TOO_SMALL
            continue
        image, region = resample_region(
            body.hu, core, body.box, body.image_shape, body.spacing_mm, settings.spacing_mm
        )
        if np.count_nonzero(region) < MIN_VOXELS:
            row["reason"] = Reason.TOO_SMALL
            continue
        found = features_of_region(image, region, settings)
        row |= {name: value if np.isfinite(value) else None for name, value in found.items()}
        row |= {"included": level not in left_out, "reason": left_out.get(level)}
    return rows


IBSI = "IBSI reference manual, Zwanenburg et al., Radiology 2020;295:328"


def feature_columns(features: Iterable[str]) -> tuple[Column, ...]:
    """Columns of features by their short names."""
    return tuple(
        Column(name, "", IBSI_NAMES.get(name, name), IBSI, block="radiomics") for name in features
    )


RADIOMICS_SHARED = (
    included("the texture enters summaries"),
    reason("Why the texture does not enter summaries"),
)


def radiomics_columns(settings: RadiomicsSettings) -> tuple[Column, ...]:
    """Columns of radiomics.tsv, in order."""
    return (
        LEVEL,
        *RADIOMICS_SHARED,
        *feature_columns(settings.columns),
    )
