"""Six-point heights of one vertebral body, each with its standard error, from its mask.

The two end-plates are found along the body's own axis, column by column, between the
slices as linear interpolation gives them. A height is their mean distance over a window
of the depth: the six points of quantitative morphometry, each spread over some columns.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bonecast.measure.frame import Body, Frame, local_extent, make_frame, resample_local

COARSE_MM = (2.0, 2.0, 1.0)
"""Local grid (right, anterior, superior) on which the body's own axis is found."""

FINE_MM = (1.5, 0.75, 0.5)
"""Local grid on which heights are measured."""

SMOOTHING_FRACTION = 0.5
"""Gaussian sigma across the end-plate, of the spacing of slices along the body: levels the
steps that they cut into an oblique surface, and leaves height itself alone."""

SLAB_FRACTION = 0.35
"""Central part of the body's width on which heights are measured."""

PLANE_FRACTION = 0.75
"""Central part of width and depth that the plane of an end-plate is fitted to."""

ANTERIOR = (0.10, 0.25)
"""Part of the depth, from the anterior wall, whose mean height is the anterior one."""

MIDDLE = (1 / 3, 2 / 3)
"""The middle height is the least of this part: a fracture's deepest point need not lie
at the centre."""

POSTERIOR = (0.75, 0.97)
"""The posterior height is the greatest of this part. Six-point morphometry puts its
posterior points on the corners of the body; in CT these lie at 85 to 95 % of the depth,
further in where a mask is rounded, and a mean over the posterior quarter would run down
the slope of a hollow end-plate."""

WINDOW = 0.06
"""Part of the depth that middle and posterior height are means over: 2 mm, as near to a
point as a grid of voxels comes. Chosen here, on three public spines. Wider windows see less of
a hollow: a vertebra that loses 26 % by this one loses 24 % by one of 0.10."""

MIN_HEIGHT_MM = 5.0
"""A mask whose greatest height is less is a scrap of one: an adult's T1 that lost two thirds of its
height has as much. Chosen here."""

MIN_COLUMNS = 0.60
"""Share of a window's columns that must reach both end-plates."""

SURFACE_TOLERANCE_MM = 2.0
"""A column whose end-plate is further than this from the columns beside it is an
osteophyte, a Schmorl node or a gap of the mask."""

CORRELATION_MM = 3.0
"""Columns nearer to each other than this are not independent of each other; chosen here. On
drawn spines whose surface was made rough by 0.7 mm (SD; noise smoothed by 2 mm) 67 % of errors lay
within one standard error and 93 % within 1.96; a mask that is wrong by 1 mm over larger patches
errs more than is stated."""


@dataclass(frozen=True)
class Shape:
    """Heights of one body and its end-plates. Lengths in mm.

    Attributes:
        heights: anterior, middle and posterior height.
        errors: their standard errors.
        depth_mm: from anterior to posterior wall.
        frame: the body's own axes, superior midway between the end-plates' normals.
        upper, lower: unit normals of the end-plates in world axes (RAS), both upwards.
    """

    heights: np.ndarray
    errors: np.ndarray
    depth_mm: float
    frame: Frame
    upper: np.ndarray
    lower: np.ndarray


def measure_shape(body: Body) -> Shape | None:
    """Heights and end-plates of one body.

    The body is looked at twice: first along the curve of the spine, then along the
    axis midway between the end-plates found, which is the body's own.

    Returns:
        None where in a window fewer than `MIN_COLUMNS` of the columns reach both
        end-plates, or no height is `MIN_HEIGHT_MM`.
    """
    first = _find_plates(body, body.frame, COARSE_MM)
    if first is None:
        return None
    axis = body.frame.axes.T @ sum(_normal(slope) for slope in first.slopes)
    frame = make_frame(body.frame.origin_mm, axis, body.frame.axes[1])
    plates = _find_plates(body, frame, FINE_MM)
    if plates is None:
        return None
    rows = _sum_rows(plates)
    windows = [
        _mean_window(plates, rows, *ANTERIOR),
        _extreme_window(plates, rows, MIDDLE, min),
        _extreme_window(plates, rows, POSTERIOR, max),
    ]
    if any(window is None for window in windows):
        return None
    if max(window.height for window in windows) < MIN_HEIGHT_MM:
        return None
    upper, lower = (frame.axes.T @ _normal(slope) for slope in plates.slopes)
    return Shape(
        heights=np.array([window.height for window in windows]),
        errors=_errors(body, frame, plates, windows),
        depth_mm=plates.depth_mm,
        frame=frame,
        upper=upper,
        lower=lower,
    )


@dataclass(frozen=True)
class _Plates:
    """Both end-plates over the columns of a local grid, in mm.

    `top`, `bottom`: (right, anterior), NaN without bone or away from the columns beside.
    `slab`: which rows of right are measured. `slopes`: of the planes, (right, anterior).
    """

    anterior: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    slab: np.ndarray
    front_mm: float
    back_mm: float
    slopes: tuple[np.ndarray, np.ndarray]
    step_mm: tuple[float, float, float]

    @property
    def depth_mm(self) -> float:
        return self.front_mm - self.back_mm

    @property
    def share(self) -> np.ndarray:
        """Part of the depth, from the anterior wall, at which each row of columns lies."""
        return (self.front_mm - self.anterior) / self.depth_mm


def _find_plates(body: Body, frame: Frame, step_mm) -> _Plates | None:
    low, high = local_extent(body.mask, body.affine, frame)
    grid, (right, anterior, up) = resample_local(
        body.mask, body.affine, frame, low - 4, high + 4, step_mm
    )
    sigma = SMOOTHING_FRACTION * body.spacing_mm[_slice_axis(body, frame)]
    grid = ndimage.gaussian_filter(grid, (sigma / step_mm[0], sigma / step_mm[1], 0))
    inside = grid > 0.5
    reached = inside.any(axis=2)
    # Width at mid-depth: the posterior corners and pedicle stumps would widen it.
    across = reached[:, np.abs(anterior) < 3].mean(axis=1) > 0.5
    if not across.any():
        return None
    width = right[across]
    aside = np.abs(right - width.mean()) / (np.ptp(width) / 2 + 1e-6)
    slab = aside <= SLAB_FRACTION
    top, bottom = _crossings(grid, inside, up)
    height = (top - bottom)[slab]
    if np.isnan(height).all():
        return None
    tall = np.nan_to_num(height) > 0.5 * np.nanmedian(height)
    along = anterior[tall.mean(axis=0) > 0.5]
    if len(along) < 5:
        return None
    front, back = along.max() + step_mm[1] / 2, along.min() - step_mm[1] / 2
    inner = np.abs(anterior - (front + back) / 2) <= PLANE_FRACTION * (front - back) / 2
    used = np.outer(aside <= PLANE_FRACTION, inner)
    slopes = tuple(_fit_slopes(right, anterior, z, used) for z in (top, bottom))
    for z, slope in zip((top, bottom), slopes, strict=True):
        level = z - slope[0] * right[:, None]
        z[np.abs(level - _row_median(level[slab])) > SURFACE_TOLERANCE_MM] = np.nan
    return _Plates(anterior, top, bottom, slab, front, back, slopes, step_mm)


def _slice_axis(body: Body, frame: Frame) -> int:
    """The axis of the voxels that runs most nearly along the body's own."""
    return int(np.argmax(np.abs(frame.axes[2] @ (body.affine[:3, :3] / body.spacing_mm))))


def _row_median(columns: np.ndarray) -> np.ndarray:
    """Median over right of every row of columns; NaN where there is none."""
    seen = np.isfinite(columns).any(axis=0)
    out = np.full(columns.shape[1], np.nan)
    out[seen] = np.nanmedian(columns[:, seen], axis=0)
    return out


def _crossings(grid: np.ndarray, inside: np.ndarray, axis: np.ndarray):
    """Where each column of the grid leaves the body at its top and bottom, between points."""
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


def _fit_slopes(right, anterior, height, used) -> np.ndarray:
    """Slopes to right and to anterior of the robust plane through a surface's used columns."""
    rows, columns = np.nonzero(used & np.isfinite(height))
    z = height[rows, columns]
    design = np.stack([np.ones(len(z)), right[rows], anterior[columns]], axis=1)
    keep = np.abs(z - np.median(z)) < 3 * SURFACE_TOLERANCE_MM
    for _ in range(3):
        plane = np.linalg.lstsq(design[keep], z[keep], rcond=None)[0]
        keep = np.abs(z - design @ plane) < SURFACE_TOLERANCE_MM
        if np.count_nonzero(keep) < 4:
            break
    return plane[1:]


def _normal(slopes: np.ndarray) -> np.ndarray:
    """Unit normal, upwards, of a plane of these slopes."""
    normal = np.array([-slopes[0], -slopes[1], 1.0])
    return normal / np.linalg.norm(normal)


@dataclass(frozen=True)
class _Window:
    """One height, the part of the depth it is a mean over, and its variance by roughness."""

    height: float
    length_mm: float
    rough_mm2: float


@dataclass(frozen=True)
class _Rows:
    """Columns of the slab summed over right: one value for each row along the depth.

    Roughness is what differs from side to side; along the depth the body has a shape.
    """

    share: np.ndarray
    seen: np.ndarray
    total_mm: np.ndarray
    square_mm2: np.ndarray
    columns: int


def _sum_rows(plates: _Plates) -> _Rows:
    heights = (plates.top - plates.bottom)[plates.slab]
    known = np.isfinite(heights)
    seen = known.sum(axis=0)
    total = np.where(known, heights, 0).sum(axis=0)
    apart = np.where(known, heights - total / np.maximum(seen, 1), 0)
    return _Rows(plates.share, seen, total, (apart**2).sum(axis=0), len(heights))


def _mean_window(plates: _Plates, rows: _Rows, start: float, stop: float) -> _Window | None:
    """Mean height over a part of the depth."""
    inside = (rows.share >= start) & (rows.share <= stop)
    seen = rows.seen[inside].sum()
    if seen == 0 or seen < MIN_COLUMNS * rows.columns * np.count_nonzero(inside):
        return None
    length = (stop - start) * plates.depth_mm
    independent = max(1.0, rows.columns * plates.step_mm[0] * length / CORRELATION_MM**2)
    return _Window(
        height=float(rows.total_mm[inside].sum() / seen),
        length_mm=length,
        rough_mm2=float(rows.square_mm2[inside].sum() / seen) / independent,
    )


def _extreme_window(
    plates: _Plates, rows: _Rows, part: tuple[float, float], extreme
) -> _Window | None:
    """The window of `WINDOW` of the depth, within a part of it, of extreme height."""
    starts = np.arange(part[0], part[1] - WINDOW + 1e-9, WINDOW / 4)
    windows = [_mean_window(plates, rows, start, start + WINDOW) for start in starts]
    found = [window for window in windows if window is not None]
    if len(found) < MIN_COLUMNS * len(windows):
        return None
    return extreme(found, key=lambda window: window.height)


def _errors(body: Body, frame: Frame, plates: _Plates, windows: list[_Window]) -> np.ndarray:
    """Standard errors (mm) of the heights.

    A mask places a surface only to the nearest voxel: its error is a sawtooth along the
    surface, which averages out where a window covers whole steps and does not where the
    end-plate lies parallel to the slices. The variance of its mean over the window is
    summed here term by term of the sawtooth's Fourier series; roughness of the surface
    adds to it. Errors of different heights are taken as independent.
    """
    right, anterior, up = frame.axes @ (body.affine[:3, :3] / body.spacing_mm)
    k = _slice_axis(body, frame)
    spacing = body.spacing_mm[k]
    order = np.arange(1, 25)[:, None]
    lengths = np.array([window.length_mm for window in windows])
    width = np.count_nonzero(plates.slab) * plates.step_mm[0]
    variance = np.array([window.rough_mm2 for window in windows])
    for slope in plates.slopes:
        across = (right[k] + slope[0] * up[k]) / spacing
        along = (anterior[k] + slope[1] * up[k]) / spacing
        seen = (np.sinc(order * lengths * along) * np.sinc(order * width * across)) ** 2
        series = seen / (2 * np.pi**2 * order**2)
        variance = variance + (spacing * up[k]) ** 2 * series.sum(axis=0)
    return np.sqrt(variance)
