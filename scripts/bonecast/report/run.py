"""What the report says of the run itself: when, how long, how much memory, which code, where."""

import os
import subprocess
from datetime import date
from pathlib import Path

from bonecast.run.benchmarks import Use, read_benchmarks
from bonecast.versions import machine_facts, python_version, source_facts

MB_PER_GB = 1000
COMMIT_LETTERS = 12


def run_facts(benchmarks: str | Path) -> dict:
    """What the section on the run prints.

    Everything here may differ between two runs that give the same tables. Dates are of the run,
    not of a patient; no host, user or folder is named.

    Args:
        benchmarks: folder of the cohort's benchmarks.

    Returns:
        written, begun, ended: dates; jobs; hours, cpu_hours: of all jobs; rows: text of the table;
        code: words; python; machine: words.
    """
    found = read_benchmarks(benchmarks)
    return {
        "written": date.today(),
        "begun": found.begun,
        "ended": found.ended,
        "jobs": sum(use.jobs for use in found.uses),
        "hours": sum(use.total_s for use in found.uses) / 3600,
        "cpu_hours": sum(use.cpu_s or 0.0 for use in found.uses) / 3600,
        "rows": [_row(use) for use in found.uses],
        "code": _code(),
        "python": python_version(),
        "machine": ", ".join(_machine()),
    }


def _row(use: Use) -> dict[str, str]:
    cpu = "" if use.cpu_s is None else f"{use.cpu_s:,.1f}"
    peak = "" if use.peak_mb is None else f"{use.peak_mb / MB_PER_GB:,.2f}"
    return {
        "rule": use.rule,
        "jobs": f"{use.jobs:,}",
        "median": f"{use.median_s:,.1f}",
        "longest": f"{use.longest_s:,.1f}",
        "cpu": cpu,
        "peak": peak,
    }


def _code() -> str:
    """Version and commit of Bonecast."""
    code = source_facts()
    if code["commit"] is None:
        return f"Bonecast {code['version']}, digest of the code {code['sha256'][:COMMIT_LETTERS]}"
    edited = ", edited since" if code["dirty"] else ""
    return f"Bonecast {code['version']}, commit {code['commit'][:COMMIT_LETTERS]}{edited}"


def _machine() -> list[str]:
    """Kind of the machine that writes the report."""
    facts = machine_facts()
    words = [f"{facts['system']} {facts['architecture']}", facts["processor"]]
    words.append(f"{facts['cores']} cores")
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        words.append(f"{memory / 1e9:,.0f} GB memory")
    return [word for word in (*words, *_gpus()) if word]


def _gpus() -> list[str]:
    """Models of NVIDIA GPUs, none where their driver is not there."""
    try:
        told = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return told.stdout.split("\n") if told.returncode == 0 else []
