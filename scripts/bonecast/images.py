"""Volumes on disk and in memory.

One convention everywhere: arrays are indexed [x, y, z] in RAS+ order (x grows to
the patient's right, y to anterior, z to superior), whatever the file's own order.
"""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from isal import igzip

GZIP_LEVEL = 3
"""igzip level of a scan: as small as zlib level 1 to 2, several times faster."""

GZIP_LEVEL_OF_BYTES = 1
"""The same of masks: half the size of level 3, in a fifth of the time."""

NIFTI2_START = ((540).to_bytes(4, "little"), (540).to_bytes(4, "big"))
"""How a NIfTI-2 header begins: with its length."""

VOXELS_AT = 352
"""Offset of the first voxel: the header and four bytes that say that nothing extends it."""


@dataclass(frozen=True)
class Volume:
    """A 3-D array in RAS+ order with its voxel-to-world matrix.

    Attributes:
        data: shape (x, y, z).
        affine: 4 x 4, voxel index to world mm (RAS+).
    """

    data: np.ndarray
    affine: np.ndarray

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along x, y, z in mm."""
        return tuple(float(s) for s in np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def voxel_mm3(self) -> float:
        """Volume of one voxel in mm3."""
        return float(np.prod(self.spacing_mm))

    def like(self, data: np.ndarray) -> "Volume":
        """Another array on the same grid. Raises ValueError where the shapes differ."""
        if data.shape != self.data.shape:
            raise ValueError(f"array of shape {data.shape} is not on a grid of {self.data.shape}")
        return Volume(data, self.affine)


def load(path: str | Path) -> Volume:
    """Read a NIfTI file (.nii or .nii.gz) into RAS+ order.

    Integers stay integers: scaling is applied only where the header has any.

    Raises:
        ValueError: the file is not a 3-D image.
    """
    path = Path(path)
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        raw = igzip.decompress(raw)
    kind = nib.Nifti2Image if raw[:4] in NIFTI2_START else nib.Nifti1Image
    image = kind.from_bytes(raw)
    to_ras = nib.io_orientation(image.affine)
    # Reoriented before scaling: nibabel's own way makes scaled integers 64-bit floats.
    data = nib.apply_orientation(image.dataobj.get_unscaled(), to_ras)
    data = _scaled(data, image.dataobj.slope, image.dataobj.inter)
    affine = image.affine @ nib.orientations.inv_ornt_aff(to_ras, image.shape[:3])
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim != 3:
        raise ValueError(f"expected a 3-D image, found shape {data.shape} in {path.name}")
    return Volume(data, affine)


def _scaled(data: np.ndarray, slope: float, inter: float) -> np.ndarray:
    """Apply a header's scaling; whole numbers on integers give integers, others float32."""
    if (slope, inter) == (1.0, 0.0):
        return data
    if data.dtype.kind in "iu" and slope == int(slope) and inter == int(inter):
        small = data.dtype.itemsize <= 2 and slope == 1 and abs(inter) < 2**30
        values = data.astype(np.int32 if small else np.int64)
        values *= int(slope)
        values += int(inter)
        limits = np.iinfo(np.int16)
        fits = limits.min <= values.min() and values.max() <= limits.max
        return values.astype(np.int16) if fits else values
    return (data * np.float64(slope) + inter).astype(np.float32)


def save(volume: Volume, path: str | Path) -> None:
    """Write a volume as .nii.gz. The data type is kept; the header carries no free text."""
    level = GZIP_LEVEL_OF_BYTES if volume.data.itemsize == 1 else GZIP_LEVEL
    image = nib.Nifti1Image(volume.data, volume.affine)
    image.set_qform(volume.affine, code=1)
    image.set_sform(volume.affine, code=1)
    image.header.set_xyzt_units("mm")
    # What makes the same volume the same file: no name, no date.
    with (
        Path(path).open("wb") as file,
        igzip.GzipFile("", "wb", level, file, mtime=0) as stream,
    ):
        header = image.header.copy()
        header["vox_offset"] = VOXELS_AT
        stream.write(header.binaryblock + bytes(VOXELS_AT - header.sizeof_hdr))
        for k in range(volume.data.shape[2]):
            stream.write(np.ascontiguousarray(volume.data[..., k].T))


def bounding_box(
    mask: np.ndarray, spacing_mm=(1.0, 1.0, 1.0), margin_mm: float = 0.0
) -> tuple[slice, slice, slice] | None:
    """Slices around the true voxels of a 3-D mask, widened by a margin inside the array.

    Args:
        mask: boolean.
        spacing_mm: voxel size along its axes; left out, the margin is in voxels.
        margin_mm: room on every side.

    Returns:
        One slice an axis, None where the mask is empty.
    """
    tight, box = [slice(None)] * 3, [slice(None)] * 3
    # The axis that is slowest in memory first: the others then see only what it leaves.
    for axis in sorted(range(3), key=lambda a: -mask.strides[a]):
        seen = mask[tuple(tight)].any(axis=tuple(a for a in range(3) if a != axis))
        line = np.flatnonzero(seen)
        if not len(line):
            return None
        low, high = int(line[0]), int(line[-1]) + 1
        margin = int(np.ceil(margin_mm / spacing_mm[axis]))
        tight[axis] = slice(low, high)
        box[axis] = slice(max(0, low - margin), min(mask.shape[axis], high + margin))
    return tuple(box)
