"""Who is who: the tables of identities and studies that keep pseudonyms and sessions."""

from collections.abc import Sequence

from bonecast.dicom.export.names import Identity
from bonecast.dicom.export.people import Person
from bonecast.dicom.export.scans import Study
from bonecast.dicom.export.tables import Row

KEY_COLUMNS = ("participant_id", "patient_id", "patient_name", "birth_date", "sex", "pseudonym")
STUDY_COLUMNS = ("participant_id", "session_id", "study_date", "days", "study_uid")


def known_people(key: Sequence[Row], studies: Sequence[Row]) -> dict[str, list[Person]]:
    """Persons of earlier runs who have a patient id, by group; the others are found by study.

    Args:
        key, studies: rows of key.tsv and studies.tsv.
    """
    own_studies: dict[str, set[str]] = {}
    for row in studies:
        own_studies.setdefault(row["participant_id"], set()).add(row["study_uid"])
    merged = {row["participant_id"] for row in key if row["participant_id"] != row["pseudonym"]}
    known: dict[str, dict[str, Person]] = {}
    for row in key:
        if not row["patient_id"]:
            continue
        group = f"id {row['patient_id']}"
        person = Person(row["pseudonym"], group)
        if person.pseudonym not in merged:
            person.studies |= own_studies.get(person.pseudonym, set())
        person = known.setdefault(group, {}).setdefault(row["pseudonym"], person)
        person.identities.append(
            Identity(row["patient_id"], row["patient_name"], row["birth_date"], row["sex"])
        )
    return {group: list(persons.values()) for group, persons in known.items()}


def key_rows(earlier: Sequence[Row], people: Sequence[Person]) -> list[Row]:
    """A row per person and way of writing them; those whose files are gone stay."""
    rows = {}
    for row in earlier:
        rows[tuple(row[column] for column in KEY_COLUMNS[1:])] = dict(row)
    for person in people:
        for one in sorted(person.identities):
            patient_id = one.patient_id if person.has_id else ""
            cells = (patient_id, one.name, one.birth_date, one.sex, person.pseudonym)
            rows[cells] = dict(zip(KEY_COLUMNS[1:], cells, strict=True))
    return sorted(rows.values(), key=lambda row: (row["pseudonym"], *row.values()))


def study_rows(studies: Sequence[Study], earlier: Sequence[Row]) -> list[Row]:
    """A row per study with CT; those whose files are gone stay, so that no number comes twice."""
    rows = {(row["participant_id"], row["study_uid"]): dict(row) for row in earlier}
    for study in studies:
        days = "" if study.days is None else str(study.days)
        cells = (study.participant_id, study.session_id, study.date, days, study.uid)
        rows[study.participant_id, study.uid] = dict(zip(STUDY_COLUMNS, cells, strict=True))
    return sorted(rows.values(), key=lambda row: (row["participant_id"], row["session_id"]))
