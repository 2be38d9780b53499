"""A real Slurm for the tests of this folder, and two small cohorts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from slurm_node import NoSlurm, Run, cluster

from bonecast.phantom.cohort import draw_cohort
from bonecast.phantom.demo import write_participant

MEMBERS = ("A001", "A007", "A009", "B003", "B022")
"""Four scans that are measured, and a folder without one."""


@pytest.fixture(scope="package")
def slurm():
    """A running Slurm; without one the test is skipped, and the end of the test run says so."""
    try:
        with cluster() as node:
            yield node
    except NoSlurm as error:
        pytest.skip(f"NO SLURM HERE: these tests of the cluster DID NOT RUN. {error}")


@pytest.fixture(scope="package")
def scans(tmp_path_factory, repo) -> Path:
    """DICOM folders of the participants, and their masks."""
    folder = tmp_path_factory.mktemp("scans")
    seed = yaml.safe_load((repo / "config.yaml").read_text(encoding="utf-8"))["demo"]["seed"]
    for name in ("masks", "bodies"):
        (folder / name).mkdir()
    for person in draw_cohort(seed):
        if person.participant_id in MEMBERS:
            write_participant(person, folder / "dicom", folder)
    return folder


@pytest.fixture(scope="package")
def set_up(slurm, scans, tmp_path_factory):
    """A function that makes the folder of a run: `set_up(members, segment)` gives a `Run`."""

    def build(members: tuple[str, ...], segment: dict, *arguments: str) -> Run:
        folder = tmp_path_factory.mktemp("run")
        (folder / "participants.tsv").write_text("\n".join(["participant_id", *members]))
        config = {
            "cohort": {
                "name": "study",
                "input": str(scans / "dicom"),
                "participants": "participants.tsv",
            },
            "segment": segment,
            "measure": {"radiomics": {"enabled": False}},
        }
        (folder / "study.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        return Run(slurm, folder, arguments)

    return build


@pytest.fixture(scope="package")
def locally(tmp_path_factory, repo):
    """A function that runs the cohort of a `Run` on this machine alone; gives its results."""

    def run(like: Run, *targets: str) -> Path:
        folder = tmp_path_factory.mktemp("local")
        for name in ("study.yaml", "participants.tsv"):
            (folder / name).write_text((like.folder / name).read_text())
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(repo / "Snakefile")]
        command += [*targets, "--configfile", "study.yaml", "--cores", "2"]
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"XDG_CACHE_HOME": str(folder)},
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return folder / "results" / "study"

    return run
