"""From the columns of a table to what a learner sees: everything learned about features alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bonecast.model.aggregate import Aggregation
from bonecast.model.harmonise import Harmonisation
from bonecast.model.prepare import Preparation, PreparationSettings


@dataclass(frozen=True)
class Layout:
    """Columns of a feature matrix.

    Attributes:
        names: one per column; `<column>@<level>` is a column of vertebrae at one level.
        blocks: block of each column.
        of_death: positions of the columns of `Patients.x_death` that the death model may use; None
            for all of them.
    """

    names: tuple[str, ...]
    blocks: tuple[str, ...]
    of_death: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Patients:
    """Features of some patients.

    Attributes:
        x: features of the model, shape (patients, columns), NaN where missing.
        x_death: features of the death model, the same way; harmonising keeps their effects.
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
        aggregation: vertebrae to one row per patient.
        harmonisation: what sites do to image features; None where that is switched off.
        preparation: imputation, limits, scale and filters.
        names, blocks: of the columns that come out.
    """

    aggregation: Aggregation
    harmonisation: Harmonisation | None
    preparation: Preparation
    names: tuple[str, ...]
    blocks: tuple[str, ...]

    @classmethod
    def fit(cls, patients: Patients, layout: Layout, settings: PreparationSettings) -> "Transform":
        """Learn from training patients; no outcome is seen.

        Raises:
            CannotHarmonise: see `harmonise.Harmonisation.fit`.
        """
        aggregation = Aggregation.fit(patients.x, layout.names, layout.blocks)
        x = aggregation.apply(patients.x)
        harmonisation = None
        if settings.harmonise == "combat":
            measured = [
                i for i, b in enumerate(aggregation.blocks) if b not in settings.blocks_as_given
            ]
            harmonisation = Harmonisation.fit(x, patients.x_death, patients.site, measured)
            x = harmonisation.apply(x, patients.x_death, patients.site)
        preparation = Preparation.fit(x, aggregation.blocks, settings)
        kept = preparation.columns
        return cls(
            aggregation,
            harmonisation,
            preparation,
            tuple(aggregation.names[i] for i in kept),
            tuple(aggregation.blocks[i] for i in kept),
        )

    def apply(self, patients: Patients) -> np.ndarray:
        """Ready features, shape (patients, columns).

        Raises:
            CannotHarmonise: a patient's site is not one of those learned from.
        """
        x = self.aggregation.apply(patients.x)
        if self.harmonisation is not None:
            x = self.harmonisation.apply(x, patients.x_death, patients.site)
        return self.preparation.apply(x)

    def factors(self) -> np.ndarray:
        """Penalty factor of each column that comes out, see `penalty_factors`."""
        return penalty_factors(self.blocks)

    def to_json(self) -> dict:
        """Plain values of every step."""
        harmonisation = self.harmonisation and self.harmonisation.to_json()
        return {
            "aggregation": self.aggregation.to_json(),
            "harmonisation": harmonisation,
            "preparation": self.preparation.to_json(),
            "names": list(self.names),
            "blocks": list(self.blocks),
        }

    @classmethod
    def from_json(cls, saved: Mapping) -> "Transform":
        """The inverse of `to_json`."""
        harmonisation = saved["harmonisation"] and Harmonisation.from_json(saved["harmonisation"])
        return cls(
            Aggregation.from_json(saved["aggregation"]),
            harmonisation,
            Preparation.from_json(saved["preparation"]),
            tuple(saved["names"]),
            tuple(saved["blocks"]),
        )


def penalty_factors(blocks: Sequence[str]) -> np.ndarray:
    """Penalty factor of each column: the square root of the columns of its block.

    Without it a hundred radiomic columns drown four clinical ones: the same idea as in the group
    lasso (Yuan and Lin, 2006) and IPF-lasso (Boulesteix et al., 2017).
    """
    _, member, size = np.unique(
        np.asarray(blocks, dtype=str), return_inverse=True, return_counts=True
    )
    return np.sqrt(size[member])
