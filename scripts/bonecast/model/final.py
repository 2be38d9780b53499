"""The models of all patients: coefficients to read, and a file that predicts new patients."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bonecast.model import REPEATED_CV
from bonecast.model.hazard_ratios import hazard_ratios
from bonecast.model.learners import learners_of
from bonecast.model.learners.base import LearnerSettings
from bonecast.model.learners.settings import learner_settings
from bonecast.model.outcome import SURVIVAL
from bonecast.model.recipe import Recipe
from bonecast.model.saved import SAVEABLE, follow_up_of, model_content
from bonecast.model.stability import selection_frequency, selects
from bonecast.model.validate import Problem

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
    "bootstrap_selection_frequency",
]


def final_models(
    frame: pd.DataFrame,
    features: Mapping,
    folds: Sequence[Mapping],
    settings: Mapping,
    checksum: str,
    log: logging.Logger,
    jobs: int = 1,
) -> tuple[dict, pd.DataFrame, pd.DataFrame]:
    """What rule fit_final_models writes.

    Args:
        frame: the analysis set.
        features: content of features.json.
        folds: facts of the validation's splits.
        settings: the rule's options.
        checksum: SHA-256 of the file that holds the analysis set.
        jobs: processes; results do not depend on it.

    Returns:
        Content of model.json, coefficients and hazard ratios.
    """
    problem = Problem.of(frame, features, settings["blocks"])
    endpoint, learner = features["endpoint"], settings["learners"][0]
    ratios = hazard_ratios(frame, endpoint, _ratio_models(features, settings))
    recipes, detail = {}, features["detail"]
    name = next(iter(learners_of(problem.outcome.kind, (learner,))), learner)
    if features["status"] == "ok":
        detail = _not_offered(learner, name, problem.outcome.kind)
        if detail:
            log.warning(detail)
        else:
            log.info("fitting %d blocks on %d patients", len(problem.layouts), len(frame))
            recipes = fit_final(problem, learner, learner_settings(settings), settings["seed"])
    frequencies = _frequencies(problem, recipes, name, settings, log, jobs)
    training = {
        "patients": len(frame),
        "events": problem.outcome.n_events,
        "longest_follow_up_years": follow_up_of(problem.outcome.time, problem.outcome.kind),
        "analysis_set_sha256": checksum,
    }
    columns = {block: layout.names for block, layout in problem.layouts.items()}
    model = model_content(recipes, columns, features, name, training, detail)
    return model, coefficient_table(problem, recipes, name, folds, frequencies), ratios


def _frequencies(problem, recipes, name, settings, log, jobs) -> dict[str, pd.Series]:
    """How often a term is selected in bootstrap samples, by block that selects."""
    resamples = settings["stability_bootstrap"]
    preparation = learner_settings(settings).preparation
    frequencies = {}
    for block, recipe in recipes.items():
        if not resamples or not selects(recipe.fitted.tuning):
            continue
        log.info("block %s: selecting terms in %d samples", block, resamples)
        frequencies[block] = selection_frequency(
            problem.patients(block),
            problem.outcome,
            problem.layouts[block],
            name,
            recipe.fitted.tuning,
            preparation,
            resamples,
            settings["seed"],
            jobs,
        )["selected"]
    return frequencies


def _not_offered(learner: str, name: str, kind: str) -> str:
    """Why there is no final model of a learner; empty if there is."""
    if name not in SAVEABLE:
        return (
            f"the first of model.learners, {learner}, is not written to a file for {kind} outcomes:"
            " put penalised first"
        )
    return ""


def _ratio_models(features: Mapping, settings: Mapping) -> dict:
    """Terms of plain Cox models: those configured, else one per column of the narrow blocks."""
    if features["kind"] != SURVIVAL:
        return {}
    renamed = features["renamed"]
    chosen = {
        name: [renamed.get(term, term) for term in terms]
        for name, terms in settings["hazard_ratio_models"].items()
    }
    limit = learner_settings(settings).preparation.wide_block
    narrow = [
        c for columns in features["blocks"].values() if len(columns) <= limit for c in columns
    ]
    return chosen or {f"univariable {column}": [column] for column in dict.fromkeys(narrow)}


def fit_final(
    problem: Problem, learner: str, settings: LearnerSettings, seed: int
) -> dict[str, Recipe]:
    """The main learner's recipe of every block, fitted on all patients.

    Each is read back from the plain values that are saved of it, so that what is reported is to
    the last bit what the file predicts.
    """
    ((name, fit),) = learners_of(problem.outcome.kind, (learner,)).items()
    recipes = {}
    for block, layout in problem.layouts.items():
        recipe = Recipe.fit(
            problem.patients(block),
            problem.outcome,
            layout,
            fit,
            settings,
            problem.horizons,
            seed,
        )
        recipes[block] = Recipe.from_json(recipe.to_json(), SAVEABLE[name])
    return recipes


def coefficient_table(
    problem: Problem,
    recipes: Mapping[str, Recipe],
    learner: str,
    folds: Sequence[Mapping],
    frequencies: Mapping[str, pd.Series],
) -> pd.DataFrame:
    """Terms of every block that passed the filters of the final model.

    Args:
        recipes: as from `fit_final`.
        learner: its name in the results.
        folds: facts of the validation's splits, for how often a term was selected there.
        frequencies: by block, how often each term is selected in bootstrap samples; empty of a
            block whose model keeps every term.
    """
    tables = []
    for block, recipe in recipes.items():
        preparation, transform = recipe.transform.preparation, recipe.transform
        mine = [
            fact["selected"]
            for fact in folds
            if (fact["design"], fact["block"], fact["learner"]) == (REPEATED_CV, block, learner)
        ]
        parts = [("main", transform.names, transform.blocks, preparation)]
        effects = {"main": recipe.fitted.coefficients}
        if hasattr(recipe.fitted, "death_coefficients"):
            kept = recipe.death_preparation.columns
            names = [problem.death_columns[i] for i in kept]
            parts.append(("death", names, ["death"] * len(names), recipe.death_preparation))
            effects["death"] = recipe.fitted.death_coefficients
        for cause, names, origin, scale in parts:
            table = pd.DataFrame(
                {
                    "endpoint": problem.endpoint,
                    "block": block,
                    "learner": learner,
                    "cause": problem.endpoint if cause == "main" else cause,
                    "term": list(names),
                    "from_block": list(origin),
                    "median": scale.median,
                    "mean": scale.mean,
                    "sd": scale.sd,
                    "coefficient_per_sd": effects[cause],
                }
            )
            if problem.horizons:
                table["hazard_ratio_per_sd"] = np.exp(table["coefficient_per_sd"])
            if cause == "main" and mine:
                share = pd.Series([name for terms in mine for name in terms]).value_counts()
                table["selection_frequency"] = table["term"].map(share).fillna(0) / len(mine)
            if cause == "main" and block in frequencies:
                found = table["term"].map(frequencies[block])
                table["bootstrap_selection_frequency"] = found
            tables.append(table)
    if not tables:
        return pd.DataFrame(columns=COEFFICIENT_COLUMNS)
    return pd.concat(tables, ignore_index=True).reindex(columns=COEFFICIENT_COLUMNS)
