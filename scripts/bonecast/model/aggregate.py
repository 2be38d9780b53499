"""Several vertebrae of a patient become one row: middle, lowest and slope along the spine.

Levels differ by nature: an upper vertebra is denser than a lower one. Each value is therefore
taken as its difference from the training patients' median at that level, so that a patient with
other levels measured than the rest is not thought denser for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bonecast.levels import LEVELS, VERSE_CODES

MARK = "@"
"""Parts a column of vertebrae from its level, as in `hu_vol_mean_hu@L1`."""

SUMMARIES = ("median", "lowest", "slope")

PLACES = VERSE_CODES | {"T13": VERSE_CODES["T12"] + 0.5}
"""Places along the spine, one level apart; the rare thirteenth rib's level lies between two."""

FEWEST_AT_LEVEL = 5
"""A level measured in fewer training patients has no median to compare with and is left out."""


@dataclass(frozen=True)
class Aggregation:
    """How columns of vertebrae become columns of patients.

    Attributes:
        names: of the columns that come out.
        blocks: block of each of them.
        plain: positions of the columns that pass unchanged, which come first.
        position: where each summarised column lies at each level, shape (columns, levels); -1
            where it does not.
        median: training median there, NaN where it is not known, same shape.
        level: place of each level along the spine, counted downwards, shape (levels,).
    """

    names: tuple[str, ...]
    blocks: tuple[str, ...]
    plain: np.ndarray
    position: np.ndarray
    median: np.ndarray
    level: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray, names: tuple[str, ...], blocks: tuple[str, ...]) -> "Aggregation":
        """Learn the level medians of training patients.

        Args:
            x: features, shape (patients, columns), NaN where missing.
            names, blocks: one per column.

        Raises:
            ValueError: a column is named after no level of the spine.
        """
        plain = [i for i, name in enumerate(names) if MARK not in name]
        of_level: dict[tuple[str, str], dict[str, int]] = {}
        for i, name in enumerate(names):
            if MARK in name:
                column, _, level = name.rpartition(MARK)
                if level not in LEVELS:
                    raise ValueError(f"column {name}: {level!r} is no level such as T12 or L1")
                of_level.setdefault((column, blocks[i]), {})[level] = i
        levels = [level for level in LEVELS if any(level in at for at in of_level.values())]
        position = np.array(
            [[at.get(level, -1) for level in levels] for at in of_level.values()], dtype=int
        ).reshape(len(of_level), len(levels))
        median = np.full(position.shape, np.nan)
        for cell in np.argwhere(position >= 0):
            values = x[:, position[tuple(cell)]]
            values = values[~np.isnan(values)]
            if len(values) >= FEWEST_AT_LEVEL:
                median[tuple(cell)] = np.median(values)
        summarised = [f"{column}_{word}" for column, _ in of_level for word in SUMMARIES]
        origin = [block for _, block in of_level for _ in SUMMARIES]
        return cls(
            (*(names[i] for i in plain), *summarised),
            (*(blocks[i] for i in plain), *origin),
            np.array(plain, dtype=int),
            position,
            median,
            np.array([PLACES[level] for level in levels], dtype=float),
        )

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Columns of any patients, shape (patients, columns that come out).

        Each summarised column gives the median and the lowest of its differences, in its own
        unit, and their least-squares slope per level downwards: NaN with fewer than two levels.
        """
        if not len(self.position):
            return x
        known = np.where(self.position >= 0, x[:, self.position], np.nan) - self.median
        middle, lowest = _middle_and_lowest(known)
        summary = np.stack([middle, lowest, _slope(known, self.level)], axis=2)
        return np.hstack([x[:, self.plain], summary.reshape(len(x), -1)])

    def to_json(self) -> dict:
        """Every attribute as plain values."""
        unknown = [[None if np.isnan(v) else float(v) for v in row] for row in self.median]
        return {
            "names": list(self.names),
            "blocks": list(self.blocks),
            "plain": self.plain.tolist(),
            "position": self.position.tolist(),
            "median": unknown,
            "level": self.level.tolist(),
        }

    @classmethod
    def from_json(cls, saved: Mapping) -> "Aggregation":
        """The inverse of `to_json`."""
        level = np.array(saved["level"], dtype=float)
        shape = (-1, len(level)) if len(level) else (0, 0)
        return cls(
            tuple(saved["names"]),
            tuple(saved["blocks"]),
            np.array(saved["plain"], dtype=int),
            np.array(saved["position"], dtype=int).reshape(shape),
            np.array(saved["median"], dtype=float).reshape(shape),
            level,
        )


def n_features(names: Sequence[str]) -> int:
    """Features that columns become: each vertebral column its summaries, the others themselves."""
    of_level = {name.partition(MARK)[0] for name in names if MARK in name}
    return sum(MARK not in name for name in names) + len(SUMMARIES) * len(of_level)


def _middle_and_lowest(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and minimum over the last axis without NaN; NaN where nothing is left."""
    ranked = np.sort(values, axis=-1)  # NaN goes last
    count = (~np.isnan(values)).sum(axis=-1)[..., None]
    low = np.take_along_axis(ranked, np.maximum(count - 1, 0) // 2, axis=-1)
    high = np.take_along_axis(ranked, np.minimum(count // 2, values.shape[-1] - 1), axis=-1)
    return ((low + high) / 2)[..., 0], ranked[..., 0]


def _slope(values: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Least-squares slope over `level` along the last axis; NaN with fewer than two values."""
    here = ~np.isnan(values)
    count = np.maximum(here.sum(axis=-1, keepdims=True), 1)
    place = np.where(here, level, 0.0)
    place = np.where(here, place - place.sum(axis=-1, keepdims=True) / count, 0.0)
    spread = (place**2).sum(axis=-1)
    product = (place * np.where(here, values, 0.0)).sum(axis=-1)
    return np.divide(product, spread, out=np.full_like(product, np.nan), where=spread > 0)
