"""What every learner gets and gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from bonecast.model.outcome import Outcome
from bonecast.model.prepare import PreparationSettings


@dataclass(frozen=True)
class LearnerSettings:
    """How models are fitted, the same for every learner.

    Attributes:
        inner_folds: folds of the cross-validation that chooses the penalty.
        l1_ratios: mixtures tried for wide models, 0 (ridge) exclusive to 1 (lasso).
        n_penalties: strengths tried per mixture.
        recalibrate: whether predictions are scaled by their slope over the inner folds; of
            learners that can be, see `Fitted`.
        risk_groups: groups of equal size among the training patients.
        preparation: see `PreparationSettings`.
    """

    inner_folds: int = 4
    l1_ratios: tuple[float, ...] = (0.1, 0.5, 0.95)
    n_penalties: int = 40
    recalibrate: bool = False
    risk_groups: int = 3
    preparation: PreparationSettings = field(default_factory=PreparationSettings)


@dataclass(frozen=True)
class InnerFold:
    """Training patients divided once more, for what a learner tunes.

    Attributes:
        train: which patients are learned from, shape (patients,), bool.
        ready: features of all training patients, prepared on those of `train` only.
        factors: penalty factor of each column of `ready`.
    """

    train: np.ndarray
    ready: np.ndarray
    factors: np.ndarray


@dataclass(frozen=True)
class FitContext:
    """What a learner needs besides features and outcome.

    Attributes:
        settings: see `LearnerSettings`.
        seed: of whatever is random.
        factors: penalty factor of each prepared column.
        inner: the inner folds, made when asked for.
    """

    settings: LearnerSettings
    seed: int
    factors: np.ndarray
    inner: Callable[[], Sequence[InnerFold]]


class Fitted(Protocol):
    """A fitted learner. `ready` are features prepared by the recipe, (patients, columns).

    Two further members are optional:

    - `out_of_fold`: predictions of the training patients, like those of `predict`, by models that
      had not seen them, where the learner remembers its patients as trees do. Risk groups and
      thresholds are learned from these.
    - `rescaled(slope, ready, ready_death, outcome)`: the model with effects times `slope` and the
      rest, such as an intercept, fitted anew. Without it predictions are not recalibrated.
    """

    coefficients: np.ndarray | None
    """Effect per standard deviation of each column on the linear predictor, if there is one."""

    tuning: dict
    """What was chosen while learning, as plain values."""

    def linear_predictor(self, ready: np.ndarray) -> np.ndarray:
        """What ranks patients before it becomes a prediction, shape (patients,); NaN if none."""
        ...

    def predict(
        self, ready: np.ndarray, ready_death: np.ndarray, horizons: Sequence[float]
    ) -> np.ndarray:
        """Absolute risks by each horizon, a probability or a value: (patients, columns).

        There is one column per horizon, and one where the outcome has no time.
        """
        ...


Fit = Callable[[np.ndarray, np.ndarray, Outcome, FitContext], Fitted]
"""Learns from prepared features, prepared features of the death model, and outcome."""


def some_column(ready: np.ndarray) -> np.ndarray:
    """The features, or one column of zeros, which say nothing, for libraries that want one."""
    return ready if ready.shape[1] else np.zeros((len(ready), 1))
