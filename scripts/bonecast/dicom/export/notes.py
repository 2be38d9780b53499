"""What a person should look at, in words, and the rows of the participants table."""

from collections.abc import Mapping, Sequence

from bonecast.dicom.export.people import Person, doubts
from bonecast.dicom.export.scans import Scan
from bonecast.dicom.export.tables import Row
from bonecast.dicom.listing import LIST_SUFFIX

NAMED = 3
"""So many other participants are named in a warning, the rest are counted."""


def warn(
    scans: Sequence[Scan],
    people: Sequence[Person],
    same: Mapping[str, str],
    sharing: Mapping[str, int],
) -> None:
    """Put into words what a person should look at.

    Args:
        scans: their `warnings` are written.
        people: everyone in the export.
        same: pseudonym to the participant that it is merged into.
        sharing: participant to how many share a folder of theirs.
    """
    alike, shared = doubts(people)
    parts: dict[str, list[Person]] = {}
    for person in people:
        parts.setdefault(same.get(person.pseudonym, person.pseudonym), []).append(person)

    def others(of: str, relation: dict[str, set[str]]) -> str:
        found = {o for part in parts[of] for o in relation.get(part.pseudonym, set())}
        names = sorted({same.get(one, one) for one in found} - {of})
        rest = f" and {len(names) - NAMED} others" if len(names) > NAMED else ""
        return ", ".join(names[:NAMED]) + rest

    for scan in scans:
        persons = parts[scan.participant_id]
        words = []
        if not any(person.has_id for person in persons):
            words.append("no patient id")
        if named := others(scan.participant_id, shared):
            words.append(f"patient id also of {named} with another name or birth date")
        if named := others(scan.participant_id, alike):
            words.append(f"possibly the same person as {named}")
        written = {(i.name, i.birth_date) for person in persons for i in person.identities}
        if len(written) > 1:
            words.append(f"name or birth date written in {len(written)} ways")
        if sharing[scan.participant_id] > 1:
            words.append(f"folder shared by {sharing[scan.participant_id]} patients")
        if not scan.ct_series:
            words.append("no CT but localizers or captures")
        scan.warnings = [*words, *scan.warnings]


def list_name(scan: Scan) -> str:
    """The scan's list of files, from the private folder."""
    return f"lists/{scan.scan_id}{LIST_SUFFIX}"


def participant_row(scan: Scan, sessions: bool) -> Row:
    """A scan's row of participants.tsv."""
    row = {"participant_id": scan.participant_id}
    if sessions:
        days = "" if scan.days is None else str(scan.days)
        row |= {"session_id": scan.session_id, "days": days}
    return row | {
        "path": list_name(scan),
        "studies": str(scan.studies),
        "series_found": str(scan.series),
        "ct_series": str(scan.ct_series),
        "files": str(len(scan.rows)),
        "warnings": "; ".join(scan.warnings),
    }
