"""What the report prints of the models, in words."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bonecast.report.model_facts import ModelFacts


def facts(kind, rows):
    shared = {"design": "repeated_nested_cv", "learner": "penalised", "n": 90, "events": 30}
    shared |= {"threshold": np.nan, "reference": ""}
    metrics = pd.DataFrame([shared | row for row in rows])
    metrics["lower"], metrics["upper"] = metrics["value"] - 0.1, metrics["value"] + 0.1
    settings = {"endpoint": "x", "kind": kind, "reference": "clinical"}
    return ModelFacts(Path("settings.json"), settings, metrics, pd.DataFrame())


@pytest.mark.parametrize("kind", ["binary", "continuous"])
def test_without_a_horizon_a_block_has_one_row_of_calibration(kind):
    names = {"binary": ["oe_ratio", "ici", "brier"], "continuous": ["bias", "calibration_slope"]}
    found = facts(
        kind,
        [
            {"block": block, "metric": name, "horizon_years": np.nan, "value": 1.0}
            for block in ("clinical", "hu")
            for name in names[kind]
        ],
    )
    rows = found.calibration_rows()
    assert [row["block"] for row in rows] == ["Clinical", "Density (HU)"]
    assert all(name in row for row in rows for name in names[kind])


def test_what_stands_for_the_whole_follow_up_is_beside_the_last_horizon():
    times = {"brier": (2.0, 5.0), "ibs": (np.nan,)}
    found = facts(
        "survival",
        [
            {"block": "hu", "metric": name, "horizon_years": t, "value": 0.2}
            for name, horizons in times.items()
            for t in horizons
        ],
    )
    first, last = found.calibration_rows()
    assert (first["horizon"], last["horizon"]) == (2, 5)
    assert "ibs" not in first and last["ibs"].startswith("0.200")
