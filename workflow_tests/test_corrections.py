"""Which files are corrections, and for whom."""

import pytest

from bonecast.cohort import CohortError
from bonecast.corrections import Correction, find_corrections, sha256


def test_a_folder_that_is_not_there_holds_none(tmp_path):
    assert find_corrections(str(tmp_path / "nowhere"), ["p1"]) == {}


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".seg.nrrd", ".nrrd"])
def test_masks_and_bodies_are_found_by_participant(tmp_path, suffix):
    for name in ("p1", "p1_bodies", "p2_bodies"):
        (tmp_path / f"{name}{suffix}").touch()
    found = find_corrections(str(tmp_path), ["p1", "p2", "p3"])
    where = str(tmp_path)
    assert found == {
        "p1": Correction(f"{where}/p1{suffix}", f"{where}/p1_bodies{suffix}"),
        "p2": Correction("", f"{where}/p2_bodies{suffix}"),
    }


def test_a_participant_may_be_called_bodies(tmp_path):
    (tmp_path / "p1_bodies.nii.gz").touch()
    found = find_corrections(str(tmp_path), ["p1", "p1_bodies"])
    assert list(found) == ["p1_bodies"]
    assert found["p1_bodies"].mask


def test_what_is_no_image_is_passed_over(tmp_path):
    for name in ("README.txt", "labels_itksnap.txt", "labels_slicer.ctbl", ".p9.nii.gz"):
        (tmp_path / name).touch()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "p9.nii.gz").touch()
    assert find_corrections(str(tmp_path), ["p1"]) == {}


def test_every_problem_is_listed_at_once(tmp_path):
    for name in ("CRLM-104.nii.gz", "p1.nii.gz", "p1.nrrd", "p2.mha", "zz.nii"):
        (tmp_path / name).touch()
    with pytest.raises(CohortError) as error:
        find_corrections(str(tmp_path), ["p1", "p2", "CRLM-1004", "CRLM-1040"])
    lines = str(error.value).splitlines()[1:]
    assert sorted(line.strip() for line in lines) == [
        "CRLM-104.nii.gz: no participant CRLM-104 in this cohort; near it: CRLM-1040, CRLM-1004",
        "p1.nrrd: p1.nii.gz is there too; keep one of them",
        "p2.mha: save it as one of .nii.gz, .nii, .seg.nrrd, .nrrd",
        "zz.nii: no participant zz in this cohort",
    ]


def test_the_digest_is_of_the_content(tmp_path):
    for name in ("p1.nii.gz", "p2.nii.gz"):
        (tmp_path / name).write_bytes(b"mask")
    found = find_corrections(str(tmp_path), ["p1", "p2"])
    assert found["p1"].digests() == found["p2"].digests() == [sha256(str(tmp_path / "p1.nii.gz"))]
    assert len(found["p1"].digests()[0]) == 64
