"""Discrimination and calibration of out-of-fold risks, with patient-bootstrap intervals.

comprisk's `score_cr` knows one set of predictions. Here there are several repeats of several
folds, compared between blocks on the same resampled patients, so its formulas are written out
over weights: with one fold and one repeat the values are the same (tested).

Choices, all of which `DEFINITIONS` states in the results:

- Pairs of patients are compared within a fold only. Each fold has its own model; pooling folds
  pushes C below 0.5 for a model without information, because a fold held out with more events
  leaves fewer to train on.
- Censoring weights come from a Kaplan-Meier curve of censoring over the whole analysis set, and
  are estimated anew in every bootstrap sample.
- The bootstrap resamples patients and keeps their predictions: models are not refitted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

DEFINITIONS = {
    "c_index": (
        "Wolbers' concordance with inverse-probability-of-censoring weights up to tau, patients"
        " who died first counting as never fractured (Wolbers et al., Biostatistics 2014;15:526);"
        " ranks by the risk at tau; pairs within a fold"
    ),
    "c_index_harrell": "Harrell's C, death counted as censoring; pairs within a fold",
    "auc_t": (
        "cumulative/dynamic AUC with competing risk (Blanche et al., Stat Med 2013;32:5381);"
        " pairs within a fold"
    ),
    "brier": "Brier score with competing risk (Gerds and Schumacher, Biom J 2006;48:1029)",
    "ipa": "1 - Brier / Brier of the observed incidence given to everyone",
    "oe_ratio": "Aalen-Johansen incidence divided by the mean predicted risk",
    "censoring_weights": "Kaplan-Meier of censoring over the analysis set, redone per resample",
    "intervals": "2.5 % and 97.5 % quantiles over resampled patients; models are not refitted",
    "repeats": "each metric is computed per repeat and averaged",
}

COMPARED = ("c_index", "auc_t", "brier")
"""Metrics whose difference from the reference block is reported, as delta_<metric>."""

UNTRUNCATED = {"c_index_harrell": np.inf}
"""Metrics over the whole follow-up, beyond tau."""

MIN_FINITE_SHARE = 0.9
"""An interval needs this share of the resamples to have a value (cases to compare)."""


@dataclass(frozen=True)
class Resamples:
    """How often each patient is in each resample.

    Attributes:
        counts: shape (1 + resamples, patients); row 0 is the sample itself.
        left: censoring survival just before each patient's time, same shape.
        time, event: of the patients.
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
        drawn = rng.multinomial(patients, np.full(patients, 1 / patients), size=resamples)
        return cls.weigh(time, event, np.vstack([np.ones((1, patients), dtype=int), drawn]))

    @classmethod
    def weigh(cls, time: np.ndarray, event: np.ndarray, counts: np.ndarray) -> "Resamples":
        """Censoring survival of given counts; events precede censorings at tied times."""
        counts = counts.astype(float)
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

    def limited_to(self, usable: np.ndarray) -> "Resamples":
        """The same resamples without some patients, shape of `usable`: (patients,)."""
        if usable.all():
            return self
        return self.weigh(self.time, self.event, self.counts * usable)

    def at(self, horizon: float) -> np.ndarray:
        """Censoring survival at a horizon, shape (1 + resamples, 1)."""
        position = np.searchsorted(self._knots, horizon, side="right") - 1
        if position < 0:
            return np.ones((len(self.counts), 1))
        return self._survival[:, [position]]

    def weights(self, horizon: float) -> tuple[np.ndarray, np.ndarray]:
        """Weights of cases and of controls at a horizon, each (1 + resamples, patients).

        A case fractured by the horizon. A control was alive without fracture at it, or had died
        before. Patients censored earlier weigh nothing: the others stand for them.
        """
        by_horizon = self.time <= horizon
        inverse = _inverse(self.left)
        cases = self.counts * (by_horizon & (self.event == 1)) * inverse
        controls = self.counts * (by_horizon & (self.event == 2)) * inverse
        controls += self.counts * ~by_horizon * _inverse(self.at(horizon))
        return cases, controls


def _inverse(survival: np.ndarray) -> np.ndarray:
    return np.divide(1.0, survival, out=np.zeros_like(survival), where=survival > 0)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    missing = np.full_like(numerator, np.nan)
    return np.divide(numerator, denominator, out=missing, where=denominator > 0)


def auc(marker: np.ndarray, folds: np.ndarray, resamples: Resamples, horizon: float) -> np.ndarray:
    """AUC(t) of a marker, averaged over repeats, one value per resample.

    Args:
        marker: higher means riskier, shape (repeats, patients).
        folds: fold of each patient, same shape; pairs are formed within a fold.
        horizon: t, in the unit of the times.

    Returns:
        shape (1 + resamples,), NaN where no pair exists.
    """
    cases, controls = resamples.weights(horizon)
    by_repeat = []
    for values, fold in zip(marker, folds, strict=True):
        right = np.zeros(len(cases))
        pairs = np.zeros(len(cases))
        for number in np.unique(fold):
            members = np.flatnonzero(fold == number)
            ranked = members[np.argsort(values[members], kind="stable")]
            below = np.cumsum(controls[:, ranked], axis=1)
            below = np.hstack([np.zeros((len(below), 1)), below])
            case = members[cases[0, members] > 0]
            low = np.searchsorted(values[ranked], values[case], side="left")
            high = np.searchsorted(values[ranked], values[case], side="right")
            # Half of the ties: the mean of the weights strictly below and at most equal.
            right += (cases[:, case] * (below[:, low] + below[:, high]) / 2).sum(axis=1)
            pairs += cases[:, case].sum(axis=1) * below[:, -1]
        by_repeat.append(_ratio(right, pairs))
    return np.mean(by_repeat, axis=0)


def concordance(
    marker: np.ndarray,
    folds: np.ndarray,
    resamples: Resamples,
    tau: float = np.inf,
    weighted: bool = True,
) -> np.ndarray:
    """Concordance of a marker with the order of fractures, averaged over repeats.

    Args:
        marker: higher means riskier, shape (repeats, patients).
        folds: fold of each patient, same shape; pairs are formed within a fold.
        tau: fractures after this time open no pair.
        weighted: True for Wolbers' C with censoring weights, where a patient who died before is
            a comparison for good; False for Harrell's, where death censors.

    Returns:
        shape (1 + resamples,), NaN where no pair exists.
    """
    time, event, counts = resamples.time, resamples.event, resamples.counts
    inverse = _inverse(resamples.left) if weighted else np.ones_like(counts)
    by_repeat = []
    for values, fold in zip(marker, folds, strict=True):
        right = np.zeros(len(counts))
        pairs = np.zeros(len(counts))
        for number in np.unique(fold):
            members = np.flatnonzero(fold == number)
            case = members[(event[members] == 1) & (time[members] <= tau)]
            if not len(case):
                continue
            order = np.sign(values[case][:, None] - values[members])
            agree = (order + 1) / 2
            # At a tied time the censored patient outlived the case.
            censors = event[members] == 0 if weighted else event[members] != 1
            later = time[members] > time[case][:, None]
            later |= (time[members] == time[case][:, None]) & censors
            opened = counts[:, case] * inverse[:, case]
            left = opened * inverse[:, case]
            right += ((left @ (agree * later)) * counts[:, members]).sum(axis=1)
            pairs += ((left @ later.astype(float)) * counts[:, members]).sum(axis=1)
            died = np.flatnonzero(event[members] == 2) if weighted else np.zeros(0, dtype=int)
            if len(died):
                before = (time[members[died]] <= time[case][:, None]).astype(float)
                closed = counts[:, members[died]] * inverse[:, members[died]]
                right += ((opened @ (agree[:, died] * before)) * closed).sum(axis=1)
                pairs += ((opened @ before) * closed).sum(axis=1)
        by_repeat.append(_ratio(right, pairs))
    return np.mean(by_repeat, axis=0)


def calibration(risk: np.ndarray, resamples: Resamples, horizon: float) -> dict[str, np.ndarray]:
    """Brier score, its scaled form and O/E, one value per resample each.

    Args:
        risk: predicted risks by the horizon, shape (repeats, patients).

    Returns:
        `brier`, `ipa`, `oe_ratio`, each of shape (1 + resamples,).
    """
    cases, controls = resamples.weights(horizon)
    patients = resamples.counts.sum(axis=1)
    # The score is linear in squared errors: averaging those first averages it over repeats.
    brier = cases @ ((1 - risk) ** 2).mean(axis=0) + controls @ (risk**2).mean(axis=0)
    brier = _ratio(brier, patients)
    observed = _ratio(cases.sum(axis=1), patients)
    null = cases.sum(axis=1) * (1 - observed) ** 2 + controls.sum(axis=1) * observed**2
    expected = _ratio(resamples.counts @ risk.mean(axis=0), patients)
    return {
        "brier": brier,
        "ipa": 1 - _ratio(brier, _ratio(null, patients)),
        "oe_ratio": _ratio(observed, expected),
    }


@dataclass(frozen=True)
class Candidate:
    """Out-of-fold predictions to be judged.

    Attributes:
        marker: ranks patients at each horizon, shape (repeats, patients, horizons); NaN where
            the patient has none.
        risk: whether the marker is an absolute risk, so that calibration can be judged.
    """

    marker: np.ndarray
    risk: bool


def judge(
    candidate: Candidate, folds: np.ndarray, resamples: Resamples, horizons: Sequence[float]
) -> dict[tuple[str, float], np.ndarray]:
    """Every metric of one candidate: (metric, horizon) to values of shape (1 + resamples,).

    tau is the last horizon. The horizon of the concordances is NaN, as one number stands for the
    whole follow-up to tau.
    """
    tau = horizons[-1]
    last = candidate.marker[:, :, -1]
    values = {
        ("c_index", np.nan): concordance(last, folds, resamples, tau),
        ("c_index_harrell", np.nan): concordance(last, folds, resamples, weighted=False),
    }
    for position, horizon in enumerate(horizons):
        marker = candidate.marker[:, :, position]
        values["auc_t", horizon] = auc(marker, folds, resamples, horizon)
        if candidate.risk:
            for name, value in calibration(marker, resamples, horizon).items():
                values[name, horizon] = value
    return values


METRIC_COLUMNS = [
    "endpoint",
    "design",
    "block",
    "learner",
    "metric",
    "horizon_years",
    "value",
    "lower",
    "upper",
    "n",
    "events",
    "reference",
]


def judge_all(
    candidates: Mapping[str, Candidate],
    folds: np.ndarray,
    resamples: Resamples,
    horizons: Sequence[float],
    reference: str,
) -> pd.DataFrame:
    """Metrics of every candidate and their differences from a reference block.

    A candidate that lacks some patients is compared with the reference on those it has.

    Returns:
        Columns block, metric, horizon_years, value, lower, upper, n, events, reference. `events`
        counts fractures by the horizon, for the C-index by tau, for Harrell's C all of them.
    """
    rows = []
    judged = {}
    for name, candidate in candidates.items():
        usable = ~np.isnan(candidate.marker).any(axis=(0, 2))
        sample = resamples.limited_to(usable)
        filled = Candidate(np.nan_to_num(candidate.marker), candidate.risk)
        judged[name] = judge(filled, folds, sample, horizons)
        results = [(metric, t, "", values) for (metric, t), values in judged[name].items()]
        if name != reference and reference in candidates:
            base = judged.get(reference) if usable.all() else None
            if base is None:
                base = judge(candidates[reference], folds, sample, horizons)
            results += [
                (f"delta_{metric}", t, reference, values - base[metric, t])
                for (metric, t), values in judged[name].items()
                if metric in COMPARED and (metric, t) in base
            ]
        fractured = usable & (resamples.event == 1)
        for metric, t, against, values in results:
            last = UNTRUNCATED.get(metric, horizons[-1]) if np.isnan(t) else t
            by_horizon = fractured & (resamples.time <= last)
            lower, upper = percentile_interval(values[1:])
            rows.append(
                {
                    "block": name,
                    "metric": metric,
                    "horizon_years": t,
                    "value": values[0],
                    "lower": lower,
                    "upper": upper,
                    "n": int(usable.sum()),
                    "events": int(by_horizon.sum()),
                    "reference": against,
                }
            )
    return pd.DataFrame(rows)


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval; empty where too few resamples have a value."""
    finite = values[np.isfinite(values)]
    if not len(values) or len(finite) < MIN_FINITE_SHARE * len(values):
        return np.nan, np.nan
    lower, upper = np.quantile(finite, [0.025, 0.975])
    return float(lower), float(upper)
