"""Runs of the workflow of which every job tells what it took."""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from contest import PROJECT, ContestError, Taken, run

TRACE = Path(__file__).resolve().parent / "trace"


def run_workflow(
    folder: Path,
    config: dict,
    targets: Sequence[str],
    cores: int = 1,
    more: Sequence[str] = (),
) -> tuple[Taken, list[dict]]:
    """Run Snakemake with this project's rules in `folder`.

    Args:
        folder: the working directory.
        config: what differs from config.yaml.
        targets: rules or files.
        cores: as in `snakemake --cores`.
        more: options of Snakemake.

    Returns:
        What the whole run took, jobs included, and a dict of each job: rule, wall_s, cpu_s,
        peak_mb of its process with those it started, and start_cpu_s, start_wall_s of them spent
        until its work began (Python's start, imports).

    Raises:
        ContestError: it failed, or told of no job.
    """
    settings = folder / "config_of_run.json"
    settings.write_text(json.dumps(config), encoding="utf-8")
    words = [sys.executable, "-m", "snakemake", "--cores", cores, "--quiet", "all"]
    words += ["--snakefile", PROJECT / "Snakefile", "--directory", folder]
    words += [*more, "--configfile", settings, "--", *targets]
    with tempfile.TemporaryDirectory() as trace:
        whole = run(words, {"PYTHONPATH": str(TRACE), "BONECAST_TRACE": trace})
        jobs = [json.loads(path.read_text(encoding="utf-8")) for path in Path(trace).iterdir()]
    if not jobs:
        raise ContestError("no job told what it took: was everything made already?")
    return whole, jobs


def sum_of(jobs: Sequence[dict], prefixes: Sequence[str] = ("",)) -> Taken:
    """Jobs of the rules whose names begin with one of `prefixes`, added up.

    Raises:
        ContestError: there are none.
    """
    chosen = [job for job in jobs if job["rule"].startswith(tuple(prefixes))]
    if not chosen:
        raise ContestError(f"no job of a rule {' or '.join(prefixes)}*")
    start = {key: sum(job[key] for job in chosen) for key in ("start_cpu_s", "start_wall_s")}
    return Taken(
        sum(job["wall_s"] for job in chosen),
        sum(job["cpu_s"] for job in chosen),
        max(job["peak_mb"] for job in chosen),
        {"jobs": len(chosen), **start},
    )
