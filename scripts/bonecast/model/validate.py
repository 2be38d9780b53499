"""Every block and learner predicts the same held-out patients, whatever the design."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from bonecast.model.designs import Split
from bonecast.model.features import MULTIMODAL
from bonecast.model.learners import learners_of
from bonecast.model.learners.base import LearnerSettings
from bonecast.model.outcome import Outcome
from bonecast.model.prepare import block_of_columns
from bonecast.model.recipe import Recipe
from bonecast.model.transform import Layout, Patients

WORTH_A_PROCESS = 5_000_000
"""Patients x columns x splits below which processes cost more time than they save."""

PREDICTION_COLUMNS = [
    "participant_id",
    "endpoint",
    "design",
    "block",
    "learner",
    "repeat",
    "fold",
    "horizon_years",
    "lp",
    "predicted",
    "threshold",
    "risk_group",
    "time_years",
    "event",
    "outcome",
]


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
            layouts_of(features["blocks"], blocks),
            list(features["death_columns"]),
            tuple(features["horizons_years"]),
        )

    def patients(self, block: str) -> Patients:
        """Features of one model."""
        x = self.frame[list(self.layouts[block].names)].to_numpy(float)
        return Patients(x, self.frame[list(self.death_columns)].to_numpy(float), self.site)


def layouts_of(columns: Mapping[str, Sequence[str]], blocks: Sequence[str]) -> dict[str, Layout]:
    """Columns of each model; `multimodal` only where it is more than one block."""
    single = {name: columns[name] for name in blocks if name in columns}
    layouts = {name: _layout({name: members}) for name, members in single.items()}
    if MULTIMODAL in blocks and len(single) > 1:
        layouts[MULTIMODAL] = _layout(single)
    return layouts


def _layout(blocks: Mapping[str, Sequence[str]]) -> Layout:
    names, block_of = block_of_columns(blocks)
    return Layout(tuple(names), tuple(block_of))


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
        dict with design, repeat, fold, block, learner, selected and tuning.
    """
    columns = sum(len(layout.names) for layout in problem.layouts.values())
    serial = len(problem.frame) * columns * len(splits) < WORTH_A_PROCESS
    work = (delayed(_hold_out)(problem, split, learners, settings) for split in splits)
    tables, facts = [], []
    runs = Parallel(n_jobs=1 if serial else jobs, return_as="generator")(work)
    for done, (table, of_split) in enumerate(runs, start=1):
        tables.append(table)
        facts += of_split
        log.info("%s: validated %d of %d folds", splits[done - 1].design, done, len(splits))
    if not tables:
        return pd.DataFrame(columns=PREDICTION_COLUMNS), []
    return pd.concat(tables, ignore_index=True), facts


def _hold_out(problem, split, learners, settings):
    tables, facts = [], []
    known = learners_of(problem.outcome.kind, tuple(learners))
    for block, layout in problem.layouts.items():
        patients = problem.patients(block)
        for learner, fit in known.items():
            recipe = Recipe.fit(
                patients.take(split.train),
                problem.outcome.take(split.train),
                layout,
                fit,
                settings,
                problem.horizons,
                split.seed,
            )
            named = {"design": split.design, "repeat": split.repeat, "fold": split.fold}
            named |= {"block": block, "learner": learner}
            prediction = recipe.predict(patients.take(split.test))
            tables.append(tidy(problem, split.test, prediction, named))
            tuning = recipe.fitted.tuning
            facts.append(named | {"selected": recipe.selected(), "tuning": tuning})
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
