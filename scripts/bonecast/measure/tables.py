"""Tables on disk: tab-separated text in which a missing value is empty."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bonecast.measure.columns import Column, names

SIGNIFICANT_DIGITS = 9
"""More than any measurement means, and enough for a table to be compared with another."""


def write_table(rows: Iterable[dict], columns: Iterable[Column], path: str | Path) -> None:
    """Write rows under a header; with no rows, the header alone.

    Booleans become `true` and `false`, missing values nothing at all.

    Raises:
        ValueError: a row has a column that is not in `columns`.
    """
    with open_table(columns, path) as add:
        for row in rows:
            add(row)


@contextmanager
def open_table(columns: Iterable[Column], path: str | Path) -> Iterator[Callable[[dict], object]]:
    """The same for rows that come one after another: yields what writes one."""
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names(columns), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        yield lambda row: writer.writerow({name: _text(value) for name, value in row.items()})


def read_table(path: str | Path, columns: Sequence[Column]) -> list[dict]:
    """The rows of a table with their types; empty cells and columns it lacks are None.

    Columns of the file that are not in `columns` are left out.
    """
    kinds = {column.name: column.kind for column in columns}
    with Path(path).open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, delimiter="\t")
        header = next(reader, [])
        places = [(i, name, kinds[name]) for i, name in enumerate(header) if name in kinds]
        missing = dict.fromkeys(kinds)
        return [
            missing | {name: _value(row[i], kind) for i, name, kind in places} for row in reader
        ]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return format(value, f".{SIGNIFICANT_DIGITS}g")
    return str(value)


def _value(text: str, kind: str):
    if text == "":
        return None
    if kind == "text":
        return text
    if kind == "bool":
        return text == "true"
    return int(float(text)) if kind == "int" else float(text)
