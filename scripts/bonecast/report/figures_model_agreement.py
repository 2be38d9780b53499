"""Forecast against observed of an endpoint that is a number, and their Bland-Altman plot."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bonecast.report.comparison import (
    NO_MODEL,
    Comparison,
    shown_block,
    shown_design,
    shown_learner,
)
from bonecast.report.forest import digits_of, three_digits
from bonecast.report.palette import GREY, VERMILION
from bonecast.report.predictions import headline_people
from bonecast.report.style import blank_figure, headline, new_figure, save_figure, style
from bonecast.report.tables import counted, interval_text, minus, read_table

MAX_DRAWN = 3000
"""More points than this go into the PDF and SVG as a picture, to keep them small."""
ENDPOINT_WORDS = {"bmd": "bone mineral density"}
UNIT = "(unit of the table)"
LIMITS = {"bias": "mean", "loa_lower": "lower limit", "loa_upper": "upper limit"}
PRINTED = {"r2": "R\N{SUPERSCRIPT TWO}", "rmse": "RMSE", "calibration_slope": "slope"}
COLUMNS = ("panel", "name", "predicted", "observed", "mean", "difference", "lower", "upper", "n")


def predicted_observed(
    predictions_path: str | Path,
    metrics_path: str | Path,
    compared: Comparison,
    outputs: Mapping[str, str],
    dpi: int,
) -> None:
    """Held-out forecasts of the headline block against what was measured."""
    people, about = headline_people(predictions_path, compared)
    people = people.dropna(subset=["predicted", "outcome"])
    metrics = compared.primary(read_table(metrics_path), about["design"])
    metrics = metrics[metrics["block"] == about["block"]].set_index("metric")
    figure = draw_agreement(people, metrics, about, compared)
    save_figure(figure, _rows(people, metrics), COLUMNS, outputs, dpi)


def _rows(people: pd.DataFrame, metrics: pd.DataFrame) -> list[dict]:
    rows = [
        {
            "panel": "patient",
            "predicted": float(row.predicted),
            "observed": float(row.outcome),
            "mean": (row.predicted + row.outcome) / 2,
            "difference": row.predicted - row.outcome,
        }
        for row in people.itertuples()
    ]
    for name in (*LIMITS, *PRINTED):
        if name in metrics.index:
            row = metrics.loc[name]
            rows.append(
                {
                    "panel": "statistic",
                    "name": name,
                    "mean": float(row["value"]),
                    **{k: row[k] for k in ("lower", "upper", "n")},
                }
            )
    return rows


def draw_agreement(
    people: pd.DataFrame, metrics: pd.DataFrame, about: Mapping[str, str], compared: Comparison
) -> Figure:
    """Scatter with the line of identity; difference against mean with limits of agreement.

    Args:
        people: one row per patient, as from `headline_people`.
        metrics: rows of the block, indexed by metric.
        about: names of block, design and learner.
    """
    with style():
        if people.empty:
            return blank_figure(NO_MODEL)
        predicted, observed = (people[c].to_numpy(float) for c in ("predicted", "outcome"))
        figure = new_figure(3.3)
        left, right = figure.subplots(1, 2)
        dots = {"ms": 3, "alpha": 0.45, "mew": 0, "rasterized": len(people) > MAX_DRAWN}
        colour = compared.colour(about["block"])
        low, high = min(predicted.min(), observed.min()), max(predicted.max(), observed.max())
        pad = 0.04 * (high - low) or 1.0
        ends = [low - pad, high + pad]
        left.plot(ends, ends, color=GREY, lw=0.8, ls=(0, (2, 2)))
        left.plot(predicted, observed, "o", color=colour, **dots)
        left.set(xlim=ends, ylim=ends, aspect="equal")
        name = f"{ENDPOINT_WORDS.get(compared.endpoint, compared.endpoint)} {UNIT}"
        left.set(xlabel=f"Forecast {name}", ylabel=f"Observed {name}")
        left.set_title("a  Forecast and observed")
        lines = []
        for name, text in PRINTED.items():
            if name in metrics.index:
                numbers = metrics.loc[name, ["value", "lower", "upper"]].to_numpy(float)
                digits = digits_of(name, numbers[:1], 2)
                lines.append(f"{text} {interval_text(*numbers, digits)}")
        left.text(0.03, 0.98, "\n".join(lines), transform=left.transAxes, va="top", size=6.5)
        right.plot((predicted + observed) / 2, predicted - observed, "o", color=colour, **dots)
        _draw_limits(right, metrics)
        right.set_title("b  Limits of agreement")
        right.set(
            xlabel=f"Mean of forecast and observed {UNIT}",
            ylabel=f"Forecast \N{MINUS SIGN} observed {UNIT}",
        )
        words = [shown_block(about["block"]), shown_learner(about["learner"])]
        words += [shown_design(about["design"]).lower(), counted(len(people), "patient")]
        headline(figure, "; ".join(words))
    return figure


def _draw_limits(axes, metrics: pd.DataFrame) -> None:
    digits = three_digits(metrics.loc[metrics.index.isin(LIMITS), "value"])
    for name, words in LIMITS.items():
        if name not in metrics.index:
            continue
        value, lower, upper = (float(metrics.loc[name, c]) for c in ("value", "lower", "upper"))
        if not math.isfinite(value):
            continue
        axes.axhline(value, color=VERMILION, lw=1.1, ls="-" if name == "bias" else (0, (4, 2)))
        if np.isfinite([lower, upper]).all():
            axes.axhspan(lower, upper, color=VERMILION, alpha=0.12, lw=0)
        text = minus(f"{words}\n{round(value, digits) + 0.0:.{digits}f}")
        axes.text(1.02, value, text, transform=axes.get_yaxis_transform(), va="center", size=6.5)
