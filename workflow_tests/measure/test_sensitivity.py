"""What a shift of level names does to the tables, on numbers that can be added by hand."""

import csv
import json

import pytest

from bonecast.measure.collect import ParticipantFiles
from bonecast.measure.columns import SCAN, names
from bonecast.measure.sensitivity import SENSITIVITY_COLUMNS, SHIFTS, renamed, sensitivity
from bonecast.measure.summaries import Vertebra

LEVELS = ["L1", "L2", "L3", "L4"]
SETTINGS = {
    "rois": ["hu_vol"],
    "summary_levels": LEVELS,
    "min_levels": 2,
    "level_shift": 0,
    "level_shift_scans": "ambiguous",
}
HU = {"T11": 170.0, "T12": 160.0, "L1": 150.0, "L2": 130.0, "L3": 120.0, "L4": 100.0, "L5": 90.0}


def vertebra(level, hu, included=True):
    values = {"mean_hu": hu, "sd_hu": 1.0, "included": included}
    return Vertebra(level, density={"hu_vol": values})


def write(folder, name, **naming) -> ParticipantFiles:
    """A participant measured at every level of HU."""
    home = folder / name
    home.mkdir()
    header = ["level", "roi", "mean_hu", "median_hu", "sd_hu", "included", "reason"]
    rows = [[level, "hu_vol", hu, hu, 1.0, "true", ""] for level, hu in HU.items()]
    for stem, lines in (("density", [header, *rows]), ("morphometry", [["level"]])):
        with (home / f"{stem}.tsv").open("w", newline="") as stream:
            csv.writer(stream, delimiter="\t", lineterminator="\n").writerows(lines)
    about = {"status": "ok", "level_state": "normal", "level_ambiguous": False, "level_shift": None}
    levels = {level: {"level_confidence": 0.94, "flags": []} for level in HU}
    levels["T11"]["flags"] = ["cut_by_border", "volume_jump"]
    about |= {"levels": levels} | naming
    (home / "segmentation.json").write_text(json.dumps(about))
    (home / "ct.json").write_text(json.dumps({"status": "ok"}))
    tables = {family: home / f"{family}.tsv" for family in ("density", "morphometry")}
    return ParticipantFiles(name, "a", home / "ct.json", home / "segmentation.json", tables)


@pytest.fixture
def cohort(tmp_path):
    return [
        write(tmp_path, "p1"),
        write(tmp_path, "p2", level_state="six_lumbar", level_ambiguous=True),
    ]


def test_each_shift_takes_the_levels_one_further():
    row = sensitivity({}, [vertebra(*item) for item in HU.items()], ["hu_vol"], LEVELS, 2)
    assert [*names(SCAN), *row] == list(names(SENSITIVITY_COLUMNS))
    assert row["hu_shift_0"] == (150 + 130 + 120 + 100) / 4
    assert row["hu_shift_plus1"] == (160 + 150 + 130 + 120) / 4
    assert row["hu_shift_minus1"] == (130 + 120 + 100 + 90) / 4
    assert row["largest_difference_hu"] == 15.0


def test_a_shift_that_leaves_too_few_levels_is_empty_not_zero():
    seen = [vertebra("L1", 150.0), vertebra("L2", 130.0)]
    row = sensitivity({}, seen, ["hu_vol"], LEVELS, 2)
    assert row["hu_shift_minus1"] is None and row["n_levels_shift_minus1"] == 1
    assert row["hu_shift_plus1"] == 140.0 and row["largest_difference_hu"] == 0.0
    alone = sensitivity({}, seen[:1], ["hu_vol"], LEVELS, 2)
    assert alone["largest_difference_hu"] is None


def test_supernumerary_levels_move_with_the_others():
    named = [vertebra(level, 1.0) for level in ("T12", "T13", "L1", "L5", "L6")]
    assert [v.level for v in renamed(named, 1)] == ["T13", "L1", "L2", "L6"]
    assert [v.level for v in renamed(named, -1)] == ["T11", "T12", "T13", "L4", "L5"]
    assert [v.level for v in named] == ["T12", "T13", "L1", "L5", "L6"], "the input is left alone"


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("scans", ["ambiguous", "all"])
def test_the_analysis_renames_the_scans_it_is_told_to(cohort, collected, shift, scans):
    tables = collected(cohort, SETTINGS | {"level_shift": shift, "level_shift_scans": scans})
    mean = {-1: 110.0, 0: 125.0, 1: 140.0}
    found = {row["participant_id"]: row for row in tables.scans.to_pylist()}
    assert found["p2"]["hu_vol_mean_l1l4_hu"] == mean[shift]
    assert found["p1"]["hu_vol_mean_l1l4_hu"] == mean[shift if scans == "all" else 0]
    assert found["p2"]["level_shift_analysis"] == shift
    rows = {row["participant_id"]: row for row in tables.sensitivity}
    assert rows["p1"]["hu_shift_0"] == rows["p2"]["hu_shift_0"] == 125.0


def test_names_and_their_flags_reach_the_tables(cohort, collected):
    tables = collected(cohort, SETTINGS | {"level_shift": 1})
    scans = tables.scans.to_pylist()
    assert [row["level_state"] for row in scans] == ["normal", "six_lumbar"]
    assert [row["level_ambiguous"] for row in scans] == [False, True]
    assert [row["levels_seen"] for row in scans] == ["T11-L5", "T12-L6"]
    rows = {(r["participant_id"], r["level"]): r for r in tables.vertebrae.to_pylist()}
    assert rows["p1", "T11"]["level_flags"] == "cut_by_border volume_jump"
    assert rows["p2", "T12"]["level_flags"] == "cut_by_border volume_jump"
    assert rows["p1", "L1"]["level_confidence"] == 0.94 and rows["p1", "L1"]["level_flags"] is None
