"""What became of patients by group of forecast risk: Kaplan-Meier and Aalen-Johansen."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from comprisk import gray_test
from matplotlib.figure import Figure
from sksurv.compare import compare_survival
from sksurv.nonparametric import cumulative_incidence_competing_risks, kaplan_meier_estimator

from bonecast.report.comparison import Comparison, shown_block, shown_design, shown_learner
from bonecast.report.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION
from bonecast.report.predictions import headline_people
from bonecast.report.style import (
    blank_figure,
    headline,
    new_figure,
    p_value,
    percent_axis,
    save_figure,
    style,
)

COLOURS = {
    1: (BLUE,),
    2: (BLUE, VERMILION),
    3: (BLUE, ORANGE, VERMILION),
    4: (BLUE, GREEN, ORANGE, VERMILION),
    5: (BLUE, GREEN, PURPLE, ORANGE, VERMILION),
}
DASHES = ("-", (0, (5, 1.5)), (0, (6, 1.5, 1.2, 1.5)), (0, (1.5, 1.2)), (0, (3, 1)))
NAMES = {2: ("lower risk", "higher risk"), 3: ("low risk", "middle risk", "high risk")}
COLUMNS = (
    "panel",
    "group",
    "time_years",
    "estimate",
    "lower",
    "upper",
    "n",
    "n_at_risk",
    "n_events",
    "chi2",
    "p",
)
ONE_MODEL = ("temporal", "external")
"""Designs in which one model put all patients into groups, so that groups can be tested. In a
cross-validation each patient helped to make the groups of the others: with features of pure noise
the log-rank test was below 0.05 in 11 to 14 % of 300 simulated cohorts of 200 (Simon et al., Brief
Bioinform 2011;12:203 ask for permutations)."""

AT_RISK_TICKS = 6
ROOM = 0.12
"""Part of the axis kept for the bands, which are widest where few are left."""


def outcome_by_risk_group(
    predictions_path: str | Path, compared: Comparison, outputs: Mapping[str, str], dpi: int
) -> None:
    """Outcome of the groups of forecast risk of the headline block."""
    people, about = headline_people(predictions_path, compared)
    rows = outcome_curves(people, about["horizon_years"], about["design"] in ONE_MODEL)
    save_figure(draw_outcome(rows, about), rows, COLUMNS, outputs, dpi)


def group_names(n: int) -> list[str]:
    """Names of `n` groups from the lowest risk to the highest."""
    if n in NAMES:
        return list(NAMES[n])
    inner = [f"group {i}" for i in range(2, n)]
    return ["group 1, lowest risk", *inner, f"group {n}, highest risk"]


def outcome_curves(
    people: pd.DataFrame, horizon_years: float | None, tested: bool = True
) -> list[dict]:
    """Kaplan-Meier and Aalen-Johansen estimates of each risk group, and tests between groups.

    Args:
        people: predicted, risk_group (0, 1, ..), time_years, event (0 censored, 1 fracture,
            2 death before fracture); rows without a group are left out.
        horizon_years: time that `predicted` was forecast for.
        tested: whether groups are compared by tests, see `ONE_MODEL`.

    Returns:
        Rows of COLUMNS. Panel `kaplan_meier`: share free of fracture, deaths censored, with the
        log-rank test. Panel `cumulative_incidence`: fracture with death competing, with the test of
        Gray (Annals of Statistics 1988). Intervals: 95 %, log-log. Panel `forecast`: mean forecast
        of a group. Panel `at_risk`: patients followed to a time.
    """
    people = people.dropna(subset=["risk_group", "time_years", "event"])
    if people.empty:
        return []
    group = people["risk_group"].to_numpy(int)
    time = people["time_years"].to_numpy(float)
    event = people["event"].to_numpy(int)
    tests = dict.fromkeys(("kaplan_meier", "cumulative_incidence"), (None, None))
    if tested:
        tests["kaplan_meier"] = _logrank(time, event == 1, group)
        tests["cumulative_incidence"] = _gray(time, event, group)
    ticks = at_risk_times(time)
    rows: list[dict] = []
    for number, name in enumerate(group_names(max(2, group.max() + 1))):
        inside = group == number
        n, n_events = int(inside.sum()), int((event[inside] == 1).sum())
        if n == 0:
            continue
        shared = {"group": name, "n": n, "n_events": n_events}
        for panel, (chi2, p) in tests.items():
            test = {"chi2": chi2, "p": p}
            rows += _curve(panel, time[inside], event[inside], shared | test)
        forecast = people["predicted"].to_numpy(float)[inside]
        if horizon_years is not None and np.isfinite(forecast).any():
            mean = {"time_years": horizon_years, "estimate": float(np.nanmean(forecast))}
            rows.append(shared | {"panel": "forecast"} | mean)
        rows += [
            shared
            | {"panel": "at_risk", "time_years": t, "n_at_risk": int((time[inside] >= t).sum())}
            for t in ticks
        ]
    return rows


def at_risk_times(time: np.ndarray) -> np.ndarray:
    """Round times at which the number at risk is printed."""
    step = max(time.max() / AT_RISK_TICKS, 1e-9)
    nice = 10 ** np.floor(np.log10(step))
    step = next(nice * factor for factor in (1, 2, 5, 10) if nice * factor >= step)
    return np.arange(0, time.max() + 1e-9, step)


def _logrank(time: np.ndarray, event: np.ndarray, group: np.ndarray) -> tuple:
    """Chi-square and p of the log-rank test, None where it is not defined."""
    if len(np.unique(group)) < 2 or not event.any():
        return None, None
    outcome = np.array(list(zip(event, time, strict=True)), dtype=[("event", "?"), ("time", "f8")])
    chi2, p = compare_survival(outcome, group)
    return float(chi2), float(p)


def _gray(time: np.ndarray, event: np.ndarray, group: np.ndarray) -> tuple:
    """Chi-square and p of Gray's test, None where it is not defined."""
    if len(np.unique(group)) < 2 or not (event == 1).any():
        return None, None
    result = gray_test(time, event, group)
    if not np.isfinite(result.stat):
        return None, None
    return float(result.stat), float(result.pvalue)


def _curve(panel: str, time: np.ndarray, event: np.ndarray, shared: dict) -> list[dict]:
    """One step curve from time zero: the steps, and the end of the follow-up."""
    start, occurred = (1.0 if panel == "kaplan_meier" else 0.0), event == 1
    first = shared | {"panel": panel, "time_years": 0.0, "estimate": start}
    first |= {"lower": start, "upper": start}
    if not occurred.any():
        times = np.array([time.max()])
        estimate = low = high = np.array([start])
    elif panel == "kaplan_meier":
        times, estimate, (low, high) = kaplan_meier_estimator(occurred, time, conf_type="log-log")
    elif (event == 2).any():
        times, incidence, interval = cumulative_incidence_competing_risks(
            event, time, conf_type="log-log"
        )
        estimate, (low, high) = incidence[1], interval[1]
    else:  # scikit-survival refuses a sample without the competing event
        times, free, (low, high) = kaplan_meier_estimator(occurred, time, conf_type="log-log")
        estimate, low, high = 1 - free, 1 - high, 1 - low
    # Before the first event the log-log interval has no width and is not defined.
    low = np.where(np.isfinite(low), low, estimate)
    high = np.where(np.isfinite(high), high, estimate)
    steps = np.diff(estimate, prepend=start) != 0
    steps[-1] = True
    times, estimate, low, high = times[steps], estimate[steps], low[steps], high[steps]
    return [first] + [
        shared | {"panel": panel, "time_years": t, "estimate": e, "lower": lo, "upper": up}
        for t, e, lo, up in zip(
            times.tolist(), estimate.tolist(), low.tolist(), high.tolist(), strict=True
        )
    ]


def draw_outcome(rows: Sequence[dict], about: Mapping) -> Figure:
    """Kaplan-Meier and cumulative incidence by risk group, numbers at risk underneath.

    Args:
        rows: as from `outcome_curves`.
        about: names of block, design and learner, and horizon_years, whose forecasts made the
            groups.
    """
    with style():
        if not rows:
            return blank_figure("No model was fitted, so there are no risk groups to show.")
        table = pd.DataFrame(rows)
        groups = list(dict.fromkeys(table["group"]))
        looks = _looks(groups)
        figure = new_figure(3.4 + 0.17 * len(groups))
        grid = figure.subplots(2, 2, height_ratios=[4, 0.28 * len(groups) + 0.2], sharex="col")
        titles = {
            "kaplan_meier": ("a  Free of fracture (Kaplan\N{EN DASH}Meier)", "log-rank"),
            "cumulative_incidence": ("b  Fractured (Aalen\N{EN DASH}Johansen)", "Gray's test"),
        }
        for column, (panel, (title, test)) in enumerate(titles.items()):
            axes = grid[0, column]
            curves = table[table["panel"] == panel]
            _draw_curves(axes, curves, looks)
            axes.set_title(title)
            percent_axis(axes.yaxis)
            if panel == "kaplan_meier":
                axes.set_ylabel("Free of fracture, death censored")
                axes.set_ylim(max(0.0, curves["estimate"].min() - ROOM), 1.02)
            else:
                axes.set_ylabel("Fractured, death competing")
                _draw_forecast(axes, table[table["panel"] == "forecast"], looks)
                axes.set_ylim(0, min(1.02, curves["estimate"].max() + ROOM))
            _print_test(axes, test, curves, at_top=panel != "kaplan_meier")
            _draw_at_risk(grid[1, column], table[table["panel"] == "at_risk"], groups)
        handles, names = grid[0, 0].get_legend_handles_labels()
        more = grid[0, 1].get_legend_handles_labels()
        figure.legend(
            [*handles, *more[0][len(handles) :]],
            [*names, *more[1][len(handles) :]],
            title=_legend_title(about),
            loc="outside lower center",
            ncols=2,
            title_fontsize=7.5,
            columnspacing=1.6,
            handlelength=2.4,
        )
        words = [shown_block(about["block"]), shown_learner(about["learner"])]
        headline(figure, "; ".join([*words, shown_design(about["design"]).lower()]))
    return figure


def _looks(groups: Sequence[str]) -> dict[str, tuple]:
    """Colour and dash of each group."""
    colours = COLOURS.get(len(groups), COLOURS[5])
    return {
        name: (colours[i % len(colours)], DASHES[i % len(DASHES)]) for i, name in enumerate(groups)
    }


def _legend_title(about: Mapping) -> str:
    horizon = about["horizon_years"]
    risk = "risk" if horizon is None else f"{horizon:g}-year risk"
    return f"Groups of held-out {risk}, cut at quantiles of the training patients"


def _print_test(axes, name: str, curves: pd.DataFrame, at_top: bool) -> None:
    p = curves["p"].iloc[0]
    if p is None or p != p:
        return
    chi = "\N{GREEK SMALL LETTER CHI}\N{SUPERSCRIPT TWO}"
    text = f"{name} {chi} = {curves['chi2'].iloc[0]:.1f}, {p_value(p)}"
    y, va = (0.98, "top") if at_top else (0.03, "bottom")
    axes.text(0.03, y, text, transform=axes.transAxes, va=va, size=7)


def _draw_curves(axes, table: pd.DataFrame, looks: Mapping[str, tuple]) -> None:
    for group, (colour, dash) in looks.items():
        curve = table[table["group"] == group]
        n, events = int(curve["n"].iloc[0]), int(curve["n_events"].iloc[0])
        x = curve["time_years"].to_numpy(float)
        label = f"{group} ({events:,} of {n:,} fractured)"
        axes.step(x, curve["estimate"], where="post", color=colour, ls=dash, label=label)
        axes.fill_between(
            x, curve["lower"], curve["upper"], step="post", color=colour, alpha=0.14, lw=0
        )


def _draw_forecast(axes, table: pd.DataFrame, looks: Mapping[str, tuple]) -> None:
    """The mean forecast of each group at its horizon."""
    for row in table.itertuples():
        colour = looks[row.group][0]
        axes.plot(row.time_years, row.estimate, "D", color=colour, ms=5, mec="white", mew=0.8)
    if len(table):
        axes.plot([], [], "D", color=GREY, ms=5, mec="white", mew=0.8, label="mean forecast (b)")


def _draw_at_risk(axes, table: pd.DataFrame, groups: Sequence[str]) -> None:
    times = sorted(set(table["time_years"]))
    for row, group in enumerate(groups):
        part = table[table["group"] == group]
        for t, n in zip(part["time_years"], part["n_at_risk"], strict=True):
            axes.text(t, -row, f"{int(n):,}", ha="center", va="center", size=7)
    labels = [group.partition(",")[0].removesuffix(" risk") for group in groups]
    axes.set_yticks([-row for row in range(len(groups))], labels)
    axes.set_ylim(-len(groups) + 0.4, 0.6)
    axes.set_xticks(times)
    axes.set_title("Number at risk", weight="normal", size=7.5)
    axes.set_xlabel("Years of follow-up")
    axes.tick_params(axis="y", length=0, pad=10)
    axes.spines[["left"]].set_visible(False)
