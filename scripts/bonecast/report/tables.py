"""Tables of the results as every part of the report reads them, and words for what is in them."""

import math
from pathlib import Path

import pandas as pd

BLOCK_WORDS = {
    "clinical": "Clinical",
    "hu": "Density (HU)",
    "morphometry": "Shape",
    "composition": "Body composition",
    "radiomics": "Radiomics",
    "deep": "Deep",
    "multimodal": "Multimodal",
}
NOT_ESTIMABLE = "not estimable"


def read_table(path: str | Path) -> pd.DataFrame:
    """A tab-separated table; ids stay text and empty text stays empty."""
    text = {"participant_id": str, "stage": str, "reason": str, "detail": str, "reference": str}
    table = pd.read_csv(path, sep="\t", dtype=text)
    for column in text:
        if column in table:
            table[column] = table[column].fillna("")
    return table


def block_name(block: str) -> str:
    """A block as the figures call it."""
    return BLOCK_WORDS.get(block, block)


def interval_text(value: float, lower: float, upper: float) -> str:
    """A value with its interval as papers print it: 0.72 (0.65–0.79)."""
    if not math.isfinite(value):
        return NOT_ESTIMABLE
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return f"{value:.2f}"
    return f"{value:.2f} ({lower:.2f}\N{EN DASH}{upper:.2f})"
