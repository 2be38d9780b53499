"""Snakemake's log of a run, read while it grows or after it.

Snakemake writes `.snakemake/log/<start>.snakemake.log` below the working folder, the same with
every logger and executor. What a line looks like was taken from runs of Snakemake 9.27: on this
machine, with the Slurm executor, with groups, retries and jobs that were killed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path

LOGS = ".snakemake/log/*.snakemake.log"

STAMP = re.compile(r"\[(\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})\]")
BEGUN = re.compile(r"Job (\d+): (.+)")
NAMED = re.compile(r"(?:local)?(?:rule|checkpoint) (\w+):")
JOB_ID = re.compile(r"jobid: (\d+)")
FINISHED = re.compile(r"Finished jobid: (\d+) \(Rule: (\w+)\)")
FAILED = re.compile(r"Error in rule (\w+):")
STEPS = re.compile(r"(\d+) of (\d+) steps \(\S+%\) done")
LOG_OF = re.compile(r"log: (.+?)(?: \(check log file\(s\) for error details\))?$")
RESTARTED = re.compile(r"Trying to restart job (\S+?)\.$")
SUBMITTED = re.compile(r"Job (\S+) has been submitted with SLURM jobid \S+ \(log: (.+)\)\.")
CLUSTER_LOG = re.compile(r"\S*slurm_logs\S*")
QUOTED = re.compile(r"Logfile .+:$")
BAR = re.compile(r"={14,80}")
"""As long as `Logfile <path>:` at least; the head of a log has a shorter one."""
OUTER = re.compile(r"Job \S+ has been submitted with|Trying to restart job ")
COHORT = re.compile(r"\bresults/([A-Za-z0-9][A-Za-z0-9._-]*)/")
MESSAGE = re.compile(r'^rule (\w+):\n(?:.*\n)*?    message:\n        (f?)"(.+)"$', re.MULTILINE)

RUNNING, DONE, FAILURE = "running", "done", "failed"
WAITING = "waiting"
"""It failed and is to be begun again."""


FAULT = re.compile("Error|Exception")

ENDED, NOTHING_TO_DO = "Complete log(s):", "Nothing to be done"


@dataclass
class Job:
    """A job of a run.

    Attributes:
        rule: empty where not known yet.
        about: what Snakemake says of it, such as "Measuring the vertebrae of A009".
        started: when it began or was given to a cluster, the last time.
        ended: None while it runs.
        state: RUNNING, DONE, FAILURE or WAITING.
        attempts: how often it was begun.
        log: its log as a path from the working folder, empty where not told.
        cluster_log: the log of its cluster job, empty on one machine.
    """

    rule: str = ""
    about: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    state: str = RUNNING
    attempts: int = 0
    log: str = ""
    cluster_log: str = ""

    @property
    def seconds(self) -> float | None:
        """From beginning to end; None while it runs or where the log began later."""
        if self.started is None or self.ended is None:
            return None
        return (self.ended - self.started).total_seconds()


@dataclass
class Run:
    """A run as its log tells it.

    Attributes:
        totals: rule to number of jobs planned.
        jobs: by their number in this run.
        started: None where no date was found.
        told: last date in the log.
        done, total: as Snakemake counts them.
        is_over: whether Snakemake itself said that it was done.
        nothing: whether all that was asked for was there.
        stopped: lines that say why no job was planned.
        cohort: name of the first folder of results named, empty where none is.
        on_cluster: whether jobs were given to a cluster.
    """

    totals: dict[str, int] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    started: datetime | None = None
    told: datetime | None = None
    done: int = 0
    total: int = 0
    is_over: bool = False
    nothing: bool = False
    stopped: list[str] = field(default_factory=list)
    cohort: str = ""
    on_cluster: bool = False

    def of_state(self, state: str) -> list[Job]:
        """The jobs that run, are done or failed, in the order they began."""
        found = [job for job in self.jobs.values() if job.state == state]
        return sorted(found, key=lambda job: (job.started or datetime.max, job.about))


def newest_log(folder: str | Path) -> Path | None:
    """The newest log of a run in a working folder that planned jobs or tells why it did not."""
    paths = sorted(Path(folder).glob(LOGS), key=lambda path: path.name, reverse=True)
    for path in paths:
        with path.open(encoding="utf-8", errors="replace") as lines:
            if any(line.startswith("Building DAG of jobs") or FAULT.search(line) for line in lines):
                return path
    return None


def rule_messages(home: str | Path) -> dict[str, re.Pattern]:
    """What each rule says of a job when it begins, as a pattern, from `rules/*.smk`.

    Snakemake's log names a job that has begun by this message alone.
    """
    patterns = {}
    for path in sorted(Path(home).glob("rules/*.smk")):
        for rule, is_filled, message in MESSAGE.findall(path.read_text(encoding="utf-8")):
            text = message.replace("{{", "{").replace("}}", "}")
            fields = r"\{[^{}]*\}(?:[^{}]*\)\})?" if is_filled else r"\{[^{}]*\}"
            parts = [re.escape(part) for part in re.split(fields, text)]
            patterns[rule] = re.compile("(.+?)".join(parts) + "$")
    return patterns


def read_run(lines: Iterable[str], messages: dict[str, re.Pattern] | None = None) -> Run:
    """A run from the lines of its log.

    Args:
        lines: of Snakemake's log; may end anywhere.
        messages: of `rule_messages`; without them a job's rule is known when it has ended.
    """
    reader = _Reader(messages or {})
    for line in lines:
        reader.read(line.rstrip("\n"))
    return reader.run


@lru_cache(maxsize=1024)
def _date(text: str) -> datetime:
    return datetime.strptime(text, "%a %b %d %H:%M:%S %Y")


class _Reader:
    """Takes a log in, a line at a time."""

    def __init__(self, messages: dict[str, re.Pattern]):
        self.run = Run()
        self._messages = messages
        self._depth = 0  # of logs quoted within the log, which may quote others
        self._may_open = False
        self._in_table = False
        self._rule = ""  # named by the block that is being read
        self._is_error = False
        self._job: Job | None = None  # whose lines come next
        self._cluster_log = ""
        self._logs: dict[str, str] = {}  # of what was given to the cluster
        self._failed: dict[str, list[Job]] = {}  # jobs of a group by its log

    def read(self, line: str) -> None:
        """Take a line in."""
        text = line.strip()
        if self._is_quoted(text):
            return
        run = self.run
        if not run.cohort and (found := COHORT.search(line[:10_000])):
            run.cohort = found[1]
        if self._in_table or text == "Job stats:":
            self._read_table(text)
        elif found := STAMP.match(text):
            run.told = _date(found[1])
            run.started = run.started or run.told
            self._rule, self._is_error, self._job = "", False, None
        elif found := FINISHED.match(text):
            job = self._job_of(int(found[1]))
            job.rule, job.state, job.ended = found[2], DONE, run.told
        elif found := FAILED.match(text):
            self._rule, self._is_error = found[1], True
        elif text.startswith("message: Error in group"):
            self._cluster_log, self._is_error = "", True
        elif found := RESTARTED.match(text):
            self._wait(found[1])
        elif found := BEGUN.match(text):
            self._begin(int(found[1]), self._rule_of(found[2]), found[2])
        elif found := NAMED.match(text):
            self._rule = found[1]
        elif (found := JOB_ID.match(text)) and self._rule:
            self._read_id(int(found[1]))
        elif self._is_error and (found := LOG_OF.match(text)):
            self._read_log(found[1])
        elif found := STEPS.match(text):
            run.done, run.total = int(found[1]), int(found[2])
        elif found := SUBMITTED.match(text):
            run.on_cluster = True
            self._logs[found[1]] = found[2]
        elif text.startswith(ENDED):
            run.is_over = True
        elif text.startswith(NOTHING_TO_DO):
            run.nothing = run.is_over = True
        elif (run.stopped or FAULT.search(text)) and not run.totals and not run.is_over:
            run.stopped.append(line)

    def _is_quoted(self, text: str) -> bool:
        """Whether a line belongs to a log that is quoted: bars of = stand around it."""
        if BAR.fullmatch(text) and (self._depth or self._may_open):
            self._depth += 1 if self._may_open else -1
            self._may_open = False
            return True
        self._may_open = bool(QUOTED.match(text))
        if not self._depth:
            return self._may_open
        # A log that was cut off has no second bar: only the main process writes these lines.
        steps = STEPS.match(text)
        if OUTER.match(text) or (steps and int(steps[2]) == sum(self.run.totals.values())):
            self._depth = 0
        return self._depth > 0

    def _read_table(self, text: str) -> None:
        """A line of the table that counts what is planned."""
        self._in_table = bool(text)
        name, _, count = text.rpartition(" ")
        if name and count.isdigit():
            self.run.stopped.clear()  # what looked like a fault was none: it was planned
            if name.strip() == "total":
                self.run.total = int(count)
            else:
                self.run.totals[name.strip()] = int(count)

    def _job_of(self, number: int) -> Job:
        return self.run.jobs.setdefault(number, Job())

    def _begin(self, number: int, rule: str, about: str) -> None:
        job = self._job_of(number)
        job.rule = rule or job.rule
        job.about, job.started, job.ended, job.state = about, self.run.told, None, RUNNING
        job.attempts += 1

    def _read_id(self, number: int) -> None:
        if not self._is_error:
            self._begin(number, self._rule, self._rule)
            return
        job = self._job = self._job_of(number)
        job.rule, job.state, job.ended = self._rule, FAILURE, self.run.told
        job.cluster_log = self._cluster_log or job.cluster_log
        if self._cluster_log:
            self._failed.setdefault(self._cluster_log, []).append(job)

    def _wait(self, name: str) -> None:
        """A job that failed is to be begun again, or all of a group."""
        group = self._failed.pop(self._logs.get(name, ""), [])
        for job in [self._job_of(int(name))] if name.isdigit() else group:
            job.state, job.started, job.ended = WAITING, None, None

    def _read_log(self, text: str) -> None:
        cluster = CLUSTER_LOG.search(text)
        if self._job is None:
            self._cluster_log = cluster[0].rstrip(",") if cluster else ""
            return
        own = [path for path in text.split(", ") if "slurm_logs" not in path]
        self._job.log = own[0] if own else self._job.log
        if cluster:
            self._job.cluster_log = cluster[0].rstrip(",")

    def _rule_of(self, about: str) -> str:
        return next((rule for rule, form in self._messages.items() if form.match(about)), "")
