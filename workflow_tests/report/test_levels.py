"""The report's section on level names: scans to look at, and what a shift would change."""

import json

import pandas as pd
import pytest

from bonecast.level_states import LevelFlag, LevelState
from bonecast.report.levels import LOOK, level_facts
from bonecast.report.tables import read_table


@pytest.fixture(scope="module")
def facts(results):
    scans = pd.read_parquet(results.path("tables/scans.parquet"))
    table = read_table(results.path("tables/level_sensitivity.tsv"))
    return level_facts(results.segmentations, table, scans)


def test_scans_are_counted_by_state(facts):
    assert facts.n_scans == 36 and facts.n_ambiguous == 1
    counts = {row["state"]: row["n"] for row in facts.states}
    assert counts == {"normal": 34, "six_lumbar": 1, "four_lumbar": 1}
    assert facts.unchecked_sides == 36


def test_ambiguous_scans_come_first_with_why_and_what_to_do(facts):
    rows = {row["participant_id"]: row for row in facts.rows}
    assert [*rows] == ["D005", "D006", "D007"]
    assert LevelState.SIX_LUMBAR.sentence in rows["D005"]["sentences"][0]
    assert rows["D005"]["sentences"][0].endswith("T11 has ribs.")
    assert "level_shift" in rows["D005"]["advice"]
    assert rows["D006"]["advice"] == "" and rows["D006"]["shift"] == -1
    assert LevelFlag.ISLANDS_DROPPED.sentence in rows["D007"]["sentences"]
    assert rows["D007"]["advice"] == LOOK


def test_what_a_shift_changes_is_that_of_the_table(facts, results):
    table = pd.read_csv(results.path("tables/level_sensitivity.tsv"), sep="\t")
    assert len(table) == 36
    assert facts.median_hu == pytest.approx(table["largest_difference_hu"].median())
    assert facts.largest_hu == pytest.approx(table["largest_difference_hu"].max())
    # The made-up density falls by 4 HU a level, with noise.
    assert 2 < facts.median_hu < 9


def test_flags_of_vertebrae_are_grouped_and_border_cuts_are_not_listed(tmp_path):
    def write(name, flags):
        levels = {
            level: {"level_confidence": 0.7, "flags": found} for level, found in flags.items()
        }
        about = {"participant_id": name, "status": "ok", "levels": levels}
        about |= {"level_state": "named_by_mask", "level_detail": "", "level_ambiguous": False}
        about |= {"level_shift": None, "level_scan_flags": [], "left_right": "as_expected"}
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(about))
        return path

    paths = [
        write("p1", {"L1": ["gap", "cut_by_border"], "L3": ["gap"]}),
        write("p2", {"L1": ["cut_by_border"], "L2": []}),
    ]
    change = pd.DataFrame({"participant_id": ["p1", "p2"], "largest_difference_hu": [None, None]})
    scans = pd.DataFrame({"level_shift_analysis": [0, 0]})
    facts = level_facts(paths, change, scans)
    assert [row["participant_id"] for row in facts.rows] == ["p1"]
    assert f"L1, L3: {LevelFlag.GAP.sentence}" in facts.rows[0]["sentences"]
    assert facts.median_hu is None and facts.unchecked_sides == 0


def test_a_shifted_analysis_says_so(results):
    table = read_table(results.path("tables/level_sensitivity.tsv"))
    scans = pd.DataFrame({"level_shift_analysis": [0, 1, 1, None]})
    assert level_facts(results.segmentations, table, scans).shifted == (2, 1)
