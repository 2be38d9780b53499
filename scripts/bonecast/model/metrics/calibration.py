"""Whether predicted risks come true: Brier score, O/E and the calibration slope."""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from bonecast.model.metrics.resamples import Resamples, ratio

MAX_NEWTON_STEPS = 40
STEEPEST_SLOPE = 100.0
"""In units of one standard deviation: a slope beyond has no finite estimate."""

NEAREST_TO_CERTAIN = 1e-6
"""Predicted risks are kept this far from 0 and 1 before they are transformed."""


def calibration(risk: np.ndarray, resamples: Resamples, horizon: float) -> dict[str, np.ndarray]:
    """Brier score, its scaled form and O/E, one value per resample each.

    Brier with competing risk: Gerds and Schumacher, Biom J 2006;48:1029.

    Args:
        risk: predicted risks by the horizon, shape (repeats, patients).

    Returns:
        `brier`, `ipa`, `oe_ratio`, each of shape (1 + resamples,); NaN where nobody is followed
        to the horizon.
    """
    cases, controls = resamples.weights(horizon)
    patients = resamples.counts.sum(axis=1)
    # The score is linear in squared errors: averaging those first averages it over repeats.
    brier = cases @ ((1 - risk) ** 2).mean(axis=0) + controls @ (risk**2).mean(axis=0)
    brier = ratio(brier, patients)
    observed = ratio(cases.sum(axis=1), patients)
    null = cases.sum(axis=1) * (1 - observed) ** 2 + controls.sum(axis=1) * observed**2
    expected = ratio(resamples.counts @ risk.mean(axis=0), patients)
    return {
        "brier": brier,
        "ipa": 1 - ratio(brier, ratio(null, patients)),
        "oe_ratio": ratio(observed, expected),
    }


def integrated_brier(briers: Sequence[np.ndarray], horizons: Sequence[float]) -> np.ndarray:
    """Brier scores integrated from 0 to the last horizon and divided by it.

    Trapezoid rule over time 0, where nobody has fractured and the score is 0, and the horizons.

    Args:
        briers: one array per horizon, shape (1 + resamples,).
    """
    times = np.append(0.0, horizons)
    scores = np.stack([np.zeros_like(briers[0]), *briers])
    return np.trapezoid(scores, times, axis=0) / times[-1]


def cloglog(risk: np.ndarray) -> np.ndarray:
    """log(-log(1 - risk)): the linear predictor that a risk implies, but for a constant."""
    risk = np.clip(risk, NEAREST_TO_CERTAIN, 1 - NEAREST_TO_CERTAIN)
    return np.log(-np.log1p(-risk))


def logit(risk: np.ndarray) -> np.ndarray:
    """log(risk / (1 - risk))."""
    risk = np.clip(risk, NEAREST_TO_CERTAIN, 1 - NEAREST_TO_CERTAIN)
    return np.log(risk) - np.log1p(-risk)


def cox_slope(lp: np.ndarray, folds: np.ndarray, resamples: Resamples) -> np.ndarray:
    """Coefficient of a cause-specific Cox model of fracture on the linear predictor.

    Stratified by fold, as each fold's model has a baseline of its own; averaged over repeats.
    Efron ties. Resamples weigh patients by how often they were drawn, so that copies of a
    patient do not become ties.

    Args:
        lp: linear predictors of held-out patients, shape (repeats, patients).
        folds: fold of each patient, same shape.

    Returns:
        shape (1 + resamples,), NaN where the linear predictor does not vary among those at risk
        or separates the fractures.
    """
    by_repeat = []
    for values, fold in zip(lp, folds, strict=True):
        sd = values.std() if len(values) else 0.0
        if not sd > 1e-10:
            by_repeat.append(np.full(len(resamples.counts), np.nan))
            continue
        scaled = (values - values.mean()) / sd
        strata = [_Stratum(scaled, fold == number, resamples) for number in np.unique(fold)]
        by_repeat.append(_newton(strata, len(resamples.counts)) / sd)
    return np.mean(by_repeat, axis=0)


class _Stratum:
    """Weighted Efron partial likelihood of one column, for all resamples at once."""

    def __init__(self, values: np.ndarray, members: np.ndarray, resamples: Resamples):
        rows = np.flatnonzero(members)
        rows = rows[np.argsort(resamples.time[rows], kind="stable")]
        time = resamples.time[rows]
        self.x, self.weight = values[rows], resamples.counts[:, rows]
        self.event = np.flatnonzero(resamples.event[rows] == 1)
        moment = time[self.event]
        self.start = np.searchsorted(time, moment, side="left")
        _, self.first, self.tie = np.unique(moment, return_index=True, return_inverse=True)
        if len(moment):
            own = self.weight[:, self.event]
            drawn = (own > 0).astype(float)
            before = np.cumsum(drawn, axis=1) - drawn
            tied = np.add.reduceat(drawn, self.first, axis=1)[:, self.tie]
            rank = before - before[:, self.first][:, self.tie]
            self.share = rank / np.maximum(tied, 1)
            # Events tied at one time share their weights evenly, as in R's coxph.
            total = np.add.reduceat(own, self.first, axis=1)[:, self.tie]
            self.mean_weight = drawn * total / np.maximum(tied, 1)

    def derivatives(self, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient and information at one slope per resample, each (1 + resamples,)."""
        if not len(self.event):
            return np.zeros(len(slope)), np.zeros(len(slope))
        hazard = self.weight * np.exp(np.clip(slope[:, None] * self.x, -100, 100))
        sums = []
        for power in range(3):
            part = hazard * self.x**power
            at_risk = np.cumsum(part[:, ::-1], axis=1)[:, ::-1][:, self.start]
            tied = np.add.reduceat(part[:, self.event], self.first, axis=1)[:, self.tie]
            sums.append(at_risk - self.share * tied)
        weight = np.where(sums[0] > 0, self.mean_weight, 0.0)
        mean = np.divide(sums[1], sums[0], out=np.zeros_like(sums[1]), where=sums[0] > 0)
        square = np.divide(sums[2], sums[0], out=np.zeros_like(sums[2]), where=sums[0] > 0)
        gradient = self.weight[:, self.event] @ self.x[self.event] - (weight * mean).sum(axis=1)
        return gradient, (weight * (square - mean**2)).sum(axis=1)


def _newton(strata: Sequence[_Stratum], resamples: int) -> np.ndarray:
    slope = np.zeros(resamples)
    moved = np.full(resamples, np.inf)
    for _ in range(MAX_NEWTON_STEPS):
        gradient, information = np.sum([s.derivatives(slope) for s in strata], axis=0)
        step = np.divide(
            gradient, information, out=np.full(resamples, np.nan), where=information > 1e-10
        )
        moved = np.clip(step, -1.0, 1.0)
        slope = slope + moved
        if not (np.abs(moved) > 1e-10).any():
            break
    settled = (np.abs(moved) <= 1e-6) & (np.abs(slope) < STEEPEST_SLOPE)
    return np.where(settled, slope, np.nan)


def logistic_slope(risk: np.ndarray, event: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Coefficient of a logistic model of the diagnosis on logit(risk), averaged over repeats.

    Args:
        risk: predicted probabilities, shape (repeats, patients).
        event: diagnosed or not, shape (patients,).
        counts: how often each patient is in each resample, shape (1 + resamples, patients).

    Returns:
        shape (1 + resamples,), NaN where there is one class only or no variation.
    """
    by_repeat = []
    for values in logit(risk):
        slopes = [logistic(values[:, None], event, weight) for weight in counts]
        by_repeat.append([np.nan if model is None else model.coef_[0, 0] for model in slopes])
    return np.mean(by_repeat, axis=0)


def logistic(x: np.ndarray, event: np.ndarray, weight: np.ndarray) -> LogisticRegression | None:
    """Plain logistic regression; None where it has no finite solution.

    Args:
        x: shape (patients, columns).
        event: shape (patients,).
        weight: how often each patient counts, shape (patients,).
    """
    used = weight > 0
    x, event = x[used], event[used]
    if len(np.unique(event)) < 2 or not (np.ptp(x, axis=0) > 1e-10).all():
        return None
    centre, sd = x.mean(axis=0), x.std(axis=0)
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10)
    model.fit((x - centre) / sd, event, sample_weight=weight[used])
    if np.abs(model.coef_).max() > STEEPEST_SLOPE:
        return None
    model.coef_ = model.coef_ / sd
    model.intercept_ = model.intercept_ - model.coef_ @ centre
    return model
