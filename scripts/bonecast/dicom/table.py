"""`series.tsv`: every series found, the one chosen, and why not the others.

Files are named by their place in the sorted listing of the input, never by name.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from bonecast.dicom import vocabulary
from bonecast.dicom.headers import FileKind
from bonecast.dicom.index import Index, Series
from bonecast.dicom.listing import from_ranges, to_ranges
from bonecast.dicom.scoring import coverage_mm
from bonecast.dicom.select import NAMED, Decision, series_id
from bonecast.reasons import Reason

COLUMNS = (
    *("series", "description_class", "modality", "slices", "rows", "columns", "pixel_mm"),
    *("spacing_mm", "spacing_min_mm", "spacing_max_mm", "missing_slices"),
    *("duplicates", "copies"),
    *("tilt_degrees", "extent_mm", "thickness_mm", "kvp", "kernel", "contrast", "orientation"),
    *("image_type", "body_part", "manufacturer", "model", "syntax", "study", "days"),
    *("patient_number", "score", "chosen", "reason", "detail", "files", "listing"),
)
"""docs/ingest.md says what each holds."""

OTHER_FILES = {
    FileKind.DICOMDIR: "directories of a DICOM medium; their entries are read from the files",
    FileKind.NOT_DICOM: "files that are not DICOM",
    FileKind.UNREADABLE: "files whose DICOM header is damaged",
}
"""What a row without series number stands for."""


@dataclass(frozen=True)
class Choice:
    """What conversion needs from the table.

    Attributes:
        series: the chosen series, S01..; empty where none was.
        files: indices of its files into the sorted listing.
        listing: digest of that listing.
        reason, detail: why none was chosen.
        is_nifti: the chosen series is a NIfTI file.
        days: of its study, from the first study of the input; None without dates.
    """

    series: str
    files: list[int]
    listing: str
    reason: Reason | None
    detail: str
    is_nifti: bool
    days: int | None = None


def write_series(index: Index, decisions: list[Decision], path: str | Path) -> None:
    """Write the table: a row per series, then a row per kind of file outside any series.

    An input that is missing, empty or set aside gives one row that says so.
    """
    rows = [
        _series_row(number, decision, index.listing) for number, decision in enumerate(decisions)
    ]
    for kind, files in index.others.items():
        row = dict.fromkeys(COLUMNS, "") | {
            "description_class": str(kind),
            "chosen": "false",
            "reason": str(Reason.NO_READABLE_IMAGE),
            "detail": f"{len(files)} {OTHER_FILES[kind]}",
            "files": to_ranges(files),
            "listing": index.listing,
        }
        rows.append(row)
    if index.missing:
        row = {"description_class": str(index.missing), "reason": str(index.missing)}
        rows.append(dict.fromkeys(COLUMNS, "") | row | {"chosen": "false"})
    with Path(path).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_choice(path: str | Path) -> Choice:
    """The chosen series of a table, or the reason why there is none."""
    with Path(path).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    for row in rows:
        if row["chosen"] == "true":
            return Choice(
                series=row["series"],
                files=from_ranges(row["files"]),
                listing=row["listing"],
                reason=None,
                detail="",
                is_nifti=row["description_class"] == "nifti_volume",
                days=int(row["days"]) if row["days"] else None,
            )
    reason, detail = _why_none(rows)
    return Choice("", [], "", reason, detail, is_nifti=False)


def _why_none(rows: list[dict[str, str]]) -> tuple[Reason, str]:
    """One reason for a participant without a chosen series.

    The reason of the series that the user named or, without one, of that which came nearest
    to being measured speaks for all; the others are counted in the detail.
    """
    series = [row for row in rows if row["series"]]
    if not series:
        missing = {str(Reason.NO_INPUT), str(Reason.EMPTY_FOLDER), str(Reason.SET_ASIDE)}
        for row in rows:
            if row["reason"] in missing:
                return Reason(row["reason"]), ""
        return Reason.NO_READABLE_IMAGE, "; ".join(row["detail"] for row in rows)
    for row in series:
        if row["detail"].startswith(NAMED):
            return Reason(row["reason"]), f"{row['series']}: {row['detail']}"
    if series[0]["reason"] == Reason.USER_SERIES_MISSING:
        return Reason.USER_SERIES_MISSING, series[0]["detail"]
    nearest = max(series, key=lambda row: _NEARNESS.get(Reason(row["reason"]), 0))
    counts: dict[str, int] = {}
    for row in series:
        counts[row["reason"]] = counts.get(row["reason"], 0) + 1
    found = ", ".join(f"{count} {reason}" for reason, count in counts.items())
    if Reason(nearest["reason"]) not in _NEARNESS:
        return Reason.NO_AXIAL_CT, f"series found: {found}"
    detail = f"{nearest['series']}: {nearest['detail']}"
    return Reason(nearest["reason"]), detail if len(series) == 1 else f"{detail}; all: {found}"


_NEARNESS = {
    reason: rank
    for rank, reason in enumerate(
        (
            Reason.TOO_FEW_SLICES,
            Reason.NOT_A_VOLUME,
            Reason.NO_GEOMETRY,
            Reason.TOO_LITTLE_COVERAGE,
            Reason.DUPLICATE_SLICES,
            Reason.TOO_THICK,
            Reason.GANTRY_TILT,
            Reason.UNEVEN_SLICES,
            Reason.CORRUPT_PIXELS,
            Reason.AMBIGUOUS_INPUT,
            Reason.MIXED_PATIENTS,
        ),
        start=1,
    )
}
"""Reasons of axial CT series, from far to near: a localizer beside a damaged axial series
leaves the participant out for the damage."""


def _series_row(number: int, decision: Decision, listing: str) -> dict[str, str]:
    series: Series = decision.series
    stack = series.stack
    spread = stack if series.spacing_mm else None
    values = {
        "series": series_id(number),
        "description_class": str(series.description_class),
        "modality": series.modality,
        "slices": series.slices,
        "rows": series.rows or None,
        "columns": series.columns or None,
        "pixel_mm": _rounded(series.pixel_mm),
        "spacing_mm": _rounded(series.spacing_mm),
        "spacing_min_mm": spread and _rounded(spread.smallest_gap_mm),
        "spacing_max_mm": spread and _rounded(spread.largest_gap_mm),
        "missing_slices": spread and spread.n_missing,
        "duplicates": stack and stack.n_duplicates + series.n_twins,
        "copies": series.n_copies,
        "tilt_degrees": spread and _rounded(spread.tilt_degrees, 2),
        "extent_mm": spread and _rounded(coverage_mm(series), 1),
        "thickness_mm": _rounded(series.thickness_mm),
        "kvp": _rounded(series.kvp),
        "kernel": series.kernel,
        "contrast": series.contrast,
        "orientation": series.orientation,
        "image_type": vocabulary.image_type_words(series.image_type),
        "body_part": series.body_part,
        "manufacturer": series.manufacturer,
        "model": series.model,
        "syntax": series.syntax,
        "study": series.study,
        "days": series.days,
        "patient_number": series.patient_number,
        "score": None if decision.score is None else f"{decision.score:.2f}",
        "chosen": decision.chosen,
        "reason": str(decision.reason) if decision.reason else "",
        "detail": _with_copies(decision),
        "files": to_ranges(series.files),
        "listing": listing,
    }
    return {name: _text(value) for name, value in values.items()}


def _with_copies(decision: Decision) -> str:
    copies, twins = decision.series.n_copies, decision.series.n_twins
    words = decision.detail
    if copies:
        words += f"; {copies} duplicate files left out"
    if twins:
        words += f"; {twins} files to be compared with the image that they seem to repeat"
    return words


def _rounded(value: float | None, decimals: int = 4) -> float | None:
    return None if value is None else round(value, decimals)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
