"""Found by Python at its start where a traced run put this folder on PYTHONPATH: each script of a
rule says at its end what its process took, and what it had taken when its work began."""

import atexit
import json
import os
import re
import resource
import sys
import time
from pathlib import Path

STARTED_S = time.perf_counter()


def own_peak_kb() -> int | None:
    """Not ru_maxrss, which begins with the size of the process that started this one."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), None)


def watch() -> None:
    """Measure this process if it runs the script of a rule; others are their parents' affair."""
    script = next((word for word in sys.orig_argv[1:] if "/.snakemake/scripts/" in word), None)
    if script is None:
        return
    begun: dict[str, float] = {}

    def opened(event: str, arguments: tuple) -> None:
        # The first thing that a job does after its imports is to open its log.
        if event == "open" and not begun and arguments[1] == "w":
            begun["start_cpu_s"] = time.process_time()
            begun["start_wall_s"] = time.perf_counter() - STARTED_S

    def tell() -> None:
        usage = [
            resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ]
        peak_kb = max(own_peak_kb() or usage[0].ru_maxrss, usage[1].ru_maxrss)
        rule = re.sub(r"^tmp\w+\.|\.py$", "", Path(script).name)
        row = {
            "rule": rule,
            "wall_s": time.perf_counter() - STARTED_S,
            "cpu_s": sum(one.ru_utime + one.ru_stime for one in usage),
            "peak_mb": peak_kb / 1024,
        } | begun
        folder = Path(os.environ["BONECAST_TRACE"])
        (folder / f"{rule}.{os.getpid()}.json").write_text(json.dumps(row), encoding="utf-8")

    sys.addaudithook(opened)
    atexit.register(tell)


watch()
