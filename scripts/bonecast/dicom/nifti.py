"""CT that comes as NIfTI: what its header can vouch for."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from isal import isal_zlib

from bonecast.dicom import geometry
from bonecast.dicom.headers import raise_storage_fault
from bonecast.reasons import Excluded, Reason

SPACING_RANGE_MM = (0.05, 20.0)
"""Voxel sizes outside this are a header in other units, or damaged."""

MAX_SHEAR_COSINE = 0.005
"""Rows and columns are at right angles within 0.3 degrees."""

UNIT_MM = {0: ("none", 1.0), 1: ("metres", 1000.0), 2: ("mm", 1.0), 3: ("microns", 0.001)}
"""Units of length in `xyzt_units`; none mostly means mm."""

MAX_DISAGREEMENT_MM = 0.5
"""qform and sform put no corner further apart than this, or the file is refused."""

MAX_VOXELS = 1 << 31
"""More are a damaged header: 4 GB as HU."""

LONG_VOXEL = 2.0
"""Voxels this much longer within the axial plane than their other sides were not axial slices."""

NIFTI_ERRORS = (
    *(ValueError, OSError, EOFError, AttributeError, isal_zlib.error),
    *(nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError),
)
"""What reading a damaged NIfTI file raises."""

LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Between DICOM's world axes and NIfTI's."""

Defect = tuple[Reason, str]


@dataclass(frozen=True)
class Grid:
    """Where the voxels lie, in RAS+ axis order.

    Attributes:
        shape: voxels along x, y, z.
        affine: voxel to world mm.
        form: `sform` or `qform`: which of the header's matrices that is.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    form: str

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along x, y, z."""
        return tuple(float(mm) for mm in np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def orientation(self) -> np.ndarray:
        """Direction cosines (LPS) along x and y, as DICOM's of a row and a column."""
        x_mm, y_mm, _ = self.spacing_mm
        lps = LPS_RAS @ self.affine
        return np.concatenate([lps[:3, 0] / x_mm, lps[:3, 1] / y_mm])

    @property
    def positions_mm(self) -> np.ndarray:
        """First voxel of each slice (LPS), shape (z, 3)."""
        lps = LPS_RAS @ self.affine
        return lps[:3, 3] + np.outer(np.arange(self.shape[2]), lps[:3, 2])


def read_geometry(
    path: Path,
) -> tuple[
    tuple[int, int, int] | None,
    tuple[float, float, float] | None,
    geometry.Stack | None,
    Defect | None,
]:
    """Shape, voxel size in mm and slices, all in RAS+ axis order, from the header alone.

    Returns:
        Shape, spacing, stack, None; or None three times and the defect.
    """
    try:
        grid = read_grid(path)
    except Excluded as error:
        return None, None, None, (error.reason, error.detail)
    stack = geometry.measure_stack(grid.positions_mm, grid.orientation)
    return grid.shape, grid.spacing_mm, stack, None


def read_grid(path: Path) -> Grid:
    """Where the voxels of a file lie, from its header alone.

    Raises:
        Excluded: NOT_A_VOLUME, NO_GEOMETRY or NOT_AXIAL.
        OSError: the disk is at fault.
    """
    if path.is_symlink() and not path.exists():
        raise Excluded(Reason.NOT_A_VOLUME, "a link that leads nowhere")
    try:
        image = nib.load(path)
        header, shape = image.header, tuple(int(n) for n in image.shape)
        forms = {"sform": image.get_sform(coded=True)[0], "qform": image.get_qform(coded=True)[0]}
    except NIFTI_ERRORS as error:
        raise_storage_fault(error)
        raise Excluded(Reason.NOT_A_VOLUME, "the NIfTI header cannot be read") from None
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3:
        raise Excluded(Reason.NOT_A_VOLUME, f"the image has {len(shape)} dimensions")
    if min(shape) < 1 or np.prod(shape, dtype=float) > MAX_VOXELS:
        raise Excluded(Reason.NOT_A_VOLUME, "its header tells of no or too many voxels")
    unit, unit_mm = UNIT_MM.get(int(header["xyzt_units"]) & 7, ("unknown", np.nan))
    scale = np.diag([unit_mm, unit_mm, unit_mm, 1.0])
    found = {name: scale @ affine for name, affine in forms.items() if affine is not None}
    if not found:
        raise Excluded(Reason.NO_GEOMETRY, "neither qform nor sform is set")
    form, affine = next(iter(found.items()))
    low, high = SPACING_RANGE_MM
    with np.errstate(invalid="ignore"):
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or spacing.min() < low or spacing.max() > high:
        raise Excluded(Reason.NO_GEOMETRY, f"voxel size outside {low} to {high} mm (unit: {unit})")
    turn = nib.io_orientation(affine)
    if np.isnan(turn).any():
        raise Excluded(Reason.NO_GEOMETRY, "two voxel axes are parallel")
    grid = Grid(
        shape=tuple(shape[axis] for axis in np.argsort(turn[:, 0])),
        affine=affine @ nib.orientations.inv_ornt_aff(turn, shape),
        form=form,
    )
    sheared = _check_axes(grid)
    if len(found) == 2 and not sheared:
        apart = geometry.corner_distance_mm(found["sform"], found["qform"], shape)
        if not apart <= MAX_DISAGREEMENT_MM:
            raise Excluded(Reason.NO_GEOMETRY, f"qform and sform put a corner {apart:.1f} mm apart")
    return grid


def _check_axes(grid: Grid) -> bool:
    """Whether slices are shifted against each other, which a qform cannot say.

    Raises:
        Excluded: NO_GEOMETRY or NOT_AXIAL.
    """
    axes = grid.affine[:3, :3] / grid.spacing_mm
    cosines = np.abs(axes.T @ axes)
    if cosines[0, 1] > MAX_SHEAR_COSINE:
        raise Excluded(
            Reason.NO_GEOMETRY, f"rows and columns are {cosines[0, 1]:.3f} (cosine) off right angle"
        )
    if geometry.plane_name(grid.orientation) != "axial":
        raise Excluded(Reason.NOT_AXIAL, "no voxel axis lies along the body")
    x_mm, y_mm, z_mm = grid.spacing_mm
    if max(x_mm, y_mm) > LONG_VOXEL * max(min(x_mm, y_mm), z_mm):
        raise Excluded(
            Reason.NOT_AXIAL, f"voxels of {x_mm:.1f} x {y_mm:.1f} x {z_mm:.1f} mm: not axial slices"
        )
    return bool(cosines[2, :2].max() > MAX_SHEAR_COSINE)
