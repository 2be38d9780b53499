"""Held-out forecasts of one block as figures draw them: one row per patient."""

from pathlib import Path

import pandas as pd

from bonecast.report.comparison import Comparison

MEASURES = ("predicted", "risk_group", "time_years", "event", "outcome")
KEYS = ("participant_id", "design", "block", "learner", "horizon_years")


def headline_people(
    path: str | Path, compared: Comparison
) -> tuple[pd.DataFrame, dict[str, object]]:
    """Forecasts of the headline block and primary learner, averaged over the repeats.

    Args:
        path: predictions.parquet. Where the headline block has no rows, the last configured block
            that has some stands for it.

    Returns:
        One row per patient at the longest horizon: participant_id, predicted (mean over repeats),
        risk_group (of the first repeat: a median over repeats empties some groups), time_years,
        event, outcome. And what was chosen: block, design, learner, horizon_years. Empty where no
        model was fitted.
    """
    candidates = [compared.headline, *reversed(compared.blocks)]
    rows = pd.DataFrame(columns=[*KEYS, *MEASURES])
    for block in dict.fromkeys(candidates):
        # The whole table may be millions of rows: only this block's are read.
        found = pd.read_parquet(path, columns=[*KEYS, *MEASURES], filters=[("block", "==", block)])
        if not found.empty:
            rows = found
            break
    about: dict[str, object] = {"block": compared.headline, "design": "", "learner": ""}
    about["horizon_years"] = None
    if rows.empty:
        return rows[["participant_id", *MEASURES]], about
    rows = compared.at_last_horizon(compared.primary(rows))
    about |= {name: rows[name].iloc[0] for name in ("block", "design", "learner")}
    if compared.kind == "survival":
        about["horizon_years"] = float(rows["horizon_years"].iloc[0])
    people = rows.groupby("participant_id", as_index=False).agg(
        predicted=("predicted", "mean"),
        risk_group=("risk_group", "first"),
        time_years=("time_years", "first"),
        event=("event", "first"),
        outcome=("outcome", "first"),
    )
    people["risk_group"] = people["risk_group"].astype(float)
    return people, about
