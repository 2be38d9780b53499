"""Everything found is counted once, and every reason says what can be done about it."""

import runpy

import pytest

from bonecast.ledger import (
    LEDGER_COLUMNS,
    Fate,
    count,
    file_fates,
    read_series,
    scan_fates,
    series_fates,
    vertebra_fates,
)
from bonecast.reasons import SENTENCES, Reason
from bonecast.remedies import REMEDIES

HEADER = "series\tchosen\treason\tfiles\n"
FIRST = HEADER + "S01\tfalse\tlocalizer\t0-1\nS02\ttrue\t\t2-11\n\tfalse\tno_readable_image\t12\n"
SECOND = HEADER + "S01\tfalse\tlocalizer\t0\n"


@pytest.fixture
def rows(tmp_path):
    tables = {}
    for name, text in {"P1": FIRST, "P2": SECOND}.items():
        tables[name] = tmp_path / f"{name}.tsv"
        tables[name].write_text(text, encoding="utf-8")
    return read_series(tables)


def test_every_reason_has_a_sentence_and_a_remedy():
    assert set(SENTENCES) == set(REMEDIES) == set(Reason)
    for text in (*SENTENCES.values(), *REMEDIES.values()):
        assert text.endswith("."), text


def test_rows_carry_their_scan(rows):
    assert [row["scan"] for row in rows] == ["P1", "P1", "P1", "P2"]


def test_series_and_files_each_have_one_fate(rows):
    assert series_fates(rows) == [
        Fate("ingest", "localizer"),
        Fate(),
        Fate("ingest", "localizer"),
    ]
    fates = file_fates(rows)
    assert len(fates) == 14
    assert fates.count(Fate()) == 10
    assert fates.count(Fate("ingest", "no_readable_image")) == 1


def test_counts_add_up_to_what_was_found(rows):
    fates = {
        "file": file_fates(rows),
        "series": series_fates(rows),
        "scan": scan_fates(
            ["P1", "P2"], [{"scan": "P2", "stage": "ingest", "reason": "no_axial_ct"}]
        ),
        "vertebra": vertebra_fates([None, "metal", "metal"]),
    }
    ledger = count(fates)
    assert all(tuple(row) == LEDGER_COLUMNS for row in ledger)
    for unit, found in fates.items():
        assert sum(row["n"] for row in ledger if row["unit"] == unit) == len(found)
    metal = next(row for row in ledger if row["reason"] == "metal")
    assert (metal["n"], metal["sentence"]) == (2, Reason.METAL.sentence)
    assert next(row["n"] for row in ledger if row["fate"] == "measured") == 1


def test_a_scan_is_excluded_once_and_only_from_its_cohort():
    row = {"scan": "P1", "stage": "ingest", "reason": "no_input"}
    with pytest.raises(ValueError, match="P1"):
        scan_fates(["P2"], [row])
    with pytest.raises(ValueError, match="twice"):
        scan_fates(["P1"], [row, row])


def test_a_reason_outside_the_vocabulary_is_refused():
    with pytest.raises(ValueError, match="bad_luck"):
        count({"scan": [Fate("ingest", "bad_luck")]})


def test_the_page_of_reasons_is_made_from_the_vocabulary(repo):
    page = runpy.run_path(str(repo / "docs" / "reasons.py"))["page"]
    written = (repo / "docs" / "reasons.md").read_text(encoding="utf-8")
    assert written == page(), "run: .venv/bin/python docs/reasons.py"
