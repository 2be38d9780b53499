"""Snakemake's log read while it grows, when it is cut off, and when it quotes other logs."""

from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from bonecast.run.failures import CUT_OFF, NO_LOG, failure_of
from bonecast.run.log import (
    DONE,
    FAILURE,
    RUNNING,
    WAITING,
    Job,
    newest_log,
    read_run,
    rule_messages,
)
from bonecast.run.status import main

SLURM = Path(__file__).parent / "slurm_groups.log"
"""Of a real run on Slurm in groups: one killed for memory, two cancelled, all tried again, one
failed for good. Logs of cluster jobs, with job numbers of their own, are quoted in it."""


@pytest.fixture(scope="module")
def messages(repo):
    return rule_messages(repo)


@pytest.fixture(scope="module")
def slurm(messages):
    return read_run(SLURM.read_text(encoding="utf-8").splitlines(), messages)


def test_retried_jobs_of_groups_are_told_from_failed_ones(slurm):
    assert (slurm.cohort, slurm.is_over, slurm.done, slurm.total) == ("study", True, 6, 12)
    assert slurm.on_cluster
    assert slurm.totals["label_vertebrae"] == 4 and "total" not in slurm.totals
    states = Counter((job.rule, job.state) for job in slurm.jobs.values())
    assert states == {
        ("label_vertebrae", DONE): 3,
        ("measure_scan", DONE): 3,
        ("label_vertebrae", FAILURE): 1,
        ("measure_scan", FAILURE): 1,
    }
    assert {job.attempts for job in slurm.jobs.values()} == {2}
    failed = {job.log for job in slurm.of_state(FAILURE)}
    folder = "results/study/logs/participants/B003"
    assert failed == {f"{folder}/label_vertebrae.log", f"{folder}/measure_scan.log"}
    assert all("/slurm_logs/" in job.cluster_log for job in slurm.of_state(FAILURE))


def test_a_log_that_ends_anywhere_tells_the_same_as_far_as_it_goes(messages, slurm):
    lines = SLURM.read_text(encoding="utf-8").splitlines()
    done = 0
    for end in range(0, len(lines), 5):
        run = read_run(lines[:end], messages)
        assert run.done >= done and not (run.stopped and run.totals)
        assert run.jobs.keys() <= slurm.jobs.keys()
        done = run.done
    assert not read_run(lines[: lines.index("Select jobs to execute...")], messages).jobs


def test_a_job_that_is_to_be_begun_again_has_not_failed(messages):
    lines = SLURM.read_text(encoding="utf-8").splitlines()
    restarts = [n for n, line in enumerate(lines) if line.startswith("Trying to restart job")]
    before, after = (read_run(lines[:end], messages) for end in (restarts[0], restarts[0] + 1))
    assert len(before.of_state(FAILURE)) == 4
    begun_next = lines[restarts[0] + 1 :]
    name = next(line for line in begun_next if line.startswith("    Job ")).split()[-1]
    assert [job.about.split()[-1] for job in after.of_state(WAITING)] == [name, name]
    assert len(after.of_state(FAILURE)) == 2
    single = ["Error in rule measure_scan:", "    jobid: 7", "Trying to restart job 7."]
    assert [job.state for job in read_run(single, messages).jobs.values()] == [WAITING]


def test_a_line_with_an_error_in_a_name_stops_no_run_that_was_planned():
    lines = ["Building DAG of jobs...", "Config file /ErrorStudy/a.yaml is extended", "Job stats:"]
    lines += ["job   count", "----- -----", "all   1", "total 1", ""]
    run = read_run(lines)
    assert (run.stopped, run.total) == ([], 1)


def test_what_runs_is_known_by_rule_at_every_moment(messages):
    lines = SLURM.read_text(encoding="utf-8").splitlines()
    begun = next(n for n, line in enumerate(lines) if "submitted with SLURM" in line)
    running = read_run(lines[:begun], messages).of_state(RUNNING)
    assert Counter(job.rule for job in running) == {"label_vertebrae": 4, "measure_scan": 4}
    assert running[0].started == datetime(2026, 11, 27, 12, 35, 51)


def test_a_quoted_log_without_an_end_hides_no_later_line(messages):
    lines = SLURM.read_text(encoding="utf-8").splitlines()
    opened = next(n for n, line in enumerate(lines) if line.startswith("Logfile /cluster"))
    closed = next(n for n in range(opened + 2, len(lines)) if set(lines[n]) == {"="} and
                  len(lines[n]) == 80)  # fmt: skip
    run = read_run(lines[:closed] + lines[closed + 1 :], messages)
    assert (run.is_over, run.done) == (True, 6)
    assert Counter(job.state for job in run.jobs.values()) == {DONE: 6, FAILURE: 2}


def test_every_rule_says_when_its_jobs_begin_and_no_two_say_the_same(repo, messages):
    rules = {path.stem for path in (repo / "scripts").glob("*.py")}
    assert messages.keys() == rules
    said = {rule: form.pattern.replace("(.+?)", "A009").replace("\\", "").rstrip("$")
            for rule, form in messages.items()}  # fmt: skip
    for rule, text in said.items():
        assert [name for name, form in messages.items() if form.match(text)] == [rule]


def test_a_run_that_could_not_be_planned_says_why():
    run = read_run(["Building DAG of jobs...", "MissingInputException in rule all:", "x.tsv"])
    assert run.stopped == ["MissingInputException in rule all:", "x.tsv"]
    run = read_run(["Building DAG of jobs...", "Nothing to be done (all here)."])
    assert run.nothing and run.is_over


def test_the_newest_log_that_planned_anything_is_taken(tmp_path):
    assert newest_log(tmp_path) is None
    logs = tmp_path / ".snakemake" / "log"
    logs.mkdir(parents=True)
    for day, text in enumerate(("Building DAG of jobs...", "Unlocked working directory.", "")):
        (logs / f"2026-01-0{day + 1}T000000.1.snakemake.log").write_text(text, encoding="utf-8")
    assert newest_log(tmp_path).name.startswith("2026-01-01")


def test_a_run_with_nothing_to_do_went_well(tmp_path, capsys):
    logs = tmp_path / ".snakemake" / "log"
    logs.mkdir(parents=True)
    text = "Building DAG of jobs...\nNothing to be done (all requested files are present).\n"
    (logs / "2026-01-01T000000.1.snakemake.log").write_text(text, encoding="utf-8")
    assert main([str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "nothing was to be done" in told and "What next" not in told


def failure(folder: Path, own: str | None, cluster: str = "") -> tuple[str, bool]:
    log = folder / "results/study/logs/participants/A009/measure_scan.log"
    log.parent.mkdir(parents=True)
    if own is not None:
        log.write_text(own, encoding="utf-8")
    (folder / "1.log").write_text(cluster, encoding="utf-8")
    job = Job("measure_scan", log=str(log.relative_to(folder)), cluster_log="1.log")
    found = failure_of(job, folder)
    assert (found.participant, found.who) == ("A009", "participant=A009")
    return found.reason, found.is_of_scan


BEGUN = "12:00:00 INFO measure_scan participant=A009: started\n"
FULL = (
    "measure_scan participant=A009: the disk is full or the quota used up: free space for results"
)
GONE = "stopped: the process that started this job is gone"
CHAINED = """12:00:01 ERROR measure_scan participant=A009: failed after 0.1 s
Traceback (most recent call last):
  File "a.py", line 1, in <module>
KeyError: 'first'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
x.Excluded: it is left out
and says why: here
"""
KILLED_BY_SLURM = "slurmstepd-node1: error: StepId=8.0 exceeded memory limit (3 > 2), being killed"


@pytest.mark.parametrize(
    ("own", "cluster", "told", "is_of_scan"),
    [
        (f"{BEGUN}Traceback:\n  x\nZeroDivisionError: by 0\n", "", "ZeroDivisionError: by 0", True),
        (f"{BEGUN}numpy.linalg.LinAlgError: Singular\n", "", "numpy.linalg.LinAlgError", True),
        (f"{BEGUN}12:00:01 ERROR measure_scan participant=A009: no masks\n", "", "no masks", True),
        (f"{BEGUN}12:00:01 ERROR {FULL} and temporary files\n", "", "the disk is full", False),
        (BEGUN, KILLED_BY_SLURM, "it took more memory than it had asked for", False),
        (BEGUN, "*** JOB 3 ON node1 CANCELLED AT X DUE TO TIME LIMIT ***", "took longer", False),
        (BEGUN, "*** JOB 3 ON node1 CANCELLED AT 2026-11-27 ***", "cancelled", False),
        (f"{BEGUN}{CHAINED}", "", "x.Excluded: it is left out", True),
        (f"{BEGUN}12:00:01 ERROR {GONE}\n", KILLED_BY_SLURM, "more memory", False),
        (BEGUN, "", CUT_OFF, False),
        ("", "", NO_LOG, False),
        (None, "", NO_LOG, False),
    ],
)  # fmt: skip
def test_the_reason_of_a_failure_is_one_line(tmp_path, own, cluster, told, is_of_scan):
    reason, of_scan = failure(tmp_path, own, cluster)
    assert told in reason and of_scan is is_of_scan
    assert "node1" not in reason and "\n" not in reason
