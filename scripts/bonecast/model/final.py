"""The models of all patients: coefficients to read, and a file that predicts new patients."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bonecast.model.designs import seed_of
from bonecast.model.hazard_ratios import hazard_ratios
from bonecast.model.learners import learners_of
from bonecast.model.learners.base import LearnerSettings
from bonecast.model.learners.settings import learner_settings
from bonecast.model.outcome import SURVIVAL
from bonecast.model.recipe import Recipe
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

MODEL_FORMAT = 1
"""Version of the layout of model.json."""

FINAL = 9999
"""Marks the seed of the final models among those of the folds."""


def final_models(
    frame: pd.DataFrame,
    features: Mapping,
    folds: Sequence[Mapping],
    settings: Mapping,
    log: logging.Logger,
) -> tuple[dict, pd.DataFrame, pd.DataFrame]:
    """What rule fit_final_models writes.

    Args:
        frame: the analysis set.
        features: content of features.json.
        folds: facts of the validation's splits.
        settings: the rule's options.

    Returns:
        Content of model.json, coefficients and hazard ratios.
    """
    problem = Problem.of(frame, features, settings["blocks"])
    endpoint, learner = features["endpoint"], settings["learners"][0]
    ratios = hazard_ratios(frame, endpoint, _ratio_models(problem, features, settings))
    recipes, name = {}, learner
    if features["status"] == "ok":
        name = next(iter(learners_of(problem.outcome.kind, (learner,))), learner)
        log.info("fitting %d blocks on %d patients", len(problem.layouts), len(frame))
        recipes = fit_final(problem, learner, learner_settings(settings), settings["seed"])
    model = {
        "format": MODEL_FORMAT,
        "endpoint": endpoint,
        "kind": features["kind"],
        "learner": name,
        "horizons_years": features["horizons_years"],
        "death_columns": features["death_columns"],
        "models": {block: recipe.to_json() for block, recipe in recipes.items()},
    }
    return model, coefficient_table(problem, recipes, name, folds), ratios


def _ratio_models(problem: Problem, features: Mapping, settings: Mapping) -> dict:
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
    """The main learner's recipe of every block, fitted on all patients."""
    ((_, fit),) = learners_of(problem.outcome.kind, (learner,)).items()
    everyone = np.ones(len(problem.frame), dtype=bool)
    return {
        block: Recipe.fit(
            problem.patients(block).take(everyone),
            problem.outcome,
            layout,
            fit,
            settings,
            problem.horizons,
            seed_of(seed, FINAL),
        )
        for block, layout in problem.layouts.items()
    }


def coefficient_table(
    problem: Problem,
    recipes: Mapping[str, Recipe],
    learner: str,
    folds: Sequence[Mapping],
) -> pd.DataFrame:
    """Terms of every block that are in the final model.

    Args:
        recipes: as from `fit_final`.
        learner: its name in the results.
        folds: facts of the validation's splits, for how often a term was selected there.
    """
    tables = []
    for block, recipe in recipes.items():
        preparation, transform = recipe.transform.preparation, recipe.transform
        mine = [f["selected"] for f in folds if (f["block"], f["learner"]) == (block, learner)]
        parts = [("main", transform.names, transform.blocks, preparation)]
        effects = {"main": recipe.fitted.coefficients}
        if problem.horizons:
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
            tables.append(table)
    if not tables:
        return pd.DataFrame(columns=COEFFICIENT_COLUMNS)
    return pd.concat(tables, ignore_index=True).reindex(columns=COEFFICIENT_COLUMNS)
