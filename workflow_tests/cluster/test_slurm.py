"""Cohorts through sbatch on a real Slurm: undisturbed, and with everything that happens there.

The disturbed run is started first. While Slurm lets a job run into its time limit, the undisturbed
one goes through.
"""

import itertools
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from slurm_node import Run, SlurmJob, wait_for

from bonecast.provenance.compare import SAME, compare

HEAVY, SLOW, CANCELLED, BROKEN = "A001", "A007", "A009", "B003"
"""Who goes past the memory, past the time, is cancelled, and fails for a reason of its own."""

FIRST, SECOND = "label_vertebrae", "measure_scan"
"""Steps of a participant that share a job."""

ONE_EACH = ("--group-components", "scan=1")
"""A job for each participant, so that what happens to one happens to one."""

TOO_LITTLE_MB = 300
"""For the step's Snakemake and our script together, which take some 430 MB."""


def limits() -> list[str]:
    """What makes Slurm kill two of the jobs at their first attempt."""
    heavy = f"wildcards.participant == '{HEAVY}' and attempt == 1"
    slow = f"wildcards.participant == '{SLOW}' and attempt == 1"
    return [
        f"{FIRST}:mem_mb={TOO_LITTLE_MB} if {heavy} else 2000 * attempt",
        f"{FIRST}:runtime=1 if {slow} else 15 * attempt",
        f"{SECOND}:mem_mb={TOO_LITTLE_MB} if {heavy} else 2000 * attempt",
        # A job's limit is the sum of its steps'.
        f"{SECOND}:runtime=0 if {slow} else 10 * attempt",
    ]


def cancel_command(repo: Path) -> str:
    """What docs/clusters.md tells people to type after the main process died."""
    text = (repo / "docs" / "clusters.md").read_text(encoding="utf-8")
    return re.search(r"```bash\n(squeue --me .*?)```", text, re.DOTALL).group(1)


def not_the_same(one: Path, other: Path) -> list:
    """Results that differ between two runs, byte for byte, or that one of them lacks."""
    found = compare(one, other)
    assert len(found) >= 10
    return [item for item in found if item.state != SAME]


def states(jobs: list[SlurmJob]) -> set[str]:
    return {job.state for job in jobs}


@dataclass
class Disturbed:
    """A run that was killed, resumed and further disturbed.

    Attributes:
        run: where it is.
        main: the resumed main process, still running.
        orphans: Slurm ids of the jobs that the killed main process left behind.
        finished: the files that were finished when it was killed, with inode and date.
        cancelled: Slurm id of the job that was taken away by scancel.
        facts: what the file that is damaged now held.
    """

    run: Run
    main: subprocess.Popen
    orphans: list[int]
    finished: dict[Path, tuple[int, int]]
    cancelled: int
    facts: bytes


def facts_of(run: Run, participant: str) -> Path:
    """A file that is read by a participant's first step in the job that is shared."""
    return run.folder / "results" / "study" / "participants" / participant / "ct.json"


def overwrite(path: Path, content: bytes) -> bytes:
    """Change a file as a failing disk does: Snakemake sees nothing. Gives what it held."""
    held, date = path.read_bytes(), path.stat().st_mtime_ns
    path.write_bytes(content)
    os.utime(path, ns=(date, date))
    return held


def identity(path: Path) -> tuple[int, int]:
    """Changes when a file is written again."""
    return path.stat().st_ino, path.stat().st_mtime_ns


@pytest.fixture(scope="module")
def disturbed(slurm, set_up, scans, repo):
    masks = {name: str(scans / name) for name in ("masks", "bodies")}
    members = (HEAVY, SLOW, CANCELLED, BROKEN)
    run = set_up(members, {"backend": "masks"} | masks, "features")
    main = run.start()
    script = wait_for(
        lambda: next(filter(None, (run.script_of(FIRST, name) for name in members)), None),
        120,
        "the first masks",
    )
    # Nobody's masks are finished, so that all that follows meets who it is meant for.
    script.send_signal(signal.SIGSTOP)
    main.kill()
    main.wait()
    ingested = (run.folder / "results" / "study" / "participants").glob("*/ct.*")
    finished = {path: identity(path) for path in ingested}
    left = slurm.call(f"squeue --noheader --format '%A %Z' | grep '{run.folder}$'").split()[::2]
    slurm.call(cancel_command(repo), cwd=run.folder)
    wait_for(lambda: run.folder.name not in slurm.call("squeue --noheader -o %Z"), 60, "scancel")

    assert run.start("--unlock").wait(timeout=60) == 0, run.printed[-3000:]
    facts = overwrite(facts_of(run, BROKEN), b"{")
    main = run.start("--retries", "1", *ONE_EACH, "--set-resources", *limits())
    try:
        number = cancel_one_and_stop_one(run)
        yield Disturbed(run, main, [int(job) for job in left], finished, number, facts)
    finally:
        main.kill()
        main.wait()


def cancel_one_and_stop_one(run: Run) -> int:
    """Do it when their jobs run, in whichever order; gives the Slurm id of the cancelled one."""
    number, stopped = None, False
    end = time.monotonic() + 120
    while not (number and stopped):
        assert time.monotonic() < end, run.printed[-3000:]
        if not stopped and (script := run.script_of(FIRST, SLOW)):
            # As where a file system does not answer.
            script.send_signal(signal.SIGSTOP)
            stopped = True
        if not number and (script := run.script_of(FIRST, CANCELLED)):
            number = int(script.environ()["SLURM_JOB_ID"])
            run.cluster.call(f"scancel {number}")
    return number


@pytest.fixture(scope="module")
def undisturbed(disturbed, set_up) -> Run:
    """A cohort segmented by the embedded network in two batches, with the shipped profile."""
    run = set_up(("A001", "A009", "B003", "B022"), {"backend": "nnunet", "batch_size": 2})
    assert run.start().wait(timeout=900) == 0, run.printed[-6000:]
    return run


def test_results_are_those_of_a_local_run(undisturbed, locally):
    assert not_the_same(undisturbed.folder / "results" / "study", locally(undisturbed)) == []
    assert states(undisturbed.jobs()) == {"COMPLETED"}


def test_segmentations_take_turns_on_the_gpu(slurm, undisturbed):
    batches = [job for job in undisturbed.jobs() if job.partition == "gpu"]
    assert len(batches) == 2
    asked = slurm.call("squeue --states=all --noheader --partition=gpu --Format=tres-per-job")
    assert set(asked.split()) == {"gres:gpu:1"}
    for earlier, later in itertools.pairwise(batches):
        assert later.submitted < earlier.ended, "never in each other's way: nothing is shown"
        assert later.started >= earlier.ended


def test_short_steps_share_jobs(undisturbed):
    """Two batches of two: four jobs of participants, two of the network; the cohort's are few."""
    of_groups = re.findall(r"Group job (\w+) ", undisturbed.printed)
    expected = ["figures", "ingest_001", "ingest_002", "scan_001", "scan_002", "tables"]
    assert sorted(of_groups) == expected
    (steps,) = re.findall(r"(\d+) of \1 steps \(100%\) done", undisturbed.printed)
    assert len(undisturbed.jobs()) < int(steps) / 2


def test_killed_for_memory_it_comes_back_with_more(ended):
    small, *_ = [job for job in ended.run.jobs() if job.mem_mb == TOO_LITTLE_MB]
    assert small.state == "FAILED"
    assert any(job.state == "COMPLETED" and job.mem_mb >= 4000 for job in ended.run.jobs())
    assert "memory limit" in ended.run.printed


def test_past_its_time_limit_it_comes_back_with_more(ended):
    (late,) = [job for job in ended.run.jobs() if job.state == "TIMEOUT"]
    assert late.minutes == 1
    assert any(job.state == "COMPLETED" and job.minutes >= 30 for job in ended.run.jobs())


def test_a_cancelled_job_is_tried_again(ended):
    (job,) = [job for job in ended.run.jobs() if job.number == ended.cancelled]
    assert job.state == "CANCELLED"
    assert (ended.run.folder / "results/study/participants" / CANCELLED / "density.tsv").exists()


def measured(run: Run) -> set[str]:
    participants = run.folder / "results" / "study" / "participants"
    return {path.parent.name for path in participants.glob("*/density.tsv")}


def test_one_that_fails_does_not_stop_the_others(ended):
    assert ended.main.returncode == 1
    assert measured(ended.run) == {HEAVY, SLOW, CANCELLED}
    assert f"{FIRST} participant={BROKEN}: failed" in ended.run.printed
    assert not (ended.run.folder / "results" / "study" / "tables").exists()


@pytest.fixture(scope="module")
def ended(disturbed, undisturbed) -> Disturbed:
    """The disturbed run when its main process has ended."""
    disturbed.main.wait(timeout=300)
    return disturbed


@pytest.fixture(scope="module")
def together(ended) -> float:
    """The others once more, in one job with the one that fails; when that was begun."""
    for name in (HEAVY, SLOW, CANCELLED):
        folder = facts_of(ended.run, name).parent
        (folder / "vertebrae.nii.gz").unlink()
        (folder / "density.tsv").unlink()
    begun = time.time()
    assert ended.run.start("--retries", "0").wait(timeout=300) == 1
    return begun


def test_nor_those_in_one_job_with_it(ended, together):
    """One run finds all that fail. What a failed job made is taken away: it is recorded as one."""
    assert [job.state for job in ended.run.jobs()[-1:]] == ["FAILED"]
    assert f"rule {FIRST}" in ended.run.printed.rpartition("Group job scan_001")[2]
    logs = ended.run.folder / "results" / "study" / "logs" / "participants"
    for name in (HEAVY, SLOW, CANCELLED):
        assert (logs / name / f"{SECOND}.log").stat().st_mtime > together, "not begun"
    assert measured(ended.run) == set()


@pytest.fixture(scope="module")
def completed(ended, together) -> Disturbed:
    """The same when its fault was put right and it was started once more."""
    overwrite(facts_of(ended.run, BROKEN), ended.facts)
    assert ended.run.start().wait(timeout=300) == 0, ended.run.printed[-6000:]
    return ended


def test_resumed_after_all_it_has_lost_nothing(completed, locally):
    results = completed.run.folder / "results" / "study"
    assert not_the_same(results, locally(completed.run, "features")) == []


def test_what_was_finished_is_not_made_again(completed):
    assert len(completed.finished) == 8
    assert {path: identity(path) for path in completed.finished} == completed.finished


def test_orphans_are_cancelled_by_the_documented_command(completed):
    jobs = {job.number: job for job in completed.run.jobs()}
    assert completed.orphans
    assert {jobs[number].state for number in completed.orphans} == {"CANCELLED"}
    left = [path for path in completed.run.folder.rglob("*.part") if "results" in path.parts]
    assert left == [], os.linesep.join(map(str, left))


def test_what_slurm_refuses_does_not_leave_old_results_as_new_ones(completed):
    run = completed.run
    path = run.folder / "study.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings["measure"]["density"] = {"erosion_mm": 3}
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    nowhere = ("--default-resources", "slurm_partition=nowhere", "gslot=1")
    assert run.start("features", "--retries", "0", *nowhere).wait(timeout=120) == 1
    (run.folder / "printed.txt").write_text("")
    assert run.start("features", "--dry-run", "--quiet", "rules").wait(timeout=60) == 0
    assert re.search(rf"^{SECOND} +4$", run.printed, re.MULTILINE), run.printed[-2000:]
