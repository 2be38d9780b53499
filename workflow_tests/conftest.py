"""Fixtures for all tests."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).resolve().parents[1]


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


def snakemake(*arguments: str | Path, folder: Path, snakefile: Path = REPO / "Snakefile"):
    """Run Snakemake in a folder of its own and return the finished process."""
    # Each dry run gets its own cache, so that tests can run beside a real workflow.
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / ".cache")}
    command = [sys.executable, "-m", "snakemake", "--snakefile", snakefile, "--directory", folder]
    return subprocess.run(
        [str(word) for word in (*command, *arguments)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )


@pytest.fixture
def plan(tmp_path):
    """A function that dry-runs the workflow: `plan(config, *targets)` gives a `Plan`.

    Args of the function:
        config: keys that differ from config.yaml, as a nested dict.
        targets: rule names or files; none for the default target.
    """

    def dry_run(config: dict | None = None, *targets: str, snakefile=REPO / "Snakefile") -> Plan:
        arguments = ["--dry-run", "--cores", "2"]
        if config:
            path = tmp_path / "config_of_test.yaml"
            path.write_text(yaml.safe_dump(config), encoding="utf-8")
            arguments += ["--configfile", path]
        done = snakemake(*targets, *arguments, folder=tmp_path, snakefile=snakefile)
        return Plan(done.returncode == 0, _job_counts(done.stdout), done.stdout + done.stderr)

    return dry_run


def _job_counts(text: str) -> dict[str, int]:
    """The table below 'Job stats:' of Snakemake's output."""
    table = text.partition("Job stats:")[2].partition("\n\n")[0]
    rows = (line.split() for line in table.splitlines()[3:])
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[0] != "total"}
