"""What settings.json tells of a study."""

import numpy as np
import pandas as pd

from bonecast.model.designs import PREDICTION_COLUMNS
from bonecast.model.facts import study_facts


def facts(status: str, held_out: list[str]) -> dict:
    frame = pd.DataFrame(
        {
            "participant_id": ["P1", "P2", "P3"],
            "time_years": [1.0, 2.0, 3.0],
            "event": [0, 1, 2],
            "age_years": [60.0, np.nan, 70.0],
        }
    )
    predictions = pd.DataFrame({"participant_id": held_out}).reindex(columns=PREDICTION_COLUMNS)
    predictions = predictions.assign(design="repeated_nested_cv", fold=1, repeat=1)
    features = {
        "status": status,
        "detail": "",
        "endpoint": "fracture",
        "kind": "survival",
        "reference": "clinical",
        "blocks": {"clinical": ["age_years"]},
        "scores": [],
        "death_columns": ["age_years"],
        "horizons_years": [2],
        "horizons_dropped_years": [],
        "warnings": ["one of the table"],
    }
    settings = {
        "designs": ["repeated_nested_cv", "temporal"],
        "learners": ["penalised"],
        "blocks": ["clinical"],
        "thresholds": [0.1],
        **dict.fromkeys(("folds", "repeats", "inner_folds", "seed", "bootstrap"), 2),
    }
    return study_facts(frame, features, predictions, settings)


def test_a_design_that_held_nobody_out_is_a_warning():
    told = facts("ok", ["P1", "P2", "P3"])
    assert [design["patients_held_out"] for design in told["designs"]] == [3, 0]
    first, second = told["warnings"]
    assert first == "one of the table"
    assert second.startswith("design temporal: nobody could be held out")


def test_without_models_no_design_is_blamed():
    assert facts("not_fitted", [])["warnings"] == ["one of the table"]
