"""Blocks side by side: how each performs, and how far it is from the reference and the scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bonecast.model import SUPPLIED
from bonecast.report.comparison import (
    LOWER_IS_BETTER,
    NEUTRAL,
    NO_MODEL,
    Comparison,
    shown_block,
    shown_design,
    shown_learner,
    shown_metric,
)
from bonecast.report.forest import MARKERS, ROW_IN, Row, digits_of, draw_forest, label_rows
from bonecast.report.palette import SERIES
from bonecast.report.style import blank_figure, headline, new_figure, save_figure, style
from bonecast.report.tables import read_table

MAX_ROWS = 56
"""More rows than fit a page: then other learners are drawn for the first design alone."""

COLUMNS = (
    "design",
    "block",
    "learner",
    "reference",
    "metric",
    "horizon_years",
    "value",
    "lower",
    "upper",
    "n",
    "events",
)


def block_comparison(
    metrics_path: str | Path, compared: Comparison, outputs: Mapping[str, str], dpi: int
) -> None:
    """Two metrics of every block: all learners, all designs."""
    rows = block_rows(read_table(metrics_path), compared)
    save_figure(draw_blocks(rows, compared), rows.to_dict("records"), COLUMNS, outputs, dpi)


def block_differences(
    metrics_path: str | Path, compared: Comparison, outputs: Mapping[str, str], dpi: int
) -> None:
    """Differences of the primary learner's blocks from the reference block and each score."""
    rows = difference_rows(read_table(metrics_path), compared)
    save_figure(draw_differences(rows, compared), rows.to_dict("records"), COLUMNS, outputs, dpi)


def block_rows(metrics: pd.DataFrame, compared: Comparison) -> pd.DataFrame:
    """The two metrics of every block in configured order, AUC(t) at the longest horizon.

    Args:
        metrics: as in metrics.tsv.
    """
    rows = compared.at_last_horizon(metrics[metrics["metric"].isin(compared.metrics)])
    designs = compared.order_designs(rows["design"])
    learners = compared.order_learners(rows["learner"])
    if len(rows[["design", "block", "learner"]].drop_duplicates()) > MAX_ROWS:
        kept = rows["learner"].isin([learners[0], SUPPLIED])
        rows = rows[kept | (rows["design"] == designs[0])]
    orders = {
        "metric": list(compared.metrics),
        "design": designs,
        "block": compared.order_blocks(rows["block"]),
        "learner": learners,
    }
    return _sorted(rows, orders)


def difference_rows(metrics: pd.DataFrame, compared: Comparison) -> pd.DataFrame:
    """Differences of the first design and learner, the reference block's first, then scores'."""
    wanted = [f"delta_{metric}" for metric in compared.metrics]
    rows = compared.at_last_horizon(compared.primary(metrics[metrics["metric"].isin(wanted)]))
    orders = {
        "metric": wanted,
        "reference": compared.order_blocks(rows["reference"]),
        "block": compared.order_blocks(rows["block"]),
    }
    return _sorted(rows, orders)


def _sorted(rows: pd.DataFrame, orders: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    ranks = {f"_{name}": rows[name].map(list(order).index) for name, order in orders.items()}
    table = rows.assign(**ranks).sort_values(list(ranks), kind="stable")
    return table.reindex(columns=list(COLUMNS))


def draw_blocks(rows: pd.DataFrame, compared: Comparison) -> Figure:
    """One panel per design and metric, one row per block and learner.

    Args:
        rows: as from `block_rows`.
    """
    with style():
        if rows.empty:
            return blank_figure(NO_MODEL)
        designs = compared.order_designs(rows["design"])
        learners = compared.order_learners(rows["learner"])
        looks = {
            name: (SERIES[i % len(SERIES)], MARKERS[i % len(MARKERS)])
            for i, name in enumerate(learners)
        }
        keys = {design: _keys(rows[rows["design"] == design]) for design in designs}
        heights = [len(keys[design]) + 1 for design in designs]
        figure = new_figure(0.75 + 0.42 * len(designs) + ROW_IN * sum(heights))
        grid = figure.subplots(
            len(designs), 2, height_ratios=heights, sharex="col", squeeze=False, sharey="row"
        )
        for line, design in enumerate(designs):
            part = rows[rows["design"] == design]
            for axes, metric in zip(grid[line], compared.metrics, strict=True):
                one = part[part["metric"] == metric]
                points = _points(one, keys[design], looks)
                draw_forest(axes, points, NEUTRAL.get(metric))
                if axes is grid[line, 0]:
                    label_rows(axes, points)
                if line == len(designs) - 1:
                    axes.set_xlabel(_axis_label(metric, rows))
            people = compared.people(part)
            title = shown_design(design)
            grid[line, 0].set_title(f"{title}; {people}" if people else title)
        if len(learners) > 1:
            _learner_legend(figure, looks)
    return figure


def _axis_label(metric: str, rows: pd.DataFrame) -> str:
    horizons = rows.loc[rows["metric"] == metric, "horizon_years"].dropna()
    name = shown_metric(metric, None if horizons.empty else horizons.iloc[0])
    better = ", lower is better" if metric in LOWER_IS_BETTER else ""
    return f"{name} (95 % interval){better}"


def _keys(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Pairs of block and learner in the order of the rows, whichever metric has them."""
    return list(dict.fromkeys(zip(rows["block"], rows["learner"], strict=True)))


def _points(rows: pd.DataFrame, keys: Sequence[tuple[str, str]], looks: Mapping) -> list[Row]:
    """Rows of the forest: the block is named once, its learners follow."""
    found = {(row.block, row.learner): row for row in rows.itertuples()}
    digits = digits_of("".join(set(rows["metric"])), rows["value"], 2)
    points, named = [], None
    for block, learner in keys:
        label = shown_block(block) if block != named else ""
        named = block
        colour, marker = looks[learner]
        row = found.get((block, learner))
        if row is None:
            points.append(Row(label, float("nan"), note="\N{EN DASH}"))
        else:
            points.append(Row(label, row.value, row.lower, row.upper, "", colour, marker, digits))
    return points


def _learner_legend(figure: Figure, looks: Mapping) -> None:
    axes = figure.axes[0]
    handles = [
        axes.plot([], [], marker, color=colour, ms=4.5, mew=0)[0]
        for colour, marker in looks.values()
    ]
    names = [shown_learner(name) for name in looks]
    figure.legend(handles, names, loc="outside lower center", ncols=min(5, len(names)))


def draw_differences(rows: pd.DataFrame, compared: Comparison) -> Figure:
    """One panel per metric, one row per block, a heading for what it is compared with.

    Args:
        rows: as from `difference_rows`.
    """
    with style():
        if rows.empty:
            return blank_figure("There are no two blocks or scores to take a difference of.")
        references = compared.order_blocks(rows["reference"])
        keys: list[tuple[str, str | None]] = []
        for reference in references:
            part = rows[rows["reference"] == reference]
            keys += [(reference, None)]
            keys += [(reference, block) for block in compared.order_blocks(part["block"])]
        figure = new_figure(1.25 + ROW_IN * len(keys))
        grid = figure.subplots(1, 2, sharey=True)
        for axes, metric in zip(grid, compared.metrics, strict=True):
            one = rows[rows["metric"] == f"delta_{metric}"]
            points = _differences(one, keys, compared)
            draw_forest(axes, points, 0.0)
            if axes is grid[0]:
                label_rows(axes, points)
            horizons = one["horizon_years"].dropna()
            name = shown_metric(metric, None if horizons.empty else horizons.iloc[0])
            towards = "lower" if metric in LOWER_IS_BETTER else "higher"
            axes.set_xlabel(f"{name}: difference\n(95 % interval; {towards} is better)")
        headline(figure, compared.about(rows, compared.people(rows)))
    return figure


def _differences(rows: pd.DataFrame, keys: Sequence[tuple], compared: Comparison) -> list[Row]:
    found = {(row.reference, row.block): row for row in rows.itertuples()}
    metric = "".join(set(rows["metric"])).removeprefix("delta_")
    digits = digits_of(metric, rows["value"], 3)
    points = []
    for reference, block in keys:
        row = found.get((reference, block))
        if block is None:
            points.append(Row(f"Against {shown_block(reference)}"))
        elif row is None:
            points.append(Row(shown_block(block), float("nan"), note="\N{EN DASH}"))
        else:
            colour = compared.colour(block)
            points.append(
                Row(
                    shown_block(block),
                    row.value,
                    row.lower,
                    row.upper,
                    colour=colour,
                    digits=digits,
                    signed=True,
                )
            )
    return points
