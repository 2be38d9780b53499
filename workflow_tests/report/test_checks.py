"""What the report asks a reader to check."""

import json
from pathlib import Path

import pandas as pd
import pytest

from bonecast.measure.columns import names
from bonecast.measure.outliers import OUTLIER_COLUMNS, REFERENCE_COLUMNS
from bonecast.measure.tables import write_table
from bonecast.report.checks import read_checks
from bonecast.report.page import MAX_THUMBNAILS, _chosen


@pytest.fixture
def tables(tmp_path):
    """A small body and the levels it was compared with."""
    row = {"participant_id": "D001", "level": "L2", "quantity": "volume", "value": 9000.4}
    row |= {"unit": "mm3", "expected": 27000.0, "robust_z": -9.31, "n_scans": 36, "genant_grade": 0}
    write_table([row], OUTLIER_COLUMNS, tmp_path / "outliers.tsv")
    levels = [
        dict.fromkeys(names(REFERENCE_COLUMNS))
        | {"level": level, "quantity": "volume", "n_scans": n, "compared": n >= 10}
        for level, n in (("L1", 36), ("L2", 35), ("T4", 3))
    ]
    write_table(levels, REFERENCE_COLUMNS, tmp_path / "reference.tsv")
    return tmp_path / "outliers.tsv", tmp_path / "reference.tsv"


def write(tmp_path, name, **about):
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps({"participant_id": name, "status": "ok", "flags": []} | about))
    return path


def test_warnings_outliers_and_corrections_are_gathered(tmp_path, tables):
    paths = [
        write(tmp_path, "D001"),
        write(tmp_path, "D002", flags=["Six lumbar vertebrae."]),
        write(tmp_path, "D003", correction={"edited": ["L3"]}),
        write(tmp_path, "D004", status="excluded", detail="holds 99", correction={"mask": {}}),
        write(tmp_path, "D005"),
    ]
    checks = read_checks(paths, *tables)
    assert checks.to_check == {"D001", "D002", "D004"}
    assert checks.warned == [{"participant_id": "D002", "text": "Six lumbar vertebrae."}]
    assert checks.corrected == [
        {"participant_id": "D003", "text": "L3 edited", "used": True},
        {"participant_id": "D004", "text": "holds 99", "used": False},
    ]
    assert (checks.n_compared, checks.fewest) == (71, 35)
    outlier = checks.outliers[0]
    assert (outlier["value"], outlier["expected"], outlier["z"]) == (
        "9,000 mm³",
        "27,000 mm³",
        "\N{MINUS SIGN}9.3",
    )


def test_a_scan_that_is_there_twice_is_to_be_checked(tmp_path, tables):
    scans = pd.DataFrame(
        [
            ("a", "1", None),
            ("a", "2", "a_ses-1"),
            ("b", "", "a_ses-1"),
            ("c", "", None),
        ],
        columns=["participant_id", "session_id", "same_scan_as"],
    )
    checks = read_checks([write(tmp_path, "c")], None, None, scans)
    assert checks.same == [
        {"participant_id": "a_ses-2", "other": "a_ses-1", "own": True},
        {"participant_id": "b", "other": "a_ses-1", "own": False},
    ]
    assert checks.to_check == {"a_ses-2", "b"}
    assert read_checks([], None, None, scans.iloc[[3]]).same == []


def test_interpolated_scans_are_named(tmp_path, tables):
    rows = [("a", "2", "tilt of 12.0 degrees"), ("b", "", None), ("c", "", "1 missing slice")]
    scans = pd.DataFrame(rows, columns=["participant_id", "session_id", "ct_resampled"])
    checks = read_checks([write(tmp_path, "c")], None, None, scans)
    assert checks.resampled == [
        {"participant_id": "a_ses-2", "text": "tilt of 12.0 degrees"},
        {"participant_id": "c", "text": "1 missing slice"},
    ]
    assert checks.to_check == set()


def test_an_outlier_is_named_by_its_scan(tmp_path, tables):
    text = tables[0].read_text().replace("D001\t\t", "D001\t02\t")
    tables[0].write_text(text)
    assert read_checks([], *tables).to_check == {"D001_ses-02"}


def test_pictures_to_be_checked_get_half_the_room():
    paths = [Path(f"{i:04d}/qc.png") for i in range(500)]
    first = {f"{i:04d}" for i in range(100, 300)}
    chosen, others = _chosen(paths, first)
    assert len(chosen) == MAX_THUMBNAILS // 2
    assert 0 < len(others) <= MAX_THUMBNAILS // 2
    few = _chosen(paths[:40], {"0003"})
    assert [p.parent.name for p in few[0]] == ["0003"] and len(few[1]) == 39
