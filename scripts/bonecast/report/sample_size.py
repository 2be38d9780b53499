"""The sample size each block would have needed, beside the one this cohort has."""

import numpy as np
import pandas as pd

from bonecast.model.cox import EfronLikelihood
from bonecast.model.outcome import BINARY, CONTINUOUS, SURVIVAL
from bonecast.model.sample_size import (
    SHARE_OF_MAX_R2,
    SampleSize,
    binary_sample_size,
    continuous_sample_size,
    max_r2_binary,
    max_r2_survival,
    survival_sample_size,
)
from bonecast.report.artefacts import Artefacts
from bonecast.report.tables import ASSUMED, OBSERVED

CRITERIA = ("criterion_1", "criterion_2", "criterion_3", "criterion_4")

SAMPLE_SIZE_COLUMNS = (
    "endpoint",
    "block",
    "candidate_parameters",
    "patients",
    "events",
    "events_per_parameter",
    "event_rate_per_year",
    "prevalence",
    "mean_follow_up_years",
    "horizon_years",
    "r2_source",
    "r2",
    "r2_max",
    *CRITERIA,
    "patients_needed",
    "events_needed",
    "events_per_parameter_needed",
    "enough",
    "sentence",
)


def sample_size_table(artefacts: Artefacts) -> pd.DataFrame:
    """Riley's criteria for every block, with this cohort's own event rate and follow-up.

    The R-squared is first assumed, 15 % of the largest possible (Riley et al., BMJ 2020;368:m441),
    and then, where the block was validated, the one of its held-out predictions by the main
    learner: Cox-Snell's from the likelihood of a risk, R-squared of a number. It is free of
    optimism, and left out where it is not above 0.

    Returns:
        One row per block and source of R-squared, columns `SAMPLE_SIZE_COLUMNS`; `criterion_n` and
        the columns after them are empty where the cohort has no events to start from.
    """
    rows = []
    for block, parameters in artefacts.parameters.items():
        if not parameters:
            continue
        sources = {ASSUMED: None}
        observed = observed_r2(artefacts, block)
        if observed is not None and observed > 0:
            sources[OBSERVED] = observed
        rows += [_row(artefacts, block, parameters, *source) for source in sources.items()]
    return pd.DataFrame(rows, columns=list(SAMPLE_SIZE_COLUMNS))


def observed_r2(artefacts: Artefacts, block: str) -> float | None:
    """R-squared of a block's held-out predictions, averaged over repeats; None without any.

    Of a risk it is Cox-Snell's, 1 - exp(-LR / n). For time to event LR is the partial likelihood
    of the held-out linear predictor against none within each fold: predictors of different folds
    share no origin.
    """
    rows = artefacts.predictions
    if rows.empty:
        return None
    rows = rows[(rows["block"] == block) & (rows["learner"] == artefacts.main_learner)]
    rows = rows[rows["design"] == artefacts.main_design]
    if artefacts.kind == SURVIVAL and len(rows):
        rows = rows[rows["horizon_years"] == rows["horizon_years"].max()]
    gains = [_r2(part, artefacts.kind) for _, part in rows.groupby("repeat")]
    return float(np.mean(gains)) if gains else None


def _r2(rows: pd.DataFrame, kind: str) -> float:
    """R-squared of one repeat."""
    if kind == CONTINUOUS:
        residual = ((rows["outcome"] - rows["predicted"]) ** 2).sum()
        return float(1 - residual / ((rows["outcome"] - rows["outcome"].mean()) ** 2).sum())
    if kind == BINARY:
        outcome, risk = rows["outcome"].to_numpy(float), rows["predicted"].to_numpy(float)
        gain = _log_likelihood(outcome, risk) - _log_likelihood(outcome, outcome.mean())
    else:
        gain = 0.0
        for _, fold in rows.groupby("fold"):
            event = fold["event"].to_numpy() == 1
            if event.any():
                likelihood = EfronLikelihood(fold["time_years"].to_numpy(float), event)
                lp = fold["lp"].to_numpy(float)
                gain += likelihood.value(lp) - likelihood.value(np.zeros(len(lp)))
    return float(-np.expm1(-2 * gain / len(rows)))


def _log_likelihood(outcome: np.ndarray, risk: np.ndarray | float) -> float:
    risk = np.clip(risk, 1e-12, 1 - 1e-12)
    return float((outcome * np.log(risk) + (1 - outcome) * np.log(1 - risk)).sum())


def _row(artefacts: Artefacts, block: str, parameters: int, source: str, r2: float | None) -> dict:
    n, events = artefacts.patients, artefacts.events
    horizon = max(artefacts.horizons_years, default=None)
    row = {
        "endpoint": artefacts.endpoint,
        "block": block,
        "candidate_parameters": parameters,
        "patients": n,
        "events": events,
        "r2_source": source,
    }
    if events is not None:
        row["events_per_parameter"] = events / parameters
    try:
        needed = _needed(artefacts, parameters, r2, horizon, row)
    except ValueError as error:
        return row | {"sentence": f"{_start(artefacts, parameters)} No sample size: {error}."}
    row |= dict(zip(CRITERIA, needed.criteria, strict=False))
    row |= {"r2": needed.r2, "r2_max": needed.r2_max, "patients_needed": needed.patients}
    if needed.events is not None:
        row["events_needed"] = int(np.ceil(needed.events))
        row["events_per_parameter_needed"] = needed.events / parameters
    row["enough"] = "yes" if n >= needed.patients else "no"
    return row | {"sentence": sentence(artefacts, parameters, needed, source)}


def _needed(
    artefacts: Artefacts, parameters: int, r2: float | None, horizon: float | None, row: dict
) -> SampleSize:
    """Sample size for one block; writes what it rests on into `row`.

    Raises:
        ValueError: the cohort has no events, only events, or no horizon.
    """
    n, events = artefacts.patients, artefacts.events
    if artefacts.kind == CONTINUOUS:
        outcome = artefacts.frame["outcome"]
        # There is no largest R-squared below 1: the same share of all variance is assumed.
        r2 = SHARE_OF_MAX_R2 if r2 is None else r2
        return continuous_sample_size(parameters, r2, outcome.mean(), outcome.std())
    if not events or (artefacts.kind == BINARY and events == n):
        raise ValueError(f"{events} of {n} patients have the event")
    if artefacts.kind == BINARY:
        row["prevalence"] = events / n
        r2 = SHARE_OF_MAX_R2 * max_r2_binary(events / n) if r2 is None else r2
        return binary_sample_size(parameters, r2, events / n)
    if horizon is None:
        raise ValueError("no horizon has enough follow-up")
    rate, follow_up = events / artefacts.person_years, artefacts.person_years / n
    row |= {"event_rate_per_year": rate, "mean_follow_up_years": follow_up}
    row["horizon_years"] = horizon
    r2 = SHARE_OF_MAX_R2 * max_r2_survival(rate, follow_up) if r2 is None else r2
    return survival_sample_size(parameters, r2, rate, horizon, follow_up)


def _start(artefacts: Artefacts, parameters: int) -> str:
    """How many patients and events there are, as the beginning of the sentence."""
    plural = "" if parameters == 1 else "s"
    counted = f"{parameters:,} candidate parameter{plural}"
    if artefacts.events is None:
        per = artefacts.patients / parameters
        return f"This cohort has {artefacts.patients:,} patients for {counted}, {per:,.1f} each."
    per = artefacts.events / parameters
    words = artefacts.event_words
    return f"This cohort has {artefacts.events:,} {words} for {counted}, {per:,.1f} per parameter."


def sentence(artefacts: Artefacts, parameters: int, needed: SampleSize, source: str) -> str:
    """The sample size as a paper says it.

    Args:
        source: `ASSUMED` or `OBSERVED`, where the R-squared comes from.
    """
    what = "an R-squared" if artefacts.kind == CONTINUOUS else "a Cox-Snell R-squared"
    if source == OBSERVED:
        origin = "as observed in held-out patients"
    elif artefacts.kind == CONTINUOUS:
        origin = f"assumed to be {100 * SHARE_OF_MAX_R2:.0f} % of the variance"
    else:
        origin = f"assumed to be {100 * SHARE_OF_MAX_R2:.0f} % of the largest possible"
    events = ""
    if needed.events is not None:
        per = needed.events / parameters
        events = f" with {int(np.ceil(needed.events)):,} events ({per:.1f} per parameter)"
    short = artefacts.patients < needed.patients
    has = (
        f"{'more than' if short else 'and it has'} {'its ' if short else ''}{artefacts.patients:,}"
    )
    return (
        f"{_start(artefacts, parameters)} At {what} of {needed.r2:.3f}, {origin}, the criteria of"
        f" Riley et al. (Stat Med 2019) ask for {needed.patients:,} patients{events}, {has}."
    )
