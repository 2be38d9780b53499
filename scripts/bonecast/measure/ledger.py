"""The ledger: every scan, series, file and vertebra found, and what became of each.

Each thing is counted once, under the reason of the stage that left it out or as kept: the counts of
a unit add up to what was found.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bonecast.dicom.listing import from_ranges
from bonecast.measure.columns import SCAN, names
from bonecast.measure.ledger_columns import LEDGER_COLUMNS, SERIES_COLUMNS, UNITS
from bonecast.measure.tables import read_table, write_table
from bonecast.reasons import Reason
from bonecast.remedies import REMEDIES
from bonecast.sessions import scan_id

KEPT = {
    "file": "in a chosen series",
    "series": "chosen",
    "scan": "measured",
    "vertebra": "included",
}
"""What is left of each unit, as said in column fate."""

LEFT_OUT = "left out"

SERIES_STAGE = "ingest"
VERTEBRA_STAGE = "measure"


LISTED = (*SCAN, *LEDGER_COLUMNS[2:4])
"""What is read of a scan that was left out."""


@dataclass(frozen=True)
class Fate:
    """What became of one thing: `reason` is empty where it was kept."""

    stage: str = ""
    reason: str = ""


def write_ledger(
    series: Sequence[str | Path],
    scans: str | Path,
    exclusions: str | Path,
    vertebrae: str | Path,
    roi: str,
    series_path: str | Path,
    ledger_path: str | Path,
) -> dict[str, int]:
    """Write series.tsv and ledger.tsv of a cohort.

    Args:
        series: series.tsv of each scan, in the order of the table of scans.
        scans, exclusions, vertebrae: the collected tables.
        roi: of the density whose reasons are those of a vertebra.
        series_path, ledger_path: where to write.

    Returns:
        How many files, series, scans and vertebrae there are.
    """
    ids = list(names(SCAN))
    of_scans = pd.read_parquet(scans, columns=ids).fillna("").to_dict("records")
    reasons = pd.read_parquet(vertebrae, columns=[f"{roi}_reason"])[f"{roi}_reason"]
    fates: dict[str, Counter[Fate]] = {
        "file": Counter(),
        "series": Counter(),
        "scan": scan_fates(of_scans, read_table(exclusions, LISTED)),
        "vertebra": vertebra_fates(
            reason if isinstance(reason, str) else None for reason in reasons
        ),
    }
    # A cohort of thousands has series and files enough to fill the memory: written as they come.
    rows = counted(read_series(of_scans, series), fates["series"], fates["file"])
    write_table(rows, SERIES_COLUMNS, series_path)
    write_table(ledger_rows(fates), LEDGER_COLUMNS, ledger_path)
    return {unit: found.total() for unit, found in fates.items()}


def read_series(
    scans: Iterable[Mapping[str, str]], tables: Iterable[str | Path]
) -> Iterator[dict[str, str]]:
    """The rows of every scan's series.tsv, one after another.

    Args:
        scans: participant_id and session_id of each, which go before its cells.
        tables: the path of each, in the same order.
    """
    for scan, path in zip(scans, tables, strict=True):
        with Path(path).open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream, delimiter="\t"):
                yield dict(scan) | row


def counted(
    rows: Iterable[dict[str, str]], series: Counter[Fate], files: Counter[Fate]
) -> Iterator[dict[str, str]]:
    """Pass the rows of series on and count what became of each series and file.

    Args:
        rows: as from `read_series`; those of files outside any series are no series.
        series: counts are added to it.
        files: the same; a file's fate is that of its series, the reason of its kind, or COPY.
    """
    for row in rows:
        fate = _fate(row)
        if row["series"]:
            series[fate] += 1
        if n := len(from_ranges(row["files"])):
            files[fate] += n
        if n := int(row["copies"] or 0):
            files[Fate(SERIES_STAGE, str(Reason.COPY))] += n
        yield row


def scan_fates(
    scans: Iterable[Mapping[str, str]], exclusions: Iterable[Mapping[str, str]]
) -> Counter[Fate]:
    """What became of the scans.

    Args:
        scans: participant_id and session_id of the whole cohort.
        exclusions: rows with these, stage and reason.

    Raises:
        ValueError: an exclusion of a scan that is not in the cohort, or a second of one.
    """
    fates = {_name(scan): Fate() for scan in scans}
    for row in exclusions:
        name = _name(row)
        if fates.get(name) != Fate():
            raise ValueError(f"exclusion of {name}: not in the cohort, or excluded twice")
        fates[name] = Fate(row["stage"], row["reason"])
    return Counter(fates.values())


def vertebra_fates(reasons: Iterable[str | None]) -> Counter[Fate]:
    """What became of the vertebrae, from the reason beside each density, None where included."""
    return Counter(Fate(VERTEBRA_STAGE, reason) if reason else Fate() for reason in reasons)


def ledger_rows(fates: Mapping[str, Counter[Fate]]) -> list[dict[str, object]]:
    """The ledger: a row for what was kept of each unit, then one per reason, commonest first.

    Args:
        fates: unit to what became of how many.

    Raises:
        ValueError: a reason is not in the vocabulary.
    """
    rows = []
    for unit in UNITS:
        counts = Counter(fates.get(unit))
        rows.append(_row(unit, KEPT[unit], Fate(), counts.pop(Fate(), 0)))
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0].stage, item[0].reason))
        rows += [_row(unit, LEFT_OUT, fate, n) for fate, n in ordered]
    return rows


def _name(row: Mapping[str, str]) -> str:
    return scan_id(row["participant_id"], row["session_id"] or "")


def _fate(row: Mapping[str, str]) -> Fate:
    return Fate() if row["chosen"] == "true" else Fate(SERIES_STAGE, row["reason"])


def _row(unit: str, fate: str, why: Fate, n: int) -> dict[str, object]:
    reason = Reason(why.reason) if why.reason else None
    return {
        "unit": unit,
        "fate": fate,
        "stage": why.stage,
        "reason": why.reason,
        "n": n,
        "sentence": reason.sentence if reason else "",
        "remedy": REMEDIES[reason] if reason else "",
    }
