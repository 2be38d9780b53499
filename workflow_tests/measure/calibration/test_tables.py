"""The user's tables: what is read, what is refused, which row a scan gets."""

import datetime
import json

import pytest

from bonecast.cohort import CohortError
from bonecast.measure.calibration.tables import (
    ScanKey,
    check_row_numbers,
    drift_hu_per_year,
    match,
    numbered,
    read_rods,
    read_scanner_table,
    row_facts,
)
from bonecast.reasons import Reason

HEADER = "scanner\tkvp\tkernel\tfirst_date\tlast_date\tslope\tintercept\tstandard\tr2\n"
TABLE = HEADER + (
    "SN100\t120\tBr40d\t2015-01-01\t2016-12-31\t0.80\t-2\tk2hpo4\t0.999\n"
    "SN100\t120\tBr40d\t2017-01-01\t2018-12-31\t0.82\t-2\tk2hpo4\t0.998\n"
    "SN100\t100\t\t2015-01-01\t\t0.68\t-1\tK2HPO4\t\n"
    "SN200\t\t\t\t\t0.90\t0\tk2hpo4\t\n"
    "SN300\t120\t\t2015-01-01\t2016-06-30\t0.80\t0\tk2hpo4\t\n"
    "SN300\t120\t\t2016-06-01\t2017-06-30\t0.80\t0\tk2hpo4\t\n"
)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "calibration.tsv"
    path.write_text(TABLE, encoding="utf-8")
    return read_scanner_table(path, "k2hpo4")


def key(scanner="SN100", kvp=120.0, kernel="Br40d", day="2016-05-05"):
    return ScanKey((scanner,), kvp, kernel, datetime.date.fromisoformat(day) if day else None)


@pytest.mark.parametrize(
    ("scan", "expected"),
    [
        (key(), 2),
        (key(day="2016-12-31"), 2),
        (key(day="2017-01-01"), 3),
        (key(scanner="sn100", kernel="BR40D"), 2),
        (key(kvp=100.0, kernel="other", day="2030-01-01"), 4),
        (key(scanner="SN200", kvp=None, kernel="", day=None), 5),
        (key(day="2014-12-31"), Reason.CALIBRATION_DATE_GAP),
        (key(day=None), Reason.CALIBRATION_DATE_GAP),
        (key(kernel="Br60"), Reason.CALIBRATION_NO_PROTOCOL),
        (key(kvp=140.0), Reason.CALIBRATION_NO_PROTOCOL),
        (key(scanner="SN999"), Reason.CALIBRATION_NO_SCANNER),
        (key(scanner="SN300", day="2016-06-15"), Reason.CALIBRATION_DATE_OVERLAP),
        (key(scanner="SN300", day="2016-07-01"), 7),
    ],
)
def test_a_scan_gets_the_row_that_holds(table, scan, expected):
    found = match(table, scan)
    assert (found if isinstance(expected, Reason) else found.number) == expected


def test_the_serial_number_is_asked_before_the_model(table):
    scan = ScanKey(("SN200", "SN100"), 120.0, "Br40d", datetime.date(2016, 5, 5))
    assert match(table, scan).number == 5


def test_a_row_can_be_named_by_its_number(table):
    assert numbered(table, 3).slope == 0.82
    assert numbered(table, 99) == Reason.CALIBRATION_NO_SCANNER


def test_row_numbers_beyond_the_table_are_listed_by_participant(table):
    check_row_numbers(table, {"p1": 2, "p2": 7, "p3": None})
    with pytest.raises(CohortError) as error:
        check_row_numbers(table, {"p1": 1, "p2": 3, "p3": 8})
    assert "p1: no row 1" in str(error.value) and "p3: no row 8" in str(error.value)
    assert "p2" not in str(error.value)


def test_drift_is_told_per_year(table):
    # 100 mg/cm3 was 127.5 HU and is 124.4 HU two years (731 days) later.
    expected = (102 / 0.82 - 102 / 0.80) / 731 * 365.25
    assert drift_hu_per_year(table) == {3: pytest.approx(expected), 7: 0}
    assert expected == pytest.approx(-1.55, abs=0.01)


@pytest.mark.parametrize(("limit", "beyond"), [(1.0, True), (2.29, False)])
def test_facts_of_a_match_name_no_scanner_and_no_day(table, limit, beyond):
    facts = row_facts(match(table, key(day="2018-03-04")), table, limit)
    assert facts["row"] == 3 and facts["drift_beyond_limit"] is beyond
    text = json.dumps(facts)
    for secret in ("SN100", "Br40d", "2017", "2018"):
        assert secret not in text


def test_facts_of_no_match_are_its_reason(table):
    assert row_facts(Reason.CALIBRATION_DATE_GAP, table, 2.29) == {
        "row": None,
        "reason": "calibration_date_gap",
    }


def test_every_problem_of_the_scanner_table_is_listed_without_quoting_it(tmp_path):
    path = tmp_path / "calibration.tsv"
    path.write_text(
        HEADER
        + "SN1\t120\t\t2019-13-01\t\t0.8\t0\tk2hpo4\t\n"
        + "SN1\t120\t\t2019-05-01\t2019-04-01\t-1\t0\tk2hpo4\t\n"
        + "\t12O\t\t\t\t0.8\t0\tcaha\t\n",
        encoding="utf-8",
    )
    with pytest.raises(CohortError) as error:
        read_scanner_table(path, "k2hpo4")
    text = str(error.value)
    for part in (
        "row 2: first_date is not a day",
        "row 3: last_date is before",
        "row 3: slope must be above 0",
        "row 4: scanner is empty",
        "row 4: kvp is not a number",
        "row 4: standard 'caha' is not 'k2hpo4'",
    ):
        assert part in text
    assert "SN1" not in text and "2019" not in text


def test_rods_are_read_by_participant(tmp_path):
    path = tmp_path / "rods.csv"
    path.write_text(
        "participant_id,rod,density_mgcc,mean_hu,x_mm,y_mm,z_mm,radius_mm\n"
        "p1,A,0,-3,,,,\np1,B,100,,10,-20,30,6\np2,A,0,1,,,,\n",
        encoding="utf-8",
    )
    rods = read_rods(path, "caha", ["p1", "p2"])
    assert list(rods) == ["p1", "p2"]
    assert rods["p1"][1] == {
        "rod": "B",
        "standard": "caha",
        "density_mgcc": 100.0,
        "water_mgcc": None,
        "mean_hu": None,
        "x_mm": 10.0,
        "y_mm": -20.0,
        "z_mm": 30.0,
        "radius_mm": 6.0,
    }


def test_every_problem_of_the_rods_is_listed(tmp_path):
    path = tmp_path / "rods.tsv"
    path.write_text(
        "participant_id\trod\tdensity_mgcc\twater_mgcc\tmean_hu\tx_mm\n"
        "p1\tA\t0\t1000\t5\t\n"
        "p1\tB\t\t\t\t3\n"
        "patient-3\tA\t0\t\t5\t\n",
        encoding="utf-8",
    )
    with pytest.raises(CohortError) as error:
        read_rods(path, "k2hpo4", ["p1", "patient-03"])
    unknown = "row 4: no participant patient-3 in this cohort; near it: patient-03"
    for part in ("row 3: density_mgcc is empty", "row 3: give mean_hu", "p1: water_mgcc", unknown):
        assert part in str(error.value)


def test_a_table_that_is_not_there_or_lacks_a_column_is_refused(tmp_path):
    with pytest.raises(CohortError, match="not found"):
        read_rods(tmp_path / "rods.tsv", "k2hpo4", [])
    (tmp_path / "rods.tsv").write_text("participant_id\trod\n", encoding="utf-8")
    with pytest.raises(CohortError, match="no column density_mgcc"):
        read_rods(tmp_path / "rods.tsv", "k2hpo4", [])
