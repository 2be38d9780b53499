"""Bootstrap resamples of patients, with weights for those whose follow-up ended early."""

from dataclasses import dataclass

import numpy as np

MIN_FINITE_SHARE = 0.9
"""An interval needs this share of the resamples to have a value (cases to compare)."""


@dataclass(frozen=True)
class Resamples:
    """How often each patient is in each resample.

    Attributes:
        counts: shape (1 + resamples, patients); row 0 is the sample itself.
        left: censoring survival just before each patient's time, same shape.
        time, event: of the patients; event is 0 censored, 1 fracture, 2 death.
    """

    counts: np.ndarray
    left: np.ndarray
    time: np.ndarray
    event: np.ndarray
    _knots: np.ndarray
    _survival: np.ndarray

    @classmethod
    def draw(cls, time: np.ndarray, event: np.ndarray, resamples: int, seed: int) -> "Resamples":
        """Draw patients with replacement; `resamples` 0 gives the sample alone."""
        patients = len(time)
        rng = np.random.default_rng(seed)
        share = np.full(patients, 1 / max(patients, 1))
        drawn = rng.multinomial(patients, share, size=resamples)
        return cls.weigh(time, event, np.vstack([np.ones((1, patients), dtype=int), drawn]))

    @classmethod
    def weigh(cls, time: np.ndarray, event: np.ndarray, counts: np.ndarray) -> "Resamples":
        """Censoring survival of given counts; events precede censorings at tied times."""
        counts = counts.astype(float)
        if not len(time):
            empty = np.zeros((len(counts), 0))
            return cls(counts, empty, time, event, np.zeros(0), empty)
        order = np.argsort(time, kind="stable")
        knots, first, knot_of = np.unique(time[order], return_index=True, return_inverse=True)
        sorted_counts = counts[:, order]
        at_risk = np.cumsum(sorted_counts[:, ::-1], axis=1)[:, ::-1][:, first]
        censored = np.add.reduceat(sorted_counts * (event[order] == 0), first, axis=1)
        happened = np.add.reduceat(sorted_counts * (event[order] > 0), first, axis=1)
        exposed = at_risk - happened
        share = np.divide(censored, exposed, out=np.zeros_like(censored), where=exposed > 0)
        survival = np.cumprod(1 - share, axis=1)
        before = np.hstack([np.ones((len(counts), 1)), survival[:, :-1]])
        left = np.empty_like(counts)
        left[:, order] = before[:, knot_of]
        return cls(counts, left, time, event, knots, survival)

    def take(self, patients: np.ndarray) -> "Resamples":
        """The same resamples of some patients, a mask; weights are estimated among these."""
        if patients.all():
            return self
        return self.weigh(self.time[patients], self.event[patients], self.counts[:, patients])

    def first(self, resamples: int) -> "Resamples":
        """The sample itself and its first resamples."""
        rows = slice(0, 1 + resamples)
        left, survival = self.left[rows], self._survival[rows]
        return Resamples(self.counts[rows], left, self.time, self.event, self._knots, survival)

    def drawn(self, row: int) -> np.ndarray:
        """Positions of the patients of one resample, each as often as it was drawn."""
        return np.repeat(np.arange(len(self.time)), self.counts[row].astype(int))

    def at(self, horizon: float) -> np.ndarray:
        """Censoring survival at a horizon, shape (1 + resamples, 1)."""
        position = np.searchsorted(self._knots, horizon, side="right") - 1
        if position < 0:
            return np.ones((len(self.counts), 1))
        return self._survival[:, [position]]

    def weights(self, horizon: float) -> tuple[np.ndarray, np.ndarray]:
        """Weights of cases and of controls at a horizon, each (1 + resamples, patients).

        A case fractured by the horizon. A control was alive without fracture at it, or had died
        before. Patients censored earlier weigh nothing: the others stand for them. Where follow-up
        ends before the horizon nobody stands for them: NaN.
        """
        by_horizon = self.time <= horizon
        weight = inverse(self.left)
        cases = self.counts * (by_horizon & (self.event == 1)) * weight
        controls = self.counts * (by_horizon & (self.event == 2)) * weight
        controls += self.counts * ~by_horizon * inverse(self.at(horizon))
        lost = ~self.followed(horizon)
        cases[lost], controls[lost] = np.nan, np.nan
        return cases, controls

    def incidence(self, horizon: float, patients: np.ndarray | None = None) -> np.ndarray:
        """Aalen-Johansen incidence of fracture by a horizon, one value per resample.

        Args:
            patients: mask of those it is estimated among; without it, all.

        Returns:
            shape (1 + resamples,), NaN where nobody was drawn. Where follow-up ends before the
            horizon, the incidence reached by then.
        """
        members = np.arange(len(self.time)) if patients is None else np.flatnonzero(patients)
        total = self.counts[:, members].sum(axis=1, keepdims=True)
        members = members[self.time[members] <= horizon]
        # Tied fractures first, then deaths, then censorings: taken one by one in this order they
        # give the product over distinct times.
        rank = np.array([2, 0, 1])[self.event[members]]
        members = members[np.lexsort((rank, self.time[members]))]
        counts = self.counts[:, members]
        at_risk = total - np.cumsum(counts, axis=1) + counts
        event = self.event[members]
        hazard = np.divide(counts, at_risk, out=np.zeros_like(counts), where=at_risk > 0)
        free = np.cumprod(1 - hazard * (event > 0), axis=1)
        before = np.hstack([np.ones((len(free), 1)), free[:, :-1]])[:, : len(members)]
        reached = (before * hazard * (event == 1)).sum(axis=1)
        return np.where(total[:, 0] > 0, reached, np.nan)

    def followed(self, horizon: float) -> np.ndarray:
        """Whether anybody tells what happened until a horizon, shape (1 + resamples,)."""
        return self.at(horizon)[:, 0] > 0


def inverse(survival: np.ndarray) -> np.ndarray:
    """1 / survival, 0 where survival is 0: such a patient stands for nobody."""
    return np.divide(1.0, survival, out=np.zeros_like(survival), where=survival > 0)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Element-wise quotient, NaN where the denominator is not positive."""
    missing = np.full_like(numerator, np.nan)
    return np.divide(numerator, denominator, out=missing, where=denominator > 0)


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval; NaN where too few resamples have a value.

    Quantiles are order statistics k of B + 1 (Hyndman and Fan's sixth, Am Stat 1996;50:361): those
    of numpy's default, k of B - 1, hold 94.0 % with 200 resamples.
    """
    finite = values[np.isfinite(values)]
    if not len(values) or len(finite) < MIN_FINITE_SHARE * len(values):
        return np.nan, np.nan
    lower, upper = np.quantile(finite, [0.025, 0.975], method="weibull")
    return float(lower), float(upper)


def distance_interval(value: float, values: np.ndarray) -> tuple[float, float]:
    """95 % interval of a distance, which resampling makes larger than it is.

    Percentiles less the bootstrap's own estimate of that bias (mean of the resamples less the
    value; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 10), not below 0.
    """
    lower, upper = percentile_interval(values)
    bias = float(np.nanmean(values)) - value if np.isfinite(lower) else np.nan
    return tuple(np.maximum([lower - bias, upper - bias], 0.0).tolist())
