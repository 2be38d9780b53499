"""Several scans of one participant: how a scan is called, and which one is the baseline.

Read while the workflow is parsed, so: standard library only. Functions of tables take any data
frame with a column `participant_id`; one without `session_id` or `baseline` is of a cohort with
a scan each.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SESSION_PATTERN = r"[A-Za-z0-9]+"
"""Session ids become parts of file names; a sign could not be told from those around them."""

DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
"""A date as DICOM writes it, which would stand in every file name."""

MARK = "_ses-"
"""Between participant and session in the name of a scan, as the BIDS standard has it."""

MOST_DAYS = 36525
"""A hundred years. A larger number is no distance in days but a date without its signs."""

FIRST, LAST = "first", "last"
"""What config `cohort.baseline` may be."""


def scan_id(participant_id: str, session_id: str = "") -> str:
    """Name of a scan: the participant's id, and the session's where there is one."""
    return f"{participant_id}{MARK}{session_id}" if session_id else participant_id


def scan_ids(table: "pd.DataFrame") -> list[str]:
    """Name of the scan that each row of a table of the cohort is of."""
    if "session_id" not in table:
        return [str(name) for name in table["participant_id"]]
    sessions = table["session_id"].fillna("")
    return [scan_id(*ids) for ids in zip(table["participant_id"], sessions, strict=True)]


def baseline_rows(table: "pd.DataFrame") -> "pd.DataFrame":
    """Rows of a table of the cohort that are of baseline scans."""
    if "baseline" not in table:
        return table
    return table[table["baseline"].fillna(True).astype(bool)]


def baselines(rows: Sequence[tuple[str, float | None]], rule: str) -> list[bool]:
    """Whether each scan is its participant's baseline; one of each participant is.

    Args:
        rows: participant and days of each scan, in the order of the table. Days count where every
            scan of the participant has them; else, and between equal days, the order does.
        rule: FIRST or LAST.
    """
    of: dict[str, list[int]] = defaultdict(list)
    for place, (participant, _) in enumerate(rows):
        of[participant].append(place)
    chosen = set()
    for places in of.values():
        dated = all(rows[place][1] is not None for place in places)
        ordered = sorted(places, key=lambda place: rows[place][1]) if dated else places
        chosen.add(ordered[0] if rule == FIRST else ordered[-1])
    return [place in chosen for place in range(len(rows))]


def session_problems(rows: Iterable[tuple[str, Mapping[str, str]]]) -> list[str]:
    """What cannot be of the sessions of a cohort, a line each.

    Scans have to differ in more than case, which some file systems do not tell apart.

    Args:
        rows: where each row is, and its cells participant_id, session_id, days and sex.
    """
    problems = []
    first: dict[str, tuple[str, str, str]] = {}
    of: dict[str, list[tuple[str, Mapping[str, str]]]] = defaultdict(list)
    for where, row in rows:
        participant, session = row.get("participant_id", ""), row.get("session_id", "")
        problems += [f"{where}: {problem}" for problem in _cell_problems(session, row)]
        if not participant:
            continue
        name = scan_id(participant, session)
        earlier = first.setdefault(name.casefold(), (where, participant, session))
        if earlier[0] != where:
            problems.append(f"{where}: {_collision((participant, session), *earlier)}")
        of[participant].append((where, row))
    for participant, own in of.items():
        without = [where for where, row in own if not row.get("session_id")]
        if without and len(without) < len(own):
            problems.append(
                f"{without[0]}: participant_id {participant} has a session_id in other rows: "
                "give it in every row of the participant"
            )
        sexes = {row["sex"]: where for where, row in own if row.get("sex")}
        if len(sexes) > 1:
            told = " and ".join(f"{sex} in {where}" for sex, where in sexes.items())
            problems.append(f"{own[0][0]}: participant_id {participant} has sex {told}")
    return problems


def _cell_problems(session: str, row: Mapping[str, str]) -> list[str]:
    """What cannot be of one row. A cell that may be a date or a name is not repeated."""
    problems = []
    if session and not re.fullmatch(SESSION_PATTERN, session):
        problems.append("session_id must be letters and digits, such as 1 or followup2, or empty")
    elif DATE.fullmatch(session):
        problems.append(
            "session_id looks like a date, and it becomes a part of file names: number the "
            "sessions, and give the distance in column days"
        )
    try:
        possible = not row.get("days") or abs(float(row["days"])) <= MOST_DAYS
    except ValueError:
        possible = False
    if not possible:
        problems.append(
            "days must be a number of days from the participant's first scan, such as 0 or 365, "
            "or empty"
        )
    return problems


def _collision(new: tuple[str, str], where: str, participant: str, session: str) -> str:
    """Two rows whose scans would have one name."""
    said = f"participant_id {new[0]}" + (f" with session_id {new[1]}" if new[1] else "")
    if new == (participant, session):
        more = "" if new[1] else "; several scans of a participant need a session_id each"
        return f"{said} is already in {where}{more}"
    return (
        f"{said} is written {scan_id(*new)}, which file systems may not tell from "
        f"{scan_id(participant, session)} of {where}"
    )


def parsed_days(cell: str) -> float | None:
    """Days of a row without problems; None where empty."""
    return float(cell) if cell else None


def same_patients(rows: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Participants who are one patient because a scan of theirs is the same.

    Args:
        rows: participant, scan, and the scan that it is the same as (empty: none), of each scan.

    Returns:
        For each participant, the first in the order given who is the same patient.
    """
    rows = list(rows)
    owner = {scan: participant for participant, scan, _ in rows}
    order = {name: place for place, name in enumerate(dict.fromkeys(row[0] for row in rows))}
    head = {name: name for name in order}

    def first(name: str) -> str:
        while head[name] != name:
            name = head[name]
        return name

    for participant, _, same_as in rows:
        if same_as and same_as in owner:
            ends = sorted((first(participant), first(owner[same_as])), key=order.__getitem__)
            head[ends[1]] = ends[0]
    return {name: first(name) for name in order}
