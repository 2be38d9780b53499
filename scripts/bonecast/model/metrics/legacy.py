"""The tables of earlier studies, until their caller is replaced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bonecast.model.metrics.calibration import calibration
from bonecast.model.metrics.discrimination import auc, concordance
from bonecast.model.metrics.resamples import Resamples, percentile_interval

COMPARED = ("c_index", "auc_t", "brier")
UNTRUNCATED = {"c_index_harrell": np.inf}


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
        sample, inside = resamples.take(usable), folds[:, usable]
        filled = Candidate(candidate.marker[:, usable], candidate.risk)
        judged[name] = judge(filled, inside, sample, horizons)
        results = [(metric, t, "", values) for (metric, t), values in judged[name].items()]
        if name != reference and reference in candidates:
            base = judged.get(reference) if usable.all() else None
            if base is None:
                other = candidates[reference]
                base = Candidate(other.marker[:, usable], other.risk)
                base = judge(base, inside, sample, horizons)
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
                    "threshold": np.nan,
                    "value": values[0],
                    "lower": lower,
                    "upper": upper,
                    "n": int(usable.sum()),
                    "events": int(by_horizon.sum()),
                    "reference": against,
                }
            )
    return pd.DataFrame(rows)
