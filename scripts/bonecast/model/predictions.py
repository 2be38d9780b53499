"""The table of predictions that every design writes and every judgement reads."""

PREDICTION_COLUMNS = [
    "participant_id",
    "endpoint",
    "design",
    "block",
    "learner",
    "repeat",
    "fold",
    "horizon_years",
    "lp",
    "predicted",
    "threshold",
    "risk_group",
    "time_years",
    "event",
    "outcome",
]
"""One row per patient, design, block, learner, repeat and horizon."""
