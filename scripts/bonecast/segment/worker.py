"""The process that runs a batch: `python -m bonecast.segment.worker <request.json>`.

Apart from the process that watches it (`segment/batch.py`), so that what kills it - a crash in
a library, the system running out of memory - costs one scan. It tells what it does as JSON
lines on its standard output; what libraries print goes to standard error.
"""

import hashlib
import importlib
import json
import os
import resource
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from bonecast.images import Volume
from bonecast.runtime import read_json
from bonecast.segment import pipeline
from bonecast.segment.backends import Backend
from bonecast.segment.raw import (
    finished,
    record_path,
    write_failure,
    write_record,
    write_volumes,
)


def work(request: dict, emit: Callable[..., None]) -> None:
    """Segment the scans of a request that are not finished.

    Args:
        request: opener ("module:function"), settings, scans (participant to path), raw (folder),
            alone (whether to do one scan at a time).
        emit: receives events: row, waiting, begin.
    """
    backend = open_named(request["opener"])(request["settings"])
    raw = Path(request["raw"])
    keys = {}
    for name, path in request["scans"].items():
        content = Path(path).read_bytes()
        key = hashlib.sha256(content + backend.digest.encode()).hexdigest()
        if not content:
            emit("row", row={"participant_id": name, "status": "no_scan"})
        elif finished(raw, name, key):
            emit("row", row=kept_row(raw, name))
        else:
            keys[name] = key
    emit("waiting", names=list(keys))
    if keys:
        segment(backend, {name: Path(request["scans"][name]) for name in keys}, keys, request, emit)


def segment(backend: Backend, scans: dict, keys: dict, request: dict, emit: Callable) -> None:
    """Run scans through a backend, store results and tell each scan's row."""
    raw = Path(request["raw"])
    if hasattr(backend, "load"):
        backend.load()
    provenance = backend.provenance

    def write(outcome: pipeline.Outcome, volumes: dict[str, Volume]) -> None:
        about = {
            "key": keys[outcome.name],
            **provenance,
            "device": outcome.device or provenance["device"],
            "gpu": pipeline.gpu_name() if outcome.device not in ("", "cpu") else "",
            "seconds": round(outcome.seconds, 2),
            "network_seconds": round(outcome.network_seconds, 2),
            "fallback": outcome.fallback,
        }
        if outcome.error:
            write_failure(raw, outcome.name, kind_of(outcome.error), about)
        else:
            written = write_volumes(raw, outcome.name, volumes)
            about |= {"volumes": list(written), "digests": written, "error": ""}
            write_record(raw, outcome.name, about)

    outcomes = pipeline.run(
        backend,
        scans,
        write,
        overlap=not request["alone"],
        begin=lambda name: emit("begin", name=name),
        tell=log,
    )
    for outcome in outcomes:
        if outcome.error:
            log(f"{outcome.name}: {outcome.error}")
        emit("row", row=row_of(outcome))


def row_of(outcome: pipeline.Outcome) -> dict:
    """A scan's row of the batch's table."""
    gpu = outcome.peak_gpu_mb
    return {
        "participant_id": outcome.name,
        "status": "failed" if outcome.error else "segmented",
        "seconds": round(outcome.seconds, 2),
        "network_seconds": round(outcome.network_seconds, 2),
        "network_share": round(outcome.network_share, 3),
        "peak_memory_mb": round(peak_memory_mb()),
        "peak_gpu_mb": "" if gpu is None else round(gpu),
        "device": outcome.device,
        "fallback": outcome.fallback,
        "error": kind_of(outcome.error),
    }


def kept_row(raw: Path, name: str) -> dict:
    """The row of a scan that was finished before, with what its record tells of then."""
    record = read_json(record_path(raw, name))
    told = {key: record[key] for key in ("seconds", "network_seconds", "device", "fallback")}
    return {"participant_id": name, "status": "kept", **told}


def kind_of(error: str) -> str:
    """The kind of an error. Its text goes to the log, which is cleaned of paths; this is not."""
    return error.partition(":")[0]


def peak_memory_mb() -> float:
    """The highest resident memory of this process up to now, in MB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def open_named(opener: str) -> Callable[[dict], Backend]:
    """The function that a "module:function" names."""
    module, _, function = opener.partition(":")
    return getattr(importlib.import_module(module), function)


def log(line: str) -> None:
    """A line for the batch's log."""
    print(line, file=sys.stderr, flush=True)


def end_with_parent() -> None:
    """End when the watching process is gone, however it went: its end of our input closes."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def end_with_a_thread(failure: threading.ExceptHookArgs) -> None:
    """End when a library's thread fails: what waits for it would wait for ever.

    nnU-Net moves tiles to the GPU in a thread; where that runs out of memory nobody hears of it.
    """
    traceback.print_exception(failure.exc_value)
    os._exit(2)


def main() -> int:
    """Run the request named on the command line; 1 where the machine or the model is at fault."""
    end_with_parent()
    threading.excepthook = end_with_a_thread
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as events:
        # From here on, whatever prints, in Python or below it, prints to the log.
        os.dup2(2, 1)

        def emit(event: str, **values) -> None:
            events.write(json.dumps({"event": event, **values}) + "\n")
            events.flush()

        try:
            work(read_json(sys.argv[1]), emit)
        except Exception as error:
            traceback.print_exc()
            emit("fault", error=f"{type(error).__name__}: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
