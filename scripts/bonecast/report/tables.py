"""Tables of the results, as every part of the report reads them."""

from pathlib import Path

import pandas as pd


def read_table(path: str | Path) -> pd.DataFrame:
    """A tab-separated table; ids stay text and empty text stays empty."""
    text = {"participant_id": str, "stage": str, "reason": str, "detail": str, "reference": str}
    table = pd.read_csv(path, sep="\t", dtype=text)
    for column in text:
        if column in table:
            table[column] = table[column].fillna("")
    return table
