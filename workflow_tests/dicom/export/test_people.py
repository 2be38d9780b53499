"""Pseudonyms: one per person, the same every time, none twice."""

import re
from dataclasses import replace

from bonecast.dicom.export import people as module
from bonecast.dicom.export.names import Identity
from bonecast.dicom.export.people import Person, Seen, doubts, find_people

SECRET = bytes(range(32))


def person_of(*seen: Seen, known=None, secret=SECRET) -> list[str]:
    """The pseudonym of each sighting."""
    _, who = find_people(seen, known or {}, secret)
    return [who[one].pseudonym for one in seen]


ANNA = Seen(Identity("77", "Berg^Anna", "19500101", "F"), "1.1", "20200101")
OTTO = Seen(Identity("77", "Tal^Otto", "19610101", "M"), "1.2", "20190101")


def test_a_pseudonym_depends_on_the_id_and_the_secret_alone():
    (one,) = person_of(ANNA)
    (again,) = person_of(Seen(Identity("77", "BERG^ANNA", "19500101"), "1.9"))
    (other,) = person_of(ANNA, secret=bytes(32))
    assert re.fullmatch("P[0-9a-f]{10}", one)
    assert one == again != other


def test_one_id_of_two_people_is_split_and_the_first_to_come_keeps_the_pseudonym():
    (alone,) = person_of(ANNA)
    known = {"id 77": [Person(alone, "id 77", [ANNA.identity])]}
    anna, otto = person_of(ANNA, OTTO, known=known)
    assert anna == alone != otto
    people, _ = find_people([ANNA, OTTO], known, SECRET)
    possibly, shared = doubts(people)
    assert shared == {anna: {otto}, otto: {anna}} and not possibly


def test_an_identity_that_could_be_either_goes_with_its_study_or_is_its_own():
    bare = Identity("77")
    anna, otto, with_study, alone = person_of(ANNA, OTTO, Seen(bare, "1.2"), Seen(bare, "1.3"))
    assert with_study == otto
    assert alone not in (anna, otto)


def test_whoever_could_be_either_is_the_same_in_the_next_run():
    seen = [ANNA, OTTO, Seen(Identity("77"), "1.3")]
    people, _ = find_people(seen, {}, SECRET)
    again = person_of(*seen, known={"id 77": [replace(one, studies=set()) for one in people]})
    assert again == person_of(*seen)


def test_without_id_a_study_is_a_person():
    one, same, other = person_of(
        Seen(Identity("", "A^B"), "1.1"), Seen(Identity("", ""), "1.1"), Seen(Identity(""), "1.2")
    )
    assert one == same != other


def test_with_neither_id_nor_study_it_is_nobody():
    people, who = find_people([Seen(Identity("", "A^B"))], {}, SECRET)
    assert people == [] and who == {}


def test_doubts_are_mutual():
    seen = [
        Seen(Identity("A1", "Berg^Anna", "19500101", "F"), "1.1"),
        Seen(Identity("B2", "BERG ANNA", "19500101", "F"), "1.2"),
        Seen(Identity("00a-1"), "1.3"),
        Seen(Identity("C3"), "1.1"),
        Seen(Identity("D4", "Berg^Anna", "19510101", "F"), "1.4"),
    ]
    people, who = find_people(seen, {}, SECRET)
    a, b, zeros, c, d = (who[one].pseudonym for one in seen)
    possibly, shared = doubts(people)
    assert possibly == {a: {b, zeros, c}, b: {a}, zeros: {a}, c: {a}}
    assert d not in possibly and not shared


def test_two_ids_that_meet_in_one_pseudonym_get_two(monkeypatch):
    monkeypatch.setattr(module, "PSEUDONYM_BYTES", 1)
    seen = [Seen(Identity(f"N{number}"), f"1.{number}") for number in range(200)]
    names = person_of(*seen)
    assert len(set(names)) == 200
