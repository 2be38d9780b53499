"""What was measured: examples of segmentations, and density by level and age."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from matplotlib.figure import Figure
from PIL import Image
from scipy import stats

from bonecast.levels import LEVELS
from bonecast.measure.summaries import span
from bonecast.report.palette import BLACK, BLUE, GREY, SERIES
from bonecast.report.style import WIDTH_IN, blank_figure, new_figure, save_figure, style
from bonecast.report.tables import minus
from bonecast.sessions import baseline_rows, scan_ids

EXAMPLE_COLUMNS = ("site", "participant_id", "position", "mean_hu", "picture")
POSITIONS = ("lowest", "median", "highest")
MAX_SITES = 6

LEVEL_AGE_COLUMNS = (
    "panel",
    "level",
    "n",
    "q25_hu",
    "median_hu",
    "q75_hu",
    "age_years",
    "sex",
    "hu",
    "fit_hu",
    "lower_hu",
    "upper_hu",
)
MIN_FOR_LINE = 5
"""With fewer participants than this a line with a band would say nothing."""
MAX_POINTS = 3000
"""More points than this hide each other: the picture becomes a density map, the CSV keeps all."""
SEX_WORDS = {"F": "women", "M": "men"}
SEX_MARKERS = {"F": "o", "M": "^"}


def example_segmentations(
    scans_path: str | Path,
    pictures: Sequence[str | Path],
    roi: str,
    levels: Sequence[str],
    outputs: Mapping[str, str],
    dpi: int,
) -> None:
    """Quality-control pictures of a few participants of each site.

    Args:
        pictures: qc.png of every scan, in a folder named after the scan.
        roi, levels: name the summary that orders participants.
    """
    hu = f"{roi}_mean_{span(levels)}_hu"
    columns = ["participant_id", "session_id", "baseline", "site", "status", hu]
    scans = baseline_rows(pd.read_parquet(scans_path, columns=columns))
    scans["participant_id"] = scan_ids(scans)
    by_participant = {Path(path).parent.name: Path(path) for path in pictures}
    chosen = choose_examples(scans, hu)
    for row in chosen:
        row["picture"] = f"{row['participant_id']}/{by_participant[row['participant_id']].name}"
    figure = draw_examples(chosen, by_participant)
    save_figure(figure, chosen, EXAMPLE_COLUMNS, outputs, dpi)


def hu_by_level_and_age(
    vertebrae_path: str | Path,
    scans_path: str | Path,
    analysis_set_path: str | Path | None,
    roi: str,
    levels: Sequence[str],
    outputs: Mapping[str, str],
    dpi: int,
) -> None:
    """Attenuation of each level, and the scan's mean against age.

    Args:
        analysis_set_path: where ages and sexes are taken from first; the rest, or all where
            it is None, come from the headers of the scans.
    """
    scans = baseline_rows(pd.read_parquet(scans_path))
    people = ages_and_sexes(scans, analysis_set_path)
    people["hu"] = scans[f"{roi}_mean_{span(levels)}_hu"].astype(float).to_numpy()
    people = people[(scans["status"] == "ok").to_numpy()]
    vertebrae = read_vertebrae(vertebrae_path, ("level", f"{roi}_mean_hu", f"{roi}_included"))
    figure, rows = draw_level_and_age(vertebrae, people, roi, scope(levels))
    save_figure(figure, rows, LEVEL_AGE_COLUMNS, outputs, dpi)


def read_vertebrae(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """Baseline rows of the table of vertebrae: of its hundreds of columns those named here that
    it has."""
    there = set(pq.read_schema(path).names)
    wanted = [name for name in ("baseline", *columns) if name in there]
    return baseline_rows(pd.read_parquet(path, columns=wanted))


def ages_and_sexes(scans: pd.DataFrame, analysis_set_path: str | Path | None) -> pd.DataFrame:
    """Age and sex of everyone in the table of scans.

    Args:
        scans: baseline scans.
        analysis_set_path: where they are taken from first; the rest, or all where it is None,
            come from the headers of the scans.

    Returns:
        Columns age_years and sex, by participant_id, rows as in `scans`.
    """
    people = pd.DataFrame(
        {
            "age_years": pd.to_numeric(scans["patient_age_years"]).astype(float),
            "sex": scans["patient_sex"],
        }
    ).set_index(scans["participant_id"])
    if analysis_set_path is not None:
        known = pd.read_parquet(analysis_set_path).set_index("participant_id")
        for column in {"age_years", "sex"} & set(known.columns):
            people[column] = known[column].reindex(people.index).combine_first(people[column])
    return people


def choose_examples(scans: pd.DataFrame, hu_column: str) -> list[dict]:
    """Pick the participants shown: at each site those of lowest, median and highest density.

    Args:
        scans: participant_id (here the name of the scan), site, status and `hu_column`.

    Returns:
        Dicts with site, participant_id, position, mean_hu; at most MAX_SITES sites, no
        participant twice.
    """
    measured = scans[(scans["status"] == "ok") & scans[hu_column].notna()]
    chosen = []
    for site, group in list(measured.groupby(measured["site"].fillna("")))[:MAX_SITES]:
        ordered = group.sort_values([hu_column, "participant_id"])
        last = len(ordered) - 1
        picks = dict(zip(POSITIONS, (0, last // 2, last), strict=True)) if last else {"only": 0}
        taken: set[int] = set()
        for position, index in picks.items():
            if index in taken:
                continue
            taken.add(index)
            row = ordered.iloc[index]
            chosen.append(
                {
                    "site": site,
                    "participant_id": row["participant_id"],
                    "position": position,
                    "mean_hu": float(row[hu_column]),
                }
            )
    return chosen


def draw_examples(examples: Sequence[dict], pictures: Mapping[str, Path]) -> Figure:
    """A grid of quality-control pictures: one row per site.

    Args:
        examples: as from `choose_examples`.
        pictures: participant to the path of its picture.
    """
    with style():
        if not examples:
            return blank_figure(
                "No participant could be measured: there is no segmentation to show."
            )
        by_site: dict[str, list[tuple[dict, np.ndarray]]] = {}
        for row in examples:
            picture = np.asarray(Image.open(pictures[row["participant_id"]]))
            by_site.setdefault(row["site"], []).append((row, picture))
        columns = max(2, *(len(members) for members in by_site.values()))
        heights = [
            max(picture.shape[0] / picture.shape[1] for _, picture in members) * WIDTH_IN / columns
            for members in by_site.values()
        ]
        figure = new_figure(sum(heights) + 0.3 * len(by_site))
        grid = figure.subplots(len(by_site), columns, squeeze=False, height_ratios=heights)
        for axes in grid.flat:
            axes.axis("off")
        for line, (site, members) in zip(grid, by_site.items(), strict=True):
            for axes, (row, picture) in zip(line, members, strict=False):
                axes.imshow(picture, interpolation="lanczos")
                where = f"Site {site}, " if site else ""
                axes.set_title(
                    f"{where}{row['position']}: {row['mean_hu']:.0f} HU", size=8, weight="normal"
                )
    return figure


def level_statistics(vertebrae: pd.DataFrame, roi: str) -> pd.DataFrame:
    """Median and quartiles of a ROI's mean HU at each level, over vertebrae that enter summaries.

    Returns:
        Columns level, n, q25_hu, median_hu, q75_hu; from head to foot.
    """
    value, flag = f"{roi}_mean_hu", f"{roi}_included"
    if not {value, flag} <= set(vertebrae.columns):
        return pd.DataFrame(columns=["level", "n", "q25_hu", "median_hu", "q75_hu"])
    used = vertebrae[vertebrae[flag].fillna(False).astype(bool) & vertebrae[value].notna()]
    groups = used.groupby("level")[value]
    table = pd.DataFrame(
        {
            "n": groups.size(),
            "q25_hu": groups.quantile(0.25),
            "median_hu": groups.median(),
            "q75_hu": groups.quantile(0.75),
        }
    )
    order = [level for level in LEVELS if level in table.index]
    return table.loc[order].rename_axis("level").reset_index()


def fit_line(x: np.ndarray, y: np.ndarray, at: np.ndarray, confidence: float = 0.95) -> dict | None:
    """Ordinary least squares with a pointwise band for the mean.

    Args:
        at: where the line is evaluated.

    Returns:
        Keys slope, slope_lower, slope_upper, fit, lower, upper; None where a line cannot be fitted.
    """
    n = len(x)
    if n < MIN_FOR_LINE or np.ptp(x) == 0:
        return None
    line = stats.linregress(x, y)
    t = stats.t.ppf(0.5 + confidence / 2, n - 2)
    residual = y - (line.intercept + line.slope * x)
    sigma = np.sqrt(residual @ residual / (n - 2))
    spread = ((x - x.mean()) ** 2).sum()
    fit = line.intercept + line.slope * at
    half = t * sigma * np.sqrt(1 / n + (at - x.mean()) ** 2 / spread)
    return {
        "slope": line.slope,
        "slope_lower": line.slope - t * line.stderr,
        "slope_upper": line.slope + t * line.stderr,
        "fit": fit,
        "lower": fit - half,
        "upper": fit + half,
    }


def draw_level_and_age(
    vertebrae: pd.DataFrame, ages: pd.DataFrame, roi: str, scope: str
) -> tuple[Figure, list[dict]]:
    """Two panels: attenuation of each level, and the scan's mean against age.

    Args:
        vertebrae: the vertebrae table.
        ages: age_years, hu and, where known, sex (F, M), one row per participant.
        roi: name of the ROI drawn.
        scope: levels the scan's mean is taken over, for the axis label.

    Returns:
        The figure and the rows of its table (LEVEL_AGE_COLUMNS).
    """
    levels = level_statistics(vertebrae, roi)
    rows = [{"panel": "level", **row} for row in levels.to_dict("records")]
    with style():
        if levels.empty:
            return blank_figure(
                "No vertebra could be measured: there is no attenuation to show."
            ), rows
        figure = new_figure(3.3)
        left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
        _draw_levels(left, levels, vertebrae, roi)
        rows += _draw_ages(right, ages, scope)
    return figure, rows


def _draw_levels(axes, levels: pd.DataFrame, vertebrae: pd.DataFrame, roi: str) -> None:
    x = np.arange(len(levels))
    if levels["n"].max() <= 150:
        used = vertebrae[vertebrae[f"{roi}_included"].fillna(False).astype(bool)]
        for position, level in zip(x, levels["level"], strict=True):
            values = used.loc[used["level"] == level, f"{roi}_mean_hu"].dropna().to_numpy(float)
            # A fixed pattern, not random jitter: the same numbers give the same picture.
            shift = (np.arange(len(values)) * 0.618 % 1 - 0.5) * 0.5
            axes.plot(position + shift, values, ".", color=GREY, alpha=0.4, ms=3.2, mew=0, zorder=1)
    axes.vlines(x, levels["q25_hu"], levels["q75_hu"], color=BLUE, lw=3.5, alpha=0.55, zorder=2)
    axes.plot(x, levels["median_hu"], "o", color=BLUE, ms=4.5, zorder=3)
    names = [f"{level}\n{n}" for level, n in zip(levels["level"], levels["n"], strict=True)]
    axes.set_xticks(x, names)
    axes.set_xlim(-0.6, len(levels) - 0.4)
    axes.set_xlabel("Vertebral level, and number of vertebrae measured")
    axes.set_ylabel("Trabecular attenuation (HU)")
    axes.set_title("a  By level: median and quartiles")


def _draw_ages(axes, ages: pd.DataFrame, scope: str) -> list[dict]:
    axes.set_title("b  By age: line with 95 % band")
    axes.set_xlabel("Age at the scan (years)")
    axes.set_ylabel(f"Mean attenuation {scope} (HU)")
    known = ages.dropna(subset=["age_years", "hu"])
    if known.empty:
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "No ages are known.", ha="center", transform=axes.transAxes, color=GREY)
        return []
    age, hu = known["age_years"].to_numpy(float), known["hu"].to_numpy(float)
    sex = known["sex"].fillna("").astype(str) if "sex" in known else pd.Series("", known.index)
    if len(known) > MAX_POINTS:
        axes.hexbin(age, hu, gridsize=40, cmap="Blues", mincnt=1, linewidths=0, rasterized=True)
    else:
        for i, value in enumerate(sorted(set(sex))):
            inside = (sex == value).to_numpy()
            word = SEX_WORDS.get(value, value or "participants")
            axes.plot(
                age[inside],
                hu[inside],
                SEX_MARKERS.get(value, "s"),
                color=SERIES[i],
                ms=3.5,
                mew=0,
                alpha=0.75,
                label=f"{word} (n = {inside.sum()})",
            )
    points = [
        {"panel": "age", "age_years": a, "sex": s, "hu": h}
        for a, s, h in zip(age, sex, hu, strict=True)
    ]
    grid = np.linspace(age.min(), age.max(), 50)
    line = fit_line(age, hu, grid)
    if line is None:
        axes.legend(loc="best")
        return points
    axes.fill_between(grid, line["lower"], line["upper"], color=BLACK, alpha=0.13, lw=0)
    interval = f"{line['slope_lower']:+.1f} to {line['slope_upper']:+.1f}"
    slope = f"{line['slope']:+.1f} HU per year ({interval})"
    axes.plot(grid, line["fit"], color=BLACK, label=minus(slope))
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.24 * (high - low))  # room for the legend above the points
    axes.legend(loc="upper right", handlelength=1.4, borderaxespad=0)
    fits = [
        {"panel": "line", "age_years": a, "fit_hu": f, "lower_hu": lo, "upper_hu": up}
        for a, f, lo, up in zip(grid, line["fit"], line["lower"], line["upper"], strict=True)
    ]
    return points + fits


def scope(levels: Sequence[str]) -> str:
    """Levels of a summary in words: L1 to L4."""
    ordered = sorted(levels, key=LEVELS.index)
    return ordered[0] if len(ordered) == 1 else f"{ordered[0]}\N{EN DASH}{ordered[-1]}"
