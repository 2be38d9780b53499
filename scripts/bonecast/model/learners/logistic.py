"""Penalised logistic regression: a diagnosis from features.

Ridge for narrow models (scikit-learn's Newton solver), elastic net for wide ones; the penalty is
the one under which the held-out patients of the inner folds are most likely. The intercept is
never penalised, so that the mean prediction is the share of patients with the diagnosis.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, enet_path

from bonecast.model.learners.base import FitContext
from bonecast.model.learners.penalties import (
    ElasticNet,
    Ridge,
    WithIntercept,
    as_tuned,
    mixtures,
)
from bonecast.model.outcome import Outcome

SHRINKAGE = np.geomspace(100, 1e-4, 13)
"""Ridge penalties tried, as shares of the information that the patients hold on one standardised
column, n p (1 - p): at 1 an effect is halved, at 100 the model is all but empty."""

LAMBDA_RATIO = 0.01
"""Smallest elastic-net penalty tried, as a share of the one that empties the model."""

NEWTON_STEPS = 25
NEWTON_TOLERANCE = 1e-4
"""Change of the coefficients, per standard deviation, at which a point of the path is left."""

STALE_WEIGHT = 0.05
"""Mean change of the patients' weights, p (1 - p), after which the curvature is computed anew."""

INTERCEPT_STEPS = 100


class PenalisedLogistic(WithIntercept):
    """A fitted logistic regression.

    Attributes:
        coefficients: log odds ratio per SD, shape (columns,).
        intercept: log odds of a patient with the training mean of every column.
        tuning: the penalty chosen.
    """

    def predict(
        self, ready: np.ndarray, ready_death: np.ndarray, horizons: Sequence[float]
    ) -> np.ndarray:
        """Probability of the diagnosis, shape (patients, 1)."""
        return expit(self.linear_predictor(ready))[:, None]

    def rescaled(
        self, slope: float, ready: np.ndarray, ready_death: np.ndarray, outcome: Outcome
    ) -> "PenalisedLogistic":
        """The same model with effects times `slope` and the intercept of the training patients."""
        effects = slope * self.coefficients
        intercept = _intercept(ready @ effects, outcome.value)
        tuning = self.tuning | {"slope": slope}
        return replace(self, coefficients=effects, intercept=intercept, tuning=tuning)


def fit_penalised_logistic(
    ready: np.ndarray, ready_death: np.ndarray, outcome: Outcome, context: FitContext
) -> PenalisedLogistic:
    """Fit to training patients, see `learners.base.Fit`."""
    y = outcome.value
    if not ready.shape[1]:
        return PenalisedLogistic(np.zeros(0), _intercept(np.zeros(len(y)), y), {"kind": "none"})
    wide = ready.shape[1] > context.settings.preparation.wide_block
    paths = mixtures(ElasticNetPath, ready, y, LAMBDA_RATIO, context) if wide else [_ridge_path(y)]
    scores = [np.zeros(len(path.penalties)) for path in paths]
    for fold in context.inner():
        train, held_out = fold.train, ~fold.train
        for path, score in zip(paths, scores, strict=True):
            fitted = path.fit(fold.ready[train], y[train], fold.factors)
            score += log_likelihood(fitted.linear_predictors(fold.ready[held_out]), y[held_out])
    best = max(range(len(paths)), key=lambda i: scores[i].max())
    chosen = int(np.argmax(scores[best]))
    fitted = paths[best].fit(ready, y, context.factors)
    return PenalisedLogistic(
        fitted.coefficients[:, chosen],
        float(fitted.intercepts[chosen]),
        paths[best].describe(chosen),
    )


def log_likelihood(linear_predictors: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Log-likelihood of 0/1 labels under log odds of shape (patients, models): (models,)."""
    of_one = np.logaddexp(0, -linear_predictors)
    of_none = np.logaddexp(0, linear_predictors)
    return -(y @ of_one + (1 - y) @ of_none)


@dataclass(frozen=True)
class _Models:
    """Models along a path: coefficients (columns, penalties) and intercepts (penalties,)."""

    coefficients: np.ndarray
    intercepts: np.ndarray

    def linear_predictors(self, x: np.ndarray) -> np.ndarray:
        return x @ self.coefficients + self.intercepts


class RidgePath(Ridge):
    """Ridge-penalised models from the strongest to the weakest penalty.

    Attributes:
        penalties: `penalty / 2 * sum(beta**2)` is subtracted from the log-likelihood.
    """

    def fit(self, x: np.ndarray, y: np.ndarray, factors: np.ndarray | None = None) -> _Models:
        """Fit features (patients, columns) to labels 0/1; ridge knows no factors."""
        if not x.shape[1] or len(np.unique(y)) < 2:
            return _empty(x, y, len(self.penalties))
        models = [
            LogisticRegression(solver="newton-cholesky", C=1 / penalty, tol=1e-8).fit(x, y)
            for penalty in self.penalties
        ]
        return _Models(
            np.column_stack([model.coef_[0] for model in models]),
            np.array([model.intercept_[0] for model in models]),
        )


class ElasticNetPath(ElasticNet):
    """Elastic-net models from the strongest to the weakest penalty.

    Minus the mean log-likelihood is penalised by `penalty * (l1_ratio * sum|b| + (1 - l1_ratio)
    / 2 * sum(b**2))` of b, the effect times its penalty factor (factors are scaled to a mean
    of 1). Weighted least squares in turn, each solved by scikit-learn's coordinate descent:
    Friedman, Hastie and Tibshirani, J Stat Softw 2010;33(1). On 1,600 patients and 150 columns
    this took a tenth of the time of scikit-learn's saga, its own solver of the problem.

    Attributes:
        l1_ratio: share of the lasso.
        penalties: descending.
    """

    def fit(self, x: np.ndarray, y: np.ndarray, factors: np.ndarray) -> _Models:
        """Fit features (patients, columns) to labels 0/1."""
        if not x.shape[1] or len(np.unique(y)) < 2:
            return _empty(x, y, len(self.penalties))
        factors = factors / factors.mean()
        x = x / factors
        effects = np.zeros(x.shape[1])
        intercept = _intercept(np.zeros(len(y)), y)
        curvature = _Curvature(x)
        models = _Models(np.zeros((x.shape[1], len(self.penalties))), np.zeros(len(self.penalties)))
        # Checking its arguments would take scikit-learn longer than the descent itself. A descent
        # that is not done goes on in the next Newton step; a path that ends short of full
        # convergence is only a worse candidate in the inner comparison.
        with config_context(skip_parameter_validation=True), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            for position, penalty in enumerate(self.penalties):
                for _ in range(NEWTON_STEPS):
                    before = effects
                    effects, intercept = curvature.step(
                        effects, intercept, y, penalty, self.l1_ratio
                    )
                    if np.abs(effects - before).max() < NEWTON_TOLERANCE:
                        break
                models.coefficients[:, position] = effects / factors
                models.intercepts[position] = intercept
        return models


class _Curvature:
    """Second derivatives of the likelihood, kept until the patients' weights have moved.

    The gradient is exact at every step, so that the solution does not depend on how old the
    curvature is; only the number of steps does.
    """

    def __init__(self, x: np.ndarray):
        self._x = x
        self._weight = np.zeros(len(x))

    def step(self, effects, intercept, y, penalty, l1_ratio):
        """Coefficients and intercept after one weighted least-squares fit."""
        probability = expit(intercept + self._x @ effects)
        self._renew(np.maximum(probability * (1 - probability), 1e-5))
        # Columns are centred by weight, so that the intercept drops out of the least squares.
        residual = y - probability
        target = self._rooted @ effects + residual / self._root
        fitted = enet_path(
            self._rooted,
            target,
            l1_ratio=l1_ratio,
            alphas=[penalty],
            precompute=self._gram,
            Xy=self._rooted.T @ target,
            coef_init=effects.copy(),
            check_input=False,
        )[1][:, 0]
        moved = residual.sum() / self._weight.sum() - self._mean @ (fitted - effects)
        return fitted, intercept + moved

    def _renew(self, weight):
        if np.abs(weight - self._weight).sum() <= STALE_WEIGHT * weight.sum():
            return
        self._weight, self._root = weight, np.sqrt(weight)
        self._mean = weight @ self._x / weight.sum()
        self._rooted = np.asfortranarray(self._root[:, None] * (self._x - self._mean))
        self._gram = np.ascontiguousarray(self._rooted.T @ self._rooted)


def coefficients_at(
    ready: np.ndarray, outcome: Outcome, factors: np.ndarray, tuning: Mapping
) -> np.ndarray:
    """Coefficients at one penalty, shape (columns,).

    Args:
        factors: penalty factor of each column.
        tuning: of a fitted model.
    """
    if tuning["kind"] == "none" or not ready.shape[1]:
        return np.zeros(ready.shape[1])
    path = as_tuned(tuning, RidgePath, ElasticNetPath)
    return path.fit(ready, outcome.value, factors).coefficients[:, 0]


def _ridge_path(y) -> RidgePath:
    information = len(y) * max(y.mean() * (1 - y.mean()), 1 / len(y))
    return RidgePath(information * SHRINKAGE)


def _empty(x, y, penalties: int) -> _Models:
    """No effects: what can be learned from one class alone."""
    intercept = _intercept(np.zeros(len(y)), y)
    return _Models(np.zeros((x.shape[1], penalties)), np.full(penalties, intercept))


def _intercept(offset: np.ndarray, y: np.ndarray) -> float:
    """Intercept under which the mean probability is the share of ones, given the other terms.

    Where everyone has one label the share is taken half a patient from 0 or 1.
    """
    share = np.clip(y.mean(), 0.5 / len(y), 1 - 0.5 / len(y))
    intercept = logit(share) - offset.mean()
    for _ in range(INTERCEPT_STEPS):
        probability = expit(intercept + offset)
        step = (share - probability.mean()) / max((probability * (1 - probability)).mean(), 1e-12)
        intercept += np.clip(step, -1, 1)
        if abs(step) < 1e-12:
            break
    return float(intercept)
