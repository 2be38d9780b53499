"""Penalised linear regression: a number from features.

Ridge for narrow models, elastic net (scikit-learn's path) for wide ones; the penalty is the one
with the smallest squared error of the held-out patients of the inner folds.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import enet_path

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
"""Ridge penalties tried, per patient: at 1 the effect of a standardised column is halved."""

LAMBDA_RATIO = 0.001
"""Smallest elastic-net penalty tried, as a share of the one that empties the model."""


class PenalisedLinear(WithIntercept):
    """A fitted linear regression.

    Attributes:
        coefficients: change of the outcome per SD, in its own unit, shape (columns,).
        intercept: prediction of a patient with the training mean of every column.
        tuning: the penalty chosen.
    """

    def predict(
        self, ready: np.ndarray, ready_death: np.ndarray, horizons: Sequence[float]
    ) -> np.ndarray:
        """Predicted value in the unit of the outcome, shape (patients, 1)."""
        return self.linear_predictor(ready)[:, None]

    def rescaled(
        self, slope: float, ready: np.ndarray, ready_death: np.ndarray, outcome: Outcome
    ) -> "PenalisedLinear":
        """The same model with effects times `slope` and the mean of the training patients."""
        effects = slope * self.coefficients
        intercept = float(outcome.value.mean() - ready.mean(axis=0) @ effects)
        tuning = self.tuning | {"slope": slope}
        return replace(self, coefficients=effects, intercept=intercept, tuning=tuning)


def fit_penalised_linear(
    ready: np.ndarray, ready_death: np.ndarray, outcome: Outcome, context: FitContext
) -> PenalisedLinear:
    """Fit to training patients, see `learners.base.Fit`."""
    y = outcome.value
    if not ready.shape[1]:
        return PenalisedLinear(np.zeros(0), float(y.mean()), {"kind": "none"})
    wide = ready.shape[1] > context.settings.preparation.wide_block
    paths = (
        mixtures(ElasticNetPath, ready, y, LAMBDA_RATIO, context)
        if wide
        else [RidgePath(SHRINKAGE)]
    )
    errors = [np.zeros(len(path.penalties)) for path in paths]
    for fold in context.inner():
        train, held_out = fold.train, ~fold.train
        for path, error in zip(paths, errors, strict=True):
            effects, intercepts = path.fit(fold.ready[train], y[train], fold.factors)
            predicted = intercepts + fold.ready[held_out] @ effects
            error += ((predicted - y[held_out, None]) ** 2).sum(axis=0)
    best = min(range(len(paths)), key=lambda i: errors[i].min())
    chosen = int(np.argmin(errors[best]))
    effects, intercepts = paths[best].fit(ready, y, context.factors)
    tuning = paths[best].describe(chosen)
    return PenalisedLinear(effects[:, chosen], float(intercepts[chosen]), tuning)


class RidgePath(Ridge):
    """Ridge regressions from the strongest to the weakest penalty.

    Attributes:
        penalties: of `sum of squares / patients + penalty * sum(b**2)`.
    """

    def fit(
        self, x: np.ndarray, y: np.ndarray, factors: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (columns, penalties) and intercepts (penalties,); factors are not used."""
        mean, level = x.mean(axis=0), y.mean()
        left, size, right = np.linalg.svd(x - mean, full_matrices=False)
        # One decomposition serves the whole path, where scikit-learn's Ridge would repeat it.
        shrunk = size[:, None] / (size[:, None] ** 2 + len(y) * self.penalties)
        effects = right.T @ (shrunk * (left.T @ (y - level))[:, None])
        return effects, level - mean @ effects


class ElasticNetPath(ElasticNet):
    """Elastic-net regressions from the strongest to the weakest penalty.

    Half the mean squared error is penalised by `penalty * (l1_ratio * sum|b| + (1 - l1_ratio) / 2
    * sum(b**2))` of b, the effect times its penalty factor (factors are scaled to a mean of 1).

    Attributes:
        l1_ratio: share of the lasso.
        penalties: descending.
    """

    def fit(
        self, x: np.ndarray, y: np.ndarray, factors: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (columns, penalties) and intercepts (penalties,)."""
        mean, level = x.mean(axis=0), y.mean()
        if not x.shape[1]:
            return np.zeros((0, len(self.penalties))), np.full(len(self.penalties), level)
        factors = factors / factors.mean()
        scaled = np.asfortranarray((x - mean) / factors)
        with warnings.catch_warnings():
            # Short of full convergence a penalty is only a worse candidate in the comparison.
            warnings.simplefilter("ignore", ConvergenceWarning)
            effects = enet_path(
                scaled,
                y - level,
                l1_ratio=self.l1_ratio,
                alphas=self.penalties,
                precompute=scaled.T @ scaled,
                check_input=False,
            )[1]
        effects = effects / factors[:, None]
        return effects, level - mean @ effects


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
    return path.fit(ready, outcome.value, factors)[0][:, 0]
