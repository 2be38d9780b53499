"""Risks of new patients from a saved model."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bonecast.model.external import check_units
from bonecast.model.new_patients import admit_new
from bonecast.model.saved import ModelError, SavedBlock, SavedModel, needed_columns, usable_blocks

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


def predict_new(
    inputs: Mapping[str, str],
    saved: SavedModel,
    only: str | None,
    settings: Mapping,
    log: logging.Logger,
) -> pd.DataFrame:
    """Predictions of the patients of a table, or of measured scans.

    Args:
        inputs, settings: as of `new_patients.admit_new`.
        only: the block to predict with; None takes every block of which there are the columns.

    Returns:
        As `predict_risks`; everyone named in the tables is there.

    Raises:
        CohortError: lists every problem of the tables, by participant and column.
        ModelError: there is no block to predict with.
    """
    frame = admit_new(inputs, needed_columns(saved, only), settings)
    blocks, absent = usable_blocks(saved, frame.columns, only)
    for name, lacking in absent.items():
        log.warning("block %s is left out; no column %s", name, _listed(lacking))
    return predict_risks(frame, saved.horizons, blocks, log)


def predict_risks(
    frame: pd.DataFrame,
    horizons: Sequence[float],
    blocks: Mapping[str, SavedBlock],
    log: logging.Logger,
) -> pd.DataFrame:
    """Predictions of new patients, one row per patient, block and horizon.

    Args:
        frame: one row per patient: participant_id and features as numbers, NaN where missing.
        horizons: of the saved model.
        blocks: those of the model that predict.

    Returns:
        Columns `PREDICTED_COLUMNS`: `n_missing` counts terms of the model without value, which
        became the training median, `n_outside` those beyond the limits of the training patients,
        pulled in to them; `note` names both. A patient of whom no term is known has no
        prediction: it would be that of the average patient.
    """
    tables = []
    for name, block in blocks.items():
        try:
            check_units(block, frame)
        except ModelError as error:
            log.warning("block %s: %s", name, error)
        prediction = block.recipe.predict(block.patients(frame))
        terms, limits = block.terms(frame), block.limits()
        outside = terms.lt(limits["lower"], axis=1) | terms.gt(limits["upper"], axis=1)
        of_death = [c for c in block.death_features() if c not in terms]
        missing = terms.join(frame.reindex(columns=of_death)).isna()
        unknown = missing[terms.columns].all(axis=1).to_numpy() & (terms.shape[1] > 0)
        predicted = np.where(unknown[:, None], np.nan, prediction.predicted)
        group = pd.array(prediction.risk_group, dtype="Int64")
        group[unknown] = pd.NA
        marks = zip(missing.to_numpy(), outside.to_numpy(), unknown, strict=True)
        patients = pd.DataFrame(
            {
                "participant_id": frame["participant_id"].to_numpy(str),
                "block": name,
                "risk_group": group,
                "n_missing": missing.sum(axis=1).to_numpy(),
                "n_outside": outside.sum(axis=1).to_numpy(),
                "note": [_note(missing.columns[m], terms.columns[o], u) for m, o, u in marks],
            }
        )
        for position, horizon in enumerate(horizons or (np.nan,)):
            tables.append(patients.assign(horizon_years=horizon, predicted=predicted[:, position]))
        log.info("block %s: %d patients, %d without prediction", name, len(frame), unknown.sum())
    by_patient = pd.concat(tables).sort_index(kind="stable")
    return by_patient[PREDICTED_COLUMNS].reset_index(drop=True)


def _note(missing: Sequence[str], outside: Sequence[str], unknown: bool) -> str:
    if unknown:
        return "no feature of the model is known"
    parts = []
    if len(missing):
        parts.append(f"training median in place of: {_listed(missing)}")
    if len(outside):
        parts.append(f"beyond the training patients: {_listed(outside)}")
    return "; ".join(parts)


def _listed(columns: Sequence[str]) -> str:
    """Names, the first few of many."""
    named = ", ".join(columns[:MOST_NAMED])
    more = len(columns) - MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named
