"""Every block and learner predicts the same held-out patients, whatever the design."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from bonecast.model import MULTIMODAL
from bonecast.model.designs import PREDICTION_COLUMNS, Split, seed_of
from bonecast.model.importance import mean_attributions, permutation_losses
from bonecast.model.learners import learners_of
from bonecast.model.learners.base import LearnerSettings
from bonecast.model.outcome import Outcome
from bonecast.model.prepare import block_of_columns
from bonecast.model.recipe import Recipe
from bonecast.model.transform import Layout, Patients

WORTH_A_PROCESS = 20_000_000
"""Patients x columns x splits from which processes are started at once: about half a minute of
penalised models. A process takes two seconds or more to start."""

WORTH_A_PROCESS_S = 20.0
"""Of a smaller table the first split foretells the time of all others; from this, processes."""

SHUFFLED = 7
"""Marks the seed of the permutations among those of a split."""


@dataclass(frozen=True)
class Problem:
    """What is to be modelled: the analysis set as arrays.

    Attributes:
        endpoint: its name.
        participant_id: text, shape (patients,).
        frame: features as numbers, one row per patient.
        outcome: of the same patients.
        site: text, shape (patients,), empty where unknown.
        layouts: columns of each model, by block; `multimodal` is all blocks together.
        death_columns: columns of the death model.
        horizons: years for which risk is predicted; empty unless the outcome has a time.
    """

    endpoint: str
    participant_id: np.ndarray
    frame: pd.DataFrame
    outcome: Outcome
    site: np.ndarray
    layouts: Mapping[str, Layout]
    death_columns: Sequence[str]
    horizons: tuple[float, ...]

    @classmethod
    def of(cls, frame: pd.DataFrame, features: Mapping, blocks: Sequence[str]) -> "Problem":
        """From an analysis set and `features.json`; `blocks` as configured."""
        site = frame["site"].fillna("") if "site" in frame else pd.Series("", index=frame.index)
        return cls(
            features["endpoint"],
            frame["participant_id"].to_numpy(str),
            frame,
            Outcome.of(frame, features["kind"]),
            site.to_numpy(str),
            layouts_of(features["blocks"], blocks, features["death_columns"]),
            list(features["death_columns"]),
            tuple(features["horizons_years"]),
        )

    def patients(self, block: str) -> Patients:
        """Features of one model."""
        x = self.frame[list(self.layouts[block].names)].to_numpy(float)
        return Patients(x, self.frame[list(self.death_columns)].to_numpy(float), self.site)


def layouts_of(
    columns: Mapping[str, Sequence[str]],
    blocks: Sequence[str],
    death_columns: Sequence[str] = (),
) -> dict[str, Layout]:
    """Columns of each model; `multimodal` only where it is more than one block.

    Args:
        death_columns: columns that a death model may use. A model uses those of its own block:
            age that came in by way of death alone would rank older patients lower, who die more.
    """
    single = {name: columns[name] for name in blocks if name in columns}
    models = {name: {name: members} for name, members in single.items()}
    if MULTIMODAL in blocks and len(single) > 1:
        models[MULTIMODAL] = single
    return {name: _layout(members, death_columns) for name, members in models.items()}


def _layout(blocks: Mapping[str, Sequence[str]], death_columns: Sequence[str]) -> Layout:
    names, block_of = block_of_columns(blocks)
    own = tuple(i for i, column in enumerate(death_columns) if column in names)
    return Layout(tuple(names), tuple(block_of), own)


def validate(
    problem: Problem,
    splits: Sequence[Split],
    learners: Sequence[str],
    settings: LearnerSettings,
    log: logging.Logger,
    jobs: int = 1,
) -> tuple[pd.DataFrame, list[dict]]:
    """Held-out predictions of every block and learner.

    Args:
        learners: words of the configuration.
        jobs: processes; results do not depend on it.

    Returns:
        Predictions (columns: `PREDICTION_COLUMNS`), and for every split, block and learner a
        dict with design, repeat, fold, block, learner, selected and tuning, and of the first
        learner its importance (see `permutation_losses` and `mean_attributions`).
    """
    if not splits:
        return pd.DataFrame(columns=PREDICTION_COLUMNS), []
    columns = sum(len(layout.names) for layout in problem.layouts.values())
    first, rest = [], list(splits)
    if jobs > 1 and len(problem.frame) * columns * len(splits) < WORTH_A_PROCESS:
        started = time.perf_counter()
        first = [_hold_out(problem, rest.pop(0), learners, settings)]
        if (time.perf_counter() - started) * len(rest) < WORTH_A_PROCESS_S:
            jobs = 1
    work = (delayed(_hold_out)(problem, split, learners, settings) for split in rest)
    runs = chain(first, Parallel(n_jobs=jobs, return_as="generator")(work))
    tables, facts = [], []
    for done, (table, of_split) in enumerate(runs, start=1):
        tables.append(table)
        facts += of_split
        log.info("%s: validated %d of %d folds", splits[done - 1].design, done, len(splits))
    return pd.concat(tables, ignore_index=True), facts


def _hold_out(problem, split, learners, settings):
    tables, facts = [], []
    known = learners_of(problem.outcome.kind, tuple(learners))
    outcome = problem.outcome.take(split.train)
    tau = problem.horizons[-1] if problem.horizons else np.nan
    for block, layout in problem.layouts.items():
        patients = problem.patients(block)
        held_out = patients.take(split.test)
        for learner, fit in known.items():
            recipe = Recipe.fit(
                patients.take(split.train),
                outcome,
                layout,
                fit,
                settings,
                problem.horizons,
                split.seed,
            )
            named = {"design": split.design, "repeat": split.repeat, "fold": split.fold}
            named |= {"block": block, "learner": learner}
            tables.append(tidy(problem, split.test, recipe.predict(held_out), named))
            fact = named | {"selected": recipe.selected(), "tuning": recipe.fitted.tuning}
            if learner == next(iter(known)):
                fact["importance"] = permutation_losses(
                    recipe,
                    held_out,
                    problem.outcome.take(split.test),
                    layout,
                    tau,
                    seed_of(split.seed, SHUFFLED),
                ) + mean_attributions(recipe, held_out, tau)
            facts.append(fact)
    return pd.concat(tables, ignore_index=True), facts


def tidy(problem: Problem, test: np.ndarray, prediction, named: Mapping) -> pd.DataFrame:
    """One row per patient and horizon (columns: `PREDICTION_COLUMNS`).

    Args:
        test: mask of the patients predicted.
        prediction: a `recipe.Prediction` of them.
        named: design, repeat, fold, block, learner.
    """
    outcome = problem.outcome.take(test)
    horizons = problem.horizons or (np.nan,)
    n = len(outcome)
    table = {
        "participant_id": np.repeat(problem.participant_id[test], len(horizons)),
        "endpoint": problem.endpoint,
        **named,
        "horizon_years": np.tile(np.asarray(horizons, dtype=float), n),
        "lp": np.repeat(prediction.lp, len(horizons)),
        "predicted": prediction.predicted.ravel(),
        "threshold": np.tile(prediction.threshold, n),
        "risk_group": np.repeat(prediction.risk_group, len(horizons)),
        "time_years": np.repeat(outcome.time, len(horizons)),
        "event": np.repeat(outcome.event, len(horizons)),
        "outcome": np.repeat(outcome.value, len(horizons)),
    }
    return pd.DataFrame(table)[PREDICTION_COLUMNS]
