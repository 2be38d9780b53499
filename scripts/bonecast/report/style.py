"""How every figure looks and is written: one style, four files, the same bytes each time."""

import csv
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bonecast.report.palette import GREY

WIDTH_IN = 7.2
"""Double-column width of most journals (183 mm)."""

RC = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.4,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "bonecast",
}
"""The two fonttypes keep text as text that journals can edit; the salt makes ids of an SVG the
same each time."""


def style():
    """Context in which figures are made: `with style(): ...`."""
    return mpl.rc_context(RC)


def new_figure(height_in: float, layout: str | None = "constrained") -> Figure:
    """An empty figure that belongs to no window; call inside `style()`."""
    return Figure(figsize=(WIDTH_IN, height_in), layout=layout)


def blank_figure(why: str) -> Figure:
    """A page that says why there is nothing to draw."""
    figure = new_figure(1.6, layout=None)
    figure.text(0.5, 0.5, textwrap.fill(why, 78), ha="center", va="center", color=GREY, size=10)
    return figure


def save_figure(
    figure: Figure, rows: Sequence[dict], columns: Sequence[str], paths: dict, dpi: int
) -> None:
    """Write a figure as PDF, SVG and PNG beside the numbers it was drawn from.

    Args:
        rows: the numbers drawn, one dict per row; missing values None or NaN.
        columns: columns of the CSV, in order.
        paths: keys pdf, svg, png, csv.
        dpi: resolution of the PNG, and of pictures inside the others.
    """
    with style():
        # No date, no program, no user: the same numbers give the same files.
        nothing = {"CreationDate": None, "Creator": None, "Producer": None}
        figure.savefig(paths["pdf"], format="pdf", metadata=nothing, dpi=dpi)
        undated = {"Date": None, "Creator": None}
        figure.savefig(paths["svg"], format="svg", metadata=undated, dpi=dpi)
        figure.savefig(paths["png"], format="png", metadata={"Software": None}, dpi=dpi)
    with Path(paths["csv"]).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_cell(row.get(name)) for name in columns])


def _cell(value) -> object:
    """Empty for what is missing; numbers short enough to read, exact enough to redraw."""
    if value is None:
        return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value


def headline(figure: Figure, text: str) -> None:
    """A line above all panels: which model, which patients."""
    figure.suptitle(text, size=7.5, color=GREY, x=0.995, ha="right")


def percent_axis(axis) -> None:
    """Label an axis of shares in percent, with the decimals that its ticks need."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share, 6):g} %"))


def p_value(p: float) -> str:
    """A p-value as papers print it: p = 0.03, p < 0.001."""
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.01 else f"p = {p:.2f}"
