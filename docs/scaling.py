"""Writes the tables of scaling.md from scaling.tsv: run after adding measured figures.

scaling.tsv comes from workflow_tests/benchmarks/bench_scan.py, a row a figure:

  scan     which one was measured
  backend  of the segmentation
  kind     cpu_s of a job, its peak_mb, mb on the disk, gpu_s: seconds of a job on a GPU by scan, or
           start_s: CPU seconds of a Snakemake that runs one job of a cohort of so many scans
  name     rule, file or network
  value
"""

import csv
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIGURES = HERE / "scaling.tsv"
PAGE = HERE / "scaling.md"

LARGE = "512x512x400"
"""The scan that cohorts are counted in."""

COHORTS = (300, 3_000, 30_000)
CORES = 16
NODES = 10
"""Of a cluster, each with CORES."""

RULES = ("ingest_scan", "segment_batch", "label_vertebrae", "measure_scan")
SCAN_FILES = ("ct.nii.gz",)
"""What disk.keep: measurements takes away."""

STARTS = 2
"""Of Snakemake in each job on Slurm."""

GROUP = 10
"""Participants that share a job in profiles/slurm."""

STEPS = 2
"""Starts for a participant within these jobs: one to read it in, one to name and measure."""

RECORDS = 15
"""Files that Snakemake keeps of a scan: one per output."""

BATCH = 20
"""Scans in a job of segment_batch: the default."""

READS_OF_CT = 4
"""Two in segment_batch (digest and voxels), one each in label_vertebrae and measure_scan."""

Figures = dict[tuple[str, str, str, str], float]


def read(path: Path) -> Figures:
    """Value by (scan, backend, kind, name)."""
    with path.open(newline="", encoding="utf-8") as stream:
        return {
            (row["scan"], row["backend"], row["kind"], row["name"]): float(row["value"])
            for row in csv.DictReader(stream, delimiter="\t")
        }


def table(header: list[str], rows: list[list]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def scans(figures: Figures) -> list[tuple[str, str]]:
    """Scan and backend of every measured run, in the order of the file."""
    return list(dict.fromkeys(key[:2] for key in figures if key[2] == "cpu_s"))


def jobs(figures: Figures) -> str:
    """CPU seconds and peak memory by scan and rule."""
    rows = []
    for scan, backend in scans(figures):
        row = [scan, backend]
        for rule in RULES:
            cpu, peak = (figures.get((scan, backend, kind, rule)) for kind in ("cpu_s", "peak_mb"))
            row.append("" if cpu is None else f"{cpu:.1f} s, {peak:.0f} MB")
        rows.append(row)
    return table(["scan", "backend", *(f"`{rule}`" for rule in RULES)], rows)


def files(figures: Figures) -> str:
    """What one large scan leaves on the disk."""
    found = {n: v for (s, b, k, n), v in figures.items() if (s, b, k) == (LARGE, "nnunet", "mb")}
    rows = [
        [f"`{name}`", f"{mb:.3g}", "goes" if name.endswith(SCAN_FILES) else "stays"]
        for name, mb in sorted(found.items(), key=lambda item: -item[1])
        if name != "input"
    ]
    return table(["file below `results/<cohort>/`", "MB", "`keep: measurements`"], rows)


def per_scan(figures: Figures) -> dict[str, float]:
    """What a large scan takes: CPU seconds, MB."""
    of = {(kind, n): v for (s, b, kind, n), v in figures.items() if (s, b) == (LARGE, "nnunet")}
    disk = {n: v for (kind, n), v in of.items() if kind == "mb" and n != "input"}
    ct = sum(v for n, v in disk.items() if n.endswith(SCAN_FILES))
    return {
        "network": of["cpu_s", "segment_batch"],
        "rest": sum(of["cpu_s", rule] for rule in RULES if rule != "segment_batch"),
        "input": of["mb", "input"],
        "all": sum(disk.values()),
        "measurements": sum(disk.values()) - ct,
        "files": len(disk),
        "traffic": of["mb", "input"] + (1 + READS_OF_CT) * ct,
    }


def hours(seconds: float) -> str:
    """Seconds as hours, two significant digits."""
    return f"{float(f'{seconds / 3600:.2g}'):,g}"


def gigabytes(mb: float) -> str:
    """MB as GB, two significant digits."""
    return f"{float(f'{mb / 1000:.2g}'):,g}"


def cohorts(figures: Figures) -> str:
    """What cohorts of large scans cost."""
    one = per_scan(figures)
    starts = {n: figures[str(n), "", "start_s", ""] for n in COHORTS}
    rows = {
        "CPU-hours without the network": lambda n: hours(n * one["rest"]),
        "CPU-hours of the network, on a CPU": lambda n: hours(n * one["network"]),
        f"hours on {CORES} cores, all of it": lambda n: hours(
            n * (one["rest"] + one["network"]) / CORES
        ),
        f"hours on {CORES} cores, without the network": lambda n: hours(n * one["rest"] / CORES),
        f"hours on {NODES} nodes of {CORES} cores, all of it": lambda n: hours(
            n * (one["rest"] + one["network"]) / CORES / NODES
        ),
        "CPU-hours of Snakemake's starts on Slurm, groups of the profile": lambda n: hours(
            starts[n] * n * (STEPS + STARTS * (STEPS / GROUP + 1 / BATCH))
        ),
        "the same without groups": lambda n: hours(
            starts[n] * n * STARTS * (len(RULES) - 1 + 1 / BATCH)
        ),
        "GB of input": lambda n: gigabytes(n * one["input"]),
        "GB of results, `keep: all`": lambda n: gigabytes(n * one["all"]),
        "GB of results, `keep: measurements`": lambda n: gigabytes(n * one["measurements"]),
        "files of scans, Snakemake's records among them": lambda n: (
            f"{n * (one['files'] + RECORDS):,.0f}"
        ),
        "GB read and written over the network": lambda n: gigabytes(n * one["traffic"]),
    }
    on_gpu = {
        f"GPU-hours, {network}": lambda n, seconds=seconds: hours(n * seconds)
        for (_, _, kind, network), seconds in figures.items()
        if kind == "gpu_s"
    }
    rows = on_gpu | rows
    header = ["", *(f"{n:,} scans" for n in COHORTS)]
    return table(header, [[name, *map(cell, COHORTS)] for name, cell in rows.items()])


TABLES = {"jobs": jobs, "files": files, "cohorts": cohorts}


def page(text: str, figures: Figures) -> str:
    """The page with its tables made anew.

    Raises:
        ValueError: it lacks the place of a table.
    """
    for name, make in TABLES.items():
        before, begin, rest = text.partition(f"<!-- made by scaling.py: {name} -->\n")
        _, end, after = rest.partition("\n<!-- end -->")
        if not end:
            raise ValueError(f"{PAGE.name} has no place for the table {name}")
        text = before + begin + make(figures) + end + after
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), read(FIGURES)), encoding="utf-8")
