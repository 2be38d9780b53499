"""Made-up tables of models, shaped as the models' rules write them."""

from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from bonecast.model.outcome import KINDS
from bonecast.report.comparison import PANEL_METRICS, Comparison
from bonecast.report.figures_model_agreement import predicted_observed
from bonecast.report.figures_model_blocks import block_comparison, block_differences
from bonecast.report.figures_model_calibration import calibration
from bonecast.report.figures_model_decision import decision_curves
from bonecast.report.figures_model_importance import importance
from bonecast.report.figures_model_outcome import outcome_by_risk_group
from bonecast.report.figures_model_roc import roc_by_horizon
from bonecast.report.figures_model_subgroups import subgroup_performance

BLOCKS = ("clinical", "hu", "radiomics", "multimodal")
LEARNERS = {
    "survival": {"penalised": "penalised_cox", "fine_gray": "fine_gray", "forest": "forest"},
    "binary": {"penalised": "penalised_logistic", "forest": "forest", "boosting": "boosting"},
    "continuous": {"penalised": "penalised_linear", "forest": "forest"},
}
DESIGNS = ("repeated_nested_cv", "leave_one_site_out", "temporal")
HORIZONS = {"survival": (1.0, 3.0, 5.0), "binary": (np.nan,), "continuous": (np.nan,)}
PER_HORIZON = ("auc_t", "brier", "oe_ratio", "calibration_slope", "ici")
OTHER = {
    "survival": ("c_index",),
    "binary": ("auc", "brier", "oe_ratio", "calibration_slope", "ici"),
    "continuous": ("r2", "rmse", "calibration_slope", "bias", "loa_lower", "loa_upper"),
}
CENTRE = {
    "oe_ratio": 1.04,
    "calibration_slope": 0.92,
    "ici": 0.021,
    "brier": 0.15,
    "rmse": 21.0,
    "r2": 0.42,
    "bias": 0.8,
    "loa_lower": -41.0,
    "loa_upper": 42.5,
}
"""Values of a first block; what is not named is an AUC of 0.62."""
SUBGROUPS = {
    "sex": ("F", "M"),
    "age_band": ("<65", "65-74", ">=75"),
    "site": ("north", "south", "east"),
    "scanner": ("Maker Model One of the Tenth Edition", "unknown"),
    "contrast_phase": ("none", "portal venous"),
}


DRAW = {
    "block_comparison": (block_comparison, ["metrics.tsv"]),
    "block_differences": (block_differences, ["metrics.tsv"]),
    "roc_by_horizon": (roc_by_horizon, ["roc_curves.tsv", "metrics.tsv"]),
    "calibration": (calibration, ["calibration_curves.tsv", "metrics.tsv"]),
    "decision_curves": (decision_curves, ["decision_curves.tsv", "metrics.tsv"]),
    "outcome_by_risk_group": (outcome_by_risk_group, ["predictions.parquet"]),
    "subgroup_performance": (subgroup_performance, ["subgroups.tsv", "metrics.tsv"]),
    "importance": (importance, ["importance.tsv", "coefficients.tsv"]),
    "predicted_observed": (predicted_observed, ["predictions.parquet", "metrics.tsv"]),
}
"""How a figure is drawn, and the tables it is drawn from."""
DPI = 50


class MadeUp:
    """Tables of one endpoint in a folder.

    Attributes:
        compared: what the figures are told of the configuration.
        n, events: patients, and those of them with an event.
    """

    def __init__(
        self,
        folder: Path,
        endpoint: str = "fracture",
        blocks=BLOCKS,
        scores=("frax_mof_pct",),
        designs=DESIGNS,
        n: int = 400,
    ):
        self.folder, self.endpoint, self.n = folder, endpoint, n
        self.kind, self.scores, self.designs = KINDS[endpoint], tuple(scores), tuple(designs)
        self.blocks = tuple(blocks)
        self.learners = LEARNERS[self.kind]
        self.horizons = HORIZONS[self.kind]
        self.compared = Comparison(endpoint, self.blocks, list(self.learners), self.designs)
        self.rng = np.random.default_rng(11)
        self.events = n // 8
        self.write()

    def path(self, name: str) -> Path:
        return self.folder / name

    def table(self, name: str) -> pd.DataFrame:
        """A table as written."""
        return pd.read_csv(self.path(name), sep="\t")

    def change(self, name: str, change) -> None:
        """Write a table again after `change(table)`."""
        change(self.table(name)).to_csv(self.path(name), sep="\t", index=False)

    def write(self) -> None:
        """Write every table."""
        self.folder.mkdir(parents=True, exist_ok=True)
        tables = {
            "metrics": self._metrics(),
            "subgroups": self._subgroups(),
            "calibration_curves": self._calibration(),
            "decision_curves": self._decision(),
            "roc_curves": self._roc(),
            "importance": self._importance(),
            "coefficients": self._coefficients(),
        }
        for name, rows in tables.items():
            if rows:
                pd.DataFrame(rows).to_csv(self.path(f"{name}.tsv"), sep="\t", index=False)
        self._predictions().to_parquet(self.path("predictions.parquet"), index=False)

    def draw(self, figure: str, name: str = "figure") -> dict[str, Path]:
        """Draw a figure; the paths of its files."""
        function, tables = DRAW[figure]
        kinds = ("pdf", "svg", "png", "csv")
        outputs = {kind: self.folder / f"{name}.{kind}" for kind in kinds}
        more = {"thresholds": [0.05, 0.2]} if figure == "decision_curves" else {}
        paths = [self.path(table) for table in tables]
        texts = {kind: str(path) for kind, path in outputs.items()}
        function(*paths, compared=self.compared, outputs=texts, dpi=DPI, **more)
        return outputs

    def rows(self, figure: str) -> pd.DataFrame:
        """Draw a figure but write its table alone; the numbers drawn."""
        with mock.patch.object(Figure, "savefig"):
            return pd.read_csv(self.draw(figure)["csv"])

    def empty(self) -> None:
        """Take every row out of every table."""
        for path in self.folder.glob("*.tsv"):
            path.write_text(path.read_text().splitlines()[0] + "\n")
        path = self.path("predictions.parquet")
        pd.read_parquet(path).iloc[:0].to_parquet(path)

    def _pairs(self, design: str) -> list[tuple[str, str]]:
        names = self.learners.values() if design == DESIGNS[0] else [self.primary]
        pairs = [(block, learner) for block in self.blocks for learner in names]
        return pairs + [(score, "supplied_score") for score in self.scores]

    @property
    def primary(self) -> str:
        return next(iter(self.learners.values()))

    def _value(self, metric: str, place: int) -> tuple[float, float, float]:
        centre = CENTRE.get(metric, 0.62)
        better = 0.02 * place * (-1 if metric in ("brier", "rmse", "ici") else 1)
        value = centre * (1 + better)
        half = 0.09 * abs(centre) if metric not in ("bias",) else 3.0
        return value, value - half, value + 1.1 * half

    def _metrics(self) -> list[dict]:
        rows = []
        for design in self.designs:
            for place, (block, learner) in enumerate(self._pairs(design)):
                shared = {"endpoint": self.endpoint, "design": design, "block": block}
                shared |= {"learner": learner, "threshold": np.nan, "reference": ""}
                numbers = {"n": self.n, "events": self._events(None)}
                for metric in OTHER[self.kind]:
                    rows.append(self._row(shared | numbers, metric, np.nan, place))
                if self.kind == "survival":
                    for horizon in self.horizons:
                        numbers = {"n": self.n, "events": self._events(horizon)}
                        for metric in PER_HORIZON:
                            rows.append(self._row(shared | numbers, metric, horizon, place))
                if learner == self.primary:
                    rows += self._differences(shared | numbers, place)
        return rows

    def _row(self, shared: dict, metric: str, horizon: float, place: int) -> dict:
        value, lower, upper = self._value(metric, place)
        numbers = {"value": value, "lower": lower, "upper": upper}
        return shared | {"metric": metric, "horizon_years": horizon} | numbers

    def _events(self, horizon):
        if self.kind == "continuous":
            return np.nan
        return self.events if horizon is None else int(self.events * horizon / self.horizons[-1])

    def _differences(self, shared: dict, place: int) -> list[dict]:
        rows = []
        for reference in (self.blocks[0], *self.scores):
            if reference == shared["block"]:
                continue
            for metric in PANEL_METRICS[self.kind]:
                scale = 4.0 if metric == "rmse" else 0.01
                value = scale * (place - 1)
                horizons = self.horizons if metric == "auc_t" else (np.nan,)
                for horizon in horizons:
                    numbers = {"metric": f"delta_{metric}", "horizon_years": horizon}
                    numbers |= {"value": value, "lower": value - 2 * scale}
                    numbers |= {"upper": value + 2.2 * scale, "reference": reference}
                    rows.append(shared | numbers)
        return rows

    def _subgroups(self) -> list[dict]:
        rows = []
        for subgroup, levels in SUBGROUPS.items():
            for place, level in enumerate(levels):
                few = level == "east"
                for metric, horizon in self._subgroup_metrics():
                    value, lower, upper = self._value(metric, 2 * place)
                    rows.append(
                        {
                            "endpoint": self.endpoint,
                            "design": self.designs[0],
                            "block": self.blocks[-1],
                            "learner": self.primary,
                            "metric": metric,
                            "horizon_years": horizon,
                            "threshold": np.nan,
                            "value": np.nan if few else value,
                            "lower": np.nan if few else lower - 0.04,
                            "upper": np.nan if few else upper + 0.04,
                            "n": 21 if few else self.n // 3,
                            "events": 4 if few else self.events // 3,
                            "reference": "",
                            "subgroup": subgroup,
                            "level": level,
                            "note": "fewer than 10 events" if few else "",
                        }
                    )
        return rows

    def _subgroup_metrics(self) -> list[tuple[str, float]]:
        last = self.horizons[-1]
        if self.kind == "survival":
            return [("c_index", np.nan), ("auc_t", last), ("oe_ratio", last)]
        return [(metric, np.nan) for metric in OTHER[self.kind][:3]]

    def _calibration(self) -> list[dict]:
        if self.kind == "continuous":
            return []
        rows = []
        for place, block in enumerate(self.blocks):
            for horizon in self.horizons:
                shared = {"endpoint": self.endpoint, "design": self.designs[0], "block": block}
                shared |= {"learner": self.primary, "horizon_years": horizon}
                risk = self.rng.beta(1.4, 9, self.n) * (0.7 + 0.3 * place)
                risk = risk.clip(0, 0.9)
                for p in np.quantile(risk, np.linspace(0.01, 0.99, 40)):
                    observed = 0.01 + 0.9 * p + 0.1 * p**2
                    band = 0.012 + 0.25 * p**1.4
                    numbers = {"lower": max(0, observed - band), "upper": observed + 1.2 * band}
                    rows.append(
                        shared | {"kind": "smooth", "predicted": p, "observed": observed} | numbers
                    )
                for part in np.array_split(np.sort(risk), 8):
                    observed = float((part.mean() + self.rng.normal(0, 0.02)).clip(0.005, 0.95))
                    half = 1.96 * np.sqrt(observed * (1 - observed) / len(part))
                    numbers = {"lower": max(0, observed - half), "upper": observed + half}
                    numbers |= {"predicted": part.mean(), "observed": observed, "n": len(part)}
                    rows.append(shared | {"kind": "group"} | numbers)
                counts, edges = np.histogram(risk, bins=np.linspace(0, 1, 51))
                for n, low in zip(counts, edges, strict=False):
                    rows.append(shared | {"kind": "histogram", "predicted": low + 0.01, "n": n})
        return rows

    def _decision(self) -> list[dict]:
        rows = []
        share = self.events / self.n
        for horizon in self.horizons if self.kind != "continuous" else ():
            shared = {
                "endpoint": self.endpoint,
                "design": self.designs[0],
                "horizon_years": horizon,
            }
            for threshold in np.arange(1, 100) / 100:
                odds = threshold / (1 - threshold)
                everyone = share - (1 - share) * odds
                curves = {"treat_all": everyone, "treat_none": 0.0}
                for place, block in enumerate(self.blocks):
                    gain = (0.35 + 0.1 * place) * share * (1 - np.exp(-12 * threshold))
                    curves[block] = (
                        max(everyone, 0) * np.exp(-9 * threshold) + gain - 0.2 * odds * share
                    )
                for block, value in curves.items():
                    learner = "" if block.startswith("treat") else self.primary
                    row = {"block": block, "learner": learner, "threshold": threshold}
                    row |= {"net_benefit": value, "lower": value - 0.012, "upper": value + 0.013}
                    rows.append(shared | row)
        return rows

    def _roc(self) -> list[dict]:
        rows = []
        grid = np.linspace(0, 1, 101)
        for horizon in self.horizons if self.kind != "continuous" else ():
            for place, (block, learner) in enumerate(self._pairs(self.designs[-1])):
                shared = {"endpoint": self.endpoint, "design": self.designs[0], "block": block}
                shared |= {"learner": learner, "horizon_years": horizon}
                power = max(0.1, 0.62 - 0.06 * place)
                rows += [shared | {"false_positive_rate": x, "sensitivity": x**power} for x in grid]
        return rows

    def _importance(self) -> list[dict]:
        metric = {"survival": "c_index", "binary": "auc", "continuous": "r2"}[self.kind]
        shared = {"endpoint": self.endpoint, "design": self.designs[0], "block": self.blocks[-1]}
        shared |= {"learner": self.primary, "metric": metric}
        rows = []
        for place, block in enumerate(self.blocks[:-1]):
            value = 0.05 - 0.018 * place
            row = {"kind": "block", "name": block, "value": value}
            rows.append(shared | row | {"lower": value - 0.015, "upper": value + 0.02})
        for place in range(6):
            row = {"kind": "column", "name": f"column_{place}", "value": 0.03 - 0.004 * place}
            rows.append(shared | row | {"lower": np.nan, "upper": np.nan})
        return rows

    def _coefficients(self) -> list[dict]:
        rows = []
        for block in self.blocks:
            for place in range(26):
                rows.append(
                    {
                        "endpoint": self.endpoint,
                        "block": block,
                        "learner": self.primary,
                        "cause": "fracture" if self.kind == "survival" else "",
                        "term": "age_years" if place == 0 else f"rad_texture_long_name_{place:02d}",
                        "from_block": block,
                        "median": 0.0,
                        "mean": 0.0,
                        "sd": 1.0,
                        "coefficient_per_sd": 0.5 * (-0.85) ** place,
                        "hazard_ratio_per_sd": np.exp(0.5 * (-0.85) ** place),
                        "selection_frequency": 1 - 0.02 * place,
                        "bootstrap_selection_frequency": 1 - 0.035 * place,
                    }
                )
        return rows

    def _predictions(self) -> pd.DataFrame:
        rng, n = self.rng, self.n
        names = [f"P{i:04d}" for i in range(n)]
        risk = rng.normal(0, 1, n)
        time = rng.exponential(14 / np.exp(0.9 * risk))
        death, stop = rng.exponential(30, n), rng.uniform(3, 8, n)
        event = np.where(time <= np.minimum(death, stop), 1, np.where(death <= stop, 2, 0))
        self.events = int((event == 1).sum())
        time = np.minimum(np.minimum(time, death), stop).round(3)
        tables = []
        for place, block in enumerate(self.blocks):
            for repeat in (1, 2):
                lp = risk + rng.normal(0, 1.2 - 0.2 * min(place, 4), n)
                cuts = np.quantile(lp, [1 / 3, 2 / 3])
                for horizon in self.horizons:
                    years = 1.0 if np.isnan(horizon) else horizon
                    predicted = 1 - np.exp(-years / 14 * np.exp(0.8 * lp))
                    if self.kind == "continuous":
                        predicted = 140 + 28 * lp
                    tables.append(
                        pd.DataFrame(
                            {
                                "participant_id": names,
                                "endpoint": self.endpoint,
                                "design": self.designs[0],
                                "block": block,
                                "learner": self.primary,
                                "repeat": repeat,
                                "fold": 1 + np.arange(n) % 5,
                                "horizon_years": horizon,
                                "lp": lp,
                                "predicted": predicted,
                                "threshold": 0.1,
                                "risk_group": np.searchsorted(cuts, lp),
                                "time_years": time,
                                "event": event,
                                "outcome": 140 + 28 * (risk + 0.3 * rng.normal(0, 1, n)),
                            }
                        )
                    )
        return pd.concat(tables, ignore_index=True)


@pytest.fixture
def made_up(tmp_path):
    """A function that writes made-up tables and returns them; see `MadeUp`."""

    def make(endpoint: str = "fracture", **options) -> MadeUp:
        return MadeUp(tmp_path / "made_up" / endpoint, endpoint, **options)

    return make
