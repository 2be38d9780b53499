"""Tables of the results as every part of the report reads them, and words for what is in them."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bonecast.model import OPTIMISM, REPEATED_CV

BLOCK_WORDS = {
    "clinical": "Clinical",
    "hu": "Density (HU)",
    "vbmd": "Density (vBMD)",
    "strength": "Strength",
    "morphometry": "Shape",
    "composition": "Body composition",
    "radiomics": "Radiomics",
    "deep": "Deep",
    "dxa": "DXA",
    "multimodal": "Multimodal",
}
METRIC_WORDS = {
    "c_index": "C-index",
    "c_index_harrell": "Harrell's C",
    "auc_t": "AUC",
    "auc": "AUC",
    "brier": "Brier score",
    "ipa": "Scaled Brier score",
    "ibs": "Integrated Brier score",
    "oe_ratio": "Observed over expected",
    "calibration_slope": "Calibration slope",
    "ici": "Integrated calibration index",
    "e50": "E50",
    "e90": "E90",
    "net_benefit": "Net benefit",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "sensitivity_learned": "Sensitivity at the learned threshold",
    "specificity_learned": "Specificity at the learned threshold",
    "nri": "Net reclassification",
    "r2": "R\N{SUPERSCRIPT TWO}",
    "rmse": "Root mean squared error",
    "mae": "Mean absolute error",
    "bias": "Bias",
    "loa_lower": "Lower limit of agreement",
    "loa_upper": "Upper limit of agreement",
}
HEADLINE = {"survival": "c_index", "binary": "auc", "continuous": "r2"}
"""The metric by which blocks are told apart first, by kind of outcome."""

NOT_ESTIMABLE = "not estimable"

SMALL_CELL = 5
"""Counts from 1 up to below this are not printed (a usual rule of disclosure control)."""
FEW, HIDDEN = f"<{SMALL_CELL}", "not shown"
ASSUMED, OBSERVED = "assumed", "observed"
"""Where the R-squared of a sample-size calculation comes from."""


def read_table(path: str | Path) -> pd.DataFrame:
    """A tab-separated table; ids stay text and empty text stays empty."""
    words = ("participant_id", "session_id", "stage", "reason", "detail", "reference")
    text = dict.fromkeys(words, str)
    table = pd.read_csv(path, sep="\t", dtype=text)
    for column in text:
        if column in table:
            table[column] = table[column].fillna("")
    return table


def block_name(block: str) -> str:
    """A block as the figures call it."""
    return BLOCK_WORDS.get(block, block)


def headline_block(blocks: Sequence[str]) -> str:
    """The block shown where only one can be: multimodal, else the last in the config's order."""
    return "multimodal" if "multimodal" in blocks else list(blocks)[-1]


def main_design(designs: Sequence[str]) -> str:
    """The design shown where only one can be: the cross-validation, else the first there is.

    The optimism bootstrap, which holds nobody out, stands back behind every other.
    """
    held_out = [name for name in designs if name != OPTIMISM]
    return REPEATED_CV if REPEATED_CV in held_out else next(iter(held_out or designs), "")


def interval_text(value: float, lower: float, upper: float, digits: int = 2) -> str:
    """A value with its interval as papers print it: 0.72 (0.65–0.79), -0.10 (-0.15 to -0.05)."""
    if not math.isfinite(value):
        return NOT_ESTIMABLE
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return minus(f"{value:z.{digits}f}")
    low, high = f"{lower:z.{digits}f}", f"{upper:z.{digits}f}"
    # Between signs a dash reads as one more of them.
    between = " to " if "-" in low + high else "\N{EN DASH}"
    return minus(f"{value:z.{digits}f} ({low}{between}{high})")


def counted(n: int, noun: str) -> str:
    """A number with its noun: 1 scan, 2,000 scans."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def signed(value: float, digits: int) -> str:
    """A number with its sign; what rounds to zero is +0, and NaN nothing."""
    return "" if math.isnan(value) else minus(f"{round(value, digits) + 0.0:+.{digits}f}")


def minus(text: str) -> str:
    """Text with typographic minus signs."""
    return text.replace("-", "\N{MINUS SIGN}")
