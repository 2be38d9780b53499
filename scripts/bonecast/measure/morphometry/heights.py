"""Six-point heights of one vertebral body, each with its standard error, from its mask.

The two end-plates are found along the body's own axis, column by column, between the
slices as linear interpolation gives them. A height is their mean distance over a window
of the depth: the six points of quantitative morphometry, each spread over some columns.
"""

from dataclasses import dataclass

import numpy as np

from bonecast.measure.frame import Body
from bonecast.measure.plates import (
    COARSE_MM,
    Plates,
    find_plates,
    normal_of,
    slice_axis,
)

FINE_MM = (1.5, 0.75, 0.5)
"""Local grid on which heights are measured."""

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
        upper, lower: unit normals of the end-plates in world axes (RAS), both upwards.
    """

    heights: np.ndarray
    errors: np.ndarray
    depth_mm: float
    upper: np.ndarray
    lower: np.ndarray


def measure_shape(body: Body) -> Shape | None:
    """Heights and end-plates of one body.

    Returns:
        None where in a window fewer than `MIN_COLUMNS` of the columns reach both
        end-plates, or no height is `MIN_HEIGHT_MM`.
    """
    # A body whose end-plates cannot be told has the axes of the spine, not its own.
    if find_plates(body, body.frame, COARSE_MM) is None:
        return None
    plates = find_plates(body, body.frame, FINE_MM)
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
    upper, lower = (body.frame.axes.T @ normal_of(slope) for slope in plates.slopes)
    return Shape(
        heights=np.array([window.height for window in windows]),
        errors=_errors(body, plates, windows),
        depth_mm=plates.depth_mm,
        upper=upper,
        lower=lower,
    )


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


def _sum_rows(plates: Plates) -> _Rows:
    heights = (plates.top - plates.bottom)[plates.slab]
    known = np.isfinite(heights)
    seen = known.sum(axis=0)
    total = np.where(known, heights, 0).sum(axis=0)
    apart = np.where(known, heights - total / np.maximum(seen, 1), 0)
    return _Rows(plates.share, seen, total, (apart**2).sum(axis=0), len(heights))


def _mean_window(plates: Plates, rows: _Rows, start: float, stop: float) -> _Window | None:
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
    plates: Plates, rows: _Rows, part: tuple[float, float], extreme
) -> _Window | None:
    """The window of `WINDOW` of the depth, within a part of it, of extreme height."""
    starts = np.arange(part[0], part[1] - WINDOW + 1e-9, WINDOW / 4)
    windows = [_mean_window(plates, rows, start, start + WINDOW) for start in starts]
    found = [window for window in windows if window is not None]
    if len(found) < MIN_COLUMNS * len(windows):
        return None
    return extreme(found, key=lambda window: window.height)


def _errors(body: Body, plates: Plates, windows: list[_Window]) -> np.ndarray:
    """Standard errors (mm) of the heights.

    A mask places a surface only to the nearest voxel: its error is a sawtooth along the
    surface, which averages out where a window covers whole steps and does not where the
    end-plate lies parallel to the slices. The variance of its mean over the window is
    summed here term by term of the sawtooth's Fourier series; roughness of the surface
    adds to it. Errors of different heights are taken as independent.
    """
    right, anterior, up = body.frame.axes @ (body.affine[:3, :3] / body.spacing_mm)
    k = slice_axis(body, body.frame)
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
