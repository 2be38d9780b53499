"""Everything found is counted once, and every reason says what can be done about it."""

import runpy
from collections import Counter

import pytest

from bonecast.dicom.table import COLUMNS
from bonecast.measure.columns import SCAN, names
from bonecast.measure.ledger import (
    Fate,
    counted,
    ledger_rows,
    read_series,
    scan_fates,
    vertebra_fates,
)
from bonecast.measure.ledger_columns import LEDGER_COLUMNS, SERIES_COLUMNS
from bonecast.reasons import SENTENCES, Reason
from bonecast.remedies import REMEDIES

HEADER = "series\tchosen\treason\tfiles\tcopies\n"
FIRST = HEADER + (
    "S01\tfalse\tlocalizer\t0-1\t0\nS02\ttrue\t\t2-11\t3\n\tfalse\tno_readable_image\t12\t\n"
)
SECOND = HEADER + "S01\tfalse\tlocalizer\t0\t0\n"
SCANS = [{"participant_id": "P1", "session_id": ""}, {"participant_id": "P1", "session_id": "2"}]


@pytest.fixture
def rows(tmp_path):
    tables = [tmp_path / "a.tsv", tmp_path / "b.tsv"]
    for path, text in zip(tables, (FIRST, SECOND), strict=True):
        path.write_text(text, encoding="utf-8")
    return list(read_series(SCANS, tables))


def test_every_reason_has_a_sentence_and_a_remedy():
    assert set(SENTENCES) == set(REMEDIES) == set(Reason)
    for text in (*SENTENCES.values(), *REMEDIES.values()):
        assert text.endswith("."), text


def test_rows_carry_their_scan(rows):
    assert [row["session_id"] for row in rows] == ["", "", "", "2"]


def test_series_and_files_each_have_one_fate(rows):
    series, files = Counter(), Counter()
    assert list(counted(rows, series, files)) == rows
    assert series == {Fate("ingest", "localizer"): 2, Fate(): 1}
    assert files == {
        Fate(): 10,
        Fate("ingest", "localizer"): 3,
        Fate("ingest", "no_readable_image"): 1,
        Fate("ingest", "copy"): 3,
    }


def test_counts_add_up_to_what_was_found(rows):
    series, files = Counter(), Counter()
    assert len(list(counted(rows, series, files))) == 4
    fates = {
        "file": files,
        "series": series,
        "scan": scan_fates(SCANS, [SCANS[1] | {"stage": "ingest", "reason": "no_axial_ct"}]),
        "vertebra": vertebra_fates([None, "metal", "metal"]),
    }
    ledger = ledger_rows(fates)
    assert all(tuple(row) == names(LEDGER_COLUMNS) for row in ledger)
    for unit, found in fates.items():
        assert sum(row["n"] for row in ledger if row["unit"] == unit) == found.total()
    metal = next(row for row in ledger if row["reason"] == "metal")
    assert (metal["n"], metal["sentence"]) == (2, Reason.METAL.sentence)
    assert next(row["n"] for row in ledger if row["fate"] == "measured") == 1


def test_a_scan_is_excluded_once_and_only_from_its_cohort():
    row = SCANS[1] | {"stage": "ingest", "reason": "no_input"}
    with pytest.raises(ValueError, match="P1_ses-2"):
        scan_fates(SCANS[:1], [row])
    with pytest.raises(ValueError, match="twice"):
        scan_fates(SCANS, [row, row])


def test_a_reason_outside_the_vocabulary_is_refused():
    with pytest.raises(ValueError, match="bad_luck"):
        ledger_rows({"scan": Counter([Fate("ingest", "bad_luck")])})


def test_the_page_of_reasons_is_made_from_the_vocabulary(repo):
    page = runpy.run_path(str(repo / "docs" / "reasons.py"))["page"]
    written = (repo / "docs" / "reasons.md").read_text(encoding="utf-8")
    assert written == page(), "run: .venv/bin/python docs/reasons.py"


def test_columns_of_series_are_declared_as_the_table_of_each_scan_has_them():
    assert names(SERIES_COLUMNS) == (*names(SCAN), *COLUMNS)
