"""Which person each identity in an export is, and the pseudonym of that person."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bonecast.dicom.export.names import (
    Identity,
    fold,
    fold_id,
    known_name,
    names_a_patient,
    same_person,
)

PSEUDONYM_BYTES = 5
"""40 bits: of 100,000 patients two meet with a chance of 1 in 200, which is then noticed."""

MOST_NEIGHBOURS = 20
"""Of more persons with something in common only these are named."""


@dataclass(frozen=True)
class Seen:
    """An identity in the files of one study.

    Attributes:
        study: StudyInstanceUID, empty where missing.
        date: of the study, eight digits, empty where missing.
    """

    identity: Identity
    study: str = ""
    date: str = ""


@dataclass
class Person:
    """One participant.

    Attributes:
        pseudonym: of this person, before `same_patient.tsv` is applied.
        group: what the pseudonym was made of: a patient id, or a study without one.
        identities: ways in which headers write this person.
        studies: StudyInstanceUIDs.
        has_id: whether there is a patient id.
    """

    pseudonym: str
    group: str
    identities: list[Identity] = field(default_factory=list)
    studies: set[str] = field(default_factory=set)
    has_id: bool = True


def group_of(seen: Seen) -> str:
    """What keeps files together before names are looked at; empty where there is nothing."""
    if names_a_patient(seen.identity.patient_id):
        return f"id {seen.identity.patient_id}"
    return f"study {seen.study}" if seen.study else ""


def find_people(
    sightings: Iterable[Seen], known: Mapping[str, list[Person]], secret: bytes
) -> tuple[list[Person], dict[Seen, Person]]:
    """Tell the persons in an export apart.

    Files with one patient id are of one person unless birth date or name say otherwise: two
    persons mixed are worse than one split in two. Files without an id are of one person per
    study. An identity that could be several of the persons is a person of its own.

    Args:
        sightings: every identity in every study.
        known: persons of earlier runs by group; they keep their pseudonyms.
        secret: 32 random bytes.

    Returns:
        Everyone in the export, by group, and who each sighting is; a sighting with neither an
        id nor a study is nobody.
    """
    groups: dict[str, list[Seen]] = defaultdict(list)
    for seen in sightings:
        if group := group_of(seen):
            groups[group].append(seen)
    taken = {person.pseudonym for persons in known.values() for person in persons}
    name = _namer(secret, taken)
    people: list[Person] = []
    who: dict[Seen, Person] = {}
    for group in sorted(groups):
        persons = [
            Person(old.pseudonym, group, list(old.identities), set(old.studies), old.has_id)
            for old in known.get(group, [])
        ]
        for seen in sorted(groups[group], key=_completeness):
            person = _match(persons, seen)
            if person is None:
                person = Person(
                    name(group if not persons else _founder(group, seen.identity)),
                    group,
                    has_id=group.startswith("id "),
                )
                persons.append(person)
            if seen.identity not in person.identities:
                person.identities.append(seen.identity)
            person.studies |= {seen.study} - {""}
            who[seen] = person
        found = {id(who[seen]) for seen in groups[group]}
        people += [person for person in persons if id(person) in found]
    return people, who


def _completeness(seen: Seen) -> tuple:
    """Those who say most of themselves come first, then by date."""
    identity = seen.identity
    lacks = (not identity.birth_date) + (not known_name(identity.name))
    return lacks, seen.date or "9", seen.study, identity


def _match(persons: list[Person], seen: Seen) -> Person | None:
    """The one person who may be meant; None where that is nobody or more than one."""
    possible = [
        person
        for person in persons
        if all(same_person(seen.identity, identity) for identity in person.identities)
    ]
    if len(possible) > 1:
        known = [person for person in possible if seen.study and seen.study in person.studies]
        # Of an earlier run: an identity that could be several persons is one of its own.
        possible = known or [person for person in possible if person.identities == [seen.identity]]
    return possible[0] if len(possible) == 1 else None


def _founder(group: str, identity: Identity) -> str:
    return "\0".join((group, identity.birth_date, fold(identity.name)))


def _namer(secret: bytes, taken: set[str]) -> Callable[[str], str]:
    """A function that gives pseudonyms, none of them twice."""

    def name(of: str) -> str:
        attempt = of
        while True:
            data = attempt.encode("utf-8", errors="surrogateescape")
            digest = hashlib.blake2b(data, key=secret, digest_size=PSEUDONYM_BYTES).hexdigest()
            if (pseudonym := f"P{digest}") not in taken:
                taken.add(pseudonym)
                return pseudonym
            attempt += "\0"  # two ids met in one pseudonym

    return name


def doubts(people: Iterable[Person]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Who may be one person under several ids, and who shares an id with somebody else.

    The first: same name, birth date and sex; ids that differ by case, blanks, signs or leading
    zeros alone; files of one study. Both give pseudonyms by pseudonym.
    """
    keys: dict[tuple, set[str]] = defaultdict(set)
    ids: dict[tuple, set[str]] = defaultdict(set)
    for person in people:
        for identity in person.identities:
            name = known_name(identity.name)
            if name and identity.birth_date:
                keys["person", name, identity.birth_date, identity.sex].add(person.pseudonym)
            if person.has_id:
                keys["id", fold_id(identity.patient_id)].add(person.pseudonym)
        for study in person.studies:
            keys["study", study].add(person.pseudonym)
        if person.has_id:
            ids["id", person.group].add(person.pseudonym)
    shared = _neighbours(ids)
    alike = _neighbours(keys)
    possibly_same = {one: others - shared.get(one, set()) for one, others in alike.items()}
    return {one: others for one, others in possibly_same.items() if others}, shared


def _neighbours(groups: Mapping[tuple, set[str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for members in groups.values():
        if len(members) > 1:
            named = sorted(members)[:MOST_NEIGHBOURS]
            for one in members:
                found[one] |= {*named} - {one}
    return dict(found)
