"""Table 1: who was modelled, overall and by outcome.

Counts of one to four patients are not printed, nor what they could be worked out from, and
neither are averages of fewer than five: a table in a paper is public. No p-values: groups by
outcome differ by definition, and tests of baseline differences say nothing of a model.
"""

import math

import numpy as np
import pandas as pd

from bonecast.model.outcome import BINARY, SURVIVAL
from bonecast.model.prepare import PreparationSettings
from bonecast.report.artefacts import Artefacts
from bonecast.report.tables import FEW, HIDDEN, SMALL_CELL, block_name

FIRST_COLUMNS = 6
"""Columns listed of a block measured in scans; the clinical block and scores are listed whole."""

WIDE_BLOCK = PreparationSettings().wide_block
"""Blocks with more columns than this are only counted."""

MAX_LEVELS = 20
"""A text column with more values than this is only counted."""

OVERALL = "overall"

COLUMNS = ("block", "variable", "level", "statistic", OVERALL)
"""First columns of the table; one column per outcome follows."""

VARIABLE_WORDS = {
    "time_years": "Follow-up (years)",
    "age_years": "Age (years)",
    "sex": "Sex",
    "site": "Site",
    "scanner": "Scanner",
    "contrast_phase": "Contrast phase",
    "bmi": "Body mass index (kg/m2)",
}
"""Names of variables that are printed in words."""

PATIENT_COLUMNS = ("sex", "site", "scanner", "contrast_phase")
"""Text columns of the analysis set that are listed where they are."""


def table_one(artefacts: Artefacts) -> pd.DataFrame:
    """Characteristics of the analysis set.

    Returns:
        One row per variable, level and statistic, every cell as text; columns `COLUMNS`, then one
        per outcome that anyone had: fracture, death and neither, or with and without the
        diagnosis, or none for a number.
    """
    frame = artefacts.frame
    groups = _groups(artefacts)
    rows = [_row("", "Patients", "", "n", [f"{mask.sum():,}" for mask in groups.values()])]
    if artefacts.kind == SURVIVAL and len(frame):
        years = [f"{frame.loc[mask, 'time_years'].sum():,.0f}" for mask in groups.values()]
        rows.append(_row("", "Person-years", "", "sum", years))
        rows += _continuous("", "time_years", frame["time_years"], groups)
    if artefacts.kind not in (SURVIVAL, BINARY):
        rows += _continuous("", "Outcome", frame["outcome"], groups)
    for column in PATIENT_COLUMNS:
        if column in frame:
            rows += _categorical("Patients", column, frame[column], groups)
    for block, columns in artefacts.single_blocks.items():
        rows += _block(block, columns, frame, groups)
    for score in artefacts.scores:
        rows += _numeric("Scores", score, frame[score], groups)
    table = pd.DataFrame(rows, columns=[*COLUMNS[:4], *groups])
    return table.astype(str)


def _groups(artefacts: Artefacts) -> dict[str, np.ndarray]:
    """Patients of each column of the table, as masks; outcomes that nobody had are left out."""
    frame = artefacts.frame
    everyone = {OVERALL: np.ones(len(frame), bool)}
    if artefacts.kind == SURVIVAL:
        event = frame["event"].to_numpy()
        outcomes = {"fracture": event == 1, "death": event == 2, "neither": event == 0}
    elif artefacts.kind == BINARY:
        outcome, name = frame["outcome"].to_numpy(), artefacts.endpoint
        outcomes = {name: outcome == 1, f"no {name}": outcome == 0}
    else:
        outcomes = {}
    return everyone | {name: mask for name, mask in outcomes.items() if mask.any()}


def _block(block: str, columns: list[str], frame: pd.DataFrame, groups: dict) -> list[list[str]]:
    """Rows of one block: its columns, or their number where there are many."""
    name = block_name(block)
    # Sex stands above as text; levels of a vertebra are summarised inside the folds only.
    listed = [c for c in columns if c in frame and c != "sex_male" and "@" not in c]
    if len(columns) > WIDE_BLOCK:
        listed = []
    elif block != "clinical":
        listed = listed[:FIRST_COLUMNS]
    rows = [row for column in listed for row in _numeric(name, column, frame[column], groups)]
    others = len([c for c in columns if c != "sex_male"]) - len(listed)
    if others:
        label = "further columns, not listed" if listed else "columns, not listed"
        rows.append(_row(name, label, "", "number", [str(others)] * len(groups)))
    return rows


def _numeric(block: str, column: str, values: pd.Series, groups: dict) -> list[list[str]]:
    """Rows of a numeric column: as yes or no where it holds 0 and 1 alone."""
    if values.dropna().isin([0, 1]).all() and values.notna().any():
        words = values.map({1.0: "yes", 0.0: "no"})
        rows = _categorical(block, column, words, groups)
        return [row for row in rows if row[2] != "no"]
    return _continuous(block, column, values, groups)


def _continuous(block: str, column: str, values: pd.Series, groups: dict) -> list[list[str]]:
    """Rows n, median (IQR), mean (SD) and missing of a number."""
    name, digits = VARIABLE_WORDS.get(column, column), _digits(values)
    counts, medians, means, missing = [], [], [], []
    for mask in groups.values():
        known = values[mask].dropna()
        counts.append(f"{len(known):,}")
        missing.append(_share(int(mask.sum()) - len(known), int(mask.sum())))
        if len(known) < SMALL_CELL:
            medians.append(HIDDEN if len(known) else "")
            means.append(medians[-1])
            continue
        low, middle, high, mean, sd = (
            # Adding 0 turns what rounds to -0.0 into 0.0.
            f"{round(float(value), digits) + 0.0:,.{digits}f}"
            for value in (*known.quantile([0.25, 0.5, 0.75]), known.mean(), known.std())
        )
        medians.append(f"{middle} ({low} to {high})")
        means.append(f"{mean} ({sd})")
    statistics = {"n": counts, "median (IQR)": medians, "mean (SD)": means}
    statistics["missing, n (%)"] = missing
    return [_row(block, name, "", statistic, cells) for statistic, cells in statistics.items()]


def _categorical(block: str, column: str, values: pd.Series, groups: dict) -> list[list[str]]:
    """Rows of n (%) by level, and of missing; percentages are of those known."""
    name = VARIABLE_WORDS.get(column, column)
    text = values.fillna("").astype(str)
    levels = sorted(set(text) - {""})
    if not levels:
        return []
    if len(levels) > MAX_LEVELS:
        n = [str(len(set(text[mask]) - {""})) for mask in groups.values()]
        return [_row(block, name, "levels, not listed", "number", n)]
    counts = np.array([[int((text[mask] == v).sum()) for mask in groups.values()] for v in levels])
    shown = _disclosed(counts)
    rows = []
    for i, level in enumerate(levels):
        cells = []
        for j in range(len(groups)):
            few = 0 < counts[i, j] < SMALL_CELL
            hidden = FEW if few else HIDDEN
            cells.append(_share(counts[i, j], counts[:, j].sum()) if shown[i, j] else hidden)
        rows.append(_row(block, name, level, "n (%)", cells))
    missing = [_share(int((text[mask] == "").sum()), int(mask.sum())) for mask in groups.values()]
    rows.append(_row(block, name, "", "missing, n (%)", missing))
    return rows


def _disclosed(counts: np.ndarray) -> np.ndarray:
    """Which cells of a variable may be printed.

    Small counts are hidden. A row adds up to its overall count, and a column to the patients
    known: a cell hidden alone in its row or column could be worked out, so the smallest other
    count above 0 of that line is hidden too, until nothing changes.

    Args:
        counts: shape (levels, groups), the first group all patients.

    Returns:
        True where a count may be printed, same shape.
    """
    shown = (counts == 0) | (counts >= SMALL_CELL)
    rows = [(i, slice(None)) for i in range(counts.shape[0])] if counts.shape[1] > 1 else []
    lines = [*rows, *((slice(None), j) for j in range(counts.shape[1]))]
    changed = True
    while changed:
        changed = False
        for line in lines:
            if (~shown[line]).sum() != 1:
                continue
            candidates = np.where(shown[line] & (counts[line] > 0), counts[line], np.inf)
            if np.isfinite(candidates).any():
                shown[line][int(np.argmin(candidates))] = False
                changed = True
    return shown


def _share(n: int, of: int) -> str:
    return f"{n:,} ({100 * n / of:.1f})" if of else "0"


def _digits(values: pd.Series) -> int:
    """Decimals by the size of the standard deviation: two digits of a small one, one as a rule."""
    sd = values.std()
    if not sd > 0:
        return 1
    return 0 if sd >= 100 else int(np.clip(1 - math.floor(math.log10(sd)), 1, 5))


def _row(block: str, variable: str, level: str, statistic: str, cells: list[str]) -> list[str]:
    return [block, variable, level, statistic, *cells]
