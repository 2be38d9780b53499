"""Heights of vertebral bodies and Genant's grade of deformity, from masks alone.

Six points in the manner of quantitative morphometry: anterior, middle and posterior
height of each body, measured along its own axis between its two end-plates and
averaged over a central slab.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bonecast.levels import order_of
from bonecast.measure.columns import LEVEL, Column, included, names, reason
from bonecast.measure.frame import (
    Body,
    local_extent,
    make_frame,
    resample_local,
    why_not_measured,
)
from bonecast.reasons import Reason

GRID_MM = (1.0, 1.0, 0.5)
"""Local grid (right, anterior, superior) on which end-plates are looked for."""

SMOOTHING_MM = (1.5, 1.5, 0.0)
"""Gaussian sigma across the end-plate: levels the steps that thick slices cut into an
oblique surface, and leaves height itself alone."""

SLAB_FRACTION = 0.35
"""Central part of the body's width that is measured."""

BANDS = {"anterior": (0.10, 0.25), "middle": (0.45, 0.55), "posterior": (0.75, 0.90)}
"""Parts of the body's depth, from its anterior wall, that stand for the six points."""

MIN_COLUMNS = 0.60
"""Share of a band's columns that must reach both end-plates."""

SURFACE_TOLERANCE_MM = 2.0
"""A column further than this from the plane through its band's end-plate is an
osteophyte, a Schmorl node or a gap of the mask."""

GENANT_LOSS = ((0.40, 3), (0.25, 2), (0.20, 1))
"""Loss of height and the grade it reaches (Genant et al., J Bone Miner Res 1993;8:1137,
10.1002/jbmr.5650080915)."""

HEIGHT_TREND_MM = dict(
    zip(
        (*(f"T{i}" for i in range(1, 14)), *(f"L{i}" for i in range(1, 7))),
        (14.1, 15.6, 15.7, 16.2, 16.2, 17.4, 18.2, 18.7, 19.3, 20.2, 21.3, 22.7, 23.3)
        + (23.8, 24.3, 23.8, 24.1, 22.9, 22.9),
        strict=True,
    )
)
"""Typical posterior heights by level (Panjabi et al., thoracic: Spine 1991;16:888,
10.1097/00007632-199108000-00006; lumbar: Spine 1992;17:299); T13 lies between its neighbours,
L6 is like L5. Only their ratios are used, for
all three heights, to compare a vertebra with neighbours naturally taller or shorter."""

NEIGHBOURS = 3
"""Measured vertebrae on each side that a height is compared with."""

NEIGHBOUR_QUANTILE = 0.75
"""Of the neighbours' heights, scaled by the trend, the one that is expected: above the
median, because a fractured neighbour is always too short and several may be."""


@dataclass(frozen=True)
class Heights:
    """Three heights of one body in mm, each with the standard deviation over its columns.

    `depth_mm` is the body's length from anterior to posterior wall.
    """

    anterior_mm: float
    middle_mm: float
    posterior_mm: float
    anterior_sd_mm: float
    middle_sd_mm: float
    posterior_sd_mm: float
    depth_mm: float


def measure_heights(body: Body) -> Heights | None:
    """Anterior, middle and posterior height of one body.

    The body is measured twice: first along the curve of the spine, then along the
    axis midway between the end-plates found, which is the body's own.

    Returns:
        The heights, or None where in a band fewer than `MIN_COLUMNS` of the columns
        reach both end-plates.
    """
    surfaces = _surfaces(body, body.frame)
    if surfaces is None:
        return None
    axis = body.frame.axes.T @ _mean_normal(surfaces)
    frame = make_frame(body.frame.origin_mm, axis, body.frame.axes[1])
    surfaces = _surfaces(body, frame)
    if surfaces is None:
        return None
    bands = {name: _band_height(surfaces, *limits) for name, limits in BANDS.items()}
    if any(band is None for band in bands.values()):
        return None
    (front, front_sd), (middle, middle_sd), (back, back_sd) = bands.values()
    return Heights(front, middle, back, front_sd, middle_sd, back_sd, surfaces.depth_mm)


@dataclass(frozen=True)
class _Surfaces:
    """End-plates over the central slab: right and anterior position, top and bottom, in mm.

    Columns without bone hold NaN; `front_mm` and `back_mm` are the walls.
    """

    right: np.ndarray
    anterior: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    front_mm: float
    back_mm: float

    @property
    def depth_mm(self) -> float:
        return self.front_mm - self.back_mm


def _surfaces(body: Body, frame) -> _Surfaces | None:
    """Top and bottom of every column of the central slab."""
    low, high = local_extent(body.mask, body.affine, frame)
    grid, axes = resample_local(body.mask, body.affine, frame, low - 4, high + 4, GRID_MM)
    grid = ndimage.gaussian_filter(grid, np.divide(SMOOTHING_MM, GRID_MM))
    inside = grid > 0.5
    reached = inside.any(axis=2)
    # Width at mid-depth: the posterior corners and pedicle stumps would widen it.
    across = reached[:, np.abs(axes[1]) < 3].mean(axis=1) > 0.5
    if not across.any():
        return None
    width = axes[0][across]
    slab = np.abs(axes[0] - width.mean()) <= SLAB_FRACTION * np.ptp(width) / 2
    top, bottom = _crossings(grid[slab], inside[slab], axes[2])
    height = top - bottom
    tall = np.nan_to_num(height) > 0.5 * np.nanmedian(height)
    along = axes[1][tall.mean(axis=0) > 0.5]
    if len(along) < 5:
        return None
    half = GRID_MM[1] / 2
    right, anterior = np.meshgrid(axes[0][slab], axes[1], indexing="ij")
    return _Surfaces(right, anterior, top, bottom, along.max() + half, along.min() - half)


def _crossings(grid: np.ndarray, inside: np.ndarray, axis: np.ndarray):
    """Where each column of the grid enters and leaves the body, between grid points."""
    count = len(axis)
    reached = inside.any(axis=2)
    first = np.where(reached, inside.argmax(axis=2), 1)
    last = np.where(reached, count - 1 - inside[:, :, ::-1].argmax(axis=2), count - 2)

    def crossing(index, outward):
        here = np.take_along_axis(grid, index[..., None], axis=2)[..., 0]
        beyond = np.take_along_axis(grid, index[..., None] + outward, axis=2)[..., 0]
        share = np.divide(here - 0.5, here - beyond, where=reached, out=np.full(here.shape, np.nan))
        return axis[index] + outward * share * (axis[1] - axis[0])

    return crossing(last, 1), crossing(first, -1)


def _mean_normal(surfaces: _Surfaces) -> np.ndarray:
    """Unit vector midway between the normals of the planes through both end-plates."""
    share = (surfaces.front_mm - surfaces.anterior) / surfaces.depth_mm
    used = (share > 0.1) & (share < 0.9) & np.isfinite(surfaces.top)
    slopes = [
        _fit_plane(surfaces.right[used], surfaces.anterior[used], z[used])[0][1:]
        for z in (surfaces.top, surfaces.bottom)
    ]
    normals = [np.array([-slope[0], -slope[1], 1.0]) for slope in slopes]
    total = sum(normal / np.linalg.norm(normal) for normal in normals)
    return total / np.linalg.norm(total)


def _fit_plane(right: np.ndarray, anterior: np.ndarray, height: np.ndarray):
    """Robust plane z = a + b right + c anterior; the coefficients and the columns near it."""
    design = np.stack([np.ones_like(right), right, anterior], axis=1)
    keep = np.abs(height - np.median(height)) < 3 * SURFACE_TOLERANCE_MM
    for _ in range(3):
        plane = np.linalg.lstsq(design[keep], height[keep], rcond=None)[0]
        keep = np.abs(height - design @ plane) < SURFACE_TOLERANCE_MM
        if np.count_nonzero(keep) < 4:
            break
    return plane, keep


def _band_height(surfaces: _Surfaces, start: float, stop: float) -> tuple[float, float] | None:
    """Mean height over a band of the depth, and its standard deviation over columns."""
    share = (surfaces.front_mm - surfaces.anterior) / surfaces.depth_mm
    band = (share >= start) & (share <= stop)
    seen = band & np.isfinite(surfaces.top) & np.isfinite(surfaces.bottom)
    if np.count_nonzero(seen) < 4:
        return None
    right, anterior = surfaces.right[seen], surfaces.anterior[seen]
    keep = np.ones(right.shape, bool)
    for z in (surfaces.top, surfaces.bottom):
        keep &= _fit_plane(right, anterior, z[seen])[1]
    if np.count_nonzero(keep) < MIN_COLUMNS * np.count_nonzero(band):
        return None
    heights = (surfaces.top - surfaces.bottom)[seen][keep]
    return float(heights.mean()), float(heights.std())


def measure_morphometry(bodies: dict[str, Body | None], levels: Collection[str]) -> list[dict]:
    """Heights, ratios and Genant grade of every body, one row each, from head to foot.

    Args:
        bodies: as from `find_bodies`.
        levels: those to be analysed; others get a row with a reason and no values.

    Returns:
        Rows with the columns of morphometry.tsv; a missing value is None.
    """
    heights: dict[str, Heights] = {}
    reasons: dict[str, Reason] = {}
    for level, body in bodies.items():
        if reason := why_not_measured(level, body, levels):
            reasons[level] = reason
        elif body.touches_border:
            reasons[level] = Reason.TOUCHES_BORDER
        elif (measured := measure_heights(body)) is None:
            reasons[level] = Reason.HEIGHT_NOT_MEASURABLE
        else:
            heights[level] = measured
    against = {
        name: neighbour_ratios({level: getattr(h, f"{name}_mm") for level, h in heights.items()})
        for name in BANDS
    }
    rows = []
    for level in bodies:
        ratios = {name: against[name].get(level) for name in BANDS}
        rows.append(_row(level, heights.get(level), ratios, reasons.get(level)))
    return rows


def neighbour_ratios(heights_mm: dict[str, float]) -> dict[str, float | None]:
    """Each height over that expected from the neighbours.

    Args:
        heights_mm: the same height (anterior, middle or posterior) by level.

    Returns:
        Ratio by level; None where no neighbour was measured or the level has no trend.
    """
    known = [level for level in HEIGHT_TREND_MM if level in heights_mm]
    scaled = np.array([heights_mm[level] / HEIGHT_TREND_MM[level] for level in known])
    order = order_of(heights_mm)
    place = np.array([order.index(level) for level in known])
    ratios: dict[str, float | None] = dict.fromkeys(heights_mm)
    for i, level in enumerate(known):
        distance = np.abs(place - place[i])
        near = (distance > 0) & (distance <= NEIGHBOURS)
        if near.any():
            ratios[level] = float(scaled[i] / np.quantile(scaled[near], NEIGHBOUR_QUANTILE))
    return ratios


def grade_deformity(
    anterior_mm: float,
    middle_mm: float,
    posterior_mm: float,
    against_neighbours: dict[str, float | None],
) -> tuple[int, str]:
    """Genant's grade and type from the three heights.

    The anterior and middle heights are judged by the posterior one and by the
    neighbours, the posterior one by the neighbours alone.

    Args:
        anterior_mm, middle_mm, posterior_mm: heights.
        against_neighbours: for `anterior`, `middle` and `posterior`, the height over that
            expected from the neighbours, or None.

    Returns:
        Grade 0 to 3, and `none`, `wedge`, `biconcave` or `crush`. A body that has lost
        height at its posterior wall too is crushed, whatever else it lost.
    """
    known = {name: 1.0 if ratio is None else ratio for name, ratio in against_neighbours.items()}
    losses = {
        "wedge": 1 - min(anterior_mm / posterior_mm, known["anterior"]),
        "biconcave": 1 - min(middle_mm / posterior_mm, known["middle"]),
        "crush": 1 - known["posterior"],
    }
    # 16 of 20 mm is a loss of 20 %, though not in binary fractions.
    losses = {name: round(loss, 9) for name, loss in losses.items()}
    grade = next((grade for limit, grade in GENANT_LOSS if max(losses.values()) >= limit), 0)
    if grade == 0:
        return 0, "none"
    if losses["crush"] >= GENANT_LOSS[-1][0]:
        return grade, "crush"
    return grade, max(losses, key=losses.get)


def _row(
    level: str,
    heights: Heights | None,
    against_neighbours: dict[str, float | None],
    reason: Reason | None,
) -> dict:
    """One row of morphometry.tsv."""
    row: dict = dict.fromkeys(names(MORPHOMETRY_COLUMNS))
    row |= {"level": level, "included": reason is None, "reason": reason}
    if heights is not None:
        three = (heights.anterior_mm, heights.middle_mm, heights.posterior_mm)
        row |= vars(heights)
        row["wedge_ratio"] = heights.anterior_mm / heights.posterior_mm
        row["biconcave_ratio"] = heights.middle_mm / heights.posterior_mm
        row["crush_ratio"] = against_neighbours["posterior"]
        row["anterior_neighbour_ratio"] = against_neighbours["anterior"]
        row["middle_neighbour_ratio"] = against_neighbours["middle"]
        row["genant_grade"], row["genant_type"] = grade_deformity(*three, against_neighbours)
    return row


GENANT = "Genant et al., J Bone Miner Res 1993;8:1137, 10.1002/jbmr.5650080915"


def _shape(name: str, unit: str, definition: str, source: str = "", **more) -> Column:
    return Column(name, unit, definition, source, block="morphometry", **{"low": 0.0, **more})


MORPHOMETRY_COLUMNS = (
    LEVEL,
    _shape("anterior_mm", "mm", "Anterior height of the body"),
    _shape("middle_mm", "mm", "Middle height of the body"),
    _shape("posterior_mm", "mm", "Posterior height of the body"),
    _shape("anterior_sd_mm", "mm", "Standard deviation of the anterior height over its columns"),
    _shape("middle_sd_mm", "mm", "Standard deviation of the middle height over its columns"),
    _shape("posterior_sd_mm", "mm", "Standard deviation of the posterior height over its columns"),
    _shape("depth_mm", "mm", "Length of the body from anterior to posterior wall"),
    _shape("wedge_ratio", "ratio", "Anterior over posterior height", GENANT),
    _shape("biconcave_ratio", "ratio", "Middle over posterior height", GENANT),
    _shape("crush_ratio", "ratio", "Posterior height over that expected from the neighbours"),
    _shape(
        "anterior_neighbour_ratio",
        "ratio",
        "Anterior height over that expected from the neighbours",
    ),
    _shape(
        "middle_neighbour_ratio", "ratio", "Middle height over that expected from the neighbours"
    ),
    _shape(
        "genant_grade",
        "grade",
        "Semi-quantitative grade; 1 is a deformity, not a fracture",
        GENANT,
        kind="int",
        high=3,
    ),
    _shape(
        "genant_type",
        "",
        "Form of the deformity",
        GENANT,
        kind="text",
        low=None,
        words=("none", "wedge", "biconcave", "crush"),
    ),
    included("the heights enter summaries"),
    reason("Why the heights do not enter summaries"),
)
"""Columns of morphometry.tsv, in order."""
