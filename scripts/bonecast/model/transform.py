"""From the columns of a table to what a learner sees: everything learned about features alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bonecast.model.prepare import Preparation, PreparationSettings


@dataclass(frozen=True)
class Layout:
    """Columns of a feature matrix.

    Attributes:
        names: one per column.
        blocks: block of each column.
    """

    names: tuple[str, ...]
    blocks: tuple[str, ...]


@dataclass(frozen=True)
class Patients:
    """Features of some patients.

    Attributes:
        x: features of the model, shape (patients, columns), NaN where missing.
        x_death: features of the death model, the same way.
        site: hospital of each, shape (patients,), empty where unknown.
    """

    x: np.ndarray
    x_death: np.ndarray
    site: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: np.ndarray) -> "Patients":
        """Some of the patients: a mask or positions."""
        return Patients(self.x[rows], self.x_death[rows], self.site[rows])


@dataclass(frozen=True)
class Transform:
    """Steps between a table and a learner, as learned from training patients.

    Attributes:
        preparation: imputation, limits, scale and filters.
        names, blocks: of the columns that come out.
    """

    preparation: Preparation
    names: tuple[str, ...]
    blocks: tuple[str, ...]

    @classmethod
    def fit(cls, patients: Patients, layout: Layout, settings: PreparationSettings) -> "Transform":
        """Learn from training patients; no outcome is seen."""
        preparation = Preparation.fit(patients.x, layout.blocks, settings)
        kept = preparation.columns
        return cls(
            preparation,
            tuple(layout.names[i] for i in kept),
            tuple(layout.blocks[i] for i in kept),
        )

    def apply(self, patients: Patients) -> np.ndarray:
        """Ready features, shape (patients, columns)."""
        return self.preparation.apply(patients.x)

    def factors(self) -> np.ndarray:
        """Penalty factor of each column that comes out, see `penalty_factors`."""
        return penalty_factors(self.blocks)

    def to_json(self) -> dict:
        """Plain values of every step."""
        return {
            "preparation": self.preparation.to_json(),
            "names": list(self.names),
            "blocks": list(self.blocks),
        }

    @classmethod
    def from_json(cls, saved: Mapping) -> "Transform":
        """The inverse of `to_json`."""
        preparation = Preparation.from_json(saved["preparation"])
        return cls(preparation, tuple(saved["names"]), tuple(saved["blocks"]))


def penalty_factors(blocks: Sequence[str]) -> np.ndarray:
    """Penalty factor of each column: the square root of the columns of its block.

    Without it a hundred radiomic columns drown four clinical ones: the same idea as in the group
    lasso (Yuan and Lin, 2006) and IPF-lasso (Boulesteix et al., 2017).
    """
    _, member, size = np.unique(
        np.asarray(blocks, dtype=str), return_inverse=True, return_counts=True
    )
    return np.sqrt(size[member])
