"""Which ways of writing a patient are the same."""

import pytest

from bonecast.dicom.export.names import (
    Identity,
    decode,
    fold,
    fold_id,
    known_name,
    names_a_patient,
    same_person,
)


@pytest.mark.parametrize(
    "text",
    [
        "Müller^Eva",
        "MUELLER EVA",
        " müller , eva ",
        "Mu\u0308ller^Eva=ミュラー^エヴァ",
        "Eva^Müller",
    ],
)
def test_case_accents_signs_and_order_do_not_count(text):
    assert fold(text) == "eva muller"


def test_names_in_other_scripts_are_kept():
    assert fold("山田^太郎") == "太郎 山田"


@pytest.mark.parametrize("text", ["", "Anonymous", "ANONYM", "No Name", "UNKNOWN", "^^"])
def test_placeholders_are_no_names(text):
    assert known_name(text) == ""
    assert not names_a_patient(text)


def test_ids():
    assert fold_id("00 12-ab") == fold_id("12AB") == "12ab"
    assert names_a_patient("P1") and not names_a_patient("000")


ANNA = Identity("1", "Berg^Anna", "19500101", "F")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Identity("1", "BERG^ANNA", "19500101", ""), True),
        (Identity("1", "Berg^Anna^Maria", "", ""), True),
        (Identity("1", "Tal^Anna", "19500101", "F"), True),  # married
        (Identity("1", "Bergg^Anna", "", ""), True),  # slip of the pen
        (Identity("1", "", "", "F"), True),
        (Identity("1", "Anonymous", "19500101", "M"), True),
        (Identity("1", "Berg^Anna", "19500102", "F"), False),
        (Identity("1", "Berg^Hans", "", ""), False),
        (Identity("1", "Stein^Oskar", "19500101", "F"), False),
        (Identity("1", "", "", "M"), False),
    ],
)
def test_one_id_is_one_person_unless_name_or_birth_date_say_otherwise(other, same):
    assert same_person(ANNA, other) is same
    assert same_person(other, ANNA) is same


@pytest.mark.parametrize(
    ("name", "codec", "character_set"),
    [
        ("Buc^Jérôme", "latin-1", "ISO_IR 100"),
        ("Люкceмбypг", "iso8859-5", "ISO_IR 144"),
        ("王^小東", "utf-8", "ISO_IR 192"),
        ("王^小东", "gb18030", "GB18030"),
        ("Müller", "utf-8", ""),
        ("Müller", "latin-1", ""),
    ],
)
def test_names_are_decoded_by_their_character_set(name, codec, character_set):
    assert decode(name.encode(codec).decode("latin-1"), character_set) == name


def test_an_unknown_character_set_stops_nothing():
    assert decode("M\xfcller", "ISO_IR nonsense")
