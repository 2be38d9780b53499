"""What both checklists share: an answer with its evidence, and the words for it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bonecast.reasons import Reason
from bonecast.report.artefacts import Artefacts
from bonecast.report.methods_models import DESIGN_WORDS
from bonecast.report.tables import HEADLINE, METRIC_WORDS, block_name, counted, interval_text

FOLDER = Path(__file__).resolve().parents[3] / "resources" / "checklists"

TO_CONFIRM, NOT_APPLICABLE = "author to confirm", "not applicable"

FLEXIBLE = ("forest", "boosting")
"""Learners made of trees, beside a regression."""

CALIBRATION = ("oe_ratio", "calibration_slope", "ici", "bias")


@dataclass(frozen=True)
class Answer:
    """What the results say to one item.

    Attributes:
        status: one of the list's own words.
        evidence: numbers and names of files.
    """

    status: str
    evidence: str = ""


Answers = dict[str, Callable[[Artefacts], Answer]]


def read_list(name: str) -> pd.DataFrame:
    """A list of items as shipped, every cell as text."""
    return pd.read_csv(FOLDER / name, sep="\t", dtype=str, keep_default_na=False)


def percent(share: float) -> str:
    """A share as the texts print it: 12 %, and <1 % for what would round to nothing."""
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def enumerated(parts: Iterable[str]) -> str:
    """Parts joined by commas, the last by `and`."""
    *first, last = list(parts) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def listed(counts: dict, most: int = 8) -> str:
    """Names with their numbers, the rest only counted."""
    items = [f"{name} {n:,}" for name, n in list(counts.items())[:most]]
    others = len(counts) - len(items)
    return ", ".join(items) + (f" and {others} more" if others > 0 else "")


def cohort_words(artefacts: Artefacts) -> str:
    """Patients, events and follow-up in one line."""
    text = f"{artefacts.patients:,} patients"
    if artefacts.events is not None:
        # 363 patients, 116 with osteoporosis.
        text += f", {artefacts.events:,} {artefacts.event_words.removeprefix('patients ')}"
    if artefacts.person_years:
        text += f", {artefacts.deaths:,} deaths before fracture"
        text += f", {artefacts.person_years:,.0f} person-years"
    return text


def exclusion_words(artefacts: Artefacts) -> str:
    """Patients left out of the models by reason, in words."""
    counts = artefacts.exclusion_counts()
    if not counts:
        return "nobody was left out of the models"
    reasons = "; ".join(f"{Reason(r).sentence.rstrip('.')}: {n:,}" for r, n in counts.items())
    total = sum(counts.values())
    return f"{total:,} {'was' if total == 1 else 'were'} left out of the models ({reasons})"


def design_words(artefacts: Artefacts) -> str:
    """The validation designs in words, with folds, repeats and numbers where they are known."""
    texts = []
    for name, entry in artefacts.designs.items():
        facts = [
            counted(entry[key], noun)
            for key, noun in (("folds", "fold"), ("repeats", "repeat"))
            if entry.get(key, 1) > 1
        ]
        if "patients_held_out" in entry:
            facts.append(f"{counted(entry['patients_held_out'], 'patient')} held out")
        words = DESIGN_WORDS.get(name, name)
        texts.append(words + (f" ({', '.join(facts)})" if facts else ""))
    return "; ".join(texts)


def headline_metric(artefacts: Artefacts) -> str:
    """Name of the measure of discrimination shown first."""
    return HEADLINE[artefacts.kind]


def performance_words(artefacts: Artefacts) -> str:
    """Discrimination of every block with intervals, by the main learner and design."""
    metric = headline_metric(artefacts)
    rows = artefacts.metrics
    if rows.empty:
        return ""
    rows = rows[(rows["metric"] == metric) & (rows["design"] == artefacts.main_design)]
    rows = rows[rows["learner"] == artefacts.main_learner]
    texts = [
        f"{block_name(row.block)} {interval_text(row.value, row.lower, row.upper)}"
        for row in rows.drop_duplicates("block").itertuples()
    ]
    name = METRIC_WORDS.get(metric, metric)
    return f"{name} in {DESIGN_WORDS.get(artefacts.main_design, '')}: {'; '.join(texts)}"


def has_metric(artefacts: Artefacts, *names: str) -> bool:
    """Whether any of these was estimated."""
    if artefacts.metrics.empty:
        return False
    rows = artefacts.metrics[artefacts.metrics["metric"].isin(names)]
    return bool(rows["value"].notna().any())


def metric_words(artefacts: Artefacts) -> str:
    """Every measure that was estimated, by name."""
    if artefacts.metrics.empty:
        return ""
    names = artefacts.metrics["metric"].drop_duplicates()
    plain = [name for name in names if not name.startswith(("delta_", "apparent_", "optimism_"))]
    return ", ".join(METRIC_WORDS.get(name, name.replace("_", " ")) for name in plain)
