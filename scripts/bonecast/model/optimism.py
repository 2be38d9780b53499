"""How much better a model looks on its own patients than on others: Harrell's bootstrap.

The whole recipe is fitted to samples of the patients drawn with replacement, and judged on the
sample and on the patients themselves. The mean difference, the optimism, is taken from the
apparent performance (Harrell, Lee and Mark, Stat Med 1996;15:361).
"""

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from bonecast.model import OPTIMISM
from bonecast.model.designs import seed_of
from bonecast.model.learners import learners_of
from bonecast.model.learners.base import LearnerSettings
from bonecast.model.metrics.calibration import cox_slope, logistic_slope
from bonecast.model.metrics.candidates import Candidate, Sample
from bonecast.model.metrics.definitions import METRIC_COLUMNS
from bonecast.model.metrics.measure import COX, Values, measure
from bonecast.model.metrics.resamples import MIN_FINITE_SHARE, Resamples, percentile_interval
from bonecast.model.metrics.smooth import fine_gray_slope
from bonecast.model.outcome import BINARY, CONTINUOUS, SURVIVAL
from bonecast.model.recipe import Recipe
from bonecast.model.validate import Problem

SLOPE = "calibration_slope"

CORRECTED = {
    SURVIVAL: ("c_index", "auc_t", "brier", "oe_ratio"),
    BINARY: ("auc", "brier", "oe_ratio"),
    CONTINUOUS: ("r2", "rmse", SLOPE),
}
"""Metrics by kind of outcome, besides the calibration slope."""

DRAWN = 1003
"""Marks the seeds of these samples among those of the other designs."""


def bootstrap_optimism(
    problem: Problem,
    learner: str,
    settings: LearnerSettings,
    resamples: Mapping[str, int],
    seed: int,
    log: logging.Logger,
    jobs: int = 1,
) -> pd.DataFrame:
    """Performance of every block corrected for optimism.

    Args:
        learner: word of the configuration.
        resamples: `optimism_bootstrap`, samples to which the recipe is fitted, and `bootstrap`,
            samples for the interval of the apparent performance.
        jobs: processes; results do not depend on it.

    Returns:
        Columns `METRIC_COLUMNS`. For every metric the corrected value, under its plain name, and
        rows `apparent_<metric>` and `optimism_<metric>`. The interval of a corrected value is
        that of the apparent one shifted by the optimism, after Noma et al., Stat Med 2021;40:5691.
        They fit the model anew in every resample and here it is kept, as in the other designs: the
        interval is of the patients' sampling and leaves out that of the model and the optimism.
    """
    named = learners_of(problem.outcome.kind, (learner,))
    if not named or not resamples["optimism_bootstrap"]:
        return pd.DataFrame(columns=METRIC_COLUMNS)
    ((name, _),) = named.items()
    everyone = np.arange(len(problem.outcome))
    whole = Sample.draw(problem.outcome, problem.horizons, resamples["bootstrap"], seed)
    apparent = _performance(problem, everyone, name, learner, settings, whole, seed)
    work = (
        delayed(_optimism)(problem, name, learner, settings, whole, seed_of(seed, DRAWN, number))
        for number in range(resamples["optimism_bootstrap"])
    )
    drawn = []
    for done, found in enumerate(Parallel(n_jobs=jobs, return_as="generator")(work), start=1):
        drawn.append(found)
        if done % 10 == 0:
            log.info("%s: %d of %d samples", OPTIMISM, done, resamples["optimism_bootstrap"])
    rows = []
    for (block, *key), values in apparent.items():
        found = np.array([sample[block, *key] for sample in drawn])
        rows += _rows(block, key, values, found, whole)
    table = pd.DataFrame(rows).assign(
        endpoint=problem.endpoint, design=OPTIMISM, learner=name, reference=""
    )
    return table.reindex(columns=METRIC_COLUMNS)


def _rows(block, key, values, optimism, sample) -> list[dict]:
    """The corrected, the apparent and the optimism of one metric."""
    metric, horizon, threshold = key
    finite = optimism[np.isfinite(optimism)]
    mean = finite.mean() if len(finite) >= MIN_FINITE_SHARE * len(optimism) else np.nan
    ends = np.array(percentile_interval(values[1:]))
    last = sample.horizons[-1] if horizon is None else horizon
    common = {
        "block": block,
        "horizon_years": np.nan if horizon is None else horizon,
        "threshold": np.nan if threshold is None else threshold,
        "n": len(sample.value),
        "events": sample.events_by(np.inf if metric == SLOPE else last),
    }
    wanted = {
        metric: (values[0] - mean, *(ends - mean)),
        f"apparent_{metric}": (values[0], *ends),
        f"optimism_{metric}": (mean, np.nan, np.nan),
    }
    return [
        common | {"metric": name, "value": value, "lower": lower, "upper": upper}
        for name, (value, lower, upper) in wanted.items()
    ]


def _optimism(problem, name, learner, settings, whole, seed) -> dict:
    """Performance on one sample less that on the patients, of the recipe fitted to the sample."""
    patients = len(problem.outcome)
    rows = np.random.default_rng(seed).integers(0, patients, patients)
    counts = np.stack([np.ones(patients, dtype=int), np.bincount(rows, minlength=patients)])
    drawn = Resamples.weigh(whole.resamples.time, whole.resamples.event, counts)
    both = Sample(whole.kind, whole.horizons, drawn, whole.value)
    found = _performance(problem, rows, name, learner, settings, both, seed)
    return {key: values[1] - values[0] for key, values in found.items()}


def _performance(problem, rows, name, learner, settings, sample, seed) -> dict:
    """Fit to some rows, copies and all, and judge all patients, as often as a sample holds them.

    Returns:
        By block, metric, horizon and threshold: one value per resample of `sample`.
    """
    ((_, fit),) = learners_of(problem.outcome.kind, (learner,)).items()
    found = {}
    for block, layout in problem.layouts.items():
        patients = problem.patients(block)
        recipe = Recipe.fit(
            patients.take(rows),
            problem.outcome.take(rows),
            layout,
            fit,
            settings,
            problem.horizons,
            seed,
            copies_of=rows,
        )
        prediction = recipe.predict(patients)
        candidate = Candidate(
            block,
            name,
            prediction.lp[None],
            prediction.predicted[None],
            np.broadcast_to(prediction.threshold, prediction.predicted.shape)[None],
            np.zeros((1, len(patients)), dtype=int),
        )
        values = measure(candidate, sample, only=CORRECTED[sample.kind])
        values |= _slope(candidate, sample)
        found |= {(block, *key): value for key, value in values.items()}
    return found


def _slope(candidate: Candidate, sample: Sample) -> Values:
    """The calibration slope; that of a number is among the other metrics already."""
    drawn = sample.resamples
    if sample.kind == CONTINUOUS:
        return {}
    if sample.kind == BINARY:
        slope = logistic_slope(candidate.predicted[:, :, 0], drawn.event, drawn.counts)
    elif candidate.learner == COX:
        slope = cox_slope(candidate.lp, candidate.folds, drawn)
    else:
        slope = fine_gray_slope(candidate.predicted[:, :, -1], drawn)
    return {(SLOPE, None, None): slope}
