"""Paths of scans and masks: found again by id, told apart by a digest."""

import os

import pytest

from bonecast.cohort import CohortError, Participant
from bonecast.inputs import (
    ABSENT,
    check_scans,
    cohort_secret,
    input_state,
    scan_mask,
    scan_source,
    secret_state,
)


@pytest.fixture(autouse=True)
def _fresh():
    """A run keeps what it saw first; each look of a test is a run of its own."""
    input_state.cache_clear()


def state(path, *more) -> str:
    input_state.cache_clear()
    return input_state(str(path), *more)


def test_a_scan_is_found_by_its_id(tmp_path):
    (tmp_path / "Doe_Jane").mkdir()
    (tmp_path / "p2.nii.gz").touch()
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tpath\np1\tDoe_Jane\np2\t\np3\tlost\n")
    cohort = {"input": str(tmp_path), "participants": str(table)}
    assert scan_source("p1", cohort) == str(tmp_path / "Doe_Jane")
    assert scan_source("p2", cohort) == str(tmp_path / "p2.nii.gz")
    assert scan_source("p3", cohort) == "lost"
    with pytest.raises(CohortError, match="no participant p4"):
        scan_source("p4", cohort)
    assert scan_source("p2", cohort | {"participants": None}) == str(tmp_path / "p2.nii.gz")


def test_a_mask_is_that_of_the_table_before_that_of_the_folder(tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in ("Doe.nii", "masks/p1.nii.gz", "masks/p2.nii.gz"):
        (tmp_path / name).touch()
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tmask\np1\tDoe.nii\np2\t\np3\t\n")
    config = {
        "cohort": {"input": str(tmp_path), "participants": str(table)},
        "segment": {"masks": str(masks), "bodies": None, "tissue": None},
    }
    assert scan_mask("p1", "mask", config) == str(tmp_path / "Doe.nii")
    assert scan_mask("p2", "mask", config) == str(masks / "p2.nii.gz")
    assert scan_mask("p3", "mask", config) == scan_mask("p1", "bodies", config) == ""


def test_a_digest_changes_with_place_date_size_and_secret_and_names_nothing(tmp_path):
    path, other = tmp_path / "Doe", tmp_path / "Roe"
    for file in (path, other):
        file.write_text("12")
        os.utime(file, ns=(5, 5))
    before = state(path)
    assert len(before) == 16 and int(before, 16) >= 0
    assert before == state(path)
    os.utime(path, ns=(6, 6))
    assert state(path) != before
    os.utime(path, ns=(5, 5))
    assert state(path) == before
    assert len({before, state(other), state(path, "", b"secret"), state(path, "", b"other")}) == 4
    path.write_text("123")
    os.utime(path, ns=(5, 5))
    assert state(path) != before
    assert state(tmp_path / "nowhere") == ABSENT and state("") == ""


def test_a_digest_does_not_change_where_the_whole_folder_moves(tmp_path):
    for root in ("a", "b"):
        (tmp_path / root).mkdir()
        (tmp_path / root / "Doe").touch()
        os.utime(tmp_path / root / "Doe", ns=(5, 5))
    first, second = (state(tmp_path / r / "Doe", str(tmp_path / r)) for r in ("a", "b/"))
    assert first == second != state(tmp_path / "a" / "Doe")


def test_a_run_keeps_what_it_saw_first(tmp_path):
    path = tmp_path / "scan"
    path.touch()
    before = input_state(str(path))
    path.write_text("changed meanwhile")
    assert input_state(str(path)) == before != state(path)


def test_scans_that_are_gone_stop_a_run_that_would_lose_their_results(tmp_path):
    scans = [Participant(name, path=str(tmp_path / name)) for name in ("p1", "p2", "p3")]
    results = tmp_path / "results"
    with pytest.raises(CohortError, match="none of the 3 scans is there"):
        check_scans(scans, str(results))
    (tmp_path / "p1").mkdir()
    check_scans(scans, str(results))
    for name, reason in (("p2", "no_input"), ("p3", "localizer")):
        (results / name).mkdir(parents=True)
        (results / name / "series.tsv").write_text(f"series\treason\tdetail\nS01\t{reason}\t\n")
    with pytest.raises(CohortError, match=r"1 of 3 .* p3\. .*cohort\.frozen"):
        check_scans(scans, str(results))


def test_secret_is_a_file_or_the_name_of_the_cohort(tmp_path):
    def of(path):
        return cohort_secret({"name": "spine", "secret": path and str(path)})

    assert of(None) == b"spine"
    for name, content in (("secret", b"\x00\xff"), ("moved", b"\x00\xff"), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
    assert of(tmp_path / "secret") == b"\x00\xff"
    assert secret_state(of(tmp_path / "secret")) == secret_state(of(tmp_path / "moved"))
    assert secret_state(of(tmp_path / "secret")) != secret_state(of(None))
    for name in ("empty", "absent"):
        with pytest.raises(CohortError, match=r"cohort\.secret"):
            of(tmp_path / name)
