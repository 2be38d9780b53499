"""The chosen series as one CT volume in Hounsfield units, converted by dcm2niix and checked.

dcm2niix is not believed but compared: its volume must have the slices, the corner
positions and the values that pydicom reads from the same files.
"""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import dcm2niix
import nibabel as nib
import numpy as np
from isal import isal_zlib

from bonecast import images
from bonecast.dicom import acquisition, geometry
from bonecast.dicom.headers import quiet_pydicom, raise_storage_fault
from bonecast.dicom.listing import list_files, listing_digest
from bonecast.dicom.pixels import HU_MIN, DecodedSeries, clip_hu, decode_series
from bonecast.dicom.table import Choice, read_choice
from bonecast.images import Volume
from bonecast.reasons import Excluded, Reason

OPTIONS = ("-g", "i", "-z", "n", "-b", "n", "-m", "y", "-x", "i", "-f", "ct")
"""No personal defaults file, no compression, no sidecar, one volume per series (merge slices
whatever else differs), no cropping, a neutral name."""

RESAMPLED = ("_Tilt", "_Eq")
"""Parts of the names of volumes that dcm2niix has resampled: never used."""

POSITION_TOLERANCE_MM = 0.1
"""Corner voxels of the converted volume lie this near to where the headers put them."""

HU_TOLERANCE = 1
"""Rounding of fractional slopes may differ by one."""

FAT_OR_AIR_HU = -20
SOFT_TISSUE_HU = (-20, 120)
BONE_HU = 100
MIN_SHARE = 0.001
"""Every CT of a body holds fat or air, soft tissue and bone: at least this share of voxels
below, within and above. Values without HU offset, or windowed to 8 bits, do not."""

PLAUSIBILITY_STRIDE = 4
"""Voxels between those looked at in each slice for the check of units."""


NIFTI_ERRORS = (
    *(ValueError, OSError, EOFError, isal_zlib.error),
    *(nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError),
)
"""What reading a damaged NIfTI file raises."""


@dataclass(frozen=True)
class Converted:
    """A CT that passed every check.

    Attributes:
        volume: int16 HU, RAS+.
        acquisition: technical facts.
        checks: what was compared, and how well it agreed.
    """

    volume: Volume
    acquisition: dict[str, object]
    checks: dict[str, object]


def convert_participant(
    participant_id: str, source: str | Path, series_table: str | Path, ct_path: str | Path
) -> dict[str, object]:
    """Convert the chosen series and write the CT; a known defect gives an empty file instead.

    Args:
        participant_id: goes into the record.
        source: the participant's folder or NIfTI file.
        series_table: `series.tsv` of the same source.
        ct_path: where to write the CT.

    Returns:
        The content of `ct.json`.

    Raises:
        RuntimeError: the source changed after it was indexed, or dcm2niix died.
    """
    choice = read_choice(series_table)
    record: dict[str, object] = {"participant_id": participant_id}
    try:
        if choice.reason:
            raise Excluded(choice.reason, choice.detail)
        converted = convert_series(source, choice)
    except Excluded as error:
        Path(ct_path).write_bytes(b"")
        stage = "ingest" if choice.reason else "convert"
        return record | {
            "status": "excluded",
            "stage": stage,
            "reason": str(error.reason),
            "detail": error.detail,
        }
    images.save(converted.volume, ct_path)
    return record | {
        "status": "ok",
        "stage": "convert",
        "reason": "",
        "detail": "",
        "shape": list(converted.volume.data.shape),
        "spacing_mm": [round(mm, 5) for mm in converted.volume.spacing_mm],
        "orientation": "RAS",
        "source": "nifti" if choice.is_nifti else "dicom",
        "series": choice.series,
        "acquisition": converted.acquisition,
        "checks": converted.checks,
    }


def convert_series(source: str | Path, choice: Choice) -> Converted:
    """Convert the chosen files of a source.

    Raises:
        Excluded: a known defect of the data.
        RuntimeError: the source changed after it was indexed, or dcm2niix died.
    """
    files = list_files(source) or []
    if listing_digest(source, files) != choice.listing:
        raise RuntimeError(
            "the input changed after its series were listed; "
            "run again with `--forcerun index_series` for this participant"
        )
    chosen = [files[index] for index in choice.files]
    if choice.is_nifti:
        return _convert_nifti(chosen[0])
    return _convert_dicom(chosen)


def _convert_dicom(files: list[Path]) -> Converted:
    with tempfile.TemporaryDirectory(prefix="bonecast_") as work, quiet_pydicom():
        slices, results = Path(work, "slices"), Path(work, "results")
        slices.mkdir()
        results.mkdir()
        decoded, header, currents = decode_series(files, slices)
        facts = acquisition.acquisition_facts(header, currents)
        version = run_dcm2niix(slices, results)
        candidates = [
            path
            for path in sorted(results.glob("*.nii"))
            if not any(part in path.stem for part in RESAMPLED)
        ]
        volume, checks = _pick(candidates, decoded)
    volume = volume.like(_without_high_padding(volume.data, decoded.padding_hu))
    check_hounsfield(volume.data)
    checks |= {"uncompressed_first": decoded.rewritten, "converter": f"dcm2niix {version}"}
    return Converted(volume, facts, checks)


def run_dcm2niix(folder: Path, results: Path) -> str:
    """Convert a folder's files; what the program prints is not kept, for it quotes headers.

    Returns:
        The program's version.

    Raises:
        Excluded: CONVERSION_FAILED where it refuses the files.
        RuntimeError: it was ended by a signal.
    """
    command = [dcm2niix.bin, *OPTIONS, "-o", str(results), str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if run.returncode < 0:
        raise RuntimeError(f"dcm2niix was ended by signal {-run.returncode}")
    if run.returncode > 0 or not any(results.glob("*.nii")):
        found = len(list(results.glob("*.nii")))
        raise Excluded(
            Reason.CONVERSION_FAILED, f"exit code {run.returncode}, {found} volumes written"
        )
    version = re.search(r"v(\d+\.\d+\.\d+)", run.stdout)
    return version[1] if version else "unknown"


def _pick(candidates: list[Path], decoded: DecodedSeries) -> tuple[Volume, dict[str, object]]:
    """The one volume that agrees with the DICOM files; the first refusal where none does."""
    refusal = Excluded(Reason.CONVERSION_FAILED, "dcm2niix wrote resampled volumes only")
    agreeing = []
    for path in candidates:
        try:
            agreeing.append(check_against_dicom(images.load(path), decoded))
        except ValueError as error:
            refusal = Excluded(Reason.GEOMETRY_MISMATCH, f"dcm2niix: {error}")
        except Excluded as error:
            refusal = error
    if len(agreeing) != 1:
        raise refusal
    return agreeing[0]


def check_against_dicom(volume: Volume, decoded: DecodedSeries) -> tuple[Volume, dict[str, object]]:
    """Compare a converted volume with the slices pydicom read: shape, corners, every value.

    Returns:
        The volume as int16 HU, and how well it agreed.

    Raises:
        Excluded: GEOMETRY_MISMATCH or CONVERSION_FAILED.
    """
    n, rows, columns = decoded.hu.shape
    expected_affine = geometry.affine_ras(
        decoded.orientation, decoded.pixel_mm, decoded.positions_mm[0], decoded.positions_mm[-1], n
    )
    to_ras = nib.io_orientation(expected_affine)
    expected = nib.apply_orientation(decoded.hu.transpose(2, 1, 0), to_ras)
    expected_affine = expected_affine @ nib.orientations.inv_ornt_aff(to_ras, (columns, rows, n))
    if volume.data.shape != expected.shape:
        raise Excluded(
            Reason.GEOMETRY_MISMATCH,
            f"shape {volume.data.shape} converted, {expected.shape} in DICOM",
        )
    error_mm = geometry.corner_distance_mm(volume.affine, expected_affine, expected.shape)
    if error_mm > POSITION_TOLERANCE_MM:
        raise Excluded(Reason.GEOMETRY_MISMATCH, f"a corner voxel lies {error_mm:.2f} mm off")
    raw = volume.data if volume.data.dtype.kind in "iu" else np.rint(volume.data)
    hu = clip_hu(raw)
    difference = _max_difference(hu, expected)
    if difference > HU_TOLERANCE:
        raise Excluded(
            Reason.CONVERSION_FAILED, f"values differ from DICOM by up to {difference} HU"
        )
    return volume.like(hu), {
        "slices": n,
        "position_error_mm": round(error_mm, 4),
        "hu_difference": difference,
        "padding_voxels": int(np.count_nonzero(raw < HU_MIN)),
    }


def _max_difference(a: np.ndarray, b: np.ndarray) -> int:
    """The largest absolute difference of two int16 volumes, slab by slab to save memory."""
    return max(
        int(np.abs(np.subtract(a[..., k], b[..., k], dtype=np.int32)).max())
        for k in range(a.shape[2])
    )


def _without_high_padding(hu: np.ndarray, padding_hu: int | None) -> np.ndarray:
    return hu if padding_hu is None else np.where(hu == padding_hu, np.int16(HU_MIN), hu)


def check_hounsfield(hu: np.ndarray) -> None:
    """Refuse values that cannot be Hounsfield units of a body.

    Args:
        hu: shape (x, y, z).

    Raises:
        Excluded: NOT_HU.
    """
    sample = hu[::PLAUSIBILITY_STRIDE, ::PLAUSIBILITY_STRIDE]
    low, high = SOFT_TISSUE_HU
    shares = {
        f"fat or air (below {FAT_OR_AIR_HU} HU)": np.mean(sample < FAT_OR_AIR_HU),
        f"soft tissue ({low} to {high} HU)": np.mean((sample >= low) & (sample <= high)),
        f"bone (above {BONE_HU} HU)": np.mean(sample > BONE_HU),
    }
    for words, share in shares.items():
        if share < MIN_SHARE:
            raise Excluded(
                Reason.NOT_HU,
                f"{100 * share:.2f} % of voxels are {words}: too few for a body",
            )


def _convert_nifti(path: Path) -> Converted:
    try:
        volume = images.load(path)
    except NIFTI_ERRORS as error:
        raise_storage_fault(error)
        raise Excluded(Reason.CORRUPT_PIXELS, type(error).__name__) from None
    raw = volume.data
    missing = 0
    if raw.dtype.kind == "f":
        absent = ~np.isfinite(raw)
        missing = int(np.count_nonzero(absent))
        raw = np.rint(np.where(absent, HU_MIN, raw))
    elif raw.dtype.kind not in "iu":
        raise Excluded(Reason.NOT_A_VOLUME, "voxels are not numbers")
    checks = {
        "slices": raw.shape[2],
        "not_finite_voxels": missing,
        "padding_voxels": int(np.count_nonzero(raw < HU_MIN)),
    }
    volume = volume.like(clip_hu(raw))
    check_hounsfield(volume.data)
    return Converted(volume, dict(acquisition.EMPTY), checks)
