"""Scores that the user computed elsewhere, in the form of held-out predictions."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bonecast.model import SUPPLIED


def with_scores(
    frame: pd.DataFrame,
    predictions: pd.DataFrame,
    scores: Sequence[str],
    reversed_scores: Sequence[str] = (),
) -> pd.DataFrame:
    """Predictions with rows of every score, on the same patients and folds in every design.

    Args:
        frame: analysis set, with a column per score.
        predictions: of the models (columns: `designs.PREDICTION_COLUMNS`).
        scores: columns; one without any value is left out. The score itself is the linear
            predictor; it is no risk, so `predicted` is NaN.
        reversed_scores: those of which a low value means a high risk, such as a T-score: the
            linear predictor is their negative.
    """
    by_patient = frame.set_index("participant_id")
    tables = [predictions]
    for _, rows in predictions.groupby("design", sort=False):
        places = rows.drop_duplicates(["participant_id", "repeat", "horizon_years"])
        for score in scores:
            values = places["participant_id"].map(by_patient[score]).to_numpy(float)
            values = -values if score in reversed_scores else values
            if np.isfinite(values).any():
                given = {"block": score, "learner": SUPPLIED, "lp": values}
                nothing = {"predicted": np.nan, "threshold": np.nan, "risk_group": pd.NA}
                tables.append(places.assign(**given, **nothing))
    table = pd.concat(tables, ignore_index=True)
    return table.astype({"risk_group": "Int64"}) if "risk_group" in table else table
