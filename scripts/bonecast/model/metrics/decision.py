"""What a decision at a threshold of risk gains: net benefit, sensitivity, specificity."""

import numpy as np

from bonecast.model.metrics.resamples import Resamples, ratio

DECISION_THRESHOLDS = np.arange(1, 100) / 100
"""Thresholds of a decision curve."""


def net_benefit(
    risk: np.ndarray, resamples: Resamples, horizon: float, threshold: float
) -> np.ndarray:
    """Net benefit of treating everybody whose risk reaches a threshold, averaged over repeats.

    True positives less false ones at the odds of the threshold, per patient. The share of true
    positives is the Aalen-Johansen incidence among the positive, which allows for censoring and
    competing death: Vickers et al., BMC Med Inform Decis Mak 2008;8:53.

    Args:
        risk: predicted by the horizon, shape (repeats, patients).
        threshold: in 0..1.

    Returns:
        shape (1 + resamples,); 0 where nobody is positive, NaN where nobody is followed so long.
    """
    patients = resamples.counts.sum(axis=1)
    odds = threshold / (1 - threshold)
    total = np.zeros(len(patients))
    for values in risk:
        positive = values >= threshold
        if positive.any():
            share = ratio(resamples.counts @ positive, patients)
            fracturing = np.nan_to_num(resamples.incidence(horizon, positive))
            total += share * (fracturing - (1 - fracturing) * odds)
    return np.where(resamples.followed(horizon), total / len(risk), np.nan)


def net_benefit_of_all(resamples: Resamples, horizon: float, threshold: float) -> np.ndarray:
    """Net benefit of treating everybody, shape (1 + resamples,)."""
    fracturing = resamples.incidence(horizon)
    benefit = fracturing - (1 - fracturing) * threshold / (1 - threshold)
    return np.where(resamples.followed(horizon), benefit, np.nan)


def sensitivity_specificity(
    risk: np.ndarray, resamples: Resamples, horizon: float, threshold: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Shares of cases at or above, and of controls below, a threshold, averaged over repeats.

    Cases, controls and their weights are those of the AUC(t): Blanche et al., Stat Med
    2013;32:5381.

    Args:
        risk: predicted by the horizon, shape (repeats, patients).
        threshold: one for all, or of the fold that predicted, shape of `risk`.

    Returns:
        Two arrays of shape (1 + resamples,), NaN where there is no case or no control.
    """
    cases, controls = resamples.weights(horizon)
    positive = (risk >= threshold).mean(axis=0)
    sensitivity = ratio(cases @ positive, cases.sum(axis=1))
    specificity = ratio(controls @ (1 - positive), controls.sum(axis=1))
    # Sums in another order may pass 1 by a rounding error.
    return np.minimum(sensitivity, 1.0), np.minimum(specificity, 1.0)


def net_reclassification(
    risk: np.ndarray, base: np.ndarray, resamples: Resamples, horizon: float
) -> np.ndarray:
    """Category-free net reclassification from `base` to `risk`, averaged over repeats.

    Pencina, Stat Med 2011;30:11. It rewards miscalibrated and uninformative models, in
    independent data too (Kerr et al., Epidemiology 2014;25:114; Pepe et al., Stat Biosci
    2015;7:282): prefer differences of Brier score and net benefit.

    Args:
        risk, base: predicted by the horizon, shape (repeats, patients).
    """
    cases, controls = resamples.weights(horizon)
    moved = np.sign(risk - base).mean(axis=0)
    return ratio(cases @ moved, cases.sum(axis=1)) - ratio(controls @ moved, controls.sum(axis=1))
