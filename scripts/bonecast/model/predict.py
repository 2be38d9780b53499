"""Risks of new patients from a saved model."""

import logging

import numpy as np
import pandas as pd

from bonecast.model.external import check_units
from bonecast.model.saved import ModelError, SavedModel, usable_blocks

PREDICTED_COLUMNS = [
    "participant_id",
    "block",
    "horizon_years",
    "predicted",
    "risk_group",
    "n_missing",
    "n_outside",
    "note",
]

MOST_NAMED = 5
"""Columns that a note names; the others are counted."""


def predict_risks(
    frame: pd.DataFrame, saved: SavedModel, only: str | None, log: logging.Logger
) -> pd.DataFrame:
    """Predictions of new patients, one row per patient, block and horizon.

    Args:
        frame: one row per patient: participant_id and features as numbers, NaN where missing.
        only: the block to predict with; None takes every block of which the table has columns.

    Returns:
        Columns `PREDICTED_COLUMNS`: `n_missing` counts used features that are empty and became
        the training median, `n_outside` those beyond the limits of the training patients, pulled
        in to them; `note` names both. A patient of whom no feature is known has no prediction.

    Raises:
        ModelError: no block can predict, see `usable_blocks`.
    """
    blocks, absent = usable_blocks(saved, frame, only)
    for name, columns in absent.items():
        log.warning("block %s is left out; no column %s", name, _listed(columns))
    horizons = saved.horizons or (np.nan,)
    tables = []
    for name, block in blocks.items():
        try:
            check_units(block, frame)
        except ModelError as error:
            log.warning("block %s: %s", name, error)
        prediction = block.recipe.predict(block.patients(frame))
        known = frame.reindex(columns=block.used()).notna()
        limits = block.limits()
        values = frame[limits.index]
        outside = values.lt(limits["lower"], axis=1) | values.gt(limits["upper"], axis=1)
        own = known[block.features()]
        unknown = (~own).all(axis=1).to_numpy() & (own.shape[1] > 0)
        predicted = np.where(unknown[:, None], np.nan, prediction.predicted)
        group = pd.array(prediction.risk_group, dtype="Int64")
        group[unknown] = pd.NA
        patients = pd.DataFrame(
            {
                "participant_id": frame["participant_id"].to_numpy(str),
                "block": name,
                "risk_group": group,
                "n_missing": (~known).sum(axis=1).to_numpy(),
                "n_outside": outside.sum(axis=1).to_numpy(),
                "note": [
                    _note(known.columns[~k], limits.index[o], u)
                    for k, o, u in zip(known.to_numpy(), outside.to_numpy(), unknown, strict=True)
                ],
            }
        )
        for position, horizon in enumerate(horizons):
            tables.append(patients.assign(horizon_years=horizon, predicted=predicted[:, position]))
        log.info("block %s: %d patients, %d without prediction", name, len(frame), unknown.sum())
    by_patient = pd.concat(tables).sort_index(kind="stable")
    return by_patient[PREDICTED_COLUMNS].reset_index(drop=True)


def _note(missing, outside, unknown: bool) -> str:
    if unknown:
        return "no feature of the model is known"
    parts = []
    if len(missing):
        parts.append(f"training median in place of: {_listed(missing)}")
    if len(outside):
        parts.append(f"beyond the training patients: {_listed(outside)}")
    return "; ".join(parts)


def _listed(columns) -> str:
    """Names, the first few of many."""
    named = ", ".join(columns[:MOST_NAMED])
    more = len(columns) - MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named
