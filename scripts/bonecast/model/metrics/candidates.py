"""Predictions of one model as arrays, and the patients they are judged on."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bonecast.model import SUPPLIED
from bonecast.model.metrics.resamples import Resamples
from bonecast.model.outcome import BINARY, CONTINUOUS, SURVIVAL, Outcome

DIAGNOSED_TIME, UNDIAGNOSED_TIME, DIAGNOSIS_HORIZON = 0.5, 1.5, 1.0
"""A diagnosis is an event before a horizon to which everybody is followed."""


@dataclass(frozen=True)
class Candidate:
    """Held-out predictions of one block by one learner.

    Attributes:
        lp: linear predictor or supplied score, shape (repeats, patients); NaN where none.
        predicted: risk, probability or number, shape (repeats, patients, horizons); one horizon
            unless survival; NaN for a supplied score.
        threshold: learned by the fold that predicted, shape of `predicted`; NaN where none.
        folds: fold of each patient, shape (repeats, patients).
    """

    block: str
    learner: str
    lp: np.ndarray
    predicted: np.ndarray
    threshold: np.ndarray
    folds: np.ndarray

    @property
    def supplied(self) -> bool:
        return self.learner == SUPPLIED

    @property
    def usable(self) -> np.ndarray:
        """Patients with a prediction in every repeat and at every horizon, a mask."""
        if self.supplied:
            return np.isfinite(self.lp).all(axis=0)
        return np.isfinite(self.predicted).all(axis=(0, 2))

    def marker(self, position: int) -> np.ndarray:
        """What ranks patients at a horizon, shape (repeats, patients)."""
        return self.lp if self.supplied else self.predicted[:, :, position]

    def take(self, patients: np.ndarray) -> "Candidate":
        """The predictions of some patients, a mask."""
        return Candidate(
            self.block,
            self.learner,
            self.lp[:, patients],
            self.predicted[:, patients],
            self.threshold[:, patients],
            self.folds[:, patients],
        )


@dataclass(frozen=True)
class Sample:
    """The patients of one design, resampled.

    Attributes:
        kind: SURVIVAL, BINARY or CONTINUOUS.
        horizons: years; of a diagnosis the time by which it is known; of a number one dummy.
        resamples: of the patients. A diagnosis has event 1 at an early time, its absence 0 at a
            late one.
        value: the outcome where it is a number, shape (patients,).
    """

    kind: str
    horizons: tuple[float, ...]
    resamples: Resamples
    value: np.ndarray

    @classmethod
    def draw(
        cls, outcome: Outcome, horizons: tuple[float, ...], resamples: int, seed: int
    ) -> "Sample":
        """Resample the patients of an outcome; `horizons` matter for survival only."""
        time, event = outcome.time, outcome.event
        if outcome.kind == BINARY:
            time = np.where(event == 1, DIAGNOSED_TIME, UNDIAGNOSED_TIME)
        elif outcome.kind == CONTINUOUS:
            time = np.zeros(len(event))
        if outcome.kind != SURVIVAL:
            horizons = (DIAGNOSIS_HORIZON,)
        drawn = Resamples.draw(time, event, resamples, seed)
        return cls(outcome.kind, tuple(horizons), drawn, outcome.value)

    def take(self, patients: np.ndarray) -> "Sample":
        """Some of the patients, a mask, as they were drawn."""
        drawn = self.resamples.take(patients)
        return Sample(self.kind, self.horizons, drawn, self.value[patients])

    def first(self, resamples: int) -> "Sample":
        """The same patients with the first resamples only."""
        return Sample(self.kind, self.horizons, self.resamples.first(resamples), self.value)

    def events_by(self, horizon: float) -> int:
        """Fractures by a horizon, diagnoses, or patients where the outcome is a number."""
        if self.kind == CONTINUOUS:
            return len(self.value)
        drawn = self.resamples
        return int(((drawn.event == 1) & (drawn.time <= horizon)).sum())


def candidates_of(
    predictions: pd.DataFrame, participants: pd.Index, horizons: tuple[float, ...]
) -> list[Candidate]:
    """Predictions of one design as arrays over its patients.

    Args:
        predictions: rows of one design (columns participant_id, block, learner, repeat, fold,
            horizon_years, lp, predicted, threshold).
        participants: ids of the patients, in the order of the arrays.
        horizons: years, ascending; empty unless survival.

    Raises:
        ValueError: a patient predicted twice by one model for one horizon in one repeat.
    """
    found = []
    for (block, learner), rows in predictions.groupby(["block", "learner"], sort=False):
        repeats, repeat = np.unique(rows["repeat"].to_numpy(int), return_inverse=True)
        patient = participants.get_indexer(rows["participant_id"])
        at = np.zeros(len(rows), dtype=int)
        if horizons:
            years = rows["horizon_years"].to_numpy(float)
            at = np.abs(years[:, None] - np.array(horizons)).argmin(axis=1)
            known = np.isclose(years, np.array(horizons)[at])
            rows, repeat, patient, at = rows[known], repeat[known], patient[known], at[known]
        places = pd.DataFrame({"repeat": repeat, "patient": patient, "at": at})
        twice = places.duplicated().to_numpy()
        if twice.any():
            who = rows["participant_id"].iloc[int(np.flatnonzero(twice)[0])]
            raise ValueError(
                f"{block} by {learner} predicts participant {who} more than once for the same"
                " horizon and repeat; each may be held out once per repeat"
            )
        shape = (len(repeats), len(participants), max(1, len(horizons)))
        lp, folds = np.full(shape[:2], np.nan), np.zeros(shape[:2], dtype=int)
        predicted, threshold = np.full(shape, np.nan), np.full(shape, np.nan)
        lp[repeat, patient] = rows["lp"].to_numpy(float)
        folds[repeat, patient] = rows["fold"].to_numpy(int)
        predicted[repeat, patient, at] = rows["predicted"].to_numpy(float)
        threshold[repeat, patient, at] = rows["threshold"].to_numpy(float)
        found.append(Candidate(str(block), str(learner), lp, predicted, threshold, folds))
    return found
