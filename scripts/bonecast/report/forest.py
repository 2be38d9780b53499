"""Forest plots: one row per estimate, a point with its interval and the numbers beside it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from bonecast.report.palette import BLUE, GREY
from bonecast.report.tables import NOT_ESTIMABLE, interval_text, signed

MARKERS = "osD^vP"
SMALL = {"brier"}
ROUND = (1, 2, 2.5, 5, 10)
"""Steps between ticks."""
WITH_UNIT = {"rmse", "mae", "bias", "loa_lower", "loa_upper"}
ROW_IN = 0.17
"""Height of a row in inches: 6.5 pt text with room."""


@dataclass(frozen=True)
class Row:
    """A row of a forest plot.

    Attributes:
        label: at the left; of a heading, the whole row.
        value, lower, upper: estimate and interval, NaN where not estimable; None: a heading.
        note: printed inside the panel instead of point and numbers.
        digits: decimals of the numbers.
        signed: whether the numbers carry their sign.
    """

    label: str
    value: float | None = None
    lower: float = math.nan
    upper: float = math.nan
    note: str = ""
    colour: str = BLUE
    marker: str = MARKERS[0]
    digits: int = 2
    signed: bool = False


def draw_forest(axes, rows: Sequence[Row], neutral: float | None = None) -> None:
    """Points with intervals from top to bottom, and their numbers at the right.

    Args:
        axes: where to draw; labels of the rows are left to `label_rows`.
        neutral: value of no difference, drawn as a line.
    """
    if neutral is not None:
        axes.axvline(neutral, color=GREY, lw=0.8, ls=(0, (2, 2)), zorder=0)
    for y, row in enumerate(rows):
        if row.value is None:
            continue
        if math.isfinite(row.value):
            if math.isfinite(row.lower) and math.isfinite(row.upper):
                axes.plot([row.lower, row.upper], [y, y], color=row.colour, lw=1.2)
            axes.plot(row.value, y, row.marker, color=row.colour, ms=4, mew=0)
        where = {"transform": axes.get_yaxis_transform(), "va": "center"}
        if row.note:
            paper = {"fc": "white", "ec": "none", "pad": 1.0}
            axes.text(0.5, y, row.note, ha="center", size=6, color=GREY, bbox=paper, **where)
        else:
            axes.text(1.02, y, numbers(row), size=6.5, **where)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=ROUND, min_n_ticks=2))
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.06)


def digits_of(metric: str, values: Iterable[float], usual: int) -> int:
    """Decimals of a column: of a metric with a unit, three digits of its largest value."""
    if metric not in WITH_UNIT:
        return 3 if metric in SMALL else usual
    return three_digits(values)


def three_digits(values: Iterable[float]) -> int:
    """Decimals that show three digits of the largest value."""
    largest = max((abs(v) for v in values if math.isfinite(v) and v), default=1.0)
    return max(0, 2 - math.floor(math.log10(largest)))


def label_rows(axes, rows: Sequence[Row], headings: bool = True) -> None:
    """Names of the rows at the left of the first panel; headings stand out."""
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        if headings and row.value is None:
            tick.set_weight("bold")


def numbers(row: Row) -> str:
    """Estimate and interval as printed beside a row."""
    if not row.signed:
        return interval_text(row.value, row.lower, row.upper, row.digits)
    if not math.isfinite(row.value):
        return NOT_ESTIMABLE
    value, lower, upper = (signed(v, row.digits) for v in (row.value, row.lower, row.upper))
    known = math.isfinite(row.lower) and math.isfinite(row.upper)
    return f"{value} ({lower} to {upper})" if known else value
