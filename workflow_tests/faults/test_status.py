"""What `make status` says of a run that goes on, was killed, failed or is over, and how a scan
that fails a job is set aside."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from killing import Workflow, differences, wait_for_a_job, wait_until_nobody_works_in


def status(workflow: Workflow) -> tuple[int, str]:
    """Exit code and text of `make status`, without make."""
    done = subprocess.run(
        [sys.executable, "-m", "bonecast.run.status", str(workflow.folder)],
        cwd=workflow.repo,
        env=os.environ | {"PYTHONPATH": "scripts"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.fixture
def finished(undisturbed, tmp_path, repo) -> Workflow:
    """A copy of the finished run."""
    shutil.copytree(undisturbed.parent, tmp_path / "study")
    return Workflow(repo, tmp_path / "study", ("features", "--configfile", "study.yaml"))


def set_aside(workflow: Workflow, *scans: str) -> None:
    """What a user types into the configuration."""
    path = workflow.folder / "study.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["cohort"]["set_aside"] = list(scans)
    path.write_text(yaml.safe_dump(config), encoding="utf-8")


def exclusions(workflow: Workflow) -> dict[str, str]:
    path = workflow.results / "study" / "tables" / "exclusions.tsv"
    rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:])
    return {row[0]: row[5] for row in rows}


def spoil(workflow: Workflow) -> Path:
    """Break an intermediate file, so that measuring fails in a way that nobody foresaw."""
    path = workflow.results / "study" / "participants" / "A009" / "vertebrae.nii.gz"
    path.write_bytes(b"no image")
    return path


def test_a_run_that_goes_on_is_told_from_one_that_was_killed(workflow, undisturbed):
    assert status(workflow)[0] == 2
    main = workflow.start()
    wait_for_a_job(main)
    code, text = status(workflow)
    assert code == 0 and "going on for" in text and "Expected end: cannot be said" in text, text
    assert "Running or queued now" in text and "Listing the series of A009" in text
    main.kill()
    main.wait()
    wait_until_nobody_works_in(workflow)
    code, text = status(workflow)
    assert code == 1 and "cut off" in text and "with --unlock" in text, text
    workflow.complete()
    code, text = status(workflow)
    assert code == 0 and "(100%)" in text and "What next" not in text, text
    assert "no_axial_ct" in text
    assert differences(undisturbed, workflow.results) == []


def test_a_scan_that_fails_a_job_is_named_with_its_reason_and_can_be_set_aside(
    finished, undisturbed
):
    spoil(finished)
    assert not finished.run()
    code, text = status(finished)
    assert code == 1 and "Failed: 1" in text, text
    reason = "measure_scan participant=A009: nibabel.wrapstruct.WrapStructError"
    advice = "set_aside: [A009]"
    assert reason in text and advice in text, text
    assert "    | " in text and "logs/participants/A009/measure_scan.log" in text
    # The run itself said so at its end.
    assert "Failed: 1" in finished.output and advice in finished.output
    assert (
        str(finished.folder)
        not in finished.output.partition("Failed: 1")[2].partition("\nCompl")[0]
    )
    assert exclusions(finished).keys() == {"B022"}

    # Snakemake alone would find its old tables good enough: what failed is not asked for by name.
    assert not finished.run()
    assert status(finished)[1].count(reason) == 1

    set_aside(finished, "A009")
    assert finished.run(), finished.output[-4000:]
    assert exclusions(finished) == {"A009": "set_aside", "B022": "no_axial_ct"}
    assert not list((finished.folder / ".snakemake" / "incomplete").iterdir())
    code, text = status(finished)
    assert code == 0 and "Failed" not in text and "set_aside: The scan was set aside" in text

    set_aside(finished)
    finished.complete()
    assert differences(undisturbed, finished.results) == []


def test_a_scan_set_aside_that_is_not_in_the_cohort_is_refused(finished):
    set_aside(finished, "A009", "Z001")
    assert not finished.run("--dry-run")
    assert "cohort.set_aside: not in the cohort: Z001" in finished.output


def test_the_files_of_a_scan_set_aside_may_be_gone(finished):
    scans = finished.folder / "dicom"
    table = ["participant_id", *sorted(path.name for path in scans.iterdir())]
    (finished.folder / "participants.tsv").write_text("\n".join(table))
    config = yaml.safe_load((finished.folder / "study.yaml").read_text(encoding="utf-8"))
    config["cohort"]["participants"] = "participants.tsv"
    (finished.folder / "study.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    shutil.rmtree(scans / "A009")
    assert not finished.run("--dry-run")
    assert "are gone now: A009" in finished.output
    set_aside(finished, "A009")
    assert finished.run("--dry-run"), finished.output[-2000:]
