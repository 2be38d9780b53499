"""How patients are divided into those learned from and those predicted."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bonecast.model import LEAVE_ONE_SITE_OUT, REPEATED_CV, TEMPORAL
from bonecast.model.outcome import BINARY, Outcome
from bonecast.model.recipe import deal_folds

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
"""One row per patient, design, block, learner, repeat and horizon: what is judged."""


@dataclass(frozen=True)
class Split:
    """One division of the patients.

    Attributes:
        design: REPEATED_CV, LEAVE_ONE_SITE_OUT or TEMPORAL.
        repeat, fold: both from 1.
        train, test: masks, shape (patients,).
        seed: of the recipe fitted on it.
    """

    design: str
    repeat: int
    fold: int
    train: np.ndarray
    test: np.ndarray
    seed: int


def seed_of(*parts: int) -> int:
    """A seed from a tuple of numbers, the same on every machine."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def repeated_cv(strata: np.ndarray, folds: int, repeats: int, seed: int) -> list[Split]:
    """Every patient held out once per repeat; folds balanced over strata."""
    splits = []
    for repeat in range(repeats):
        fold = deal_folds(strata, folds, seed_of(seed, repeat))
        splits += [
            Split(REPEATED_CV, repeat + 1, k + 1, fold != k, fold == k, seed_of(seed, repeat, k))
            for k in range(folds)
        ]
    return splits


def leave_one_site_out(site: np.ndarray, seed: int) -> list[Split]:
    """Every site held out once, in alphabetical order; nobody of unknown site is held out."""
    names = sorted(set(site.tolist()) - {""})
    if len(names) < 2:
        return []
    return [
        Split(LEAVE_ONE_SITE_OUT, 1, k + 1, site != name, site == name, seed_of(seed, 1001, k))
        for k, name in enumerate(names)
    ]


def temporal(entry: np.ndarray, train_until: float, seed: int) -> list[Split]:
    """Learn from patients who entered up to a time, predict those after it."""
    train, test = entry <= train_until, entry > train_until
    if not train.any() or not test.any():
        return []
    return [Split(TEMPORAL, 1, 1, train, test, seed_of(seed, 1002))]


def part_of(splits: Sequence[Split], part: str) -> list[Split]:
    """The splits of one job: "all", "repeat2" or "repeat2_fold3"."""
    if part == "all":
        return list(splits)
    repeat, _, fold = part.removeprefix("repeat").partition("_fold")
    return [s for s in splits if s.repeat == int(repeat) and (not fold or s.fold == int(fold))]


def splits_of(design: str, problem, settings: Mapping, log: logging.Logger) -> list[Split]:
    """The splits of a design for the patients of a `validate.Problem`.

    A split that leaves too little to learn from, such as the site that holds nearly all
    fractures, is left out and named in the log.

    Args:
        settings: keys folds, inner_folds, repeats, seed, train_until of the configuration.
    """
    if design == REPEATED_CV:
        strata = problem.outcome.strata()
        return repeated_cv(strata, settings["folds"], settings["repeats"], settings["seed"])
    if design == LEAVE_ONE_SITE_OUT:
        splits = leave_one_site_out(problem.site, settings["seed"])
        if not splits:
            log.warning("%s: patients of at least two sites are needed", design)
    else:
        entry, until = problem.frame["entry"].to_numpy(float), settings["train_until"]
        splits = temporal(entry, until, settings["seed"])
        if not splits:
            log.warning("%s: nobody entered up to %s, or nobody after it", design, until)
        elif np.isnan(entry).any():
            log.warning("%s: %d patients without entry", design, np.isnan(entry).sum())
    return _learnable(splits, problem, settings["inner_folds"], log)


def _learnable(splits, problem, inner_folds, log) -> list[Split]:
    """Splits with at least one event, or patient of either class, per inner fold to learn from."""
    kept = []
    for split in splits:
        found = scarcest(problem.outcome.take(split.train))
        held_out = ""
        if split.design == LEAVE_ONE_SITE_OUT:
            held_out = f" without site {problem.site[split.test][0]}"
        if found >= inner_folds:
            kept.append(split)
            if beyond := _beyond(split, problem):
                log.warning(
                    "%s: those left to learn from%s were followed for %.2f years at most: the risk"
                    " at %s years is their risk by then, and too low",
                    *(split.design, held_out, problem.outcome.time[split.train].max()),
                    ", ".join(f"{horizon:g}" for horizon in beyond),
                )
            continue
        log.warning(
            "%s: %d events among the %d patients left to learn from%s, at least %d are needed:"
            " nobody is predicted",
            split.design,
            found,
            split.train.sum(),
            held_out,
            inner_folds,
        )
    return kept


def _beyond(split, problem) -> list[float]:
    """Horizons later than anyone learned from was followed, as where one site followed longest."""
    return [t for t in problem.horizons if t > problem.outcome.time[split.train].max()]


def scarcest(outcome: Outcome) -> int:
    """Events, or patients of the smaller class, or patients where the outcome is a number."""
    if outcome.kind == BINARY:
        return min(outcome.n_events, len(outcome) - outcome.n_events)
    return outcome.n_events
