"""What is learned about the features alone, before any outcome is looked at.

Fitted on the training patients of one fold and applied unchanged to those held out. Nothing
here sees a time or an event.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class PreparationSettings:
    """How features are made ready.

    Attributes:
        max_missing: a column missing in more than this share of the training patients is dropped.
        winsor_quantile: values beyond this quantile and its mirror image are pulled in to it.
        correlation_limit: of two columns of a wide block correlating more than this, the later
            one is dropped.
        wide_block: blocks with more columns than this are wide: filtered by correlation.
        harmonise: "none", or "combat": see `harmonise.Harmonisation`.
        blocks_as_given: blocks that are never harmonised: what no scanner measured.
    """

    max_missing: float = 0.5
    winsor_quantile: float = 0.01
    correlation_limit: float = 0.9
    wide_block: int = 15
    harmonise: str = "none"
    blocks_as_given: tuple[str, ...] = ("clinical",)


@dataclass(frozen=True)
class Preparation:
    """Imputation, limits, scale and kept columns, as learned from training patients.

    Attributes:
        columns: positions of the kept columns in the matrix that was fitted.
        median, lower, upper, mean, sd: one value per kept column.
    """

    columns: np.ndarray
    median: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    @classmethod
    def fit(
        cls, x: np.ndarray, blocks: Sequence[str], settings: PreparationSettings
    ) -> "Preparation":
        """Learn from training patients.

        Missing values become the training median: deterministic and free of the outcome, so that
        one new patient can be predicted the same way (Sisk et al., Stat Methods Med Res 2023).

        Args:
            x: features, shape (patients, columns), NaN where missing.
            blocks: block of each column.
        """
        columns = np.flatnonzero(np.isnan(x).mean(axis=0) <= settings.max_missing)
        x = x[:, columns]
        median = np.nanmedian(x, axis=0) if len(columns) else np.zeros(0)
        x = np.where(np.isnan(x), median, x)
        lower, upper = _limits(x, settings.winsor_quantile)
        x = np.clip(x, lower, upper)
        mean, sd = x.mean(axis=0), x.std(axis=0)
        # Rounding leaves a constant column with a spread of about 1e-16 of its size.
        keep = sd > 1e-9 * np.maximum(np.abs(mean), 1e-300)
        scaled = (x[:, keep] - mean[keep]) / sd[keep]
        positions = np.flatnonzero(keep)
        names = np.asarray(blocks, dtype=object)[columns[positions]]
        chosen = []
        for block in dict.fromkeys(names):
            members = np.flatnonzero(names == block)
            if len(members) > settings.wide_block:
                members = members[_uncorrelated(scaled[:, members], settings.correlation_limit)]
            chosen.extend(members)
        final = positions[np.sort(np.asarray(chosen, dtype=int))]
        return cls(
            columns[final], median[final], lower[final], upper[final], mean[final], sd[final]
        )

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Ready features of any patients, shape (patients, kept columns)."""
        x = x[:, self.columns]
        x = np.where(np.isnan(x), self.median, x)
        return (np.clip(x, self.lower, self.upper) - self.mean) / self.sd

    def to_json(self) -> dict:
        """Every attribute as a list."""
        return {field.name: getattr(self, field.name).tolist() for field in fields(self)}

    @classmethod
    def from_json(cls, saved: Mapping) -> "Preparation":
        """The inverse of `to_json`."""
        columns = np.array(saved["columns"], dtype=int)
        others = [np.array(saved[field.name], dtype=float) for field in fields(cls)[1:]]
        return cls(columns, *others)


def _limits(x: np.ndarray, quantile: float) -> tuple[np.ndarray, np.ndarray]:
    """Winsor limits per column; a column of two values keeps both."""
    if not x.shape[1]:
        return np.zeros(0), np.zeros(0)
    lower, upper = np.quantile(x, [quantile, 1 - quantile], axis=0)
    low, high = x.min(axis=0), x.max(axis=0)
    binary = ((x == low) | (x == high)).all(axis=0)
    return np.where(binary, low, lower), np.where(binary, high, upper)


def _uncorrelated(scaled: np.ndarray, limit: float) -> list[int]:
    """Positions of the columns kept, going from left to right."""
    correlation = np.abs(scaled.T @ scaled) / len(scaled)
    kept: list[int] = []
    for column in range(scaled.shape[1]):
        if not kept or correlation[column, kept].max() <= limit:
            kept.append(column)
    return kept


def block_of_columns(blocks: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """Columns of several blocks side by side, each once, and the block of each."""
    block_of: dict[str, str] = {}
    for block, columns in blocks.items():
        for column in columns:
            block_of.setdefault(column, block)
    return list(block_of), list(block_of.values())
