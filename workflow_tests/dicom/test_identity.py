"""Ids that are what a DICOM header calls the patient."""

import pytest

from bonecast.dicom.identity import id_in_header, names

HEADER = {"PatientName": "Müller-Ångström^Zoë", "PatientID": "HX7734119", "AccessionNumber": "A12"}


@pytest.mark.parametrize(
    ("scan_id", "named"),
    [
        ("HX7734119", True),
        ("hx7734119_ses-1", True),
        ("study.HX7734119b", True),
        ("Zoe", True),
        ("MULLER-ANGSTROM", True),
        ("x_mullerangstrom_2", True),
        ("a12", True),
        ("bA12c", False),  # three signs within an id are chance
        ("p01", False),
        ("HX773411", False),
    ],
)
def test_an_id_is_compared_with_every_word_of_the_header(ct, tmp_path, scan_id, named):
    ct.write(tmp_path / "in", slices=2, SpecificCharacterSet="ISO_IR 192", **HEADER)
    (tmp_path / "in" / "000").write_text("no DICOM")
    assert id_in_header(scan_id, tmp_path / "in") is named


def test_scripts_other_than_latin_are_compared():
    assert names("山田_1", {"Yamada", "山田"})
    assert not names("p1", {"", "^"})


def test_nothing_is_said_of_a_missing_folder_or_a_nifti_file(tmp_path):
    (tmp_path / "Doe.nii.gz").write_bytes(b"")
    assert not id_in_header("Doe", tmp_path / "Doe.nii.gz")
    assert not id_in_header("Doe", tmp_path / "nowhere")
    assert not id_in_header("", tmp_path)
