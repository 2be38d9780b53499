"""Times what Snakemake itself takes for cohorts of growing size: `make bench`.

The cohorts are empty folders, planned with the real rules and the default configuration, so that
no scan is opened. For each size, in processes of their own:

- reading the rules and planning one scan: what every job of a cluster does before its work;
- a dry run of everything;
- with --finished, a run whose outputs are there already and only touched, which writes Snakemake's
  records of every job, and after it a run that finds nothing to do.

Counted are CPU seconds, which another's load disturbs less, and the largest process. With --out a
table is added to a TSV file that `draw_planning.py` draws.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
COLUMNS = ("participants", "what", "jobs", "wall_s", "cpu_s", "peak_mb")


@dataclass(frozen=True)
class Taken:
    """What a process took, and what it printed."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    text: str


def fabricate(folder: Path, participants: int) -> None:
    """A cohort of empty folders and its configuration."""
    for number in range(participants):
        (folder / "cohort" / f"p{number:06d}").mkdir(parents=True)
    config = f"cohort:\n  name: bench\n  input: {folder / 'cohort'}\n"
    (folder / "config.yaml").write_text(config, encoding="utf-8")


def snakemake(folder: Path, *arguments: str) -> Taken:
    """Run Snakemake over a fabricated cohort; its memory is that of this one process."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile")]
    command += ["--directory", str(folder), "--cores", "1", *arguments]
    command += ["--configfile", str(folder / "config.yaml")]
    with tempfile.TemporaryFile("w+") as out:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read()
    if process.returncode:
        raise SystemExit(text[-3000:])
    return Taken(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


def count_jobs(text: str) -> int:
    """Total of the table of jobs of a dry run."""
    rows = (line.split() for line in text.partition("Job stats:")[2].splitlines())
    return next((int(row[1]) for row in rows if row[:1] == ["total"]), 0)


def make_outputs(folder: Path) -> None:
    """An empty file for everything that the rules make."""
    table = snakemake(folder, "--summary").text.splitlines()
    start = next(i for i, line in enumerate(table) if line.startswith("output_file\t"))
    for row in csv.DictReader(table[start:], delimiter="\t"):
        path = folder / row["output_file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def measure(participants: int, finished: bool) -> Iterable[dict[str, object]]:
    """Rows of the table for one size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fabricate(folder, participants)

        def row(what: str, jobs: int, taken: Taken) -> dict[str, object]:
            rounded = (round(taken.wall_s, 1), round(taken.cpu_s, 1), round(taken.peak_mb))
            values = (participants, what, jobs, *rounded)
            return dict(zip(COLUMNS, values, strict=True))

        one = "results/bench/participants/p000000/series.tsv"
        yield row("one scan", 1, snakemake(folder, one, "--dry-run", "--quiet", "all"))
        planned = snakemake(folder, "--dry-run", "--quiet", "rules")
        jobs = count_jobs(planned.text)
        yield row("dry run", jobs, planned)
        if finished:
            make_outputs(folder)
            # Of all jobs: one without inputs would not be touched, and have no record.
            touched = snakemake(folder, "--touch", "--forceall", "--quiet", "all")
            yield row("touched", jobs, touched)
            again = snakemake(folder)
            if "Nothing to be done" not in again.text:
                raise SystemExit(f"a finished run was not finished:\n{again.text[-3000:]}")
            yield row("nothing to do", 0, again)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", nargs="*", type=int, default=[100, 1000])
    parser.add_argument("--finished", action="store_true", help="also over finished runs (long)")
    parser.add_argument("--out", type=Path, help="TSV file that rows are added to")
    arguments = parser.parse_args()
    print("\t".join(COLUMNS))
    for size in arguments.sizes:
        for row in measure(size, arguments.finished):
            print(*row.values(), sep="\t", flush=True)
            if arguments.out:
                new = not arguments.out.exists()
                with arguments.out.open("a", encoding="utf-8", newline="") as file:
                    writer = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n")
                    if new:
                        writer.writeheader()
                    writer.writerow(row)


if __name__ == "__main__":
    main()
