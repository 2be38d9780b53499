"""A forest for competing risks: what a flexible learner makes of the same features.

comprisk's histogram forest with fixed settings: never tuned, as 300 trees cost seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from comprisk import CompetingRiskForest

from bonecast.model.learners.base import FitContext, some_column
from bonecast.model.outcome import Outcome

SETTINGS = {"n_estimators": 300, "max_features": "sqrt"}

LEAF = 20
"""Smallest leaf: smaller ones cost several times as long and ranked the held-out patients of a
simulated cohort no better."""

LEAVES = 10
"""Of a small cohort a leaf is smaller, so that it still parts into this many, but never below 5."""


@dataclass(frozen=True)
class Forest:
    """A fitted forest.

    Attributes:
        model: comprisk's.
        tuning: its fixed settings.
        coefficients: None, as a forest has none.
    """

    model: CompetingRiskForest
    tuning: dict
    coefficients: None = None

    def linear_predictor(self, ready: np.ndarray) -> np.ndarray:
        """NaN, shape (patients,): patients are ranked by what is predicted of them."""
        return np.full(len(ready), np.nan)

    def predict(
        self, ready: np.ndarray, ready_death: np.ndarray, horizons: Sequence[float]
    ) -> np.ndarray:
        """Cumulative incidence of fracture, shape (patients, horizons); death is in the leaves."""
        incidence = self.model.predict_cif(some_column(ready), times=list(horizons))
        return incidence[:, 0, :]


def fit_forest(
    ready: np.ndarray, ready_death: np.ndarray, outcome: Outcome, context: FitContext
) -> Forest:
    """Fit to training patients, see `learners.base.Fit`; depends on `context.seed` only."""
    leaf = min(LEAF, max(5, len(outcome) // LEAVES))
    settings = SETTINGS | {"min_samples_leaf": leaf, "min_samples_split": 2 * leaf}
    # One thread: validation runs folds side by side.
    model = CompetingRiskForest(**settings, random_state=context.seed, n_jobs=1)
    # Trees that cannot split give the mean incidence.
    model.fit(some_column(ready), outcome.time, outcome.event)
    return Forest(model, settings)
