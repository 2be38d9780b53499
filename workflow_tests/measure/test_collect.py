"""Collecting: hand-made participants, hand-computed summaries, everyone accounted for."""

import csv
import json
import time
import tracemalloc
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bonecast.measure.collect import FAMILIES, ParticipantFiles, collect
from bonecast.measure.composition.summary import Person
from bonecast.measure.morphometry.summary import SDI_LEVELS

SETTINGS = {
    "rois": ["hu_vol", "hu_circle200"],
    "summary_levels": ["L1", "L2", "L3", "L4"],
    "min_levels": 2,
    "level_shift": 0,
    "level_shift_scans": "ambiguous",
}
DENSITY = [
    "level",
    "roi",
    "mean_hu",
    "median_hu",
    "sd_hu",
    "n_voxels",
    "volume_mm3",
    "trimmed_mean_hu",
    "included",
    "reason",
]
MORPHOMETRY = [
    "level",
    "anterior_mm",
    "middle_mm",
    "posterior_mm",
    "wedge_ratio",
    "biconcave_ratio",
    "crush_ratio",
    "genant_grade",
    "genant_type",
    "included",
    "reason",
]
COMPOSITION = ["level", "region", "area_cm2", "density_hu", "method", "included", "reason"]
ALONE = {"session_id": None, "days": None, "baseline": True}
"""What the tables say of a participant with one scan."""
RADIOMICS = ["level", "included", "reason", "rad_stat_mean_q4le", "rad_cm_joint_entr_tu9b"]


def _table(path, header, rows):
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerows([header, *rows])


def _density(level, mean, included=True, reason=""):
    values = [mean, mean - 2, 30, 5000, 9000, mean - 1] if mean is not None else [""] * 6
    flag = "true" if included else "false"
    return [
        [level, "hu_vol", *values, flag, reason],
        [level, "hu_circle200", *(v + 10 if v != "" else "" for v in values), flag, reason],
    ]


def _shape(level, grade, included=True):
    low = {0: 0.98, 1: 0.78, 2: 0.7, 3: 0.5}[grade]
    kind = "wedge" if grade else "none"
    flag = "true" if included else "false"
    return [level, 28 * low, 27, 28, low, 0.96, 1.0, grade, kind, flag, ""]


def _participant(folder, name, density=(), shapes=(), radiomics=(), composition=(), **segmentation):
    home = folder / name
    home.mkdir()
    _table(home / "density.tsv", DENSITY, [row for pair in density for row in pair])
    _table(home / "morphometry.tsv", MORPHOMETRY, shapes)
    _table(home / "composition.tsv", COMPOSITION, composition)
    _table(home / "radiomics.tsv", RADIOMICS, radiomics)
    _table(home / "strength.tsv", ["level"], [])
    status = {"participant_id": name, "status": "ok", "levels": {}} | segmentation
    acquisition = {"kvp": 120.0, "kernel": "B40f", "slice_thickness_mm": 2.0, "model": "A"}
    ct = {"participant_id": name, "status": "ok", "acquisition": acquisition}
    if status["status"] != "ok":
        ct = {"participant_id": name, "status": "excluded"}
    (home / "segmentation.json").write_text(json.dumps(status))
    (home / "ct.json").write_text(json.dumps(ct))
    tables = {family: home / f"{family}.tsv" for family in FAMILIES}
    return ParticipantFiles(name, "a", home / "ct.json", home / "segmentation.json", tables)


@pytest.fixture
def cohort(tmp_path):
    """Three participants: fractured at L2; too few levels; nothing in the folder."""
    return [
        _participant(
            tmp_path,
            "p1",
            density=[
                _density("T12", 150.0),
                _density("L1", 140.0),
                _density("L2", 300.0, included=False, reason="deformed"),
                _density("L3", 100.0),
                _density("L4", None, included=False, reason="too_small"),
            ],
            shapes=[_shape("L1", 0), _shape("L2", 2), _shape("L3", 0), _shape("L5", 3)],
            radiomics=[
                ["L1", "true", "", 10, 1.0],
                ["L2", "false", "deformed", 99, 9.0],
                ["L3", "true", "", 20, ""],
                ["L4", "false", "too_small", "", ""],
            ],
            levels={"T12": {}, "L1": {}, "L2": {}, "L3": {}, "L4": {}},
        ),
        _participant(tmp_path, "p2", density=[_density("L1", 90.0), _density("T12", 80.0)]),
        _participant(
            tmp_path,
            "p3",
            status="excluded",
            stage="ingest",
            reason="empty_folder",
            detail="0 files",
        ),
    ]


def test_summaries_of_a_hand_made_scan(cohort, collected):
    row = collected(cohort, SETTINGS).scans.to_pylist()[0]
    assert row["status"] == "ok"
    # L2 is fractured and L4 too small: L1 and L3 remain.
    assert row["hu_vol_mean_l1l4_hu"] == 120.0
    assert row["hu_circle200_mean_l1l4_hu"] == 130.0
    assert row["hu_vol_min_hu"] == 100.0
    assert row["hu_vol_sd_l1l4_hu"] == 30.0
    assert (row["hu_vol_l1_or_nearest_hu"], row["hu_vol_l1_or_nearest_level"]) == (140.0, "L1")
    assert (row["hu_vol_mean_l1l3_hu"], row["hu_vol_levels"]) == (120.0, "L1 L3")
    assert (row["hu_circle200_l1_hu"], row["hu_circle200_l1_category"]) == (150.0, "135-160")
    assert (row["n_levels_hu"], row["hu_reason"]) == (2, None)
    # L5 lies below the levels of the spinal deformity index.
    assert (row["sdi"], row["n_levels_morphometry"]) == (2, 3)
    assert row["sdi_per_level"] == pytest.approx(2 / 3)
    assert (row["n_vertebral_fractures"], row["max_genant_grade"]) == (1, 2)
    assert row["min_height_ratio"] == 0.7
    # Median over L1 and L3; the second feature has one level only.
    assert row["rad_stat_mean_q4le"] == 15.0
    assert row["rad_cm_joint_entr_tu9b"] is None
    assert (row["levels_seen"], row["n_levels_seen"]) == ("T12-L4", 5)
    assert (row["kvp"], row["kernel"]) == (120.0, "B40f")


def test_density_and_strength_reach_the_tables(tmp_path, collected):
    one = _participant(tmp_path, "p1", density=[_density("L1", 140.0), _density("L2", 100.0)])
    head, *lines = one.tables["density"].read_text().splitlines()
    vbmd = {"L1": 110, "L2": 80}
    lines = [f"{head}\tmean_vbmd_mgcc", *(f"{line}\t{vbmd[line[:2]]}" for line in lines)]
    one.tables["density"].write_text("\n".join(lines) + "\n")
    strength = ["level", "ea_min_kn", "strength_index", "included", "reason"]
    rows = [["L1", 400, 2.5, "true", ""], ["L2", 300, 1.5, "true", ""]]
    _table(one.tables["strength"], strength, rows)
    facts = {"calibration_method": "table", "vbmd_standard": "k2hpo4", "reason": None}
    facts |= {"contrast_phase": "none", "kvp": 100.0}
    calibration = tmp_path / "calibration.json"
    calibration.write_text(json.dumps(facts))
    ct = json.loads(one.ct.read_text())
    ct["acquisition"]["kvp"] = None
    one.ct.write_text(json.dumps(ct))
    tables = collected([replace(one, calibration=calibration)], SETTINGS)
    (scan,) = tables.scans.to_pylist()
    assert (scan["vbmd_l1l2_mgcc"], scan["vbmd_class_qct"]) == (95, "low")
    assert (scan["ea_weakest_kn"], scan["strength_index_l1l4"]) == (300, 2)
    assert (scan["calibration_method"], scan["kvp"]) == ("table", 100)
    l1 = tables.vertebrae.to_pylist()[0]
    assert (l1["hu_vol_mean_vbmd_mgcc"], l1["ea_min_kn"], l1["strength_included"]) == (
        110,
        400,
        True,
    )


def test_texture_switched_off_is_empty_and_not_zero(cohort, collected):
    on = collected(cohort, SETTINGS).scans.to_pylist()
    found = [(row["n_levels_radiomics"], row["radiomics_reason"]) for row in on]
    assert found == [(2, None), (0, "too_few_levels"), (0, "too_few_levels")]
    for one in cohort:
        del one.tables["radiomics"]
    off = collected(cohort, SETTINGS).scans
    assert off["n_levels_radiomics"].to_pylist() == [None] * 3


def test_sex_and_voltage_of_the_participants_table_come_first(tmp_path, collected):
    shape = ["L3", "muscle", 130, 36, "masks", "true", ""]
    one = _participant(tmp_path, "p1", composition=[shape])
    ct = json.loads(one.ct.read_text())
    ct["acquisition"]["patient_sex"] = "F"
    one.ct.write_text(json.dumps(ct))
    calibration = tmp_path / "calibration.json"
    calibration.write_text(json.dumps({"kvp": 100.0, "calibration_method": "none"}))
    told = replace(one, person=Person("M"))
    three = [one, told, replace(told, calibration=calibration)]
    rows = collected(three, SETTINGS).scans.to_pylist()
    assert [row["patient_sex"] for row in rows] == ["F", "M", "M"]
    # 130 cm2 is enough for a woman, 36 HU for neither limit but hers.
    assert [row["low_sma_derstine"] for row in rows] == [False, True, True]
    assert [row["low_smd_derstine"] for row in rows] == [False, True, None]
    assert rows[2]["limits_reason"] == "kvp_not_120"


def test_a_fractured_level_keeps_its_values_and_says_why_they_are_unused(cohort, collected):
    rows = {
        (row["participant_id"], row["level"]): row
        for row in collected(cohort, SETTINGS).vertebrae.to_pylist()
    }
    l2 = rows["p1", "L2"]
    assert l2["hu_vol_mean_hu"] == 300.0
    assert (l2["hu_vol_included"], l2["hu_vol_reason"]) == (False, "deformed")
    assert (l2["radiomics_included"], l2["radiomics_reason"]) == (False, "deformed")
    assert rows["p1", "L4"]["hu_vol_reason"] == "too_small"
    assert rows["p1", "L4"]["hu_vol_mean_hu"] is None
    assert list(rows) == [
        *(("p1", level) for level in ("T12", "L1", "L2", "L3", "L4", "L5")),
        *(("p2", level) for level in ("T12", "L1")),
    ]


def test_everyone_is_accounted_for(cohort, collected):
    tables = collected(cohort, SETTINGS)
    assert tables.scans["participant_id"].to_pylist() == ["p1", "p2", "p3"]
    assert tables.exclusions == [
        {
            "participant_id": "p2",
            **ALONE,
            "stage": "measure",
            "reason": "too_few_levels",
            "detail": "1 of L1 to L4, at least 2 needed",
        },
        {
            "participant_id": "p3",
            **ALONE,
            "stage": "ingest",
            "reason": "empty_folder",
            "detail": "0 files",
        },
    ]
    p2, p3 = tables.scans.to_pylist()[1:]
    assert (p2["status"], p2["reason"], p2["hu_vol_mean_l1l4_hu"]) == (
        "excluded",
        "too_few_levels",
        None,
    )
    assert p2["hu_vol_l1_or_nearest_hu"] == 90.0
    assert (p3["status"], p3["stage"], p3["n_levels_seen"]) == ("excluded", "ingest", 0)


def test_dictionary_names_every_column_once(cohort, collected):
    tables = collected(cohort, SETTINGS)
    listed = [(row["table"], row["column"]) for row in tables.dictionary]
    assert len(listed) == len(set(listed))
    assert [c for t, c in listed if t == "scans"] == tables.scans.column_names
    assert [c for t, c in listed if t == "vertebrae"] == tables.vertebrae.column_names
    rules = {row["column"]: row for row in tables.dictionary if row["table"] == "scans"}
    assert rules["hu_vol_mean_l1l4_hu"]["block"] == "hu"
    assert "at least 2" in rules["hu_vol_mean_l1l4_hu"]["definition"]
    assert rules["rad_stat_mean_q4le"]["block"] == "radiomics"
    assert rules["sdi"]["block"] == "morphometry"
    assert all(row["definition"] for row in tables.dictionary)


def test_files_written_read_back(cohort, tmp_path, collected):
    tables = collected(cohort, SETTINGS)
    with (tmp_path / "tables" / "scans.tsv").open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert list(rows[0]) == tables.scans.column_names
    assert [row["hu_vol_min_hu"] for row in rows] == ["100", "", ""]
    with (tmp_path / "tables" / "vertebrae.tsv").open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert list(rows[0]) == tables.vertebrae.column_names
    assert [row["level"] for row in rows] == tables.vertebrae["level"].to_pylist()
    with (tmp_path / "tables" / "exclusions.tsv").open(newline="") as stream:
        read = list(csv.DictReader(stream, delimiter="\t"))
    assert [(row["days"], row["baseline"]) for row in read] == [("", "true")] * 2


def test_it_does_not_matter_how_many_are_held_at_a_time(cohort, tmp_path):
    """Bytes of text and types and values of Parquet: by one, two, and all in one piece."""
    names = ("vertebrae", "scans", "exclusions", "level_sensitivity")
    said = []
    for chunk in (1, 2, 99):
        folder = tmp_path / f"by{chunk}"
        folder.mkdir()
        found = collect([*cohort, *cohort[:2]], SETTINGS, folder, said.append, chunk)
        assert (found.scans, found.vertebrae, found.exclusions) == (5, 16, 3)
        for name in names:
            assert (folder / f"{name}.tsv").read_bytes() == (
                tmp_path / f"by1/{name}.tsv"
            ).read_bytes()
        for name in names[:2]:
            here, first = (
                pq.ParquetFile(f / f"{name}.parquet") for f in (folder, tmp_path / "by1")
            )
            assert here.read().equals(first.read(), check_metadata=True)
    groups = pq.ParquetFile(tmp_path / "by2/scans.parquet")
    assert [groups.metadata.row_group(i).num_rows for i in range(groups.num_row_groups)] == [
        2,
        2,
        1,
    ]
    assert said[5:8] == ["2 of 5 scans", "4 of 5 scans", "5 of 5 scans"]


def test_memory_does_not_grow_with_the_cohort(cohort, tmp_path):
    """What waits to be written is of one chunk: six times the scans take no more."""
    python, arrow = [], []
    for n in (8, 8, 48):  # the first warms up
        of_tables = []
        tracemalloc.start()
        try:
            people, before = [cohort[0]] * n, pa.total_allocated_bytes()

            def look(words, kept=of_tables):
                kept.append(pa.total_allocated_bytes())

            collect(people, SETTINGS, tmp_path, look, chunk=8)
            python.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        arrow.append(max(of_tables) - before)
    assert python[2] < 1.5 * python[1]
    assert arrow[2] < 1.05 * arrow[1]


@pytest.fixture
def visits(tmp_path):
    """Two visits of p1, the second left out, and p2 whose image is that of the first visit."""
    bone = {"density": [_density("L1", 120.0), _density("L2", 110.0), _density("L3", 90.0)]}
    lost = {"status": "excluded", "stage": "ingest", "reason": "empty_folder", "detail": ""}
    first, second, other = (
        _participant(tmp_path, name, **about)
        for name, about in (("p1_ses-1", bone), ("p1_ses-2", lost), ("p2", bone))
    )
    first = replace(first, participant_id="p1", session_id="1", days=0.0)
    second = replace(second, participant_id="p1", session_id="2", days=365.0, baseline=False)
    for files, facts in ((first, {"volume_digest": "ab"}), (other, {"volume_digest": "ab"})):
        files.ct.write_text(json.dumps(json.loads(files.ct.read_text()) | facts))
    return [first, second, other]


def test_every_row_says_which_session_it_is_of(visits, collected):
    tables = collected(visits, SETTINGS)
    keys = ("participant_id", "session_id", "days", "baseline")
    of_scans = [tuple(row[key] for key in keys) for row in tables.scans.to_pylist()]
    first, second, other = ("p1", "1", 0, True), ("p1", "2", 365, False), ("p2", "", None, True)
    assert of_scans == [first, second, other]
    of_vertebrae = [tuple(row[key] for key in keys) for row in tables.vertebrae.to_pylist()]
    assert of_vertebrae == [first] * 3 + [other] * 3
    assert [tuple(row[key] for key in keys) for row in tables.exclusions] == [second]
    assert [(row["participant_id"], row["session_id"]) for row in tables.sensitivity] == [
        ("p1", "1"),
        ("p2", None),
    ]


def test_the_same_image_under_two_participants_is_told(visits, collected):
    same = collected(visits, SETTINGS).scans["same_scan_as"].to_pylist()
    assert same == [None, None, "p1_ses-1"]


def test_days_within_the_files_add_to_those_of_the_table(visits, collected):
    facts = json.loads(visits[0].ct.read_text())
    facts["acquisition"]["days_offset"] = 30
    visits[0].ct.write_text(json.dumps(facts))
    tables = collected(visits, SETTINGS)
    assert tables.scans["days"].to_pylist() == [30, 365, None]
    assert set(tables.vertebrae["days"].to_pylist()) == {30, None}


def test_an_impossible_value_is_named(cohort, collected):
    _table(cohort[0].tables["density"], DENSITY, _density("L1", -5000.0))
    with pytest.raises(ValueError, match=r"p1 L1 hu_vol_mean_hu = -5000.*-1024 to 32767"):
        collected(cohort, SETTINGS)


def test_metal_and_cement_stop_no_cohort(tmp_path, collected):
    bright = _density("L1", 9000.0, included=False, reason="metal")
    one = _participant(tmp_path, "p", density=[bright, _density("L2", 110.0), _density("L3", 90.0)])
    rows = {row["level"]: row for row in collected([one], SETTINGS).vertebrae.to_pylist()}
    assert rows["L1"]["hu_vol_mean_hu"] == 9000 and rows["L1"]["hu_vol_reason"] == "metal"


def test_a_cohort_without_a_single_scan_still_has_tables(cohort, collected, tmp_path):
    tables = collected(cohort[2:], SETTINGS)
    assert tables.vertebrae.num_rows == 0
    assert tables.scans.num_rows == 1
    header = (tmp_path / "tables" / "vertebrae.tsv").read_text()
    assert header.splitlines() == ["\t".join(f'"{name}"' for name in tables.vertebrae.column_names)]


def test_different_feature_sets_are_refused(cohort, collected):
    _table(cohort[1].tables["radiomics"], [*RADIOMICS[:3], "other"], [["L1", "true", "", 1]])
    with pytest.raises(ValueError, match="radiomics.tsv of p2"):
        collected(cohort, SETTINGS)


def test_deformity_index_levels():
    assert SDI_LEVELS[0] == "T4" and SDI_LEVELS[-1] == "L4" and len(SDI_LEVELS) == 13


def test_many_participants_are_collected_quickly(cohort, collected):
    start = time.perf_counter()
    tables = collected([cohort[0]] * 600, SETTINGS)
    assert tables.scans.num_rows == 600 and tables.vertebrae.num_rows == 3600
    assert time.perf_counter() - start < 10, "ten times what it takes on an idle machine"
