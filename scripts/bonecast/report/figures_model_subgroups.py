"""Performance by subgroup of patients, with numbers of patients and events."""

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bonecast.report.comparison import (
    LOWER_IS_BETTER,
    NEUTRAL,
    Comparison,
    clipped,
    shown_block,
    shown_metric,
)
from bonecast.report.forest import ROW_IN, Row, digits_of, draw_forest
from bonecast.report.palette import BLACK
from bonecast.report.style import blank_figure, headline, new_figure, save_figure, style
from bonecast.report.tables import read_table

SUBGROUP_WORDS = {
    "sex": "Sex",
    "age_band": "Age (years)",
    "site": "Site",
    "scanner": "Scanner",
    "contrast_phase": "Contrast phase",
}
METRICS = {
    "survival": ("auc_t", "oe_ratio", "c_index"),
    "binary": ("auc", "oe_ratio", "brier"),
    "continuous": ("r2", "rmse"),
}
"""By kind of endpoint: the first two of these that the table has are drawn."""
EVERYONE = "all"
MAX_LABEL = 18
COLUMNS = (
    "design",
    "learner",
    "block",
    "subgroup",
    "level",
    "metric",
    "horizon_years",
    "value",
    "lower",
    "upper",
    "n",
    "events",
    "note",
)


def subgroup_performance(
    subgroups_path: str | Path,
    metrics_path: str | Path,
    compared: Comparison,
    outputs: Mapping[str, str],
    dpi: int,
) -> None:
    """Two metrics of the headline block by subgroup, those of everyone above."""
    rows = subgroup_rows(read_table(subgroups_path), read_table(metrics_path), compared)
    save_figure(draw_subgroups(rows, compared), rows.to_dict("records"), COLUMNS, outputs, dpi)


def subgroup_rows(
    subgroups: pd.DataFrame, metrics: pd.DataFrame, compared: Comparison
) -> pd.DataFrame:
    """Rows of the headline block and primary learner; subgroup `all` is everyone.

    Args:
        subgroups: as in subgroups.tsv.
        metrics: as in metrics.tsv.
    """
    chosen = _chosen(subgroups, compared)
    if chosen.empty:
        return chosen.reindex(columns=list(COLUMNS))
    present = set(chosen["metric"])
    wanted = [name for name in METRICS[compared.kind] if name in present][:2]
    overall = _chosen(metrics, compared, chosen["design"].iloc[0])
    overall = overall.assign(subgroup=EVERYONE, level=EVERYONE, note="")
    rows = pd.concat(
        [overall[overall["metric"].isin(wanted)], chosen[chosen["metric"].isin(wanted)]]
    )
    rank = rows["metric"].map(wanted.index)
    rows = rows.assign(_rank=rank, note=rows["note"].fillna(""), level=rows["level"].astype(str))
    return rows.sort_values("_rank", kind="stable").reindex(columns=list(COLUMNS))


def _chosen(table: pd.DataFrame, compared: Comparison, design: str | None = None) -> pd.DataFrame:
    """The headline block, at the longest horizon of each metric that has horizons."""
    rows = compared.primary(table, design)
    return compared.at_last_horizon(rows[rows["block"] == compared.headline])


def draw_subgroups(rows: pd.DataFrame, compared: Comparison) -> Figure:
    """A forest plot: subgroups under headings, numbers of patients and events beside them.

    Args:
        rows: as from `subgroup_rows`.
    """
    with style():
        if rows.empty:
            return blank_figure(
                "No subgroup was judged: none is configured, or no model was fitted."
            )
        keys = _keys(rows)
        metrics = list(dict.fromkeys(rows["metric"]))
        figure = new_figure(1.0 + ROW_IN * len(keys))
        counts, *panels = figure.subplots(
            1,
            1 + len(metrics),
            sharey=True,
            width_ratios=[1.4] + [1] * len(metrics),
            squeeze=False,
        )[0]
        for axes, metric in zip(panels, metrics, strict=True):
            one = rows[rows["metric"] == metric]
            points = _points(one, keys, compared)
            draw_forest(axes, points, NEUTRAL.get(metric))
            overall = one.loc[one["subgroup"] == EVERYONE, "value"]
            if len(overall) and math.isfinite(overall.iloc[0]):
                axes.axvline(
                    overall.iloc[0], color=compared.colour(compared.headline), lw=0.6, zorder=0
                )
            horizons = one["horizon_years"].dropna()
            name = shown_metric(metric, None if horizons.empty else horizons.iloc[0])
            better = ", lower is better" if metric in LOWER_IS_BETTER else ""
            axes.set_xlabel(f"{name}\n(95 % interval){better}")
        _draw_counts(counts, rows, keys, points, compared)
        headline(figure, f"{shown_block(compared.headline)}; {compared.about(rows)}")
    return figure


def _keys(rows: pd.DataFrame) -> list[tuple[str, str | None]]:
    """Everyone, then a heading and the levels of each subgroup, in the table's order."""
    keys: list[tuple[str, str | None]] = [(EVERYONE, EVERYONE)]
    for subgroup, part in rows[rows["subgroup"] != EVERYONE].groupby("subgroup", sort=False):
        keys += [(subgroup, None)] + [(subgroup, level) for level in dict.fromkeys(part["level"])]
    return keys


def _points(rows: pd.DataFrame, keys: list[tuple], compared: Comparison) -> list[Row]:
    found = {(row.subgroup, row.level): row for row in rows.itertuples()}
    digits = digits_of("".join(set(rows["metric"])), rows["value"], 2)
    points = []
    for subgroup, level in keys:
        row = found.get((subgroup, level))
        if level is None:
            points.append(Row(SUBGROUP_WORDS.get(subgroup, subgroup.replace("_", " "))))
            continue
        label = (
            "All patients"
            if level == EVERYONE
            else str(level).replace(">=", "\N{GREATER-THAN OR EQUAL TO}")
        )
        note = f"suppressed: {row.note}" if row is not None and row.note else ""
        value, lower, upper = (math.nan,) * 3 if row is None else (row.value, row.lower, row.upper)
        marker, colour = (
            ("D", BLACK) if level == EVERYONE else ("o", compared.colour(compared.headline))
        )
        points.append(Row(label, value, lower, upper, note, colour, marker, digits))
    return points


def _draw_counts(
    axes, rows: pd.DataFrame, keys: list[tuple], points: list[Row], compared: Comparison
) -> None:
    """Names of the rows, their patients and events, as text."""
    for y, point in enumerate(points):
        weight = "bold" if point.value is None else "normal"
        label = clipped(point.label, MAX_LABEL)
        x = 0.0 if point.value is None or y == 0 else 0.05
        axes.text(x, y, label, va="center", size=7.5, weight=weight)
    found = rows.drop_duplicates(["subgroup", "level"]).set_index(["subgroup", "level"])
    events = {"survival": "fractures", "binary": "cases"}.get(compared.kind)
    columns = {"n": ("patients", 0.7 if events else 1.0)}
    if events:
        columns["events"] = (events, 1.0)
    for name, (heading, x) in columns.items():
        axes.text(x, -0.75, heading, ha="right", va="bottom", size=6.5, weight="bold")
        for y, key in enumerate(keys):
            if key in found.index and not pd.isna(found.loc[key, name]):
                axes.text(x, y, f"{int(found.loc[key, name]):,}", ha="right", va="center", size=6.5)
    axes.set(xlim=(0, 1), xticks=[])
    axes.tick_params(axis="y", length=0, labelleft=False)
    axes.spines[["left", "bottom"]].set_visible(False)
