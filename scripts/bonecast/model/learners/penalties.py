"""What penalised models with an intercept share: their plain numbers, and penalties to try."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from bonecast.model.learners.base import FitContext, LearnerSettings


@dataclass(frozen=True)
class WithIntercept:
    """A fitted model that is linear on some scale.

    Attributes:
        coefficients: effect per SD on that scale, shape (columns,).
        intercept: of a patient with the training mean of every column.
        tuning: the penalty chosen.
    """

    coefficients: np.ndarray
    intercept: float
    tuning: dict

    def linear_predictor(self, ready: np.ndarray) -> np.ndarray:
        """Intercept and effects together, shape (patients,)."""
        return self.intercept + ready @ self.coefficients

    def to_json(self) -> dict:
        """Everything `predict` uses, as plain values."""
        return {
            "coefficients": self.coefficients.tolist(),
            "intercept": self.intercept,
            "tuning": self.tuning,
        }

    @classmethod
    def from_json(cls, saved: dict) -> Self:
        """The inverse of `to_json`."""
        return cls(np.array(saved["coefficients"]), float(saved["intercept"]), saved["tuning"])


@dataclass(frozen=True)
class Ridge:
    """Ridge penalties to try.

    Attributes:
        penalties: descending; each learner says of what.
    """

    penalties: np.ndarray

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.penalties)

    def describe(self, position: int) -> dict:
        """The penalty at a position, as plain values."""
        return {"kind": "ridge", "penalty": float(self.penalties[position])}


@dataclass(frozen=True)
class ElasticNet:
    """Elastic-net penalties of one mixture to try.

    Attributes:
        l1_ratio: share of the lasso.
        penalties: descending; each learner says of what.
    """

    l1_ratio: float
    penalties: np.ndarray

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.penalties)

    def describe(self, position: int) -> dict:
        """The penalty at a position, as plain values."""
        penalty = float(self.penalties[position])
        return {"kind": "elastic_net", "l1_ratio": self.l1_ratio, "penalty": penalty}


def elastic_net_penalties(
    gradient: np.ndarray,
    patients: int,
    factors: np.ndarray,
    smallest: float,
    settings: LearnerSettings,
) -> dict[float, np.ndarray]:
    """Penalties by mixture, spaced below the one that empties the model.

    Args:
        gradient: of the log-likelihood in every column of an empty model, shape (columns,).
        patients: by which the penalised likelihood is divided.
        factors: penalty factor of each column.
        smallest: the last penalty as a share of the first.
    """
    strongest = max(np.max(np.abs(gradient) / (factors / factors.mean())) / patients, 1e-9)
    steps = np.geomspace(1, smallest, settings.n_penalties)
    return {ratio: strongest / ratio * steps for ratio in settings.l1_ratios}


def mixtures[Path](
    make: Callable[[float, np.ndarray], Path],
    ready: np.ndarray,
    y: np.ndarray,
    smallest: float,
    context: FitContext,
) -> list[Path]:
    """One path per mixture for an outcome without time.

    Args:
        make: of a mixture and its penalties.
        ready: prepared features, shape (patients, columns).
        y: label or number of each patient.
        smallest: the last penalty as a share of the first.
    """
    penalties = elastic_net_penalties(
        ready.T @ (y - y.mean()), len(y), context.factors, smallest, context.settings
    )
    return [make(ratio, tried) for ratio, tried in penalties.items()]


def as_tuned[Path](
    tuning: Mapping,
    ridge: Callable[[np.ndarray], Path],
    elastic_net: Callable[[float, np.ndarray], Path],
) -> Path:
    """The path of the one penalty that a fitted model has, see `Ridge.describe`."""
    penalties = np.array([tuning["penalty"]])
    ratio = tuning.get("l1_ratio")
    return ridge(penalties) if ratio is None else elastic_net(ratio, penalties)
