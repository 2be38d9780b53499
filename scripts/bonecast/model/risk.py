"""Absolute risk of one event when another competes, from two cause-specific Cox models."""

from dataclasses import dataclass

import numpy as np

from bonecast.model.cox import EfronLikelihood

ROWS_AT_ONCE = 2000
"""Patients per block: bounds memory to this times the number of event times."""


@dataclass(frozen=True)
class BaselineHazards:
    """Baseline hazards of both causes on one time axis.

    Attributes:
        times: distinct times of either event, ascending, shape (times,).
        fracture: jumps of the cumulative baseline hazard of fracture, shape (times,).
        death: the same of death.
    """

    times: np.ndarray
    fracture: np.ndarray
    death: np.ndarray


def baseline_hazards(
    time: np.ndarray, event: np.ndarray, lp_fracture: np.ndarray, lp_death: np.ndarray
) -> BaselineHazards:
    """Efron baseline hazards of fracture (event 1) and death (event 2).

    Args:
        time, event: follow-up and 0/1/2, shape (patients,).
        lp_fracture, lp_death: linear predictors of the same patients.
    """
    times = np.unique(time[event > 0])
    jumps = []
    for code, lp in ((1, lp_fracture), (2, lp_death)):
        likelihood = EfronLikelihood(time, event == code)
        hazard = np.zeros(len(times))
        hazard[np.searchsorted(times, likelihood.times)] = likelihood.baseline(lp)
        jumps.append(hazard)
    return BaselineHazards(times, *jumps)


def absolute_risk(
    baseline: BaselineHazards,
    lp_fracture: np.ndarray,
    lp_death: np.ndarray,
    horizons: np.ndarray,
) -> np.ndarray:
    """Cumulative incidence of fracture by each horizon, by product limit.

    F(t) = sum over s <= t of S(s-) dH1(s), S(s) = product of (1 - dH1 - dH2): Benichou and Gail,
    Biometrics 1990;46:813; the same as riskRegression::CSC with `product.limit = TRUE`.

    Args:
        lp_fracture, lp_death: linear predictors, shape (patients,).
        horizons: times, shape (horizons,), in the unit of the baseline.

    Returns:
        Risks in 0..1, shape (patients, horizons).
    """
    horizons = np.asarray(horizons, dtype=float)
    used = baseline.times <= horizons.max(initial=0.0)
    times, fracture, death = (
        part[used] for part in (baseline.times, baseline.fracture, baseline.death)
    )
    position = np.searchsorted(times, horizons, side="right")
    risks = np.zeros((len(lp_fracture), len(horizons)))
    for first in range(0, len(lp_fracture), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        jump = np.exp(lp_fracture[rows])[:, None] * fracture
        # In the last, small risk sets a jump can exceed 1: nobody dies more than once.
        jump = np.minimum(jump, 1.0)
        leave = np.minimum(jump + np.exp(lp_death[rows])[:, None] * death, 1.0)
        free = np.cumprod(1 - leave, axis=1)
        free_before = np.hstack([np.ones((len(free), 1)), free[:, :-1]])
        incidence = np.cumsum(free_before * jump, axis=1)
        risks[rows] = np.hstack([np.zeros((len(free), 1)), incidence])[:, position]
    return risks
