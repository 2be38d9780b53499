"""Lists of files as a participant's input."""

import errno
import os

import pytest

from bonecast.dicom.index import index_source
from bonecast.dicom.listing import list_files, listing_digest, write_list


@pytest.fixture
def two_patients(ct, tmp_path):
    """Images of two patients in one folder: paths of each."""
    first = ct.write(tmp_path / "flat", slices=10, name="A{:03d}", PatientID="A")
    other = {"PatientID": "B", "SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.9"}
    second = ct.write(tmp_path / "flat", slices=10, name="B{:03d}", **other)
    return first, second


def test_a_list_stands_for_its_files_in_their_order(two_patients, tmp_path):
    first, _ = two_patients
    path = tmp_path / "one.files"
    lines = ["flat/A002", str(first[1]), "", "./flat/A000", "flat/A002"]
    path.write_bytes(("\ufeff" + "\r\n".join(lines)).encode())
    assert list_files(path) == [first[2], first[1], first[0]]


def test_a_list_gives_the_index_of_its_files_alone(ct, two_patients, tmp_path):
    path = tmp_path / "one.files"
    write_list(path, [str(file) for file in two_patients[0]])
    index, decisions = ct.decide(path)
    assert [len(series.files) for series in index.series] == [10]
    assert decisions[0].chosen


def test_a_list_says_when_two_patient_ids_are_one_person(ct, two_patients, tmp_path):
    both = [str(file) for part in two_patients for file in part]
    write_list(tmp_path / "mixed.files", both)
    write_list(tmp_path / "same.files", both, same_person=True)
    _, mixed = ct.decide(tmp_path / "mixed.files")
    _, same = ct.decide(tmp_path / "same.files")
    assert {d.reason for d in mixed} == {"mixed_patients"}
    assert any(decision.chosen for decision in same)


def test_the_digest_tells_a_change_and_not_the_way_a_path_is_written(two_patients, tmp_path):
    files = [str(file) for file in two_patients[0]]
    path = tmp_path / "one.files"
    digests = []
    for absolute in (False, True):
        write_list(path, files, absolute)
        digests.append(listing_digest(path, list_files(path)))
    two_patients[0][0].write_bytes(b"grown")
    digests.append(listing_digest(path, list_files(path)))
    assert digests[0] == digests[1] != digests[2]


def test_a_vanished_file_is_a_fault_and_is_not_named(two_patients, tmp_path):
    path = tmp_path / "one.files"
    write_list(path, [str(file) for file in two_patients[0]])
    two_patients[0][3].unlink()
    with pytest.raises(FileNotFoundError, match="line 4 of the list") as caught:
        index_source(path)
    assert "A003" not in str(caught.value)
    assert caught.value.errno == errno.ENOENT


def test_a_folder_in_a_list_is_refused(two_patients, tmp_path):
    path = tmp_path / "one.files"
    path.write_text("flat\n")
    with pytest.raises(IsADirectoryError, match="line 1"):
        list_files(path)


def test_an_empty_list_has_no_files(tmp_path):
    path = tmp_path / "one.files"
    path.touch()
    assert index_source(path).missing == "empty_folder"


def test_names_that_are_no_utf8_and_lists_behind_links(tmp_path):
    folder = tmp_path / "data"
    (folder / "lists").mkdir(parents=True)
    name = folder / os.fsdecode(b"M\xfcller")
    name.touch()
    link = tmp_path / "elsewhere" / "link"
    link.parent.mkdir()
    link.symlink_to(folder / "lists")
    write_list(link / "one.files", [str(name)])
    assert list_files(link / "one.files") == [name]


def test_the_same_list_is_not_written_again(tmp_path):
    path = tmp_path / "one.files"
    assert write_list(path, [str(tmp_path / "a")])
    before = path.stat().st_mtime_ns
    assert not write_list(path, [str(tmp_path / "a")])
    assert path.stat().st_mtime_ns == before
    assert write_list(path, [str(tmp_path / "b")])
    assert [file.name for file in tmp_path.iterdir()] == ["one.files"]
