"""What a table of results says: medians, ratios in the same round, and where a run's time goes."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WHOLE, SNAKEMAKE = "whole run", "Snakemake itself"
"""Steps of a run that are no rules."""


@dataclass(frozen=True)
class Spread:
    """Median of some rounds, with the least and the largest."""

    middle: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{number(self.middle)} ({number(self.least)} to {number(self.most)})"


@dataclass(frozen=True)
class Line:
    """One contender of a case.

    Attributes:
        part, case, contender, role: as in the table.
        rounds: how many there are.
        cpu_s, wall_s, peak_mb: medians.
        facts: medians of what it told of itself.
        cpu_times, wall_times: what it took divided by what ours took in the same round; None for
            ours, and where ours failed.
    """

    part: str
    case: str
    contender: str
    role: str
    rounds: int
    cpu_s: float
    wall_s: float
    peak_mb: float
    facts: dict[str, float]
    cpu_times: Spread | None
    wall_times: Spread | None


@dataclass(frozen=True)
class Step:
    """What one rule took in a run, all its jobs together; CPU and wall in seconds, peak in MB.

    Attributes:
        start_cpu_s: spent before the work began: Python's start and imports.
        share: of the run's CPU seconds.
    """

    name: str
    jobs: int
    cpu_s: float
    start_cpu_s: float
    wall_s: float
    peak_mb: float
    share: Spread


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values: Iterable[float]) -> Spread | None:
    """None of no values."""
    found = list(values)
    return Spread(statistics.median(found), min(found), max(found)) if found else None


def facts_of(row: dict) -> dict[str, float]:
    """The column `facts` of a row."""
    pairs = (word.partition("=") for word in row["facts"].split())
    return {name: float(value) for name, _, value in pairs}


def merge(old: Sequence[dict], new: Sequence[dict]) -> list[dict]:
    """Rows of both; a case that was measured again has its new rows alone.

    They keep the order of the parts and cases in `old`; what is new comes after them.
    """
    cases = dict.fromkeys((row["part"], row["case"]) for row in (*old, *new))
    again = {(row["part"], row["case"]) for row in new}
    kept = [row for row in old if (row["part"], row["case"]) not in again]
    places = {case: place for place, case in enumerate(cases)}
    return sorted((*kept, *new), key=lambda row: places[row["part"], row["case"]])


def lines(rows: Sequence[dict]) -> list[Line]:
    """One for each contender of each contest, ours first."""
    contests: dict[tuple[str, str], dict[str, dict[str, dict]]] = {}
    for row in rows:
        if row["role"] != "step":
            case = contests.setdefault((row["part"], row["case"]), {})
            case.setdefault(row["contender"], {})[row["round"]] = row
    found = []
    for everyone in contests.values():
        roles = {name: next(iter(taken.values()))["role"] for name, taken in everyone.items()}
        ours = next((everyone[name] for name, role in roles.items() if role == "ours"), {})
        for name in sorted(everyone, key=lambda name: roles[name] != "ours"):
            found.append(_line(everyone[name], {} if roles[name] == "ours" else ours))
    return found


def _line(taken: dict[str, dict], ours: dict[str, dict]) -> Line:
    """A contender's rounds, with ours to compare."""
    rows = list(taken.values())
    common = [number for number in taken if number in ours]

    def times(column: str) -> Spread | None:
        return spread(float(taken[n][column]) / float(ours[n][column]) for n in common)

    facts = [facts_of(row) for row in rows]
    return Line(
        *(rows[0][column] for column in ("part", "case", "contender", "role")),
        len(rows),
        *(statistics.median(float(row[c]) for row in rows) for c in ("cpu_s", "wall_s", "peak_mb")),
        {key: statistics.median(one[key] for one in facts if key in one) for key in facts[0]},
        times("cpu_s"),
        times("wall_s"),
    )


def steps(rows: Sequence[dict]) -> list[Step]:
    """The steps of the whole run, those with most CPU seconds first, the whole run last."""
    found: dict[str, list[dict]] = {}
    for row in rows:
        if row["role"] == "step":
            found.setdefault(row["contender"], []).append(row)
    if not found:
        return []
    whole = {row["round"]: float(row["cpu_s"]) for row in found[WHOLE]}
    listed = []
    for name, taken in found.items():
        facts = [facts_of(row) for row in taken]
        listed.append(
            Step(
                name,
                int(facts[0].get("jobs", 0)),
                statistics.median(float(row["cpu_s"]) for row in taken),
                statistics.median(one.get("start_cpu_s", 0.0) for one in facts),
                statistics.median(float(row["wall_s"]) for row in taken),
                max(float(row["peak_mb"]) for row in taken),
                spread(float(row["cpu_s"]) / whole[row["round"]] for row in taken),
            )
        )
    return sorted(listed, key=lambda step: (step.name == WHOLE, -step.cpu_s))


def scans_of(rows: Sequence[dict]) -> int:
    """How many scans the whole run had; 0 where there is none."""
    return next((int(facts_of(row)["scans"]) for row in rows if row["role"] == "step"), 0)


def costs(listed: Sequence[Step], scans: int) -> dict[str, float]:
    """CPU seconds of a run by what they grow with.

    A rule with a job for every scan, and the segmentation, is the scans'; Snakemake is its own; all
    others are the cohort's.

    Returns:
        a_scan, segmentation (of a scan, within it), start (of a scan, within it), the_cohort,
        snakemake.
    """
    network = [step for step in listed if step.name == "segment_batch"]
    each = [step for step in listed if step.jobs == scans and step.name != WHOLE]
    own = {step.name for step in (*each, *network)} | {WHOLE, SNAKEMAKE}
    each += [step for step in network if step not in each]
    return {
        "a_scan": sum(step.cpu_s for step in each) / scans,
        "segmentation": sum(step.cpu_s for step in network) / scans,
        "start": sum(step.start_cpu_s for step in each) / scans,
        "the_cohort": sum(step.cpu_s for step in listed if step.name not in own),
        "snakemake": sum(step.cpu_s for step in listed if step.name == SNAKEMAKE),
    }
