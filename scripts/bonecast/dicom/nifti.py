"""CT that comes as NIfTI: what its header can vouch for."""

from pathlib import Path

import nibabel as nib
import numpy as np

from bonecast.dicom.headers import raise_storage_fault
from bonecast.reasons import Reason

SPACING_RANGE_MM = (0.05, 20.0)
"""Voxel sizes outside this are a header in other units, or damaged."""

MAX_SHEAR_COSINE = 0.005
"""Axes of the voxel grid are at right angles within 0.3 degrees."""

Defect = tuple[Reason, str]


def read_geometry(
    path: Path,
) -> tuple[tuple[int, int, int] | None, tuple[float, float, float] | None, Defect | None]:
    """Shape and voxel size in RAS+ axis order, from the header alone.

    Returns:
        Shape, spacing in mm, and a defect or None. Shape and spacing are None where the
        header says neither.
    """
    try:
        image = nib.load(path)
        header, shape = image.header, tuple(int(n) for n in image.shape)
        affine = image.affine
    except (nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError):
        return None, None, (Reason.NOT_A_VOLUME, "the NIfTI header cannot be read")
    except (OSError, EOFError, ValueError, AttributeError) as error:
        raise_storage_fault(error)
        return None, None, (Reason.NOT_A_VOLUME, "the NIfTI file cannot be read")
    if len(shape) == 4 and shape[3] == 1:
        shape = shape[:3]
    if len(shape) != 3:
        return None, None, (Reason.NOT_A_VOLUME, f"the image has {len(shape)} dimensions")
    if not (header["qform_code"] or header["sform_code"]):
        return None, None, (Reason.NO_GEOMETRY, "neither qform nor sform is set")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    low, high = SPACING_RANGE_MM
    if not np.isfinite(affine).all() or spacing.min() < low or spacing.max() > high:
        return None, None, (Reason.NO_GEOMETRY, f"voxel size outside {low} to {high} mm")
    axes = affine[:3, :3] / spacing
    shear = float(np.abs(axes.T @ axes - np.eye(3)).max())
    order = np.argsort(nib.io_orientation(affine)[:, 0])
    shape = tuple(shape[axis] for axis in order)
    spacing_mm = tuple(float(spacing[axis]) for axis in order)
    defect = None
    if shear > MAX_SHEAR_COSINE:
        defect = (Reason.GANTRY_TILT, f"voxel axes are {shear:.3f} (cosine) from a right angle")
    return shape, spacing_mm, defect
