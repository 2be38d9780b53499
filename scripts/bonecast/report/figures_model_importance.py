"""What the models rely on: permutation importance, and terms by how often they are selected."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bonecast.report.comparison import (
    LOWER_IS_BETTER,
    Comparison,
    clipped,
    shown_block,
    shown_learner,
    shown_metric,
)
from bonecast.report.forest import ROW_IN, Row, draw_forest, label_rows, three_digits
from bonecast.report.palette import BLUE, GREY
from bonecast.report.style import (
    blank_figure,
    headline,
    new_figure,
    percent_axis,
    save_figure,
    style,
)
from bonecast.report.tables import read_table

MAX_TERMS = 20
MAX_TERM = 32
"""Characters of a term's name."""
CAUSE = "fracture"
FREQUENCIES = {"bootstrap_selection_frequency": "resamples", "selection_frequency": "folds"}
"""Columns of coefficients.tsv by what a term is selected in; the first that is known is shown."""
COLUMNS = (
    "panel",
    "block",
    "learner",
    "name",
    "metric",
    "value",
    "lower",
    "upper",
    "coefficient_per_sd",
    "from_block",
    "selection_frequency",
    "selected_in",
)


def importance(
    importance_path: str | Path,
    coefficients_path: str | Path,
    compared: Comparison,
    outputs: Mapping[str, str],
    dpi: int,
) -> None:
    """Importance of the blocks inside the headline block, and its terms."""
    drops = importance_rows(read_table(importance_path), compared)
    terms = term_rows(read_table(coefficients_path), compared)
    figure = draw_importance(drops, terms, compared)
    rows = [*drops.to_dict("records"), *terms.to_dict("records")]
    save_figure(figure, rows, COLUMNS, outputs, dpi)


def importance_rows(table: pd.DataFrame, compared: Comparison) -> pd.DataFrame:
    """Drops of the headline block's model when a block of columns, or a column, is permuted.

    Args:
        table: as in importance.tsv. Of the columns the `MAX_TERMS` with the largest drop stay.
    """
    rows = compared.primary(table[table["block"] == compared.headline])
    rows = rows.sort_values("value", ascending=False, kind="stable")
    blocks, columns = (rows[rows["kind"] == kind] for kind in ("block", "column"))
    both = pd.concat([blocks, columns.head(MAX_TERMS)])
    return both.assign(panel=both["kind"])


def term_rows(coefficients: pd.DataFrame, compared: Comparison) -> pd.DataFrame:
    """The terms of the headline block's final model that were selected most often.

    Args:
        coefficients: as in coefficients.tsv; the frequency over bootstrap resamples is used
            where it was made, else that over the folds.
    """
    rows = coefficients[coefficients["block"] == compared.headline]
    if compared.kind == "survival" and "cause" in rows:
        rows = rows[rows["cause"] == CAUSE]
    rows = rows[rows["learner"] == compared.primary_learner(rows)]
    known = [name for name in FREQUENCIES if name in rows and rows[name].notna().any()]
    frequency = rows[known[0]].astype(float) if known else np.nan
    rows = rows.assign(
        panel="term",
        name=rows["term"],
        selection_frequency=frequency,
        selected_in=FREQUENCIES[known[0]] if known else "",
        _size=rows["coefficient_per_sd"].abs(),
    )
    order = ["selection_frequency", "_size"]
    return rows.sort_values(order, ascending=False, kind="stable").head(MAX_TERMS)


def draw_importance(drops: pd.DataFrame, terms: pd.DataFrame, compared: Comparison) -> Figure:
    """Blocks above; below, the terms' coefficients beside how often each was selected.

    Args:
        drops: as from `importance_rows`.
        terms: as from `term_rows`; where the learner has none, columns by importance stand there.
    """
    with style():
        if drops.empty and terms.empty:
            return blank_figure("No model was fitted, or its importance was not measured.")
        blocks, columns = (drops[drops["kind"] == kind] for kind in ("block", "column"))
        lower = len(terms) if len(terms) else len(columns)
        heights = [max(1, len(blocks)) if len(blocks) else 0, lower]
        shown = [height for height in heights if height]
        figure = new_figure(0.35 + 0.62 * len(shown) + ROW_IN * sum(shown))
        parts = list(
            np.atleast_1d(figure.subfigures(len(shown), 1, height_ratios=[h + 3.5 for h in shown]))
        )
        if len(blocks):
            axes = parts.pop(0).subplots()
            names = [shown_block(name) for name in blocks["name"]]
            _draw_drops(axes, blocks, names, [compared.colour(name) for name in blocks["name"]])
            axes.set_title("a  Each block permuted")
        if len(terms):
            _draw_terms(parts.pop(0), terms, compared, "b  " if len(blocks) else "")
        elif len(columns):
            axes = parts.pop(0).subplots()
            _draw_drops(
                axes,
                columns,
                [clipped(name, MAX_TERM) for name in columns["name"]],
                [BLUE] * len(columns),
            )
            axes.set_title("b  Each column permuted")
        about = compared.about(drops) if len(drops) else shown_learner(terms["learner"].iloc[0])
        headline(figure, f"{shown_block(compared.headline)}; {about}")
    return figure


def _draw_drops(axes, rows: pd.DataFrame, names: list[str], colours: list[str]) -> None:
    estimates = rows[["value", "lower", "upper"]].to_numpy(float).tolist()
    points = [
        Row(name, *estimate, colour=colour, digits=3, signed=True)
        for name, estimate, colour in zip(names, estimates, colours, strict=True)
    ]
    draw_forest(axes, points, 0.0)
    label_rows(axes, points)
    metric = rows["metric"].iloc[0]
    change = "Rise" if metric in LOWER_IS_BETTER else "Drop"
    axes.set_xlabel(f"{change} of {shown_metric(metric)} when permuted (mean; 95 % of folds)")


def _draw_terms(figure, terms: pd.DataFrame, compared: Comparison, letter: str) -> None:
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.3, 1])
    columns = (terms[name] for name in ("name", "coefficient_per_sd", "from_block"))
    digits = three_digits(terms["coefficient_per_sd"])
    points = [
        Row(
            clipped(name, MAX_TERM),
            value,
            colour=compared.colour(block),
            digits=digits,
            signed=True,
        )
        for name, value, block in zip(*columns, strict=True)
    ]
    draw_forest(left, points, 0.0)
    label_rows(left, points)
    left.set_title(f"{letter}Terms of the final model")
    left.set_xlabel("Coefficient per standard deviation")
    places = np.arange(len(terms))
    share = terms["selection_frequency"].to_numpy(float)
    right.barh(places, np.nan_to_num(share), color=GREY, height=0.55)
    for y, value in zip(places, share, strict=True):
        text = "not measured" if math.isnan(value) else f"{100 * value:.0f} %"
        right.text(1.02, y, text, transform=right.get_yaxis_transform(), va="center", size=6.5)
    right.set_xlim(0, 1)
    percent_axis(right.xaxis)
    right.set_xlabel(f"Selected in {terms['selected_in'].iloc[0] or 'resamples'}")
    right.tick_params(axis="y", length=0)
