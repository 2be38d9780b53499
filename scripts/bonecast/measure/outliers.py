"""Vertebrae that do not fit the cohort: size and shape against the same level of other scans.

A segmentation that swallowed a neighbour or lost half a body shows in its volume and shape.
What is large for a small person is not for a tall one, so each scan is compared after its own
size: the median, over its other levels, of how far they lie from the cohort's medians (from a
median polish, Tukey, Exploratory Data Analysis, 1977, on logarithms of volumes and lengths).
What remains is divided by 1.4826 times the median absolute deviation of its level, which equals the
standard deviation where values are normal (Hampel, J Am Stat Assoc 1974;69:383).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bonecast.levels import LEVELS
from bonecast.measure.columns import LEVEL, SCAN, Column, names

KEYS = [*names(SCAN), "level"]

MIN_SCANS = 10
"""A level seen in fewer scans has no spread to compare with."""

MIN_LEVELS = 4
"""The median over fewer levels of a scan is moved too far by the one that is wrong."""

LIMIT = 4.5
"""Robust standard deviations from which a vertebra is listed. Iglewicz & Hoaglin (1993) take
3.5 for one value; a scan has up to a hundred here. In simulated cohorts of 10 to 200 sound scans
4.5 lists 0 to 3 % of them where values are normal, 6 to 10 % in wider tails (t, 8 degrees)."""

MAD_TO_SD = 1.4826

ROUNDS = 3
"""Rounds of the median polish; two change nothing that matters."""


@dataclass(frozen=True)
class Quantity:
    """One thing that is compared.

    Attributes:
        unit: of its value.
        least_spread: the standard deviation taken at least: a share of the value where
            `relative`, else in `unit`. What two careful outlines of one body differ by.
        relative: whether scans differ by a factor (sizes) or by a difference (HU).
        words: what it is.
    """

    unit: str
    least_spread: float
    relative: bool
    words: str


QUANTITIES: dict[str, Quantity] = {
    "volume": Quantity("mm3", 0.06, True, "volume of the body"),
    "height": Quantity("mm", 0.04, True, "mean of anterior, middle and posterior height"),
    "depth": Quantity("mm", 0.04, True, "depth of the body"),
    "width": Quantity("mm", 0.05, True, "volume over height and depth"),
    "arch": Quantity("ratio", 0.10, True, "whole vertebra over body, in voxels"),
    "density": Quantity("HU", 12.0, False, "mean attenuation"),
}

QUANTITY = Column("quantity", "", "What is compared", kind="text", words=tuple(QUANTITIES))
UNIT = Column("unit", "", "Unit of value, expected and median", kind="text")

OUTLIER_COLUMNS = (
    *SCAN,
    LEVEL,
    QUANTITY,
    Column("value", "", "What was measured, in the row's unit"),
    UNIT,
    Column("expected", "", "What the cohort has at this level, for a scan of this size"),
    Column("robust_z", "", "Distance from it in robust standard deviations of the level"),
    Column("n_scans", "count", "Scans the level was compared in", kind="int", low=0),
    Column("genant_grade", "grade", "Genant grade of the vertebra", kind="int", low=0, high=3),
)
"""Columns of segmentation_outliers.tsv."""

REFERENCE_COLUMNS = (
    LEVEL,
    QUANTITY,
    UNIT,
    Column("n_scans", "count", "Scans with a value", kind="int", low=0),
    Column("median", "", "Median of the level in a scan of middling size, in the row's unit"),
    Column("spread_pct", "%", "Robust standard deviation of sizes", low=0),
    Column("spread_hu", "HU", "Robust standard deviation of attenuation", low=0),
    Column("compared", "", "Whether there were scans enough to compare", kind="bool"),
    Column("n_outliers", "count", "Vertebrae listed", kind="int", low=0),
)
"""Columns of segmentation_reference.tsv: what each level was compared with."""


def measured_columns(roi: str) -> list[str]:
    """Columns of the table of vertebrae that sizes are made of; see `size_table`."""
    return [
        *(*KEYS, "anterior_mm", "middle_mm", "posterior_mm", "depth_mm"),
        *("genant_grade", "morphometry_reason", f"{roi}_mean_hu"),
    ]


def size_table(
    scans: Iterable[tuple[str, str, dict, dict]], vertebrae: pd.DataFrame, roi: str
) -> pd.DataFrame:
    """Every quantity of every vertebra that the border does not cut.

    Args:
        scans: participant_id and session_id with the content of segmentation.json and ct.json.
        vertebrae: the cohort's table of vertebrae, `measured_columns` of it.
        roi: region whose mean attenuation is compared.

    Returns:
        Columns participant_id, session_id, level, genant_grade and the names of QUANTITIES;
        missing values NaN.
    """
    rows = []
    for participant, session, segmentation, ct in scans:
        for level, facts in (segmentation.get("levels") or {}).items():
            body = facts.get("n_body_voxels")
            if body and not facts.get("touches_border"):
                voxel_mm3 = float(np.prod(ct["spacing_mm"]))
                row = dict(zip(KEYS, (participant, session, level), strict=True))
                row |= {"volume": body * voxel_mm3, "arch": facts["n_voxels"] / body}
                rows.append(row)
    sizes = pd.DataFrame(rows, columns=[*KEYS, "volume", "arch"])
    measured = vertebrae.reindex(columns=measured_columns(roi))
    table = sizes.merge(measured, how="left", on=KEYS)
    # Measuring looks 2 mm beyond the body for the border, segmentation at the last voxel.
    table = table[table["morphometry_reason"] != "touches_border"].reset_index(drop=True)
    heights = table[["anterior_mm", "middle_mm", "posterior_mm"]].astype(float)
    table["height"] = heights.mean(axis=1, skipna=False)
    table["depth"] = table["depth_mm"].astype(float)
    table["width"] = table["volume"] / (table["height"] * table["depth"])
    table["density"] = table[f"{roi}_mean_hu"].astype(float)
    return table[[*KEYS, "genant_grade", *QUANTITIES]]


def find_outliers(table: pd.DataFrame) -> tuple[list[dict], list[dict]]:
    """Vertebrae far from the cohort's, the farthest first, and what they were compared with.

    Args:
        table: as from `size_table`.

    Returns:
        Rows with OUTLIER_COLUMNS and rows with REFERENCE_COLUMNS; missing values are None.
        A level seen in fewer than MIN_SCANS scans of MIN_LEVELS levels is not compared.
    """
    outliers, reference = [], []
    if table.empty:
        return outliers, reference
    levels = [level for level in LEVELS if level in set(table["level"])]
    of_row = list(zip(table["participant_id"], table["session_id"], strict=True))
    scans = list(dict.fromkeys(of_row))
    places = {scan: i for i, scan in enumerate(scans)}
    cell = (
        np.array([places[scan] for scan in of_row]),
        table["level"].map(levels.index).to_numpy(),
    )
    grades = np.full((len(scans), len(levels)), np.nan)
    grades[cell] = table["genant_grade"].astype(float)
    for name, quantity in QUANTITIES.items():
        values = np.full(grades.shape, np.nan)
        values[cell] = table[name].astype(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.where(values > 0, np.log(values), np.nan) if quantity.relative else values
        middle, usual = usual_values(logs)
        spread, counts = level_spread(logs - usual, quantity.least_spread)
        compared = counts >= MIN_SCANS
        z = np.where(compared, (logs - usual) / spread, np.nan)
        far = np.abs(np.nan_to_num(z)) > LIMIT
        for i, j in np.argwhere(far):
            expected = np.exp(usual[i, j]) if quantity.relative else usual[i, j]
            outliers.append(
                {
                    "participant_id": scans[i][0],
                    "session_id": scans[i][1],
                    "level": levels[j],
                    "quantity": name,
                    "value": float(values[i, j]),
                    "unit": quantity.unit,
                    "expected": float(expected),
                    "robust_z": float(z[i, j]),
                    "n_scans": int(counts[j]),
                    "genant_grade": None if np.isnan(grades[i, j]) else int(grades[i, j]),
                }
            )
        reference += _reference(name, levels, middle, spread, counts, far.sum(axis=0))
    outliers.sort(key=lambda row: -abs(row["robust_z"]))
    return outliers, reference


def usual_values(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each level of each scan would be, were it as the scan's other levels are.

    Args:
        values: (scans, levels), NaN where missing.

    Returns:
        The cohort's median of each level, (levels,), and the usual value of each vertebra,
        (scans, levels): that median plus the size of the scan, the level itself left out of it.
        A vertebra of a scan of fewer than MIN_LEVELS levels has none (NaN).
    """
    enough = np.isfinite(values).sum(axis=1) >= MIN_LEVELS
    size = np.where(enough, 0.0, np.nan)
    for _ in range(ROUNDS):
        middle = _medians((values - size[:, None]).T)
        size = np.where(enough, _medians(values - middle), np.nan)
    apart = np.where(enough[:, None], values - middle, np.nan)
    # With the level itself in it, the median would lie on a level of each scan exactly, and
    # spreads would come out too small.
    others = [_medians(np.delete(apart, j, axis=1)) for j in range(values.shape[1])]
    return middle, middle + np.stack(others, axis=1)


def level_spread(residuals: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Robust standard deviation of each level, `least` at least, and its number of scans."""
    deviation = _medians(np.abs(residuals - _medians(residuals.T)).T)
    counts = np.isfinite(residuals).sum(axis=0)
    return np.fmax(MAD_TO_SD * deviation, least), counts


def _medians(rows: np.ndarray) -> np.ndarray:
    """Median of each row without NaN; NaN for a row of nothing else."""
    medians = np.full(len(rows), np.nan)
    some = np.isfinite(rows).any(axis=1)
    medians[some] = np.nanmedian(rows[some], axis=1)
    return medians


def _reference(name: str, levels: Sequence[str], middle, spread, counts, n_outliers) -> list[dict]:
    quantity = QUANTITIES[name]
    rows = []
    for j, level in enumerate(levels):
        compared = bool(counts[j] >= MIN_SCANS)
        row: dict = dict.fromkeys(names(REFERENCE_COLUMNS))
        row |= {"level": level, "quantity": name, "unit": quantity.unit}
        row |= {"n_scans": int(counts[j]), "compared": compared}
        if compared:
            median = np.exp(middle[j]) if quantity.relative else middle[j]
            row["median"], row["n_outliers"] = float(median), int(n_outliers[j])
            if quantity.relative:
                row["spread_pct"] = float(100 * np.expm1(spread[j]))
            else:
                row["spread_hu"] = float(spread[j])
        rows.append(row)
    return rows
