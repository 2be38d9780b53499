"""Everything that learns, in one object per fold.

A `Recipe` is fitted on training patients and predicts others. No step of it can see a held-out
patient, because nothing outside it is fitted: imputation, limits, scaling, filters, the choice
of penalty, coefficients and baseline hazards all live here.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sksurv.linear_model import CoxnetSurvivalAnalysis
from sksurv.util import Surv

from bonecast.model.cox import EfronLikelihood, NotEstimable, fit_cox, path_log_likelihood
from bonecast.model.prepare import Preparation, PreparationSettings
from bonecast.model.risk import BaselineHazards, absolute_risk, baseline_hazards

RIDGE_PENALTIES = np.geomspace(1000, 0.01, 11)
"""Penalties tried for narrow blocks, in units of events: 1 equals a normal prior of SD 1 on the
log hazard ratio per SD; the largest is all but a model without features."""

DEATH_RIDGE = 1.0
"""Fixed penalty of the death model: it corrects risks and is not itself compared."""

LAMBDA_RATIO = 0.01
"""Smallest elastic-net penalty tried, as a share of the one that empties the model."""


@dataclass(frozen=True)
class LearnerSettings:
    """How the fracture model is fitted.

    Attributes:
        inner_folds: folds of the cross-validation that chooses the penalty.
        l1_ratios: mixtures tried for wide models, 0 (ridge) exclusive to 1 (lasso).
        n_penalties: strengths tried per mixture.
        preparation: see `PreparationSettings`.
    """

    inner_folds: int = 3
    l1_ratios: tuple[float, ...] = (0.1, 0.5, 0.95)
    n_penalties: int = 40
    preparation: PreparationSettings = field(default_factory=PreparationSettings)


@dataclass(frozen=True)
class Recipe:
    """A fitted recipe.

    Attributes:
        preparation: of the fracture model's features.
        coefficients: log hazard ratio of fracture per SD, one per kept column.
        death_preparation, death_coefficients: the same of the death model.
        baseline: baseline hazards of both causes.
        penalty: what the inner cross-validation chose.
    """

    preparation: Preparation
    coefficients: np.ndarray
    death_preparation: Preparation
    death_coefficients: np.ndarray
    baseline: BaselineHazards
    penalty: dict

    @classmethod
    def fit(
        cls,
        x: np.ndarray,
        x_death: np.ndarray,
        time: np.ndarray,
        event: np.ndarray,
        blocks: Sequence[str],
        settings: LearnerSettings,
        seed: int,
    ) -> "Recipe":
        """Fit on training patients.

        Args:
            x: features of the fracture model, shape (patients, columns), NaN where missing.
            x_death: features of the death model, the same way.
            time: follow-up in years, shape (patients,).
            event: 0 censored, 1 fracture, 2 death before fracture.
            blocks: block of each column of `x`.
            seed: of the inner folds.
        """
        fracture = event == 1
        preparation = Preparation.fit(x, blocks, settings.preparation)
        ready = preparation.apply(x)
        coefficients, penalty = _fit_penalised(
            x, ready, time, fracture, event, blocks, preparation, settings, seed
        )
        death_preparation = Preparation.fit(
            x_death, ["death"] * x_death.shape[1], settings.preparation
        )
        ready_death = death_preparation.apply(x_death)
        try:
            death = fit_cox(ready_death, time, event == 2, ridge=DEATH_RIDGE).coefficients
        except NotEstimable:
            death = np.zeros(ready_death.shape[1])
        baseline = baseline_hazards(time, event, ready @ coefficients, ready_death @ death)
        return cls(preparation, coefficients, death_preparation, death, baseline, penalty)

    def linear_predictor(self, x: np.ndarray) -> np.ndarray:
        """Log hazard ratio of fracture against the training mean, shape (patients,)."""
        return self.preparation.apply(x) @ self.coefficients

    def risk(self, x: np.ndarray, x_death: np.ndarray, horizons: Sequence[float]) -> np.ndarray:
        """Absolute risk of fracture with death competing, shape (patients, horizons)."""
        lp_death = self.death_preparation.apply(x_death) @ self.death_coefficients
        return absolute_risk(
            self.baseline, self.linear_predictor(x), lp_death, np.asarray(horizons)
        )


def deal_folds(event: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Fold of each patient, shape (patients,): random, stratified by event type.

    Within each event type patients are shuffled and dealt out in turn, the next type going on
    where the last stopped: fold sizes and events per fold differ by one at most.
    """
    rng = np.random.default_rng(seed)
    dealt = np.concatenate([rng.permutation(np.flatnonzero(event == code)) for code in (1, 2, 0)])
    fold = np.empty(len(event), dtype=int)
    fold[dealt] = np.arange(len(event)) % folds
    return fold


def _fit_penalised(x, ready, time, fracture, event, blocks, preparation, settings, seed):
    """Coefficients of the fracture model at the penalty that the inner folds prefer.

    Returns:
        coefficients, shape (kept columns,), and the penalty chosen.
    """
    if not ready.shape[1]:
        return np.zeros(0), {"kind": "none"}
    wide = ready.shape[1] > settings.preparation.wide_block
    candidates = (
        _elastic_net_candidates(ready, time, fracture, _factors(blocks, preparation), settings)
        if wide
        else [_Ridge(RIDGE_PENALTIES)]
    )
    fold = deal_folds(event, settings.inner_folds, seed)
    scores = [np.zeros(candidate.size) for candidate in candidates]
    for held_out in range(settings.inner_folds):
        train = fold != held_out
        # The preparation is fitted again inside, as it will be for patients never seen.
        inner = Preparation.fit(x[train], blocks, settings.preparation)
        inner_ready = inner.apply(x)
        factors = _factors(blocks, inner)
        for candidate, score in zip(candidates, scores, strict=True):
            path = candidate.path(inner_ready[train], time[train], fracture[train], factors)
            lp = inner_ready @ path
            # Verweij and van Houwelingen, Stat Med 1993;12:2305: what the held-out patients add
            # to the likelihood; with few of them their own risk sets say little.
            score += path_log_likelihood(lp, time, fracture)
            score -= path_log_likelihood(lp[train], time[train], fracture[train])
    best = max(range(len(candidates)), key=lambda i: scores[i].max())
    chosen = int(np.argmax(scores[best]))
    path = candidates[best].path(ready, time, fracture, _factors(blocks, preparation))
    return path[:, chosen], candidates[best].describe(chosen)


def _factors(blocks: Sequence[str], preparation: Preparation) -> np.ndarray:
    """Penalty factor of each kept column: the square root of its block's kept columns.

    Without it a hundred radiomic columns drown four clinical ones: the same idea as in the group
    lasso (Yuan and Lin, 2006) and IPF-lasso (Boulesteix et al., 2017).
    """
    names = np.asarray(blocks, dtype=object)[preparation.columns]
    _, member, size = np.unique(names.astype(str), return_inverse=True, return_counts=True)
    return np.sqrt(size[member])


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
