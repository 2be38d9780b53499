"""Why a job failed, from its own log and that of its cluster job."""

import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from bonecast.run.log import Job
from bonecast.storage import STORAGE_FAULTS

LAST_LINES = 8
"""Of a log: enough to see where it was."""

TAIL_BYTES = 65_536

STARTED = re.compile(r"^\d\d:\d\d:\d\d INFO (\w+)((?: \w+=\S+)*): started$")
ERROR = re.compile(r"^\d\d:\d\d:\d\d (?:ERROR|CRITICAL) (.+)$")
RAISED = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Exit|Interrupt|Warning)\b.*")
FAILED_AFTER = re.compile(r": failed after [\d.]+ s$")
PARENT_GONE = "stopped: the process that started this job is gone"
"""Said by a job whose parent was killed: that is no fault of its own."""

# What Slurm writes into the log of a job that it ends; the machine's name stands in it too.
KILLED = {
    re.compile(r"exceeded (?:job |step )?memory limit|oom[-_ ]kill|out[ _]of[ _]memory", re.I): (
        "killed by the cluster: it took more memory than it had asked for"
    ),
    re.compile(r"DUE TO TIME LIMIT|status is: 'TIMEOUT'", re.I): (
        "killed by the cluster: it took longer than it had asked for"
    ),
    re.compile(r"DUE TO NODE FAILURE|status is: 'NODE_FAIL'", re.I): "its machine failed",
    re.compile(r"\*\*\* (?:JOB|STEP) \S+ ON \S+ CANCELLED"): "cancelled on the cluster",
}

NO_LOG = "it never began, or was killed before it wrote a line"
CUT_OFF = "killed from outside, or its process died"


@dataclass(frozen=True)
class Failure:
    """A job that failed.

    Attributes:
        rule: of the job.
        who: its wildcards, such as `participant=A009`, empty where it has none.
        participant: its scan, empty where the job is not of one.
        is_of_scan: whether it is a scan's own, not a disk's or the cluster's: others may go on
            without the scan.
        reason: one line.
        log: path of its log from the working folder, empty where unknown.
        last_lines: of the log.
    """

    rule: str
    who: str
    participant: str
    is_of_scan: bool
    reason: str
    log: str
    last_lines: list[str]


def failure_of(job: Job, folder: str | Path) -> Failure:
    """Why a job failed.

    Args:
        job: of a run's log.
        folder: the working folder of the run.
    """
    lines = _tail(Path(folder, job.log)) if job.log else []
    head = _head(Path(folder, job.log)) if job.log else ""
    begun = STARTED.match(head)
    path = Path(job.log)
    participant = path.parent.name if path.parent.parent.name == "participants" else ""
    who = begun[2].strip() if begun else f"participant={participant}" if participant else ""
    raised = _reason(lines, job.rule)
    reason = raised or _killed(job, folder) or (CUT_OFF if lines else NO_LOG)
    of_storage = any(words in raised for words in STORAGE_FAULTS.values())
    is_of_scan = bool(participant and raised) and not of_storage
    return Failure(job.rule, who, participant, is_of_scan, reason, job.log, lines[-LAST_LINES:])


def _reason(lines: list[str], rule: str) -> str:
    """The line that names the error, without the job's own name before it; empty for none."""
    told = [line for line in lines if not line.endswith(PARENT_GONE)]
    raised = _raised(told)
    if raised and any(FAILED_AFTER.search(line) for line in told):
        return raised
    for line in reversed(told):
        if RAISED.match(line):
            return line.strip()
        if (found := ERROR.match(line)) and not FAILED_AFTER.search(line):
            return re.sub(rf"^{rule}(?: \w+=\S+)*: ", "", found[1]).strip()
    return ""


def _raised(lines: list[str]) -> str:
    """What the last traceback ends in, whatever the exception is called; empty without one."""
    ends = [n for n, line in enumerate(lines) if line.startswith("Traceback (most recent call")]
    if not ends:
        return ""
    after = lines[ends[-1] + 1 :]
    return next((line.strip() for line in after if not line.startswith(" ")), "")


def _killed(job: Job, folder: str | Path) -> str:
    """What the log of the cluster's job says of its end, in our own words."""
    if not job.cluster_log:
        return ""
    text = "\n".join(_tail(Path(folder, job.cluster_log)))
    return next((words for form, words in KILLED.items() if form.search(text)), "")


def _head(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return next(lines, "").rstrip("\n")
    except OSError:
        return ""


def _tail(path: Path) -> list[str]:
    """The last lines of a file that may be large, not there or empty."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return list(deque((line for line in text.splitlines() if line.strip()), maxlen=200))
