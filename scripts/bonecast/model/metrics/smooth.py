"""Smooth calibration curves and the distances from them: ICI, E50, E90.

The observed risk is modelled as a smooth function of the predicted one. Survival: a restricted
cubic spline of cloglog(predicted) in a Fine-Gray model where deaths compete (Austin et al., Diagn
Progn Res 2022;6:2), in a Cox model where nobody died (Austin et al., Stat Med 2020;39:2714).
Diagnosis: the same spline of logit(predicted) in a logistic model. A number: in a linear one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from comprisk import FineGrayRegression

from bonecast.model.cox import EfronLikelihood, NotEstimable, fit_cox
from bonecast.model.metrics.calibration import cloglog, logistic, logit
from bonecast.model.metrics.resamples import Resamples

GRID_POINTS = 100
MIN_EVENTS_PER_GROUP = 10
MIN_EVENTS = 10
"""Fewer events, or patients without a diagnosis, carry no smooth curve."""

MAX_GROUPS = 10

Curve = Callable[[np.ndarray], np.ndarray]
"""Predicted risks, any number, to the observed ones."""


@dataclass(frozen=True)
class SmoothCalibration:
    """Smooth calibration at one horizon; arrays over resamples have the sample itself first.

    Attributes:
        ici, e50, e90: mean, median and 90th percentile of |observed - predicted| over patients,
            shape (1 + resamples,).
        grid: predicted values, shape (points,), from the 1st to the 99th percentile.
        observed: the curve on the grid, shape (1 + resamples, points).
    """

    ici: np.ndarray
    e50: np.ndarray
    e90: np.ndarray
    grid: np.ndarray
    observed: np.ndarray


def spline_knots(x: np.ndarray) -> np.ndarray:
    """Knots at the 10th, 50th and 90th percentile: Harrell's choice of three."""
    return np.quantile(x, [0.1, 0.5, 0.9])


def spline_basis(x: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Restricted cubic spline with three knots, linear beyond them, shape (patients, 2).

    Harrell, Regression Modeling Strategies, 2001, section 2.4.4. Where knots coincide, as few
    values were predicted, the straight line alone: shape (patients, 1).
    """
    first, middle, last = knots
    if not first < middle < last:
        return x[:, None]
    cubes = [np.maximum(x - knot, 0) ** 3 for knot in knots]
    bend = cubes[0] - cubes[1] * (last - first) / (last - middle)
    bend = bend + cubes[2] * (middle - first) / (last - middle)
    return np.column_stack([x, bend / (last - first) ** 2])


def survival_curve(
    risk: np.ndarray, time: np.ndarray, event: np.ndarray, horizon: float
) -> Curve | None:
    """The observed risk as a function of the predicted; None where it cannot be estimated.

    Args:
        risk: predicted by the horizon, shape (patients,).
        time, event: follow-up and 0/1/2, shape (patients,).
    """
    x = cloglog(risk)
    if (event == 1).sum() < MIN_EVENTS or np.ptp(x) < 1e-10:
        return None
    knots = spline_knots(x)
    basis = spline_basis(x, knots)
    centre, sd = basis.mean(axis=0), basis.std(axis=0)
    if not (sd > 0).all():
        return None
    scaled = (basis - centre) / sd

    def columns(values: np.ndarray) -> np.ndarray:
        return (spline_basis(cloglog(values), knots) - centre) / sd

    try:
        with np.errstate(all="ignore"):
            if (event == 2).any():
                model = FineGrayRegression().fit(scaled, time=time, event=event)
                if not np.isfinite(model.coef_).all():
                    return None
                return lambda v: model.predict_cumulative_incidence(columns(v), [horizon])[:, 0]
            likelihood = EfronLikelihood(time, event == 1)
            beta = fit_cox(scaled, time, event == 1, likelihood=likelihood).coefficients
    except (NotEstimable, ValueError, RuntimeError, np.linalg.LinAlgError):
        return None
    total = likelihood.baseline(scaled @ beta)[likelihood.times <= horizon].sum()
    return lambda values: -np.expm1(-total * np.exp(columns(values) @ beta))


def fine_gray_slope(risk: np.ndarray, resamples: Resamples) -> np.ndarray:
    """Coefficient of a Fine-Gray model of fracture on cloglog(risk), shape (1 + resamples,).

    The sample: averaged over repeats. Resamples: one repeat each, taken in turn.

    Args:
        risk: predicted by the last horizon, shape (repeats, patients).
    """
    marker = cloglog(risk)
    slopes = np.full(len(resamples.counts), np.nan)
    for row in range(len(slopes)):
        drawn = resamples.drawn(row)
        time, event = resamples.time[drawn], resamples.event[drawn]
        if not (event == 1).any():
            continue
        found = []
        for repeat in range(len(marker)) if row == 0 else [row % len(marker)]:
            values = marker[repeat, drawn]
            sd = values.std()
            if not sd > 1e-10:
                break
            with np.errstate(all="ignore"):
                model = FineGrayRegression(gtol=1e-8, max_iter=25)
                model.fit((values - values.mean())[:, None] / sd, time=time, event=event)
            found.append(model.coef_[0] / sd if model.converged_ else np.nan)
        else:
            slopes[row] = np.mean(found)
    return slopes


def diagnosis_curve(risk: np.ndarray, event: np.ndarray) -> Curve | None:
    """The observed probability of a diagnosis as a function of the predicted one, or None."""
    x = logit(risk)
    if min((event == 1).sum(), (event == 0).sum()) < MIN_EVENTS:
        return None
    knots = spline_knots(x)
    model = logistic(spline_basis(x, knots), event, np.ones(len(x)))
    if model is None:
        return None
    return lambda values: model.predict_proba(spline_basis(logit(values), knots))[:, 1]


def number_curve(predicted: np.ndarray, value: np.ndarray) -> Curve | None:
    """The observed number as a function of the predicted one, by least squares, or None."""
    if len(predicted) < 3 or not np.ptp(predicted) > 0:
        return None
    knots = spline_knots(predicted)

    def columns(values: np.ndarray) -> np.ndarray:
        basis = spline_basis(values, knots)
        return np.column_stack([np.ones(len(basis)), basis])

    coefficients, _, rank, _ = np.linalg.lstsq(columns(predicted), value, rcond=None)
    if rank < len(coefficients):
        return None
    return lambda values: columns(values) @ coefficients


def smooth_calibration(
    predicted: np.ndarray,
    resamples: Resamples,
    fit: Callable[[np.ndarray, np.ndarray], Curve | None],
) -> SmoothCalibration:
    """Curve and distances, averaged over repeats.

    The curve of a resample is fitted to one repeat, the repeats taken in turn: its interval
    holds the spread over repeats too, and costs a fit per resample instead of one per repeat.

    Args:
        predicted: shape (repeats, patients).
        fit: takes predicted values and positions of the patients they belong to, gives a curve.
    """
    repeats, patients = predicted.shape
    rows = len(resamples.counts)
    grid = (
        np.linspace(*np.quantile(predicted, [0.01, 0.99]), GRID_POINTS) if patients else np.zeros(0)
    )
    distances = np.full((rows, 3), np.nan)
    observed = np.full((rows, len(grid)), np.nan)
    for row in range(rows):
        drawn = resamples.drawn(row)
        found = []
        for repeat in range(repeats) if row == 0 else [row % repeats]:
            values = predicted[repeat, drawn]
            curve = fit(values, drawn)
            if curve is None:
                break
            distance = np.abs(curve(values) - values)
            summary = [distance.mean(), np.median(distance), np.quantile(distance, 0.9)]
            found.append((summary, curve(grid)))
        else:
            distances[row] = np.mean([summary for summary, _ in found], axis=0)
            observed[row] = np.mean([line for _, line in found], axis=0)
    return SmoothCalibration(*distances.T, grid, observed)


def groups_of(predicted: np.ndarray, events: int) -> np.ndarray:
    """Group of each patient by rank of prediction within a repeat, shape of `predicted`.

    Ten groups of equal size, or fewer so that each has about ten events; two at least.
    """
    groups = int(np.clip(events // MIN_EVENTS_PER_GROUP, 2, MAX_GROUPS))
    patients = predicted.shape[1]
    rank = np.argsort(np.argsort(predicted, axis=1, kind="stable"), axis=1, kind="stable")
    return rank * groups // max(patients, 1)
