"""ROC curves of the blocks, one panel per horizon."""

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bonecast.report.comparison import NO_MODEL, Comparison, shown_block, years
from bonecast.report.palette import GREY
from bonecast.report.style import blank_figure, headline, new_figure, save_figure, style
from bonecast.report.tables import NOT_ESTIMABLE, interval_text, read_table

MAX_PANELS = 6
ACROSS = 3
NAMES_ACROSS = 4
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
    """One panel per horizon with its AUCs; names of the blocks below, or beside a single panel.

    Args:
        rows: as from `roc_rows`.
    """
    with style():
        if rows.empty:
            return blank_figure(NO_MODEL)
        horizons = sorted(rows["horizon_years"].dropna().unique()) or [math.nan]
        blocks = compared.order_blocks(rows["block"])
        across = min(ACROSS, max(2, len(horizons)))
        down = -(-len(horizons) // across)
        single = len(horizons) == 1
        names_in = 0.0 if single else 0.3 + 0.17 * -(-len(blocks) // NAMES_ACROSS)
        figure = new_figure(0.2 + names_in + down * (2.75 if across == ACROSS else 3.8))
        grid = figure.subplots(down, across, squeeze=False).ravel()
        for i, (axes, horizon) in enumerate(zip(grid, horizons, strict=False)):
            one = rows if math.isnan(horizon) else rows[rows["horizon_years"] == horizon]
            lines = _draw_panel(axes, one, blocks, compared)
            people = compared.people(one)
            if not math.isnan(horizon):
                letter = "" if single else f"{chr(ord('a') + i)}  "
                axes.set_title(f"{letter}{years(horizon)}")
            if i % across == 0:
                axes.set_ylabel("Sensitivity")
            axes.set_xlabel("1 \N{MINUS SIGN} specificity" + (f"\n{people}" if people else ""))
            texts = [
                f"{shown_block(block)}: {text}" if single else text for block, _, text in lines
            ]
            _legend(grid[1] if single else axes, [line for _, line, _ in lines], texts, single)
        for axes in grid[len(horizons) :]:
            axes.set_axis_off()
        if not single:
            names = [shown_block(block) for block, _, _ in lines]
            handles = [line for _, line, _ in lines]
            look = {"ncols": NAMES_ACROSS, "handlelength": 2.6}
            look["title"] = "AUC with its 95 % interval in each panel"
            figure.legend(handles, names, loc="outside lower center", **look)
        headline(figure, compared.about(rows))
    return figure


def _draw_panel(
    axes, rows: pd.DataFrame, blocks: list[str], compared: Comparison
) -> list[tuple[str, Line2D, str]]:
    """Curves of one horizon; returns each block with its line and its AUC in words."""
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=(0, (2, 2)))
    lines = []
    for block in blocks:
        curve = rows[rows["block"] == block]
        (line,) = axes.plot(
            curve["false_positive_rate"],
            curve["sensitivity"],
            color=compared.colour(block, blocks),
            ls=compared.dash(block, blocks),
            lw=1.3,
        )
        auc = curve[["auc", "auc_lower", "auc_upper"]].head(1).to_numpy(float).ravel()
        text = interval_text(*auc) if len(auc) else NOT_ESTIMABLE
        lines.append((block, line, text))
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), box_aspect=1)
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axes.set_xticks(ticks, ["0", "", "0.5", "", "1"])
    axes.set_yticks(ticks, ["0", "", "0.5", "", "1"])
    return lines


def _legend(axes, lines: list[Line2D], texts: list[str], single: bool) -> None:
    """AUCs: in the corner below the diagonal, or in an empty panel beside a single one."""
    size = 7.5 if single else 6
    axes.legend(
        lines,
        texts,
        title="AUC (95 % interval)" if single else None,
        loc="center left" if single else "lower right",
        fontsize=size,
        title_fontsize=size,
        alignment="left",
        frameon=not single,
        framealpha=0.8,
        edgecolor="none",
        handlelength=2.6 if single else 1.7,
        handletextpad=0.5,
        labelspacing=0.4 if single else 0.2,
        borderpad=0,
        borderaxespad=0.3,
    )
