"""Every metric of one model on the same resampled patients."""

from collections.abc import Collection, Sequence

import numpy as np

from bonecast.model.metrics.calibration import (
    calibration,
    cox_slope,
    integrated_brier,
    logistic_slope,
)
from bonecast.model.metrics.candidates import Candidate, Sample
from bonecast.model.metrics.continuous import agreement
from bonecast.model.metrics.decision import (
    net_benefit,
    net_reclassification,
    sensitivity_specificity,
)
from bonecast.model.metrics.discrimination import auc, concordance
from bonecast.model.metrics.smooth import (
    SmoothCalibration,
    diagnosis_curve,
    fine_gray_slope,
    number_curve,
    smooth_calibration,
    survival_curve,
)
from bonecast.model.outcome import BINARY, CONTINUOUS, SURVIVAL

COX = "penalised_cox"
"""The learner whose linear predictor is that of a cause-specific Cox model."""

Key = tuple[str, float | None, float | None]
"""Metric, horizon in years (None: all of the follow-up), threshold (None: has none)."""

Values = dict[Key, np.ndarray]
"""Per key one value per resample, the sample itself first, shape (1 + resamples,)."""


def measure(
    candidate: Candidate,
    sample: Sample,
    thresholds: Sequence[float] = (),
    only: Collection[str] | None = None,
) -> Values:
    """Metrics that need no model fitted; a supplied score has those of ranking only.

    Args:
        candidate, sample: of the same patients, in the same order, none without prediction.
        thresholds: risks at which a decision is judged.
        only: names of the metrics wanted; without it, all.

    Returns:
        Keys of a diagnosis and of a number have no horizon.
    """

    def wanted(*names: str) -> bool:
        return only is None or bool(set(names) & set(only))

    if sample.kind == CONTINUOUS:
        if candidate.supplied:
            return {}
        found = agreement(candidate.predicted[:, :, 0], sample.value, sample.resamples.counts)
        return {(name, None, None): value for name, value in found.items() if wanted(name)}
    values: Values = {}
    survival = sample.kind == SURVIVAL
    drawn, folds = sample.resamples, candidate.folds
    if survival and wanted("c_index"):
        last = candidate.marker(len(sample.horizons) - 1)
        values["c_index", None, None] = concordance(last, folds, drawn, sample.horizons[-1])
    if survival and wanted("c_index_harrell"):
        last = candidate.marker(len(sample.horizons) - 1)
        values["c_index_harrell", None, None] = concordance(last, folds, drawn, weighted=False)
    briers = []
    for position, horizon in enumerate(sample.horizons):
        year = horizon if survival else None
        area = "auc_t" if survival else "auc"
        if wanted(area):
            values[area, year, None] = auc(candidate.marker(position), folds, drawn, horizon)
        if candidate.supplied:
            continue
        risk = candidate.predicted[:, :, position]
        if wanted("brier", "ipa", "oe_ratio", "ibs"):
            found = calibration(risk, drawn, horizon)
            briers.append(found["brier"])
            for name in filter(wanted, found):
                values[name, year, None] = found[name]
        for threshold in thresholds:
            if wanted("net_benefit"):
                benefit = net_benefit(risk, drawn, horizon, threshold)
                values["net_benefit", year, threshold] = benefit
            if wanted("sensitivity", "specificity"):
                both = sensitivity_specificity(risk, drawn, horizon, threshold)
                values["sensitivity", year, threshold] = both[0]
                values["specificity", year, threshold] = both[1]
        learned = candidate.threshold[:, :, position]
        if wanted("sensitivity_learned", "specificity_learned") and np.isfinite(learned).any():
            middle = float(np.median(learned[np.isfinite(learned)]))
            both = sensitivity_specificity(risk, drawn, horizon, learned)
            if not np.isfinite(learned).all():  # a fold that learned none would count as negative
                both = (np.full_like(both[0], np.nan), np.full_like(both[1], np.nan))
            values["sensitivity_learned", year, middle] = both[0]
            values["specificity_learned", year, middle] = both[1]
    if survival and briers and wanted("ibs"):
        values["ibs", None, None] = integrated_brier(briers, sample.horizons)
    return values


def measure_fits(candidate: Candidate, sample: Sample) -> tuple[Values, list[SmoothCalibration]]:
    """Metrics that fit a model to the predictions: calibration slope and smooth calibration.

    Args: as `measure`; a sample with few resamples, as each costs several fits.

    Returns:
        The values, and the smooth calibration at each horizon; nothing for a supplied score.
    """
    if candidate.supplied:
        return {}, []
    drawn = sample.resamples
    values: Values = {}
    curves = []
    if sample.kind == BINARY:
        slope = logistic_slope(candidate.predicted[:, :, 0], drawn.event, drawn.counts)
        values["calibration_slope", None, None] = slope
    elif sample.kind == SURVIVAL and candidate.learner == COX and np.isfinite(candidate.lp).all():
        slope = cox_slope(candidate.lp, candidate.folds, drawn)
        values["calibration_slope", None, None] = slope
    elif sample.kind == SURVIVAL:
        slope = fine_gray_slope(candidate.predicted[:, :, -1], drawn)
        values["calibration_slope", None, None] = slope
    for position, horizon in enumerate(sample.horizons):

        def fit(predicted, patients, horizon=horizon):
            if sample.kind == BINARY:
                return diagnosis_curve(predicted, drawn.event[patients])
            if sample.kind == CONTINUOUS:
                return number_curve(predicted, sample.value[patients])
            time, event = drawn.time[patients], drawn.event[patients]
            return survival_curve(predicted, time, event, horizon)

        smooth = smooth_calibration(candidate.predicted[:, :, position], drawn, fit)
        curves.append(smooth)
        if sample.kind != CONTINUOUS:
            year = horizon if sample.kind == SURVIVAL else None
            values |= {(name, year, None): getattr(smooth, name) for name in ("ici", "e50", "e90")}
    return values, curves


def measure_reclassification(candidate: Candidate, base: Candidate, sample: Sample) -> Values:
    """Net reclassification from `base` at the last horizon; empty unless both predict risks."""
    if sample.kind == CONTINUOUS or candidate.supplied or base.supplied:
        return {}
    year = sample.horizons[-1] if sample.kind == SURVIVAL else None
    last = [c.predicted[:, :, -1] for c in (candidate, base)]
    return {("nri", year, None): net_reclassification(*last, sample.resamples, sample.horizons[-1])}
