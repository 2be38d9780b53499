"""The chosen series as one CT volume in Hounsfield units, converted by dcm2niix and checked."""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bonecast import images
from bonecast.dicom import acquisition, nifti_values
from bonecast.dicom.chosen import chosen_files
from bonecast.dicom.converter import convert_and_compare
from bonecast.dicom.headers import quiet_pydicom
from bonecast.dicom.pile import Pile
from bonecast.dicom.pixels import decode_series
from bonecast.dicom.resample import Resample, check_resampling, make_rectangular
from bonecast.dicom.scaling import HU_MIN
from bonecast.dicom.table import Choice, read_choice
from bonecast.images import Volume
from bonecast.reasons import Excluded

DIGEST_BYTES = 16
SPACING_DIGITS = 4
"""Digits of mm that tell spacings apart: rounding of headers does not."""


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
    participant_id: str,
    source: str | Path,
    series_table: str | Path,
    ct_path: str | Path,
    resample: Resample | None = None,
    secret: bytes = b"",
    days: float | None = None,
) -> dict[str, object]:
    """Convert the chosen series and write the CT; a known defect gives an empty file instead.

    Args:
        participant_id: goes into the record.
        source: the participant's folder or NIfTI file.
        series_table: `series.tsv` of the same source.
        ct_path: where to write the CT.
        resample: what may be made rectangular.
        secret: mixed into the scanner's pseudonym.
        days: of the scan from the participant's first one, as the user gives it; None: the days of
            its study from the first one of the input.

    Returns:
        The content of `ct.json`.

    Raises:
        RuntimeError: the source changed after it was indexed, the disk is full, or dcm2niix died.
        OSError: a file vanished, or the disk fails.
    """
    choice = read_choice(series_table)
    record: dict[str, object] = {"participant_id": participant_id}
    try:
        if choice.reason:
            raise Excluded(choice.reason, choice.detail)
        converted = convert_series(source, choice, resample or Resample(), secret)
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
    facts = {"days_offset": choice.days if days is None else days}
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
        "volume_digest": volume_digest(converted.volume),
        "acquisition": converted.acquisition | facts,
        "checks": converted.checks,
    }


def convert_series(
    source: str | Path, choice: Choice, resample: Resample, secret: bytes = b""
) -> Converted:
    """Convert the chosen files of a source.

    Raises:
        Excluded: a known defect of the data.
        RuntimeError: the source changed after it was indexed, the disk is full, or dcm2niix died.
        OSError: a file vanished, or the disk fails.
    """
    chosen = chosen_files(source, choice)
    if choice.is_nifti:
        pile, checks = nifti_values.read_hu(chosen[0])
        facts = dict(acquisition.EMPTY)
    else:
        with quiet_pydicom():
            pile, facts, checks = _convert_dicom(chosen, resample, secret)
    spacing_mm = pile.stack().spacing_mm
    pile, words = make_rectangular(pile, resample)
    facts["slice_spacing_mm"] = round(spacing_mm, 4)
    return Converted(Volume(*pile.to_ras()), facts, checks | {"resampled": words})


def _convert_dicom(
    files: list[Path], resample: Resample, secret: bytes
) -> tuple[Pile, dict[str, object], dict[str, object]]:
    decoded = decode_series(files)
    pile = decoded.pile
    check_resampling(pile.stack(), resample)
    facts = acquisition.acquisition_facts(decoded.header, decoded.currents_ma, secret)
    with tempfile.TemporaryDirectory(prefix="bonecast_") as work:
        agreement, version, because = convert_and_compare(decoded, Path(work))
    for hu, padding in zip(pile.hu, decoded.padding, strict=True):
        if padding is not None:
            hu[(hu >= padding[0]) & (hu <= padding[1])] = HU_MIN
    return (
        pile,
        facts,
        {
            "slices": len(pile.hu),
            "copies_dropped": decoded.copies,
            "position_error_mm": round(agreement.position_error_mm, 4),
            "hu_difference": agreement.hu_difference,
            "padding_voxels": decoded.padding_voxels,
            "uncompressed_first": bool(because),
            "uncompressed_because": ", ".join(because),
            "converter": f"dcm2niix {version}",
        },
    )


def volume_digest(volume: Volume) -> str:
    """A digest of values and voxel size, by which the same scan under two ids is found.

    Args:
        volume: int16, RAS+.
    """
    spacing = np.round(volume.spacing_mm, SPACING_DIGITS) + 0.0
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    digest.update(repr((volume.data.shape, spacing.tolist())).encode())
    for k in range(volume.data.shape[2]):
        digest.update(np.ascontiguousarray(volume.data[..., k].T))
    return digest.hexdigest()
