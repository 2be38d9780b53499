"""Tables of curves: calibration, decision, ROC."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bonecast.model.metrics.candidates import Candidate, Sample
from bonecast.model.metrics.decision import (
    DECISION_THRESHOLDS,
    net_benefit,
    net_benefit_of_all,
)
from bonecast.model.metrics.discrimination import FALSE_POSITIVE_RATES, roc
from bonecast.model.metrics.resamples import percentile_interval
from bonecast.model.metrics.smooth import SmoothCalibration, groups_of
from bonecast.model.outcome import CONTINUOUS, SURVIVAL

HISTOGRAM_BINS = 50

TREAT_ALL, TREAT_NONE = "treat_all", "treat_none"


def _years(sample: Sample, horizon: float) -> float:
    return horizon if sample.kind == SURVIVAL else np.nan


def _intervals(values: np.ndarray) -> tuple[list[float], list[float]]:
    """Percentile interval of each column of shape (1 + resamples, points)."""
    both = [percentile_interval(column) for column in values[1:].T]
    return [lower for lower, _ in both], [upper for _, upper in both]


def calibration_table(
    candidate: Candidate, sample: Sample, curves: Sequence[SmoothCalibration]
) -> pd.DataFrame:
    """Smooth curves, groups and histograms of one model (columns horizon_years and those after).

    Args:
        curves: one per horizon, from `measure_fits` with the same sample; none for a score.
    """
    tables = []
    if not curves:
        return pd.DataFrame()
    for position, (horizon, smooth) in enumerate(zip(sample.horizons, curves, strict=True)):
        predicted = candidate.predicted[:, :, position]
        if not predicted.size:
            continue
        lower, upper = _intervals(smooth.observed)
        line = {"predicted": smooth.grid, "observed": smooth.observed[0]}
        shown = pd.DataFrame({"kind": "smooth", **line, "lower": lower, "upper": upper})
        shown["n"] = predicted.shape[1]
        edges = np.histogram_bin_edges(predicted, HISTOGRAM_BINS)
        bars = pd.DataFrame({"kind": "histogram", "predicted": (edges[:-1] + edges[1:]) / 2})
        # Patients per bin: averaged over repeats, so that the bars add up to the patients.
        bars["n"] = np.histogram(predicted, edges)[0] / len(predicted)
        for part in (shown, _groups(predicted, sample, horizon), bars):
            part.insert(0, "horizon_years", _years(sample, horizon))
            tables.append(part)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _groups(predicted: np.ndarray, sample: Sample, horizon: float) -> pd.DataFrame:
    groups = groups_of(predicted, sample.events_by(horizon))
    counts = sample.resamples.counts
    rows = []
    for group in range(groups.max() + 1):
        observed, expected = [], []
        for values, member in zip(predicted, groups == group, strict=True):
            if sample.kind == CONTINUOUS:
                size = counts[:, member].sum(axis=1)
                total = counts[:, member] @ sample.value[member]
                observed.append(
                    np.divide(total, size, out=np.full(len(size), np.nan), where=size > 0)
                )
            else:
                observed.append(sample.resamples.incidence(horizon, member))
            expected.append(values[member].mean())
        observed = np.mean(observed, axis=0)
        lower, upper = percentile_interval(observed[1:])
        rows.append(
            {
                "kind": "group",
                "predicted": np.mean(expected),
                "observed": observed[0],
                "lower": lower,
                "upper": upper,
                "n": (groups == group).sum() / len(predicted),
            }
        )
    return pd.DataFrame(rows)


def decision_table(candidate: Candidate, sample: Sample) -> pd.DataFrame:
    """Net benefit at every threshold (columns horizon_years, threshold, net_benefit, ...)."""
    if candidate.supplied or sample.kind == CONTINUOUS:
        return pd.DataFrame()
    tables = []
    for position, horizon in enumerate(sample.horizons):
        risk = candidate.predicted[:, :, position]
        benefits = [
            net_benefit(risk, sample.resamples, horizon, threshold)
            for threshold in DECISION_THRESHOLDS
        ]
        tables.append(_decision(benefits, _years(sample, horizon)))
    return pd.concat(tables, ignore_index=True)


def treat_table(sample: Sample) -> pd.DataFrame:
    """Net benefit of treating everybody and nobody (columns block, learner, horizon_years, ...)."""
    if sample.kind == CONTINUOUS:
        return pd.DataFrame()
    tables = []
    for horizon in sample.horizons:
        everybody = [
            net_benefit_of_all(sample.resamples, horizon, threshold)
            for threshold in DECISION_THRESHOLDS
        ]
        nobody = [np.zeros(len(values)) for values in everybody]
        for block, benefits in ((TREAT_ALL, everybody), (TREAT_NONE, nobody)):
            table = _decision(benefits, _years(sample, horizon))
            table.insert(0, "block", block)
            table.insert(1, "learner", "")
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _decision(benefits: Sequence[np.ndarray], years: float) -> pd.DataFrame:
    values = np.stack(benefits, axis=1)
    lower, upper = _intervals(values)
    table = pd.DataFrame({"threshold": DECISION_THRESHOLDS, "net_benefit": values[0]})
    table = table.assign(lower=lower, upper=upper)
    table.insert(0, "horizon_years", years)
    return table


def roc_table(candidate: Candidate, sample: Sample) -> pd.DataFrame:
    """ROC curves (columns horizon_years, false_positive_rate, sensitivity)."""
    if sample.kind == CONTINUOUS:
        return pd.DataFrame()
    tables = []
    for position, horizon in enumerate(sample.horizons):
        curve = roc(candidate.marker(position), candidate.folds, sample.resamples, horizon)
        table = {"false_positive_rate": FALSE_POSITIVE_RATES, "sensitivity": curve}
        tables.append(pd.DataFrame({"horizon_years": _years(sample, horizon), **table}))
    return pd.concat(tables, ignore_index=True)
