"""Attenuation of trabecular bone in vertebral bodies, in Hounsfield units (HU)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from bonecast.measure.columns import HU, LEVEL, Column, included, names, reason
from bonecast.measure.frame import Body, why_not_measured
from bonecast.measure.inclusion import bright_spot, find_implausible, find_outliers, in_order
from bonecast.reasons import Reason

ROIS = ("hu_vol", "hu_circle200", "hu_ellipse")
"""Regions of interest this module can measure."""

CIRCLE_AREA_MM2 = 200.0
"""Area of the circle at mid-height (Osteoporos Int 2025, 10.1007/s00198-025-07529-7:
another size shifts L1 by less than 8 HU)."""

ELLIPSE_AXES = (0.65, 0.50)
"""Width and depth of the ellipse as parts of the body's at mid-height (chosen here, to fill the
anterior trabecular bone that Pickhardt et al., Ann Intern Med 2013;158:588 draw their oval in)."""

ELLIPSE_CENTRE = 0.58
"""Its centre, as part of the depth from the posterior wall: in front of the vein (chosen here)."""

PLANAR_CLEARANCE_MM = 3.0
"""Circle and ellipse are clipped this far inside the body (chosen here): the cortex and its blur,
and a mask that is a millimetre too large."""

TRIM = 0.10
"""Part of the voxels left out at each end for the trimmed mean."""


Placed = Mapping[str, Mapping[str, np.ndarray]]
"""Voxels of every region, by level and region."""


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

    rois: tuple[str, ...] = ROIS
    erosion_mm: float = 4.0
    endplate_fraction: float = 0.15
    slab_mm: float = 5.0
    min_volume_mm3: float = 300.0
    min_voxels: int = 20


def trabecular_mask(body: Body, erosion_mm: float, endplate_fraction: float) -> np.ndarray:
    """The core of a body: eroded on all sides, a slab left out at each end-plate."""
    core = body.depths_mm >= erosion_mm
    if endplate_fraction > 0:
        height = body.local_mm[:, 2]
        low, high = np.quantile(height, [0.02, 0.98])
        margin = endplate_fraction * (high - low)
        core[body.mask] &= (height > low + margin) & (height < high - margin)
    return core


def _planar_mask(body: Body, roi: str, slab_mm: float) -> np.ndarray:
    """Circle or ellipse in the plane through the middle of the body, one slab thick."""
    along = body.local_mm[:, 2]
    voxel_along_axis = np.abs(body.frame.axes[2] @ (body.affine[:3, :3])).sum()
    half = max(slab_mm, voxel_along_axis) / 2
    # Closed at one end: a slab of one slice between two slices takes one, not both.
    slab = np.flatnonzero((along > -half + 1e-6) & (along <= half + 1e-6))
    chosen = np.zeros(body.mask.shape, bool)
    if not len(slab):
        return chosen
    across = body.local_mm[slab, :2]
    if roi == "hu_circle200":
        inside = (across**2).sum(axis=1) <= CIRCLE_AREA_MM2 / np.pi
    else:
        low, size = across.min(axis=0), np.ptp(across, axis=0)
        centre = low + size * (0.5, ELLIPSE_CENTRE)
        inside = (((across - centre) / (size * ELLIPSE_AXES / 2)) ** 2).sum(axis=1) <= 1
    chosen.ravel()[np.flatnonzero(body.mask)[slab[inside]]] = True
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


def place_regions(
    bodies: Mapping[str, Body | None], levels: Collection[str], settings: DensitySettings
) -> Placed:
    """Where every vertebra that can be measured is measured.

    Returns:
        By level and region, boolean on the crop of its body (`body.box`).
    """
    return {
        level: regions(body, settings.rois, settings)
        for level, body in bodies.items()
        if not why_not_measured(level, body, levels)
    }


def measure_density(
    bodies: Mapping[str, Body | None],
    levels: Collection[str],
    settings: DensitySettings,
    left_out: Mapping[str, Collection[Reason]] | None = None,
    placed: Placed | None = None,
) -> list[dict]:
    """Attenuation of every body in every region, one row each, from head to foot.

    Args:
        bodies: as from `find_bodies`, with HU.
        levels: those to be analysed; others get rows with a reason and no values.
        settings: how regions are drawn.
        left_out: reasons known beforehand, by level: deformed, or on the user's list. Such a
            level is measured and not included.
        placed: as from `place_regions` with the same arguments; None: placed here.

    Returns:
        Rows with the columns of density.tsv; a missing value is None. A value that is
        there but not `included` is to be left out of summaries, for the reasons given.
    """
    placed = place_regions(bodies, levels, settings) if placed is None else placed
    rows: list[dict] = []
    for level, body in bodies.items():
        known = set((left_out or {}).get(level, ()))
        unmeasured = why_not_measured(level, body, levels)
        if unmeasured:
            rows += [_row(level, roi, known | {unmeasured}) for roi in settings.rois]
            continue
        if body.touches_border:
            known.add(Reason.TOUCHES_BORDER)
        if bright := bright_spot(body):
            known.add(bright)
        for roi, mask in placed[level].items():
            values = body.hu[mask]
            if too_small(len(values), body, settings):
                rows.append(_row(level, roi, known | {Reason.TOO_SMALL}))
            else:
                rows.append(_row(level, roi, known) | summarise(values, body.voxel_mm3))
    for roi in settings.rois:
        _compare([row for row in rows if row["roi"] == roi and row["mean_hu"] is not None])
    return [_named(row) for row in rows]


def _compare(rows: list[dict]) -> None:
    """Add the reasons that only the other levels tell, to the rows of one region with values."""
    sds = {row["level"]: row["sd_hu"] for row in rows if row["sd_hu"] is not None}
    uneven = find_implausible(sds)
    for row in rows:
        if row["level"] in uneven:
            row["reasons"].add(Reason.IMPLAUSIBLE_SD)
    trusted = {row["level"]: row for row in rows if not row["reasons"]}
    for level in find_outliers({name: row["mean_hu"] for name, row in trusted.items()}):
        trusted[level]["reasons"].add(Reason.OUTLIER)


def _row(level: str, roi: str, reasons: set[Reason]) -> dict:
    row: dict = dict.fromkeys(names(DENSITY_COLUMNS))
    return row | {"level": level, "roi": roi, "reasons": set(reasons)}


def _named(row: dict) -> dict:
    """A row with its reasons as text."""
    reasons = in_order(row["reasons"])
    return row | {
        "included": not reasons,
        "reason": reasons[0] if reasons else None,
        "reasons": " ".join(reasons) or None,
    }


def region_bits(
    bodies: Mapping[str, Body | None], placed: Placed, settings: DensitySettings
) -> dict[str, np.ndarray]:
    """Which voxels of every vertebra are measured, for drawing.

    Args:
        placed: as from `place_regions`.

    Returns:
        By level, uint8 on the crop of its body: bit k is set where the voxel belongs to region
        `settings.rois[k]`. Levels and regions without a value are left out.
    """
    found = {}
    for level, masks in placed.items():
        body = bodies[level]
        found[level] = np.zeros(body.mask.shape, np.uint8)
        for k, mask in enumerate(masks.values()):
            if not too_small(np.count_nonzero(mask), body, settings):
                found[level] |= mask.astype(np.uint8) << k
    return found


ROI_WORDS = {
    "hu_vol": "vertebral body eroded in 3-D",
    "hu_circle200": "circle of 200 mm2 at mid-height, across the body's own axis",
    "hu_ellipse": "ellipse in the anterior body at mid-height, across its own axis",
}
"""What each region is, in words."""

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
    reason("Why not included: the first of `reasons`"),
    Column(
        "reasons",
        "",
        "Every reason why not included: codes, separated by blanks, in the order of "
        "bonecast.measure.inclusion",
        kind="text",
    ),
)
"""Columns of density.tsv, in order."""
