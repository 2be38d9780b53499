"""The whole workflow over a few scans of the demo: where its time goes, rule by rule.

Everything runs: DICOM to report, the embedded network on the CPU included. Each job tells what its
process took and what of that passed before its work began (Python's start and imports); what
is left of the run is Snakemake's own. The radiomics kernels are compiled before, as they are once
a machine.
"""

import os
import shutil
import tempfile
from pathlib import Path

from contest import (
    Contender,
    ContestError,
    Taken,
    bonecast_version,
    command,
    main,
    row_of,
    run,
    say,
)
from traced import run_workflow, sum_of

SCANS = ("A001", "A002", "A003", "B001", "B002", "B003")
PART, CASE = "pipeline", "demo scans, DICOM to report"
WHOLE, SNAKEMAKE = "whole run", "Snakemake itself"


def draw(folder: str, *participants: str) -> None:
    """DICOM of some of the demo's participants, in <folder>/dicom."""
    from bonecast.phantom.demo import write_demo_cohort

    write_demo_cohort(
        Path(folder, "dicom"),
        Path(folder, "clinical.csv"),
        Path(folder, "truth"),
        seed=20260101,
        workers=1,
        participants=list(participants),
    )


def steps_of(whole: Taken, jobs: list[dict]) -> dict[str, Taken]:
    """What each rule took, Snakemake itself, and the whole run.

    Wall seconds of a rule are those of its jobs, added up; of the other two, those of the run.
    """
    rules = sorted({job["rule"] for job in jobs})
    found = {rule: sum_of([job for job in jobs if job["rule"] == rule]) for rule in rules}
    everything = sum_of(jobs)
    found[SNAKEMAKE] = Taken(whole.wall_s, whole.cpu_s - everything.cpu_s, whole.peak_mb)
    found[WHOLE] = Taken(whole.wall_s, whole.cpu_s, whole.peak_mb, everything.facts)
    return found


def contest(options) -> list[dict]:
    rows = []
    scans = SCANS[: options.scans]
    source = f"{len(scans)} scans of the demo, {options.cores} cores"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(command(__file__, "draw", folder, *scans))
        cohort = {"input": str(folder / "dicom"), "clinical": None}
        settings = {"segment": {"device": "cpu", "threads": options.cores}}
        warm = {"cohort": cohort | {"name": "warm"}} | settings
        run_workflow(folder, warm, ["results/warm/cache/radiomics.json"])
        for number in range(1, options.rounds + 1):
            config = {"cohort": cohort | {"name": f"round{number}"}} | settings
            load = os.getloadavg()[0]
            try:
                steps = steps_of(*run_workflow(folder, config, ["all"], options.cores))
            except ContestError as error:
                say(f"{PART}: round {number} FAILED: {error}")
                continue
            taken = steps[WHOLE]
            say(f"  round {number}  {WHOLE:44s} {taken.wall_s:8.2f} s {taken.cpu_s:8.2f} s CPU")
            for step, taken in steps.items():
                who = Contender(step, "step", bonecast_version(), run)
                facts = {"scans": len(scans), "cores": options.cores} | taken.facts
                taken = Taken(taken.wall_s, taken.cpu_s, taken.peak_mb, facts)
                rows.append(row_of(PART, CASE, source, who, number, taken, load))
            shutil.rmtree(folder / "results" / f"round{number}")
    return rows


def add_options(parser) -> None:
    parser.add_argument("--scans", type=int, default=4, choices=range(2, len(SCANS) + 1))
    parser.add_argument("--cores", type=int, default=2)


if __name__ == "__main__":
    main(PART, __doc__, contest, {"draw": draw}, add_options)
