"""Which slices stand for a level, and what the field of view leaves out of them."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bonecast.images import Volume
from bonecast.measure.frame import BORDER_MM, Body

SLAB_MM = 20.0
"""Thickness of the slab around the middle of a body, chosen here: less than the height of any
lumbar body, so that a slab belongs to one level."""

SLAB_STEP_MM = 5.0
"""Slices of a slab nearer to each other than this add nothing (chosen here)."""

CIRCLE_CORNERS = 0.99
"""Share of the corners outside the inscribed circle with the scan's lowest value from which the
reconstruction is taken to be round."""

CONTACT_MM = 10.0
"""A structure that meets the edge of the field of view along more than this is cut. A body of
150 mm radius loses less than 0.01 cm2 beyond a chord of that length (chosen here)."""


@dataclass(frozen=True)
class Slab:
    """Slices of one level, indices along z.

    Attributes:
        middle: the slice through the middle of the body.
        slices: those of the slab, the middle one among them; None where the scan ends within it.
    """

    middle: int
    slices: tuple[int, ...] | None


def find_slab(body: Body, ct: Volume) -> Slab | None:
    """The slices of a level; None where the end of the scan cuts the body.

    The middle slice is the one nearest to the body's centroid. The slab holds slices
    `SLAB_STEP_MM` apart, or all that there are, up to half of `SLAB_MM` to either side.
    """
    spacing, last = ct.spacing_mm[2], ct.data.shape[2] - 1
    along = np.flatnonzero(body.mask.any(axis=(0, 1))) + body.box[2].start
    if along[0] * spacing < BORDER_MM or (last - along[-1]) * spacing < BORDER_MM:
        return None
    inverse = np.linalg.inv(ct.affine)
    middle = int(np.rint(inverse[2, :3] @ body.frame.origin_mm + inverse[2, 3]))
    step = max(1, int(SLAB_STEP_MM / spacing + 1e-6))
    count = int(SLAB_MM / 2 / (step * spacing) + 1e-6)
    slices = tuple(middle + step * i for i in range(-count, count + 1))
    inside = slices[0] >= 0 and slices[-1] <= last
    return Slab(middle, slices if inside else None)


def field_edge(hu: np.ndarray) -> np.ndarray:
    """The outermost voxels of the field of view of a slice: boolean (x, y).

    The field is the picture or, where nothing but padding lies outside the inscribed circle,
    the reconstruction circle.

    Args:
        hu: one axial slice (x, y).
    """
    seen = np.ones(hu.shape, bool)
    if hu.shape[0] == hu.shape[1]:
        half = (hu.shape[0] - 1) / 2
        x, y = np.ogrid[: hu.shape[0], : hu.shape[1]]
        circle = np.hypot(x - half, y - half) <= half
        corners = hu[~circle]
        if np.mean(corners == hu.min()) >= CIRCLE_CORNERS:
            seen = circle
    return seen & ~ndimage.binary_erosion(seen)


def is_cut(mask: np.ndarray, edge: np.ndarray, pixel_mm: float) -> bool:
    """Whether a structure goes on beyond the field of view.

    Args:
        mask: boolean (x, y).
        edge: as from `field_edge`.
        pixel_mm: size of a pixel.
    """
    return bool(np.count_nonzero(mask & edge) * pixel_mm > CONTACT_MM)
