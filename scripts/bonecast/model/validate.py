"""Repeated nested cross-validation: every block predicts the same held-out patients."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from bonecast.model.prepare import block_of_columns
from bonecast.model.recipe import LearnerSettings, Recipe, deal_folds

DESIGN = "repeated_nested_cv"
LEARNER = "penalised_cox"
SUPPLIED = "supplied_score"
"""Learner name of a score that the user computed elsewhere."""

WORTH_A_PROCESS = 5_000_000
"""Patients x columns x folds x repeats below which processes cost more time than they save."""

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
    "risk",
    "time_years",
    "event",
]


@dataclass(frozen=True)
class Design:
    """How often and on what the recipe is tried.

    Attributes:
        folds: outer folds; each patient is held out once per repeat.
        repeats: how often the folds are dealt anew.
        horizons: years at which risk is predicted, ascending.
        seed: of all folds, outer and inner.
        jobs: processes; results do not depend on it.
    """

    folds: int
    repeats: int
    horizons: tuple[float, ...]
    seed: int
    jobs: int = 1


@dataclass(frozen=True)
class Block:
    """Candidate columns of one model, by the block they come from."""

    name: str
    columns: Mapping[str, Sequence[str]]

    def names(self) -> tuple[list[str], list[str]]:
        """Columns, each once, and the block of each."""
        return block_of_columns(self.columns)


@dataclass(frozen=True)
class HeldOut:
    """Out-of-fold predictions of one block.

    Attributes:
        lp: linear predictors, shape (repeats, patients). They compare patients of one fold only:
            each fold has a model and a zero of its own.
        risk: absolute risks, shape (repeats, patients, horizons).
        times_selected: in how many of the fold models a column had a non-zero coefficient.
    """

    lp: np.ndarray
    risk: np.ndarray
    times_selected: pd.Series


def outer_folds(event: np.ndarray, design: Design) -> np.ndarray:
    """Fold of each patient in each repeat, shape (repeats, patients), stratified by event type."""
    return np.stack(
        [
            deal_folds(event, design.folds, _seed(design.seed, repeat))
            for repeat in range(design.repeats)
        ]
    )


def cross_validate(
    frame: pd.DataFrame,
    blocks: Sequence[Block],
    death_columns: Sequence[str],
    folds: np.ndarray,
    design: Design,
    settings: LearnerSettings,
    log: logging.Logger,
) -> dict[str, HeldOut]:
    """Out-of-fold predictions of every block on the same folds.

    Args:
        frame: one row per patient: numeric features, `time_years`, `event`.
        death_columns: features of the death model, the same in every block.
        folds: as `outer_folds` gives them.
    """
    time = frame["time_years"].to_numpy(float)
    event = frame["event"].to_numpy(int)
    x_death = frame[list(death_columns)].to_numpy(float)
    features = {}
    for block in blocks:
        columns, block_of = block.names()
        features[block.name] = (frame[columns].to_numpy(float), columns, block_of)
    tasks = [(repeat, fold) for repeat in range(design.repeats) for fold in range(design.folds)]
    work = (
        delayed(_hold_out)(
            {name: (x, block_of) for name, (x, _, block_of) in features.items()},
            x_death,
            time,
            event,
            folds[repeat] == fold,
            design.horizons,
            settings,
            _seed(design.seed, repeat, fold),
        )
        for repeat, fold in tasks
    )
    held_out = {
        name: HeldOut(
            np.full(folds.shape, np.nan),
            np.full((*folds.shape, len(design.horizons)), np.nan),
            pd.Series(0, index=columns),
        )
        for name, (_, columns, _) in features.items()
    }
    columns = sum(x.shape[1] for x, _, _ in features.values())
    serial = len(frame) * columns * len(tasks) < WORTH_A_PROCESS
    runs = Parallel(n_jobs=1 if serial else design.jobs, return_as="generator")(work)
    for done, ((repeat, fold), result) in enumerate(zip(tasks, runs, strict=True), start=1):
        test = folds[repeat] == fold
        for name, (lp, risk, kept) in result.items():
            held_out[name].lp[repeat, test] = lp
            held_out[name].risk[repeat, test] = risk
            held_out[name].times_selected.iloc[kept] += 1
        if fold == design.folds - 1:
            log.info("validated %d of %d folds", done, len(tasks))
    return held_out


def _hold_out(features, x_death, time, event, test, horizons, settings, seed):
    train = ~test
    result = {}
    for name, (x, block_of) in features.items():
        recipe = Recipe.fit(
            x[train], x_death[train], time[train], event[train], block_of, settings, seed
        )
        kept = recipe.preparation.columns[recipe.coefficients != 0]
        risk = recipe.risk(x[test], x_death[test], horizons)
        result[name] = (recipe.linear_predictor(x[test]), risk, kept)
    return result


def _seed(*parts: int) -> int:
    """A seed from a tuple of numbers, the same on every machine."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def tidy_predictions(
    frame: pd.DataFrame,
    endpoint: str,
    folds: np.ndarray,
    horizons: Sequence[float],
    held_out: Mapping[str, HeldOut],
    learners: Mapping[str, str],
) -> pd.DataFrame:
    """One row per patient, block, repeat and horizon (columns: `PREDICTION_COLUMNS`)."""
    repeats, patients = folds.shape
    shape = (repeats, patients, len(horizons))

    def spread(values: np.ndarray, axis: int) -> np.ndarray:
        view = [1, 1, 1]
        view[axis] = -1
        return np.broadcast_to(np.asarray(values).reshape(view), shape).ravel()

    tables = []
    for name, prediction in held_out.items():
        tables.append(
            pd.DataFrame(
                {
                    "participant_id": spread(frame["participant_id"].to_numpy(), 1),
                    "endpoint": endpoint,
                    "design": DESIGN,
                    "block": name,
                    "learner": learners[name],
                    "repeat": spread(np.arange(1, repeats + 1), 0),
                    "fold": np.broadcast_to(folds[:, :, None] + 1, shape).ravel(),
                    "horizon_years": spread(np.asarray(horizons, dtype=float), 2),
                    "lp": np.broadcast_to(prediction.lp[:, :, None], shape).ravel(),
                    "risk": prediction.risk.ravel(),
                    "time_years": spread(frame["time_years"].to_numpy(float), 1),
                    "event": spread(frame["event"].to_numpy(int), 1),
                }
            )
        )
    if not tables:
        return pd.DataFrame(columns=PREDICTION_COLUMNS)
    return pd.concat(tables, ignore_index=True)[PREDICTION_COLUMNS]
