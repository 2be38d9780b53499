"""The whole modelling of one endpoint: from an analysis set to the tables of the results."""

import importlib.metadata
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from bonecast.model import metrics, validate
from bonecast.model.cohort import MULTIMODAL, AnalysisSet
from bonecast.model.hazard_ratios import hazard_ratios
from bonecast.model.prepare import PreparationSettings
from bonecast.model.recipe import LearnerSettings, Recipe
from bonecast.runtime import write_json

DEATH_COLUMNS = ("age_years", "sex_male")
"""Features of the death model, those of them that the table has."""

MIN_EVENTS_PER_FOLD = 2

MIN_AT_RISK = 0.1
"""A horizon needs this share of patients followed beyond it, or its risks are extrapolated."""

COEFFICIENT_COLUMNS = [
    "endpoint",
    "block",
    "learner",
    "cause",
    "term",
    "from_block",
    "median",
    "mean",
    "sd",
    "coefficient_per_sd",
    "hazard_ratio_per_sd",
    "selection_frequency",
]

FILES = {
    "predictions": "predictions.parquet",
    "metrics": "metrics.tsv",
    "analysis_set": "analysis_set.parquet",
    "coefficients": "coefficients.tsv",
    "hazard_ratios": "hazard_ratios.tsv",
    "exclusions": "exclusions.tsv",
    "settings": "settings.json",
}
"""Outputs by name, all in models/<endpoint>/."""


class TooSmall(Exception):
    """The cohort does not carry the design; the message says what is lacking."""


@dataclass(frozen=True)
class StudySettings:
    """What is modelled and how it is validated.

    Attributes:
        blocks: blocks compared, in this order; `multimodal` is all the others together.
        horizons_years: years at which risk is predicted.
        folds, repeats, seed: of the outer cross-validation.
        bootstrap: resamples of patients for intervals.
        reference: block that the others are compared with.
        hazard_ratio_models: terms of plain Cox models by name; empty gives one per column of
            the narrow blocks.
        learner: see `LearnerSettings`.
        jobs: processes; results do not depend on it.
    """

    blocks: tuple[str, ...]
    horizons_years: tuple[float, ...]
    folds: int = 5
    repeats: int = 5
    seed: int = 1
    bootstrap: int = 500
    reference: str = "clinical"
    hazard_ratio_models: Mapping[str, Sequence[str]] = field(default_factory=dict)
    learner: LearnerSettings = field(default_factory=LearnerSettings)
    jobs: int = 1


def study_settings(section: Mapping, jobs: int = 1) -> StudySettings:
    """Settings from the section `model` of the configuration."""
    preparation = PreparationSettings(
        max_missing=section["max_missing"],
        winsor_quantile=section["winsor_quantile"],
        correlation_limit=section["correlation_limit"],
    )
    learner = LearnerSettings(
        inner_folds=section["inner_folds"],
        l1_ratios=tuple(section["l1_ratios"]),
        preparation=preparation,
    )
    return StudySettings(
        blocks=tuple(section["blocks"]),
        horizons_years=tuple(section["horizons_years"]),
        folds=section["folds"],
        repeats=section["repeats"],
        seed=section["seed"],
        bootstrap=section["bootstrap"],
        reference=section["reference"],
        hazard_ratio_models=section["hazard_ratio_models"],
        learner=learner,
        jobs=jobs,
    )


@dataclass(frozen=True)
class StudyResults:
    """Tables of one endpoint, named as in `FILES`; `settings` is a dict."""

    predictions: pd.DataFrame
    metrics: pd.DataFrame
    analysis_set: pd.DataFrame
    coefficients: pd.DataFrame
    hazard_ratios: pd.DataFrame
    exclusions: pd.DataFrame
    settings: dict

    def write(self, paths: Mapping[str, str | Path]) -> None:
        """Write every table to its path, keyed as in `FILES`."""
        for name in FILES:
            value, path = getattr(self, name), paths[name]
            if name == "settings":
                write_json(value, path)
            elif str(path).endswith(".parquet"):
                value.to_parquet(path, index=False)
            else:
                value.to_csv(path, sep="\t", index=False, lineterminator="\n")


def run_study(
    analysis: AnalysisSet, endpoint: str, settings: StudySettings, log: logging.Logger
) -> StudyResults:
    """Validate every block, judge it, and refit it on all patients.

    A cohort too small for the design gives empty tables and `status: not_fitted` in the
    settings: measured tables and the report must not wait for more fractures.

    Raises:
        NotImplementedError: an endpoint other than `fracture`.
    """
    if endpoint != "fracture":
        raise NotImplementedError(
            f"endpoint {endpoint!r} is not available yet: set model.endpoint to fracture"
        )
    frame = analysis.frame
    blocks = _blocks(analysis, settings)
    death_columns = [c for c in DEATH_COLUMNS if c in frame]
    models = {
        name: [analysis.renamed.get(term, term) for term in terms]
        for name, terms in settings.hazard_ratio_models.items()
    } or _univariable(analysis, settings)
    ratios = hazard_ratios(frame, endpoint, models)
    facts = _facts(frame, endpoint, settings, blocks, death_columns)
    log.info("%(patients)d patients, %(fractures)d fractures, %(deaths)d deaths", facts["cohort"])
    try:
        horizons = _usable_horizons(frame, blocks, settings)
    except TooSmall as reason:
        log.warning("not fitted: %s", reason)
        facts = {"status": "not_fitted", "detail": str(reason), **facts}
        return StudyResults(
            pd.DataFrame(columns=validate.PREDICTION_COLUMNS),
            pd.DataFrame(columns=metrics.METRIC_COLUMNS),
            frame,
            pd.DataFrame(columns=COEFFICIENT_COLUMNS),
            ratios,
            analysis.exclusions,
            facts,
        )
    dropped = [t for t in settings.horizons_years if t not in horizons]
    if dropped:
        log.warning("horizons without enough patients at risk: %s years", dropped)
    design = validate.Design(
        settings.folds, settings.repeats, horizons, settings.seed, settings.jobs
    )
    event = frame["event"].to_numpy(int)
    time = frame["time_years"].to_numpy(float)
    folds = validate.outer_folds(event, design)
    held_out = validate.cross_validate(
        frame, blocks, death_columns, folds, design, settings.learner, log
    )
    learners = dict.fromkeys(held_out, validate.LEARNER)
    candidates = {name: metrics.Candidate(p.risk, risk=True) for name, p in held_out.items()}
    for score in analysis.scores:
        if frame[score].isna().all():
            log.warning("score %s has no value and is left out", score)
            continue
        supplied = _supplied(frame[score], folds.shape, len(horizons))
        held_out[score] = supplied
        learners[score] = validate.SUPPLIED
        markers = np.repeat(supplied.lp[:, :, None], len(horizons), axis=2)
        candidates[score] = metrics.Candidate(markers, risk=False)
    log.info("judging %d blocks on %d resamples", len(candidates), settings.bootstrap)
    resamples = metrics.Resamples.draw(time, event, settings.bootstrap, settings.seed)
    judged = metrics.judge_all(candidates, folds, resamples, horizons, facts["reference"])
    judged.insert(0, "endpoint", endpoint)
    judged.insert(1, "design", validate.DESIGN)
    judged.insert(3, "learner", judged["block"].map(learners))
    log.info("refitting %d blocks on all patients", len(blocks))
    coefficients, penalties = _refit(frame, endpoint, blocks, death_columns, held_out, settings)
    facts |= {"horizons_years": list(horizons), "horizons_dropped_years": dropped}
    facts |= {"tau_years": horizons[-1], "penalties": penalties}
    return StudyResults(
        validate.tidy_predictions(frame, endpoint, folds, horizons, held_out, learners),
        judged[metrics.METRIC_COLUMNS],
        frame,
        coefficients,
        ratios,
        analysis.exclusions,
        {"status": "ok", "detail": "", **facts},
    )


def _blocks(analysis: AnalysisSet, settings: StudySettings) -> list[validate.Block]:
    """Models to compare; `multimodal` only where it is more than one block."""
    single = {name: analysis.blocks[name] for name in settings.blocks if name in analysis.blocks}
    blocks = [validate.Block(name, {name: columns}) for name, columns in single.items()]
    if MULTIMODAL in settings.blocks and len(single) > 1:
        blocks.append(validate.Block(MULTIMODAL, single))
    return blocks


def _univariable(analysis: AnalysisSet, settings: StudySettings) -> dict[str, list[str]]:
    """One model per column of the blocks narrow enough to be read."""
    limit = settings.learner.preparation.wide_block
    columns = [c for members in analysis.blocks.values() if len(members) <= limit for c in members]
    return {f"univariable {column}": [column] for column in dict.fromkeys(columns)}


def _usable_horizons(
    frame: pd.DataFrame, blocks: Sequence[validate.Block], settings: StudySettings
) -> tuple[float, ...]:
    """Horizons with patients enough.

    Raises:
        TooSmall: nothing can be validated, and why.
    """
    fractures = int((frame["event"] == 1).sum())
    needed = MIN_EVENTS_PER_FOLD * settings.folds
    if not blocks:
        raise TooSmall("no block has any column")
    if fractures < needed:
        raise TooSmall(
            f"{fractures} fractures among {len(frame)} patients; {settings.folds}-fold"
            f" validation needs at least {needed}"
        )
    if fractures == len(frame):
        raise TooSmall("every patient fractured: there is nobody to compare with")
    time = frame["time_years"]
    first = time[frame["event"] == 1].min()
    followed = {t: (time > t).mean() for t in settings.horizons_years}
    horizons = tuple(
        sorted(t for t, share in followed.items() if t >= first and share >= MIN_AT_RISK)
    )
    if not horizons:
        raise TooSmall(
            f"no horizon of {list(settings.horizons_years)} years lies after the first fracture"
            f" ({first:.2f} years) with {MIN_AT_RISK:.0%} of patients followed beyond it"
            f" (longest follow-up {time.max():.2f} years)"
        )
    return horizons


def _supplied(score: pd.Series, shape: tuple[int, int], horizons: int) -> validate.HeldOut:
    """A score that needs no fitting, in the form of out-of-fold predictions."""
    lp = np.broadcast_to(score.to_numpy(float), shape)
    return validate.HeldOut(lp, np.full((*shape, horizons), np.nan), pd.Series(dtype=float))


def _refit(frame, endpoint, blocks, death_columns, held_out, settings):
    """Coefficients of every block on all patients, and the penalties chosen.

    Returns:
        A table (columns: `COEFFICIENT_COLUMNS`) of the terms that stayed in the model or were
        ever selected, and a dict by block.
    """
    time = frame["time_years"].to_numpy(float)
    event = frame["event"].to_numpy(int)
    x_death = frame[death_columns].to_numpy(float)
    tables, penalties = [], {}
    for block in blocks:
        columns, block_of = block.names()
        recipe = Recipe.fit(
            frame[columns].to_numpy(float),
            x_death,
            time,
            event,
            block_of,
            settings.learner,
            settings.seed,
        )
        penalties[block.name] = recipe.penalty
        parts = (
            ("fracture", columns, recipe.preparation, recipe.coefficients, block_of),
            (
                "death",
                death_columns,
                recipe.death_preparation,
                recipe.death_coefficients,
                ["death"] * len(death_columns),
            ),
        )
        for cause, names, preparation, coefficients, origin in parts:
            kept = preparation.columns
            table = pd.DataFrame(
                {
                    "endpoint": endpoint,
                    "block": block.name,
                    "learner": validate.LEARNER,
                    "cause": cause,
                    "term": [names[position] for position in kept],
                    "from_block": [origin[position] for position in kept],
                    "median": preparation.median,
                    "mean": preparation.mean,
                    "sd": preparation.sd,
                    "coefficient_per_sd": coefficients,
                    "hazard_ratio_per_sd": np.exp(coefficients),
                }
            )
            if cause == "fracture":
                share = held_out[block.name].times_selected / (settings.folds * settings.repeats)
                table["selection_frequency"] = table["term"].map(share)
            tables.append(table)
    return pd.concat(tables, ignore_index=True)[COEFFICIENT_COLUMNS], penalties


def _facts(frame, endpoint, settings, blocks, death_columns) -> dict:
    """What a methods section needs: numbers of the cohort, design, definitions, versions."""
    event = frame["event"]
    fractures = int((event == 1).sum())
    names = [block.name for block in blocks]
    reference = settings.reference if settings.reference in names else (names or [""])[0]
    candidates = {block.name: len(block.names()[0]) for block in blocks}
    return {
        "endpoint": endpoint,
        "estimand": "time to first fracture with death as competing event; time zero is the scan",
        "cohort": {
            "patients": len(frame),
            "fractures": fractures,
            "deaths": int((event == 2).sum()),
            "censored": int((event == 0).sum()),
            "person_years": float(frame["time_years"].sum()),
            "longest_follow_up_years": float(frame["time_years"].max()) if len(frame) else None,
        },
        "design": {
            "name": validate.DESIGN,
            "folds": settings.folds,
            "repeats": settings.repeats,
            "inner_folds": settings.learner.inner_folds,
            "stratified_by": "event type",
            "seed": settings.seed,
            "bootstrap": settings.bootstrap,
        },
        "reference": reference,
        "blocks": {block.name: {"columns": block.names()[0]} for block in blocks},
        "death_model_columns": death_columns,
        "candidate_parameters": candidates,
        "events_per_candidate_parameter": {
            name: fractures / count if count else None for name, count in candidates.items()
        },
        "missing_share": {
            column: share
            for column, share in frame.isna().mean().items()
            if share > 0 and column != "site"
        },
        "learner": {
            "name": validate.LEARNER,
            "fracture": (
                "cause-specific Cox: ridge with Efron ties for at most"
                f" {settings.learner.preparation.wide_block} columns, elastic net above, penalty"
                " factor of a column the square root of its block's size; penalty by inner"
                " cross-validated partial likelihood"
            ),
            "death": "cause-specific Cox with a fixed ridge penalty of one event",
            "absolute_risk": "product limit of both cause-specific hazards, Efron baseline",
            "imputation": "median of the training fold",
            "winsor_quantile": settings.learner.preparation.winsor_quantile,
            "correlation_limit": settings.learner.preparation.correlation_limit,
            "l1_ratios": list(settings.learner.l1_ratios),
        },
        "definitions": metrics.DEFINITIONS,
        "versions": {
            package: importlib.metadata.version(package)
            for package in ("numpy", "pandas", "scikit-learn", "scikit-survival")
        },
    }
