"""The user's two tables: rods of a phantom in the scan, and calibrations of scanners over time.

Read while the workflow is parsed too, so: standard library only, and every problem of a table is
listed at once. Dates and serial numbers of the scanners' table are for matching only: nothing
made from it here holds one.
"""

import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bonecast.cohort import CohortError, read_rows, unknown_participant
from bonecast.reasons import Reason
from bonecast.sessions import scan_id

REFERENCE_MGCC = 100.0
"""Density whose HU are followed over the years; chosen here, near that of an old spine."""

DAYS_PER_YEAR = 365.25

ROD_COLUMNS = ("participant_id", "session_id", "rod", "density_mgcc", "water_mgcc", "mean_hu")
PLACE_COLUMNS = ("x_mm", "y_mm", "z_mm", "radius_mm")
"""Where a rod is in the scan, in world mm (RAS+, as viewers of NIfTI show them)."""

SCANNER_COLUMNS = (
    *("scanner", "kvp", "kernel", "first_date", "last_date"),
    *("slope", "intercept", "standard", "r2"),
)


@dataclass(frozen=True)
class ScannerRow:
    """One calibration of one scanner: density = slope * HU + intercept, in mg/cm3.

    Attributes:
        number: row of the file, the header being row 1.
        scanner: serial number, station name or model, as in the headers.
        kvp: tube voltage, None for any.
        kernel: reconstruction kernel as in the header, empty for any.
        first, last: days it holds for, both included; None: open.
        r2: coefficient of determination of the calibration, None where not known.
    """

    number: int
    scanner: str
    kvp: float | None
    kernel: str
    first: datetime.date | None
    last: datetime.date | None
    slope: float
    intercept: float
    standard: str
    r2: float | None

    @property
    def group(self) -> tuple[str, float | None, str]:
        """What rows have in common that follow each other in time."""
        return self.scanner.lower(), self.kvp, self.kernel.lower()

    @property
    def reference_hu(self) -> float:
        """HU of `REFERENCE_MGCC` under this calibration."""
        return (REFERENCE_MGCC - self.intercept) / self.slope


@dataclass(frozen=True)
class ScanKey:
    """What a scan is matched by; read from one header and kept in memory only.

    Attributes:
        scanners: serial number, station name and model, those the header has.
    """

    scanners: tuple[str, ...]
    kvp: float | None
    kernel: str
    date: datetime.date | None


def read_rods(path: str | Path, standard: str, participants: list[str]) -> dict[str, list[dict]]:
    """Rods of every scan.

    Args:
        path: TSV or CSV with the columns `participant_id` (or the name of a scan; or with it
            `session_id`), `rod`, `density_mgcc`; then `mean_hu`, or `x_mm`, `y_mm`, `z_mm`,
            `radius_mm` of a place in the scan; optionally `water_mgcc`, the rod's
            water-equivalent density, for the Mindways form.
        standard: what density_mgcc is equivalent to; goes into the rows.
        participants: names of the cohort's scans; any other is refused.

    Returns:
        By scan, dicts of numbers (None where empty), in the order of the file.

    Raises:
        CohortError: lists every problem, by row.
    """
    problems: list[str] = []
    rods: dict[str, list[dict]] = {}
    needed = ("participant_id", "rod", "density_mgcc")
    known = set(participants)
    for number, row in _read(path, (*ROD_COLUMNS, *PLACE_COLUMNS), needed):
        names = (*ROD_COLUMNS[3:], *PLACE_COLUMNS)
        values = {name: _number(row, name, number, problems) for name in names}
        scan = scan_id(row["participant_id"], row["session_id"])
        if not row["participant_id"]:
            problems.append(f"row {number}: participant_id is empty")
        elif scan not in known:
            unknown = unknown_participant(scan, participants)
            problems.append(f"row {number}: {unknown}")
        if values["density_mgcc"] is None:
            problems.append(f"row {number}: density_mgcc is empty")
        placed = all(values[name] is not None for name in PLACE_COLUMNS)
        if values["mean_hu"] is None and not placed:
            problems.append(f"row {number}: give mean_hu, or all of {', '.join(PLACE_COLUMNS)}")
        rods.setdefault(scan, []).append({"rod": row["rod"], "standard": standard, **values})
    for scan, own in rods.items():
        given = sum(rod["water_mgcc"] is not None for rod in own)
        if given not in (0, len(own)):
            problems.append(f"{scan}: water_mgcc must be given for every rod or for none")
    if problems:
        raise CohortError(f"{path}:\n  " + "\n  ".join(problems))
    return rods


def read_scanner_table(path: str | Path, standard: str) -> list[ScannerRow]:
    """Every calibration of a table.

    Args:
        path: TSV or CSV with the columns `scanner`, `slope`, `intercept`, `standard`; optionally
            `kvp`, `kernel`, `first_date`, `last_date` (YYYY-MM-DD) and `r2`. An empty cell of
            these matches anything.
        standard: the cohort's; rows of another are refused, since the two never mix.

    Raises:
        CohortError: lists every problem, by row; dates and serial numbers are not quoted.
    """
    problems: list[str] = []
    found = []
    rows = _read(path, SCANNER_COLUMNS, ("scanner", "slope", "intercept", "standard"))
    for number, row in rows:
        numbers = {
            name: _number(row, name, number, problems)
            for name in ("kvp", "slope", "intercept", "r2")
        }
        first, last = (_date(row, name, number, problems) for name in ("first_date", "last_date"))
        if not row["scanner"]:
            problems.append(f"row {number}: scanner is empty")
        if row["standard"].lower() != standard:
            problems.append(
                f"row {number}: standard {row['standard']!r} is not {standard!r}, "
                "that of measure.calibration.standard"
            )
        if numbers["slope"] is None or numbers["slope"] <= 0 or numbers["intercept"] is None:
            problems.append(f"row {number}: slope must be above 0 and intercept a number")
        if numbers["r2"] is not None and not 0 <= numbers["r2"] <= 1:
            problems.append(f"row {number}: r2 must be from 0 to 1")
        if first and last and last < first:
            problems.append(f"row {number}: last_date is before first_date")
        found.append(
            ScannerRow(
                number=number,
                scanner=row["scanner"],
                kernel=row.get("kernel", ""),
                first=first,
                last=last,
                standard=standard,
                **numbers,
            )
        )
    if problems:
        raise CohortError(f"{path}:\n  " + "\n  ".join(problems))
    return found


def match(rows: Sequence[ScannerRow], key: ScanKey) -> ScannerRow | Reason:
    """The one calibration of a scan, or why there is none.

    The scanner is looked for by serial number, then station name, then model. Of its rows those
    of the scan's kVp and kernel are kept; one of them has to hold on the day of the scan.
    """
    for scanner in key.scanners:
        own = [row for row in rows if row.scanner.lower() == scanner.lower()]
        if own:
            break
    else:
        return Reason.CALIBRATION_NO_SCANNER
    own = [
        row
        for row in own
        if (row.kvp is None or row.kvp == key.kvp)
        and (not row.kernel or row.kernel.lower() == key.kernel.lower())
    ]
    if not own:
        return Reason.CALIBRATION_NO_PROTOCOL
    valid = [row for row in own if _holds(row, key.date)]
    if not valid:
        return Reason.CALIBRATION_DATE_GAP
    return valid[0] if len(valid) == 1 else Reason.CALIBRATION_DATE_OVERLAP


def numbered(rows: Sequence[ScannerRow], number: int) -> ScannerRow | Reason:
    """The calibration of a row number that the participants table gives."""
    return next((row for row in rows if row.number == number), Reason.CALIBRATION_NO_SCANNER)


def check_row_numbers(rows: Sequence[ScannerRow], numbers: Mapping[str, int | None]) -> None:
    """Refuse row numbers of the participants table that the scanners' table does not have.

    Args:
        rows: as from `read_scanner_table`.
        numbers: by participant, None where not given.

    Raises:
        CohortError: lists every participant with such a number.
    """
    known = {row.number for row in rows}
    problems = [
        f"{name}: no row {number} in the table of scanners (the header is row 1)"
        for name, number in numbers.items()
        if number is not None and number not in known
    ]
    if problems:
        raise CohortError("participants, column calibration:\n  " + "\n  ".join(problems))


def drift_hu_per_year(rows: Sequence[ScannerRow]) -> dict[int, float]:
    """How fast a scanner's HU moved up to each row.

    The change of `reference_hu` from the row before it of the same scanner, kVp and kernel, over
    the time between the first days of the two.

    Returns:
        By row number; rows without a row before them, or without dates, are left out.
    """
    groups: dict[tuple, list[ScannerRow]] = {}
    for row in rows:
        if row.first is not None:
            groups.setdefault(row.group, []).append(row)
    drift = {}
    for own in groups.values():
        own.sort(key=lambda row: row.first)
        for before, after in zip(own[:-1], own[1:], strict=True):
            days = (after.first - before.first).days
            if days > 0:
                change = after.reference_hu - before.reference_hu
                drift[after.number] = change / days * DAYS_PER_YEAR
    return drift


def row_facts(
    found: ScannerRow | Reason, rows: Sequence[ScannerRow], drift_limit_hu_per_year: float
) -> dict:
    """What may be written of a match: numbers, no scanner and no day.

    Args:
        found: as from `match`.
        drift_limit_hu_per_year: a faster change of the scanner, in either direction, is flagged.
    """
    if isinstance(found, Reason):
        return {"row": None, "reason": str(found)}
    drift = drift_hu_per_year(rows).get(found.number)
    return {
        "row": found.number,
        "reason": None,
        "slope": found.slope,
        "intercept": found.intercept,
        "standard": found.standard,
        "r2": found.r2,
        "drift_hu_per_year": None if drift is None else round(drift, 3),
        "drift_beyond_limit": None if drift is None else abs(drift) > drift_limit_hu_per_year,
    }


def _holds(row: ScannerRow, date: datetime.date | None) -> bool:
    if date is None:
        return row.first is None and row.last is None
    return (row.first is None or row.first <= date) and (row.last is None or date <= row.last)


def _read(
    path: str | Path, columns: Sequence[str], needed: Sequence[str]
) -> list[tuple[int, dict[str, str]]]:
    """Numbered rows of a table, the header being row 1; columns it lacks are empty."""
    rows = read_rows(str(path), columns, "cohort.calibration", needed)
    if not rows:
        raise CohortError(f"{path}: no rows")
    return [
        (int(where.removeprefix("row ")), dict.fromkeys(columns, "") | cells)
        for where, cells in rows
    ]


def _number(row: dict, name: str, number: int, problems: list[str]) -> float | None:
    text = row.get(name, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        problems.append(f"row {number}: {name} is not a number")
        return None
    return value


def _date(row: dict, name: str, number: int, problems: list[str]) -> datetime.date | None:
    text = row.get(name, "")
    if not text:
        return None
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        problems.append(f"row {number}: {name} is not a day written YYYY-MM-DD")
        return None
