"""What is believed of voltage and contrast, and what is corrected by it."""

import pytest

from bonecast.cohort import CONTRAST_PHASES
from bonecast.measure.acquisition import PHASES, Acquisition, corrected, corrections, describe
from bonecast.reasons import Reason


def test_phases_are_those_of_the_participants_table():
    assert PHASES == CONTRAST_PHASES


@pytest.mark.parametrize(
    ("header", "phase", "aorta", "expected"),
    [
        (True, "arterial", 30.0, ("arterial", "participants_table")),
        (True, "", 30.0, ("none", "aorta_hu")),
        (False, "", 150.0, ("other", "aorta_hu")),
        (True, "", None, ("other", "header")),
        (False, "unknown", None, ("none", "header")),
        (None, "", None, ("unknown", "")),
    ],
)
def test_the_surest_source_tells_the_phase(header, phase, aorta, expected):
    found = describe({"kvp": 120.0, "contrast_header": header}, phase, aorta)
    assert (found.phase, found.phase_source) == expected


@pytest.mark.parametrize(
    ("header", "phase", "aorta", "kvp", "expected"),
    [
        (None, "none", 150.0, None, "contrast"),
        (True, "none", None, None, "contrast"),
        (True, "none", 150.0, 100.0, "contrast kvp"),
        (False, "none", 60.0, 120.0, None),
        (None, "portal", 60.0, None, "contrast"),
        (True, "other", 30.0, None, "contrast"),
        (False, "arterial", 150.0, None, None),
        (False, "arterial", None, None, None),
        (True, "", 30.0, 100.0, "kvp"),
        (True, "unknown", 30.0, None, None),
    ],
)
def test_what_the_table_says_against_the_scan_is_told(header, phase, aorta, kvp, expected):
    found = describe({"kvp": 120.0, "contrast_header": header}, phase, aorta, kvp)
    assert found.facts()["acquisition_conflicts"] == expected
    assert found.kvp == (kvp or 120.0)
    silent = describe({"kvp": None, "contrast_header": None}, phase, None, kvp)
    assert silent.conflicts == () and silent.kvp == kvp


@pytest.mark.parametrize(
    ("phase", "contrast"), [("none", False), ("unknown", None), ("portal", True), ("other", True)]
)
def test_contrast_is_known_or_not(phase, contrast):
    assert Acquisition(phase=phase).has_contrast is contrast


@pytest.mark.parametrize(
    ("kvp", "reason"), [(120.0, None), (100.0, Reason.KVP_NOT_120), (None, Reason.KVP_UNKNOWN)]
)
def test_thresholds_hold_at_120_kv(kvp, reason):
    assert Acquisition(kvp).why_no_hu_threshold() == reason


@pytest.mark.parametrize(
    ("phase", "expected"),
    [("none", 120), ("portal", 102.5), ("arterial", 114.32), ("other", None), ("unknown", None)],
)
def test_the_shipped_correction_takes_off_a_mean(phase, expected):
    assert corrected(120.0, phase, corrections("ruehling2022")) == pytest.approx(expected)


def test_nothing_is_corrected_unless_asked_for():
    assert corrected(120.0, "portal", corrections("none")) is None
    assert corrected(None, "portal", corrections("ruehling2022")) is None


def test_a_correction_can_be_written_in_the_config():
    block = {"portal": {"slope": 0.9, "intercept": -2.0, "source": "own scans"}}
    assert corrected(100.0, "portal", corrections(block)) == pytest.approx(88)
