"""The workflow, killed at random moments by process id, and what it leaves compared with a run
that nobody disturbed.

A module of its own: the tests and the script `kill_often.py` use it.
"""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

NO_RESULTS = {"logs", "benchmarks", "cache", ".kernels"}
"""Folders that may differ: what they hold says when and how fast, or is compiled code."""

TIMES = ("seconds", "network_seconds")
"""Values of records of segmentation that may differ, for the same reason."""

TIMES_OF_REPORT = re.compile(
    rb'[\d.]+ s per scan|<section aria-labelledby="run">.*?</section>', re.DOTALL
)
"""Where the report tells them, and its section on the run."""

BATCH = re.compile(r"batch_\d+\.tsv")
"""Tables of times and memory, and of what was kept from before."""

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)
"""What a process is killed with; one of them at random."""


@dataclass
class Workflow:
    """One cohort, run in a folder of its own.

    Attributes:
        repo: the project.
        folder: the working directory.
        arguments: of the command line: targets, --configfile.
        output: everything Snakemake printed so far.
    """

    repo: Path
    folder: Path
    arguments: tuple[str, ...]
    limits: dict = field(default_factory=dict)

    @property
    def output(self) -> str:
        return (self.folder / "printed.txt").read_text(encoding="utf-8", errors="replace")

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def start(self, *more: str) -> subprocess.Popen:
        """Start Snakemake, which goes on by itself."""
        command = [sys.executable, "-m", "snakemake", *self.arguments]
        command += ["--snakefile", str(self.repo / "Snakefile")]
        environment = os.environ | {"XDG_CACHE_HOME": str(self.folder / ".cache")}
        with (self.folder / "printed.txt").open("a") as printed:
            return subprocess.Popen(
                [*command, "--cores", "2", *more],
                cwd=self.folder,
                stdout=printed,
                stderr=subprocess.STDOUT,
                env=environment,
                **self.limits,
            )

    def run(self, *more: str) -> bool:
        """Run to the end; whether all went well."""
        return self.start(*more).wait(timeout=1800) == 0

    def resume(self) -> subprocess.Popen:
        """What a person types after a crash."""
        if any((self.folder / ".snakemake" / "locks").glob("*.lock")):
            assert self.run("--unlock"), self.output[-4000:]
        return self.start()

    def complete(self) -> None:
        """Resume until all is done; one more time where a job had been killed."""
        assert self.resume().wait(timeout=1800) == 0, self.output[-6000:]

    def processes(self) -> list[psutil.Process]:
        """Every process that works in the folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.cwd() == str(self.folder.resolve()) and process.status() != "zombie":
                    found.append(process)
            except psutil.Error:
                continue
        return found


def kill_one(main: subprocess.Popen, dice: random.Random) -> str:
    """Kill the main process or one of those below it; says which."""
    below = psutil.Process(main.pid).children(recursive=True)
    if not below or dice.random() < 0.4:
        os.kill(main.pid, signal.SIGKILL)
        main.wait()
        return "main process by SIGKILL"
    victim, by = dice.choice(below), dice.choice(SIGNALS)
    try:
        name = " ".join(Path(word).name for word in victim.cmdline()[:4])
        victim.send_signal(by)
    except psutil.NoSuchProcess:
        return ""
    return f"{name} by {by.name}"


def wait_for_a_job(main: subprocess.Popen) -> None:
    """Wait until Snakemake runs a script, or has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(main.pid)
        while main.poll() is None and not any(map(_is_job, process.children(recursive=True))):
            time.sleep(0.05)


def _is_job(process: psutil.Process) -> bool:
    try:
        return any("/.snakemake/scripts/" in word for word in process.cmdline())
    except psutil.Error:
        return False


def disturb(
    workflow: Workflow, dice: random.Random, kills: int, longest_s: float, reference: Path
) -> list[str]:
    """Run a workflow and kill at random moments, until it has ended or `kills` are spent.

    The clock runs from the first job on. Whenever the main process is gone, every file that is
    there is compared with the reference.

    Returns:
        What was killed.
    """
    done: list[str] = []
    while len(done) < kills:
        main = workflow.resume()
        wait_for_a_job(main)
        while len(done) < kills:
            try:
                main.wait(timeout=dice.uniform(0.3, longest_s))
                break
            except subprocess.TimeoutExpired:
                done += filter(None, [kill_one(main, dice)])
        if main.poll() is None:
            main.wait(timeout=1800)
        wrong = differences(reference, workflow.results, partial=True)
        assert not wrong, f"after {done[-1:]}: {wrong}"
        if main.returncode == 0:
            break
    return done


def differences(reference: Path, results: Path, partial: bool = False) -> list[str]:
    """Files of results that are not as in the reference, with what is the matter.

    Args:
        partial: whether files may be missing, and those of unfinished jobs be there.
    """
    wrong = []
    expected, found = (_files(folder) for folder in (reference, results))
    for name in sorted(expected | found):
        if name not in found:
            wrong += [] if partial else [f"{name}: missing"]
        elif name not in expected:
            wrong += [] if partial and ".part" in name else [f"{name}: not in the reference"]
        elif _content(reference / name) != _content(results / name):
            wrong.append(f"{name}: differs")
    return wrong


def _files(folder: Path) -> set[str]:
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(name) for name in names if NO_RESULTS.isdisjoint(name.parts[:2])}


def _content(path: Path) -> object:
    """A file's content, without the times of segmentation where it tells them."""
    content = path.read_bytes()
    if path.name == "segmentation.json" or path.parent.name == "raw" and path.suffix == ".json":
        record = json.loads(content)
        return {key: value for key, value in record.items() if key not in TIMES}
    if path.name == "report.html":
        return TIMES_OF_REPORT.sub(b"", content)
    return b"" if BATCH.fullmatch(path.name) else content


def wait_until_nobody_works_in(workflow: Workflow, seconds: float = 120) -> None:
    """Wait for what lives on after its main process was killed; fails where that takes long."""
    end = time.monotonic() + seconds
    while left := workflow.processes():
        assert time.monotonic() < end, [process.cmdline()[:5] for process in left]
        time.sleep(0.2)
