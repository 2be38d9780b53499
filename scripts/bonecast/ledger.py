"""The ledger: every scan, series, file and vertebra found, and what became of each.

Each thing is counted once, under the reason of the stage that left it out or as kept: the counts of
a unit add up to what was found.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bonecast.dicom.listing import from_ranges
from bonecast.reasons import Reason
from bonecast.remedies import REMEDIES

UNITS = ("file", "series", "scan", "vertebra")
"""What is counted, from small to large as data flows; a vertebra by its first region of density."""

KEPT = {
    "file": "in a chosen series",
    "series": "chosen",
    "scan": "measured",
    "vertebra": "included",
}
"""What is left of each unit, as said in column fate."""

LEFT_OUT = "left out"

LEDGER_COLUMNS = ("unit", "fate", "stage", "reason", "n", "sentence", "remedy")

SERIES_STAGE = "ingest"
VERTEBRA_STAGE = "measure"


@dataclass(frozen=True)
class Fate:
    """What became of one thing: `reason` is empty where it was kept."""

    stage: str = ""
    reason: str = ""


def read_series(tables: Mapping[str, str | Path]) -> list[dict[str, str]]:
    """The rows of every scan's series.tsv under one another, each with its scan.

    Args:
        tables: scan id to path, in the order rows shall have.
    """
    rows = []
    for scan, path in tables.items():
        with Path(path).open(encoding="utf-8", newline="") as stream:
            rows += [{"scan": scan} | row for row in csv.DictReader(stream, delimiter="\t")]
    return rows


def series_fates(rows: Iterable[Mapping[str, str]]) -> list[Fate]:
    """What became of each series; rows of files outside any series are none."""
    return [_fate(row) for row in rows if row["series"]]


def file_fates(rows: Iterable[Mapping[str, str]]) -> list[Fate]:
    """What became of each file: that of its series, or the reason of its kind."""
    fates = []
    for row in rows:
        fates += [_fate(row)] * len(from_ranges(row["files"]))
    return fates


def scan_fates(scans: Sequence[str], exclusions: Iterable[Mapping[str, str]]) -> list[Fate]:
    """What became of each scan.

    Args:
        scans: ids of the whole cohort.
        exclusions: rows with keys scan, stage and reason.

    Raises:
        ValueError: an exclusion of a scan that is not in the cohort, or a second of one.
    """
    fates = {scan: Fate() for scan in scans}
    for row in exclusions:
        if fates.get(row["scan"]) != Fate():
            raise ValueError(f"exclusion of {row['scan']}: not in the cohort, or excluded twice")
        fates[row["scan"]] = Fate(row["stage"], row["reason"])
    return list(fates.values())


def vertebra_fates(reasons: Iterable[str | None]) -> list[Fate]:
    """What became of each vertebra, from the reason beside its density, None where included."""
    return [Fate(VERTEBRA_STAGE, reason) if reason else Fate() for reason in reasons]


def count(fates: Mapping[str, Sequence[Fate]]) -> list[dict[str, object]]:
    """The ledger: a row for what was kept of each unit, then one per reason, commonest first.

    Args:
        fates: unit to what became of each one.

    Raises:
        ValueError: a reason is not in the vocabulary.
    """
    rows = []
    for unit in UNITS:
        counts = Counter(fates.get(unit, ()))
        rows.append(_row(unit, KEPT[unit], Fate(), counts.pop(Fate(), 0)))
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0].stage, item[0].reason))
        rows += [_row(unit, LEFT_OUT, fate, n) for fate, n in ordered]
    return rows


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
