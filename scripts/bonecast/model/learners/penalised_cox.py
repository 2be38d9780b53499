"""Cause-specific Cox models: penalised for fracture, small for death, together absolute risk.

Ridge with Efron ties for narrow models, elastic net (scikit-survival's Coxnet) for wide ones; the
penalty is the one that the held-out partial likelihood of the inner folds prefers.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sksurv.linear_model import CoxnetSurvivalAnalysis
from sksurv.util import Surv

from bonecast.model.cox import EfronLikelihood, NotEstimable, fit_cox, path_log_likelihood
from bonecast.model.learners.base import FitContext
from bonecast.model.outcome import Outcome
from bonecast.model.risk import BaselineHazards, absolute_risk, baseline_hazards

RIDGE_PENALTIES = np.geomspace(1000, 0.01, 11)
"""Penalties tried for narrow models, in units of events: 1 equals a normal prior of SD 1 on the
log hazard ratio per SD; the largest is all but a model without features."""

DEATH_RIDGE = 1.0
"""Fixed penalty of the death model: it corrects risks and is not itself compared."""

LAMBDA_RATIO = 0.01
"""Smallest elastic-net penalty tried, as a share of the one that empties the model."""


@dataclass(frozen=True)
class CauseSpecificCox:
    """Two fitted Cox models and their baseline hazards.

    Attributes:
        coefficients: log hazard ratio of fracture per SD, shape (columns,).
        death_coefficients: the same of death.
        baseline: baseline hazards of both.
        tuning: the penalty chosen.
    """

    coefficients: np.ndarray
    death_coefficients: np.ndarray
    baseline: BaselineHazards
    tuning: dict

    def linear_predictor(self, ready: np.ndarray) -> np.ndarray:
        """Log hazard ratio of fracture against the training mean, shape (patients,)."""
        return ready @ self.coefficients

    def predict(
        self, ready: np.ndarray, ready_death: np.ndarray, horizons: Sequence[float]
    ) -> np.ndarray:
        """Absolute risk of fracture with death competing, shape (patients, horizons)."""
        lp_death = ready_death @ self.death_coefficients
        return absolute_risk(
            self.baseline, self.linear_predictor(ready), lp_death, np.asarray(horizons)
        )

    def rescaled(
        self, slope: float, ready: np.ndarray, ready_death: np.ndarray, outcome: Outcome
    ) -> "CauseSpecificCox":
        """The same model with effects times `slope` and the baseline hazards that go with them."""
        tuning = self.tuning | {"slope": slope}
        return with_baseline(ready, ready_death, outcome, slope * self.coefficients, tuning)

    def to_json(self) -> dict:
        """Everything `predict` uses, as plain values."""
        return {
            "coefficients": self.coefficients.tolist(),
            "death_coefficients": self.death_coefficients.tolist(),
            "baseline": {
                name: getattr(self.baseline, name).tolist()
                for name in ("times", "fracture", "death")
            },
            "tuning": self.tuning,
        }

    @classmethod
    def from_json(cls, saved: dict) -> "CauseSpecificCox":
        """The inverse of `to_json`."""
        baseline = BaselineHazards(
            *(np.array(saved["baseline"][name]) for name in ("times", "fracture", "death"))
        )
        return cls(
            np.array(saved["coefficients"]),
            np.array(saved["death_coefficients"]),
            baseline,
            saved["tuning"],
        )


def fit_penalised_cox(
    ready: np.ndarray, ready_death: np.ndarray, outcome: Outcome, context: FitContext
) -> CauseSpecificCox:
    """Fit both models to training patients, see `learners.base.Fit`."""
    coefficients, tuning = _tuned(ready, outcome, context)
    return with_baseline(ready, ready_death, outcome, coefficients, tuning)


def with_baseline(
    ready: np.ndarray,
    ready_death: np.ndarray,
    outcome: Outcome,
    coefficients: np.ndarray,
    tuning: dict,
) -> CauseSpecificCox:
    """Death model and baseline hazards for given coefficients of fracture."""
    death = fit_death(ready_death, outcome)
    baseline = baseline_hazards(
        outcome.time, outcome.event, ready @ coefficients, ready_death @ death
    )
    return CauseSpecificCox(coefficients, death, baseline, tuning)


def fit_death(ready_death: np.ndarray, outcome: Outcome) -> np.ndarray:
    """Log hazard ratios of death per SD; zeros where nobody died."""
    try:
        return fit_cox(ready_death, outcome.time, outcome.event == 2, DEATH_RIDGE).coefficients
    except NotEstimable:
        return np.zeros(ready_death.shape[1])


def _tuned(ready, outcome, context):
    """Coefficients at the penalty that the inner folds prefer, and that penalty."""
    if not ready.shape[1]:
        return np.zeros(0), {"kind": "none"}
    time, fracture, settings = outcome.time, outcome.event == 1, context.settings
    wide = ready.shape[1] > settings.preparation.wide_block
    candidates = (
        _elastic_net_candidates(ready, time, fracture, context.factors, settings)
        if wide
        else [_Ridge(RIDGE_PENALTIES)]
    )
    scores = [np.zeros(candidate.size) for candidate in candidates]
    for fold in context.inner():
        train = fold.train
        for candidate, score in zip(candidates, scores, strict=True):
            path = candidate.path(fold.ready[train], time[train], fracture[train], fold.factors)
            lp = fold.ready @ path
            # Verweij and van Houwelingen, Stat Med 1993;12:2305: what the held-out patients add
            # to the likelihood; with few of them their own risk sets say little.
            score += path_log_likelihood(lp, time, fracture)
            score -= path_log_likelihood(lp[train], time[train], fracture[train])
    best = max(range(len(candidates)), key=lambda i: scores[i].max())
    chosen = int(np.argmax(scores[best]))
    path = candidates[best].path(ready, time, fracture, context.factors)
    return path[:, chosen], candidates[best].describe(chosen)


@dataclass(frozen=True)
class _Ridge:
    penalties: np.ndarray

    @property
    def size(self) -> int:
        return len(self.penalties)

    def describe(self, position: int) -> dict:
        return {"kind": "ridge", "penalty": float(self.penalties[position])}

    def path(self, x, time, event, factors) -> np.ndarray:
        """Coefficients at every penalty, shape (columns, penalties)."""
        likelihood = EfronLikelihood(time, event)
        beta = np.zeros(x.shape[1])
        path = np.zeros((x.shape[1], self.size))
        if not likelihood.n_events:
            return path
        for position, penalty in enumerate(self.penalties):
            fit = fit_cox(x, time, event, penalty, start=beta, likelihood=likelihood)
            beta = fit.coefficients
            path[:, position] = beta
        return path


@dataclass(frozen=True)
class _ElasticNet:
    l1_ratio: float
    penalties: np.ndarray

    @property
    def size(self) -> int:
        return len(self.penalties)

    def describe(self, position: int) -> dict:
        return {
            "kind": "elastic_net",
            "l1_ratio": self.l1_ratio,
            "penalty": float(self.penalties[position]),
        }

    def path(self, x, time, event, factors) -> np.ndarray:
        """Coefficients at every penalty, shape (columns, penalties)."""
        if not event.any() or not x.shape[1]:
            return np.zeros((x.shape[1], self.size))
        return _coxnet_path(x, time, event, self.l1_ratio, factors, self.penalties)


def _coxnet_path(x, time, event, l1_ratio, factors, penalties) -> np.ndarray:
    model = CoxnetSurvivalAnalysis(l1_ratio=l1_ratio, penalty_factor=factors, alphas=penalties)
    with warnings.catch_warnings():
        # The first penalty of a path empties the model by intention; a path that stops short of
        # full convergence is only a worse candidate in the inner comparison.
        warnings.filterwarnings("ignore", message="all coefficients are zero")
        warnings.simplefilter("ignore", ConvergenceWarning)
        path = model.fit(x, Surv.from_arrays(event, time)).coef_
    # Coxnet stops where a weaker penalty no longer improves the fit: the rest of the path would
    # be its last column.
    return np.pad(path, ((0, 0), (0, len(penalties) - path.shape[1])), mode="edge")


def _elastic_net_candidates(x, time, event, factors, settings) -> list[_ElasticNet]:
    """One path per mixture, its penalties spaced below the one that empties the model."""
    likelihood = EfronLikelihood(time, event)
    if not likelihood.n_events:
        return [_ElasticNet(1.0, np.ones(1))]
    gradient, _ = likelihood.derivatives(x[likelihood.order], np.zeros(x.shape[1]))
    # Coxnet divides the likelihood by the number of patients and scales factors to a mean of 1.
    strongest = np.max(np.abs(gradient) / (factors / factors.mean())) / len(x)
    steps = np.geomspace(1, LAMBDA_RATIO, settings.n_penalties)
    return [_ElasticNet(ratio, strongest / ratio * steps) for ratio in settings.l1_ratios]
