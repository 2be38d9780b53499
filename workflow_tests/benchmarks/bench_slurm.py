"""What a job costs through Slurm, and what groups save: a cohort with masks run on this machine,
through a Slurm with a job for each step, and through one with the groups of the profile, in turns.

Needs what workflow_tests/cluster needs, and a quiet machine: CPU seconds are those of everything on
it, Slurm's own among them.

    python workflow_tests/benchmarks/bench_slurm.py [--participants 12] [--rounds 3]
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cluster"))

from slurm_node import REPO, Cluster, Run, cluster

from bonecast.phantom.cohort import draw_cohort
from bonecast.phantom.demo import write_participant

ALONE = ("ingest_scan=a", "label_vertebrae=b", "measure_scan=c")
"""Groups of one rule and, with no components named, of one participant."""

WAYS = {
    "this machine": None,
    "a job for each step": ("--groups", *ALONE, "--group-components", "a=1"),
    "groups of the profile": (),
}


def write_cohort(folder: Path, participants: int) -> None:
    """Input, masks and configuration of the demo's first participants."""
    for name in ("masks", "bodies"):
        (folder / name).mkdir()
    seed = yaml.safe_load((REPO / "config.yaml").read_text(encoding="utf-8"))["demo"]["seed"]
    for person in draw_cohort(seed)[:participants]:
        write_participant(person, folder / "dicom", folder)
    config = {
        "cohort": {"name": "study", "input": "dicom"},
        "segment": {"backend": "masks", "masks": "masks", "bodies": "bodies"},
        "measure": {"radiomics": {"enabled": False}},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def busy_seconds() -> float:
    """CPU seconds that the machine has worked since it was started."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system


def run_once(node: Cluster, cohort: Path, way: str) -> tuple[float, float, int]:
    """CPU seconds, wall seconds and jobs of one run in a fresh folder."""
    folder = Path(tempfile.mkdtemp(prefix="run_", dir=cohort.parent)) / "study"
    shutil.copytree(cohort, folder)
    options = WAYS[way]
    started = time.monotonic()
    before = busy_seconds()
    if options is None:
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPO / "Snakefile")]
        command += ["features", "--configfile", "study.yaml", "--cores", "2"]
        with (folder / "printed.txt").open("w") as printed:
            main = psutil.Popen(command, cwd=folder, stdout=printed, stderr=printed)
    else:
        main = Run(node, folder, ("features", *options)).start()
    if main.wait():
        sys.exit((folder / "printed.txt").read_text()[-4000:])
    wall = time.monotonic() - started
    cpu = busy_seconds() - before
    jobs = 0 if options is None else len(node.jobs(folder))
    shutil.rmtree(folder.parent)
    return cpu, wall, jobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--participants", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found: dict[str, list] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as place, cluster() as node:
        cohort = Path(place, "cohort")
        cohort.mkdir()
        write_cohort(cohort, options.participants)
        for number in range(options.rounds):
            for way in WAYS:
                found[way].append(run_once(node, cohort, way))
                cpu, wall, jobs = found[way][-1]
                load = os.getloadavg()[0]
                print(
                    f"round {number + 1}, {way}: {cpu:.0f} CPU s, {wall:.0f} s, {jobs} jobs, "
                    f"load {load:.1f}",
                    flush=True,
                )
    print(f"medians of {options.rounds}, {options.participants} participants:")
    for way, runs in found.items():
        cpu, wall, jobs = (statistics.median(values) for values in zip(*runs, strict=True))
        print(f"  {way:22} {cpu:6.0f} CPU s {wall:6.0f} s {jobs:4.0f} jobs")


if __name__ == "__main__":
    main()
