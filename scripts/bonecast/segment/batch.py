"""Segment a batch of scans in one process; what is finished stays finished.

The process is a child of this one (`segment/worker.py`). Where it dies, the scan that killed it
is found and marked, and the others go on. A scan is marked only where the process died twice with
nothing but this scan in work: somebody, or the system short of memory, may have killed it.
"""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bonecast.runtime import write_json
from bonecast.segment.raw import write_failure

COLUMNS = (
    "participant_id",
    "status",
    "seconds",
    "network_seconds",
    "network_share",
    "peak_memory_mb",
    "peak_gpu_mb",
    "device",
    "fallback",
    "error",
)
"""Of the batch's table.

status: segmented, kept (finished before; its times are of then), no_scan (excluded before) or
failed. seconds: reading, network and writing of this scan; network_share: the network's part of
the time since the scan before was through it; peak_memory_mb: of the process, up to this scan.
"""

OPENER = "bonecast.segment.backends:open_backend"
"""What the worker opens its backend with."""

DIED = "the process died"
"""How the record of a scan begins that was fatal."""

STOPPED_BY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals by which a person or a scheduler ends a process: no scan is to blame."""

Tell = Callable[[str], None]


@dataclass
class _State:
    """What is known of a batch while its processes come and go."""

    names: list[str]
    tell: Tell
    rows: dict[str, dict] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    total: int = 0
    started: float = field(default_factory=time.perf_counter)
    deaths: int = 0
    """Scans in a row at which a process died."""

    def left(self) -> list[str]:
        return [name for name in self.names if name not in self.rows]

    def in_flight(self) -> list[str]:
        return [name for name in self.begun if name not in self.rows]

    def worked(self) -> list[dict]:
        return [row for row in self.rows.values() if row["status"] in ("segmented", "failed")]

    def take(self, event: dict) -> None:
        """Note what a process tells, and pass on progress."""
        if event["event"] == "begin":
            self.begun.append(event["name"])
            self.touched.add(event["name"])
        elif event["event"] == "waiting":
            # The first process knows of all; a later one has only what is left.
            self.total = self.total or len(event["names"])
        elif event["event"] == "row":
            row = event["row"]
            if row["status"] == "kept" and row["participant_id"] in self.touched:
                # A process of this batch wrote it and died before it could say so.
                row["status"] = "segmented"
            elif row["status"] in ("segmented", "failed"):
                self.deaths = 0
            self.add(row)

    def add(self, row: dict) -> None:
        """Note what became of a scan."""
        self.rows[row["participant_id"]] = row
        if row["status"] in ("segmented", "failed"):
            self.tell(self._progress(row))

    def _progress(self, row: dict) -> str:
        done = len(self.worked())
        elapsed = time.perf_counter() - self.started
        total = max(self.total, done)
        left = elapsed / done * (total - done)
        line = f"{done} of {total}: {row['participant_id']} {row['status']}"
        if row.get("seconds") is not None:
            line += f" in {row['seconds']:.1f} s (network {row['network_seconds']:.1f} s)"
        if row.get("fallback"):
            line += f", memory ran out: {row['fallback']}"
        if row.get("error"):
            line += f", {row['error']}"
        if left:
            line += f"; about {left:.0f} s left, until "
            line += time.strftime("%H:%M:%S", time.localtime(time.time() + left))
        return line


def segment_batch(
    scans: dict[str, Path],
    raw: Path,
    *,
    settings: dict,
    tell: Tell,
    opener: str = OPENER,
) -> list[dict]:
    """Write the label maps of each scan to `raw`; returns one row a scan (`COLUMNS`).

    A scan whose result is there already, made from the same voxels by the same backend (its
    digest), is not segmented again. An empty scan file (an excluded participant) is passed over.
    A scan at which the process dies twice is marked failed. Where several were in work, these are
    done one at a time, so that the right one is marked; if then none dies (together they needed
    too much memory), the rest of the batch is done one at a time too.

    Args:
        scans: participant_id to path of ct.nii.gz.
        raw: folder for <participant_id>.nii.gz and .json.
        settings: of the backend; `threads` among them.
        tell: receives one line of progress a scan, and what the process prints.
        opener: "module:function" that makes a backend of the settings.

    Raises:
        RuntimeError: the model or the machine is at fault: the process could not begin, died at
            two scans in a row, was ended from outside, reported a fault, or every one of several
            scans failed.
    """
    raw.mkdir(parents=True, exist_ok=True)
    state = _State(list(scans), tell)
    request = {"opener": opener, "settings": settings, "raw": str(raw)}
    suspects: list[str] = []
    died_once: set[str] = set()
    alone = culprit_found = False
    while left := state.left():
        suspects = [name for name in suspects if name in left]
        part = suspects or left
        state.begun.clear()
        paths = {name: str(scans[name]) for name in part}
        end = run_worker(request | {"scans": paths, "alone": alone or bool(suspects)}, state)
        in_flight = state.in_flight()
        if len(in_flight) == 1:
            name, culprit_found = in_flight[0], True
            if name in died_once:
                blame(state, raw, name, end)
            else:
                tell(f"{end} with {name} in work: it is tried once more")
                died_once.add(name)
                suspects = suspects or [name]
        elif in_flight:
            tell(f"{end} with {', '.join(in_flight)} in work: these are done one at a time")
            suspects, culprit_found = in_flight, False
        elif set(part) & set(state.left()):
            raise RuntimeError(f"{end or 'the segmentation process ended'} before its next scan")
        else:
            if end:
                tell(f"{end} after its last scan")
            # Nobody died alone: together they needed too much.
            alone = alone or (bool(suspects) and not culprit_found)
    check_failures(state)
    summarise(state)
    return [state.rows[name] for name in scans]


def blame(state: _State, raw: Path, name: str, end: str) -> None:
    """Mark a scan as the one a process died at; the second in a row ends the batch.

    Raises:
        RuntimeError: the process died at the scan before, too.
    """
    write_failure(raw, name, end, {})
    state.deaths += 1
    state.add({"participant_id": name, "status": "failed", "error": end})
    if state.deaths > 1:
        raise RuntimeError(
            f"{end} at two scans in a row, {name} the last: the fault is in the model or the "
            "machine, so nobody is left out for it"
        )


def check_failures(state: _State) -> None:
    """Raise RuntimeError where every one of several scans failed, and none was kept."""
    failed = [row for row in state.worked() if row["status"] == "failed"]
    kept = any(row["status"] == "kept" for row in state.rows.values())
    if len(failed) == len(state.worked()) > 1 and not kept:
        raise RuntimeError(
            f"all {len(failed)} scans of the batch failed ({failed[0]['error']}): the "
            "fault is in the model or the machine, so nobody is left out for it"
        )


def summarise(state: _State) -> None:
    """One line on the whole batch."""
    seconds = time.perf_counter() - state.started
    worked = state.worked()
    network = sum(row.get("network_seconds", 0) for row in worked)
    fallbacks = sum(bool(row.get("fallback")) for row in worked)
    if worked:
        state.tell(
            f"{len(worked)} scans in {seconds:.1f} s, {network / seconds:.0%} of it in the "
            f"network, {fallbacks} of them after memory ran out"
        )


def run_worker(request: dict, state: _State) -> str:
    """One process over the scans of a request, until it ends.

    Returns:
        Empty where it ended well, else how it died.

    Raises:
        RuntimeError: it reported that the machine or the model is at fault, or was ended from
            outside.
    """
    fault = ""
    with started_worker(request, state.tell) as process:
        for line in process.stdout:
            if not line.endswith("\n"):
                break  # it died in the middle of a word
            event = json.loads(line)
            if event["event"] == "fault":
                fault = event["error"]
            else:
                state.take(event)
        process.wait()
    if fault:
        raise RuntimeError(f"segmentation stopped: {fault}")
    end = how_it_died(process.returncode)
    if -process.returncode in STOPPED_BY:
        raise RuntimeError(f"segmentation was stopped from outside: {end}")
    return end


@contextlib.contextmanager
def started_worker(request: dict, tell: Tell) -> Iterator[subprocess.Popen]:
    """A worker process, what it prints passed on; it is gone when the block is left."""
    # The same modules as here, however this process found them. One thread for matrix products
    # of helper threads: the cores are the network's (PyTorch has its own setting).
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OPENBLAS_NUM_THREADS": "1",
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "request.json")
        write_json(request, path)
        pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
        # -P: nothing that lies in the working directory is taken for a module.
        command = [sys.executable, "-P", "-m", "bonecast.segment.worker", str(path)]
        with subprocess.Popen(
            command, env=environment, text=True, encoding="utf-8", errors="replace", **pipes
        ) as process:
            printing = threading.Thread(target=pass_on, args=(process.stderr, tell))
            printing.start()
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
                printing.join()


def pass_on(stream, tell: Tell) -> None:
    """Lines of a stream to the log."""
    for line in stream:
        if line.strip():
            tell(line.rstrip())


def how_it_died(code: int) -> str:
    """A sentence on the end of a process, empty for a good one."""
    if code == 0:
        return ""
    if code > 0:
        return f"{DIED} (exit code {code})"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else ""
    return f"{DIED} (signal {-code}{', ' if name else ''}{name})"


def write_rows(rows: list[dict], path: Path) -> None:
    """The batch's table (TSV)."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="", delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
