"""A table that is written while it grows, for cohorts whose tables would not fit in memory."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.csv import CSVWriter, WriteOptions

from bonecast.measure.columns import Column, names
from bonecast.measure.schema import check_table

ARROW = {"text": pa.string(), "bool": pa.bool_(), "int": pa.int64(), "float": pa.float64()}


class GrowingTable:
    """Rows on their way into <name>.parquet and <name>.tsv; a context that closes both.

    Args:
        columns: of the table; what a row lacks is missing.
        name: of the table and its files.
        folder: one that exists.
    """

    def __init__(self, columns: Sequence[Column], name: str, folder: Path):
        self.n_rows = 0
        self._columns, self._name = columns, name
        self._schema = pa.schema([(column.name, ARROW[column.kind]) for column in columns])
        self._missing = dict.fromkeys(names(columns))
        self._cells = itemgetter(*names(columns))
        self._rows: list[tuple] = []
        path = folder / name
        with ExitStack() as stack:
            self._parquet = stack.enter_context(pq.ParquetWriter(f"{path}.parquet", self._schema))
            options = WriteOptions(delimiter="\t", quoting_style="needed")
            self._text = stack.enter_context(
                CSVWriter(f"{path}.tsv", self._schema, write_options=options)
            )
            self._files = stack.pop_all()

    def __enter__(self) -> "GrowingTable":
        return self

    def __exit__(self, *error) -> None:
        self._files.__exit__(*error)

    def add(self, rows: Iterable[dict]) -> None:
        """Keep rows until the next `flush`; of a row only the table's columns."""
        self._rows += [self._cells(self._missing | row) for row in rows]

    def flush(self) -> None:
        """Check the rows that were added and append them to both files, in Parquet as a group.

        Raises:
            ValueError: a value is one that cannot be.
        """
        if not self._rows:
            return
        arrays = [
            pa.array(cells, field.type, from_pandas=True)
            for cells, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
        ]
        chunk = pa.Table.from_arrays(arrays, schema=self._schema)
        check_table(chunk.to_pandas(), self._columns, self._name)
        self._parquet.write_table(chunk)
        self._text.write_table(chunk)
        self.n_rows += len(self._rows)
        self._rows = []
