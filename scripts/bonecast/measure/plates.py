"""The end-plates of a vertebral body, column by column, and the body's own axes from them."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bonecast.measure.frame import Body, Frame, local_extent, make_frame, resample_local

COARSE_MM = (2.0, 2.0, 1.0)
"""Local grid (right, anterior, superior) on which the body's own axis is found."""

SMOOTHING_FRACTION = 0.5
"""Gaussian sigma across the end-plate, of the spacing of slices along the body: levels the
steps that they cut into an oblique surface, and leaves height itself alone."""

SLAB_FRACTION = 0.35
"""Central part of the body's width on which heights are measured."""

PLANE_FRACTION = 0.75
"""Central part of width and depth that the plane of an end-plate is fitted to."""

SURFACE_TOLERANCE_MM = 2.0
"""A column whose end-plate is further than this from the columns beside it is an
osteophyte, a Schmorl node or a gap of the mask."""

GREATEST_TURN = np.cos(np.deg2rad(30))
"""A body's own axis further from the curve of the spine than 30 degrees is not believed: its
end-plates were not what was found. Chosen here; 20 degrees occur at the ends of a scan, where the
curve is least certain."""


@dataclass(frozen=True)
class Plates:
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


def find_plates(body: Body, frame: Frame, step_mm: tuple[float, float, float]) -> Plates | None:
    """Both end-plates of a body along the axes of a frame; None where they cannot be told.

    Args:
        step_mm: of the local grid (right, anterior, superior).
    """
    low, high = local_extent(body.mask, body.affine, frame)
    grid, (right, anterior, up) = resample_local(
        body.mask, body.affine, frame, low - 4, high + 4, step_mm
    )
    sigma = SMOOTHING_FRACTION * body.spacing_mm[slice_axis(body, frame)]
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
    return Plates(anterior, top, bottom, slab, front, back, slopes, step_mm)


def slice_axis(body: Body, frame: Frame) -> int:
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


def normal_of(slopes: np.ndarray) -> np.ndarray:
    """Unit normal, upwards, of a plane of these slopes."""
    normal = np.array([-slopes[0], -slopes[1], 1.0])
    return normal / np.linalg.norm(normal)


def own_frame(body: Body) -> Frame:
    """The axes of the body itself: superior is midway between the normals of its end-plates.

    Those of the curve of the spine, which `body.frame` holds, where end-plates cannot be told.
    """
    plates = find_plates(body, body.frame, COARSE_MM)
    if plates is None:
        return body.frame
    axis = body.frame.axes.T @ sum(normal_of(slope) for slope in plates.slopes)
    frame = make_frame(body.frame.origin_mm, axis, body.frame.axes[1])
    near = frame.axes[2] @ body.frame.axes[2] >= GREATEST_TURN
    return frame if near else body.frame
