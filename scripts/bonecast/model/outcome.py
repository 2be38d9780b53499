"""What is predicted of each patient, whatever its kind."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

SURVIVAL = "survival"
BINARY = "binary"
CONTINUOUS = "continuous"

KINDS = {"fracture": SURVIVAL, "osteoporosis": BINARY, "bmd": CONTINUOUS}
"""Kind of outcome of each endpoint."""

STRATA_OF_A_NUMBER = 5
"""Groups of equal size over which a continuous outcome is dealt into folds."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of some patients.

    Attributes:
        kind: SURVIVAL, BINARY or CONTINUOUS.
        time: years to the end of follow-up, shape (patients,); NaN unless survival.
        event: 0 censored, 1 fracture, 2 death before fracture; of a diagnosis 1 or 0; else 0.
        value: the label or number, shape (patients,); NaN for survival.
    """

    kind: str
    time: np.ndarray
    event: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, frame: pd.DataFrame, kind: str) -> "Outcome":
        """The outcome columns of an analysis set: `time_years` and `event`, or `outcome`."""
        nothing = np.full(len(frame), np.nan)
        if kind == SURVIVAL:
            time, event = frame["time_years"].to_numpy(float), frame["event"].to_numpy(int)
            return cls(kind, time, event, nothing)
        value = frame["outcome"].to_numpy(float)
        event = (value == 1).astype(int) if kind == BINARY else np.zeros(len(frame), dtype=int)
        return cls(kind, nothing, event, value)

    def __len__(self) -> int:
        return len(self.event)

    def take(self, rows: np.ndarray) -> "Outcome":
        """The outcome of some of the patients: a mask or positions."""
        return Outcome(self.kind, self.time[rows], self.event[rows], self.value[rows])

    @property
    def n_events(self) -> int:
        """Fractures, diagnoses, or patients where the outcome is a number."""
        return len(self) if self.kind == CONTINUOUS else int((self.event == 1).sum())

    def strata(self) -> np.ndarray:
        """A group per patient over which folds are balanced, the rarest of interest first."""
        if self.kind == CONTINUOUS:
            rank = np.argsort(np.argsort(self.value, kind="stable"), kind="stable")
            return rank * STRATA_OF_A_NUMBER // max(len(self), 1)
        return np.array([0, 2, 1])[self.event]  # fractures are dealt first, then deaths
