"""What the report and the summary say of the models of one endpoint, in numbers and words."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bonecast.model import SUPPLIED
from bonecast.report.comparison import DESIGN_WORDS, LEARNER_WORDS, years
from bonecast.report.tables import (
    HEADLINE,
    METRIC_WORDS,
    block_name,
    counted,
    interval_text,
    main_design,
    read_table,
    signed,
)

ENDPOINT_WORDS = {"fracture": "fracture", "osteoporosis": "osteoporosis", "bmd": "bone density"}

BESIDE = {"survival": ["auc_t"], "binary": ["brier"], "continuous": ["rmse", "mae"]}
"""Metrics printed beside it, one column per horizon."""

DIGITS = {"brier": 3, "rmse": 3, "mae": 3}
"""Decimals of metrics beside the headline that are no shares of pairs."""

CALIBRATION = ["oe_ratio", "calibration_slope", "ici", "brier", "ipa", "ibs"]
AGREEMENT = ["bias", "loa_lower", "loa_upper", "calibration_slope"]

SHORT = {"oe_ratio": "O/E", "calibration_slope": "Slope", "ici": "ICI", "ibs": "IBS"}
"""Headings of the table of calibration, explained under it."""


@dataclass(frozen=True)
class ModelFacts:
    """The models of one endpoint.

    Attributes:
        path: their settings.json.
        settings: content of settings.json.
        metrics, hazard_ratios: as in the tables of those names.
    """

    path: Path
    settings: dict
    metrics: pd.DataFrame
    hazard_ratios: pd.DataFrame

    @classmethod
    def read(cls, settings_path: str | Path) -> "ModelFacts":
        """From settings.json and the tables beside it."""
        path = Path(settings_path)
        settings = json.loads(path.read_text(encoding="utf-8"))
        tables = (read_table(path.with_name(f"{n}.tsv")) for n in ("metrics", "hazard_ratios"))
        return cls(path, settings, *tables)

    @property
    def endpoint(self) -> str:
        """Its name in the configuration."""
        return self.settings["endpoint"]

    @property
    def folder(self) -> str:
        """Where their tables are, relative to the page."""
        return f"models/{self.endpoint}"

    @property
    def words(self) -> str:
        """The endpoint as the page calls it."""
        return ENDPOINT_WORDS[self.endpoint]

    @property
    def fitted(self) -> bool:
        """Whether there are models."""
        return self.settings["status"] == "ok"

    @property
    def headline(self) -> str:
        """Name of the metric by which blocks are told apart first."""
        return HEADLINE[self.settings["kind"]]

    def cohort_words(self) -> str:
        """Patients and events: "120 patients, 30 fractures, 12 deaths before fracture, ..."."""
        cohort = self.settings["cohort"]
        words = [counted(cohort["patients"], "patient")]
        if "fractures" in cohort:
            words.append(counted(cohort["fractures"], "fracture"))
            words.append(f"{counted(cohort['deaths'], 'death')} before fracture")
            words.append(f"{cohort['person_years']:,.0f} person-years")
        elif "diagnoses" in cohort:
            words.append(f"{cohort['diagnoses']:,} with the diagnosis")
        return ", ".join(words)

    def main_metrics(self) -> pd.DataFrame:
        """Metrics of the main design."""
        main = main_design(list(dict.fromkeys(self.metrics["design"])))
        return self.metrics[self.metrics["design"] == main]

    def main_learner(self) -> str:
        """Learner of the first model."""
        return next(iter(self.metrics["learner"]), "")

    def block_rows(self, every: bool = True) -> list[dict]:
        """One row per block, learner and design, numbers in words.

        Args:
            every: all learners and designs, else the main ones and the supplied scores.
        """
        table = self.metrics if every else self.main_metrics()
        reference, rows = self.settings["reference"], []
        for key, part in table.groupby(["design", "block", "learner"], sort=False):
            design, block, learner = key
            if not every and learner not in (self.main_learner(), SUPPLIED):
                continue
            first = part[part["metric"] == self.headline]
            if first.empty:
                continue
            main = first.iloc[0]
            delta = part[
                (part["metric"] == f"delta_{self.headline}") & (part["reference"] == reference)
            ]
            rows.append(
                {
                    "key": block,
                    "block": block_name(block),
                    "learner": LEARNER_WORDS.get(learner, learner),
                    "design": DESIGN_WORDS.get(design, design),
                    "value": main["value"],
                    "headline": _text(main),
                    "delta": "reference" if block == reference else _signed(delta),
                    "beside": {
                        (row.metric, None if pd.isna(row.horizon_years) else row.horizon_years): (
                            interval_text(
                                row.value, row.lower, row.upper, DIGITS.get(row.metric, 2)
                            )
                        )
                        for row in part.itertuples()
                        if row.metric in BESIDE[self.settings["kind"]]
                    },
                    "n": int(main["n"]),
                    "events": int(main["events"]),
                }
            )
        return rows

    def beside(self) -> list[tuple[tuple, str]]:
        """Columns of `block_rows` beside the headline: key and heading."""
        keys = {key for row in self.block_rows() for key in row["beside"]}
        return [
            (key, METRIC_WORDS.get(key[0], key[0]) + _at(key[1]))
            for key in sorted(keys, key=lambda key: (key[0], key[1] or 0))
        ]

    def calibration_rows(self) -> list[dict]:
        """Calibration of the main learner in the main design: one row per block and horizon."""
        names = AGREEMENT if self.settings["kind"] == "continuous" else CALIBRATION
        table = self.main_metrics()
        table = table[(table["learner"] == self.main_learner()) & table["metric"].isin(names)]
        rows: dict[tuple, dict] = {}
        whole = table[table["horizon_years"].isna()]
        timed = (
            table if table["horizon_years"].isna().all() else table.dropna(subset="horizon_years")
        )
        for row in timed.itertuples():
            # NaN equals nothing: without a horizon each metric would have a row of its own.
            key = (row.block, None if pd.isna(row.horizon_years) else row.horizon_years)
            rows.setdefault(key, {"block": block_name(row.block), "horizon": row.horizon_years})
            rows[key][row.metric] = _cell(row)
        # What stands for the whole follow-up is printed with the last horizon.
        for (block, _), cells in rows.items():
            last = max(key[1] for key in rows if key[0] == block)
            if timed is not table and cells["horizon"] == last:
                for row in whole[whole["block"] == block].itertuples():
                    cells[row.metric] = _cell(row)
        return list(rows.values())

    def calibration_columns(self) -> list[tuple[str, str]]:
        """Metrics of `calibration_rows` that have a value anywhere: name and heading."""
        names = AGREEMENT if self.settings["kind"] == "continuous" else CALIBRATION
        rows = self.calibration_rows()
        return [(n, SHORT.get(n, METRIC_WORDS[n])) for n in names if any(n in row for row in rows)]

    def threshold_rows(self) -> list[dict]:
        """Sensitivity, specificity and net benefit at the configured thresholds."""
        names = ("sensitivity", "specificity", "net_benefit")
        table = self.main_metrics()
        table = table[(table["learner"] == self.main_learner()) & table["metric"].isin(names)]
        rows: dict[tuple, dict] = {}
        for row in table.itertuples():
            key = (row.block, row.horizon_years if row.horizon_years == row.horizon_years else 0)
            cells = rows.setdefault(
                (*key, row.threshold),
                {
                    "block": block_name(row.block),
                    "horizon": row.horizon_years,
                    "threshold": row.threshold,
                },
            )
            cells[row.metric] = interval_text(row.value, row.lower, row.upper, digits=3)
        return list(rows.values())


def _cell(row) -> str:
    digits = 2 if row.metric in ("oe_ratio", "calibration_slope") else 3
    return interval_text(row.value, row.lower, row.upper, digits)


def _at(horizon: float | None) -> str:
    if horizon is None:
        return ""
    return f" at {years(horizon)}"


def _text(row) -> str:
    return interval_text(row["value"], row["lower"], row["upper"])


def _signed(rows: pd.DataFrame) -> str:
    """A difference with its interval, signs printed; a dash where there is none."""
    if rows.empty:
        return "\N{EN DASH}"
    row = rows.iloc[0]
    value, lower, upper = (signed(row[name], 2) for name in ("value", "lower", "upper"))
    if pd.isna(row["lower"]) or pd.isna(row["upper"]):
        return "not estimable" if pd.isna(row["value"]) else value
    return f"{value} ({lower} to {upper})"


def read_models(paths: Sequence[str | Path]) -> list[ModelFacts]:
    """The models of every endpoint, in the order configured."""
    return [ModelFacts.read(path) for path in paths]


def model_alt_texts(model: ModelFacts) -> dict[str, str]:
    """What a reader who cannot see a figure of the models is told, by figure."""
    beside = "the numbers are in the table beside the figure."
    name = METRIC_WORDS[model.headline]
    blocks = "; ".join(f"{r['block']} {r['headline']}" for r in model.block_rows(every=False))
    return {
        "block_comparison": f"{name} of each block: {blocks or 'no model fitted'}.",
        "block_differences": f"Difference of every block from the reference; {beside}",
        "roc_by_horizon": f"ROC curve of every block; {beside}",
        "calibration": f"Observed against predicted risk of every block; {beside}",
        "decision_curves": f"Net benefit over risk thresholds of every block; {beside}",
        "outcome_by_risk_group": (
            f"Share free of fracture and share fractured over time by forecast risk; {beside}"
        ),
        "subgroup_performance": f"Performance in subgroups; {beside}",
        "importance": f"Importance of blocks and how often terms are selected; {beside}",
        "predicted_observed": f"Predicted against observed density; {beside}",
    }


FIGURE_CAPTIONS = {
    "block_comparison": "Every block and learner was fitted and judged in the same folds.",
    "block_differences": (
        "Difference from the reference block and from supplied scores on the same patients and "
        "resamples, with 95 % intervals."
    ),
    "roc_by_horizon": (
        "Sensitivity against false positives on held-out patients, averaged over folds and "
        "repeats; time-dependent where the outcome has a time."
    ),
    "calibration": (
        "Observed against predicted: smooth curve with its 95 % band, groups of equal size with "
        "intervals, and below the distribution of predictions. On the diagonal both agree."
    ),
    "decision_curves": (
        "Net benefit of treating above a risk threshold, against treating everybody or nobody."
    ),
    "outcome_by_risk_group": (
        "Groups of the risk forecast for each participant while held out, their limits learned in "
        "the training folds. a: Kaplan-Meier, deaths censored. b: Aalen-Johansen, death "
        "competing. Bands are 95 % intervals."
    ),
    "subgroup_performance": (
        "Performance of the headline block in subgroups with enough events; the others are named."
    ),
    "importance": (
        "a: loss when the columns of a block are shuffled among held-out patients. b: the largest "
        "terms of the final model, and how often each was selected in resamples of the patients "
        "or, where nothing is selected but all terms are shrunk, in the folds."
    ),
    "predicted_observed": (
        "Predicted against observed values, and their difference against their mean with 95 % "
        "limits of agreement."
    ),
}
"""What is said under a figure of the models, in the order they are shown."""
