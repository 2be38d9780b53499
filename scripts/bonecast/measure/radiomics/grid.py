"""The resampled grid: that of the whole image, evaluated around one region only.

IBSI resampling aligns the new grid with the centre of the image. Cropping a region first would
move the grid and change most features; the whole image's grid is therefore kept, but only its
points around the region are computed. That needs, of the scan, the region's surroundings as far
as the interpolation and what follows look, and the size of the whole image.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bonecast.images import bounding_box

HALF_DECIMALS = 6
HALF_TOLERANCE = 10.0**-HALF_DECIMALS
"""Interpolated values this near to a half count as a half."""

SUPPORT_VOXELS = {"linear": 1, "cubic": 24}
"""Voxels that an interpolated value depends on, to each side. A cubic B-spline is an infinite
filter whose weights fall by sqrt(3) - 2 = -0.27 per voxel (IEEE Signal Process Mag
1999;16:22): 24 voxels away 2e-14 is left, below the rounding to whole HU."""

ORDERS = {"linear": 1, "cubic": 3}


@dataclass(frozen=True)
class Surroundings:
    """A part of a CT, and where it lies in it.

    Attributes:
        hu: the crop, (x, y, z).
        box: its place in the whole image.
        image_shape: of the whole image.
        spacing_mm: voxel size.
    """

    hu: np.ndarray
    box: tuple[slice, slice, slice]
    image_shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True)
class Motion:
    """A rigid motion of the grid against the image, about the region's centre.

    Attributes:
        rotation: (3, 3) matrix, along x, y, z.
        shift_mm: (3,) translation after it.
    """

    rotation: np.ndarray
    shift_mm: np.ndarray


@dataclass(frozen=True)
class Region:
    """A region on the resampled grid, with its surroundings.

    Attributes:
        image: float64, whole HU.
        mask: boolean, of equal shape.
        spacing_mm: voxel size of the grid, equal along all axes.
        offset: index of the first point in the grid of the whole image.
    """

    image: np.ndarray
    mask: np.ndarray
    spacing_mm: float
    offset: tuple[int, int, int] = (0, 0, 0)


def resample_region(
    around: Surroundings,
    mask: np.ndarray,
    new_spacing_mm: float,
    interpolation: str = "linear",
    reach_mm: float = 0.0,
    motion: Motion | None = None,
) -> Region:
    """Image and region on the IBSI grid of the whole image, around the region only.

    Per axis the new grid has ceil(n s / t) points, centred on the image (n voxels of size s, new
    size t). Intensities are rounded to whole HU; the region is interpolated linearly and is where
    at least half is covered (IBSI reference manual, sections on interpolation).

    Args:
        around: the scan around the region.
        mask: the region, on the crop and not empty: boolean, or a field that is at least 0.5 in it.
        new_spacing_mm: voxel size of the new grid.
        interpolation: of the image, `linear` or `cubic`.
        reach_mm: how far beyond the region the image is needed.
        motion: of the grid, to see what changes; None: as it lies. A moved grid that leaves the
            crop meets its outermost voxels again.

    Raises:
        ValueError: the crop ends before what is needed, though the image goes on.
    """
    spacing = np.asarray(around.spacing_mm, float)
    step = new_spacing_mm / spacing
    size = np.array(around.image_shape)
    points = np.ceil(size / step - 1e-9).astype(int)
    origin = (size - 1) / 2 - step * (points - 1) / 2
    start = np.array([part.start for part in around.box])
    tight = bounding_box(mask >= 0.5)
    # Linear interpolation of the region reaches one voxel beyond it.
    low = np.array([part.start for part in tight]) + start - 1
    high = np.array([part.stop for part in tight]) + start
    matrix, shift = np.diag(step), origin
    if motion is not None:
        matrix, shift = _moved(motion, (low + high) / 2, spacing, new_spacing_mm, origin)
    # Where the region is, in points of the grid.
    corners = np.stack(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), -1).reshape(-1, 3)
    found = np.linalg.solve(matrix, (corners - shift).T).T
    room = reach_mm / new_spacing_mm
    first = np.ceil(found.min(axis=0) - room - 1e-9).astype(int)
    last = np.floor(found.max(axis=0) + room + 1e-9).astype(int)
    # The grid may begin outside the image, whose first voxel then goes on.
    first = np.where((low < 0) & (motion is None), 0, np.maximum(first, 0))
    last = np.where((high >= size) & (motion is None), points - 1, np.minimum(last, points - 1))
    support = SUPPORT_VOXELS[interpolation]
    needed = _voxels(matrix, shift, first, last, support, size)
    inner = tuple(
        slice(int(a) - part.start, int(b) + 1 - part.start)
        for a, b, part in zip(*needed, around.box, strict=True)
    )
    if motion is not None:
        inner = tuple(
            slice(max(i.start, 0), min(i.stop, n)) for i, n in zip(inner, mask.shape, strict=True)
        )
    elif any(i.start < 0 or i.stop > n for i, n in zip(inner, mask.shape, strict=True)):
        raise ValueError("the crop does not reach as far around the region as is looked at")
    offset = matrix @ first + shift - start - [i.start for i in inner]

    def on_grid(array: np.ndarray, order: int) -> np.ndarray:
        if motion is None and order == 1:
            ends = offset + step * (last - first)
            return _linear(
                array, [np.linspace(*z) for z in zip(offset, ends, last - first + 1, strict=True)]
            )
        return ndimage.affine_transform(
            array.astype(np.float64),
            # A diagonal takes a faster way, one axis at a time.
            step if motion is None else matrix,
            offset,
            output_shape=tuple(last - first + 1),
            order=order,
            mode="nearest",
        )

    # Snapped first: a half must not round by the last bit, which depends on the crop.
    inside = on_grid(mask[inner], 1) >= 0.5 - HALF_TOLERANCE
    image = np.round(np.round(on_grid(around.hu[inner], ORDERS[interpolation]), HALF_DECIMALS))
    return Region(image, inside, new_spacing_mm, tuple(int(i) for i in first))


def _linear(array: np.ndarray, positions: list[np.ndarray]) -> np.ndarray:
    """Linear interpolation at positions along each axis, the outermost voxels going on.

    One axis after another: five times as fast as scipy's loop over eight neighbours.
    """
    array = array.astype(np.float64)
    for axis, at in enumerate(positions):
        size = array.shape[axis]
        at = np.clip(at, 0, size - 1)
        lower = np.minimum(at.astype(int), max(size - 2, 0))
        weight = (at - lower).reshape([-1 if k == axis else 1 for k in range(3)])
        below = array.take(lower, axis)
        array = array.take(np.minimum(lower + 1, size - 1), axis)
        array -= below
        array *= weight
        array += below
    return array


def _moved(motion, centre, spacing, new_spacing_mm, origin):
    """Matrix and shift from points of the grid to voxels, the grid moved about `centre`."""
    matrix = motion.rotation * new_spacing_mm / spacing[:, None]
    first_mm = motion.rotation @ ((origin - centre) * spacing) + motion.shift_mm
    return matrix, centre + first_mm / spacing


def _voxels(matrix, shift, first, last, support, size):
    """First and last voxel that a box of the grid depends on, kept inside the image."""
    ends = np.stack(np.meshgrid(*zip(first, last, strict=True), indexing="ij"), -1).reshape(-1, 3)
    at = ends @ matrix.T + shift
    low = np.floor(at.min(axis=0) + 1e-9).astype(int) - support + 1
    high = np.ceil(at.max(axis=0) - 1e-9).astype(int) + support - 1
    return np.clip(low, 0, size - 1), np.clip(high, 0, size - 1)
