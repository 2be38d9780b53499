"""Which row of the scanners' table a scan is calibrated by, from one header of its series.

Scanner and day are compared here and go no further: what is returned is the row's number, its
numbers, or why there is none.
"""

import datetime
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from bonecast.dicom.acquisition import acquisition_facts, element
from bonecast.dicom.chosen import chosen_files
from bonecast.dicom.headers import quiet_pydicom
from bonecast.dicom.table import read_choice
from bonecast.measure.calibration.tables import (
    ScanKey,
    match,
    numbered,
    read_scanner_table,
    row_facts,
)
from bonecast.reasons import Reason

SCANNER_ELEMENTS = ("DeviceSerialNumber", "StationName", "ManufacturerModelName")
"""What a row may name a scanner by, the surest first."""

DATE_ELEMENTS = ("AcquisitionDate", "SeriesDate", "StudyDate")


def match_participant(
    source: str | Path,
    series_table: str | Path,
    table: str | Path,
    standard: str,
    drift_limit_hu_per_year: float,
    number: int | None = None,
) -> dict:
    """The content of calibration_row.json.

    Args:
        source: the participant's folder or NIfTI file.
        series_table: series.tsv of the same source.
        table: as for `read_scanner_table`.
        standard: the cohort's.
        drift_limit_hu_per_year: see `row_facts`.
        number: row that the participants table gives; it is believed before the header.

    Raises:
        RuntimeError: the source changed after it was indexed.
    """
    rows = read_scanner_table(table, standard)
    choice = read_choice(series_table)
    if choice.reason:
        return row_facts(choice.reason, rows, drift_limit_hu_per_year)
    if number is not None:
        found = numbered(rows, number)
    elif choice.is_nifti:
        found = Reason.CALIBRATION_NO_SCANNER
    else:
        first = chosen_files(source, choice)[0]
        with quiet_pydicom():
            header = pydicom.dcmread(first, stop_before_pixels=True, force=True)
            found = match(rows, scan_key(header))
    return row_facts(found, rows, drift_limit_hu_per_year)


def scan_key(header: Dataset) -> ScanKey:
    """What a scan is matched by; kernel as written in series.tsv and scans.tsv."""
    names = (str(element(header, name) or "").strip() for name in SCANNER_ELEMENTS)
    facts = acquisition_facts(header, [])
    days = (_day(str(element(header, name) or "")) for name in DATE_ELEMENTS)
    return ScanKey(
        scanners=tuple(name for name in names if name),
        kvp=facts["kvp"],
        kernel=facts["kernel"] or "",
        date=next((day for day in days if day), None),
    )


def _day(text: str) -> datetime.date | None:
    try:
        return datetime.datetime.strptime(text.strip()[:8], "%Y%m%d").date()
    except ValueError:
        return None
