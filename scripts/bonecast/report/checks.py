"""What a reader should look at before using the numbers: warnings, outliers, corrections."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from bonecast.measure.outliers import LIMIT, MIN_LEVELS, MIN_SCANS, QUANTITIES
from bonecast.report.qc_page import read_remarks
from bonecast.report.tables import minus
from bonecast.sessions import scan_id, scan_ids

MAX_ROWS = 40
"""Rows of a table on the page; the files list everything."""


@dataclass(frozen=True)
class Checks:
    """A cohort's segmentations as a reader should check them.

    Attributes:
        warned: dicts with participant_id and text, the segmentation's own warnings.
        outliers: dicts in words, the farthest first.
        corrected: dicts with participant_id, text and used (false: it could not be).
        same: dicts with participant_id, other (an earlier scan with the same image) and own
            (whether that is of the same participant).
        resampled: dicts with participant_id and text, scans interpolated by conversion.
        n_compared, n_vertebrae: values compared with the cohort, and of how many vertebrae.
        n_outlying: participants with an outlier.
        fewest: scans behind the least common level that was compared; None where none was.
        to_check: participants named in either of the first two, with a correction refused, or
            with an image that is there twice.

    Participants are told by the names of their scans.
    """

    warned: list[dict] = field(default_factory=list)
    outliers: list[dict] = field(default_factory=list)
    corrected: list[dict] = field(default_factory=list)
    same: list[dict] = field(default_factory=list)
    resampled: list[dict] = field(default_factory=list)
    n_compared: int = 0
    n_outlying: int = 0
    fewest: int | None = None
    to_check: frozenset[str] = frozenset()
    max_rows: int = MAX_ROWS
    limit: float = LIMIT
    min_scans: int = MIN_SCANS
    min_levels: int = MIN_LEVELS


def read_checks(
    segmentations: Sequence[Path],
    outliers: Path | None,
    reference: Path | None,
    scans: pd.DataFrame | None = None,
) -> Checks:
    """Gather the warnings of a cohort.

    Args:
        segmentations: segmentation.json of everyone.
        outliers, reference: tables of the comparison with the cohort; None where there is none.
        scans: the table of scans, None where there is none.
    """
    warned, corrected = [], []
    for path in segmentations:
        about = json.loads(Path(path).read_text(encoding="utf-8"))
        name, remarks = about["participant_id"], read_remarks(about)
        if remarks.lines:
            warned.append({"participant_id": name, "text": " ".join(remarks.lines)})
        if remarks.corrected:
            used = about["status"] == "ok"
            text = remarks.corrected.partition(": ")[2] if used else about["detail"]
            corrected.append({"participant_id": name, "text": text, "used": used})
    table = _read(outliers)
    compared = _read(reference)
    if len(compared):
        compared = compared[compared["compared"] == "true"]
    counts = compared["n_scans"].astype(int) if len(compared) else pd.Series(dtype=int)
    rows = [_in_words(row) for row in table.to_dict("records")]
    outlying = {row["participant_id"] for row in rows}
    same = _same_scans(scans)
    twice = {row["participant_id"] for row in same}
    refused = {row["participant_id"] for row in corrected if not row["used"]}
    return Checks(
        warned,
        rows,
        corrected,
        same,
        _resampled(scans),
        n_compared=int(counts.sum()),
        n_outlying=len(outlying),
        fewest=int(counts.min()) if len(counts) else None,
        to_check=frozenset({row["participant_id"] for row in warned} | outlying | refused | twice),
    )


def _same_scans(scans: pd.DataFrame | None) -> list[dict]:
    """Scans whose image is that of an earlier one."""
    if scans is None or "same_scan_as" not in scans:
        return []
    names = scan_ids(scans)
    owner = dict(zip(names, scans["participant_id"], strict=True))
    same = zip(names, scans["same_scan_as"].fillna(""), strict=True)
    return [
        {"participant_id": name, "other": other, "own": owner[name] == owner[other]}
        for name, other in same
        if other
    ]


def _resampled(scans: pd.DataFrame | None) -> list[dict]:
    """Scans whose slices formed no rectangular volume."""
    if scans is None or "ct_resampled" not in scans:
        return []
    words = zip(scan_ids(scans), scans["ct_resampled"].fillna(""), strict=True)
    return [{"participant_id": name, "text": text} for name, text in words if text]


def _read(path: Path | None) -> pd.DataFrame:
    if path is None:
        return pd.DataFrame()
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def _in_words(row: dict) -> dict:
    """One row of segmentation_outliers.tsv as the page prints it."""
    quantity = QUANTITIES[row["quantity"]]
    digits = 2 if quantity.unit == "ratio" else 0 if quantity.unit in ("mm3", "HU") else 1
    unit = {"mm3": " mm³", "ratio": ""}.get(quantity.unit, f" {quantity.unit}")
    grade = row["genant_grade"]
    return {
        "participant_id": scan_id(row["participant_id"], row.get("session_id", "")),
        "level": row["level"],
        "what": quantity.words,
        "value": minus(f"{float(row['value']):,.{digits}f}") + unit,
        "expected": minus(f"{float(row['expected']):,.{digits}f}") + unit,
        "z": minus(f"{float(row['robust_z']):+.1f}"),
        "n_scans": int(row["n_scans"]),
        "grade": grade if grade not in ("", "0") else "",
    }
