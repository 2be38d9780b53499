"""What a prediction is truly worth among patients whose hazards are known.

No outcome is drawn: every pair of patients counts with the probability that it is of the kind
that the metric compares. What is left to chance is which patients are looked at.
"""

import numpy as np

from bonecast.phantom.patients import SHAPE, SimulatedPatients

QUADRATURE_NODES = 16


class _Pairs:
    """Probability that a first patient's marker is above a second's, ties counting half."""

    def __init__(self, marker: np.ndarray):
        self._order = np.argsort(marker, kind="stable")
        ranked = marker[self._order]
        self._low = np.searchsorted(ranked, marker, side="left")
        self._high = np.searchsorted(ranked, marker, side="right")

    def right_and_all(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Summed weight of concordant and of all pairs of two different patients.

        Args:
            first, second: weight of each patient as first and as second of a pair, (patients,).
        """
        below = np.concatenate([[0.0], np.cumsum(second[self._order])])
        right = first @ (below[self._low] + below[self._high]) / 2
        own = first @ second
        return np.array([right - own / 2, first.sum() * below[-1] - own])


def true_auc(marker: np.ndarray, risk: np.ndarray) -> float:
    """AUC(t) with competing risk, as `metrics.auc` estimates it.

    Args:
        marker: higher means riskier, shape (patients,).
        risk: true risk of fracture by t, shape (patients,).
    """
    right, pairs = _Pairs(marker).right_and_all(risk, 1 - risk)
    return right / pairs


def true_concordance(marker: np.ndarray, patients: SimulatedPatients, tau_years: float) -> float:
    """Wolbers' C up to tau, as `metrics.concordance` estimates it.

    One patient fractures at s <= tau, the other had not fractured by s (is alive, or died): the
    product of density and 1 - incidence, by Gauss-Legendre quadrature over s.

    Args:
        marker: higher means riskier, shape (patients,).
    """
    pairs = _Pairs(marker)
    nodes, weights = np.polynomial.legendre.leggauss(QUADRATURE_NODES)
    total = patients.fracture_hazard + patients.death_hazard
    share = patients.fracture_hazard / total
    sums = np.zeros(2)
    # In u = s to the power of SHAPE hazards are constant.
    for u, weight in zip((nodes + 1) / 2 * tau_years**SHAPE, weights, strict=True):
        free = np.exp(-total * u)
        density, unfractured = patients.fracture_hazard * free, 1 - share * (1 - free)
        sums += weight * pairs.right_and_all(density, unfractured)
    return sums[0] / sums[1]


def true_brier(predicted: np.ndarray, risk: np.ndarray) -> float:
    """Expected Brier score at a horizon of predictions among patients of known risk."""
    return float(np.mean((predicted - risk) ** 2 + risk * (1 - risk)))


def true_ipa(predicted: np.ndarray, risk: np.ndarray) -> float:
    """Expected scaled Brier score: 1 - Brier / Brier of the mean risk given to everyone."""
    mean = risk.mean()
    return 1 - true_brier(predicted, risk) / (mean * (1 - mean))
