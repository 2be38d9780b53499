"""What the models forecast: outcome by risk third, and the blocks side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from sksurv.compare import compare_survival
from sksurv.nonparametric import cumulative_incidence_competing_risks, kaplan_meier_estimator

from bonecast.report.palette import BLUE, GREY, ORANGE, SERIES, VERMILION
from bonecast.report.style import blank_figure, new_figure, p_value, save_figure, style
from bonecast.report.tables import block_name, counted, headline_block, interval_text, read_table

THIRDS = ("lowest third", "middle third", "highest third")
THIRD_COLOURS = (BLUE, ORANGE, VERMILION)
THIRD_STYLES = ("-", "--", "-.")
CURVE_COLUMNS = (
    "panel",
    "group",
    "time_years",
    "estimate",
    "lower",
    "upper",
    "n",
    "n_at_risk",
    "n_events",
    "logrank_chi2",
    "logrank_p",
)

AT_RISK_TICKS = 6


def kaplan_meier_by_risk_third(
    predictions_path: str | Path, blocks: Sequence[str], outputs: Mapping[str, str], dpi: int
) -> None:
    """Outcome of the thirds of forecast risk of the headline block."""
    predictions = pd.read_parquet(predictions_path)
    present = [block for block in blocks if block in set(predictions["block"])]
    rows: list[dict] = []
    block, horizon = "", None
    if present:
        block = headline_block(present)
        people = average_risk(predictions, block)
        rows = outcome_curves(people)
        horizon = float(people["horizon_years"].iloc[0])
    figure = draw_outcome_curves(rows, block, horizon)
    save_figure(figure, rows, CURVE_COLUMNS, outputs, dpi)


def block_comparison(
    metrics_path: str | Path, blocks: Sequence[str], outputs: Mapping[str, str], dpi: int
) -> None:
    """C-index and AUC of every block."""
    rows = block_rows(read_table(metrics_path), blocks)
    figure = draw_blocks(rows)
    save_figure(figure, rows.to_dict("records"), tuple(rows.columns), outputs, dpi)


def average_risk(predictions: pd.DataFrame, block: str) -> pd.DataFrame:
    """Out-of-fold risk of each participant, averaged over the repeats of the cross-validation.

    Args:
        predictions: as in predictions.parquet. The first design and learner named are used, and
            the longest horizon.

    Returns:
        Columns participant_id, risk, time_years, event, horizon_years; one row per participant.
    """
    rows = predictions[predictions["block"] == block]
    if rows.empty:
        return pd.DataFrame(columns=["participant_id", "risk", "time_years", "event"])
    for name in ("design", "learner"):
        rows = rows[rows[name] == rows[name].iloc[0]]
    rows = rows[rows["horizon_years"] == rows["horizon_years"].max()]
    return rows.groupby("participant_id", as_index=False).agg(
        risk=("risk", "mean"),
        time_years=("time_years", "first"),
        event=("event", "first"),
        horizon_years=("horizon_years", "first"),
    )


def risk_thirds(risk: pd.Series) -> np.ndarray:
    """0, 1 or 2 for the lowest, middle and highest third; equal risks stay together."""
    cuts = np.quantile(risk, [1 / 3, 2 / 3])
    return np.searchsorted(cuts, risk.to_numpy(float), side="left")


def outcome_curves(people: pd.DataFrame) -> list[dict]:
    """Kaplan-Meier and Aalen-Johansen estimates of each risk third, and the log-rank test.

    Args:
        people: risk, time_years, event (0 censored, 1 fracture, 2 death before fracture).

    Returns:
        Rows of CURVE_COLUMNS. Panel `kaplan_meier`: share free of fracture, deaths censored.
        Panel `cumulative_incidence`: fracture with death competing. Intervals: 95 %, log-log.
    """
    group = risk_thirds(people["risk"])
    time = people["time_years"].to_numpy(float)
    event = people["event"].to_numpy(int)
    chi2, p = _logrank(time, event == 1, group)
    ticks = at_risk_times(time)
    rows = []
    for third, name in enumerate(THIRDS):
        inside = group == third
        n, n_events = int(inside.sum()), int((event[inside] == 1).sum())
        if n == 0:
            continue
        shared = {
            "group": name,
            "n": n,
            "n_events": n_events,
            "logrank_chi2": chi2,
            "logrank_p": p,
        }
        rows += _curve("kaplan_meier", time[inside], event[inside], shared)
        rows += _curve("cumulative_incidence", time[inside], event[inside], shared)
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


def _curve(panel: str, time: np.ndarray, event: np.ndarray, shared: dict) -> list[dict]:
    """One step curve from time zero, with its interval where there was an event."""
    start, occurred = (1.0, event == 1) if panel == "kaplan_meier" else (0.0, event == 1)
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
    return [first] + [
        shared | {"panel": panel, "time_years": t, "estimate": e, "lower": lo, "upper": up}
        for t, e, lo, up in zip(
            times.tolist(), estimate.tolist(), low.tolist(), high.tolist(), strict=True
        )
    ]


def draw_outcome_curves(rows: Sequence[dict], block: str, horizon_years: float | None) -> Figure:
    """Kaplan-Meier and cumulative incidence by risk third, numbers at risk underneath.

    Args:
        rows: as from `outcome_curves`.
        block: block whose out-of-fold risk made the thirds.
        horizon_years: time the risk was forecast for.
    """
    with style():
        if not rows:
            return blank_figure("No model was fitted, so there are no risk thirds to show.")
        table = pd.DataFrame(rows)
        figure = new_figure(4.1)
        grid = figure.subplots(2, 2, height_ratios=[4, 1], sharex="col")
        chi2, p = table["logrank_chi2"].iloc[0], table["logrank_p"].iloc[0]
        titles = {
            "kaplan_meier": "a  Free of fracture (Kaplan\N{EN DASH}Meier)",
            "cumulative_incidence": "b  Fractured (Aalen\N{EN DASH}Johansen)",
        }
        for column, (panel, title) in enumerate(titles.items()):
            axes = grid[0, column]
            _draw_curves(axes, table[table["panel"] == panel])
            axes.set_title(title)
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
            if panel == "kaplan_meier":
                axes.set_ylabel("Free of fracture, death censored")
                lowest = table.loc[table["panel"] == panel, "lower"].min()
                axes.set_ylim(np.floor(10 * lowest) / 10, 1.02)
            else:
                axes.set_ylabel("Fractured, death competing")
                axes.set_ylim(bottom=0)
            _draw_at_risk(grid[1, column], table[table["panel"] == "at_risk"])
        when = "" if horizon_years is None else f" {horizon_years:g}-year"
        title = f"Thirds of out-of-fold{when} risk, block {block_name(block)}"
        if p is not None and p == p:
            chi = "\N{GREEK SMALL LETTER CHI}\N{SUPERSCRIPT TWO}"
            title += f"; log-rank {chi} = {chi2:.1f}, {p_value(p)}"
        handles, names = grid[0, 0].get_legend_handles_labels()
        figure.legend(
            handles,
            names,
            title=title,
            loc="outside lower center",
            ncols=3,
            title_fontsize=7.5,
            columnspacing=1.2,
            handlelength=1.8,
        )
    return figure


def _draw_curves(axes, table: pd.DataFrame) -> None:
    for third, colour, dash in zip(THIRDS, THIRD_COLOURS, THIRD_STYLES, strict=True):
        curve = table[table["group"] == third]
        if curve.empty:
            continue
        n, events = int(curve["n"].iloc[0]), int(curve["n_events"].iloc[0])
        x = curve["time_years"].to_numpy(float)
        axes.step(
            x,
            curve["estimate"],
            where="post",
            color=colour,
            ls=dash,
            label=f"{third} ({events:,} of {n:,} fractured)",
        )
        axes.fill_between(
            x, curve["lower"], curve["upper"], step="post", color=colour, alpha=0.14, lw=0
        )


def _draw_at_risk(axes, table: pd.DataFrame) -> None:
    times = sorted(set(table["time_years"]))
    for row, third in enumerate(THIRDS):
        part = table[table["group"] == third]
        for t, n in zip(part["time_years"], part["n_at_risk"], strict=True):
            axes.text(t, 2 - row, f"{int(n)}", ha="center", va="center", size=7.5)
    axes.set(ylim=(-0.6, 2.6), yticks=[2, 1, 0], yticklabels=["low", "middle", "high"])
    axes.set_xticks(times)
    axes.set_title("Number at risk", weight="normal", size=7.5)
    axes.set_xlabel("Years from the scan")
    axes.tick_params(axis="y", length=0)
    axes.spines[["left"]].set_visible(False)


def block_rows(metrics: pd.DataFrame, blocks: Sequence[str]) -> pd.DataFrame:
    """C-index and AUC(t) of every block and learner, in the config's order of blocks."""
    rows = metrics[metrics["metric"].isin(["c_index", "auc_t"])].copy()
    order = {block: i for i, block in enumerate(blocks)}
    rows["_order"] = rows["block"].map(order).fillna(len(order))
    keys = ["metric", "_order", "block", "learner", "design", "horizon_years"]
    return rows.sort_values(keys, kind="stable", na_position="first").drop(columns="_order")


def draw_blocks(rows: pd.DataFrame) -> Figure:
    """C-index and AUC(t) with 95 % intervals: one line per block, learner and design.

    Args:
        rows: as from `block_rows`.
    """
    with style():
        if rows.empty:
            return blank_figure("No model was fitted, so there are no blocks to compare.")
        usual, several_designs = rows["learner"].iloc[0], len(set(rows["design"])) > 1
        keys = list(dict.fromkeys(zip(rows["block"], rows["learner"], rows["design"], strict=True)))
        names = [
            ", ".join(
                [block_name(block)]
                + ([learner.replace("_", " ")] if learner != usual else [])
                + ([design.replace("_", " ")] if several_designs else [])
            )
            for block, learner, design in keys
        ]
        horizons = sorted(set(rows.loc[rows["metric"] == "auc_t", "horizon_years"].dropna()))
        per_row = max(0.36, 0.17 * len(horizons) + 0.1)
        figure = new_figure(1.15 + per_row * len(keys))
        left, right = figure.subplots(1, 2, sharey=True)
        c_index = rows[rows["metric"] == "c_index"]
        _draw_points(left, c_index, keys, [None], [BLUE])
        _draw_points(right, rows[rows["metric"] == "auc_t"], keys, horizons, SERIES)
        left.set_yticks(range(len(keys)), names)
        left.set_ylim(len(keys) - 0.45, -0.55)
        n, events = int(rows["n"].max()), int(rows["events"].max())
        people = f"{counted(n, 'patient')}, {counted(events, 'fracture')}"
        left.set(title="a  C-index", xlabel=f"C-index (95 % interval); {people}")
        right.set(title="b  AUC at each horizon", xlabel="AUC (95 % interval)")
        if horizons:
            handles = [
                right.plot([], [], "os^Dv"[i % 5], color=SERIES[i % len(SERIES)], ms=4)[0]
                for i in range(len(horizons))
            ]
            auc = rows[rows["metric"] == "auc_t"]
            words = [
                f"{h:g} year{'s' if h != 1 else ''}"
                f" ({int(auc.loc[auc['horizon_years'] == h, 'events'].max())} fractures)"
                for h in horizons
            ]
            figure.legend(handles, words, loc="outside lower right", ncols=len(horizons))
    return figure


def _draw_points(axes, rows: pd.DataFrame, keys: list[tuple], horizons: Sequence, colours) -> None:
    offsets = (np.arange(len(horizons)) - (len(horizons) - 1) / 2) * 0.8 / max(len(horizons), 3)
    lows, highs = [0.5], [0.5]
    for i, horizon in enumerate(horizons):
        part = rows if horizon is None else rows[rows["horizon_years"] == horizon]
        for row in part.itertuples():
            y = keys.index((row.block, row.learner, row.design)) + offsets[i]
            colour = colours[i % len(colours)]
            axes.plot([row.lower, row.upper], [y, y], color=colour, lw=1.3)
            axes.plot(row.value, y, "os^Dv"[i % 5], color=colour, ms=4)
            text = interval_text(row.value, row.lower, row.upper)
            axes.text(
                1.0,
                y,
                text,
                va="center",
                ha="right",
                size=6.5,
                transform=axes.get_yaxis_transform(),
            )
            lows += [row.value, row.lower]
            highs += [row.value, row.upper]
    low, high = np.nanmin(lows), np.nanmax(highs)
    pad = 0.04 * (high - low) + 0.005
    axes.set_xlim(low - pad, high + pad + 0.55 * (high - low))  # room for the numbers
    axes.set_xticks([t for t in np.arange(0, 1.01, 0.1) if low - pad <= t <= high + pad])
    axes.axvline(0.5, color=GREY, lw=0.8, ls=":")
    axes.tick_params(axis="y", length=0)
