"""`make status`: how the newest run of a working folder goes or went, and what to type next."""

import argparse
import contextlib
import csv
import os
import sys
from collections import Counter
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import fmean

from bonecast.reasons import Reason
from bonecast.run.estimate import Estimate, Pace, expected_end, paces
from bonecast.run.failures import failure_of
from bonecast.run.log import DONE, FAILURE, RUNNING, Run, newest_log, read_run, rule_messages

HOME = Path(__file__).resolve().parents[3]
"""The workflow's own folder."""

MAX_RUNNING = 16
MAX_FAILURES = 20
"""More than these are counted, not shown: a screen holds no more."""

MAX_EARLIER = 50
"""Benchmarks of earlier runs that are read for a rule without a finished job in this one."""

AGAIN = "the same command as before"


def main(arguments: list[str] | None = None) -> int:
    """Print how a run goes; 1 where jobs failed or it was cut off, 2 where there is no run."""
    parser = argparse.ArgumentParser(prog="status", description=__doc__)
    parser.add_argument("folder", nargs="?", default=".", help="working folder of the run")
    folder = Path(parser.parse_args(arguments).folder)
    path = newest_log(folder)
    if path is None:
        print(
            f"No run has begun in {folder}: there is no log of one in .snakemake/log. Name the "
            "folder that Snakemake was started in: make status RUN=folder."
        )
        return 2
    run = _read(path)
    is_alive = None if run.is_over else is_written(path)
    text = full_text(run, folder, datetime.now(), is_alive)
    with contextlib.suppress(BrokenPipeError):
        print(text)
    return 1 if run.stopped or run.of_state(FAILURE) or is_alive is False else 0


def end_text(log: str | Path, folder: str | Path = ".") -> str:
    """What is told at the end of a run: what failed and what to do; empty where all went well."""
    run = _read(Path(log))
    return "\n".join(_failures(run, folder, last_lines=False)) if run.of_state(FAILURE) else ""


def full_text(run: Run, folder: Path, now: datetime, is_alive: bool | None) -> str:
    """Everything about a run.

    Args:
        run: from its log.
        folder: its working folder.
        now: local time.
        is_alive: whether a process still writes the log; None where that cannot be seen from here.
    """
    earlier = earlier_seconds(run, folder)
    is_going_on = not run.is_over and is_alive is not False
    told = _head(run, now, is_alive)
    if run.totals:
        told += ["", *_table(run, paces(run, now, earlier), is_going_on)]
    if is_going_on and run.totals:
        told += ["", *_now(run, now), *_end(expected_end(run, now, earlier), now)]
        if is_alive is None:
            told.append(f"If Snakemake no longer runs where it was started: {_unlock(run)}.")
    if run.of_state(FAILURE):
        told += ["", *_failures(run, folder, last_lines=True)]
    elif not is_going_on:
        told += _next(run, is_alive)
    return "\n".join([*told, *_left_out(run, folder)])


def is_written(log: Path) -> bool | None:
    """Whether a process of this machine has a log open; None where that cannot be seen."""
    processes = Path("/proc")
    if not (processes / "self" / "fd").is_dir():
        return None
    target, unseen = log.resolve(), False
    for process in processes.glob("[0-9]*"):
        try:
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if str(descriptor.readlink()) == str(target):
                        return True
        except PermissionError:
            unseen = unseen or _is_snakemake(process)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return None if unseen or not _started_here(log) else False


def _is_snakemake(process: Path) -> bool:
    with contextlib.suppress(OSError):
        return b"snakemake" in (process / "cmdline").read_bytes()
    return False


def _started_here(log: Path) -> bool:
    """Whether the run was started on this machine: a log in a shared folder may be another's."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        host = next((line for line in islice(lines, 40) if line.startswith("  Host: ")), "")
    return host.removeprefix("  Host: ").strip() == os.uname().nodename


def earlier_seconds(run: Run, folder: Path) -> dict[str, float]:
    """Mean seconds of a job of each rule that has none finished in this run, from benchmarks."""
    finished = {job.rule for job in run.of_state(DONE)}
    # A rule without a script is a target: nothing is done in it.
    found = {rule: 0.0 for rule in run.totals if not (HOME / "scripts" / f"{rule}.py").is_file()}
    for rule in run.totals.keys() - finished - found.keys():
        paths: list[Path] = []
        for form in (f"participants/*/{rule}.tsv", f"{rule}*.tsv", f"*/{rule}*.tsv"):
            if not paths:
                benchmarks = folder.glob(f"results/*/benchmarks/{form}")
                paths = list(islice(benchmarks, MAX_EARLIER))
        seconds = [value for path in paths if (value := _seconds(path)) is not None]
        if seconds:
            found[rule] = fmean(seconds)
    return found


def _seconds(benchmark: Path) -> float | None:
    try:
        with benchmark.open(encoding="utf-8", newline="") as lines:
            return float(next(csv.DictReader(lines, delimiter="\t"))["s"])
    except (OSError, StopIteration, KeyError, ValueError):
        return None


def _read(path: Path) -> Run:
    with path.open(encoding="utf-8", errors="replace") as lines:
        return read_run(lines, rule_messages(HOME))


def _head(run: Run, now: datetime, is_alive: bool | None) -> list[str]:
    what = f"Run of cohort {run.cohort}" if run.cohort else "Run"
    if run.stopped:
        return [f"{what} stopped before any job:", *(f"  {line}" for line in run.stopped[:40])]
    if run.nothing:
        return [f"{what}: nothing was to be done, all that was asked for was there."]
    if run.is_over and not run.totals:
        return [f"{what}: over. Its log tells no jobs: was Snakemake started with --quiet?"]
    if run.started is None or run.told is None:
        return [f"{what}: planning, no job has begun."]
    begun = f"{what}, begun {run.started:%Y-%m-%d %H:%M}"
    if run.is_over:
        state = f"over at {_clock(run.told, run.started)} after {span(run.told - run.started)}"
    elif is_alive is False:
        last = _clock(run.told, run.started)
        state = f"cut off: Snakemake no longer runs; its last word is of {last}"
    else:
        state = f"going on for {span(now - run.started)}"
        if is_alive is None:
            state += f", as far as can be seen from here; last word {span(now - run.told)} ago"
    share = f" ({100 * run.done / run.total:.0f}%)" if run.total else ""
    failed = len(run.of_state(FAILURE))
    counts = f"{run.done:,} of {run.total:,} jobs done{share}"
    return [f"{begun}: {state}", counts + (f", {failed:,} failed" if failed else "")]


def _table(run: Run, pace: dict[str, Pace], is_going_on: bool) -> list[str]:
    states = {
        state: Counter(job.rule for job in run.of_state(state)) for state in (RUNNING, FAILURE)
    }
    width = max(map(len, run.totals))
    begun = "running" if is_going_on else "" if run.is_over else "cut off"
    rows = [f"{'rule':{width}}     done       of {begun:>8}   failed  mean time"]
    for rule, total in run.totals.items():
        known = pace[rule]
        running, failed = (states[state][rule] or "" for state in (RUNNING, FAILURE))
        taken = "" if known.seconds is None else span(timedelta(seconds=known.seconds))
        row = f"{rule:{width}} {known.done:8,} {total:8,} {running:>8} {failed:>8}  {taken:>9}"
        rows.append(row.rstrip())
    return rows


def _now(run: Run, now: datetime) -> list[str]:
    running = run.of_state(RUNNING)
    if not running:
        return ["No job runs at the moment."]
    told = [f"Running or queued now: {len(running):,}, the longest first"]
    for job in running[:MAX_RUNNING]:
        since = f"since {job.started:%H:%M:%S}, {span(now - job.started)}" if job.started else ""
        again = f", attempt {job.attempts}" if job.attempts > 1 else ""
        told.append(f"  {job.about or job.rule}: {since}{again}")
    return told + (["  ..."] if len(running) > MAX_RUNNING else [])


def _end(estimate: Estimate, now: datetime) -> list[str]:
    few = ", ".join(estimate.without[:5]) + (", ..." if len(estimate.without) > 5 else "")
    if estimate.seconds is None:
        why = f"no job of {few} has ended here yet" if few else "too few jobs have ended"
        return [f"Expected end: cannot be said, {why}"]
    end = now + timedelta(seconds=estimate.seconds)
    later = " or later" if few else ""
    left = span(timedelta(seconds=estimate.seconds))
    told = [
        f"Expected end: about {_clock(end, now)}{later}, {left} from now",
        "  (jobs to come times the mean time of those of their rule that are done; "
        f"{estimate.at_a_time:.1f} ran at a time so far)",
    ]
    return told + ([f"  On top: {few}, never run here yet"] if few else [])


def _failures(run: Run, folder: str | Path, last_lines: bool) -> list[str]:
    failed = run.of_state(FAILURE)
    shown = [failure_of(job, folder) for job in failed[:MAX_FAILURES]]
    told = [f"Failed: {len(failed):,}"]
    for failure in shown:
        told.append(f"  {failure.rule} {failure.who}".rstrip() + f": {failure.reason}")
        told += [f"    {failure.log}"] if failure.log else []
        told += [f"    | {line}" for line in failure.last_lines] if last_lines else []
    if len(failed) > MAX_FAILURES:
        told.append(f"  ... and {len(failed) - MAX_FAILURES:,} more; all in .snakemake/log")
    everyone = sorted({failure.participant for failure in shown if failure.is_of_scan})
    return told + ["", *_advice(everyone, len(failed) > MAX_FAILURES)]


def _advice(participants: list[str], are_more: bool) -> list[str]:
    told = [
        "What next: put the cause right, then type " + AGAIN + ".",
        "  What is done stays; only what failed and what needs it is made.",
    ]
    if participants:
        names = ", ".join(participants) + (", ..." if are_more else "")
        told += [
            "  To go on without them (they are listed as left out, reason set_aside), add to your",
            "  configuration file and type " + AGAIN + ":",
            "    cohort:",
            f"      set_aside: [{names}]",
        ]
    return told


def _unlock(run: Run) -> str:
    """How to go on after the main process died."""
    first = ""
    if run.on_cluster:
        first = "cancel the jobs it left on the cluster (docs/clusters.md, Resume), then "
    return f"{first}type {AGAIN} with --unlock, then {AGAIN}"


def _next(run: Run, is_alive: bool | None) -> list[str]:
    if is_alive is False and not run.is_over:
        what = f"{_unlock(run)}. What is done stays."
    elif run.stopped:
        what = f"put that right, then type {AGAIN}."
    elif run.done < run.total:
        what = f"not all was made; type {AGAIN}."
    else:
        return []
    return ["", f"What next: {what}"]


def _left_out(run: Run, folder: Path) -> list[str]:
    """How many scans the tables list as left out, by reason."""
    path = folder / "results" / run.cohort / "tables" / "exclusions.tsv"
    if not run.cohort or not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        counts = Counter(row["reason"] for row in csv.DictReader(lines, delimiter="\t"))
    if not counts:
        return ["", "Left out of the tables: nobody."]
    told = ["", f"Left out of the tables: {counts.total():,} scans ({path.relative_to(folder)})"]
    return told + [f"  {n:6,}  {reason}: {_sentence(reason)}" for reason, n in counts.most_common()]


def _sentence(reason: str) -> str:
    try:
        return Reason(reason).sentence
    except ValueError:
        return ""


def span(time: timedelta) -> str:
    """A duration in two units at most: 45 s, 12 min, 3 h 05 min, 2 d 4 h."""
    seconds = max(0, round(time.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    minutes, hours = seconds // 60, seconds // 3600
    if hours < 1:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes % 60:02} min"
    return f"{hours // 24} d {hours % 24} h"


def _clock(time: datetime, beside: datetime) -> str:
    """A time of day, with its date where that is another."""
    return f"{time:%H:%M}" if time.date() == beside.date() else f"{time:%Y-%m-%d %H:%M}"


if __name__ == "__main__":
    sys.exit(main())
