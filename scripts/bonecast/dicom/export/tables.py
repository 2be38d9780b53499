"""The tables in the private folder, and what a person has changed in them."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bonecast.cohort import COLUMNS, EXPORT_COLUMNS, CohortError, read_rows
from bonecast.dicom.listing import write_if_changed
from bonecast.refusal import Refusal

KEY = ("participant_id", "session_id")
COUNTS = EXPORT_COLUMNS
"""Columns that tell a person what is there; nothing reads them."""

OWN = ("session_id", "days", "path", *COUNTS)
"""Columns that the target fills, unless a person did."""

GONE = "files gone"

Row = dict[str, str]


@dataclass(frozen=True)
class Merged:
    """The participants table with a person's changes.

    Attributes:
        rows: in the order of the table as it was, new ones at its end.
        written: the same without what the person changed, and rows that they deleted: what the
            next run compares with.
        removed: (participant_id, session_id) whose rows a person deleted.
        new, gone: how many rows are new, and how many have no files any more.
    """

    rows: list[Row]
    written: list[Row]
    removed: list[tuple[str, str]]
    new: int
    gone: int


def merge(
    made: Sequence[Row],
    current: Sequence[Row] | None,
    written: Sequence[Row] | None,
    same: Mapping[str, str],
) -> Merged:
    """Bring a table up to date and keep what a person changed.

    A cell that differs from what was last written was changed by hand and stays; a row deleted by
    hand stays deleted; rows and columns added by hand stay.

    Args:
        made: rows as the export has them now.
        current: the table as it is; None where there is none.
        written: rows as they were last written; None where unknown.
        same: pseudonym to the participant that it is the same person as.
    """
    before = {key_of(row): row for row in written or []}
    fresh = {key_of(row): _with_loss(row, before.get(key_of(row))) for row in made}
    if current is None:
        return Merged([dict(row) for row in made], list(made), [], len(made), 0)
    rows: dict[tuple[str, str], Row] = {}
    gone: dict[tuple[str, str], Row] = {}
    for row in current:
        key = key_of(row)
        if key in before and key not in fresh and row["participant_id"] in same:
            continue
        if key in before and key not in fresh:
            gone[key] = before[key] | dict.fromkeys(COUNTS, "0") | {"warnings": GONE}
        now = fresh.get(key, gone.get(key, {}))
        rows[key] = _updated(row, now, before.get(key))
    removed = [key for key in fresh if key not in rows and key in before]
    added = [dict(fresh[key]) for key in fresh if key not in rows and key not in before]
    merged = [*rows.values(), *added]
    _inherit(merged, current, same)
    last = {key: row for key, row in before.items() if row["participant_id"] not in same}
    return Merged(merged, list((last | gone | fresh).values()), removed, len(added), len(gone))


def key_of(row: Mapping[str, str]) -> tuple[str, str]:
    """What a row is found by: participant and session."""
    return row["participant_id"], row.get("session_id", "")


def _with_loss(row: Row, before: Row | None) -> Row:
    """A row that also says how many files it has lost since the last run."""
    lost = _number((before or {}).get("files")) - _number(row["files"])
    if lost <= 0:
        return row
    words = f"{lost} files fewer than before"
    return row | {"warnings": "; ".join(filter(None, (row["warnings"], words)))}


def _updated(row: Row, now: Row, before: Row | None) -> Row:
    """A row of the table with the cells that nobody changed as they are now."""
    result = dict(row)
    for column, cell in now.items():
        if before is None:
            by_hand = bool(row.get(column)) and column not in COUNTS
        else:
            by_hand = row.get(column, "") != before.get(column, "")
        if not by_hand:
            result[column] = cell
    return result


def _number(cell: str | None) -> int:
    return int(cell) if cell and cell.isdigit() else 0


def _inherit(rows: list[Row], current: Sequence[Row], same: Mapping[str, str]) -> None:
    """Cells that a person gave to somebody who is now a part of another participant."""
    by_participant = {row["participant_id"]: row for row in reversed(rows)}
    for row in current:
        target = by_participant.get(same.get(row["participant_id"], ""))
        if target is None:
            continue
        for column, cell in row.items():
            if column not in OWN and cell and not target.get(column):
                target[column] = cell


def read_table(path: Path) -> list[Row] | None:
    """Rows of a table as text; None where it is not there.

    Raises:
        CohortError: the table cannot be understood.
    """
    if not path.is_file():
        return None
    return [row for _, row in read_rows(str(path), (*COLUMNS, *EXPORT_COLUMNS), "export.private")]


def read_plain(path: Path) -> list[Row]:
    """Rows of a table that the target keeps for itself; none where it is not there."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def write_table(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, str]]) -> bool:
    """Write a table whole, with tabs; one that holds the same is not touched.

    Returns:
        Whether it was written.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text, list(columns), restval="", delimiter="\t", lineterminator="\n", extrasaction="ignore"
    )
    writer.writeheader()
    writer.writerows(rows)
    return write_if_changed(path, text.getvalue())


def made_columns(sessions: bool) -> list[str]:
    """Columns that the target writes."""
    return ["participant_id", *(OWN if sessions else OWN[2:])]


def columns_of(current: Sequence[Row] | None, made: Sequence[str]) -> list[str]:
    """Columns of the table as it was, then those that it lacks."""
    found = list(dict.fromkeys(column for row in current or [] for column in row))
    return [*found, *(column for column in made if column not in found)]


def read_same_patients(path: Path, known: set[str]) -> dict[str, str]:
    """Pseudonym to the participant it is merged into, from a table that a person makes.

    Args:
        path: of `same_patient.tsv`, with columns participant_id and same_as; may be missing.
        known: every pseudonym there is.

    Raises:
        CohortError: an unknown participant, one merged into two, or a circle.
    """
    if not path.is_file():
        return {}
    needed = ("participant_id", "same_as")
    rows = read_rows(str(path), needed, "export.private", needed)
    problems, direct = [], {}
    for where, row in rows:
        one, other = (row.get(column, "") for column in needed)
        problems += [
            f"{where}: no participant {name or '(empty)'} in key.tsv"
            for name in (one, other)
            if name not in known
        ]
        if direct.setdefault(one, other) != other:
            problems.append(f"{where}: {one} is already the same as {direct[one]}")
    final = {}
    for one in direct:
        passed, at = {one}, direct[one]
        while at in direct and at not in passed:
            passed.add(at)
            at = direct[at]
        if at in passed:
            problems.append(f"{one}: leads back to itself")
        final[one] = at
    if problems:
        raise CohortError(f"{path.name}:\n  " + "\n  ".join(problems))
    return final


def check_sessions(written: Sequence[Row] | None, sessions: bool) -> None:
    """Refuse a table whose rows are of another kind than those to be written.

    Raises:
        Refusal: says what to do.
    """
    had = [bool(row.get("session_id")) for row in written or []]
    if had and any(had) != sessions:
        raise Refusal(
            f"export.sessions is {str(sessions).lower()}, but participants.tsv was made with a row "
            f"per {'patient' if sessions else 'study'}. Set export.sessions as it was, or move "
            "participants.tsv and written.tsv out of the private folder to begin anew."
        )
