"""Decision curves: the net benefit of treating by forecast risk."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bonecast.report.comparison import NO_MODEL, Comparison, shown_block
from bonecast.report.palette import BLACK, GREY
from bonecast.report.style import (
    blank_figure,
    headline,
    new_figure,
    percent_axis,
    save_figure,
    style,
)
from bonecast.report.tables import read_table

TREAT = {"treat_all": ("Treat all", GREY, (0, (4, 2))), "treat_none": ("Treat none", BLACK, "-")}
BEYOND = 1.5
COLUMNS = (
    "design",
    "learner",
    "block",
    "horizon_years",
    "threshold",
    "net_benefit",
    "lower",
    "upper",
)


def decision_curves(
    curves_path: str | Path,
    metrics_path: str | Path,
    compared: Comparison,
    thresholds: Sequence[float],
    outputs: Mapping[str, str],
    dpi: int,
) -> None:
    """Net benefit of every block of the primary learner at the longest horizon.

    Args:
        thresholds: those fixed beforehand, marked on the axis.
    """
    rows = decision_rows(read_table(curves_path), compared, thresholds)
    metrics = read_table(metrics_path)
    metrics = compared.at_last_horizon(metrics[metrics["metric"] == "oe_ratio"])
    if len(rows):
        metrics = compared.primary(metrics, rows["design"].iloc[0])
    figure = draw_decision(rows, compared, thresholds, compared.people(metrics))
    save_figure(figure, rows.to_dict("records"), COLUMNS, outputs, dpi)


def decision_rows(
    curves: pd.DataFrame, compared: Comparison, thresholds: Sequence[float]
) -> pd.DataFrame:
    """Curves of the blocks, of treating all and of treating none.

    Args:
        curves: as in decision_curves.tsv.
        thresholds: the range is fixed by them: up to half as much again as the highest.
    """
    curves = curves[curves["threshold"] <= BEYOND * max(thresholds) + 1e-9]
    curves = curves.assign(learner=curves["learner"].fillna(""))
    return compared.at_last_horizon(compared.primary(curves)).reindex(columns=list(COLUMNS))


def draw_decision(
    rows: pd.DataFrame, compared: Comparison, thresholds: Sequence[float], people: str
) -> Figure:
    """All curves in one panel, the headline block with its interval.

    Args:
        rows: as from `decision_rows`.
        thresholds: marked on the axis where they lie in its range.
        people: number of patients and events in words.
    """
    with style():
        blocks = [b for b in compared.order_blocks(rows["block"]) if b not in TREAT]
        if not blocks:
            return blank_figure(NO_MODEL)
        figure = new_figure(3.4)
        axes = figure.subplots()
        low, high = rows["threshold"].min(), rows["threshold"].max()
        for value in thresholds:
            if low <= value <= high:
                axes.axvline(value, color=GREY, lw=0.6, ls=(0, (1, 3)), zorder=0)
        for block in [*TREAT, *blocks]:
            curve = rows[rows["block"] == block].dropna(subset=["net_benefit"])
            curve = curve.sort_values("threshold")
            if curve.empty:
                continue
            name, colour, dash = TREAT.get(block) or (
                shown_block(block),
                compared.colour(block, blocks),
                compared.dash(block, blocks),
            )
            if block == compared.headline:
                name += " (95 % interval)"
                axes.fill_between(
                    curve["threshold"],
                    curve["lower"],
                    curve["upper"],
                    color=colour,
                    alpha=0.16,
                    lw=0,
                )
            x, y = curve["threshold"], curve["net_benefit"]
            width = 0.9 if block in TREAT else 1.4
            axes.plot(x, y, color=colour, ls=dash, lw=width, label=name)
        best = rows.loc[rows["block"] != "treat_none", "net_benefit"].max()
        axes.set_ylim(-0.1 * best if best > 0 else None, None)
        axes.set_xlim(low, high)
        percent_axis(axes.xaxis)
        horizon = rows["horizon_years"].dropna()
        risk = f"{horizon.iloc[0]:g}-year risk" if len(horizon) else "probability"
        axes.set_xlabel(f"Threshold of {risk} above which a patient is treated")
        axes.set_ylabel("Net benefit (true positives per patient)")
        headline(figure, compared.about(rows, people))
        figure.legend(loc="outside right center", handlelength=2.6)
    return figure
