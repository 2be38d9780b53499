"""The figure of bench_dag: time and memory of planning, by size of the cohort."""

import argparse
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from bonecast.report.palette import BLUE, GREEN, GREY, ORANGE
from bonecast.report.style import new_figure, style

LINES = {
    "one scan": (GREEN, "one job of a cluster"),
    "dry run": (BLUE, "dry run of everything"),
    "nothing to do": (ORANGE, "a run with nothing to do"),
}
GOAL = {"cpu_s": 60, "peak_mb": 1500}
"""At 10,000 participants."""


def draw(table: pd.DataFrame, path: Path) -> None:
    """Write an SVG.

    Args:
        table: as written by bench_dag.
    """
    with style():
        figure = new_figure(2.6)
        axes = figure.subplots(1, 2)
        for axis, (column, words) in zip(
            axes, {"cpu_s": "CPU seconds", "peak_mb": "peak memory, MB"}.items(), strict=True
        ):
            for what, (colour, label) in LINES.items():
                rows = table[table["what"] == what].sort_values("participants")
                axis.plot(rows["participants"], rows[column], "o-", color=colour, label=label, ms=3)
            axis.plot([10_000], [GOAL[column]], "x", color=GREY, label="goal of a dry run")
            axis.set(xscale="log", yscale="log", xlabel="participants", ylabel=words)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        figure.savefig(path, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("figure", type=Path)
    arguments = parser.parse_args()
    draw(pd.read_csv(arguments.table, sep="\t"), arguments.figure)
