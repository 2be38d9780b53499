"""How far the regions of interest agree on the attenuation of the same vertebrae."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bonecast.measure.agreement import ESTIMATES, MIN_PARTICIPANTS, Agreement, agreement
from bonecast.report.palette import BLUE, GREY, VERMILION
from bonecast.report.style import blank_figure, new_figure, save_figure, style
from bonecast.report.tables import minus
from bonecast.sessions import baseline_rows

COLUMNS = (
    "first",
    "second",
    "quantity",
    "value",
    "lower",
    "upper",
    "n_vertebrae",
    "n_participants",
    "level",
    "mean_hu",
    "difference_hu",
)
"""Columns of roi_agreement.csv: a row per estimate (HU, but for icc) and a row per vertebra."""
SHORT = {"hu_vol": "volume", "hu_circle200": "circle", "hu_ellipse": "ellipse"}
MAX_POINTS = 3000
"""More points than this hide each other: the picture becomes a density map, the CSV keeps all."""


def roi_agreement(
    vertebrae_path: str | Path,
    rois: Sequence[str],
    seed: int,
    outputs: Mapping[str, str],
    dpi: int,
) -> None:
    """Bland-Altman plots of every pair of regions, over the vertebrae included in both."""
    columns = ["participant_id", "baseline", "level"]
    columns += [name for roi in rois for name in _needed(roi)]
    vertebrae = baseline_rows(pd.read_parquet(vertebrae_path, columns=columns))
    figure, rows = draw_agreement(vertebrae, rois, seed)
    save_figure(figure, rows, COLUMNS, outputs, dpi)


def draw_agreement(
    vertebrae: pd.DataFrame, rois: Sequence[str], seed: int
) -> tuple[Figure, list[dict]]:
    """One panel for each pair of regions: difference against mean.

    Args:
        vertebrae: the vertebrae table.
        rois: names of the regions measured, in order.
        seed: of the resamples that the intervals come from.

    Returns:
        The figure and the rows of its table (`COLUMNS`).
    """
    pairs = {}
    for first, second in combinations(rois, 2):
        paired = _paired(vertebrae, first, second)
        found = agreement(
            *(paired[name].to_numpy() for name in ("first", "second", "participant_id")), seed
        )
        if found is not None:
            pairs[first, second] = (paired, found)
    with style():
        if not pairs:
            return blank_figure(
                "Agreement needs two regions of interest measured in the vertebrae of at least "
                f"{MIN_PARTICIPANTS} participants."
            ), []
        figure = new_figure(3.2)
        panels = figure.subplots(1, max(2, len(pairs)), squeeze=False, sharey=True)[0]
        for axes in panels[len(pairs) :]:
            axes.axis("off")
        for number, (axes, (names, (paired, found))) in enumerate(
            zip(panels, pairs.items(), strict=False)
        ):
            _draw_pair(axes, "abcdef"[number], names, paired, found)
        low, high = panels[0].get_ylim()
        panels[0].set_ylim(low, high + 0.4 * (high - low))  # room for the numbers above the points
        panels[0].set_ylabel("Difference (HU)")
    return figure, [row for names, pair in pairs.items() for row in _rows(names, *pair)]


def _needed(roi: str) -> list[str]:
    """Columns of a region that are compared."""
    return [f"{roi}_mean_hu", f"{roi}_included"]


def _paired(vertebrae: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """participant_id, level, first, second of the vertebrae included in both regions."""
    columns = ["participant_id", "level", "first", "second"]
    if not {*_needed(first), *_needed(second)} <= set(vertebrae.columns):
        return pd.DataFrame({name: pd.Series(dtype=float) for name in columns})
    both = vertebrae[f"{first}_included"].fillna(False) & vertebrae[f"{second}_included"].fillna(
        False
    )
    used = vertebrae[both.astype(bool)].rename(
        columns={f"{first}_mean_hu": "first", f"{second}_mean_hu": "second"}
    )
    return used[columns].dropna()


def _rows(names: tuple[str, str], paired: pd.DataFrame, found: Agreement) -> list[dict]:
    pair = {"first": names[0], "second": names[1]}
    sizes = {"n_vertebrae": found.n, "n_participants": found.n_participants}
    rows = []
    for quantity in ESTIMATES:
        value, lower, upper = found.estimates[quantity]
        estimate = {"quantity": quantity, "value": value, "lower": lower, "upper": upper}
        rows.append(pair | estimate | sizes)
    points = pd.DataFrame(
        {
            "level": paired["level"],
            "mean_hu": (paired["first"] + paired["second"]) / 2,
            "difference_hu": paired["first"] - paired["second"],
        }
    )
    return rows + [pair | {"quantity": "vertebra"} | row for row in points.to_dict("records")]


def _draw_pair(
    axes, letter: str, names: tuple[str, str], paired: pd.DataFrame, found: Agreement
) -> None:
    first, second = (SHORT[name] for name in names)
    mean = ((paired["first"] + paired["second"]) / 2).to_numpy(float)
    difference = (paired["first"] - paired["second"]).to_numpy(float)
    if len(paired) > MAX_POINTS:
        axes.hexbin(
            mean, difference, gridsize=40, cmap="Greys", mincnt=1, linewidths=0, rasterized=True
        )
    else:
        axes.plot(mean, difference, ".", color=GREY, ms=3.2, mew=0, alpha=0.55)
    for name, colour, dashes in (
        ("bias", BLUE, "-"),
        ("lower_limit", VERMILION, "--"),
        ("upper_limit", VERMILION, "--"),
    ):
        value, lower, upper = found.estimates[name]
        axes.axhspan(lower, upper, color=colour, alpha=0.15, lw=0)
        axes.axhline(value, color=colour, ls=dashes)
    bias, lower_limit, upper_limit, icc = (found.estimates[name] for name in ESTIMATES)
    words = (
        f"mean {bias[0]:+z.1f} ({bias[1]:+z.1f} to {bias[2]:+z.1f}) HU\n"
        f"limits {lower_limit[0]:+z.0f} to {upper_limit[0]:+z.0f} HU\n"
        f"ICC(2,1) {icc[0]:.2f} ({icc[1]:.2f} to {icc[2]:.2f})\n"
        f"{found.n} vertebrae, {found.n_participants} participants"
    )
    axes.text(0.03, 0.99, minus(words), transform=axes.transAxes, va="top", size=7.5)
    axes.set_title(f"{letter}  {first.capitalize()} \N{MINUS SIGN} {second}")
    axes.set_xlabel(f"Mean of {first} and {second} (HU)")
    axes.margins(x=0.04)
