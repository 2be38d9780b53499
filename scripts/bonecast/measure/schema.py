"""The check of a collected table against the declarations of its columns."""

from collections.abc import Sequence

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from bonecast.measure.columns import Column

MOST_LISTED = 20
"""Impossible values named one by one in the message."""


def table_schema(columns: Sequence[Column]) -> pa.DataFrameSchema:
    """The schema of a table: these columns, in this order, each value possible or missing."""
    return pa.DataFrameSchema(
        {column.name: pa.Column(checks=_checks(column), nullable=True) for column in columns},
        strict=True,
        ordered=True,
    )


def _checks(column: Column) -> list[pa.Check]:
    checks = []
    if column.low is not None:
        checks.append(pa.Check.ge(column.low))
    if column.high is not None:
        checks.append(pa.Check.le(column.high))
    if column.words:
        checks.append(pa.Check.isin(column.words))
    return checks


def check_table(frame: pd.DataFrame, columns: Sequence[Column], table: str) -> None:
    """Refuse a table with a value that cannot be.

    Args:
        frame: with a column `participant_id` and, where rows are vertebrae, `level`.
        columns: its declarations.
        table: its name, for the message.

    Raises:
        ValueError: names every participant, column, value and what was expected.
    """
    try:
        table_schema(columns).validate(frame, lazy=True)
    except SchemaErrors as errors:
        expected = {column.name: column.range for column in columns}
        found = []
        for case in errors.failure_cases.itertuples():
            where = ""
            if pd.notna(case.index):
                row = frame.loc[case.index]
                keys = ("participant_id", "session_id", "level")
                where = " ".join(str(row[key]) for key in keys if row.get(key))
            wanted = expected.get(case.column, "the columns declared")
            found.append(f"{where} {case.column} = {case.failure_case}: expected {wanted}".strip())
        more = f"\n... and {len(found) - MOST_LISTED} more" if len(found) > MOST_LISTED else ""
        raise ValueError(
            f"table of {table}: {len(found)} impossible values, so a measurement is wrong. "
            "Report it with the log of measure_scan of the participant:\n"
            + "\n".join(found[:MOST_LISTED])
            + more
        ) from None
