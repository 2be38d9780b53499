"""Vertebral deformities: how many at each level, and how near to the limits of the grades."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from bonecast.levels import LEVELS
from bonecast.measure.morphometry.deformity import GENANT_LOSS
from bonecast.report.palette import BLACK, BLUE, GREY, ORANGE, VERMILION
from bonecast.report.style import blank_figure, new_figure, save_figure, style
from bonecast.sessions import baseline_rows

DEFORMITY_COLUMNS = (
    *("level", "n", "n_grade_1", "n_grade_2", "n_grade_3", "n_unsure"),
    *("fractured_percent", "lower_percent", "upper_percent"),
    *("q25_loss_percent", "median_loss_percent", "q75_loss_percent"),
)

NEEDED = ["level", "morphometry_included", "genant_grade", "genant_alternative", "height_loss"]
"""Columns of the vertebrae table that are drawn."""

GRADES = {
    1: (ORANGE, "", "grade 1 (deformity)"),
    2: (VERMILION, "//", "grade 2 (fracture)"),
    3: (BLACK, "", "grade 3 (fracture)"),
}
"""Colour, hatch and words of each grade."""

MAX_POINTS = 20_000
"""With more vertebrae than this, those within the quartiles of grade 0 are not drawn."""


def deformities_by_level(vertebrae_path: str | Path, outputs: Mapping[str, str], dpi: int) -> None:
    """Share of each Genant grade by level, and the loss of height of every vertebra."""
    vertebrae = pd.read_parquet(vertebrae_path, columns=["baseline", *NEEDED])
    figure, rows = draw_deformities(baseline_rows(vertebrae))
    save_figure(figure, rows, DEFORMITY_COLUMNS, outputs, dpi)


def deformity_statistics(vertebrae: pd.DataFrame) -> list[dict]:
    """Counts of grades and quartiles of loss at each level, from head to foot.

    Args:
        vertebrae: the vertebrae table; those without a grade are left out.

    Returns:
        Rows with DEFORMITY_COLUMNS. A fracture is grade 2 or 3; its interval is Wilson's,
        95 %, as if vertebrae were independent.
    """
    graded = graded_vertebrae(vertebrae)
    rows = []
    for level in (name for name in LEVELS if name in set(graded["level"])):
        here = graded[graded["level"] == level]
        counts = here["genant_grade"].value_counts()
        fractured = int((here["genant_grade"] >= 2).sum())
        interval = stats.binomtest(fractured, len(here)).proportion_ci(method="wilson")
        low, middle, high = 100 * here["height_loss"].astype(float).quantile([0.25, 0.5, 0.75])
        rows.append(
            {"level": level, "n": len(here)}
            | {f"n_grade_{grade}": int(counts.get(grade, 0)) for grade in GRADES}
            | {"n_unsure": int(here["genant_alternative"].notna().sum())}
            | {"fractured_percent": 100 * fractured / len(here)}
            | {"lower_percent": 100 * interval.low, "upper_percent": 100 * interval.high}
            | {"q25_loss_percent": low, "median_loss_percent": middle, "q75_loss_percent": high}
        )
    return rows


def graded_vertebrae(vertebrae: pd.DataFrame) -> pd.DataFrame:
    """Vertebrae whose grade enters summaries."""
    kept = vertebrae["morphometry_included"].fillna(False).astype(bool)
    return vertebrae[kept & vertebrae["genant_grade"].notna()]


def draw_deformities(vertebrae: pd.DataFrame) -> tuple[Figure, list[dict]]:
    """Two panels over the levels: stacked shares of grades, and losses of height.

    Returns:
        The figure and the rows of its table (DEFORMITY_COLUMNS).
    """
    rows = deformity_statistics(vertebrae)
    with style():
        if not rows:
            return blank_figure("No vertebra could be graded: there is no shape to show."), rows
        figure = new_figure(5.0)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1.15])
        _draw_shares(upper, rows)
        _draw_losses(lower, rows, graded_vertebrae(vertebrae))
    return figure, rows


def _draw_shares(axes, rows: list[dict]) -> None:
    x, n = np.arange(len(rows)), np.array([row["n"] for row in rows])
    below = np.zeros(len(rows))
    # The gravest at the bottom: fractures then stand on the axis, where they can be read off.
    for grade in sorted(GRADES, reverse=True):
        colour, hatch, words = GRADES[grade]
        share = 100 * np.array([row[f"n_grade_{grade}"] for row in rows]) / n
        axes.bar(x, share, 0.62, below, color=colour, hatch=hatch, edgecolor="white", label=words)
        below += share
    fractured = np.array([row["fractured_percent"] for row in rows])
    limits = [[row["lower_percent"] for row in rows], [row["upper_percent"] for row in rows]]
    axes.vlines(x + 0.38, *limits, color=GREY, lw=1.2, label="fractures, 95 % interval")
    axes.plot(x + 0.38, fractured, "_", color=GREY, ms=5, mew=1.2)
    axes.set_ylim(0, max(float(max(below.max(), max(limits[1]))) * 1.3, 5))
    axes.set_ylabel("Vertebrae (%)")
    axes.set_title("a  Genant grades by level")
    axes.legend(loc="upper left", ncols=4, columnspacing=1.2, handlelength=1.4)


def _draw_losses(axes, rows: list[dict], graded: pd.DataFrame) -> None:
    crowded = len(graded) > MAX_POINTS
    for x, row in enumerate(rows):
        here = graded[graded["level"] == row["level"]]
        loss = 100 * here["height_loss"].to_numpy(float)
        grade = here["genant_grade"].to_numpy(int)
        usual = (loss >= row["q25_loss_percent"]) & (loss <= row["q75_loss_percent"])
        # A fixed pattern, not random jitter: the same numbers give the same picture.
        shift = (np.arange(len(here)) * 0.618 % 1 - 0.5) * 0.5
        for value, colour in ((0, GREY), *((grade, GRADES[grade][0]) for grade in GRADES)):
            drawn = (grade == value) & ~(crowded & usual)
            axes.plot(
                x + shift[drawn],
                loss[drawn],
                ".",
                color=colour,
                alpha=0.85 if value else 0.4,
                ms=4 if value else 3.2,
                mew=0,
                rasterized=True,
            )
        axes.vlines(
            x, row["q25_loss_percent"], row["q75_loss_percent"], color=BLUE, lw=3, alpha=0.5
        )
        axes.plot(x, row["median_loss_percent"], "o", color=BLUE, ms=4)
    for number, limit in enumerate(GENANT_LOSS, start=1):
        axes.axhline(100 * limit, color=BLACK, lw=0.6, ls=(0, (4, 3)), zorder=0)
        axes.text(
            len(rows) - 0.45, 100 * limit, f" grade {number}", va="bottom", color=BLACK, size=6.5
        )
    axes.set_xticks(np.arange(len(rows)), [f"{row['level']}\n{row['n']}" for row in rows])
    axes.set_xlim(-0.6, len(rows) + 0.35)
    axes.set_xlabel("Vertebral level, and number of vertebrae graded")
    axes.set_ylabel("Greatest loss of height (%)")
    axes.set_title("b  Loss of height, median and quartiles")
