"""Cause-specific Cox models: penalised for fracture, small for death, together absolute risk.

Ridge with Efron ties for narrow models, elastic net (scikit-survival's Coxnet) for wide ones; the
penalty is the one that the held-out partial likelihood of the inner folds prefers.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sksurv.linear_model import CoxnetSurvivalAnalysis
from sksurv.util import Surv

from bonecast.model.cox import EfronLikelihood, NotEstimable, fit_cox, path_log_likelihood
from bonecast.model.learners.base import FitContext
from bonecast.model.learners.penalties import ElasticNet, Ridge, elastic_net_penalties
from bonecast.model.outcome import Outcome
from bonecast.model.risk import BaselineHazards, absolute_risk, baseline_hazards

RIDGE_PENALTIES = np.geomspace(1000, 0.01, 11)
"""Penalties tried for narrow models, in units of events: 1 equals a normal prior of SD 1 on the
log hazard ratio per SD; the largest is all but a model without features."""

DEATH_RIDGE = 1.0
"""Fixed penalty of the death model: it corrects risks and is not itself compared."""

LAMBDA_RATIO = 0.01
"""Smallest elastic-net penalty tried, as a share of the one that empties the model."""

RETREAT = 4
"""Penalties by which a path that overflows is shortened, until it does not."""

SPARE = 2
"""Penalties run beyond those that a shorter trial found worth running."""


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
    coefficients, tuning = tuned_coefficients(ready, outcome, context)
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


def tuned_coefficients(
    ready: np.ndarray, outcome: Outcome, context: FitContext
) -> tuple[np.ndarray, dict]:
    """Coefficients of fracture at the penalty that the inner folds prefer, and that penalty.

    Of a wide model's paths only the part is run that can hold the maximum: a path ends where the
    held-out likelihood has not risen while the penalty halved. The coefficients are those of
    whole paths, at about half the time.
    """
    if not ready.shape[1]:
        return np.zeros(0), {"kind": "none"}
    time, fracture = outcome.time, outcome.event == 1
    wide = ready.shape[1] > context.settings.preparation.wide_block
    if wide:
        candidates = _elastic_nets(ready, time, fracture, context.factors, context.settings)
    else:
        candidates = [_Ridge(RIDGE_PENALTIES)]
    scores = _scores(candidates, context.inner(), time, fracture)
    best = max(range(len(candidates)), key=lambda i: scores[i].max())
    chosen = int(np.argmax(scores[best]))
    path = candidates[best].path(ready, time, fracture, context.factors, chosen + 1)
    return path[:, chosen], candidates[best].describe(chosen)


def coefficients_at(
    ready: np.ndarray, outcome: Outcome, factors: np.ndarray, tuning: Mapping
) -> np.ndarray:
    """Coefficients of fracture at one penalty, shape (columns,).

    Args:
        factors: penalty factor of each column.
        tuning: as of `CauseSpecificCox`.
    """
    if tuning["kind"] == "none" or not ready.shape[1]:
        return np.zeros(ready.shape[1])
    if "l1_ratio" in tuning:
        # Coming from stronger penalties: in one leap from an empty model hazards can overflow.
        at = _ElasticNet(tuning["l1_ratio"], tuning["penalty"] * np.geomspace(10, 1, 5))
    else:
        at = _Ridge(np.array([tuning["penalty"]]))
    return at.path(ready, outcome.time, outcome.event == 1, factors, at.size)[:, -1]


def _scores(candidates, folds, time, fracture) -> list[np.ndarray]:
    """Held-out likelihood of each candidate's penalties, as far as its path was worth running."""
    scores = []
    size = candidates[0].size
    if candidates[0].patience < size:
        first = _held_out_likelihood(candidates[0], folds[:1], time, fracture, size)
        size = min(size, _worth(first, candidates[0]) + SPARE)
    for candidate in candidates:
        while True:
            score = _held_out_likelihood(candidate, folds, time, fracture, size)
            worth = _worth(score, candidate)
            if worth <= size or size == candidate.size:
                break
            size = min(candidate.size, worth + candidate.patience)
        scores.append(score)
        # Mixtures differ little in where they are best.
        size = min(candidate.size, worth + SPARE)
    return scores


def _worth(score: np.ndarray, candidate) -> int:
    return int(np.argmax(score)) + 1 + candidate.patience


def _held_out_likelihood(candidate, folds, time, fracture, size) -> np.ndarray:
    """What held-out patients add to the likelihood, shape (size,), summed over the folds.

    Verweij and van Houwelingen, Stat Med 1993;12:2305: with few patients held out their own risk
    sets say little.
    """
    score = np.zeros(size)
    for fold in folds:
        train = fold.train
        path = candidate.path(fold.ready[train], time[train], fracture[train], fold.factors, size)
        lp = fold.ready @ path
        score += path_log_likelihood(lp, time, fracture)
        score -= path_log_likelihood(lp[train], time[train], fracture[train])
    return score


class _Ridge(Ridge):
    @property
    def patience(self) -> int:
        return self.size

    def path(self, x, time, event, factors, size) -> np.ndarray:
        """Coefficients at the `size` strongest penalties, shape (columns, size)."""
        likelihood = EfronLikelihood(time, event)
        beta = np.zeros(x.shape[1])
        path = np.zeros((x.shape[1], size))
        if not likelihood.n_events:
            return path
        for position, penalty in enumerate(self.penalties[:size]):
            fit = fit_cox(x, time, event, penalty, start=beta, likelihood=likelihood)
            beta = fit.coefficients
            path[:, position] = beta
        return path


class _ElasticNet(ElasticNet):
    @property
    def patience(self) -> int:
        """Penalties over which the strength halves."""
        if self.size < 2:
            return 1
        return int(np.ceil(np.log(2) / np.log(self.penalties[0] / self.penalties[1])))

    def path(self, x, time, event, factors, size) -> np.ndarray:
        """Coefficients at the `size` strongest penalties, shape (columns, size)."""
        if not event.any() or not x.shape[1]:
            return np.zeros((x.shape[1], size))
        return _coxnet_path(x, time, event, self.l1_ratio, factors, self.penalties[:size])


def _coxnet_path(x, time, event, l1_ratio, factors, penalties) -> np.ndarray:
    for size in range(len(penalties), 0, -RETREAT):
        model = CoxnetSurvivalAnalysis(
            l1_ratio=l1_ratio, penalty_factor=factors, alphas=penalties[:size]
        )
        with warnings.catch_warnings():
            # The first penalty of a path empties the model by intention; a path that stops short
            # of full convergence is only a worse candidate in the inner comparison.
            warnings.filterwarnings("ignore", message="all coefficients are zero")
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                path = model.fit(x, Surv.from_arrays(event, time)).coef_
            except ArithmeticError:
                # With few events the weakest penalties let hazards overflow.
                continue
        break
    else:
        raise NotEstimable(f"the hazards overflow at every penalty down to {penalties[-1]:g}")
    # Coxnet stops where a weaker penalty no longer improves the fit: the rest of the path would
    # be its last column.
    return np.pad(path, ((0, 0), (0, len(penalties) - path.shape[1])), mode="edge")


def _elastic_nets(x, time, event, factors, settings) -> list[_ElasticNet]:
    """One path per mixture, its penalties spaced below the one that empties the model."""
    likelihood = EfronLikelihood(time, event)
    if not likelihood.n_events:
        return [_ElasticNet(1.0, np.ones(1))]
    gradient, _ = likelihood.derivatives(x[likelihood.order], np.zeros(x.shape[1]))
    # Coxnet divides the likelihood by the number of patients and scales factors to a mean of 1.
    penalties = elastic_net_penalties(gradient, len(x), factors, LAMBDA_RATIO, settings)
    return [_ElasticNet(ratio, tried) for ratio, tried in penalties.items()]
