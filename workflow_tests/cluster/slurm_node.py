"""A real Slurm on this machine, and runs of the workflow on it.

A module of its own: the tests use it, and the script that measures what groups save.
"""

import fcntl
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

REPO = Path(__file__).resolve().parents[2]

LOCK = Path(tempfile.gettempdir(), "bonecast_slurm.lock")
"""Held while a cluster is up: Slurm's default configuration file is one per machine."""

CPUS, MEM_MB = 8, 64000
"""What the pretended node has: enough that nothing but its one GPU makes jobs wait."""

POLLING = (
    ("--slurm-status-command", "squeue"),  # this cluster keeps no accounts
    ("--slurm-init-seconds-before-status-checks", "5"),
    ("--latency-wait", "10"),
)
"""What differs from the shipped profile: jobs of seconds on one machine's disk."""


class NoSlurm(RuntimeError):
    """A cluster cannot be started here."""


@dataclass(frozen=True)
class SlurmJob:
    """A finished job as Slurm's own log tells it.

    Attributes:
        number: Slurm's id.
        state: COMPLETED, FAILED, TIMEOUT, CANCELLED.
        partition: where it ran.
        minutes: its limit.
        mem_mb: what it asked for.
        submitted, started, ended: times, to the second.
        folder: its working directory.
    """

    number: int
    state: str
    partition: str
    minutes: int
    mem_mb: int
    submitted: datetime
    started: datetime
    ended: datetime
    folder: Path


@dataclass
class Cluster:
    """A Slurm of one node.

    Attributes:
        folder: what it keeps.
        environment: with this its commands find it.
    """

    folder: Path
    environment: dict[str, str]

    def call(self, command: str, cwd: Path | None = None) -> str:
        """What a command line prints."""
        done = subprocess.run(
            ["bash", "-c", command],
            env=self.environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def jobs(self, folder: Path) -> list[SlurmJob]:
        """Every finished job of a working directory, in the order they began."""
        log = self.folder / "log" / "jobcomp.log"
        rows = (
            dict(re.findall(r"(\S+?)=(\S*)", line))
            for line in log.read_text(encoding="utf-8").splitlines()
        )
        jobs = [_job(row) for row in rows if row["WorkDir"] == str(folder)]
        return sorted(jobs, key=lambda job: job.started)


def _job(row: dict[str, str]) -> SlurmJob:
    return SlurmJob(
        number=int(row["JobId"]),
        state=row["JobState"],
        partition=row["Partition"],
        minutes=int(row["TimeLimit"]),
        mem_mb=_megabytes(row["Tres"]),
        submitted=datetime.fromisoformat(row["SubmitTime"]),
        started=datetime.fromisoformat(row["StartTime"]),
        ended=datetime.fromisoformat(row["EndTime"]),
        folder=Path(row["WorkDir"]),
    )


def _megabytes(tres: str) -> int:
    """Memory of `cpu=1,mem=3000M,node=1`, in MB; Slurm writes whole gigabytes as G."""
    number, unit = re.search(r"mem=([\d.]+)([MG])", tres).groups()
    return round(float(number) * {"M": 1, "G": 1024}[unit])


def scripts_folder() -> Path:
    """Where start-slurm.sh and stop-slurm.sh lie.

    Raises:
        NoSlurm: not found, or this user may not start a cluster.
    """
    folder = Path(os.environ.get("BONECAST_SLURM", REPO.parent / "shared" / "slurm"))
    if not (folder / "start-slurm.sh").is_file():
        raise NoSlurm(f"no start-slurm.sh in {folder}; set BONECAST_SLURM")
    if os.geteuid() != 0:
        raise NoSlurm("only root can start one")
    return folder


@contextmanager
def cluster(wait_s: float = 900) -> Iterator[Cluster]:
    """A cluster that is gone afterwards; waits while another test of this machine has one.

    Raises:
        NoSlurm: it cannot be started here.
    """
    scripts = scripts_folder()
    with LOCK.open("w") as lock:
        end = time.monotonic() + wait_s
        while not _locked(lock):
            if time.monotonic() > end:
                raise NoSlurm(f"another one of this machine is up, after {wait_s:.0f} s still")
            time.sleep(1)
        # A short path: sockets lie in it.
        folder = Path(tempfile.mkdtemp(prefix="bonecast_slurm_"))
        sizes = {"SLURM_CPUS": str(CPUS), "SLURM_MEM_MB": str(MEM_MB), "SLURM_GPUS": "1"}
        try:
            started = subprocess.run(
                [scripts / "start-slurm.sh", folder],
                env=os.environ | sizes,
                capture_output=True,
                text=True,
                timeout=300,
            )
            if started.returncode:
                raise NoSlurm(started.stderr[-300:])
            yield Cluster(folder, os.environ | {"SLURM_CONF": str(folder / "etc" / "slurm.conf")})
        finally:
            subprocess.run([scripts / "stop-slurm.sh", folder, "--purge"], check=True, timeout=120)


def _locked(lock) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass
class Run:
    """A cohort in a folder of its own, run through a cluster.

    Attributes:
        cluster: where its jobs go.
        folder: the working directory; holds study.yaml.
        arguments: of Snakemake, besides the shipped profile.
    """

    cluster: Cluster
    folder: Path
    arguments: tuple[str, ...] = ()

    @property
    def printed(self) -> str:
        """Everything Snakemake printed so far."""
        return (self.folder / "printed.txt").read_text(encoding="utf-8", errors="replace")

    def start(self, *more: str) -> subprocess.Popen:
        """Start the main process, which goes on by itself."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPO / "Snakefile")]
        command += ["--workflow-profile", str(REPO / "profiles" / "slurm")]
        command += ["--configfile", "study.yaml", *sum(POLLING, ()), *self.arguments, *more]
        names = {"BONECAST_SLURM_PARTITION": "main", "BONECAST_SLURM_GPU_PARTITION": "gpu"}
        with (self.folder / "printed.txt").open("a") as printed:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.cluster.environment | names | {"XDG_CACHE_HOME": str(self.folder)},
                stdout=printed,
                stderr=subprocess.STDOUT,
            )

    def jobs(self) -> list[SlurmJob]:
        """Its finished jobs."""
        return self.cluster.jobs(self.folder)

    def script_of(self, rule: str, participant: str) -> psutil.Process | None:
        """The running script of a participant's job, None where there is none."""
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
                if not any(word.endswith(f".{rule}.py") for word in words):
                    continue
                above = process.parent().cmdline()
                if process.cwd() == str(self.folder) and any(
                    word == f"{rule}:participant={participant}" for word in above
                ):
                    return process
            except (psutil.Error, AttributeError):
                continue
        return None


def wait_for(found: Callable[[], object], seconds: float, what: str) -> object:
    """The first true value of a function that is asked again and again; fails after a time."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.05)
    return value
