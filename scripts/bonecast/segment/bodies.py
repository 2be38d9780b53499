"""Cut vertebral bodies out of masks of whole vertebrae.

Some backends name whole vertebrae only. Seen along the axis of the spine, body,
pedicles and laminae close a ring, and the spinal canal is the hole in it. From
the hole forward the first bone met is the posterior wall of the body; a smooth
surface through that wall, carried on sideways through the pedicles, is the cut.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bonecast.images import Volume
from bonecast.levels import VERSE_CODES
from bonecast.measure.frame import (
    ANTERIOR,
    Frame,
    box_affine,
    boxes,
    centroid_mm,
    local_extent,
    make_frame,
    resample_local,
    spine_tangents,
)

GRID_MM = 1.0
"""Step of the local grid on which canal and wall are looked for."""

MIN_CANAL_MM2 = 40.0
"""A smaller hole in the projection is a foramen or a gap of the mask. The canal of an
adult measures 150 to 350 mm2; obliquity and noise leave at least this much of it."""

MIN_BODY_DEPTH_MM = 8.0
"""Bone met in front of the canal is body only if it goes on this far."""

WALL_TOLERANCE_MM = 2.0
"""Wall points further than this from the fitted surface (basivertebral vein,
osteophytes) do not shape it."""

PEDICLE_MARGIN_MM = 1.0
"""Beside the canal the cut lies this far behind the wall, where pedicles begin."""

RETROPULSION_MM = 6.0
"""In front of the canal, bone up to this far behind the wall is still body: a lip or
a fragment pushed backwards."""

PROCESS_FRACTION = 0.6
"""Seen along the spine, bone that a disc of this fraction of the largest inscribed disc
cannot enter is a transverse process (those of L5 spring from the body itself), not body."""

ROUNDING_MM = 2.0
"""Bone this near to what the disc reaches is kept: corners of the body."""

ITERATIONS = 2
"""Rounds of finding canals and axes; the second starts from the bodies of the first."""


@dataclass(frozen=True)
class Canal:
    """The spinal canal at one vertebra, in the local mm of its frame."""

    centre_mm: np.ndarray
    half_width_mm: float


@dataclass
class _Vertebra:
    """One vertebra while its body is being looked for."""

    level: str
    box: tuple[slice, slice, slice]
    mask: np.ndarray
    affine: np.ndarray
    centre_mm: np.ndarray
    anterior: np.ndarray
    body: np.ndarray | None = None


def split_bodies(vertebrae: Volume) -> np.ndarray:
    """Masks of vertebral bodies from masks of whole vertebrae.

    Args:
        vertebrae: VerSe codes, whole vertebrae.

    Returns:
        uint8 array of the same shape with the codes of the bodies only. A vertebra
        whose canal cannot be seen, here or at a neighbour, has no body in it.
    """
    parts = []
    for level, box in boxes(vertebrae.data).items():
        mask = _largest(vertebrae.data[box] == VERSE_CODES[level])
        affine = box_affine(vertebrae.affine, box)
        parts.append(_Vertebra(level, box, mask, affine, centroid_mm(mask, affine), ANTERIOR))
    for _ in range(ITERATIONS):
        _find_bodies(parts, vertebrae.spacing_mm)
    bodies = np.zeros(vertebrae.data.shape, dtype=np.uint8)
    for part in parts:
        if part.body is not None:
            bodies[part.box][part.body] = VERSE_CODES[part.level]
    return bodies


def _find_bodies(parts: list[_Vertebra], spacing_mm: tuple[float, float, float]) -> None:
    """One round: frames, canals, walls, bodies; centres and directions are then those found."""
    if not parts:
        return
    tangents = spine_tangents(np.array([part.centre_mm for part in parts]))
    frames = [
        make_frame(part.centre_mm, tangent, part.anterior)
        for part, tangent in zip(parts, tangents, strict=True)
    ]
    grids = [_local_grid(part, frame) for part, frame in zip(parts, frames, strict=True)]
    canals = _fill_gaps([find_canal(grid, axes) for grid, axes in grids])
    for part, frame, canal, (grid, axes) in zip(parts, frames, canals, grids, strict=True):
        if canal is None:
            continue
        wall = fit_wall(grid, axes, canal)
        if wall is None:
            continue
        points = np.meshgrid(*axes, indexing="ij", sparse=True)
        footprint = _without_processes((grid & _in_front(*points, wall, canal)).any(axis=2))
        world = np.argwhere(part.mask) @ part.affine[:3, :3].T + part.affine[:3, 3]
        local = frame.to_local(world)
        column = [np.rint((local[:, k] - axes[k][0]) / GRID_MM).astype(int) for k in (0, 1)]
        body = np.zeros_like(part.mask)
        body[part.mask] = _in_front(*local.T, wall, canal) & footprint[tuple(column)]
        part.body = _largest(body)
        if not part.body.any():
            part.body = None
            continue
        part.centre_mm = centroid_mm(part.body, part.affine)
        canal_mm = frame.to_world(np.array([*canal.centre_mm, 0.0]))
        part.anterior = part.centre_mm - canal_mm


def _local_grid(part: _Vertebra, frame: Frame):
    low, high = local_extent(part.mask, part.affine, frame)
    grid, axes = resample_local(part.mask, part.affine, frame, low - 2, high + 2, GRID_MM)
    return grid > 0.5, axes


def find_canal(grid: np.ndarray, axes: tuple[np.ndarray, ...]) -> Canal | None:
    """The canal of one vertebra: the largest hole of its projection along the spine.

    Args:
        grid: boolean, indexed [right, anterior, superior].
        axes: the local mm of the grid's three axes.
    """
    ring = grid.any(axis=2)
    holes, count = ndimage.label(ndimage.binary_fill_holes(ring) & ~ring)
    if count == 0:
        return None
    sizes = np.bincount(holes.ravel())[1:]
    step = axes[0][1] - axes[0][0]
    if sizes.max() * step**2 < MIN_CANAL_MM2:
        return None
    inside = np.argwhere(holes == 1 + sizes.argmax())
    right, anterior = axes[0][inside[:, 0]], axes[1][inside[:, 1]]
    centre = np.array([right.mean(), anterior.mean()])
    return Canal(centre, half_width_mm=float(np.ptp(right)) / 2)


def _fill_gaps(canals: list[Canal | None]) -> list[Canal | None]:
    """Where a canal was not seen (a cut or broken arch), the nearest neighbour's place."""
    seen = [i for i, canal in enumerate(canals) if canal is not None]
    if not seen:
        return canals
    return [
        canal if canal is not None else canals[min(seen, key=lambda k, i=i: abs(k - i))]
        for i, canal in enumerate(canals)
    ]


def fit_wall(grid: np.ndarray, axes: tuple[np.ndarray, ...], canal: Canal) -> np.ndarray | None:
    """The posterior wall of the body in front of the canal.

    Returns:
        Coefficients of anterior position (mm) on 1, superior and superior squared, or
        None where too little wall is seen. Left and right are held level: the frame
        faces the canal already, and a fragment on one side would tilt the cut.
    """
    step = axes[1][1] - axes[1][0]
    columns = np.flatnonzero(np.abs(axes[0] - canal.centre_mm[0]) <= 0.7 * canal.half_width_mm)
    start = int(np.searchsorted(axes[1], canal.centre_mm[1]))
    ahead = grid[columns, start:, :]
    first = ahead.argmax(axis=1)
    deep = ahead.sum(axis=1) * step >= MIN_BODY_DEPTH_MM
    which, heights = np.nonzero(deep)
    if len(which) < 10:
        return None
    anterior = axes[1][start + first[which, heights]] - step / 2
    superior = axes[2][heights]
    design = np.stack([np.ones_like(superior), superior, superior**2], axis=1)
    # Starting from the median keeps one lip or vein from tilting the first fit.
    keep = np.abs(anterior - np.median(anterior)) < 4 * WALL_TOLERANCE_MM
    for _ in range(4):
        wall = np.linalg.lstsq(design[keep], anterior[keep], rcond=None)[0]
        keep = np.abs(anterior - design @ wall) < WALL_TOLERANCE_MM
    return wall


def _in_front(
    right: np.ndarray, anterior: np.ndarray, superior: np.ndarray, wall: np.ndarray, canal: Canal
) -> np.ndarray:
    """Which points, given by local mm, lie before the cut between body and arch."""
    cut = wall[0] + wall[1] * superior + wall[2] * superior**2
    beside = np.abs(right - canal.centre_mm[0]) > 0.7 * canal.half_width_mm
    return anterior > np.where(beside, cut - PEDICLE_MARGIN_MM, cut - RETROPULSION_MM)


def _without_processes(footprint: np.ndarray) -> np.ndarray:
    """The outline of a body seen along the spine, opened by a disc, corners given back."""
    depth = ndimage.distance_transform_edt(np.pad(footprint, 1), sampling=GRID_MM)
    radius = PROCESS_FRACTION * depth.max()
    near = ndimage.distance_transform_edt(depth <= radius, sampling=GRID_MM)
    return (near < radius + ROUNDING_MM)[1:-1, 1:-1]


def _largest(mask: np.ndarray) -> np.ndarray:
    """The largest connected part of a boolean array."""
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    return labels == 1 + np.bincount(labels.ravel())[1:].argmax()
