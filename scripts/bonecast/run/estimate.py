"""When a run may end: what remains, at the pace so far."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bonecast.run.log import DONE, FAILURE, RUNNING, Job, Run

ENOUGH_JOBS = 3
"""Fewer jobs of a rule say little about the others, where many are to come."""

FEW = 20
"""Jobs to come of a rule that has not run yet, at most, that an estimate may leave out."""


@dataclass(frozen=True)
class Pace:
    """How fast the jobs of a rule go.

    Attributes:
        done: how many are done in this run.
        left: how many are not, running ones included, failed ones not.
        seconds: mean of those done, of an earlier run where there are none; None without either.
        at_a_time: mean number of jobs that ran while one did; None where none did.
    """

    done: int
    left: int
    seconds: float | None
    at_a_time: float | None


@dataclass(frozen=True)
class Estimate:
    """How long a run goes on.

    Attributes:
        seconds: from now; None where it cannot be said.
        without: rules of jobs to come whose time nobody knows yet: `seconds` is the least then.
        at_a_time: mean number of jobs that ran together so far.
    """

    seconds: float | None
    without: list[str]
    at_a_time: float | None


def paces(run: Run, now: datetime, earlier: Mapping[str, float] | None = None) -> dict[str, Pace]:
    """How fast each planned rule goes.

    Args:
        earlier: rule to seconds of a job in runs before this one.
    """
    of_rule: dict[str, list[Job]] = defaultdict(list)
    for job in run.jobs.values():
        of_rule[job.rule].append(job)
    found = {}
    for rule, total in run.totals.items():
        jobs = of_rule[rule]
        taken = [job.seconds for job in jobs if job.state == DONE and job.seconds is not None]
        seconds = sum(taken) / len(taken) if taken else (earlier or {}).get(rule)
        done = sum(job.state == DONE for job in jobs)
        left = total - sum(job.state in (DONE, FAILURE) for job in jobs)
        found[rule] = Pace(done, left, seconds, at_a_time(jobs, now))
    return found


def at_a_time(jobs: Iterable[Job], now: datetime) -> float | None:
    """Mean number of jobs that ran together, over the time in which any did."""
    spans = sorted((job.started, job.ended or now) for job in jobs if job.started)
    together = sum((end - start).total_seconds() for start, end in spans)
    covered, until = 0.0, None
    for start, end in spans:
        if until is None or end > until:
            covered += (end - max(start, until or start)).total_seconds()
            until = end
    return together / covered if covered > 0 else None


def expected_end(run: Run, now: datetime, earlier: Mapping[str, float] | None = None) -> Estimate:
    """How long a run goes on if the rest goes as what is done.

    Work is jobs left times the mean time of those done, less what running jobs have behind them.
    It is divided by how many jobs ran together. No rule ends sooner than its own jobs allow at
    the number that ran together of it: segmentations take turns on one GPU while sixteen
    conversions run. Waiting in a cluster's queue counts as running, in both numbers.

    Args:
        run: that goes on.
        now: local time, as in the log.
        earlier: rule to seconds of a job in runs before this one.
    """
    pace = paces(run, now, earlier)
    overall = at_a_time(run.jobs.values(), now)
    to_come = {rule: p for rule, p in pace.items() if p.left > 0}
    unknown = [rule for rule, p in to_come.items() if p.seconds is None]
    many_unknown = any(
        p.left > FEW and p.done < ENOUGH_JOBS and rule not in (earlier or {})
        for rule, p in to_come.items()
    )
    left_unknown = sum(to_come[rule].left for rule in unknown)
    left_known = sum(p.left for p in to_come.values()) - left_unknown
    if overall is None or many_unknown or left_unknown > left_known:
        return Estimate(None, unknown, overall)
    behind: dict[str, float] = defaultdict(float)
    for job in run.of_state(RUNNING):
        if job.started and (known := pace.get(job.rule)) and known.seconds:
            behind[job.rule] += min((now - job.started).total_seconds(), known.seconds)
    work = {
        rule: p.left * p.seconds - behind[rule]
        for rule, p in to_come.items()
        if p.seconds is not None
    }
    lanes = {rule: pace[rule].at_a_time or min(overall, pace[rule].left) for rule in work}
    alone = [seconds / lanes[rule] for rule, seconds in work.items()]
    seconds = max([sum(work.values()) / overall, *alone], default=0.0)
    return Estimate(float(math.ceil(seconds)), unknown, overall)
