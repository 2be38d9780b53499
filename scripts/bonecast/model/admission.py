"""A table of text becomes numbers, or every one of its problems is listed at once."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from bonecast.cohort import PARTICIPANT_PATTERN, CohortError
from bonecast.refusal import shown

MOST_OF_A_COLUMN = 10
"""Problems of one kind in one column that are printed."""

MOST_LISTED = 50
"""Problems of a table that are printed; the others are counted."""

WORDS = {"yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0}
"""Words accepted in a covariate in place of 1 and 0, in any case."""

SEX = {"F": 0.0, "M": 1.0}
SEX_WORDS = {"f": "F", "female": "F", "m": "M", "male": "M"}

OLDEST_YEARS = 120

LARGEST = 1e15
"""A number beyond this is a slip: its square would drown every other patient's."""


@dataclass(frozen=True)
class Cells:
    """What the cells of a column may hold; empty is always allowed.

    Attributes:
        valid: whether each filled cell of a column of text is such, as booleans.
        expected: the same in words: "... is not <expected>".
        number: the cells are numbers, so that a column of words is a mistake as a whole.
        unique: no two rows may have the same, and none may be empty.
    """

    valid: Callable[[pd.Series], pd.Series]
    expected: str
    number: bool = False
    unique: bool = False


def numbers(cells: pd.Series) -> pd.Series:
    """A column of text as numbers: NaN where empty or none; yes, no, true, false are 1 and 0."""
    values = pd.to_numeric(cells, errors="coerce").astype(float)
    rest = values.isna() & (cells != "")
    if rest.any():
        values[rest] = cells[rest].str.lower().map(WORDS).astype(float)
    return values


def _between(low: float, high: float) -> Callable[[pd.Series], pd.Series]:
    def valid(cells: pd.Series) -> pd.Series:
        values = pd.to_numeric(cells, errors="coerce")
        return np.isfinite(values) & (values >= low) & (values <= high)

    return valid


IDENTIFIER = Cells(
    lambda cells: cells.str.fullmatch(PARTICIPANT_PATTERN).astype(bool),
    "letters, digits, '.', '_' or '-'",
    unique=True,
)
AGE = Cells(_between(0, OLDEST_YEARS), f"an age of 0 to {OLDEST_YEARS} years, or empty")
SEXES = Cells(lambda cells: sexes(cells) != "", "F or M (or female, male), or empty")
NUMBER = Cells(_between(-LARGEST, LARGEST), "a number, or empty")
COVARIATE = Cells(
    lambda cells: numbers(cells).abs() <= LARGEST, "a number, yes or no, or empty", number=True
)


def sexes(cells: pd.Series) -> pd.Series:
    """F or M of every cell, empty where it is neither."""
    return cells.str.lower().map(SEX_WORDS).fillna("")


def time_in(unit: str) -> Cells:
    """A time after the scan; 0 and more."""
    return Cells(_between(0, LARGEST), f"a number of {unit}, 0 or more, or empty")


def read_text_table(path: str | Path) -> pd.DataFrame:
    """A table with every cell as stripped text, empty where missing.

    Args:
        path: comma separated, or tab separated if it ends in .tsv; UTF-8, with or without a mark.
            A cell NA is empty, as R writes it.

    Returns:
        The table, indexed by line of the file. Empty lines and columns without name are left out.

    Raises:
        CohortError: the file is not such a table, or has no rows.
    """
    separator, called = ("\t", "tabs") if str(path).endswith(".tsv") else (",", "commas")
    try:
        table = pd.read_csv(
            path,
            sep=separator,
            header=None,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            encoding="utf-8-sig",
        )
    except OSError as error:
        raise CohortError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # pandas' own errors and undecodable bytes are such
        raise CohortError(
            f"{path}: not a table separated by {called} and saved as UTF-8: {str(error).strip()}"
            f"{_semicolons(path)}"
        ) from None
    table = table.fillna("").apply(lambda column: column.str.strip())
    table.index += 1
    header = table.iloc[0]
    if len(header) == 1 and any(mark in header.iloc[0] for mark in ";,\t"):
        raise CohortError(f"{path}: its columns are not separated by {called}; save it so")
    twice = sorted(set(header[header.duplicated() & (header != "")]))
    if twice:
        raise CohortError(f"{path}: column named twice: {', '.join(twice)}")
    table = table.iloc[1:].set_axis(header, axis=1).rename_axis(columns=None).replace("NA", "")
    table = table.loc[(table != "").any(axis=1), [name != "" for name in table.columns]]
    if not len(table):
        raise CohortError(f"{path}: a header and no rows: there is nobody to model")
    return table


def _semicolons(path: str | Path) -> str:
    """What to do about a table whose first line is separated by semicolons; else nothing."""
    with Path(path).open(encoding="utf-8", errors="replace") as file:
        first = file.readline()
    if ";" not in first or "," in first:
        return ""
    return "; its columns are separated by semicolons: save it with commas, and decimal points"


def check(
    text: pd.DataFrame,
    columns: Mapping[str, Cells],
    identifier: str,
    source: str,
    more: Callable[[], Sequence[str]] = lambda: (),
) -> None:
    """Refuse a table with any problem.

    Args:
        text: as from `read_text_table`.
        columns: those that must be there, and what they may hold.
        identifier: the column that names the patient.
        source: of the table, for the message.
        more: finds further problems, asked only once every column is there.

    Raises:
        CohortError: one line per problem: participant, column, value, what was expected.
    """
    absent = [column for column in columns if column not in text]
    found = ", ".join(text.columns[:30])
    lines = [
        f"column {column} is missing; found: {found}. Columns are named in the configuration:"
        " model.columns (null for sex or age if there is none) and model.block_columns"
        for column in absent
    ]
    present = {column: cells for column, cells in columns.items() if column in text}
    wordy = [c for c, cells in present.items() if cells.number and _holds_words(text[c])]
    lines += [_words_of(column, text[column]) for column in wordy]
    schema = pa.DataFrameSchema(
        {
            column: pa.Column(str, _check(cells), unique=cells.unique)
            for column, cells in present.items()
            if column not in wordy
        }
    )
    try:
        schema.validate(text, lazy=True)
    except pa.errors.SchemaErrors as errors:
        lines += _lines(errors.failure_cases, text, identifier)
    if not absent:
        lines += more()
    refuse(lines, source)


def refuse(lines: Sequence[str], source: str) -> None:
    """Raise if there is any problem.

    Raises:
        CohortError: the first `MOST_LISTED` lines and the number of the others.
    """
    if not lines:
        return
    listed = [*lines[:MOST_LISTED]]
    if len(lines) > MOST_LISTED:
        listed.append(f"... and {len(lines) - MOST_LISTED} more")
    raise CohortError(f"{source}: {len(lines)} problem(s)\n  " + "\n  ".join(listed))


def who(text: pd.DataFrame, line: int, identifier: str) -> str:
    """Name of a patient in a message: the id, or the line where there is none, or a name."""
    name = text.loc[line, identifier] if identifier in text else ""
    return name if re.fullmatch(PARTICIPANT_PATTERN, name) else f"row {line}"


def _check(cells: Cells) -> pa.Check:
    def holds(column: pd.Series) -> pd.Series:
        empty = (column == "") & (not cells.unique)
        return empty | cells.valid(column)

    return pa.Check(holds, error=cells.expected, ignore_na=False)


def _lines(failures: pd.DataFrame, text: pd.DataFrame, identifier: str) -> list[str]:
    """A line per cell; of a column with many alike the first few, and how many there are."""
    lines = []
    for (column, _), cases in failures.groupby(["column", "check"], sort=False):
        shown = cases.head(MOST_OF_A_COLUMN).to_dict("records")
        lines += [_line(case, text, identifier) for case in shown]
        if len(cases) > len(shown):
            lines.append(f"column {column}: {len(cases) - len(shown)} further cells like these")
    return lines


def _line(failure: Mapping, text: pd.DataFrame, identifier: str) -> str:
    line = int(failure["index"])
    name = who(text, line, identifier)
    if failure["check"] == "field_uniqueness":
        return f"{name}: named more than once (row {line})"
    if failure["column"] == identifier:  # may be a person's name, which no log shall hold
        return f"row {line}, {identifier}: is not {failure['check']}"
    value = failure["failure_case"]
    beyond = f" (beyond {LARGEST:g})" if LARGEST < abs(_number(value)) < np.inf else ""
    return f"{name}, {failure['column']}: {shown(str(value))} is not {failure['check']}{beyond}"


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan


def _holds_words(cells: pd.Series) -> bool:
    """Whether more than half of the filled cells are no numbers: words, not slips of the pen."""
    filled = cells[cells != ""]
    return len(filled) > 0 and not COVARIATE.valid(filled).mean() >= 0.5


def _words_of(column: str, cells: pd.Series) -> str:
    if cells[cells != ""].str.fullmatch(r"[+-]?\d+,\d+").mean() > 0.5:
        return f"column {column} has decimal commas: write decimal points"
    different = cells[cells != ""].nunique()
    return (
        f"column {column} holds words ({different} different ones), and a feature is a number, yes"
        " or no. Code it as numbers (of three values or more, one column for each but one), or"
        " leave it out: list the columns wanted in model.block_columns, or name it in"
        " model.subgroups"
    )
