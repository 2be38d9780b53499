"""What the steps over a whole cohort take: rules that read every participant, at growing sizes.

A few scans of the demo are measured, and cohorts of any size made up from their results
(fabricated.py). Snakemake then runs every rule that takes all participants; each job tells what
its process took, Python's start included.
"""

import csv
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench_pipeline import draw
from contest import (
    Contender,
    Taken,
    bonecast_version,
    command,
    main,
    report,
    row_of,
    run,
    say,
    timed,
)
from fabricated import clinical_rows, fabricate, read_seed
from traced import run_workflow

PART = "collect"
SCANS = ("A001", "A007", "A009", "B022")
"""Of the demo; the last has a localizer alone."""
FEATURES = 162
"""Columns of radiomics: a vertebra has 300 columns then."""
FIGURES = (
    "contact_sheet",
    "example_segmentations",
    "hu_by_level_and_age",
    "roi_agreement",
    "vbmd_by_age",
    "deformities_by_level",
    "body_composition",
)
AS_IT_IS = ("--rerun-triggers", "mtime")
"""What was made up has no records of jobs: only dates tell that it need not be made."""
LARGE_MB = 1
"""Tables, figures and pages from this size on are told."""


def measure_scans(folder: Path) -> Path:
    """Measure a few scans of the demo with their true masks, and return where their results are."""
    run(command(__file__, "draw", folder, *SCANS))
    truth = {"masks": str(folder / "truth/masks"), "bodies": str(folder / "truth/bodies")}
    config = {
        "cohort": {"name": "few", "input": str(folder / "dicom"), "clinical": None},
        "segment": {"backend": "masks"} | truth,
    }
    run_workflow(folder, config, ["features"], os.cpu_count() or 1)
    return folder / "results/few/participants"


def write_table(rows: Sequence[dict], path: Path, delimiter: str) -> str:
    """Write dicts under a header; returns the path."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def make_cohort(participants: Path, folder: Path, n: int) -> dict:
    """Make up a cohort of `n` scans in a working directory, and return its configuration."""
    seeds = [read_seed(participants / name, FEATURES) for name in SCANS]
    kernels = folder / "results/large/cache/radiomics.json"
    kernels.parent.mkdir(parents=True)
    kernels.touch()
    rows = fabricate(seeds, folder / "results/large/participants", n)
    scans = folder / "scans"
    scans.mkdir()
    write_table(clinical_rows(rows), folder / "clinical.csv", ",")
    table = write_table(rows, folder / "participants.tsv", "\t")
    cohort = {"name": "large", "input": str(scans), "participants": table, "clinical": None}
    return {"cohort": cohort, "segment": {"backend": "masks"}}


def tell_table_one(folder: str) -> None:
    """Table 1 of the analysis set, in a process of its own: its rule needs fitted models too."""
    import pandas as pd

    from bonecast.report.artefacts import Artefacts
    from bonecast.report.table_one import table_one

    frame = pd.read_parquet(Path(folder, "analysis_set.parquet"))
    features = json.loads(Path(folder, "features.json").read_text(encoding="utf-8"))
    taken, table = timed(lambda: table_one(Artefacts("fracture", {}, frame, features)))
    report(rows=len(table), **{f"work_{name}": value for name, value in taken.items()})


def steps_of(folder: Path, config: dict) -> dict[str, Taken]:
    """What every rule over the whole cohort takes, and how large its largest files are."""
    results = folder / "results/large"
    _, jobs = run_workflow(folder, config, ["features", "figures", "report"], more=AS_IT_IS)
    config = config | {"cohort": config["cohort"] | {"clinical": str(folder / "clinical.csv")}}
    models = results / "models/fracture"
    admitted = [str((models / "analysis_set.parquet").relative_to(folder))]
    _, more = run_workflow(folder, config, admitted, more=AS_IT_IS)
    steps = {
        job["rule"]: Taken(
            job["wall_s"], job["cpu_s"], job["peak_mb"], {"start_cpu_s": job["start_cpu_s"]}
        )
        for job in (*jobs, *more)
    }
    steps["table one"] = run(command(__file__, "table_one", models))
    files = (*results.glob("tables/*"), *results.glob("figures/*"), results / "report.html")
    for file, size in sorted((str(f.relative_to(results)), f.stat().st_size) for f in files):
        if size > LARGE_MB * 1e6:
            say(f"  {file}: {size / 1e6:,.1f} MB")
    return steps


def contest(options) -> list[dict]:
    rows = []
    who = bonecast_version()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        few = options.measured or measure_scans(Path(name))
        for number in range(1, options.rounds + 1):
            for n in options.scans:
                folder = Path(name, f"{n}_{number}")
                config = make_cohort(few, folder, n)
                load = os.getloadavg()[0]
                say(f"{n} scans:")
                for step, taken in steps_of(folder, config).items():
                    say(f"  {step:32s} {taken.cpu_s:8.1f} s CPU {taken.peak_mb:8.0f} MB")
                    one = Contender(step, "step", who, run)
                    rows.append(row_of(PART, f"{n} scans", "made up", one, number, taken, load))
    return rows


def add_options(parser) -> None:
    parser.add_argument("--scans", type=int, nargs="+", default=[300], help="default: 300")
    parser.add_argument("--folder", help="where to work; default: where temporary files go")
    parser.add_argument("--measured", type=Path, help="results of the scans measured already")


if __name__ == "__main__":
    tasks = {"draw": draw, "table_one": tell_table_one}
    main(PART, __doc__, contest, tasks, add_options)
