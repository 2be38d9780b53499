"""What is believed of voltage and contrast, and what is corrected by it."""

import pytest

from bonecast.measure.acquisition import Acquisition, corrected, corrections, describe
from bonecast.measure.contrast import Decision
from bonecast.measure.contrast_model import ModelPhase
from bonecast.measure.enhancement import Enhancement
from bonecast.reasons import Reason


def test_every_source_is_asked_and_kept():
    header = {"kvp": 120.0, "contrast_phase_header": "portal", "contrast_header_evidence": "delay"}
    venous = Enhancement(aorta_hu=150.0, portal_vein_hu=150.0, liver_hu=110.0)
    found = describe(header, "", venous, ModelPhase("predicted", 20.0)).facts()
    assert found == {
        "kvp": 120.0,
        "contrast_phase": "portal",
        "contrast_phase_source": "measured header",
        "contrast_phase_confidence": "moderate",
        "contrast_phase_measured": "portal",
        "contrast_phase_model": "arterial",
        "contrast_model_s": 20.0,
        "contrast_model_status": "predicted",
        "aorta_hu": 150.0,
        "vena_cava_hu": None,
        "portal_vein_hu": 150.0,
        "liver_hu": 110.0,
        "kidney_hu": None,
        "kidney_bright_hu": None,
        "acquisition_conflicts": "phase",
    }


def test_a_model_near_a_limit_contradicts_neither_side():
    """As in the Siemens test scan: 96 s by its header, venous by its vessels, 52 s by the model."""
    venous = Enhancement(aorta_hu=152.0, portal_vein_hu=138.0, liver_hu=93.0)
    found = describe({"contrast_phase_header": "portal"}, "", venous, ModelPhase("predicted", 51.8))
    assert (found.phase, found.contrast.sources) == ("portal", ("measured", "header"))
    assert (found.contrast.confidence, found.conflicts) == ("high", ())


@pytest.mark.parametrize(
    ("header", "table", "expected"),
    [(120.0, 100.0, ("kvp",)), (120.0, 120.0, ()), (None, 100.0, ()), (120.0, None, ())],
)
def test_the_voltage_of_the_table_is_believed_and_told(header, table, expected):
    found = describe({"kvp": header}, kvp=table)
    assert found.kvp == (table or header) and found.conflicts == expected


def test_conflicts_of_contrast_and_voltage_stand_together():
    header = {"kvp": 120.0, "contrast_phase_header": "arterial"}
    header["contrast_header_evidence"] = "description_arterial delay conflict"
    found = describe(header, "none", kvp=100.0)
    assert found.facts()["acquisition_conflicts"] == "contrast header kvp"


def test_an_unknown_phase_in_the_table_says_nothing():
    assert describe({}, "unknown", Enhancement(aorta_hu=45.0)).phase == "none"
    silent = describe({}, "unknown")
    assert (silent.phase, silent.contrast.confidence, silent.has_contrast) == (
        "unknown",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("phase", "contrast"), [("none", False), ("unknown", None), ("portal", True), ("other", True)]
)
def test_contrast_is_known_or_not(phase, contrast):
    assert Acquisition(contrast=Decision(phase)).has_contrast is contrast


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


def test_a_phase_of_low_confidence_is_not_corrected_for():
    doubtful = Acquisition(contrast=Decision("portal", ("model",), "low"))
    sure = Acquisition(contrast=Decision("portal", ("model",), "moderate"))
    assert (doubtful.phase_to_correct, sure.phase_to_correct) == ("unknown", "portal")


def test_nothing_is_corrected_unless_asked_for():
    assert corrected(120.0, "portal", corrections("none")) is None
    assert corrected(None, "portal", corrections("ruehling2022")) is None


def test_a_correction_can_be_written_in_the_config():
    block = {"portal": {"slope": 0.9, "intercept": -2.0, "source": "own scans"}}
    assert corrected(100.0, "portal", corrections(block)) == pytest.approx(88)
