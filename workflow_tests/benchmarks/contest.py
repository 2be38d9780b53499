"""Contests between programs: the same input, in turns, one row a contender and round.

Every contender is one or more processes of its own. Wall seconds, CPU seconds (those of the
processes it started included) and the peak memory of its largest process are the kernel's; a
process that times a part of itself prints that in a last line, see `report`. Only the standard
library is imported here: a process's peak memory begins with that of the one that started it,
and peers' environments have little else.
"""

import argparse
import csv
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
RESULTS = PROJECT / "results" / "bench"
"""Where each part leaves its rows; not tracked."""

COLUMNS = (
    "part", "case", "contender", "role", "round", "wall_s", "cpu_s", "peak_mb", "facts",
    "input", "version", "machine", "python", "load", "date",
)  # fmt: skip
"""`role` is ours, peer or step (of a whole run); `facts` are name=value, separated by blanks;
`load` is the mean number of running processes in the minute before."""

ROUNDS = 5
MARK = "MEASURED "
ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "PICTOLOGICS_NUM_THREADS",
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    ),
    "1",
)


class ContestError(Exception):
    """A contender failed; the message has the last lines it wrote."""


@dataclass(frozen=True)
class Taken:
    """What a contender took: seconds, peak memory of the largest process in MB, and facts."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    facts: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """Who competes: `run` takes the number of the round; `role` is ours or peer."""

    name: str
    role: str
    version: str
    run: Callable[[int], Taken]


def run(command: Sequence[object], environment: Mapping[str, str] | None = None) -> Taken:
    """Run one process to its end.

    Args:
        command: program and arguments.
        environment: variables that differ from this process's.

    Raises:
        ContestError: it could not be started, or ended with another status than 0.
    """
    words = [str(word) for word in command]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        try:
            process = subprocess.Popen(
                words, stdout=output, stderr=errors, env=os.environ | dict(environment or {})
            )
        except OSError as error:
            raise ContestError(f"{words[0]} cannot be started: {error.strerror}") from None
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read().decode(errors="replace").splitlines()
        errors.seek(0)
        if process.returncode:
            last = errors.read().decode(errors="replace").splitlines() or printed
            raise ContestError("\n".join(["", f"status {process.returncode}:", *last[-12:]]))
    said = json.loads(printed[-1].removeprefix(MARK)) if _is_report(printed) else {}
    return Taken(
        said.pop("wall_s", wall_s),
        said.pop("cpu_s", usage.ru_utime + usage.ru_stime),
        usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
        said,
    )


def _is_report(printed: list[str]) -> bool:
    return bool(printed) and printed[-1].startswith(MARK)


def report(**values: float) -> None:
    """Say, in the last line of a process, what it measured of itself.

    Args:
        values: `wall_s` and `cpu_s` replace those of the whole process; all others are facts.
    """
    print(MARK + json.dumps(values), flush=True)


def timed(task: Callable[[], object]) -> tuple[dict[str, float], object]:
    """Wall and CPU seconds of a call in this process, for `report`, and what it returned."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    found = task()
    return {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.process_time() - cpu_s}, found


def together(**taken: Taken) -> Taken:
    """Several processes, one after the other, as one contender; their shares become facts."""
    facts = {f"{name}_cpu_s": one.cpu_s for name, one in taken.items()}
    for one in taken.values():
        facts |= one.facts
    return Taken(
        sum(one.wall_s for one in taken.values()),
        sum(one.cpu_s for one in taken.values()),
        max(one.peak_mb for one in taken.values()),
        facts,
    )


def compete(
    part: str, case: str, source: str, contenders: Sequence[Contender], rounds: int
) -> list[dict]:
    """Let contenders run in turns, another one first in each round.

    Args:
        part: of the benchmarks, such as "ingest".
        case: what is compared within it.
        source: what the input is, in words.
        rounds: how often.

    Returns:
        A row for each contender and round. A contender that fails is told about and left out
        of the rounds after it.
    """
    rows, failed = [], set()
    say(f"{part}, {case} ({source}):")
    for number in range(1, rounds + 1):
        first = (number - 1) % len(contenders)
        for one in [*contenders[first:], *contenders[:first]]:
            if one.name in failed:
                continue
            load = os.getloadavg()[0]
            try:
                taken = one.run(number)
            except ContestError as error:
                say(f"  FAILED, left out: {one.name}: {error}")
                failed.add(one.name)
                continue
            say(f"  round {number}  {one.name:44s} {taken.wall_s:8.2f} s {taken.cpu_s:8.2f} s CPU")
            rows.append(row_of(part, case, source, one, number, taken, load))
    return rows


def row_of(part, case, source, contender, number, taken, load) -> dict:
    """A row of the table of results."""
    return {
        "part": part,
        "case": case,
        "contender": contender.name,
        "role": contender.role,
        "round": number,
        "wall_s": f"{taken.wall_s:.4g}",
        "cpu_s": f"{taken.cpu_s:.4g}",
        "peak_mb": f"{taken.peak_mb:.0f}",
        "facts": " ".join(f"{name}={value:.4g}" for name, value in taken.facts.items()),
        "input": source,
        "version": contender.version,
        "machine": machine(),
        "python": platform.python_version(),
        "load": f"{load:.1f}",
        "date": datetime.date.today().isoformat(),
    }


def machine() -> str:
    """The processor and how many cores this process may use, in words."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    usable = getattr(os, "sched_getaffinity", None)
    cores = len(usable(0)) if usable else os.cpu_count()
    return f"{names[0] if names else platform.machine()}, {cores} cores"


def versions(*packages: str) -> str:
    """Installed versions in this environment, as `name version, name version`."""
    found = []
    for name in packages:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} of unknown version")
    return ", ".join(found)


def bonecast_version() -> str:
    """Ours, with the commit where git tells it."""
    text = (PROJECT / "scripts" / "bonecast" / "__init__.py").read_text(encoding="utf-8")
    found = next(line for line in text.splitlines() if line.startswith("__version__"))
    number = found.partition("=")[2].strip().strip('"')
    command = ["git", "-C", str(PROJECT), "rev-parse", "--short=8", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return f"Bonecast {number}"
    return f"Bonecast {number} ({done.stdout.strip()})"


def data_folder() -> Path | None:
    """Real scans for benchmarks: BONECAST_TEST_DATA, else ../shared/data beside the project."""
    folder = Path(os.environ.get("BONECAST_TEST_DATA", PROJECT.parent / "shared" / "data"))
    return folder if folder.is_dir() else None


def say(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)


def write_rows(rows: Sequence[dict], path: Path) -> None:
    """Write a table of results, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)


def read_rows(path: Path) -> list[dict]:
    """Rows of a table of results; none where it is not there."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def main(
    part: str,
    description: str,
    contest: Callable[[argparse.Namespace], list[dict]],
    tasks: Mapping[str, Callable[..., None]],
    options: Callable[[argparse.ArgumentParser], object] = lambda parser: None,
) -> None:
    """The command line of a part.

    Args:
        part: its name; the table is RESULTS/<part>.tsv.
        description: its docstring.
        contest: runs it and returns rows.
        tasks: what `command(script, name, ...)` makes a process of its own do.
        options: adds options of the part's own.

    Raises:
        SystemExit: nothing could be measured, or what comes before it failed.
    """
    if sys.argv[1:2] == ["--work"]:
        sys.path.insert(0, str(PROJECT / "scripts"))
        tasks[sys.argv[2]](*sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=RESULTS / f"{part}.tsv", help="table to write")
    options(parser)
    arguments = parser.parse_args()
    try:
        rows = contest(arguments)
    except ContestError as error:
        raise SystemExit(f"{part}: {error}") from None
    if not rows:
        raise SystemExit(f"{part}: nothing was measured")
    write_rows(rows, arguments.out)
    say(f"{part}: {len(rows)} rows in {arguments.out}")


def command(script: str, task: str, *arguments: object, python: str = sys.executable) -> list:
    """The command that makes a script of this kind do one of its tasks in a process of its own."""
    return [python, script, "--work", task, *arguments]
