"""What jobs took, from the table that Snakemake writes of each of them: time, CPU, memory."""

import csv
import os
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

HOME = Path(__file__).resolve().parents[3]
"""The workflow's own folder."""


@dataclass(frozen=True)
class Use:
    """What the jobs of a rule took, each as it was made last.

    Attributes:
        rule: its name.
        jobs: how many there are benchmarks of.
        median_s, longest_s, total_s: of the jobs' times.
        cpu_s: of all jobs, user and system; None where none was measured.
        peak_mb: highest resident memory of a job; None where none was measured.
    """

    rule: str
    jobs: int
    median_s: float
    longest_s: float
    total_s: float
    cpu_s: float | None
    peak_mb: float | None


@dataclass(frozen=True)
class Benchmarks:
    """What a cohort's results took to make.

    Attributes:
        uses: by rule, in the order their first jobs ended.
        begun, ended: local time of the first job's start and the last one's end, by the files'
            dates; None where there are none.
    """

    uses: list[Use]
    begun: datetime | None
    ended: datetime | None


def read_benchmarks(folder: str | Path, home: str | Path = HOME) -> Benchmarks:
    """Every benchmark below a folder.

    Args:
        folder: `results/<cohort>/benchmarks`; may be missing.
        home: the workflow's folder, whose `scripts` name the rules.

    A file that is empty or cut off counts for nothing: its job did not end.
    """
    rules = sorted((path.stem for path in Path(home, "scripts").glob("*.py")), key=len)
    rows: dict[str, list[tuple[float, float | None, float | None]]] = defaultdict(list)
    first: dict[str, float] = {}
    spans: list[tuple[float, float]] = []
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            row = _row(path) if path.suffix == ".tsv" else None
            if row is None:
                continue
            rule, ended = _rule(path.stem, rules), path.stat().st_mtime
            rows[rule].append(row)
            first[rule] = min(ended, first.get(rule, ended))
            spans.append((ended - row[0], ended))
    uses = [_use(rule, rows[rule]) for rule in sorted(rows, key=lambda rule: (first[rule], rule))]
    begun = min((start for start, _ in spans), default=None)
    ended = max((end for _, end in spans), default=None)
    return Benchmarks(uses, _date(begun), _date(ended))


def _rule(stem: str, rules: list[str]) -> str:
    """The rule of a file such as segment_batch_001: the longest name it begins with."""
    fitting = [rule for rule in rules if stem == rule or stem.startswith(f"{rule}_")]
    return fitting[-1] if fitting else stem


def _use(rule: str, rows: list[tuple[float, float | None, float | None]]) -> Use:
    seconds = [row[0] for row in rows]
    cpu = [row[1] for row in rows if row[1] is not None]
    peaks = [row[2] for row in rows if row[2] is not None]
    return Use(
        rule,
        len(rows),
        median(seconds),
        max(seconds),
        sum(seconds),
        sum(cpu) if cpu else None,
        max(peaks, default=None),
    )


def _row(path: Path) -> tuple[float, float | None, float | None] | None:
    """Seconds, CPU seconds and peak memory in MB of one job."""
    with path.open(encoding="utf-8", newline="") as lines:
        row = next(csv.DictReader(lines, delimiter="\t"), {})
    seconds = _number(row.get("s"))
    if seconds is None:
        return None
    cpu_s, peak_mb = _number(row.get("cpu_time")), _number(row.get("max_rss"))
    # Snakemake looked at it once, before Python was there.
    return (seconds, None, None) if cpu_s == 0 else (seconds, cpu_s, peak_mb)


def _number(text: str | None) -> float | None:
    """A cell; Snakemake writes NA or - for what it could not see of a short job."""
    try:
        return float(text or "")
    except ValueError:
        return None


def _date(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds)
