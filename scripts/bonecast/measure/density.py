"""Attenuation of trabecular bone in vertebral bodies, in Hounsfield units (HU)."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bonecast.measure.columns import LEVEL, Column, included, names, reason
from bonecast.measure.frame import Body, why_not_measured
from bonecast.reasons import Reason

ROIS = ("hu_vol", "hu_circle200", "hu_ellipse")
"""Regions of interest this module can measure."""

CIRCLE_AREA_MM2 = 200.0
"""Area of the circle at mid-height (Osteoporos Int 2025, 10.1007/s00198-025-07529-7:
another size shifts L1 by less than 8 HU)."""

ELLIPSE_AXES = (0.65, 0.50)
"""Width and depth of the ellipse as parts of the body's at mid-height."""

ELLIPSE_CENTRE = 0.58
"""Its centre, as part of the depth from the posterior wall: in front of the vein."""

PLANAR_CLEARANCE_MM = 2.0
"""Circle and ellipse are clipped this far inside the body: the cortex and its blur."""

TRIM = 0.10
"""Part of the voxels left out at each end for the trimmed mean."""

METAL_HU = 1500.0
"""Brighter than cortical bone: implants and cement."""

METAL_MM3 = 25.0
"""A connected spot smaller than this is noise: sharp kernels lift single voxels of
cortex above the limit."""

METAL_RIM_MM = 3.0
"""Metal this near to the body falsifies the values in it."""

OUTLIER_Z = 3.0
"""A level this many robust standard deviations from its neighbours is not averaged."""

OUTLIER_FLOOR_HU = 15.0
"""Least standard deviation between neighbours assumed: about the variation of repeated
measurements (5 to 8 %, Osteoporos Int 2025, 10.1007/s00198-025-07529-7)."""

OUTLIER_NEIGHBOURS = 2
"""Levels on each side that a level is compared with."""


@dataclass(frozen=True)
class DensitySettings:
    """How regions are drawn.

    Attributes:
        rois: which of `ROIS` are measured.
        erosion_mm: distance of hu_vol from the surface of the body.
        endplate_fraction: part of the body's height left out of hu_vol at each end-plate.
        slab_mm: thickness of the mid-body slab of circle and ellipse; at least one slice.
        min_volume_mm3: a smaller region is not measured.
        min_voxels: nor one of fewer voxels.
    """

    rois: tuple[str, ...] = ("hu_vol", "hu_circle200")
    erosion_mm: float = 4.0
    endplate_fraction: float = 0.15
    slab_mm: float = 5.0
    min_volume_mm3: float = 300.0
    min_voxels: int = 20


def trabecular_mask(body: Body, erosion_mm: float, endplate_fraction: float) -> np.ndarray:
    """The core of a body: eroded on all sides, a slab left out at each end-plate."""
    core = body.depths_mm >= erosion_mm
    if endplate_fraction > 0:
        height = _local(body, body.mask)[:, 2]
        low, high = np.quantile(height, [0.02, 0.98])
        margin = endplate_fraction * (high - low)
        along = np.full(body.mask.shape, np.inf)
        along[body.mask] = height
        core &= (along > low + margin) & (along < high - margin)
    return core


def _local(body: Body, voxels: np.ndarray) -> np.ndarray:
    """Local coordinates (n, 3) in mm of the voxels of a boolean array."""
    return body.frame.to_local(np.argwhere(voxels) @ body.affine[:3, :3].T + body.affine[:3, 3])


def _planar_mask(body: Body, roi: str, slab_mm: float) -> np.ndarray:
    """Circle or ellipse in the plane through the middle of the body, one slab thick."""
    local = _local(body, body.mask)
    voxel_along_axis = np.abs(body.frame.axes[2] @ (body.affine[:3, :3])).sum()
    half = max(slab_mm, voxel_along_axis) / 2
    # Closed at one end: a slab of one slice between two slices takes one, not both.
    slab = (local[:, 2] > -half + 1e-6) & (local[:, 2] <= half + 1e-6)
    chosen = np.zeros(body.mask.shape, bool)
    if not slab.any():
        return chosen
    if roi == "hu_circle200":
        inside = (local[:, :2] ** 2).sum(axis=1) <= CIRCLE_AREA_MM2 / np.pi
    else:
        low, high = local[slab, :2].min(axis=0), local[slab, :2].max(axis=0)
        size = high - low
        centre = np.array([(low[0] + high[0]) / 2, low[1] + ELLIPSE_CENTRE * size[1]])
        radii = size * ELLIPSE_AXES / 2
        inside = (((local[:, :2] - centre) / radii) ** 2).sum(axis=1) <= 1
    chosen[body.mask] = slab & inside
    return chosen & (body.depths_mm >= PLANAR_CLEARANCE_MM)


def region(body: Body, roi: str, settings: DensitySettings) -> np.ndarray:
    """Voxels of one region of interest, boolean on the crop of the body.

    Raises:
        ValueError: no such region.
    """
    return regions(body, (roi,), settings)[roi]


def regions(body: Body, rois: tuple[str, ...], settings: DensitySettings) -> dict[str, np.ndarray]:
    """Several regions of interest at once, as from `region`."""
    unknown = set(rois) - set(ROIS)
    if unknown:
        raise ValueError(f"unknown region {', '.join(sorted(unknown))}: expected {', '.join(ROIS)}")
    return {
        roi: trabecular_mask(body, settings.erosion_mm, settings.endplate_fraction)
        if roi == "hu_vol"
        else _planar_mask(body, roi, settings.slab_mm)
        for roi in rois
    }


def too_small(n_voxels: int, body: Body, settings: DensitySettings) -> bool:
    """Whether a region of so many voxels is not measured."""
    volume_mm3 = n_voxels * body.voxel_mm3
    return n_voxels < settings.min_voxels or volume_mm3 < settings.min_volume_mm3


def has_metal(body: Body) -> bool:
    """Whether metal or cement lies in a body or within `METAL_RIM_MM` of it."""
    spots, count = ndimage.label(body.hu > METAL_HU)
    if count == 0:
        return False
    large = np.bincount(spots.ravel()) * body.voxel_mm3 >= METAL_MM3
    large[0] = False
    if not large.any():
        return False
    away = ndimage.distance_transform_edt(~body.mask, sampling=body.spacing_mm)
    return bool((large[spots] & (away <= METAL_RIM_MM)).any())


def summarise(values: np.ndarray, voxel_mm3: float) -> dict[str, float | int]:
    """Mean, median, trimmed mean and standard deviation (HU), voxels and volume."""
    ordered = np.sort(values.astype(np.float64))
    cut = int(TRIM * len(ordered))
    return {
        "mean_hu": float(ordered.mean()),
        "median_hu": float(np.median(ordered)),
        "trimmed_mean_hu": float(ordered[cut : len(ordered) - cut].mean()),
        "sd_hu": float(ordered.std(ddof=1)) if len(ordered) > 1 else None,
        "n_voxels": len(ordered),
        "volume_mm3": len(ordered) * voxel_mm3,
    }


def find_outliers(values_hu: dict[str, float]) -> set[str]:
    """Levels whose value lies far from those of their neighbours.

    A level is compared with the median of its neighbours; how far these differ from their
    own neighbours, the level itself set aside, is the robust standard deviation. The worst
    level is removed while it lies more than `OUTLIER_Z` of them away. Three levels are
    needed to tell.

    Args:
        values_hu: value by level, in order from head to foot.
    """
    names, values = list(values_hu), np.array(list(values_hu.values()), float)
    outliers: set[str] = set()
    while len(names) >= 3:
        scores = np.empty(len(names))
        for i in range(len(names)):
            spread = 1.4826 * np.median(_residuals(np.delete(values, i)))
            scores[i] = _residuals(values)[i] / max(spread, OUTLIER_FLOOR_HU)
        worst = int(scores.argmax())
        if scores[worst] <= OUTLIER_Z:
            break
        outliers.add(names.pop(worst))
        values = np.delete(values, worst)
    return outliers


def _residuals(values: np.ndarray) -> np.ndarray:
    """Distance of each value from the median of its neighbours."""
    residuals = np.empty(len(values))
    for i in range(len(values)):
        first = max(i - OUTLIER_NEIGHBOURS, 0)
        near = np.delete(values[first : i + OUTLIER_NEIGHBOURS + 1], i - first)
        residuals[i] = abs(values[i] - np.median(near))
    return residuals


def measure_density(
    bodies: dict[str, Body | None],
    levels: Collection[str],
    settings: DensitySettings,
    fractured: Collection[str] = (),
) -> list[dict]:
    """Attenuation of every body in every region, one row each, from head to foot.

    Args:
        bodies: as from `find_bodies`, with HU.
        levels: those to be analysed; others get rows with a reason and no values.
        settings: how regions are drawn.
        fractured: deformed levels; measured but not included.

    Returns:
        Rows with the columns of density.tsv; a missing value is None. A value that is
        there but not `included` is to be left out of summaries, for the reason given.
    """
    rows: list[dict] = []
    for level, body in bodies.items():
        reason = why_not_measured(level, body, levels)
        if reason:
            rows += [_row(level, roi, reason) for roi in settings.rois]
            continue
        if body.touches_border:
            reason = Reason.TOUCHES_BORDER
        elif has_metal(body):
            reason = Reason.METAL
        elif level in fractured:
            reason = Reason.FRACTURED
        for roi, mask in regions(body, settings.rois, settings).items():
            values = body.hu[mask]
            if too_small(len(values), body, settings):
                rows.append(_row(level, roi, reason or Reason.TOO_SMALL))
            else:
                rows.append(_row(level, roi, reason) | summarise(values, body.voxel_mm3))
    for roi in settings.rois:
        trusted = {row["level"]: row for row in rows if row["roi"] == roi and row["included"]}
        for level in find_outliers({name: row["mean_hu"] for name, row in trusted.items()}):
            trusted[level] |= {"included": False, "reason": Reason.OUTLIER}
    return rows


def _row(level: str, roi: str, reason: Reason | None) -> dict:
    row: dict = dict.fromkeys(names(DENSITY_COLUMNS))
    return row | {"level": level, "roi": roi, "included": reason is None, "reason": reason}


ROI_WORDS = {
    "hu_vol": "vertebral body eroded in 3-D",
    "hu_circle200": "circle of 200 mm2 at mid-height, across the body's own axis",
    "hu_ellipse": "ellipse in the anterior body at mid-height, across its own axis",
}
"""What each region is, in words."""

HU = {"low": -1024.0, "high": 3071.0}

VALUE_COLUMNS = (
    Column("mean_hu", "HU", "Mean attenuation", block="hu", **HU),
    Column("median_hu", "HU", "Median attenuation", block="hu", **HU),
    Column(
        "trimmed_mean_hu",
        "HU",
        f"Mean attenuation without the lowest and highest {TRIM:.0%} of voxels",
        block="hu",
        **HU,
    ),
    Column("sd_hu", "HU", "Standard deviation of attenuation", low=0, block="hu"),
    Column("n_voxels", "count", "Voxels", kind="int", low=1, block="hu"),
    Column("volume_mm3", "mm3", "Volume", low=0, block="hu"),
)

DENSITY_COLUMNS = (
    LEVEL,
    Column("roi", "", "Region of interest", kind="text", words=ROIS),
    *VALUE_COLUMNS,
    included("the value enters summaries"),
    reason("Why not included"),
)
"""Columns of density.tsv, in order."""
