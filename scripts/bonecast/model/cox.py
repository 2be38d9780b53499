"""Cox regression with Efron ties, its baseline hazard, and a fast held-out likelihood.

scikit-survival fits the elastic-net path; this module adds what it does not give: standard
errors, an Efron baseline hazard (its Breslow baseline moves absolute risks by 1e-4), and the
score of a whole penalty path at once.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

MAX_NEWTON_STEPS = 50
TOLERANCE = 1e-11
"""Relative change of the penalised log-likelihood at which Newton's method stops."""


class NotEstimable(Exception):
    """A Cox model without a finite solution, and why."""


@dataclass(frozen=True)
class CoxFit:
    """A fitted Cox model.

    Attributes:
        coefficients: log hazard ratios, shape (columns,).
        covariance: inverse of the (penalised) information, shape (columns, columns).
        log_likelihood: Efron partial log-likelihood at the solution, without the penalty.
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    log_likelihood: float


class EfronLikelihood:
    """The partial likelihood of one sample, with Efron's treatment of tied event times.

    Efron, J Am Stat Assoc 1977;72:557. The l-th of d events tied at one time sees the risk set
    less the share l/d of the tied patients' own hazard.

    Args:
        time: follow-up, shape (patients,), any unit.
        event: whether the follow-up ended in the event, shape (patients,).
    """

    def __init__(self, time: np.ndarray, event: np.ndarray):
        self.order = np.argsort(time, kind="stable")
        self._time = np.asarray(time, dtype=float)[self.order]
        self._event = np.flatnonzero(np.asarray(event, dtype=bool)[self.order])
        event_time = self._time[self._event]
        self.times, self._first, self._tie = np.unique(
            event_time, return_index=True, return_inverse=True
        )
        """Distinct event times, ascending."""
        at_time = np.bincount(self._tie, minlength=len(self.times))
        rank = np.arange(len(event_time)) - self._first[self._tie]
        self._share = rank / at_time[self._tie] if len(event_time) else rank.astype(float)
        self._start = np.searchsorted(self._time, event_time, side="left")

    @cached_property
    def n_events(self) -> int:
        return len(self._event)

    def _denominators(self, weight: np.ndarray) -> np.ndarray:
        """Efron's risk-set sums, one per event, from exp(lp) in time order."""
        risk_set = np.cumsum(weight[::-1])[::-1][self._start]
        tied = np.bincount(self._tie, weights=weight[self._event])[self._tie]
        return risk_set - self._share * tied

    def baseline(self, linear_predictor: np.ndarray) -> np.ndarray:
        """Jumps of the baseline cumulative hazard at `times`.

        Args:
            linear_predictor: shape (patients,), in the order the sample was given.
        """
        if not self.n_events:
            return np.zeros(0)
        weight = np.exp(linear_predictor[self.order])
        return np.bincount(self._tie, weights=1 / self._denominators(weight))

    def value(self, linear_predictor: np.ndarray) -> float:
        """Partial log-likelihood of a linear predictor, shape (patients,)."""
        lp = linear_predictor[self.order]
        shift = lp.max()
        denominators = self._denominators(np.exp(lp - shift))
        return float((lp[self._event] - shift).sum() - np.log(denominators).sum())

    def derivatives(self, x: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient, shape (columns,), and information, shape (columns, columns).

        Args:
            x: features in time order (`x[likelihood.order]`), shape (patients, columns).
        """
        lp = x @ beta
        weight = np.exp(lp - lp.max())
        inverse = 1 / self._denominators(weight)
        weighted = weight[:, None] * x
        own = weighted[self._event]
        tied = np.add.reduceat(own, self._first, axis=0)[self._tie]
        sums = np.cumsum(weighted[::-1], axis=0)[::-1][self._start] - self._share[:, None] * tied
        means = sums * inverse[:, None]
        gradient = x[self._event].sum(axis=0) - means.sum(axis=0)
        # Each patient's total weight over all the risk sets that hold them: one product replaces
        # a sum of outer products per event.
        times_at_risk = np.cumsum(np.bincount(self._start, weights=inverse, minlength=len(x)))
        shared = np.bincount(self._tie, weights=self._share * inverse)
        times_at_risk[self._event] -= shared[self._tie]
        information = x.T @ (weighted * times_at_risk[:, None]) - means.T @ means
        return gradient, information


def fit_cox(
    x: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    ridge: float = 0.0,
    start: np.ndarray | None = None,
    likelihood: EfronLikelihood | None = None,
) -> CoxFit:
    """Fit a Cox model by Newton's method.

    Args:
        x: features, shape (patients, columns), no missing values.
        time: follow-up, shape (patients,).
        event: event indicator, shape (patients,).
        ridge: penalty `ridge / 2 * sum(beta**2)` subtracted from the log-likelihood.
        start: first guess of the coefficients.
        likelihood: that of (time, event), when the caller fits several models to one sample.

    Raises:
        NotEstimable: no event, a singular information matrix, or a likelihood that keeps
            rising (a column that separates the events perfectly).
    """
    likelihood = likelihood or EfronLikelihood(time, event)
    if not likelihood.n_events:
        raise NotEstimable("no event")
    if not x.shape[1]:
        empty = np.zeros((0, 0))
        return CoxFit(np.zeros(0), empty, likelihood.value(np.zeros(len(x))))
    centre = x.mean(axis=0)
    x = x - centre
    ordered = x[likelihood.order]
    beta = np.zeros(x.shape[1]) if start is None else start.copy()

    def objective(candidate: np.ndarray) -> float:
        return likelihood.value(x @ candidate) - ridge / 2 * float(candidate @ candidate)

    current = objective(beta)
    for _ in range(MAX_NEWTON_STEPS):
        gradient, information = likelihood.derivatives(ordered, beta)
        information = information + ridge * np.eye(len(beta))
        try:
            step = np.linalg.solve(information, gradient - ridge * beta)
        except np.linalg.LinAlgError:
            raise NotEstimable("the columns are linearly dependent") from None
        if not np.isfinite(step).all():
            raise NotEstimable("the information is not finite: too few events for the columns")
        proposal = objective(beta + step)
        while not proposal >= current - TOLERANCE * (1 + abs(current)):
            step = step / 2
            if np.abs(step).max() < TOLERANCE:
                break
            proposal = objective(beta + step)
        beta = beta + step
        converged = abs(proposal - current) <= TOLERANCE * (1 + abs(current))
        current = proposal
        # The likelihood flattens quadratically: the step tells convergence of beta itself.
        if converged and np.abs(step).max() < 1e-7 * (1 + np.abs(beta).max()):
            break
    else:
        raise NotEstimable("the likelihood has no maximum: a column separates the events")
    _, information = likelihood.derivatives(ordered, beta)
    information = information + ridge * np.eye(len(beta))
    if np.linalg.cond(information) > 1e13:
        raise NotEstimable("the columns are linearly dependent")
    log_likelihood = likelihood.value(x @ beta)
    return CoxFit(beta, np.linalg.inv(information), log_likelihood)


def path_log_likelihood(
    linear_predictors: np.ndarray, time: np.ndarray, event: np.ndarray
) -> np.ndarray:
    """Breslow partial log-likelihoods of many linear predictors at once.

    Used to score a penalty path on held-out patients; the ties' treatment cancels out of a
    comparison between penalties.

    Args:
        linear_predictors: shape (patients, models).
        time: follow-up, shape (patients,).
        event: event indicator, shape (patients,).

    Returns:
        shape (models,).
    """
    order = np.argsort(-time, kind="stable")
    lp = linear_predictors[order]
    shift = lp.max(axis=0)
    # Far below the largest, exp() underflows and a risk set could sum to zero.
    sums = np.cumsum(np.exp(np.maximum(lp - shift, -700.0)), axis=0)
    happened = np.asarray(event, dtype=bool)[order]
    last_at_risk = np.searchsorted(-time[order], -time[order][happened], side="right") - 1
    return (lp[happened] - shift - np.log(sums[last_at_risk])).sum(axis=0)
