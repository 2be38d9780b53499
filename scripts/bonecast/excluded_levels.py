"""Which vertebrae the user wants left out, read while the workflow is planned.

Haemangiomas and metastases cannot be told from a mask and attenuation: a person lists them.
Standard library only, and every problem of the table is listed at once.
"""

from bonecast.cohort import CohortError, read_rows, unknown_participant
from bonecast.levels import LEVELS
from bonecast.reasons import Reason
from bonecast.refusal import shown
from bonecast.sessions import scan_id

COLUMNS = ("participant_id", "session_id", "level", "reason")
"""Columns that are read. Any other is a person's note: it is not read and reaches no output."""

CODES = {
    "haemangioma": Reason.LISTED_HAEMANGIOMA,
    "hemangioma": Reason.LISTED_HAEMANGIOMA,
    "metastasis": Reason.LISTED_METASTASIS,
    "sclerosis": Reason.LISTED_SCLEROSIS,
    "implant": Reason.LISTED_IMPLANT,
    "cement": Reason.LISTED_CEMENT,
    "fracture": Reason.LISTED_FRACTURE,
    "other": Reason.LISTED_OTHER,
    "": Reason.LISTED_OTHER,
}
"""What column reason may hold, and the code that stands for it in the tables."""


MAX_HINTS = 20
"""Unknown ids that are compared with those of the cohort: in a large one each takes time."""


def read_excluded_levels(table: str, participants: list[str]) -> dict[str, dict[str, str]]:
    """The vertebrae to be left out of all summaries.

    Args:
        table: path of a table (tabs, or commas in a .csv) with the columns participant_id (or the
            name of a scan), level (L2, as density.tsv names it) and, if wanted, session_id and
            reason.
        participants: names of the cohort's scans.

    Returns:
        By scan, level to reason code, as plain text.

    Raises:
        CohortError: the message lists every problem, by row.
    """
    rows = read_rows(table, COLUMNS, "cohort.exclude_levels")
    if rows and not any("level" in row for _, row in rows):
        raise CohortError(f"{table}: no column level")
    found: dict[str, dict[str, str]] = {}
    first_seen: dict[tuple[str, str], str] = {}
    problems = []
    known, unknown = set(participants), 0
    for where, row in rows:
        participant, session, level, reason = (row.get(column, "") for column in COLUMNS)
        name = scan_id(participant, session)
        if name not in known:
            unknown += 1
            near = participants if unknown <= MAX_HINTS else []
            problems.append(f"{where}: {unknown_participant(name, near)}")
        if level not in LEVELS:
            problems.append(
                f"{where}: level {shown(level)} must be one of {LEVELS[0]} to {LEVELS[-1]}"
            )
        if reason not in CODES:
            problems.append(
                f"{where}: reason must be one of {', '.join(filter(None, CODES))} or empty; "
                "a column comment may say more and is not read"
            )
        elif (name, level) in first_seen:
            problems.append(f"{where}: {name} {level} is already in {first_seen[name, level]}")
        else:
            found.setdefault(name, {})[level] = str(CODES[reason])
        first_seen.setdefault((name, level), where)
    if problems:
        raise CohortError(f"{table}:\n  " + "\n  ".join(problems))
    return found
