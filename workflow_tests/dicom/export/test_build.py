"""The whole work of the target on made-up exports."""

import os
import re
from pathlib import Path

import pytest

from bonecast.cohort import CohortError, read_cohort
from bonecast.dicom.index import index_source
from bonecast.dicom.listing import list_files
from bonecast.refusal import Refusal

REPORT = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.67",
    "Modality": "SR",
    "Rows": None,
    "Columns": None,
}


def accounted(export) -> tuple[list[str], int]:
    """Paths in all lists, and how many the tables say there are."""
    rows = [*export.table(), *export.table("left_out")]
    paths = []
    for row in rows:
        text = (export.home / row["path"]).read_text(errors="surrogateescape")
        names = [line for line in text.splitlines() if not line.startswith("#")]
        assert len(names) == int(row["files"]), row
        paths += [os.path.normpath(export.home / row["path"] / ".." / name) for name in names]
    return sorted(paths), sum(int(row["files"]) for row in rows)


def everything(export) -> list[str]:
    """Every file of the export."""
    return sorted(
        str(path)
        for path in export.root.rglob("*")
        if (path.is_file() or path.is_symlink()) and export.home not in path.parents
    )


def test_every_file_is_in_one_list(export):
    export.fill()
    summary = export.build()
    paths, count = accounted(export)
    assert paths == everything(export)
    assert count == summary.files == len(paths)
    assert summary.listed == sum(int(row["files"]) for row in export.table())
    reasons = {row["reason"]: int(row["files"]) for row in export.table("left_out")}
    assert reasons == dict(dicomdir=1, no_ct=3, no_patient=1, not_dicom=3, unreadable=1)
    assert summary.left_out["no_ct"] == (1, 3)
    assert summary.archives == 1
    assert (summary.patients, summary.rows, len(export.table())) == (7, 6, 6)


def test_rows_say_what_a_person_should_look_at(export):
    export.fill()
    export.build()
    one = export.row_of("ID1")
    assert (one["studies"], one["series_found"], one["ct_series"], one["files"]) == (
        *("2", "2", "2"),
        "5",
    )
    assert one["warnings"] == "folder shared by 6 patients"
    assert "no CT but localizers" in export.row_of("ID4")["warnings"]
    without_id = [row["warnings"] for row in export.table() if "no patient id" in row["warnings"]]
    assert len(without_id) == 3
    assert {path.parent.name for path in export.files_of(one)} == {"flat", "er"}


def test_nothing_but_the_private_folder_is_written_and_pseudonyms_tell_nothing(export):
    export.fill()
    export.build()
    assert (export.home / "secret").stat().st_mode & 0o777 == 0o600
    assert export.home.stat().st_mode & 0o077 == 0
    text = (export.home / "participants.tsv").read_text()
    assert not re.search(r"ID\d|Family|Given|1940|IM0|flat", text)


def test_the_table_is_a_cohort(export):
    export.fill()
    export.build()
    table = export.home / "participants.tsv"
    cohort = read_cohort(str(export.home), str(table), ".")
    assert [one.participant_id for one in cohort] == [r["participant_id"] for r in export.table()]
    assert all(Path(one.path).is_file() for one in cohort)
    row = export.row_of("ID2")
    (series,) = index_source(export.home / row["path"]).series
    assert len(series.files) == 3


def test_sessions_are_studies_in_order_of_date(export):
    export.add("a", number=1, StudyDate="20240301")
    export.add("a", number=1, StudyDate="20240101")
    export.add("b", number=1, StudyDate=None)
    export.add("b", number=1, StudyDate="20230101", slices=1, **REPORT)
    export.build(sessions=True)
    name = export.id_of("ID1")
    rows = [(row["session_id"], row["days"], row["path"]) for row in export.table()]
    assert rows == [
        ("s01", "0", f"lists/{name}_ses-s01.files"),
        ("s02", "60", f"lists/{name}_ses-s02.files"),
        ("s03", "", f"lists/{name}_ses-s03.files"),
    ]
    assert "no study date" in export.table()[2]["warnings"]
    (left,) = export.table("left_out")
    assert (left["reason"], left["participant_id"]) == ("no_ct", name)
    dates = [row["study_date"] for row in export.table("studies")]
    assert dates == ["20240101", "20240301", ""]
    assert accounted(export)[0] == everything(export)


def test_an_earlier_study_that_comes_later_takes_no_other_session_s_number(export):
    export.add("a", number=1, StudyDate="20240301")
    export.build(sessions=True)
    export.add("a", number=1, StudyDate="20240101")
    export.build(sessions=True)
    assert [(row["session_id"], row["days"]) for row in export.table()] == [
        ("s01", "60"),
        ("s02", "0"),
    ]


def test_one_person_under_two_ids_is_told_and_merged_when_a_person_says_so(export):
    who = {"PatientName": "Berg^Anna", "PatientBirthDate": "19500101"}
    export.add("a", PatientID="A1", **who)
    export.add("a", PatientID="B2", **who | {"PatientName": "BERG ANNA"})
    export.build()
    one, two = export.id_of("A1"), export.id_of("B2")
    assert f"possibly the same person as {two}" in export.row_of("A1")["warnings"]
    assert f"possibly the same person as {one}" in export.row_of("B2")["warnings"]
    rows = export.table()
    rows[[r["participant_id"] for r in rows].index(two)]["site"] = "north"
    export.write(rows)
    export.write([{"participant_id": two, "same_as": one}], "same_patient")
    export.build()
    (row,) = export.table()
    assert (row["participant_id"], row["files"], row["site"]) == (one, "6", "north")
    assert "possibly" not in row["warnings"]
    assert {r["participant_id"] for r in export.table("key")} == {one}
    assert [path.name for path in (export.home / "lists").iterdir()] == [f"{one}.files"]
    index = index_source(export.home / row["path"])
    assert {series.patient_number for series in index.series} == {1}


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([("X", "Y")], "no participant X"),
        ([(0, 1), (1, 0)], "leads back to itself"),
        ([(0, 1), (0, 2)], "already the same"),
        ([(0, "")], "no participant (empty)"),
    ],
)
def test_a_wrong_table_of_same_patients_is_refused(export, rows, problem):
    for number in range(3):
        export.add("a", number=number)
    export.build()
    names = [row["participant_id"] for row in export.table()]
    rows = [[names[x] if isinstance(x, int) else x for x in row] for row in rows]
    export.write(
        [dict(zip(("participant_id", "same_as"), r, strict=True)) for r in rows], "same_patient"
    )
    with pytest.raises(CohortError, match=re.escape(problem)):
        export.build()


def test_two_people_under_one_id_are_split(export):
    export.add("a", PatientID="1", PatientName="Berg^Anna", PatientBirthDate="19500101")
    export.build()
    (alone,) = export.table()
    export.add("a", PatientID="1", PatientName="Tal^Otto", PatientBirthDate="19610101")
    export.build()
    one, two = export.table()
    assert one["participant_id"] == alone["participant_id"]
    for row, other in ((one, two), (two, one)):
        assert f"patient id also of {other['participant_id']}" in row["warnings"]
        assert len(export.files_of(row)) == 3


def test_names_of_files_that_are_no_text_or_hold_a_line_break(export):
    (path,) = export.add("a", number=1, slices=1)
    path.rename(path.with_name(os.fsdecode(b"M\xfcller \xe9.dcm")))
    (other,) = export.add("a", number=1, slices=1)
    other.rename(other.with_name("one\nline.dcm"))
    export.build()
    assert [os.fsencode(p.name) for p in export.files_of(export.row_of("ID1"))] == [
        b"M\xfcller \xe9.dcm"
    ]
    (left,) = export.table("left_out")
    assert (left["reason"], left["files"]) == ("odd_file_name", "1")


def test_private_folder_elsewhere(export, tmp_path):
    export.add("a", number=1)
    export.build()
    inside = export.id_of("ID1")
    export.home = tmp_path / "private"
    export.build(private=str(export.home))
    assert export.id_of("ID1") != inside  # another secret
    (row,) = export.table()
    assert row["files"] == "3"  # the earlier private folder is no part of the export
    assert all(line.startswith("/") for line in (export.home / row["path"]).read_text().split())


def test_set_up_faults_are_refused_with_what_to_do(export, tmp_path):
    with pytest.raises(Refusal, match="holds no files"):
        export.build()
    export.add("a", number=1)
    with pytest.raises(Refusal, match="holds the export itself"):
        export.build(private=str(tmp_path))
    export.build()
    with pytest.raises(Refusal, match=r"export.sessions is true, but .* a row per patient"):
        export.build(sessions=True)
    (export.home / "secret").write_bytes(b"short")
    with pytest.raises(Refusal, match="has 5 bytes instead of 32"):
        export.build()
    export.root = tmp_path / "nowhere"
    with pytest.raises(Refusal, match="is not a folder"):
        export.build()


def test_a_folder_that_cannot_be_written_says_what_to_set(export):
    export.add("a", number=1)
    export.home.write_text("a file where the folder should be")
    with pytest.raises(Refusal, match="Set export.private to a folder"):
        export.build()


@pytest.mark.parametrize(
    "fault", [PermissionError(13, "Permission denied"), OSError(5, "I/O error")]
)
def test_a_failing_disk_stops_the_run_and_names_the_file_in_the_private_folder_alone(export, fault):
    paths = export.add("a", number=1)

    def failing(paths, processes):
        fault.filename = str(paths[0])
        raise fault

    with pytest.raises(Refusal, match=fault.strerror) as caught:
        export.build(read=failing)
    assert paths[0].name not in str(caught.value)
    assert paths[0].name in (export.home / "fault.txt").read_text()
    assert not (export.home / "participants.tsv").exists()
    export.build()
    assert not (export.home / "fault.txt").exists()


def test_a_file_that_may_not_be_read_is_named_in_the_private_folder_alone(export, monkeypatch):
    paths = export.add("a", number=3)
    real = os.open

    def refusing(path, *rest, **options):
        if str(path) == str(paths[0]):
            raise PermissionError(13, "Permission denied")
        return real(path, *rest, **options)

    monkeypatch.setattr("bonecast.dicom.scan.os.open", refusing)
    with pytest.raises(Refusal, match="Permission denied") as caught:
        export.build()
    assert paths[0].name not in str(caught.value)
    assert (export.home / "fault.txt").read_text() == f"Permission denied: {paths[0]}\n"


def test_two_runs_at_once_are_refused(export):
    export.add("a", number=1)

    def meanwhile(paths, processes):
        with pytest.raises(Refusal, match="another run is at work"):
            export.build()
        raise Refusal("enough")

    with pytest.raises(Refusal, match="enough"):
        export.build(read=meanwhile)


def test_every_real_file_in_one_flat_folder(export, shared_data):
    """Real and odd files of many makers; links, so that nothing is copied."""
    for number, path in enumerate(
        sorted(p for p in (shared_data / "dicom").rglob("*") if p.is_file())
    ):
        (export.root / f"IM{number:05d}").symlink_to(path)
    summary = export.build(sessions=True)
    paths, count = accounted(export)
    assert paths == everything(export)
    assert count == summary.files >= 200
    (crlm,) = (
        row for row in export.table() if row["participant_id"] == export.id_of("CRLM-CT-1004")
    )
    assert (crlm["files"], crlm["series_found"], crlm["ct_series"]) == ("41", "1", "1")
    assert len(list_files(export.home / crlm["path"])) == 41
    reasons = {row["reason"] for row in export.table("left_out")}
    assert {"not_dicom", "no_ct"} <= reasons
