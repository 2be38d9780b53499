"""Who is in a cohort: tables, folders, and every problem listed at once."""

from pathlib import Path

import pytest

from bonecast.cohort import (
    CohortError,
    Participant,
    batches,
    check_masks,
    draw_participants,
    locate,
    read_cohort,
)


@pytest.fixture
def table(tmp_path):
    """A function that writes a participants table and returns its path."""

    def write(text: str, name: str = "participants.tsv") -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_ids_stay_text_and_rows_keep_their_order(table, tmp_path):
    path = table("participant_id\tsite\n007\tnorth\n1e5\tsouth\nNA\t\n")
    cohort = read_cohort(str(tmp_path), path, ".")
    assert [(p.participant_id, p.site) for p in cohort] == [
        ("007", "north"),
        ("1e5", "south"),
        ("NA", ""),
    ]


def test_every_problem_is_listed_by_row(table, tmp_path):
    path = table("participant_id\tsite\np1\ta\np 2\ta\n\np1\tb\n../etc\tb\n\tb\n")
    with pytest.raises(CohortError) as caught:
        read_cohort(str(tmp_path), path, ".")
    message = str(caught.value)
    assert "row 3: participant_id must be letters" in message and "and has ' '" in message
    assert "row 5: participant_id p1 is already in row 2" in message
    assert "row 6: participant_id must be letters" in message and "and has '/'" in message
    assert "row 7: participant_id must be letters" in message
    assert "p 2" not in message and "etc" not in message


def test_an_id_that_may_be_a_name_is_not_repeated(table, tmp_path):
    path = table("participant_id\nDoe, Jane\nDoe, Jane\n山寺\n")
    with pytest.raises(CohortError) as caught:
        read_cohort(str(tmp_path), path, ".")
    message = str(caught.value)
    assert "row 2: participant_id must be" in message and "has '  ,'" in message
    assert "row 4: " in message and "letters beyond a to z" in message
    assert not any(part in message for part in ("Doe", "Jane", "山", "寺"))


def test_how_a_scan_was_made_can_be_told(table, tmp_path):
    path = table("participant_id\tcontrast_phase\tkvp\tcalibration\np1\tportal\t100\t3\np2\t\t\t\n")
    told, not_told = read_cohort(str(tmp_path), path, ".")
    assert (told.contrast_phase, told.kvp, told.calibration) == ("portal", 100.0, 3)
    assert (not_told.contrast_phase, not_told.kvp, not_told.calibration) == ("", None, None)


def test_what_cannot_be_told_of_a_scan_is_listed(table, tmp_path):
    path = table("participant_id\tcontrast_phase\tkvp\tcalibration\np1\tvenous\t1e2\trow 3\n")
    with pytest.raises(CohortError) as caught:
        read_cohort(str(tmp_path), path, ".")
    for part in ("contrast_phase a text of 6", "kvp '1e2'", "calibration a text of 5"):
        assert f"row 2: {part}" in str(caught.value)


def test_a_series_can_be_named(table, tmp_path):
    path = table("participant_id\tseries\np1\tS03\np2\t\np3\tS100\n")
    assert [p.series for p in read_cohort(str(tmp_path), path, ".")] == ["S03", "", "S100"]
    path = table("participant_id\tseries\np1\tS3\np2\ts03\np3\t3\np4\tS03\n")
    with pytest.raises(CohortError) as caught:
        read_cohort(str(tmp_path), path, ".")
    problems = str(caught.value).splitlines()[1:]
    assert [line.split(" must be")[0].strip() for line in problems] == [
        *("row 2: series 'S3'", "row 3: series 's03'", "row 4: series '3'")
    ]


def test_a_level_shift_of_nothing_is_not_a_shift_of_zero(table, tmp_path):
    path = table("participant_id\tlevel_shift\np1\t\np2\t0\np3\t-1\np4\t+2\n")
    shifts = [p.level_shift for p in read_cohort(str(tmp_path), path, ".")]
    assert shifts == [None, 0, -1, 2]


def test_sex_height_and_weight_are_read(table, tmp_path):
    path = table("participant_id\tsex\theight_m\tweight_kg\np1\tF\t1.62\t70\np2\t\t\t\n")
    cohort = read_cohort(str(tmp_path), path, ".")
    assert [(p.sex, p.height_m, p.weight_kg) for p in cohort] == [
        ("F", 1.62, 70.0),
        (None, None, None),
    ]


@pytest.mark.parametrize(
    ("column", "cell"),
    [("sex", "female"), ("height_m", "162"), ("height_m", "1,62"), ("weight_kg", "nan")],
)
def test_a_size_that_cannot_be_is_listed(table, tmp_path, column, cell):
    path = table(f"participant_id\t{column}\np1\t{cell}\n")
    with pytest.raises(CohortError, match=f"row 2: {column} .* must be"):
        read_cohort(str(tmp_path), path, ".")


@pytest.mark.parametrize("shift", ["3", "1.0", "down"])
def test_a_level_shift_that_is_none_is_listed(table, tmp_path, shift):
    path = table(f"participant_id\tlevel_shift\np1\t{shift}\n")
    with pytest.raises(CohortError, match=r"row 2: level_shift .* must be"):
        read_cohort(str(tmp_path), path, ".")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column participant_id"),
        ("id\tsite\np1\ta\n", "no column participant_id; found: id, site$"),
        ("participant_id,site\np1,a\n", r"separated by commas\? name it \.csv"),
        ("participant_id\tsite\tsite\np1\ta\tb\n", "column named twice: site"),
        ("participant_id\tpaht\np1\ta\n", "unknown column paht"),
        ("participant_id\n", "no participants"),
        ("participant_id\tsite\np1\ta\tb\n", "row 2: 3 cells"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(table, tmp_path, text, message):
    with pytest.raises(CohortError, match=message):
        read_cohort(str(tmp_path), table(text), ".")


def test_missing_table_and_folder_name_the_key_to_change(tmp_path):
    with pytest.raises(CohortError, match="cohort.participants"):
        read_cohort(str(tmp_path), str(tmp_path / "none.tsv"), ".")
    with pytest.raises(CohortError, match="cohort.input"):
        read_cohort(str(tmp_path / "none"), None, ".")


def test_a_spreadsheet_export_with_byte_order_mark_and_commas_is_read(tmp_path):
    path = tmp_path / "participants.csv"
    path.write_text("\ufeffparticipant_id,site\np1,a\n", encoding="utf-8")
    assert read_cohort(str(tmp_path), str(path), ".")[0].site == "a"


def test_a_folder_gives_its_folders_and_nifti_files_sorted(tmp_path):
    for name in ("p2", "p10", ".hidden"):
        (tmp_path / name).mkdir()
    for name in ("p3.nii.gz", "p4.nii", "notes.txt", ".DS_Store"):
        (tmp_path / name).touch()
    cohort = read_cohort(str(tmp_path), None, ".")
    assert {p.participant_id: p.path for p in cohort} == {
        "p10": str(tmp_path / "p10"),
        "p2": str(tmp_path / "p2"),
        "p3": str(tmp_path / "p3.nii.gz"),
        "p4": str(tmp_path / "p4.nii"),
    }
    assert [p.participant_id for p in cohort] == ["p10", "p2", "p3", "p4"]


def test_a_folder_and_a_file_of_one_name_are_told(tmp_path):
    (tmp_path / "p1").mkdir()
    (tmp_path / "p1.nii.gz").touch()
    with pytest.raises(
        CohortError, match=r"entry 2 by name: participant_id p1 is already in entry 1"
    ):
        read_cohort(str(tmp_path), None, ".")


def test_without_a_path_the_folder_or_file_of_that_name_is_taken(table, tmp_path):
    (tmp_path / "scans" / "p1").mkdir(parents=True)
    (tmp_path / "scans" / "p2.nii.gz").touch()
    path = table("participant_id\np1\np2\np3\n")
    cohort = read_cohort(str(tmp_path / "scans"), path, ".")
    assert [p.path.removeprefix(str(tmp_path)) for p in cohort] == [
        "/scans/p1",
        "/scans/p2.nii.gz",
        "/scans/p3",
    ]


def test_paths_are_looked_for_from_here_then_input_then_home(tmp_path, monkeypatch):
    work, home = tmp_path / "work", tmp_path / "home"
    for folder in (work / "here", work / "scans" / "inside", home / "shipped"):
        folder.mkdir(parents=True)
    (home / "here").mkdir()
    monkeypatch.chdir(work)
    around = ["scans", "../home"]
    assert locate("here", around) == "here"
    assert locate("inside", around) == "scans/inside"
    assert locate("shipped", around) == "../home/shipped"
    assert locate("nowhere", around) == "nowhere"
    assert locate("", around) == ""


def test_masks_that_are_named_and_not_there_are_listed(tmp_path):
    (tmp_path / "p1.nii.gz").touch()
    here, folder = str(tmp_path / "p1.nii.gz"), str(tmp_path)
    found = Participant("p1", mask=here, bodies=here, tissue=here)
    check_masks([found, Participant("p2")], {"segment.masks": folder, "segment.bodies": None}, bool)
    lost = Participant("p3", mask="a.nii.gz", bodies="b.nii.gz", tissue="made/c.nii.gz")
    with pytest.raises(CohortError) as caught:
        check_masks(
            [found, lost],
            {"segment.masks": "nowhere", "segment.bodies": here, "segment.tissue": "made/masks"},
            lambda path: Path(path).exists() or path.startswith("made/"),
        )
    assert str(caught.value).splitlines()[1:] == [
        "  p3: the file of column mask is not found",
        "  p3: the file of column bodies is not found",
        "  segment.masks: nowhere is not a folder",
        f"  segment.bodies: {here} is not a folder",
    ]


def test_a_draw_does_not_depend_on_the_order_of_the_cohort():
    cohort = [f"p{number}" for number in range(50)]
    drawn = draw_participants(cohort, 12, seed=1)
    assert len(drawn) == 12 and drawn == sorted(drawn, key=cohort.index)
    assert set(draw_participants(cohort[::-1], 12, seed=1)) == set(drawn)
    assert draw_participants(cohort, 12, seed=2) != drawn
    assert draw_participants(cohort, 99, seed=1) == cohort


def test_batches_number_from_one_and_appended_participants_leave_them_alone():
    five = batches(list("abcde"), 2)
    assert five == {"001": ["a", "b"], "002": ["c", "d"], "003": ["e"]}
    assert batches(list("abcdef"), 2) == five | {"003": ["e", "f"]}
    assert batches([], 2) == {}
