"""Fine-Gray subdistribution hazard of fracture: a sensitivity analysis of the Cox models.

The penalty is the one that the cause-specific Cox model of the same training patients prefers: its
inner cross-validation costs milliseconds a path, one of Fine-Gray models minutes. comprisk fits
the model at that single penalty.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from comprisk import PenalizedFineGrayRegression

from bonecast.model.learners.base import FitContext, some_column
from bonecast.model.learners.penalised_cox import tuned_coefficients
from bonecast.model.outcome import Outcome

TOLERANCE = 1e-7
MAX_SWEEPS = 5000


@dataclass(frozen=True)
class FineGray:
    """A fitted model: Fine and Gray, J Am Stat Assoc 1999;94:496.

    Attributes:
        coefficients: log subdistribution hazard ratio of fracture per SD, shape (columns,).
        times: times of fracture, ascending, shape (times,), years.
        cumulative_hazard: baseline cumulative subdistribution hazard at `times`.
        tuning: the penalty, and whether the fit converged.
    """

    coefficients: np.ndarray
    times: np.ndarray
    cumulative_hazard: np.ndarray
    tuning: dict

    def linear_predictor(self, ready: np.ndarray) -> np.ndarray:
        """Log subdistribution hazard ratio against the training mean, shape (patients,)."""
        return ready @ self.coefficients

    def predict(
        self, ready: np.ndarray, ready_death: np.ndarray, horizons: Sequence[float]
    ) -> np.ndarray:
        """Cumulative incidence of fracture, shape (patients, horizons).

        Each is below 1, but nothing ties it to a model of death: the two together can exceed 1
        (Austin et al., Stat Med 2021;40:4200). `ready_death` is not used: death enters through
        the training patients who died, who stay at risk of the subdistribution.
        """
        position = np.searchsorted(self.times, np.asarray(horizons, dtype=float), side="right")
        hazard = np.concatenate([[0.0], self.cumulative_hazard])[position]
        return -np.expm1(-hazard * np.exp(self.linear_predictor(ready))[:, None])

    def to_json(self) -> dict:
        """Everything `predict` uses, as plain values."""
        return {
            "coefficients": self.coefficients.tolist(),
            "times": self.times.tolist(),
            "cumulative_hazard": self.cumulative_hazard.tolist(),
            "tuning": self.tuning,
        }

    @classmethod
    def from_json(cls, saved: dict) -> "FineGray":
        """The inverse of `to_json`."""
        parts = (np.array(saved[name]) for name in ("coefficients", "times", "cumulative_hazard"))
        return cls(*parts, saved["tuning"])


def fit_fine_gray(
    ready: np.ndarray, ready_death: np.ndarray, outcome: Outcome, context: FitContext
) -> FineGray:
    """Fit to training patients, see `learners.base.Fit`."""
    _, tuning = tuned_coefficients(ready, outcome, context)
    return fit_at(ready, outcome, context.factors, tuning)


def fit_at(ready: np.ndarray, outcome: Outcome, factors: np.ndarray, tuning: dict) -> FineGray:
    """The model at one penalty.

    Args:
        ready: standardised features, shape (patients, columns).
        factors: penalty factor of each column; as comprisk has none, a wide model's columns are
            divided by it, which multiplies the lasso part of its penalty by the factor and the
            ridge part by its square.
        tuning: penalty as `penalised_cox` describes it.
    """
    patients, columns = ready.shape
    if not (outcome.event == 1).any():
        return FineGray(np.zeros(columns), np.zeros(0), np.zeros(0), tuning)
    scale = np.ones(columns)
    if tuning["kind"] == "elastic_net":
        scale = factors / factors.mean()
        penalty = {"penalty": "elasticnet", "l1_ratio": tuning["l1_ratio"]}
        strength = tuning["penalty"]
    else:
        # A ridge's penalty is in units of events; comprisk divides the likelihood by patients.
        penalty = {"penalty": "ridge"}
        strength = tuning.get("penalty", 1.0) / patients
    model = PenalizedFineGrayRegression(
        **penalty, lambdas=[strength], standardize=False, tol=TOLERANCE, max_iter=MAX_SWEEPS
    )
    x = some_column(ready / scale)
    model.fit(x, time=outcome.time, event=outcome.event)
    times = np.unique(outcome.time[outcome.event == 1])
    baseline = model.predict_cumulative_incidence(np.zeros((1, x.shape[1])), times)[0]
    return FineGray(
        model.coef_[:columns] / scale,
        times,
        -np.log1p(-baseline),
        tuning | {"converged": bool(model.converged_)},
    )


def coefficients_at(
    ready: np.ndarray, outcome: Outcome, factors: np.ndarray, tuning: dict
) -> np.ndarray:
    """The coefficients of `fit_at`."""
    return fit_at(ready, outcome, factors, tuning).coefficients
