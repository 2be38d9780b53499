"""Bone mineral density by age, with the limits of its classes, and rigidity against it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bonecast.measure.calibration.vbmd import CLASS_LIMITS_MGCC, CLASSES, OWN_SCALE
from bonecast.report.figures_measure import (
    MAX_POINTS,
    SEX_MARKERS,
    SEX_WORDS,
    ages_and_sexes,
    fit_line,
)
from bonecast.report.palette import BLACK, GREY, SERIES
from bonecast.report.style import blank_figure, new_figure, save_figure, style
from bonecast.report.tables import minus
from bonecast.sessions import baseline_rows

VBMD_COLUMNS = (
    *("panel", "age_years", "sex", "vbmd_mgcc", "contrast", "calibration_method"),
    *("ea_weakest_kn", "fit_mgcc", "lower_mgcc", "upper_mgcc"),
)
"""Columns of the figure's table; panel `age` and `rigidity` are points, `line` the line of a."""

STANDARD_WORDS = {"k2hpo4": "K\N{SUBSCRIPT TWO}HPO\N{SUBSCRIPT FOUR}", "caha": "CaHA"}


def vbmd_by_age(
    scans_path: str | Path,
    analysis_set_path: str | Path | None,
    outputs: Mapping[str, str],
    dpi: int,
) -> None:
    """Density of L1 and L2 against age, and the weakest body's rigidity against that density.

    Args:
        analysis_set_path: where ages and sexes are taken from first.
    """
    scans = baseline_rows(pd.read_parquet(scans_path))
    people = ages_and_sexes(scans, analysis_set_path)
    for name in ("vbmd_l1l2_mgcc", "ea_weakest_kn"):
        people[name] = scans[name].astype(float).to_numpy()
    for name in ("contrast_phase", "calibration_method", "vbmd_standard"):
        people[name] = scans[name].to_numpy()
    figure, rows = draw_vbmd(people.dropna(subset=["vbmd_l1l2_mgcc"]))
    save_figure(figure, rows, VBMD_COLUMNS, outputs, dpi)


def draw_vbmd(people: pd.DataFrame) -> tuple[Figure, list[dict]]:
    """The figure and the rows of its table.

    Args:
        people: those with a density; columns age_years, sex, vbmd_l1l2_mgcc, ea_weakest_kn,
            contrast_phase, calibration_method, vbmd_standard.
    """
    with style():
        if people.empty:
            return blank_figure("No scan has a density of L1 and L2: nothing to show."), []
        figure = new_figure(3.6)
        left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
        unit = f"mg/cm\N{SUPERSCRIPT THREE} {STANDARD_WORDS[people['vbmd_standard'].iloc[0]]}"
        left.set_title("a  Density by age: line with 95 % band")
        left.set_xlabel("Age at the scan (years)")
        left.set_ylabel(f"Density of L1 and L2 ({unit})")
        right.set_title("b  Rigidity by density")
        right.set_xlabel(f"Density of L1 and L2 ({unit})")
        right.set_ylabel("Least axial rigidity of the weakest body (kN)")
        rows = _points(left, people, "age_years", "vbmd_l1l2_mgcc", "age")
        rows += _line(left, people.dropna(subset=["age_years"]))
        if _has_limits(people):
            _limits(left)
        handles, words = left.get_legend_handles_labels()
        figure.legend(handles, words, loc="outside lower center", ncols=3, handlelength=1.4)
        rows += _points(right, people, "vbmd_l1l2_mgcc", "ea_weakest_kn", "rigidity")
        right.set_ylim(bottom=0)
    return figure, rows


def _has_limits(people: pd.DataFrame) -> bool:
    """Whether the limits of the classes hold for everyone's densities."""
    own = people["calibration_method"].isin(OWN_SCALE).any()
    return people["vbmd_standard"].iloc[0] == "k2hpo4" and not own


def _points(axes, people: pd.DataFrame, x: str, y: str, panel: str) -> list[dict]:
    known = people.dropna(subset=[x, y])
    contrast = ~known["contrast_phase"].isin(["none", "unknown"]).to_numpy()
    sex = known["sex"].fillna("").astype(str)
    if len(known) > MAX_POINTS:
        axes.hexbin(
            known[x], known[y], gridsize=40, cmap="Blues", mincnt=1, linewidths=0, rasterized=True
        )
    elif known.empty:
        axes.text(0.5, 0.5, "Not known.", ha="center", transform=axes.transAxes, color=GREY)
    else:
        for i, value in enumerate(sorted(set(sex))):
            for hollow in (False, True):
                inside = (sex == value).to_numpy() & (contrast == hollow)
                if not inside.any():
                    continue
                words = SEX_WORDS.get(value, value or "participants")
                words += ", contrast medium" if hollow else ""
                axes.plot(
                    known[x][inside],
                    known[y][inside],
                    SEX_MARKERS.get(value, "s"),
                    color=SERIES[i],
                    mfc="none" if hollow else SERIES[i],
                    ms=3.8,
                    mew=0.9 if hollow else 0,
                    alpha=0.8,
                    label=f"{words} (n = {inside.sum()})",
                )
    columns = {"age_years": "age_years", "sex": "sex", "vbmd_l1l2_mgcc": "vbmd_mgcc"}
    columns |= {"calibration_method": "calibration_method"}
    columns |= {"ea_weakest_kn": "ea_weakest_kn"} if panel == "rigidity" else {}
    table = known[list(columns)].rename(columns=columns).assign(panel=panel, contrast=contrast)
    return table.to_dict("records")


def _line(axes, people: pd.DataFrame) -> list[dict]:
    age = people["age_years"].to_numpy(float)
    if len(age) == 0:
        return []
    grid = np.linspace(age.min(), age.max(), 50)
    line = fit_line(age, people["vbmd_l1l2_mgcc"].to_numpy(float), grid)
    if line is None:
        return []
    axes.fill_between(grid, line["lower"], line["upper"], color=BLACK, alpha=0.13, lw=0)
    interval = f"{line['slope_lower']:+.1f} to {line['slope_upper']:+.1f}"
    slope = f"{line['slope']:+.1f} mg/cm\N{SUPERSCRIPT THREE} per year ({interval})"
    axes.plot(grid, line["fit"], color=BLACK, label=minus(slope))
    return [
        {"panel": "line", "age_years": a, "fit_mgcc": f, "lower_mgcc": lo, "upper_mgcc": up}
        for a, f, lo, up in zip(grid, line["fit"], line["lower"], line["upper"], strict=True)
    ]


def _limits(axes) -> None:
    """The limits of the classes, named beside the panel."""
    for limit, name in zip(CLASS_LIMITS_MGCC, CLASSES, strict=False):
        axes.axhline(limit, color=GREY, lw=0.8, ls=(0, (4, 3)), zorder=0)
        axes.text(
            1.01,
            limit,
            f"below {limit:g}:\n{name}",
            transform=axes.get_yaxis_transform(),
            color=GREY,
            size=6.5,
            va="top",
        )
