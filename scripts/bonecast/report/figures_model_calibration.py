"""Calibration: what was observed against what was forecast, one panel per block."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bonecast.model import SUPPLIED
from bonecast.report.comparison import Comparison, shown_block
from bonecast.report.palette import GREY
from bonecast.report.style import (
    blank_figure,
    headline,
    new_figure,
    percent_axis,
    save_figure,
    style,
)
from bonecast.report.tables import interval_text, read_table

STATISTICS = {"oe_ratio": "O/E", "calibration_slope": "slope", "ici": "ICI"}
COLUMNS = (
    "design",
    "learner",
    "block",
    "horizon_years",
    "kind",
    "predicted",
    "observed",
    "lower",
    "upper",
    "n",
    "events",
)


def calibration(
    curves_path: str | Path,
    metrics_path: str | Path,
    compared: Comparison,
    outputs: Mapping[str, str],
    dpi: int,
) -> None:
    """Calibration of every block of the primary learner at the longest horizon."""
    curves, statistics = calibration_rows(
        read_table(curves_path), read_table(metrics_path), compared
    )
    figure = draw_calibration(curves, statistics, compared)
    # The numbers printed follow the curves: kind names the statistic, observed is its value.
    printed = statistics.assign(kind=statistics["metric"], observed=statistics["value"])
    rows = [*curves.to_dict("records"), *printed.to_dict("records")]
    save_figure(figure, rows, COLUMNS, outputs, dpi)


def calibration_rows(
    curves: pd.DataFrame, metrics: pd.DataFrame, compared: Comparison
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curves, groups and histograms; and the statistics printed with them.

    Args:
        curves: as in calibration_curves.tsv (kinds smooth, group, histogram).
        metrics: as in metrics.tsv.
    """
    curves = compared.at_last_horizon(compared.primary(curves))
    curves = curves[curves["learner"] != SUPPLIED]
    statistics = metrics[
        metrics["metric"].isin(STATISTICS) & metrics["block"].isin(curves["block"])
    ]
    if len(curves):
        statistics = compared.primary(statistics, curves["design"].iloc[0])
    return curves, compared.at_last_horizon(statistics)


def draw_calibration(
    curves: pd.DataFrame, statistics: pd.DataFrame, compared: Comparison
) -> Figure:
    """Smooth curve with its band, groups with intervals, and the forecasts' histogram below.

    Args:
        curves, statistics: as from `calibration_rows`.
    """
    with style():
        if curves.empty:
            return blank_figure("No risks were forecast, so there is no calibration to show.")
        blocks = compared.order_blocks(curves["block"])
        across = 2 if len(blocks) in (1, 2, 4) else 3
        down = -(-len(blocks) // across)
        figure = new_figure(0.35 + down * (3.9 if across == 2 else 2.7))
        limit = _limit(curves)
        when = curves["horizon_years"].iloc[0]
        risk = "probability" if pd.isna(when) else f"{when:g}-year risk"
        panels = figure.subplots(down, across, squeeze=False).ravel()
        for upper, block in zip(panels, blocks, strict=False):
            part = curves[curves["block"] == block]
            _draw_curve(upper, part, compared.colour(block), limit)
            lower = upper.inset_axes([0, -0.24, 1, 0.2], sharex=upper)
            _draw_histogram(lower, part[part["kind"] == "histogram"], compared.colour(block), limit)
            upper.set_title(shown_block(block))
            text = _printed(statistics[statistics["block"] == block])
            paper = {"fc": "white", "ec": "none", "alpha": 0.75, "pad": 1.0}
            where = {"transform": upper.transAxes, "va": "top"}
            upper.text(0.03, 0.98, text, size=6.5, bbox=paper, **where)
            upper.tick_params(axis="x", labelbottom=False)
            lower.set_xlabel(f"Forecast {risk}")
            if block in blocks[::across]:
                upper.set_ylabel("Observed")
        for axes in panels[len(blocks) :]:
            axes.set_axis_off()
        oe_ratio = statistics[statistics["metric"] == "oe_ratio"]
        headline(figure, compared.about(curves, compared.people(oe_ratio)))
    return figure


def _limit(curves: pd.DataFrame) -> float:
    """One end of the axes for all panels: the groups and the curve lie within."""
    lines = curves[curves["kind"] != "histogram"]
    highest = np.nanmax(lines[["predicted", "observed"]].to_numpy(float), initial=0.01)
    groups = curves[curves["kind"] == "group"]
    whisker = np.nanmax(groups["upper"].to_numpy(float), initial=0.0)
    return min(1.0, 1.04 * max(highest, min(whisker, 1.5 * highest)))


def _draw_curve(axes, part: pd.DataFrame, colour: str, limit: float) -> None:
    axes.plot([0, limit], [0, limit], color=GREY, lw=0.8, ls=(0, (2, 2)))
    smooth = part[part["kind"] == "smooth"].sort_values("predicted")
    if not smooth.empty:
        x = smooth["predicted"].to_numpy(float)
        low, high = smooth["lower"].to_numpy(float), smooth["upper"].to_numpy(float)
        axes.fill_between(x, low, high, color=colour, alpha=0.18, lw=0)
        axes.plot(x, smooth["observed"], color=colour)
    groups = part[part["kind"] == "group"].dropna(subset=["observed"])
    for row in groups.itertuples():
        if math.isfinite(row.lower) and math.isfinite(row.upper):
            axes.plot([row.predicted] * 2, [row.lower, row.upper], color="black", lw=0.8)
    axes.plot(groups["predicted"], groups["observed"], "o", color="black", ms=3.5, mfc="white")
    axes.set(xlim=(0, limit), ylim=(0, limit), box_aspect=1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4, steps=(1, 2, 2.5, 5, 10)))
        percent_axis(axis)


def _draw_histogram(axes, bins: pd.DataFrame, colour: str, limit: float) -> None:
    """Patients by forecast: `predicted` is the middle of a bin, `n` the patients in it."""
    bins = bins.sort_values("predicted")
    middle = bins["predicted"].to_numpy(float)
    width = np.diff(middle).min() if len(middle) > 1 else limit / 20
    axes.bar(middle, bins["n"], width=0.92 * width, color=colour, lw=0)
    axes.set(yticks=[], xlim=(0, limit))
    axes.spines[["left"]].set_visible(False)


def _printed(statistics: pd.DataFrame) -> str:
    found = {row.metric: row for row in statistics.itertuples()}
    lines = [
        f"{name} {interval_text(row.value, row.lower, row.upper, 3 if metric == 'ici' else 2)}"
        for metric, name in STATISTICS.items()
        if (row := found.get(metric)) is not None
    ]
    return "\n".join(lines)
