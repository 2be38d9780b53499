"""Local anatomical frames: the axes of one vertebra along the spine and a grid along them.

Positions are world mm (RAS+). A frame's axes are unit rows in the order
left-right (to the patient's right), anterior-posterior (to anterior) and
superior-inferior (to superior); local coordinates follow the same order.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from bonecast.images import Volume, bounding_box
from bonecast.levels import LEVELS, VERSE_CODES
from bonecast.reasons import Reason

SUPERIOR = np.array([0.0, 0.0, 1.0])
ANTERIOR = np.array([0.0, 1.0, 0.0])

CURVE_NEIGHBOURS = 2
"""Vertebrae on each side that the local curve of the spine is fitted to."""

CURVE_POINTS = 4
"""At the ends of the curve as many are taken from the other side."""

CROP_MARGIN_MM = 6.0
"""Room around a body in its crop: metal is looked for in a rim of 3 mm, and linear
interpolation needs one voxel."""

BORDER_MM = 2.0
"""A body that ends this near to the border of the scan counts as cut: masks of cut
bodies often stop a voxel short of it."""

MIN_ARCH_MM3 = 500.0
"""Less bone outside the body does not tell where posterior is."""


@dataclass(frozen=True)
class Frame:
    """Origin (mm, world) and orthonormal axes (rows: right, anterior, superior)."""

    origin_mm: np.ndarray
    axes: np.ndarray

    def to_local(self, points_mm: np.ndarray) -> np.ndarray:
        """World points (..., 3) in local mm."""
        return (points_mm - self.origin_mm) @ self.axes.T

    def to_world(self, local_mm: np.ndarray) -> np.ndarray:
        """Local points (..., 3) in world mm."""
        return local_mm @ self.axes + self.origin_mm


def make_frame(origin_mm: np.ndarray, superior: np.ndarray, anterior: np.ndarray) -> Frame:
    """A right-handed frame: `superior` is kept, `anterior` is made orthogonal to it."""
    si = superior / np.linalg.norm(superior)
    ap = anterior - (anterior @ si) * si
    ap = ap / np.linalg.norm(ap)
    return Frame(np.asarray(origin_mm, float), np.stack([np.cross(ap, si), ap, si]))


def boxes(mask: np.ndarray) -> dict[str, tuple[slice, slice, slice]]:
    """The bounding box of every level in a mask of VerSe codes, from head to foot."""
    # Most of a scan is empty, and in an order that find_objects is slow on.
    spine = bounding_box(mask)
    if spine is None:
        return {}
    found = ndimage.find_objects(np.ascontiguousarray(mask[spine]))
    by_code = {
        code: tuple(
            slice(part.start + outer.start, part.stop + outer.start)
            for part, outer in zip(box, spine, strict=True)
        )
        for code, box in enumerate(found, start=1)
        if box is not None
    }
    return {level: by_code[VERSE_CODES[level]] for level in LEVELS if VERSE_CODES[level] in by_code}


def grow(
    box: tuple[slice, ...], margin_mm: float, spacing_mm: tuple[float, ...], shape: tuple[int, ...]
) -> tuple[slice, ...]:
    """A box widened by `margin_mm` on every side, kept inside the volume."""
    voxels = [int(np.ceil(margin_mm / s)) for s in spacing_mm]
    return tuple(
        slice(max(part.start - n, 0), min(part.stop + n, size))
        for part, n, size in zip(box, voxels, shape, strict=True)
    )


def box_affine(affine: np.ndarray, box: tuple[slice, ...]) -> np.ndarray:
    """The voxel-to-world matrix of a cropped array."""
    moved = affine.copy()
    moved[:3, 3] = affine[:3, :3] @ [part.start for part in box] + affine[:3, 3]
    return moved


def centroid_mm(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """World position of the centre of mass of a boolean array."""
    return affine[:3, :3] @ np.array(ndimage.center_of_mass(mask)) + affine[:3, 3]


def spine_tangents(points_mm: np.ndarray) -> np.ndarray:
    """Unit vectors along the spine, to superior, at points ordered from head to foot.

    A parabola is fitted to each point and its neighbours against arc length; two points
    alone give a line, one point world superior.

    Args:
        points_mm: (n, 3) world positions.

    Returns:
        (n, 3) unit vectors.
    """
    count = len(points_mm)
    if count == 1:
        return SUPERIOR[None, :].copy()
    steps = np.linalg.norm(np.diff(points_mm, axis=0), axis=1)
    arc = np.concatenate([[0.0], np.cumsum(steps)])
    tangents = np.empty((count, 3))
    for i in range(count):
        near = slice(
            max(min(i - CURVE_NEIGHBOURS, count - CURVE_POINTS), 0),
            min(max(i + CURVE_NEIGHBOURS + 1, CURVE_POINTS), count),
        )
        degree = min(2, count - 1)
        # The term of first order of a fit centred on the point is its derivative there.
        fit = np.polynomial.polynomial.polyfit(arc[near] - arc[i], points_mm[near], degree)
        tangents[i] = -fit[1] / np.linalg.norm(fit[1])
    return tangents


def resample_local(
    array: np.ndarray,
    affine: np.ndarray,
    frame: Frame,
    low_mm: np.ndarray,
    high_mm: np.ndarray,
    step_mm: float | tuple[float, float, float],
    fill: float = 0.0,
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Linear interpolation of an array on a grid along the axes of a frame.

    Args:
        array: (x, y, z), boolean or numeric.
        affine: its voxel-to-world matrix.
        frame: the local axes.
        low_mm, high_mm: local corners of the grid (right, anterior, superior).
        step_mm: grid spacing, one for all axes or one each.
        fill: value outside the array.

    Returns:
        float32 array indexed [right, anterior, superior] and its three local axes in mm.
    """
    step = np.broadcast_to(np.asarray(step_mm, float), 3)
    counts = np.maximum(np.ceil((high_mm - low_mm) / step - 1e-9).astype(int), 0) + 1
    inverse = np.linalg.inv(affine)
    matrix = inverse[:3, :3] @ (frame.axes.T * step)
    offset = inverse[:3, :3] @ frame.to_world(np.asarray(low_mm, float)) + inverse[:3, 3]
    grid = ndimage.affine_transform(
        array.astype(np.float32),
        matrix,
        offset,
        output_shape=tuple(counts),
        order=1,
        mode="constant",
        cval=fill,
    )
    axes = tuple(low_mm[k] + step[k] * np.arange(counts[k]) for k in range(3))
    return grid, axes


def local_extent(mask: np.ndarray, affine: np.ndarray, frame: Frame) -> np.ndarray:
    """Lowest and highest local coordinates (2, 3) of the voxel centres of a boolean array."""
    # A linear function is greatest at one end or the other of each column of voxels.
    columns = np.argwhere(mask.any(axis=2))
    lines = mask[columns[:, 0], columns[:, 1]]
    first = lines.argmax(axis=1)
    last = mask.shape[2] - 1 - lines[:, ::-1].argmax(axis=1)
    ends = np.concatenate([np.column_stack([columns, end]) for end in (first, last)])
    world = ends @ affine[:3, :3].T + affine[:3, 3]
    local = frame.to_local(world)
    return np.stack([local.min(axis=0), local.max(axis=0)])


def depth_mm(mask: np.ndarray, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """Distance of each voxel's centre from the surface of a boolean array, in mm.

    The surface lies midway between the last voxel inside and the first outside, so half
    a voxel, measured along the shortest way out, is taken off the distance between
    centres. With thick slices this is what keeps slices shared with the end-plate out.
    """
    depths = np.zeros(mask.shape)
    box = bounding_box(mask)
    if box is None:
        return depths
    inside = np.pad(mask[box], 1)
    # Only where the nearest voxel outside is: distances of all voxels cost more than this.
    nearest = ndimage.distance_transform_edt(
        inside, sampling=spacing_mm, return_distances=False, return_indices=True
    )
    places = np.argwhere(inside)
    way = (nearest[:, *places.T].T - places) * np.asarray(spacing_mm)
    lengths = np.linalg.norm(way, axis=1)
    depths[box][mask[box]] = lengths - np.abs(way) @ np.asarray(spacing_mm) / lengths / 2
    return depths


@dataclass(frozen=True)
class Body:
    """One vertebral body, cropped with a margin, and its frame.

    Attributes:
        level: its name.
        box: the crop's place in the volume.
        image_shape: voxels of the whole volume.
        mask: boolean, the crop.
        affine: voxel-to-world matrix of the crop.
        frame: axes of the body, origin at its centroid.
        touches_border: whether the scan ends at or within `BORDER_MM` of the body.
        hu: attenuation in the crop; None where only masks are known.
    """

    level: str
    box: tuple[slice, slice, slice]
    image_shape: tuple[int, int, int]
    mask: np.ndarray
    affine: np.ndarray
    frame: Frame
    touches_border: bool
    hu: np.ndarray | None = None

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Voxel size along x, y, z in mm."""
        return tuple(float(s) for s in np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def voxel_mm3(self) -> float:
        """Volume of one voxel in mm3."""
        return float(np.prod(self.spacing_mm))

    @cached_property
    def depths_mm(self) -> np.ndarray:
        """Distance of each voxel's centre from the surface of the body, 0 outside."""
        return depth_mm(self.mask, self.spacing_mm)

    @cached_property
    def local_mm(self) -> np.ndarray:
        """Local coordinates (n, 3) of the centres of the voxels of `mask`, in their order."""
        places = np.argwhere(self.mask)
        return self.frame.to_local(places @ self.affine[:3, :3].T + self.affine[:3, 3])


def crop_bodies(
    bodies: Volume, vertebrae: Volume, ct: Volume | None = None
) -> dict[str, Body | None]:
    """Crop every body of a scan, with the axes that the spine gives it, from head to foot.

    Superior follows the smooth curve through all bodies; anterior points from the
    posterior elements to the body, or is RAS anterior where there are none.

    Args:
        bodies: VerSe codes, bodies only.
        vertebrae: VerSe codes, whole vertebrae, on the same grid.
        ct: HU on the same grid; left out, bodies have a shape but no attenuation.

    Returns:
        By level; None for a vertebra that has no body in `bodies`.
    """
    shape, spacing = bodies.data.shape, bodies.spacing_mm
    body_boxes = boxes(bodies.data)
    whole_boxes = boxes(vertebrae.data)
    centres, anteriors = [], []
    for level, box in body_boxes.items():
        code = VERSE_CODES[level]
        centre = centroid_mm(bodies.data[box] == code, box_affine(bodies.affine, box))
        centres.append(centre)
        anterior = ANTERIOR
        if level in whole_boxes:
            whole_box = whole_boxes[level]
            arch = (vertebrae.data[whole_box] == code) & (bodies.data[whole_box] != code)
            if np.count_nonzero(arch) * bodies.voxel_mm3 >= MIN_ARCH_MM3:
                anterior = centre - centroid_mm(arch, box_affine(bodies.affine, whole_box))
        anteriors.append(anterior)
    tangents = spine_tangents(np.array(centres)) if centres else []
    found: dict[str, Body | None] = {}
    for (level, tight), centre, tangent, anterior in zip(
        body_boxes.items(), centres, tangents, anteriors, strict=True
    ):
        box = grow(tight, CROP_MARGIN_MM, spacing, shape)
        found[level] = Body(
            level=level,
            box=box,
            image_shape=shape,
            mask=bodies.data[box] == VERSE_CODES[level],
            affine=box_affine(bodies.affine, box),
            frame=make_frame(centre, tangent, anterior),
            touches_border=is_cut(tight, spacing, shape),
            hu=None if ct is None else ct.data[box],
        )
    seen = body_boxes.keys() | whole_boxes.keys()
    return {level: found.get(level) for level in LEVELS if level in seen}


def is_cut(box: tuple[slice, ...], spacing_mm: tuple[float, ...], shape: tuple[int, ...]) -> bool:
    """Whether less than `BORDER_MM` of the volume, or no voxel, lies beyond the box on any side."""
    return any(
        part.start * s < BORDER_MM or (n - part.stop) * s < BORDER_MM
        for part, s, n in zip(box, spacing_mm, shape, strict=True)
    )


def why_not_measured(level: str, body: Body | None, levels: Collection[str]) -> Reason | None:
    """Why a body is not to be measured at all, if so.

    Args:
        levels: those to be analysed.
    """
    if level not in levels:
        return Reason.LEVEL_NOT_ANALYSED
    return Reason.NO_BODY if body is None else None
