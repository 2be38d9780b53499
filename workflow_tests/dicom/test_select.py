"""One series is chosen, and every other one is told why not."""

import dataclasses

import numpy as np
import pytest

from bonecast.dicom.select import Settings
from bonecast.dicom.table import COLUMNS, read_choice, write_series
from bonecast.reasons import Reason

OTHER = {"SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.9", "SeriesNumber": 9}


def reasons(decisions) -> list:
    return [decision.reason for decision in decisions]


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Modality": "MR"}, Reason.NOT_CT),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, Reason.NOT_CT),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, Reason.LOCALIZER),
        ({"SeriesDescription": "Topogram_0.6"}, Reason.LOCALIZER),
        ({"ImageType": ["DERIVED", "SECONDARY", "MIP"]}, Reason.PROJECTION),
        ({"ImageType": ["DERIVED", "PRIMARY", "PERFUSION", "RCBF"]}, Reason.NOT_HU),
        ({"SeriesDescription": "MonoE 70 keV"}, Reason.NOT_HU),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, Reason.NOT_AXIAL),
        ({"ImageOrientationPatient": None}, Reason.NO_GEOMETRY),
        ({"PixelSpacing": None}, Reason.NO_GEOMETRY),
        ({"slices": 9}, Reason.TOO_FEW_SLICES),
        ({"spacing_mm": 2.0}, Reason.TOO_LITTLE_COVERAGE),
        ({"spacing_mm": 8.0}, Reason.TOO_THICK),
        ({"SliceThickness": 10}, Reason.TOO_THICK),
        ({"step_mm": (0, 1, 1)}, Reason.GANTRY_TILT),
        ({"step_mm": (0, 0, 0)}, Reason.DUPLICATE_SLICES),
    ],
)
def test_needs(ct, tmp_path, elements, reason):
    ct.write(tmp_path, **elements)
    _, decisions = ct.decide(tmp_path)
    assert reasons(decisions) == [reason]
    assert not decisions[0].chosen
    assert decisions[0].detail


def without(*missing: int):
    """An edit that leaves slices out."""
    return lambda dataset, number: None if number in missing else dataset


TILTED = {"step_mm": (0, 0.2, 1)}
GAP = {"edit": without(5)}
WIDE_GAP = {"edit": without(5, 6)}


@pytest.mark.parametrize(
    ("elements", "resample", "reason", "words"),
    [
        (TILTED, {"tilt": False}, Reason.GANTRY_TILT, "ingest.resample.tilt is off"),
        (GAP, {"uneven": False}, Reason.UNEVEN_SLICES, "ingest.resample.uneven is off"),
        (GAP, {"uneven": False}, Reason.UNEVEN_SLICES, "room for 1 missing"),
        (WIDE_GAP, {}, Reason.UNEVEN_SLICES, "widest is 9.00 mm, ingest.resample.max_gap_mm is 6"),
        (WIDE_GAP, {"max_gap_mm": 9}, None, "; 1 uneven distance to be resampled"),
        (GAP, {}, None, "; 1 uneven distance to be resampled"),
        (TILTED, {}, None, "gantry tilt of 11.3 degrees to be resampled"),
    ],
)
def test_what_can_be_resampled_is_suited(ct, tmp_path, elements, resample, reason, words):
    ct.write(tmp_path, **elements)
    settings = Settings(resample=Settings().resample | resample)
    _, (decision,) = ct.decide(tmp_path, settings)
    assert decision.reason is reason
    assert words in decision.detail


@pytest.mark.parametrize("irregular", [TILTED, GAP])
def test_an_even_series_is_preferred_to_one_to_be_resampled(ct, tmp_path, irregular):
    ct.write(tmp_path / "one", **irregular)
    even = {"ConvolutionKernel": "Bl57", "ContrastBolusAgent": "Iomeprol"}
    ct.write(tmp_path / "two", **(OTHER | even))
    _, decisions = ct.decide(tmp_path)
    assert reasons(decisions) == [Reason.NOT_PREFERRED, None]
    assert ": even slices of an upright gantry (+18); this one has" in decisions[0].detail


def test_damaged_series_gives_way_to_a_sound_one(ct, tmp_path):
    paths = ct.write(tmp_path / "thin")
    paths[3].write_bytes(paths[3].read_bytes()[:-100])
    ct.write(tmp_path / "thick", SliceThickness=5, **OTHER)
    _, decisions = ct.decide(tmp_path)
    assert reasons(decisions) == [Reason.CORRUPT_PIXELS, None]
    assert decisions[0].detail == "1 of 12 files without all their pixels"


def test_settings_move_the_limits(ct, tmp_path):
    ct.write(tmp_path, spacing_mm=8.0)
    settings = Settings(max_thickness_mm=10.0)
    _, (decision,) = ct.decide(tmp_path, settings)
    assert decision.chosen


def test_two_patients_in_one_folder_are_refused(ct, tmp_path):
    ct.write(tmp_path / "one")
    ct.write(tmp_path / "two", PatientID="P2", **OTHER)
    _, decisions = ct.decide(tmp_path)
    assert reasons(decisions) == [Reason.MIXED_PATIENTS] * 2


def test_patient_of_a_series_that_is_not_used_does_not_matter(ct, tmp_path):
    ct.write(tmp_path / "one")
    ct.write(tmp_path / "two", PatientID="P2", Modality="SR", **OTHER)
    _, decisions = ct.decide(tmp_path)
    assert decisions[0].chosen


def written(ct, source, path, **values):
    """The rows of the table; `values` differ from what the index found in every series."""
    index, decisions = ct.decide(source)
    decisions = [
        dataclasses.replace(one, series=dataclasses.replace(one.series, **values))
        for one in decisions
    ]
    write_series(index, decisions, path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].split("\t") == list(COLUMNS)
    return [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines[1:]]


def test_table_names_every_file_once(ct, tmp_path):
    source = tmp_path / "in"
    ct.write(source)
    ct.write(source / "second", **OTHER)
    (source / "junk").write_text("no image")
    first, second, junk = written(ct, source, tmp_path / "series.tsv")
    assert (first["series"], first["chosen"], first["files"]) == ("S01", "true", "0-11")
    assert (second["series"], second["chosen"], second["files"]) == ("S02", "false", "13-24")
    assert (junk["series"], junk["description_class"], junk["files"]) == ("", "not_dicom", "12")
    assert first["spacing_mm"] == "3" and first["contrast"] == ""
    choice = read_choice(tmp_path / "series.tsv")
    assert (choice.series, choice.files) == ("S01", list(range(12)))
    assert choice.listing == first["listing"] != ""


def test_a_row_holds_what_a_person_chooses_by(ct, tmp_path):
    source = tmp_path / "in"
    types = {"ImageType": ["ORIGINAL", "UNHEARD", "OF"], "SeriesDescription": None}
    ct.write(source, step_mm=(0, 0.2, 1), edit=without(5), **types)
    values = {"body_part": "abdomen", "manufacturer": "Siemens", "model": "SOMATOM Force"}
    values |= {"syntax": "explicit_little", "study": 2, "days": 35, "patient_number": 1}
    (row,) = written(ct, source, tmp_path / "series.tsv", **values)
    assert {name: row[name] for name in values} == {n: str(v) for n, v in values.items()}
    expected = {
        **{"slices": "11", "spacing_mm": "3", "spacing_min_mm": "3", "spacing_max_mm": "6"},
        **{"missing_slices": "1", "duplicates": "0", "tilt_degrees": "11.31", "extent_mm": "36"},
        **{"image_type": "original", "score": "72.50", "chosen": "true", "orientation": "axial"},
    }
    assert {name: row[name] for name in expected} == expected
    assert "" not in (row["detail"], row["files"], row["listing"], row["thickness_mm"])


def test_what_is_not_known_is_empty(ct, tmp_path):
    source = tmp_path / "in"
    ct.write(source, slices=1, ImageType=["UNHEARD", "OF"], KVP=None, SeriesDescription=None)
    (row,) = written(ct, source, tmp_path / "series.tsv")
    unknown = ("spacing_mm", "spacing_min_mm", "spacing_max_mm", "missing_slices")
    unknown += ("tilt_degrees", "extent_mm", "image_type", "body_part", "score", "kvp")
    assert {row[name] for name in unknown} == {""}


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda ct, folder: folder.rmdir(), Reason.NO_INPUT),
        (lambda ct, folder: None, Reason.EMPTY_FOLDER),
        (lambda ct, folder: (folder / "a").write_text("x" * 200), Reason.NO_READABLE_IMAGE),
        (
            lambda ct, folder: ct.write(folder, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
            Reason.NO_AXIAL_CT,
        ),
        (lambda ct, folder: ct.write(folder, spacing_mm=9.0), Reason.TOO_THICK),
    ],
)
def test_reason_of_a_participant_without_series(ct, tmp_path, prepare, reason):
    folder = tmp_path / "in"
    folder.mkdir()
    prepare(ct, folder)
    written(ct, folder, tmp_path / "series.tsv")
    choice = read_choice(tmp_path / "series.tsv")
    assert choice.reason is reason
    assert choice.files == []


def test_damage_outweighs_a_localizer_as_reason(ct, tmp_path):
    source = tmp_path / "in"
    ct.write(source / "a", **WIDE_GAP)
    ct.write(source / "b", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], **OTHER)
    written(ct, source, tmp_path / "series.tsv")
    choice = read_choice(tmp_path / "series.tsv")
    assert choice.reason is Reason.UNEVEN_SLICES
    assert "1 localizer" in choice.detail


def test_numbers_are_finite_in_the_table(ct, tmp_path):
    """One slice has no distance: the cell is empty, not `nan`."""
    source = tmp_path / "in"
    ct.write(source, slices=1)
    (row,) = written(ct, source, tmp_path / "series.tsv")
    assert row["spacing_mm"] == ""
    assert not np.any([value == "nan" for value in row.values()])


def test_a_second_patient_is_seen_where_their_series_is_not_suited(ct, tmp_path):
    ct.write(tmp_path / "one")
    ct.write(tmp_path / "two", PatientID="P2", **(OTHER | {"spacing_mm": 8.0}))
    _, decisions = ct.decide(tmp_path)
    assert reasons(decisions) == [Reason.MIXED_PATIENTS, Reason.TOO_THICK]
