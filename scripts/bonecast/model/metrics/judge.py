"""Tables of every metric and curve from held-out predictions."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from bonecast.model import LEAVE_ONE_SITE_OUT
from bonecast.model.designs import PREDICTION_COLUMNS
from bonecast.model.metrics.candidates import Candidate, Sample, candidates_of
from bonecast.model.metrics.curves import (
    calibration_table,
    decision_table,
    roc_table,
    treat_table,
)
from bonecast.model.metrics.definitions import COMPARED, DISTANCES, TABLE_COLUMNS
from bonecast.model.metrics.measure import (
    Values,
    measure,
    measure_fits,
    measure_reclassification,
)
from bonecast.model.metrics.resamples import distance_interval, percentile_interval
from bonecast.model.metrics.scores import with_scores
from bonecast.model.metrics.subgroups import levels_of, measure_subgroups
from bonecast.model.outcome import SURVIVAL, Outcome

SITE = "site"

WORTH_A_PROCESS = 2_000_000
"""Patients x models x resamples below which processes cost more time than they save."""


@dataclass(frozen=True)
class _Options:
    thresholds: Sequence[float]
    curve_bootstrap: int
    min_events: int
    nri: bool


def judge_predictions(
    frame: pd.DataFrame,
    parts: Sequence[pd.DataFrame],
    features: Mapping,
    settings: Mapping,
    log: logging.Logger,
    jobs: int = 1,
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Judge every model and supplied score of every design on the patients held out in it.

    Args:
        frame: analysis set, a row per patient: `participant_id`, `time_years` and `event` or
            `outcome`, the scores and the columns of the subgroups.
        parts: held-out predictions (columns: `designs.PREDICTION_COLUMNS`), of one design or a
            part of one each.
        features: content of features.json.
        settings: `bootstrap`, `curve_bootstrap`, `seed`, `thresholds`, `subgroups`, `age_bands`,
            `min_events`, `nri`, as in the section `model` of the configuration.
        jobs: processes; results do not depend on it.

    Returns:
        The predictions of all parts and of the scores, and the tables `metrics`, `subgroups`,
        `calibration_curves`, `decision_curves`, `roc_curves` with the columns of
        `TABLE_COLUMNS`. What cannot be estimated is NaN beside its n and events.

    Raises:
        ValueError: a patient who is not in the analysis set, or who is predicted twice.
    """
    full = [part for part in parts if len(part)]
    predictions = pd.concat(full, ignore_index=True) if full else _no_predictions(parts)
    predictions = with_scores(
        frame, predictions, features["scores"], features.get("reversed_scores", ())
    )
    kind = features["kind"]
    horizons = tuple(sorted(features["horizons_years"])) if kind == SURVIVAL else ()
    options = _Options(
        tuple(settings["thresholds"]),
        min(settings["curve_bootstrap"], settings["bootstrap"]),
        settings["min_events"],
        settings["nri"],
    )
    pieces = {name: [] for name in TABLE_COLUMNS}
    if kind == SURVIVAL and not horizons:
        return predictions, {name: _gather([], c, "") for name, c in TABLE_COLUMNS.items()}
    for design, rows in predictions.groupby("design", sort=False):
        unknown = set(rows["participant_id"]) - set(frame["participant_id"])
        if unknown:
            raise ValueError(
                f"{design}: participant {min(unknown)} has predictions but is not in the analysis"
                " set; remove the old predictions and validate again"
            )
        judged = frame[frame["participant_id"].isin(rows["participant_id"])]
        outcome = Outcome.of(judged, kind)
        # A model of another cohort may not reach the last horizon.
        reached = rows["horizon_years"].dropna().unique()
        within = tuple(t for t in horizons if np.isclose(reached, t).any())
        if kind == SURVIVAL and not within:
            log.warning("%s: its predictions have none of the horizons; not judged", design)
            continue
        sample = Sample.draw(outcome, within, settings["bootstrap"], settings["seed"])
        candidates = candidates_of(rows, pd.Index(judged["participant_id"]), within)
        names = list(settings["subgroups"])
        if design == LEAVE_ONE_SITE_OUT and SITE not in names:
            names.append(SITE)
        levels = levels_of(judged, names, settings["age_bands"])
        log.info(
            "%s: judging %d models and scores on %d patients and %d resamples",
            *(design, len(candidates), len(judged), settings["bootstrap"]),
        )
        found = _judge(candidates, sample, levels, features.get("reference", ""), options, jobs)
        for name, tables in found.items():
            pieces[name] += [table.assign(design=design) for table in tables if len(table)]
    return predictions, {
        name: _gather(pieces[name], columns, features["endpoint"])
        for name, columns in TABLE_COLUMNS.items()
    }


def _no_predictions(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return parts[0] if parts else pd.DataFrame(columns=PREDICTION_COLUMNS)


def _gather(tables: list[pd.DataFrame], columns: list[str], endpoint: str) -> pd.DataFrame:
    if not tables:
        return pd.DataFrame(columns=columns)
    table = pd.concat(tables, ignore_index=True).assign(endpoint=endpoint)
    return table.reindex(columns=columns)


def _judge(candidates, sample, levels, reference, options, jobs) -> dict[str, list[pd.DataFrame]]:
    """Tables of one design by name, in pieces."""
    bases = [c for c in candidates if c.supplied]
    pairs = []
    for candidate in candidates:
        same = [c for c in candidates if c.block == reference and c.learner == candidate.learner]
        others = [] if candidate.supplied else [*same, *bases]
        pairs += [(candidate, base) for base in others if base is not candidate]
    work = len(sample.value) * len(candidates) * len(sample.resamples.counts)
    jobs = jobs if work >= WORTH_A_PROCESS else 1
    alone = Parallel(n_jobs=jobs)(
        delayed(_judge_alone)(c, sample, levels, options) for c in candidates
    )
    known = {id(c): values for c, (_, values) in zip(candidates, alone, strict=True)}
    compared = Parallel(n_jobs=jobs)(
        delayed(_compare)(c, base, known[id(c)], known[id(base)], sample, options)
        for c, base in pairs
    )
    found = {name: [] for name in TABLE_COLUMNS}
    for candidate, (tables, _) in zip(candidates, alone, strict=True):
        for name, table in tables.items():
            found[name].append(table.assign(block=candidate.block, learner=candidate.learner))
        for (other, base), table in zip(pairs, compared, strict=True):
            if other is candidate:
                given = {"block": other.block, "learner": other.learner, "reference": base.block}
                found["metrics"].append(table.assign(**given))
    found["decision_curves"].append(treat_table(sample.first(options.curve_bootstrap)))
    return found


def _judge_alone(
    candidate: Candidate, sample: Sample, levels: Mapping[str, np.ndarray], options: _Options
) -> tuple[dict[str, pd.DataFrame], Values]:
    """Every table of one model, without the columns that name it, and what may be compared."""
    usable = candidate.usable
    candidate, sample = candidate.take(usable), sample.take(usable)
    levels = {name: level[usable] for name, level in levels.items()}
    few = sample.first(options.curve_bootstrap)
    values = measure(candidate, sample, options.thresholds)
    fitted, curves = measure_fits(candidate, few)
    parts = []
    for subgroup, level, part, found, note in measure_subgroups(
        candidate, sample, levels, options.min_events
    ):
        rows = _rows(found, part).assign(subgroup=subgroup, level=level, note=note)
        parts.append(rows.assign(reference=""))
    tables = {
        "metrics": _rows(values | fitted, sample).assign(reference=""),
        "subgroups": pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(),
        "calibration_curves": calibration_table(candidate, few, curves),
        "decision_curves": decision_table(candidate, few),
        "roc_curves": roc_table(candidate, sample),
    }
    return tables, {key: v for key, v in values.items() if key[0] in COMPARED[sample.kind]}


def _compare(
    candidate: Candidate,
    base: Candidate,
    ours: Values,
    theirs: Values,
    sample: Sample,
    options: _Options,
) -> pd.DataFrame:
    """Differences from another model on the patients whom both predict.

    Args:
        ours, theirs: what may be compared, each over all patients that the model predicts.
    """
    only = COMPARED[sample.kind]
    both = candidate.usable & base.usable
    shared = sample.take(both)
    if both.sum() < candidate.usable.sum():
        ours = measure(candidate.take(both), shared, only=only)
    if both.sum() < base.usable.sum():
        theirs = measure(base.take(both), shared, only=only)
    values = {
        (f"delta_{name}", horizon, threshold): value - theirs[name, horizon, threshold]
        for (name, horizon, threshold), value in ours.items()
        if (name, horizon, threshold) in theirs
    }
    if options.nri:
        values |= measure_reclassification(candidate.take(both), base.take(both), shared)
    return _rows(values, shared)


def _rows(values: Values, sample: Sample) -> pd.DataFrame:
    """A row per key: value, interval, patients and the events that the metric counts."""
    rows = []
    for (metric, horizon, threshold), found in values.items():
        last = sample.horizons[-1] if horizon is None else horizon
        if metric in ("c_index_harrell", "calibration_slope"):
            last = np.inf
        if metric in DISTANCES:
            lower, upper = distance_interval(found[0], found[1:])
        else:
            lower, upper = percentile_interval(found[1:])
        rows.append(
            {
                "metric": metric,
                "horizon_years": np.nan if horizon is None else horizon,
                "threshold": np.nan if threshold is None else threshold,
                "value": found[0],
                "lower": lower,
                "upper": upper,
                "n": len(sample.value),
                "events": sample.events_by(last),
            }
        )
    return pd.DataFrame(rows)
