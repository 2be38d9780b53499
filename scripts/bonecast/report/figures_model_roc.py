"""ROC curves of the blocks, one panel per horizon."""

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bonecast.report.comparison import NO_MODEL, Comparison, shown_block, years
from bonecast.report.palette import GREY
from bonecast.report.style import blank_figure, headline, new_figure, save_figure, style
from bonecast.report.tables import interval_text, read_table

MAX_PANELS = 6
ACROSS = 3
COLUMNS = (
    "design",
    "learner",
    "block",
    "horizon_years",
    "false_positive_rate",
    "sensitivity",
    "auc",
    "auc_lower",
    "auc_upper",
    "n",
    "events",
)


def roc_by_horizon(
    curves_path: str | Path,
    metrics_path: str | Path,
    compared: Comparison,
    outputs: Mapping[str, str],
    dpi: int,
) -> None:
    """ROC curve of every block of the primary learner, with its AUC in the legend."""
    rows = roc_rows(read_table(curves_path), read_table(metrics_path), compared)
    save_figure(draw_roc(rows, compared), rows.to_dict("records"), COLUMNS, outputs, dpi)


def roc_rows(curves: pd.DataFrame, metrics: pd.DataFrame, compared: Comparison) -> pd.DataFrame:
    """Points of the curves with the AUC of each; of many horizons, the last `MAX_PANELS`.

    Args:
        curves: as in roc_curves.tsv.
        metrics: as in metrics.tsv; gives AUC, interval, n and events.
    """
    keys = ["design", "block", "learner", "horizon_years"]
    auc = metrics[metrics["metric"] == ("auc_t" if compared.kind == "survival" else "auc")]
    auc = auc.rename(columns={"value": "auc", "lower": "auc_lower", "upper": "auc_upper"})
    auc = auc[[*keys, "auc", "auc_lower", "auc_upper", "n", "events"]]
    # Tables read from text: an endpoint without horizons has an empty column in both.
    both = [table.astype({"horizon_years": float}) for table in (compared.primary(curves), auc)]
    rows = both[0].merge(both[1], on=keys, how="left", validate="many_to_one")
    horizons = sorted(rows["horizon_years"].dropna().unique())[-MAX_PANELS:]
    if horizons:
        rows = rows[rows["horizon_years"].isin(horizons)]
    place = rows["block"].map({b: i for i, b in enumerate(compared.order_blocks(rows["block"]))})
    rows = rows.assign(_place=place).sort_values(
        ["horizon_years", "_place", "false_positive_rate"], kind="stable"
    )
    return rows.reindex(columns=list(COLUMNS))


def draw_roc(rows: pd.DataFrame, compared: Comparison) -> Figure:
    """One panel per horizon, each with its own legend of AUCs.

    Args:
        rows: as from `roc_rows`.
    """
    with style():
        if rows.empty:
            return blank_figure(NO_MODEL)
        horizons = sorted(rows["horizon_years"].dropna().unique()) or [math.nan]
        blocks = compared.order_blocks(rows["block"])
        across = min(ACROSS, max(2, len(horizons)))
        beside = len(horizons) == 1
        down = -(-len(horizons) // across)
        side = 2.0 if across == ACROSS else 2.6
        below = 0.4 if beside else 0.14 * len(blocks)
        figure = new_figure(0.2 + down * (side + 0.85 + below))
        grid = figure.subplots(down, across, squeeze=False).ravel()
        for i, (axes, horizon) in enumerate(zip(grid, horizons, strict=False)):
            one = rows if math.isnan(horizon) else rows[rows["horizon_years"] == horizon]
            _draw_panel(axes, one, blocks, compared, beside)
            people = compared.people(one)
            if not math.isnan(horizon):
                letter = f"{chr(ord('a') + i)}  " if len(horizons) > 1 else ""
                axes.set_title(f"{letter}{years(horizon).capitalize()}")
            if i % across == 0:
                axes.set_ylabel("Sensitivity")
            axes.set_xlabel("1 \N{MINUS SIGN} specificity" + (f"\n{people}" if people else ""))
        for axes in grid[len(horizons) :]:
            axes.set_axis_off()
        headline(figure, compared.about(rows))
    return figure


def _draw_panel(
    axes, rows: pd.DataFrame, blocks: list[str], compared: Comparison, beside: bool
) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=(0, (2, 2)))
    for block in blocks:
        curve = rows[rows["block"] == block].dropna(subset=["sensitivity"])
        if curve.empty:
            continue
        first = curve.iloc[0]
        auc = interval_text(first["auc"], first["auc_lower"], first["auc_upper"])
        axes.plot(
            curve["false_positive_rate"],
            curve["sensitivity"],
            color=compared.colour(block, blocks),
            ls=compared.dash(block, blocks),
            lw=1.3,
            label=f"{shown_block(block)}: {auc}",
        )
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axes.set_xticks(ticks, ["0", "", "0.5", "", "1"])
    axes.set_yticks(ticks, ["0", "", "0.5", "", "1"])
    axes.legend(
        title="AUC (95 % interval)",
        loc="upper left",
        bbox_to_anchor=(1.08, 1.0) if beside else (-0.06, -0.3),
        fontsize=7.5 if beside else 6.5,
        title_fontsize=7.5 if beside else 6.5,
        alignment="left",
        handlelength=2.2,
        labelspacing=0.25,
        borderpad=0,
    )
