"""Fixtures for all tests."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).resolve().parents[1]

# Before any test imports numba, and for the workflows that tests start: radiomics kernels are
# compiled once per machine, not once per test.
os.environ.setdefault("NUMBA_CACHE_DIR", str(REPO / "results" / ".kernels"))


EMPTY_ADAPTER = """
from pathlib import Path
from bonecast.runtime import job
with job(snakemake):
    for path in map(Path, snakemake.output):
        path.mkdir(parents=True, exist_ok=True) if not path.suffix else path.touch()
"""


@pytest.fixture(scope="session")
def repo() -> Path:
    """The project's own folder."""
    return REPO


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real scans and tables: BONECAST_TEST_DATA, else ../shared/data beside the project.

    Without it the test is skipped, and the end of the test run says so.
    """
    folder = Path(os.environ.get("BONECAST_TEST_DATA", REPO.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(
            f"REAL DATA NOT FOUND at {folder}: this test on real scans DID NOT RUN. "
            "Set BONECAST_TEST_DATA to the folder that holds ct/, dicom/, masks/, fracture/."
        )
    return folder


@dataclass(frozen=True)
class Plan:
    """What a dry run says.

    Attributes:
        ok: whether the workflow could be planned.
        jobs: rule name to number of jobs; empty where nothing is to be done.
        text: everything Snakemake printed.
    """

    ok: bool
    jobs: dict[str, int]
    text: str


@pytest.fixture
def scans(tmp_path) -> Path:
    """Three participants: two NIfTI files and a folder, all empty."""
    folder = tmp_path / "scans"
    (folder / "p3").mkdir(parents=True)
    for name in ("p1.nii.gz", "p2.nii"):
        (folder / name).touch()
    return folder


@pytest.fixture
def cohort():
    """A function that writes the configuration of a folder of scans with masks, as a user would."""

    def build(folder: Path, **more) -> dict:
        return {
            "cohort": {"name": "study", "input": str(folder)},
            "segment": {"backend": "masks", "masks": str(folder)},
        } | more

    return build


@pytest.fixture
def run_snakemake(tmp_path):
    """A function that runs Snakemake in `tmp_path` and returns the finished process.

    Args of the function:
        arguments: of the command line.
        config: keys that differ from config.yaml, as a nested dict.
        project: folder of the Snakefile, this project or a copy of it.
    """

    def run(*arguments: str, config: dict | None = None, project: Path = REPO):
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(project / "Snakefile")]
        command += ["--directory", str(tmp_path), *arguments, "--cores", "2"]
        if config:
            path = tmp_path / "config_of_test.yaml"
            path.write_text(yaml.safe_dump(config), encoding="utf-8")
            command += ["--configfile", str(path)]
        # A cache of its own, so that tests can run beside a real workflow.
        environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / ".cache")}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)

    return run


@pytest.fixture
def project(repo, tmp_path) -> Path:
    """A copy of the workflow whose adapters make empty outputs."""
    copy = tmp_path / "project"
    copy.mkdir()
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(repo / name, copy / name)
    for name in ("rules", "scripts", "resources"):
        shutil.copytree(repo / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for adapter in (copy / "scripts").glob("*.py"):
        adapter.write_text(EMPTY_ADAPTER)
    return copy


@pytest.fixture
def plan(run_snakemake):
    """A function that dry-runs the workflow: `plan(config, *targets)` gives a `Plan`."""

    def dry_run(config: dict | None = None, *targets: str, project: Path = REPO) -> Plan:
        done = run_snakemake(*targets, "--dry-run", config=config, project=project)
        return Plan(done.returncode == 0, _job_counts(done.stdout), done.stdout + done.stderr)

    return dry_run


def _job_counts(text: str) -> dict[str, int]:
    """The table below 'Job stats:' of Snakemake's output."""
    table = text.partition("Job stats:")[2].partition("\n\n")[0]
    rows = (line.split() for line in table.splitlines()[3:])
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[0] != "total"}
