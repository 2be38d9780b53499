"""A model of another cohort, judged on the patients of this one: nothing is learned from them."""

import logging
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from bonecast.model import EXTERNAL
from bonecast.model.designs import PREDICTION_COLUMNS
from bonecast.model.saved import ModelError, SavedBlock, SavedModel, usable_blocks
from bonecast.model.validate import Problem, tidy

FAR_FACTOR = 3.0
"""A median this many times beyond the limits of training is taken for another unit. The usual
mistakes are larger: m for cm (100), g for mg (1000), months for years (12)."""


def validate_external(
    frame: pd.DataFrame, features: Mapping, saved: SavedModel, log: logging.Logger
) -> tuple[pd.DataFrame, list[dict]]:
    """Predict this cohort's patients with another's models.

    Args:
        frame: the analysis set of this cohort.
        features: its features.json.

    Returns:
        Predictions with design `external` (columns: `designs.PREDICTION_COLUMNS`), at the
        horizons of this cohort within the model's follow-up; and a dict per block with design,
        repeat, fold, block, learner, selected, tuning and `left_out`: the columns this cohort
        lacks, in which case the block predicts nobody.

    Raises:
        ModelError: no block can predict, a column is in another unit, or no horizon is left.
    """
    if features["status"] != "ok":
        log.warning("nobody to judge the model on: %s", features["detail"])
        return pd.DataFrame(columns=PREDICTION_COLUMNS), []
    problem = Problem.of(frame, features, ())
    blocks, absent = usable_blocks(saved, frame.columns)
    horizons = _horizons(problem.horizons, saved, log)
    problem = replace(problem, horizons=horizons)
    everyone = np.ones(len(frame), dtype=bool)
    tables, facts = [], []
    for name, block in saved.blocks.items():
        named = {"design": EXTERNAL, "repeat": 1, "fold": 1}
        named |= {"block": name, "learner": saved.learner}
        selected = block.recipe.selected()
        fact = named | {"selected": selected, "tuning": block.recipe.fitted.tuning}
        facts.append(fact | {"left_out": absent.get(name, [])})
        if name not in blocks:
            log.warning("block %s is left out; no column %s", name, ", ".join(absent[name]))
            continue
        check_units(block, frame)
        prediction = predict_at(block, frame, horizons)
        tables.append(tidy(problem, everyone, prediction, named))
        log.info("block %s: %d patients predicted", name, len(frame))
    return pd.concat(tables, ignore_index=True), facts


def _horizons(wanted, saved: SavedModel, log) -> tuple[float, ...]:
    """Horizons of this cohort within the follow-up that the model learned from."""
    horizons = tuple(t for t in wanted if t <= saved.follow_up_years)
    beyond = [t for t in wanted if t not in horizons]
    if beyond:
        log.warning("beyond the model's %.2f years: %s years", saved.follow_up_years, beyond)
    if wanted and not horizons:
        raise ModelError(
            f"the model was learned from {saved.follow_up_years:.2f} years of follow-up, and the"
            f" horizons of this cohort are {list(wanted)} years: add an earlier one to"
            " model.horizons_years"
        )
    return horizons


def predict_at(block: SavedBlock, frame: pd.DataFrame, horizons: tuple[float, ...]):
    """A `recipe.Prediction` at other horizons than those the model was saved for.

    Risk groups are those of the saved horizons; thresholds are NaN where none was learned.
    """
    recipe, patients = block.recipe, block.patients(frame)
    known = dict(zip(recipe.horizons, recipe.threshold, strict=False))
    threshold = np.array([known.get(t, np.nan) for t in horizons]) if horizons else recipe.threshold
    elsewhere = replace(recipe, horizons=horizons, threshold=threshold).predict(patients)
    return replace(elsewhere, risk_group=recipe.predict(patients).risk_group)


def check_units(block: SavedBlock, frame: pd.DataFrame) -> None:
    """Refuse columns so far from the training limits that their unit must be another.

    The median is compared: as a ratio where limits are positive, else in widths of the limits.

    Raises:
        ModelError: lists the columns.
    """
    lines = []
    terms = block.terms(frame)
    for column, (lower, upper) in block.limits().iterrows():
        values = terms[column].dropna()
        if not len(values):
            continue
        median, width = float(values.median()), upper - lower
        low, high = lower - FAR_FACTOR * width, upper + FAR_FACTOR * width
        if lower > 0:
            low, high = lower / FAR_FACTOR, upper * FAR_FACTOR
        if not low <= median <= high:
            lines.append(
                f"{column}: median {median:g}, and the model learned from {lower:g} to {upper:g}"
            )
    if lines:
        raise ModelError("not in the unit of the model?\n  " + "\n  ".join(lines))
