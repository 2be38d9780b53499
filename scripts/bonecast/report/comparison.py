"""What of the models a figure shows: order and names of blocks, learners, designs and metrics."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from bonecast.model import SUPPLIED
from bonecast.model.outcome import KINDS
from bonecast.report.palette import SERIES
from bonecast.report.tables import METRIC_WORDS, block_name, counted, headline_block, main_design

LEARNER_WORDS = {
    "penalised_cox": "Penalised Cox",
    "penalised_logistic": "Penalised logistic",
    "penalised_linear": "Penalised linear",
    "fine_gray": "Fine\N{EN DASH}Gray",
    "forest": "Forest",
    "boosting": "Boosting",
    SUPPLIED: "Supplied score",
}
DESIGN_WORDS = {
    "repeated_nested_cv": "Repeated nested cross-validation",
    "leave_one_site_out": "Leave one site out",
    "temporal": "Temporal split",
    "external": "External cohort",
    "optimism_bootstrap": "Optimism bootstrap",
}
SCORE_WORDS = {"frax_mof_pct": "FRAX, major", "frax_hip_pct": "FRAX, hip"}
PANEL_METRICS = {
    "survival": ("c_index", "auc_t"),
    "binary": ("auc", "brier"),
    "continuous": ("r2", "rmse"),
}
"""The two metrics by which blocks are compared, by kind of endpoint."""
LOWER_IS_BETTER = {"brier", "rmse"}
NEUTRAL = {"c_index": 0.5, "auc_t": 0.5, "auc": 0.5, "r2": 0.0, "oe_ratio": 1.0}
"""Value of a model that knows nothing, or for `oe_ratio` of one that is right on average."""

DASHES = ((0, (5, 1.5)), (0, (6, 1.5, 1.2, 1.5)), (0, (1.5, 1.2)))

MAX_NAME = 22
NO_MODEL = "No model was fitted, so there is nothing to show."


@dataclass(frozen=True)
class Comparison:
    """What was compared, in the order of the configuration.

    Attributes:
        endpoint: fracture, osteoporosis or bmd.
        blocks, learners, designs: as configured; learners without the outcome in their name
            (penalised, not penalised_cox).
    """

    endpoint: str
    blocks: Sequence[str]
    learners: Sequence[str]
    designs: Sequence[str]

    @property
    def kind(self) -> str:
        """survival, binary or continuous."""
        return KINDS[self.endpoint]

    @property
    def metrics(self) -> tuple[str, str]:
        """The two metrics by which blocks are compared."""
        return PANEL_METRICS[self.kind]

    @property
    def headline(self) -> str:
        """The block shown where only one can be."""
        return headline_block(self.blocks)

    def order_blocks(self, present: Iterable[str]) -> list[str]:
        """Blocks of a table: those configured, then scores and others by name."""
        return _ordered(present, self.blocks)

    def order_learners(self, present: Iterable[str]) -> list[str]:
        """Learners of a table in the configured order, supplied scores last."""
        names = set(present)
        ordered = [
            name
            for stem in self.learners
            for name in sorted(names)
            if name == stem or name.startswith(f"{stem}_")
        ]
        return ordered + sorted(names - set(ordered), key=lambda name: (name == SUPPLIED, name))

    def order_designs(self, present: Iterable[str]) -> list[str]:
        """Designs of a table in the configured order."""
        return _ordered(present, self.designs)

    def primary(self, table: pd.DataFrame, design: str | None = None) -> pd.DataFrame:
        """Rows of one design and its first configured learner; supplied scores stay.

        Args:
            design: None takes the main one, see `tables.main_design`.
        """
        if table.empty:
            return table
        wanted = design or main_design(self.order_designs(table["design"]))
        table = table[table["design"] == wanted]
        learner = self.primary_learner(table)
        return table[table["learner"].isin([learner, SUPPLIED, ""])]

    def primary_learner(self, table: pd.DataFrame) -> str:
        """The first configured learner that the table has."""
        learners = [name for name in self.order_learners(table["learner"]) if name]
        return learners[0] if learners else ""

    def at_last_horizon(self, table: pd.DataFrame) -> pd.DataFrame:
        """Rows at the longest horizon, and those that have none."""
        horizon = table["horizon_years"]
        return table[horizon.isna() | (horizon == horizon.max())]

    def colour(self, block: str, present: Iterable[str] = ()) -> str:
        """The colour of a block, the same in every figure."""
        return SERIES[self.place(block, present) % len(SERIES)]

    def dash(self, block: str, present: Iterable[str] = ()) -> object:
        """The dash pattern of a block's line: solid for the headline block."""
        if block == self.headline:
            return "-"
        return DASHES[self.place(block, present) % len(DASHES)]

    def about(self, table: pd.DataFrame, people: str = "") -> str:
        """Learner, design and numbers of patients, as a line above a figure."""
        learner, design = self.primary_learner(table), table["design"].iloc[0]
        return "; ".join(
            filter(None, (shown_learner(learner), shown_design(design).lower(), people))
        )

    def place(self, block: str, present: Iterable[str] = ()) -> int:
        """Position of a block among those configured and, after them, those of a table."""
        order = _ordered([*self.blocks, *present, block], self.blocks)
        return order.index(block)

    def people(self, table: pd.DataFrame) -> str:
        """How many patients and events the rows of a table of metrics stand for."""
        known = table.dropna(subset=["n"])
        if known.empty:
            return ""
        row = known.loc[known["n"].idxmax()]
        text = counted(int(row["n"]), "patient")
        if self.kind == "continuous" or pd.isna(row["events"]):
            return text
        horizon = known["horizon_years"].max() if self.kind == "survival" else float("nan")
        until = "" if pd.isna(horizon) else f" by {years(horizon)}"
        return f"{text}, {self.events(int(row['events']))}{until}"

    def events(self, n: int) -> str:
        """A number of events with their name."""
        return counted(n, "fracture") if self.kind == "survival" else f"{n:,} with {self.endpoint}"


def _ordered(present: Iterable[str], configured: Sequence[str]) -> list[str]:
    names = {name for name in present if name}
    return [name for name in configured if name in names] + sorted(names - set(configured))


def shown_block(block: str) -> str:
    """A block or a supplied score as the figures call it."""
    return clipped(SCORE_WORDS.get(block, block_name(block).replace("_", " ")), MAX_NAME)


def clipped(text: str, length: int) -> str:
    """Text with its end cut off where it is longer; the table beside a figure has all of it."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"


def shown_learner(learner: str) -> str:
    """A learner as the figures call it."""
    return LEARNER_WORDS.get(learner, learner.replace("_", " "))


def shown_design(design: str) -> str:
    """A validation design as the figures call it."""
    return DESIGN_WORDS.get(design, design.replace("_", " "))


def shown_metric(metric: str, horizon_years: float | None = None) -> str:
    """A metric as the figures call it, with its horizon where it has one."""
    name = METRIC_WORDS.get(metric, metric.replace("_", " "))
    if horizon_years is None or pd.isna(horizon_years):
        return name
    return f"{name} at {years(horizon_years)}"


def years(horizon_years: float) -> str:
    """A horizon in words: 1 year, 2.5 years."""
    return f"{horizon_years:g} year{'' if horizon_years == 1 else 's'}"
