"""One patient spelled in many ways, and two who look like one."""

import pytest

from bonecast.dicom.index import index_source

SAME = [
    {"PatientName": "DOE^JANE"},
    {"PatientName": "Doe^Jane "},
    {"PatientName": "Doe^Jane^M^Dr"},
    {"PatientName": "Doe, Jane"},
    {"PatientName": ""},
    {"PatientName": None, "PatientID": None},
    {"PatientID": ""},
    {"PatientID": " p1"},
    {"PatientBirthDate": ""},
    {"PatientBirthDate": None},
]
OTHER = [
    {"PatientID": "P2"},
    {"PatientName": "Roe^Jane"},
    {"PatientName": "Doe^John"},
    {"PatientBirthDate": "19500204"},
    {"PatientID": "", "PatientName": "Smith^Ann"},
]
FIRST = {"PatientBirthDate": "19500203"}


def patients(ct, folder, second):
    """Numbers of the patients of each series of a folder."""
    ct.write(folder / "a", **FIRST)
    other = {"SeriesInstanceUID": "1.2.3", "SeriesNumber": 5}
    ct.write(folder / "b", **FIRST | other | second)
    return [one.patient_number for one in index_source(folder).series]


@pytest.mark.parametrize("second", SAME, ids=str)
def test_one_patient(ct, tmp_path, second):
    assert patients(ct, tmp_path, second) == [1, 1]


@pytest.mark.parametrize("second", OTHER, ids=str)
def test_two_patients(ct, tmp_path, second):
    assert patients(ct, tmp_path, second) == [1, 2]


@pytest.mark.parametrize("second", OTHER, ids=str)
def test_two_patients_under_one_series_identifier_are_parted(ct, tmp_path, second):
    ct.write(tmp_path / "a", **FIRST)
    ct.write(tmp_path / "b", **FIRST | second)
    _, decisions = ct.decide(tmp_path)
    assert [one.series.patient_number for one in decisions] == [1, 2]
    assert {one.reason for one in decisions} == {"mixed_patients"}


def test_name_in_two_character_sets_is_one(ct, tmp_path):
    ct.write(tmp_path / "a", SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jürgen")
    other = {"SeriesInstanceUID": "1.2.3", "SpecificCharacterSet": "ISO_IR 192"}
    ct.write(tmp_path / "b", PatientName="MÜLLER^JÜRGEN", **other)
    assert {one.patient_number for one in index_source(tmp_path).series} == {1}


def test_nobody_is_named(ct, tmp_path):
    ct.write(tmp_path, PatientID=None, PatientName=None)
    (one,) = index_source(tmp_path).series
    assert one.patient_number == 1
