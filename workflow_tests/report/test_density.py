"""What the report says of densities, counted by hand."""

import pandas as pd
import pytest

from bonecast.measure.contrast import CONFLICTS, SOURCES
from bonecast.report.density import (
    CONFLICT_WORDS,
    SOURCE_WORDS,
    contrast_doubts,
    density_facts,
)

SCANS = pd.DataFrame(
    {
        "status": ["ok", "ok", "ok", "ok", "excluded"],
        "vbmd_l1l2_mgcc": [70.0, 100.0, 130.0, None, None],
        "vbmd_l1l2_corrected_mgcc": [None, 82.5, None, None, None],
        "vbmd_standard": ["k2hpo4", "k2hpo4", "k2hpo4", None, None],
        "calibration_method": ["table", "table", "phantom", "table", "none"],
        "calibration_r2": [0.999, 0.998, 0.97, None, None],
        "calibration_drift_hu_per_year": [-0.5, -3.0, None, None, None],
        "calibration_flagged": [False, True, True, None, None],
        "vbmd_reason": [None, None, None, "calibration_date_gap", "scan_excluded"],
        "vbmd_class_qct": ["osteoporosis", "low", "normal", None, None],
        "participant_id": ["p1", "p2", "p3", "p4", "p5"],
        "contrast_phase": ["none", "portal", "none", "none", None],
        "contrast_phase_source": ["header", "measured model", "participants_table", None, None],
        "contrast_phase_confidence": ["moderate", "moderate", "low", "high", None],
        "contrast_phase_measured": [None, "portal", "portal", "none", None],
        "contrast_phase_model": [None, "portal", None, None, None],
        "contrast_phase_header": ["none", "none", None, "none", None],
        "aorta_hu": [None, 150.4, 149.6, 40.0, None],
        "acquisition_conflicts": [None, "contrast", "contrast kvp", None, None],
    }
)


def test_calibrations_reasons_and_classes_are_counted():
    facts = density_facts(SCANS)
    assert facts["quartiles"] == pytest.approx([85, 100, 115]) and facts["n"] == 3
    assert facts["classes"] == {"osteoporosis": 1, "low": 1, "normal": 1}
    phantom, table = facts["methods"]
    assert (table["n"], table["flagged"], table["drift"], table["r2"]) == (2, 1, -3.0, 0.998)
    assert (phantom["n"], phantom["flagged"], phantom["drift"]) == (1, 1, None)
    assert [(r["reason"], r["n"]) for r in facts["reasons"]] == [("calibration_date_gap", 1)]
    assert facts["phases"] == {"none": 3, "portal": 1} and facts["corrected"] == 1
    assert facts["confidences"] == {"moderate": 2, "low": 1, "high": 1}


def test_contradictions_are_listed_the_least_sure_first():
    least, other = contrast_doubts(SCANS)
    assert least == {
        "participant_id": "p3",
        "phase": "none",
        "confidence": "low",
        "sources": "participants table",
        "conflicts": "whether there is contrast medium, the tube voltage",
        "said": "measured attenuation: portal; aorta 150 HU",
    }
    assert (other["participant_id"], other["sources"]) == (
        *("p2", "measured attenuation, TotalSegmentator's model"),
    )
    assert other["said"] == (
        "measured attenuation: portal; TotalSegmentator's model: portal; header: none; aorta 150 HU"
    )
    assert set(CONFLICT_WORDS) == set(CONFLICTS) and set(SOURCE_WORDS) == set(SOURCES)


def test_without_images_or_calibration_there_is_little_to_say():
    assert density_facts(None) is None
    bare = SCANS.assign(vbmd_standard=None, vbmd_l1l2_mgcc=None, vbmd_class_qct=None)
    facts = density_facts(bare)
    assert facts["methods"] == [] and facts["quartiles"] is None and facts["classes"] == {}
