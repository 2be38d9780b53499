"""Processes killed, a full disk, files that vanish: a resumed run ends as an undisturbed one."""

import os
import random
import resource
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from killing import (
    Workflow,
    differences,
    disturb,
    wait_for_a_job,
    wait_until_nobody_works_in,
)

SMALL_FILE_BYTES = 100_000
"""Of the cohort's files only scans, cut-outs and pictures are larger."""


def test_killed_again_and_again_it_ends_as_if_nothing_had_been(workflow, undisturbed):
    main = workflow.start()
    wait_for_a_job(main)
    main.kill()
    main.wait()
    assert not workflow.run()
    assert "Directory cannot be locked" in workflow.output and "--unlock" in workflow.output
    killed = disturb(workflow, random.Random(8), 5, 3.0, undisturbed)
    workflow.complete()
    # A fast machine may be done before the fifth.
    assert len(killed) >= 3 and len({what.partition(" by ")[0] for what in killed}) > 1, killed
    assert differences(undisturbed, workflow.results) == []
    wait_until_nobody_works_in(workflow)


@pytest.fixture
def finished(undisturbed, tmp_path, repo) -> Workflow:
    """A copy of the finished run, to take something from and ask for it again."""
    shutil.copytree(undisturbed.parent, tmp_path / "study")
    return Workflow(repo, tmp_path / "study", ())


def ask(workflow: Workflow, *files: str) -> None:
    """Take files of participants away, and run for these only."""
    paths = [workflow.results / "study" / "participants" / file for file in files]
    for path in paths:
        path.unlink()
    targets = [str(path.relative_to(workflow.folder)) for path in paths]
    workflow.arguments = (*targets, "--configfile", "study.yaml")


def participant(workflow: Workflow, name: str = "A009") -> Path:
    return workflow.results / "study" / "participants" / name


def log(workflow: Workflow, rule: str, name: str = "A009") -> str:
    path = workflow.results / "study" / "logs" / "participants" / name / f"{rule}.log"
    return path.read_text(encoding="utf-8")


def test_a_full_disk_fails_the_job_by_name_and_excludes_nobody(finished, undisturbed):
    ask(finished, "A009/density.tsv")
    finished.limits["preexec_fn"] = lambda: resource.setrlimit(
        resource.RLIMIT_FSIZE, (SMALL_FILE_BYTES, SMALL_FILE_BYTES)
    )
    assert not finished.run()
    told = "measure_scan participant=A009: the disk is full or the quota used up: free space"
    assert told in finished.output and told in log(finished, "measure_scan")
    left = {path.name for path in participant(finished).iterdir()}
    assert not left & {"density.tsv", "qc.png", "strength.tsv"}
    assert not any(name.endswith(".part") for name in left)
    finished.limits.clear()
    finished.complete()
    assert differences(undisturbed, finished.results) == []


@pytest.fixture
def small_disk(finished):
    """The results of the finished run on a disk of their own with hardly any space left."""
    moved = finished.folder / "elsewhere"
    finished.results.rename(moved)
    finished.results.mkdir()
    size = sum(path.stat().st_size for path in moved.rglob("*") if path.is_file()) // 1024 + 1000
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", str(finished.results)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("MOUNTING NOT PERMITTED: the test on a small disk DID NOT RUN")
    shutil.copytree(moved, finished.results, dirs_exist_ok=True)
    yield finished
    subprocess.run(["umount", "--lazy", str(finished.results)], check=True)


def test_a_disk_that_fills_up_is_named_and_the_run_ends_well_once_there_is_space(
    small_disk, undisturbed
):
    ballast = small_disk.results / "ballast"
    ask(small_disk, "A009/ct.nii.gz")
    free = shutil.disk_usage(small_disk.results).free
    ballast.write_bytes(bytes(free - 300_000))
    assert not small_disk.run()
    told = "ingest_scan participant=A009: the disk is full"
    assert told in small_disk.output, small_disk.output[-3000:]
    assert not (participant(small_disk) / "ct.json").exists()
    ballast.unlink()
    small_disk.complete()
    assert differences(undisturbed, small_disk.results) == []


def test_a_file_that_vanishes_between_two_jobs_fails_one_job_only(finished, undisturbed):
    source = finished.folder / "dicom" / "A009"
    victim, kept = next(source.rglob("SE02/*.dcm")), finished.folder / "kept"
    ask(finished, "A009/ct.nii.gz", "B022/ct.nii.gz")
    victim.rename(kept)
    assert not finished.run()
    assert "the input changed after its series were listed" in log(finished, "convert_series")
    assert "--forcerun index_series" in finished.output
    # The other one went on.
    assert (participant(finished, "B022") / "ct.nii.gz").exists()
    assert not (participant(finished) / "ct.json").exists()
    kept.rename(victim)
    finished.complete()
    assert differences(undisturbed, finished.results) == []


def test_a_folder_that_vanishes_while_it_is_read_fails_the_job_and_excludes_nobody(
    finished, undisturbed
):
    source, away = finished.folder / "dicom" / "A009", finished.folder / "away"
    ask(finished, "A009/series.tsv", "A009/ct.nii.gz")
    main = finished.start()
    while not (participant(finished) / "series.tsv").exists():
        assert main.poll() is None, finished.output[-3000:]
        time.sleep(0.01)
    source.rename(away)
    assert main.wait() != 0
    assert not (participant(finished) / "ct.json").exists()
    away.rename(source)
    finished.complete()
    assert differences(undisturbed, finished.results) == []


def test_a_result_that_was_deleted_is_made_again_and_one_that_was_cut_is_not_noticed(
    finished, undisturbed
):
    """Snakemake looks at dates and parameters, not at content: said in docs/faults.md."""
    ask(finished, "A009/strength.tsv")
    finished.complete()
    assert differences(undisturbed, finished.results) == []
    table = participant(finished) / "strength.tsv"
    status = table.stat()
    table.write_bytes(table.read_bytes()[:20])
    os.utime(table, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert finished.run()
    wrong = differences(undisturbed, finished.results)
    assert wrong == ["study/participants/A009/strength.tsv: differs"]
    assert finished.run("--forcerun", "measure_scan")
    assert differences(undisturbed, finished.results) == []
