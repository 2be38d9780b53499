"""The threshold of a prediction that parts the training patients best."""

from collections.abc import Sequence

import numpy as np
from sksurv.nonparametric import kaplan_meier_estimator

from bonecast.model.outcome import CONTINUOUS, SURVIVAL, Outcome

ROUNDING = 1e-12
"""Differences this small between sums of shares are none."""


def youden_thresholds(
    predicted: np.ndarray, outcome: Outcome, horizons: Sequence[float]
) -> np.ndarray:
    """Threshold with the largest sensitivity + specificity - 1 (Youden, Cancer 1950;3:32).

    Args:
        predicted: risks or probabilities of the patients, shape (patients, columns): one column
            per horizon, or one.

    Returns:
        shape (columns,): halfway between the lowest prediction called positive and the highest
        called negative; of equally good ones the more sensitive. NaN for a number, and where
        there are no cases, no controls or no difference in predictions.
    """
    if outcome.kind == CONTINUOUS:
        return np.full(predicted.shape[1], np.nan)
    if outcome.kind == SURVIVAL:
        weights = [case_weights(outcome.time, outcome.event, horizon) for horizon in horizons]
    else:
        weights = [(outcome.value == 1, outcome.value == 0)]
    return np.array([_best(column, *w) for column, w in zip(predicted.T, weights, strict=True)])


def case_weights(
    time: np.ndarray, event: np.ndarray, horizon: float
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of cases and controls at a horizon, by inverse probability of censoring.

    A case fractured by the horizon; a control was alive without fracture at it, or had died
    before. Patients censored earlier weigh nothing: the others stand for them (Blanche et al.,
    Stat Med 2013;32:5381).

    Args:
        time, event: follow-up and 0/1/2, shape (patients,).

    Returns:
        Two arrays of shape (patients,).
    """
    knots, survival = kaplan_meier_estimator(event > 0, time, reverse=True)
    steps = np.concatenate([[1.0], survival])
    before = steps[np.searchsorted(knots, time, side="left")]
    at_horizon = steps[np.searchsorted(knots, horizon, side="right")]
    own, common = (
        np.divide(1.0, left, out=np.zeros_like(left), where=left > 0)
        for left in (before, np.asarray(at_horizon))
    )
    by_horizon = time <= horizon
    cases = np.where(by_horizon & (event == 1), own, 0.0)
    died = np.where(by_horizon & (event == 2), own, 0.0)
    return cases, died + np.where(by_horizon, 0.0, common)


def _best(predicted, cases, controls) -> float:
    known = (cases > 0) | (controls > 0)
    cases, controls = cases[known], controls[known]
    values, rank = np.unique(predicted[known], return_inverse=True)
    if len(values) < 2 or not cases.sum() or not controls.sum():
        return np.nan
    at_case = np.bincount(rank, weights=cases, minlength=len(values)) / cases.sum()
    at_control = np.bincount(rank, weights=controls, minlength=len(values)) / controls.sum()
    missed, spared = np.cumsum(at_case)[:-1], np.cumsum(at_control)[:-1]
    gain = spared - missed
    best = int(np.argmax(gain > gain.max() - ROUNDING))
    return float((values[best] + values[best + 1]) / 2)
