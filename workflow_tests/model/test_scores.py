"""Scores that were computed elsewhere beside the models' predictions."""

import pandas as pd

from bonecast.model.designs import PREDICTION_COLUMNS
from bonecast.model.metrics import with_scores


def test_a_score_that_is_low_where_the_risk_is_high_is_turned():
    frame = pd.DataFrame({"participant_id": ["P1", "P2"], "t": [-3.0, 0.5], "frax": [20.0, 4.0]})
    held_out = pd.DataFrame({"participant_id": ["P1", "P2"], "design": "temporal", "repeat": 1})
    predictions = held_out.reindex(columns=PREDICTION_COLUMNS).assign(block="clinical")
    table = with_scores(frame, predictions, ["t", "frax"], ["t"])
    lp = table.set_index(["block", "participant_id"])["lp"]
    assert lp["t"].to_dict() == {"P1": 3.0, "P2": -0.5}
    assert lp["frax"].to_dict() == {"P1": 20.0, "P2": 4.0}
