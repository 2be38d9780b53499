"""Body composition: one slice as it was measured, and the cohort by age and sex."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from PIL import Image

from bonecast.measure.composition.picture import COLOURS
from bonecast.measure.composition.regions import DERIVED
from bonecast.report.figures_measure import (
    MAX_POINTS,
    SEX_MARKERS,
    SEX_WORDS,
    ages_and_sexes,
    fit_line,
)
from bonecast.report.palette import GREY, SERIES
from bonecast.report.style import blank_figure, new_figure, save_figure, style
from bonecast.sessions import baseline_rows, scan_ids

COMPOSITION_FIGURE_COLUMNS = (
    *("panel", "age_years", "sex", "level", "method", "value", "fit", "lower", "upper"),
)

PANELS = (
    ("muscle_density_hu", "Muscle attenuation (HU)"),
    ("muscle_area_cm2", "Muscle area (cm\N{SUPERSCRIPT TWO})"),
    ("sat_area_cm2", "Subcutaneous fat (cm\N{SUPERSCRIPT TWO})"),
    ("vat_area_cm2", "Visceral fat (cm\N{SUPERSCRIPT TWO})"),
)
"""Columns of the table of scans and what they are called on an axis."""

BACK = ("back_muscles_density_hu", "Back-muscle attenuation (HU)")
"""Drawn where no scan has the attenuation of all muscle."""

REGION_WORDS = {
    "sat": "subcutaneous fat",
    "vat": "visceral fat",
    "imat": "fat within muscle",
    "muscle": "muscle",
    "psoas": "psoas",
    "back_muscles": "back muscles",
}


def body_composition(
    scans_path: str | Path,
    analysis_set_path: str | Path | None,
    pictures: Sequence[str | Path],
    outputs: Mapping[str, str],
    dpi: int,
) -> None:
    """Draw the slice of the participant in the middle of the cohort beside everyone's values.

    Args:
        analysis_set_path: where ages and sexes are taken from first.
        pictures: composition.png of every scan, in a folder named after the scan.
    """
    scans = baseline_rows(pd.read_parquet(scans_path))
    people = ages_and_sexes(scans, analysis_set_path)
    people = people.join(scans.set_index("participant_id").filter(regex=VALUES))
    by_scan = {Path(path).parent.name: Path(path) for path in pictures}
    names = zip(scans["participant_id"], scan_ids(scans), strict=True)
    by_participant = {participant: by_scan[name] for participant, name in names}
    figure, rows = draw_body_composition(people, by_participant)
    save_figure(figure, rows, COMPOSITION_FIGURE_COLUMNS, outputs, dpi)


VALUES = "_(area_cm2|density_hu)$|^composition_(level|method)$"
"""Columns of the table of scans that are drawn or told."""


def panels_of(people: pd.DataFrame) -> list[tuple[str, str]]:
    """What is drawn, one panel each: the columns that anyone has a value of, and their words."""
    attenuation = PANELS[0] if people[PANELS[0][0]].notna().any() else BACK
    return [panel for panel in (attenuation, *PANELS[1:]) if people[panel[0]].notna().any()]


def choose_example(people: pd.DataFrame, column: str) -> str | None:
    """The participant of median value, None where nobody has one."""
    ordered = people[column].dropna().sort_values(kind="stable")
    return None if ordered.empty else str(ordered.index[(len(ordered) - 1) // 2])


def draw_body_composition(
    people: pd.DataFrame, pictures: Mapping[str, Path]
) -> tuple[Figure, list[dict]]:
    """A slice, and values against age: a panel for each that was measured.

    Args:
        people: by participant_id: age_years, sex, composition_level, composition_method and the
            columns of PANELS and BACK.
        pictures: participant to the path of their slice.

    Returns:
        The figure and the rows of its table (COMPOSITION_FIGURE_COLUMNS).
    """
    chosen = panels_of(people)
    with style():
        if not chosen:
            return blank_figure("In no scan could muscle or fat be measured."), []
        across = (len(chosen) + 1) // 2
        figure = new_figure(4.4 if len(chosen) > 1 else 3.2)
        measured = people[people[[column for column, _ in chosen]].notna().any(axis=1)]
        sexes = sorted(set(measured["sex"].fillna("").astype(str)))
        colours = dict(zip(sexes, SERIES, strict=False))
        grid = figure.add_gridspec(
            min(len(chosen), 2), 1 + across, width_ratios=[1.25, *[1] * across]
        )
        _draw_example(figure.add_subplot(grid[:, 0]), people, chosen, pictures)
        rows: list[dict] = []
        for i, (column, words) in enumerate(chosen):
            axes = figure.add_subplot(grid[i // across, 1 + i % across])
            n = int(people[["age_years", column]].notna().all(axis=1).sum())
            axes.set_title(f"{'bcde'[i]}  n = {n}" if n else "bcde"[i])
            axes.set_ylabel(words)
            axes.set_xlabel("Age at the scan (years)" if i + across >= len(chosen) else "")
            rows += _draw_by_age(axes, people, column, colours)
        _legend(figure, people, colours)
    return figure, rows


def _draw_example(axes, people: pd.DataFrame, chosen, pictures: Mapping[str, Path]) -> None:
    """The slice of a participant, its colours explained below."""
    axes.axis("off")
    name = next((found for column, _ in chosen if (found := choose_example(people, column))), None)
    row = people.loc[name]
    how = " (derived)" if row["composition_method"] == DERIVED else ""
    axes.set_title(f"a  Slice at {row['composition_level']}{how}")
    axes.imshow(np.asarray(Image.open(pictures[name])), interpolation="lanczos")
    told = {
        region
        for region in COLOURS
        if any(pd.notna(row.get(f"{region}_{value}")) for value in ("area_cm2", "density_hu"))
    }
    axes.legend(
        handles=[
            Patch(color=colour, label=REGION_WORDS[region])
            for region, colour in COLOURS.items()
            if region in told
        ],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.02),
        ncols=2,
        handlelength=1,
    )


def _draw_by_age(axes, people: pd.DataFrame, column: str, colours: dict[str, str]) -> list[dict]:
    """Values against age with a line for each sex that has enough of them."""
    known = people.dropna(subset=["age_years", column])
    if known.empty:
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "no ages known", ha="center", transform=axes.transAxes, color=GREY)
        return []
    rows = []
    for sex, group in known.groupby(known["sex"].fillna("").astype(str)):
        age, value = group["age_years"].to_numpy(float), group[column].to_numpy(float)
        shape = {"color": colours[sex], "ms": 3.5, "mew": 0, "alpha": 0.6}
        shown = slice(None, None, 1 + len(group) // MAX_POINTS)
        axes.plot(age[shown], value[shown], SEX_MARKERS.get(sex, "s"), **shape)
        points = zip(
            age, group["composition_level"], group["composition_method"], value, strict=True
        )
        rows += [
            dict(zip(("panel", "age_years", "sex", "level", "method", "value"), cells, strict=True))
            for cells in ((column, a, sex, level, how, v) for a, level, how, v in points)
        ]
        grid = np.linspace(age.min(), age.max(), 25)
        line = fit_line(age, value, grid)
        if line is not None:
            axes.plot(grid, line["fit"], color=colours[sex])
            axes.fill_between(
                grid, line["lower"], line["upper"], color=colours[sex], alpha=0.15, lw=0
            )
            rows += [
                {"panel": column, "age_years": a, "sex": sex, "fit": f, "lower": low, "upper": up}
                for a, f, low, up in zip(
                    grid, line["fit"], line["lower"], line["upper"], strict=True
                )
            ]
    return rows


def _legend(figure: Figure, people: pd.DataFrame, colours: dict[str, str]) -> None:
    """Below all panels: which colour is which sex, and how many were measured at which level."""
    handles = [
        Line2D(
            [],
            [],
            color=colour,
            marker=SEX_MARKERS.get(sex, "s"),
            label=SEX_WORDS.get(sex, "sex unknown"),
        )
        for sex, colour in colours.items()
    ]
    counts = people["composition_level"].value_counts()
    levels = ", ".join(f"{level} (n = {n})" for level, n in counts.items())
    figure.legend(
        handles=handles,
        loc="outside lower right",
        ncols=len(handles),
        title=f"Measured at {levels}",
    )
