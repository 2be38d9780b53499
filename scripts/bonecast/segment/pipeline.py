"""Scans through one backend: the next is read and the last written while the network runs.

On a CPU one scan is held ahead of the network and one behind it. A GPU is faster than one thread
reads and writes: there as many are held on either side as the backend has helpers.
"""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bonecast.images import Volume
from bonecast.segment.backends import CPU_DEVICE, Backend, is_machine_fault, is_memory_error

HELPER_NICENESS = 5
"""Reading and writing give way to the network where they share a core."""


@dataclass
class Outcome:
    """What became of one scan.

    Attributes:
        name: its participant.
        error: why there is no result; empty where there is one.
        seconds: work on this scan: reading, network and writing.
        network_seconds: of these, in the network.
        network_share: the network's part of the time since the scan before it was through.
        device: where the network ran, empty where it did not come to that.
        fallback: what was done when memory ran out, empty where it sufficed.
        peak_gpu_mb: highest memory allocated on the GPU for this scan, None without one.
    """

    name: str
    error: str = ""
    seconds: float = 0.0
    network_seconds: float = 0.0
    network_share: float = 0.0
    device: str = ""
    fallback: str = ""
    peak_gpu_mb: float | None = None


Write = Callable[[Outcome, dict[str, Volume]], None]
"""Stores a scan's label maps. Whatever it raises ends the batch: the disk is at fault."""


def run(
    backend: Backend,
    scans: dict[str, Path],
    write: Write,
    *,
    overlap: bool = True,
    begin: Callable[[str], None] = lambda name: None,
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[Outcome]:
    """Segment scans; outcomes come in the order of the scans, each after it was written.

    A scan that fails is reported in its outcome; the others go on.

    Args:
        backend: loaded.
        scans: participant to path of the scan.
        write: stores a result; called in the writer thread.
        overlap: False does one thing at a time, one scan after the other.
        begin: called with each participant before anything is done for it.
        tell: receives a line where memory ran out.

    Raises:
        MemoryError and the like: the machine failed, not the scan, whatever was tried.
        OSError: a result could not be written.
    """
    helpers = getattr(backend, "helpers", 1)
    stages = _Stages(backend, write, tell)
    if not overlap:
        for name, path in scans.items():
            begin(name)
            yield stages.store(stages.network(*stages.read(name, path)))
        return
    with (
        ThreadPoolExecutor(helpers, "reader", initializer=give_way) as reader,
        ThreadPoolExecutor(helpers, "writer", initializer=give_way) as writer,
    ):
        coming, ahead, behind = deque(scans), deque(), deque()

        def read_on() -> None:
            while coming and len(ahead) < helpers:
                name = coming.popleft()
                begin(name)
                ahead.append(reader.submit(stages.read, name, scans[name]))

        read_on()
        while ahead:
            outcome, prepared = ahead.popleft().result()
            read_on()
            inferred = stages.network(outcome, prepared)
            del prepared
            if len(behind) == helpers:
                yield behind.popleft().result()
            behind.append(writer.submit(stages.store, inferred))
            del inferred
        while behind:
            yield behind.popleft().result()


class _Stages:
    """The three stages of one scan, each with its clock."""

    def __init__(self, backend: Backend, write: Write, tell: Callable[[str], None]):
        self.backend, self.write, self.tell = backend, write, tell
        self.through = time.perf_counter()

    def read(self, name: str, path: Path) -> tuple[Outcome, Any]:
        outcome = Outcome(name)
        return outcome, self._timed(outcome, self.backend.read, path)

    def network(self, outcome: Outcome, prepared: Any) -> tuple[Outcome, Any]:
        inferred = None
        if not outcome.error:
            reset_gpu_peak()
            before = outcome.seconds
            inferred = self._timed(outcome, self._infer, outcome, prepared)
            outcome.network_seconds = outcome.seconds - before
            outcome.peak_gpu_mb = gpu_peak_mb()
            device = self.backend.provenance["device"]
            outcome.device = "cpu" if outcome.fallback == CPU_DEVICE else device
        now = time.perf_counter()
        outcome.network_share = outcome.network_seconds / max(now - self.through, 1e-9)
        self.through = now
        return outcome, inferred

    def store(self, job: tuple[Outcome, Any]) -> Outcome:
        outcome, inferred = job
        volumes = {}
        if not outcome.error:
            volumes = self._timed(outcome, self.backend.finish, inferred) or {}
        self.write(outcome, volumes)
        return outcome

    def _infer(self, outcome: Outcome, prepared: Any) -> Any:
        """The network, with less and less memory as long as there is not enough."""
        done, inferred, full = self._attempt(prepared)
        for fallback in getattr(self.backend, "fallbacks", ()):
            if done:
                break
            self.tell(f"{outcome.name}: out of memory, trying {fallback} ({full})")
            outcome.fallback = fallback
            done, inferred, full = self._attempt(prepared, fallback)
        if not done:
            raise MemoryError(full)
        return inferred

    def _attempt(self, *arguments: Any) -> tuple[bool, Any, str]:
        """Whether memory sufficed, the result, and what was said if not."""
        try:
            return True, self.backend.infer(*arguments), ""
        except Exception as error:
            if not is_memory_error(error):
                raise
            text = str(error).partition("\n")[0]
        # Left: the frames of the failed attempt, and with them what they held.
        free_gpu()
        return False, None, text or "no message"

    def _timed(self, outcome: Outcome, work: Callable, *arguments: Any) -> Any:
        """A stage's work; what the scan is to blame for becomes the outcome's error."""
        started = time.perf_counter()
        try:
            return work(*arguments)
        except Exception as error:
            if is_machine_fault(error):
                raise
            outcome.error = f"{type(error).__name__}: {error}"
            return None
        finally:
            outcome.seconds += time.perf_counter() - started


def give_way() -> None:
    """Lower the priority of the calling thread, where the system knows threads (Linux)."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), HELPER_NICENESS)


def _cuda():
    """PyTorch's CUDA module where a backend is using a GPU."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None


def reset_gpu_peak() -> None:
    """Begin to measure the GPU's memory anew."""
    if cuda := _cuda():
        cuda.reset_peak_memory_stats()


def gpu_peak_mb() -> float | None:
    """Highest memory allocated on the GPU since then, None where none is used."""
    cuda = _cuda()
    return cuda.max_memory_allocated() / 2**20 if cuda else None


def gpu_name() -> str:
    """Trade name of the GPU, empty without one."""
    cuda = _cuda()
    return cuda.get_device_name() if cuda else ""


def free_gpu() -> None:
    """Give unused GPU memory back."""
    if cuda := _cuda():
        cuda.empty_cache()
