"""From one row per vertebra to one row per patient: a column of its own for every level."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from bonecast.cohort import CohortError
from bonecast.levels import LEVELS
from bonecast.model.admission import COVARIATE, Cells, check, numbers, read_text_table
from bonecast.model.aggregate import MARK

SPINE = (*(f"T{number}" for number in range(1, 13)), *(f"L{number}" for number in range(1, 6)))
"""Levels that have columns: those that nearly everyone has, so neither T13 nor L6."""

AT = MARK
"""Between column and level in the name of a feature: hu_vol_mean_hu@L1."""

INCLUDED = "_included"


def per_level(vertebrae: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """One row per participant and one column `<column>@<level>` per level that has a value.

    Args:
        vertebrae: participant_id, level and `columns`; numbers, NaN where missing.

    Returns:
        Indexed by participant_id; columns in the order given, levels from head to foot.
    """
    rows = vertebrae[vertebrae["level"].isin(SPINE)]
    of_level = {level: part.set_index("participant_id") for level, part in rows.groupby("level")}
    named = {
        f"{column}{AT}{level}": of_level[level][column].astype(float)
        for column in columns
        for level in SPINE
        if level in of_level and of_level[level][column].notna().any()
    }
    everyone = pd.Index(rows["participant_id"].unique(), name="participant_id")
    return pd.DataFrame(named, index=everyone)


def measured_vertebrae(
    vertebrae: pd.DataFrame, dictionary: pd.DataFrame, columns: Sequence[str]
) -> pd.DataFrame:
    """Some columns of the table of vertebrae as numbers, of included vertebrae only.

    Args:
        vertebrae: the table `vertebrae.parquet`.
        dictionary: the table `data_dictionary.csv`: tells the block of a column.

    Raises:
        CohortError: names every column that is not there or holds no numbers.
    """
    described = dictionary[dictionary["table"] == "vertebrae"].set_index("column")
    numeric = [c for c in described.index if described.loc[c, "type"] in ("float", "int")]
    unknown = [c for c in columns if c not in vertebrae or c not in numeric]
    if unknown:
        raise CohortError(
            f"model.vertebra_columns: {', '.join(unknown)}: no column of numbers in the table of"
            " vertebrae; data_dictionary.csv lists those there are"
        )
    values = {}
    for column in columns:
        values[column] = pd.to_numeric(vertebrae[column]).astype(float)
        flag = _flag(column, str(described.loc[column, "block"]), vertebrae.columns)
        if flag:
            included = vertebrae[flag].fillna(False).astype(bool)
            values[column] = values[column].where(included)
    keys = vertebrae[["participant_id", "level"]].astype(str)
    return pd.concat([keys, pd.DataFrame(values, index=vertebrae.index)], axis=1)


def vertebrae_of_table(path: str | Path, columns: Sequence[str], identifier: str) -> pd.DataFrame:
    """The user's own table of vertebrae as numbers.

    Args:
        path: a table with `identifier`, level and `columns`; a column `included` or
            `<prefix>_included` (1 or 0), where there is one, tells which values count.

    Raises:
        CohortError: lists every problem, by participant and column.
    """
    text = read_text_table(path)
    needed = {identifier: Cells(lambda c: c != "", "a patient"), "level": _LEVEL}
    needed |= dict.fromkeys(columns, COVARIATE)
    flags = {column: _flag(column, "", text.columns) for column in columns}
    needed |= {flag: COVARIATE for flag in flags.values() if flag}

    def twice() -> list[str]:
        again = text.duplicated([identifier, "level"])
        return [
            f"{row[identifier]}: level {row['level']} more than once (row {line})"
            for line, row in text[again].iterrows()
        ]

    check(text, needed, identifier, str(path), twice)
    out = pd.DataFrame({"participant_id": text[identifier], "level": text["level"]})
    for column in columns:
        values = numbers(text[column])
        flag = flags[column]
        out[column] = values.where(numbers(text[flag]) == 1) if flag else values
    return out


def level_columns(
    table: pd.DataFrame, wanted: Mapping[str, Sequence[str]]
) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """`per_level` of every block's columns, and the columns that make up each block."""
    columns = list(dict.fromkeys(c for members in wanted.values() for c in members))
    wide = per_level(table, columns)
    blocks = {
        block: [name for c in members for name in wide if name.rpartition(AT)[0] == c]
        for block, members in wanted.items()
    }
    return wide, blocks


_LEVEL = Cells(lambda cells: cells.isin(LEVELS), "a level such as L1")


def _flag(column: str, block: str, columns: Sequence[str]) -> str | None:
    """The column that tells whether a vertebra counts for another: of its prefix, of its block."""
    prefixes = [c.removesuffix(INCLUDED) for c in columns if c.endswith(INCLUDED)]
    fitting = [p for p in prefixes if column.startswith(f"{p}_") or p == block]
    if fitting:
        return max(fitting, key=len) + INCLUDED
    return "included" if "included" in columns else None
