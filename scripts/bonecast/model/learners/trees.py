"""Forests and boosted trees for a diagnosis or a number: flexible learners with fixed settings.

They say how much the penalised models miss by being linear. Their settings are not tuned: a grid
inside every fold would cost hours and forests hardly depend on them (Probst, Wright and
Boulesteix, WIREs Data Min Knowl Discov 2019;9:e1301).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logit
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from bonecast.model.learners.base import FitContext, some_column
from bonecast.model.outcome import BINARY, Outcome

TREES = 500

LEAF_SHARE = 0.01
"""Smallest leaf of a forest's tree, as a share of the patients (and at least 5): a probability
needs some patients to be a share of (Malley et al., Methods Inf Med 2012;51:74)."""

COLUMNS_TRIED = "sqrt"
"""Columns a forest tries at each split: the square root of their number (Breiman, Mach Learn
2001;45:5); a third of them, usual for a number, costs several times the time on 150 columns."""

BOOSTING = {"learning_rate": 0.05, "max_leaf_nodes": 8, "min_samples_leaf": 10}
"""Small trees in small steps; early stopping decides how many."""

MOST_STEPS = 300

STEPS_WITHOUT_STOPPING = 50
"""Steps where a class has too few patients to set some aside for early stopping."""

ENOUGH_TO_STOP = 30
"""Patients of the rarer class needed for early stopping, which sets a tenth of them aside."""


@dataclass(frozen=True)
class Trees:
    """A fitted ensemble of trees.

    Attributes:
        model: the estimator of scikit-learn.
        kind: BINARY or CONTINUOUS.
        patients: how many were learned from.
        out_of_fold: predictions of the training patients by trees that had not seen them, shape
            (patients, 1).
        tuning: how many trees.
    """

    model: object
    kind: str
    patients: int
    out_of_fold: np.ndarray
    tuning: dict
    coefficients: None = None

    def linear_predictor(self, ready: np.ndarray) -> np.ndarray:
        """Log odds of the probability, or the prediction itself, shape (patients,)."""
        predicted = self.predict(ready, ready, ())[:, 0]
        return logit(predicted) if self.kind == BINARY else predicted

    def predict(
        self, ready: np.ndarray, ready_death: np.ndarray, horizons: Sequence[float]
    ) -> np.ndarray:
        """Probability or value, shape (patients, 1)."""
        return _predict(self.model, ready, self.kind, self.patients)[:, None]


def fit_forest(
    ready: np.ndarray, ready_death: np.ndarray, outcome: Outcome, context: FitContext
) -> Trees:
    """Random forest, see `learners.base.Fit`; patients out of the bag give `out_of_fold`."""
    make = RandomForestClassifier if outcome.kind == BINARY else RandomForestRegressor
    model = make(
        n_estimators=TREES,
        min_samples_leaf=max(5, round(LEAF_SHARE * len(outcome))),
        max_features=COLUMNS_TRIED,
        oob_score=True,
        n_jobs=1,
        random_state=context.seed,
    ).fit(some_column(ready), _labels(outcome))
    if outcome.kind == BINARY:
        apart = _of_class_one(model, model.oob_decision_function_, len(outcome))
    else:
        apart = model.oob_prediction_
    tuning = {"kind": "forest", "trees": TREES}
    return Trees(model, outcome.kind, len(outcome), apart[:, None], tuning)


def fit_boosting(
    ready: np.ndarray, ready_death: np.ndarray, outcome: Outcome, context: FitContext
) -> Trees:
    """Gradient boosting with early stopping, see `learners.base.Fit`."""
    model = _boosted(ready, outcome, context.seed)
    apart = np.empty(len(outcome))
    for fold in context.inner():
        train, rest = fold.train, ~fold.train
        part = _boosted(fold.ready[train], outcome.take(train), context.seed)
        apart[rest] = _predict(part, fold.ready[rest], outcome.kind, train.sum())
    tuning = {"kind": "boosting", "trees": int(model.n_iter_)}
    return Trees(model, outcome.kind, len(outcome), apart[:, None], tuning)


def _boosted(ready, outcome, seed):
    binary = outcome.kind == BINARY
    make = HistGradientBoostingClassifier if binary else HistGradientBoostingRegressor
    rarer = min(outcome.n_events, len(outcome) - outcome.n_events) if binary else len(outcome)
    stop = rarer >= ENOUGH_TO_STOP
    model = make(
        early_stopping=stop,
        max_iter=MOST_STEPS if stop else STEPS_WITHOUT_STOPPING,
        random_state=seed,
        **BOOSTING,
    )
    return model.fit(some_column(ready), _labels(outcome))


def _predict(model, ready, kind, patients) -> np.ndarray:
    if kind == BINARY:
        return _of_class_one(model, model.predict_proba(some_column(ready)), patients)
    return model.predict(some_column(ready))


def _of_class_one(model, probabilities, patients) -> np.ndarray:
    """Probability of label 1, drawn towards one half by one patient in all of those learned from.

    Leaves of one label only say 0 or 1, of which no number of patients makes sure.
    """
    # Where the training patients had one label only, there is one column.
    ones = probabilities[:, list(model.classes_).index(1)] if 1 in model.classes_ else 0.0
    return (np.broadcast_to(ones, len(probabilities)) * patients + 0.5) / (patients + 1)


def _labels(outcome: Outcome) -> np.ndarray:
    return outcome.event if outcome.kind == BINARY else outcome.value
