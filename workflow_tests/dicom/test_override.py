"""A series that the participants table names is measured whatever its score."""

import pytest

from bonecast.dicom.index import index_source
from bonecast.dicom.select import Settings, select_series
from bonecast.dicom.table import read_choice, write_series
from bonecast.reasons import Reason

OTHER = {"SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.9", "SeriesNumber": 9}


def named(source, path, name: str, settings: Settings | None = None):
    """Decisions where a series is named, and the choice that conversion reads."""
    index = index_source(source)
    decisions = select_series(index, settings or Settings(), name)
    write_series(index, decisions, path)
    return decisions, read_choice(path)


def test_the_named_series_is_chosen_and_the_others_are_told(ct, tmp_path):
    ct.write(tmp_path / "in" / "one")
    ct.write(tmp_path / "in" / "two", **(OTHER | {"ConvolutionKernel": "Bl57"}))
    (first, second), choice = named(tmp_path / "in", tmp_path / "series.tsv", "S02")
    assert (first.reason, second.reason) == (Reason.USER_CHOSE_ANOTHER, None)
    assert first.score == second.score + 8
    assert first.detail == (
        f"S02 is named in the participants table; this one scores {first.score:g}"
    )
    assert second.detail == f"named in the participants table; scores {second.score:g}"
    assert choice.series == "S02" and choice.files == list(range(12, 24))


@pytest.mark.parametrize(
    "elements",
    [
        {"slices": 9},
        {"spacing_mm": 2.0},
        {"SliceThickness": 10},
        {"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]},
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        {"SeriesDescription": "Topogram_0.6"},
        {"ImageType": ["DERIVED", "SECONDARY", "MIP"]},
        {"SeriesDescription": "MonoE 70 keV"},
        {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1], "step_mm": (0, 1, 0)},
    ],
)
def test_limits_of_preference_do_not_bind_the_user(ct, tmp_path, elements):
    ct.write(tmp_path / "in" / "one")
    ct.write(tmp_path / "in" / "two", **(OTHER | elements))
    (first, second), choice = named(tmp_path / "in", tmp_path / "series.tsv", "S02")
    assert second.chosen and not first.chosen
    assert choice.series == "S02"


def test_what_the_user_names_against_the_limits_is_converted(ct, tmp_path):
    source, work = tmp_path / "in", tmp_path / "out"
    ct.write(source, SeriesDescription="Topogram", slices=9, SliceThickness=10)
    (decision,), _ = named(source, tmp_path / "series.tsv", "S01")
    assert decision.detail == (
        "named in the participants table; would not be measured by itself: localizer, "
        "named so in its header"
    )
    record = ct.convert_table(source, tmp_path / "series.tsv", work)
    assert (record["status"], record["series"], record["shape"]) == ("ok", "S01", [48, 40, 9])


@pytest.mark.parametrize("company", [True, False])
@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Modality": "MR"}, Reason.NOT_CT),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, Reason.NOT_CT),
        ({"ImageOrientationPatient": None}, Reason.NO_GEOMETRY),
        ({"slices": 2}, Reason.TOO_FEW_SLICES),
        ({"step_mm": (0, 0, 0)}, Reason.DUPLICATE_SLICES),
        ({"step_mm": (0, 1, 1)}, Reason.GANTRY_TILT),
    ],
)
def test_what_makes_no_volume_has_its_own_reason(ct, tmp_path, elements, reason, company):
    if company:
        ct.write(tmp_path / "in" / "one")
    ct.write(tmp_path / "in" / "two", **(OTHER | elements))
    name = "S02" if company else "S01"
    decisions, choice = named(tmp_path / "in", tmp_path / "series.tsv", name)
    others = [Reason.USER_CHOSE_ANOTHER] * company
    assert [decision.reason for decision in decisions] == [*others, reason]
    assert choice.reason is reason
    assert choice.detail.startswith(f"{name}: named in the participants table; ")


def test_damaged_pixels_are_refused(ct, tmp_path):
    path = ct.write(tmp_path / "in")[3]
    path.write_bytes(path.read_bytes()[:-100])
    (decision,), choice = named(tmp_path / "in", tmp_path / "series.tsv", "S01")
    assert decision.reason is choice.reason is Reason.CORRUPT_PIXELS
    assert "1 of 12 files" in choice.detail


def test_a_name_that_is_not_there_leaves_all_unselected(ct, tmp_path):
    ct.write(tmp_path / "in" / "one")
    ct.write(tmp_path / "in" / "two", **OTHER)
    decisions, choice = named(tmp_path / "in", tmp_path / "series.tsv", "S03")
    assert {decision.reason for decision in decisions} == {Reason.USER_SERIES_MISSING}
    assert not any(decision.chosen for decision in decisions)
    assert choice.reason is Reason.USER_SERIES_MISSING
    assert choice.detail == "the participants table names S03; the input has S01 to S02"


def test_an_empty_folder_is_empty_whatever_is_named(tmp_path):
    (tmp_path / "in").mkdir()
    _, choice = named(tmp_path / "in", tmp_path / "series.tsv", "S01")
    assert choice.reason is Reason.EMPTY_FOLDER


def test_a_name_decides_between_patients_and_studies(ct, tmp_path):
    ct.write(tmp_path / "in" / "one")
    ct.write(tmp_path / "in" / "two", PatientID="P2", **OTHER)
    settings = Settings(study="first")
    (_, second), choice = named(tmp_path / "in", tmp_path / "series.tsv", "S02", settings)
    assert choice.series == "S02"
    assert second.detail.endswith("; the input holds 2 patients")
