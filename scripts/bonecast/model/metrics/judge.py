"""Tables of every metric and curve from held-out predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from bonecast.model.metrics.candidates import Candidate, Sample, candidates_of
from bonecast.model.metrics.curves import (
    calibration_table,
    decision_table,
    roc_table,
    treat_table,
)
from bonecast.model.metrics.definitions import COMPARED, TABLE_COLUMNS
from bonecast.model.metrics.measure import (
    Values,
    measure,
    measure_fits,
    measure_reclassification,
)
from bonecast.model.metrics.resamples import percentile_interval
from bonecast.model.metrics.subgroups import levels_of, measure_subgroups
from bonecast.model.outcome import SURVIVAL, Outcome

SITE = "site"
BY_SITE = "leave_one_site_out"
"""The design whose results are also given by site."""


@dataclass(frozen=True)
class _Options:
    thresholds: Sequence[float]
    curve_bootstrap: int
    min_events: int
    nri: bool


def judge_predictions(
    frame: pd.DataFrame,
    predictions: pd.DataFrame,
    features: Mapping,
    settings: Mapping,
    jobs: int = 1,
) -> dict[str, pd.DataFrame]:
    """Judge every model of every design on the patients it was held out from.

    Args:
        frame: analysis set, a row per patient: `participant_id`, `time_years` and `event` or
            `outcome`, and the columns of the subgroups.
        predictions: columns participant_id, design, block, learner, repeat, fold, horizon_years,
            lp, predicted, threshold. A design is judged on the patients with rows in it.
        features: `endpoint`, `kind`, `horizons_years`, `reference`.
        settings: `bootstrap`, `curve_bootstrap`, `seed`, `thresholds`, `subgroups`, `age_bands`,
            `min_events`, `nri`, as in the section `model` of the configuration.
        jobs: processes; results do not depend on it.

    Returns:
        `metrics`, `subgroups`, `calibration_curves`, `decision_curves`, `roc_curves` with the
        columns of `TABLE_COLUMNS`. What cannot be estimated is NaN beside its n and events.

    Raises:
        ValueError: a patient who is not in the analysis set, or who is predicted twice.
    """
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
        predictions = predictions.iloc[:0]
    for design, rows in predictions.groupby("design", sort=False):
        unknown = set(rows["participant_id"]) - set(frame["participant_id"])
        if unknown:
            raise ValueError(
                f"{design}: participant {min(unknown)} has predictions but is not in the analysis"
                " set; remove the old predictions and validate again"
            )
        judged = frame[frame["participant_id"].isin(rows["participant_id"])]
        outcome = Outcome.of(judged, kind)
        sample = Sample.draw(outcome, horizons, settings["bootstrap"], settings["seed"])
        candidates = candidates_of(rows, pd.Index(judged["participant_id"]), horizons)
        names = list(settings["subgroups"])
        if design == BY_SITE and SITE not in names:
            names.append(SITE)
        levels = levels_of(judged, names, settings["age_bands"])
        found = _judge(candidates, sample, levels, features.get("reference", ""), options, jobs)
        for name, tables in found.items():
            pieces[name] += [table.assign(design=design) for table in tables if len(table)]
    return {
        name: _gather(pieces[name], columns, features["endpoint"])
        for name, columns in TABLE_COLUMNS.items()
    }


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
    work = [delayed(_judge_alone)(c, sample, levels, options) for c in candidates]
    work += [delayed(_compare)(c, base, sample, options) for c, base in pairs]
    done = Parallel(n_jobs=jobs)(work)
    found = {name: [] for name in TABLE_COLUMNS}
    alone, compared = done[: len(candidates)], done[len(candidates) :]
    for candidate, tables in zip(candidates, alone, strict=True):
        for name, table in tables.items():
            found[name].append(table.assign(block=candidate.block, learner=candidate.learner))
        for (other, base), table in zip(pairs, compared, strict=True):
            if other is candidate:
                given = {"block": other.block, "learner": other.learner, "reference": base.block}
                found["metrics"].append(table.assign(**given))
    found["decision_curves"].append(treat_table(sample.first(options.curve_bootstrap)))
    return found


def _judge_alone(candidate: Candidate, sample: Sample, levels, options: _Options):
    """Every table of one model, without the columns that name it."""
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
    return {
        "metrics": _rows(values | fitted, sample).assign(reference=""),
        "subgroups": pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(),
        "calibration_curves": calibration_table(candidate, few, curves)
        if curves
        else pd.DataFrame(),
        "decision_curves": decision_table(candidate, few),
        "roc_curves": roc_table(candidate, sample),
    }


def _compare(candidate: Candidate, base: Candidate, sample: Sample, options: _Options):
    """Differences from another model on the patients whom both predict."""
    both = candidate.usable & base.usable
    candidate, base, sample = candidate.take(both), base.take(both), sample.take(both)
    ours, theirs = (measure(c, sample, only=COMPARED[sample.kind]) for c in (candidate, base))
    values = {
        (f"delta_{name}", horizon, threshold): value - theirs[name, horizon, threshold]
        for (name, horizon, threshold), value in ours.items()
        if (name, horizon, threshold) in theirs and name in COMPARED[sample.kind]
    }
    if options.nri:
        values |= measure_reclassification(candidate, base, sample)
    return _rows(values, sample)


def _rows(values: Values, sample: Sample) -> pd.DataFrame:
    """A row per key: value, interval, patients and the events that the metric counts."""
    rows = []
    for (metric, horizon, threshold), found in values.items():
        last = sample.horizons[-1] if horizon is None else horizon
        if metric in ("c_index_harrell", "calibration_slope"):
            last = np.inf
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
