"""dcm2niix: what it is given, how it is run, and how its volume is compared with the DICOM.

dcm2niix is not believed but compared: its volume must have the slices, the corner
positions and the values that are read here from the same files.
"""

import errno
import re
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import dcm2niix
import nibabel as nib
import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.valuerep import DSfloat

from bonecast.dicom import geometry
from bonecast.dicom.pile import Pile
from bonecast.dicom.pixels import DecodedSeries
from bonecast.dicom.scaling import Rescale, to_hu
from bonecast.reasons import Excluded, Reason

OPTIONS = ("-g", "i", "-z", "n", "-b", "n", "-m", "y", "-x", "i", "-f", "ct")
"""No personal defaults file, no compression, no sidecar, one volume per series (merge slices
whatever else differs), no cropping, a neutral name."""

RESAMPLED = ("_Tilt", "_Eq")
"""Parts of the names of volumes that dcm2niix has resampled: never used. It writes the volume
that it did not resample beside them, though its exit code then may be 1."""

POSITION_TOLERANCE_MM = 0.1
"""Corner voxels of the converted volume lie this near to where the headers put them."""

HU_TOLERANCE = 1
"""Rounding of fractional slopes may differ by one."""

BYTES_PER_VOXEL = 4
"""Of the largest file that dcm2niix writes: fractions in 32 bits."""

PROBE_BYTES = 1 << 20

LIMIT_S = 900
"""Long after any series is converted, dcm2niix is ended."""

CRASHES = {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL}
"""Exit codes of a program that broke down by itself; other signals are sent."""


@dataclass(frozen=True)
class Agreement:
    """How well a converted volume agreed with the DICOM files.

    Attributes:
        position_error_mm: of the corner voxel that is farthest off.
        hu_difference: of the voxel that differs most.
    """

    position_error_mm: float
    hu_difference: int


class Refused(Excluded):
    """dcm2niix does not take the files as one volume."""


def convert_and_compare(decoded: DecodedSeries, work: Path) -> tuple[Agreement, str, tuple]:
    """Let dcm2niix convert a series and compare every voxel.

    It gets links to the files or, where it cannot read them or takes them for something else
    than one volume, uncompressed slices with a bare header: then it converts what was decoded here.

    Args:
        work: an empty folder.

    Returns:
        The agreement, dcm2niix' version, and why it got uncompressed slices (nothing mostly).

    Raises:
        Excluded: CONVERSION_FAILED or GEOMETRY_MISMATCH.
        RuntimeError: dcm2niix died, or the disk is full.
    """
    because = decoded.plain_because
    if not because:
        try:
            return *_attempt(decoded, work / "linked", plain=False), ()
        except Refused:
            because = ("dcm2niix did not take the files as one volume",)
    return *_attempt(decoded, work / "plain", plain=True), because


def _attempt(decoded: DecodedSeries, work: Path, plain: bool) -> tuple[Agreement, str]:
    slices, results = work / "slices", work / "results"
    for folder in (work, slices, results):
        folder.mkdir()
    for number, source in enumerate(decoded.sources):
        path = slices / f"{number:05d}.dcm"
        if plain:
            write_plain(decoded.pile, number, path)
        else:
            path.symlink_to(source.resolve())
    room = decoded.pile.hu.size * BYTES_PER_VOXEL
    version = run_dcm2niix(slices, results, room)
    volumes = [
        path
        for path in sorted(results.glob("*.nii"))
        if not any(part in path.stem for part in RESAMPLED)
    ]
    if len(volumes) != 1:
        raise Refused(Reason.CONVERSION_FAILED, f"dcm2niix wrote {len(volumes)} volumes, not one")
    return compare(volumes[0], decoded.pile), version


def run_dcm2niix(folder: Path, results: Path, room_bytes: int) -> str:
    """Convert a folder's files; what the program prints is not kept, for it quotes headers.

    Args:
        room_bytes: what the results need at most, to tell a full disk from a refusal.

    Returns:
        The program's version.

    Raises:
        Refused: it writes no volume, breaks down or does not end.
        RuntimeError: it was ended by a signal, or the disk is full.
    """
    command = [dcm2niix.bin, *OPTIONS, "-o", str(results), str(folder)]
    how = {"capture_output": True, "text": True, "errors": "replace", "timeout": LIMIT_S}
    try:
        run = subprocess.run(command, check=False, **how)
    except subprocess.TimeoutExpired:
        raise Refused(Reason.CONVERSION_FAILED, f"no end within {LIMIT_S} s") from None
    if run.returncode in CRASHES:
        raise Refused(Reason.CONVERSION_FAILED, "dcm2niix broke down")
    if run.returncode < 0:
        raise RuntimeError(f"dcm2niix was ended by signal {-run.returncode}")
    if run.returncode > 0 or not any(results.glob("*.nii")):
        check_room(results, room_bytes)
    if not any(results.glob("*.nii")):
        raise Refused(Reason.CONVERSION_FAILED, f"exit code {run.returncode}, no volume written")
    version = re.search(r"v(\d+\.\d+\.\d+)", run.stdout)
    return version[1] if version else "unknown"


def check_room(folder: Path, room_bytes: int) -> None:
    """Write and delete as many bytes in a folder.

    Raises:
        RuntimeError: there is no room for them.
    """
    probe = folder / "probe"
    try:
        with probe.open("wb") as stream:
            for _ in range(-(-room_bytes // PROBE_BYTES)):
                stream.write(bytes(PROBE_BYTES))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise RuntimeError(_no_room(room_bytes)) from None
    finally:
        probe.unlink(missing_ok=True)


def _no_room(room_bytes: int) -> str:
    return (
        f"the folder for temporary files, {tempfile.gettempdir()}, is full: converting needs "
        f"{room_bytes / 1e6:.0f} MB there. Free some room, or name another folder in TMPDIR."
    )


def compare(path: Path, pile: Pile) -> Agreement:
    """Compare a converted volume with the slices decoded here: shape, positions, every value.

    Where slices are unevenly spaced, be it by rounding, no matrix can say where they lie: then the
    corners of one slice are compared, the first or the last, whichever dcm2niix began with. Of a
    tilted series, whose unstraightened volume dcm2niix places wrongly, only rows and columns are.

    Raises:
        Refused: GEOMETRY_MISMATCH where it has another shape.
        Excluded: GEOMETRY_MISMATCH or CONVERSION_FAILED.
        RuntimeError: the volume is cut short, as by a full disk.
    """
    raw, affine, slope, inter = read_volume(path)
    expected, expected_affine = pile.to_ras()
    if raw.shape != expected.shape:
        raise Refused(
            Reason.GEOMETRY_MISMATCH, f"shape {raw.shape} converted, {expected.shape} in DICOM"
        )
    error_mm = _position_error_mm(affine, expected_affine, expected.shape, pile.stack())
    if error_mm > POSITION_TOLERANCE_MM:
        raise Excluded(Reason.GEOMETRY_MISMATCH, f"a corner voxel lies {error_mm:.2f} mm off")
    difference, hu = 0, np.empty(raw.shape[:2], dtype=np.int16, order="F")
    # Turned back as they lie in the file, rows are read several times faster.
    turn = tuple(slice(None, None, -1 if stride < 0 else 1) for stride in raw.strides[:2])
    for k in range(raw.shape[2]):
        to_hu(raw[..., k][turn], Rescale(slope, inter, declared=True), hu[turn])
        if not np.array_equal(hu, expected[..., k]):
            off = np.subtract(hu, expected[..., k], dtype=np.int32)
            difference = max(difference, int(off.max()), -int(off.min()))
    if difference > HU_TOLERANCE:
        raise Excluded(
            Reason.CONVERSION_FAILED, f"values differ from DICOM by up to {difference} HU"
        )
    return Agreement(error_mm, difference)


def _position_error_mm(
    affine: np.ndarray, expected: np.ndarray, shape: tuple[int, int, int], stack: geometry.Stack
) -> float:
    # dcm2niix takes the first distance for all, and so errs by this much at the far end.
    rounded_mm = (stack.largest_gap_mm - stack.smallest_gap_mm) * (shape[2] - 1)
    if not (stack.n_uneven or stack.is_tilted or rounded_mm > POSITION_TOLERANCE_MM):
        return geometry.corner_distance_mm(affine, expected, shape)
    if stack.is_tilted:
        affine = affine.copy()
        affine[:3, 3] = expected[:3, 3]
    ends = (0,) if stack.is_tilted else (0, shape[2] - 1)
    return min(
        geometry.corner_distance_mm(_at_slice(affine, at), _at_slice(expected, at), (*shape[:2], 1))
        for at in ends
    )


def read_volume(path: Path) -> tuple[np.ndarray, np.ndarray, float, float]:
    """A volume that dcm2niix wrote, in RAS+ order and not yet scaled; mapped, not read.

    Returns:
        Values, voxel-to-world matrix, slope and intercept.

    Raises:
        Refused: it is not 3-D.
        RuntimeError: it is cut short.
    """
    image = nib.load(path)
    room = image.dataobj.offset + int(np.prod(image.shape)) * image.get_data_dtype().itemsize
    if path.stat().st_size < room:
        raise RuntimeError(_no_room(room))
    if len(image.shape) != 3:
        raise Refused(Reason.GEOMETRY_MISMATCH, f"shape {image.shape} converted")
    turn = nib.io_orientation(image.affine)
    data = nib.apply_orientation(image.dataobj.get_unscaled(), turn)
    affine = image.affine @ nib.orientations.inv_ornt_aff(turn, image.shape)
    return data, affine, float(image.dataobj.slope), float(image.dataobj.inter)


def _at_slice(affine: np.ndarray, number: int) -> np.ndarray:
    """The matrix of one slice of a volume, which then is number 0."""
    return affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, number], [0, 0, 0, 1]])


def write_plain(pile: Pile, number: int, path: Path) -> None:
    """Write a slice as an uncompressed CT image that says nothing but geometry and HU."""
    hu = pile.hu[number]
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = uid.CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"2.25.{number + 10}"
    plain = Dataset()
    plain.file_meta = meta
    plain.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    plain.SOPClassUID = meta.MediaStorageSOPClassUID
    plain.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    plain.Modality = "CT"
    plain.StudyInstanceUID, plain.SeriesInstanceUID = "2.25.1", "2.25.2"
    plain.SeriesNumber, plain.InstanceNumber = 1, number + 1
    for name, values in (
        ("ImagePositionPatient", pile.positions_mm[number]),
        ("ImageOrientationPatient", pile.orientation),
        ("PixelSpacing", pile.pixel_mm),
    ):
        setattr(plain, name, [DSfloat(float(value), auto_format=True) for value in values])
    plain.SamplesPerPixel, plain.PhotometricInterpretation = 1, "MONOCHROME2"
    plain.Rows, plain.Columns = hu.shape
    plain.BitsAllocated, plain.BitsStored, plain.HighBit = 16, 16, 15
    plain.PixelRepresentation, plain.RescaleSlope, plain.RescaleIntercept = 1, 1, 0
    plain.PixelData = hu.astype("<i2").tobytes()
    plain.save_as(path, enforce_file_format=True)
