"""Where the slices of a series lie: order, distances, tilt, voxel-to-world matrix.

Coordinates are DICOM's (LPS, mm) unless a name says RAS.
"""

from dataclasses import dataclass

import numpy as np

AXIAL_COSINE = 0.766
"""Slices within 40 degrees of the transverse plane are axial: gantries tilt up to 30."""

MAX_TILT_DEGREES = float(np.degrees(np.arccos(AXIAL_COSINE)))
"""Axial slices lie within this angle of the body's axis, so no gantry shifts them further."""

DUPLICATE_MM = 0.01
"""Slices nearer than this lie at the same position."""

SPACING_TOLERANCE = 0.10
SPACING_TOLERANCE_MM = 0.05
"""Distances may differ from their median by a tenth, or by the rounding of headers."""

MAX_SHEAR_MM = 1.0
"""Sideways drift over the whole stack from which slices are no longer a rectangular volume."""

MAX_BEND_MM = 1.0
"""The same along the normal: two runs of slightly different distances, each within the tolerance
of a single step, add up to centimetres in the middle of the stack."""


@dataclass(frozen=True)
class Stack:
    """The geometry of a pile of parallel slices.

    Attributes:
        order: indices that sort the slices along the normal.
        spacing_mm: median distance between neighbouring positions (nan for one position).
        n_duplicates: slices that lie where another one does.
        n_uneven: distances that differ from the median; by less than the tolerance, too, where
            slices drift more than MAX_BEND_MM from an even grid.
        n_missing: slices that whole gaps of the median distance leave room for.
        shear_mm: drift within the slice plane from the first to the last slice.
        coverage_mm: distance from first to last position.
        smallest_gap_mm, largest_gap_mm: extremes of the distances between neighbouring positions
            (nan for one position).
    """

    order: np.ndarray
    spacing_mm: float
    n_duplicates: int
    n_uneven: int
    n_missing: int
    shear_mm: float
    coverage_mm: float
    smallest_gap_mm: float = float("nan")
    largest_gap_mm: float = float("nan")

    @property
    def is_tilted(self) -> bool:
        """Whether the drift is more than a rectangular volume allows."""
        return self.shear_mm > MAX_SHEAR_MM

    @property
    def tilt_degrees(self) -> float:
        """Angle between the direction of stacking and the normal."""
        return float(np.degrees(np.arctan2(self.shear_mm, self.coverage_mm)))


def normal(orientation: np.ndarray) -> np.ndarray:
    """The unit normal of a slice from its six direction cosines."""
    cross = np.cross(orientation[:3], orientation[3:])
    length = np.linalg.norm(cross)
    if not 0.9 < length < 1.1:
        raise ValueError("direction cosines are not orthonormal")
    return cross / length


def plane_name(orientation: np.ndarray | None) -> str:
    """`axial`, `coronal`, `sagittal` or `oblique`; empty where there is no orientation."""
    if orientation is None:
        return ""
    try:
        cosines = np.abs(normal(orientation))
    except ValueError:
        return ""
    axis = int(cosines.argmax())
    return ("sagittal", "coronal", "axial")[axis] if cosines[axis] >= AXIAL_COSINE else "oblique"


def measure_stack(positions_mm: np.ndarray, orientation: np.ndarray) -> Stack:
    """Sort slices along their normal and measure the distances between them.

    Args:
        positions_mm: shape (n, 3), one point of each slice.
        orientation: six direction cosines of all of them.
    """
    direction = normal(orientation)
    along = positions_mm @ direction
    order = np.argsort(along, kind="stable")
    steps = np.diff(along[order])
    distinct = steps > DUPLICATE_MM
    spacing = float(np.median(steps[distinct])) if distinct.any() else float("nan")
    tolerance = max(SPACING_TOLERANCE * spacing, SPACING_TOLERANCE_MM)
    deviation = np.abs(steps - spacing)
    uneven = distinct & (deviation > tolerance)
    places = along[order][np.concatenate([[True], distinct])]
    bend = np.abs(places - np.linspace(places[0], places[-1], len(places))).max()
    if not uneven.any() and bend > MAX_BEND_MM:
        uneven = distinct & (deviation > deviation[distinct].max() / 2)
    missing = np.rint(steps[uneven] / spacing) - 1
    sideways = positions_mm - np.outer(along, direction)
    drift = np.linalg.norm(sideways - sideways[order[0]], axis=1)
    return Stack(
        order=order,
        spacing_mm=spacing,
        n_duplicates=int((~distinct).sum()),
        n_uneven=int(uneven.sum()),
        n_missing=int(np.clip(missing, 0, None).sum()),
        shear_mm=float(drift.max()),
        coverage_mm=float(along[order[-1]] - along[order[0]]),
        smallest_gap_mm=float(steps[distinct].min()) if distinct.any() else float("nan"),
        largest_gap_mm=float(steps[distinct].max()) if distinct.any() else float("nan"),
    )


def affine_ras(
    orientation: np.ndarray,
    pixel_mm: tuple[float, float],
    first_mm: np.ndarray,
    last_mm: np.ndarray,
    slices: int,
) -> np.ndarray:
    """Voxel (column, row, slice) to RAS world mm, from DICOM headers alone.

    PS3.3 C.7.6.2.1.1: the first value of the pixel spacing is the distance between rows.

    Args:
        first_mm, last_mm: image positions (LPS) of the first and the last slice.
    """
    affine = np.eye(4)
    affine[:3, 0] = orientation[:3] * pixel_mm[1]
    affine[:3, 1] = orientation[3:] * pixel_mm[0]
    # One slice has no distance: any step along the normal completes the matrix.
    step = (last_mm - first_mm) / (slices - 1) if slices > 1 else normal(orientation)
    affine[:3, 2] = step
    affine[:3, 3] = first_mm
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def corner_distance_mm(a: np.ndarray, b: np.ndarray, shape: tuple[int, int, int]) -> float:
    """The largest distance between the same corner voxel under two voxel-to-world matrices."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape], [1], indexing="ij"), dtype=float)
    difference = (a - b)[:3] @ corners.reshape(4, -1)
    return float(np.linalg.norm(difference, axis=0).max())
