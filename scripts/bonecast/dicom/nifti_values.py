"""Values of a CT that comes as NIfTI, as Hounsfield units."""

from pathlib import Path

import numpy as np

from bonecast import images
from bonecast.dicom import nifti, plausible
from bonecast.dicom.headers import raise_storage_fault
from bonecast.dicom.pile import Pile
from bonecast.dicom.scaling import HU_MIN, clip_hu
from bonecast.reasons import Excluded, Reason


def read_hu(path: Path) -> tuple[Pile, dict[str, object]]:
    """A NIfTI file as Hounsfield units, and what was seen.

    Raises:
        Excluded: CORRUPT_PIXELS, NOT_A_VOLUME, NOT_HU or a defect of the header.
        OSError: the disk is at fault.
    """
    grid = nifti.read_grid(path)
    try:
        raw = images.load(path).data
    except nifti.NIFTI_ERRORS as error:
        raise_storage_fault(error)
        raise Excluded(Reason.CORRUPT_PIXELS, type(error).__name__) from None
    if raw.dtype.kind not in "iuf":
        raise Excluded(Reason.NOT_A_VOLUME, "voxels are not numbers")
    absent = 0
    if raw.dtype.kind == "f":
        finite = np.isfinite(raw)
        absent = int(raw.size - np.count_nonzero(finite))
        raw = np.rint(np.where(finite, raw, HU_MIN))
    hu = clip_hu(raw)
    if raw.dtype.itemsize >= 2 and raw.max() >= plausible.SIGN_BIT:
        high = raw[raw >= plausible.SIGN_BIT]
        plausible.check_sign([plausible.Extent.of(high)], raw.size)
        # One value alone is padding.
        raw = np.where(raw >= plausible.SIGN_BIT, HU_MIN, raw)
        hu = clip_hu(raw)
    step = plausible.STRIDE
    plausible.check_hounsfield(plausible.count_values(raw[::step, ::step]))
    x_mm, y_mm, _ = grid.spacing_mm
    pile = Pile(hu.transpose(2, 1, 0), grid.positions_mm, grid.orientation, (y_mm, x_mm))
    return pile, {
        "slices": grid.shape[2],
        "not_finite_voxels": absent,
        "padding_voxels": int(np.count_nonzero(raw < HU_MIN)),
        "geometry_from": grid.form,
    }
