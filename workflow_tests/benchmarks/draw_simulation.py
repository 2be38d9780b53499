"""The figure of bench_simulation: coverage, concordance against the truth, bias of risk."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from scipy.stats import binom

from bonecast.report.palette import BLUE, GREEN, GREY, ORANGE
from bonecast.report.style import new_figure, style

GOAL = (0.92, 0.98)
COLOURS = (ORANGE, BLUE, GREEN)
MARKERS = {"clinical": "o", "multimodal": "D"}
METRICS = {
    ("c_index", None): "C",
    ("auc_t", 2.0): "AUC\n2 y",
    ("auc_t", 5.0): "AUC\n5 y",
    ("brier", 2.0): "Brier\n2 y",
    ("brier", 5.0): "Brier\n5 y",
    ("ipa", 5.0): "scaled\nBrier 5 y",
    ("oe_ratio", 2.0): "O/E\n2 y",
    ("oe_ratio", 5.0): "O/E\n5 y",
    ("delta_c_index", None): "ΔC",
    ("delta_auc_t", 5.0): "ΔAUC\n5 y",
    ("delta_brier", 5.0): "ΔBrier\n5 y",
    ("hazard_ratio", None): "hazard\nratios",
}
DESIGNS = {
    "repeated_nested_cv": "Coverage of 95 % intervals: one repeat of cross-validation",
    "external": "Coverage of 95 % intervals: one model, a new sample of the same size",
}


def draw(summary: pd.DataFrame, folder: Path, name: str = "simulation") -> None:
    """Write <folder>/<name>.svg and .png.

    Args:
        summary: the table summary.tsv of bench_simulation.
    """
    sizes = sorted(summary["size"].unique())
    colours = dict(zip(sizes, COLOURS, strict=False))
    with style():
        figure = new_figure(7.4)
        grid = figure.add_gridspec(3, 2, height_ratios=[1, 1, 1.15])
        for row, design in enumerate(DESIGNS):
            _coverage(figure.add_subplot(grid[row, :]), summary, design, colours)
        _concordance(figure.add_subplot(grid[2, 0]), summary, colours)
        _bias(figure.add_subplot(grid[2, 1]), summary, colours)
        handles = [
            Line2D([], [], color=colours[n], marker="o", ls="", ms=4, label=f"n = {n:,}")
            for n in sizes
        ]
        handles += [
            Line2D([], [], color=GREY, marker=marker, ls="", ms=4, label=block)
            for block, marker in MARKERS.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        nothing = {"Date": None, "Creator": None}
        figure.savefig(folder / f"{name}.svg", metadata=nothing)
        figure.savefig(folder / f"{name}.png", metadata={"Software": None}, dpi=200)


def _coverage(axes, summary, design, colours):
    shown = dict(METRICS)
    if design == "external":
        del shown["hazard_ratio", None]
    repeats = int(summary["repeats"].max())
    chance = np.array(binom.interval(0.95, repeats, 0.95)) / repeats
    axes.axhspan(*GOAL, color=GREY, alpha=0.15, lw=0)
    axes.axhline(0.95, color=GREY, lw=0.8)
    for position, (metric, horizon) in enumerate(shown):
        rows = summary[summary["metric"] == metric]
        if metric == "hazard_ratio":
            rows = rows.assign(block="multimodal")
        else:
            rows = rows[rows["design"] == design]
        if horizon is not None:
            rows = rows[rows["horizon_years"] == horizon]
        for k, (size, part) in enumerate(rows.groupby("size")):
            for j, (block, marker) in enumerate(MARKERS.items()):
                y = part.loc[part["block"] == block, "covered"]
                x = np.full(len(y), position + (k - 1) * 0.26 + (j - 0.5) * 0.09)
                axes.plot(x, y, marker, color=colours[size], ms=3.6, mew=0)
    axes.set_xticks(range(len(shown)), list(shown.values()))
    axes.set_ylim(min(0.8, summary["covered"].min() - 0.01), 1.005)
    axes.set_title(DESIGNS[design])
    low, high = chance * 100
    note = f"band: goal, 92 to 98 %; {repeats} true 95 % intervals give {low:.0f} to {high:.0f} %"
    axes.text(1, 0.04, note, transform=axes.transAxes, ha="right", size=7, color=GREY)


def _concordance(axes, summary, colours):
    rows = summary[(summary["metric"] == "c_index") & (summary["design"] == "repeated_nested_cv")]
    axes.axhline(rows["oracle"].iloc[0], color=GREY, lw=1, ls="--")
    axes.text(
        -0.42, rows["oracle"].iloc[0] + 0.002, "C of the true risk itself", color=GREY, size=7
    )
    axes.set_xlim(-0.5, len(colours) - 0.5)
    for j, (block, marker) in enumerate(MARKERS.items()):
        part = rows[rows["block"] == block].sort_values("size").reset_index()
        for k, row in part.iterrows():
            x = k + (j - 0.5) * 0.3
            colour = colours[row["size"]]
            axes.errorbar(x, row["value"], row["error_sd"], fmt=marker, color=colour, ms=4, lw=0.9)
            axes.plot([x - 0.09, x + 0.09], [row["target"]] * 2, color="black", lw=1.2)
    axes.set_xticks(range(len(colours)), [f"{n:,}" for n in colours])
    axes.set_xlabel("patients")
    axes.set_ylabel("C")
    axes.set_title("Estimated C (± SD of its error) and\ntrue C of the folds' models (black)")


def _bias(axes, summary, colours):
    rows = summary[summary["metric"].str.startswith("risk, fifth")]
    rows = rows[rows["design"] == "repeated_nested_cv"]
    for block, marker in MARKERS.items():
        for size, part in rows[rows["block"] == block].groupby("size"):
            line = "-" if block == "multimodal" else ":"
            axes.plot(
                range(1, 6), part["value"] * 100, line, marker=marker, color=colours[size], ms=3.5
            )
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set_xticks(range(1, 6))
    axes.set_xlabel("fifth of true risk by 5 years")
    axes.set_ylabel("predicted less true risk, points")
    axes.set_title("Bias of absolute risk, held-out patients")
