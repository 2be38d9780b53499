"""What every adapter needs around its one library call: a log file, outputs that appear whole,
and JSON on disk.

The only module of the library that knows the shape of Snakemake's injected object.
"""

import contextlib
import json
import logging
import multiprocessing
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from io import TextIOBase
from pathlib import Path

from bonecast.refusal import Refusal
from bonecast.staging import Abandoned, Staging
from bonecast.storage import STORAGE_FAULTS

LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"
TIME_FORMAT = "%H:%M:%S"
"""Clock time only: the date of a run says nothing a reader of one job's log needs."""

UID = re.compile(r"\b[0-2](?:\.\d+){5,}\b")
"""DICOM UIDs identify a study: libraries quote them in warnings, logs must not."""

PARENT_CHECK_S = 1.0
"""How often a job looks whether the process that started it is still there."""


class _ScrubbingFormatter(logging.Formatter):
    """Formats a record, then takes out folders that name a user or machine, and UIDs."""

    def __init__(self):
        super().__init__(LOG_FORMAT, TIME_FORMAT)
        workflow = Path(__file__).resolve().parents[2]
        folders = {
            sys.base_prefix: "<python>",
            sys.prefix: "<environment>",
            str(Path.home()): "~",
            str(workflow): "<bonecast>",
            str(Path.cwd()): ".",
        }
        # Longest first: the working directory often lies inside the home folder.
        self._folders = sorted(folders.items(), key=lambda item: -len(item[0]))

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for folder, name in self._folders:
            if len(folder) > 1:
                text = text.replace(folder, name)
        return UID.sub("<uid>", text)


class _LineLogger(TextIOBase):
    """A text stream whose lines become log lines: for libraries that print."""

    def __init__(self, log: logging.Logger):
        self._log = log
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        # A progress bar rewrites its line with \r: each state would be a line of its own.
        *lines, self._rest = (self._rest + text.replace("\r", "\n")).split("\n")
        for line in lines:
            if line.strip():
                self._log.info(line.rstrip())
        return len(text)


@contextlib.contextmanager
def job(snakemake) -> Iterator[logging.Logger]:
    """Run the body of an adapter with its log file open and its outputs staged.

    The first line of the log names the rule and its wildcards, the last one the time
    taken. What libraries print or warn about goes to the log too. An exception is
    written there, with the participant, and raised again; of a `Refusal` only its
    message, and the process ends with it.

    Inside the block `snakemake.output` holds other paths, which get their names when the block
    has ended well (`bonecast.staging`). The process ends soon after the one that started it.

    Args:
        snakemake: the object Snakemake injects into scripts.

    Yields:
        The logger to write to.

    Raises:
        SystemExit: instead of a `Refusal`, whose traceback tells the user nothing, and of an
            error of the storage, with what to do about it.
    """
    log = logging.getLogger("bonecast")
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(_ScrubbingFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    old_level = log.level
    log.setLevel(logging.INFO)
    logging.captureWarnings(True)
    started = time.perf_counter()
    wildcards = " ".join(f"{name}={value}" for name, value in dict(snakemake.wildcards).items())
    name = f"{snakemake.rule} {wildcards}".strip()
    try:
        log.info("%s: started", name)
        with contextlib.redirect_stdout(_LineLogger(log)), _staged_outputs(snakemake, log):
            yield log
        taken, cpu = time.perf_counter() - started, time.process_time()
        log.info("%s: done in %.1f s; CPU since the process began: %.2f s", name, taken, cpu)
    except (Refusal, Abandoned) as error:
        log.error("%s: %s", name, error)
        raise SystemExit(f"{name}: {error}") from None
    except OSError as error:
        hide_names(error, path)
        log.exception("%s: failed after %.1f s", name, time.perf_counter() - started)
        if error.errno not in STORAGE_FAULTS:
            raise
        told = f"{STORAGE_FAULTS[error.errno]}, then run again ({os.strerror(error.errno)})"
        log.error("%s: %s", name, told)
        raise SystemExit(f"{name}: {told}") from None
    except BaseException as error:
        hide_names(error, path)
        log.exception("%s: failed after %.1f s", name, time.perf_counter() - started)
        raise
    finally:
        logging.captureWarnings(False)
        log.setLevel(old_level)
        root.removeHandler(handler)
        handler.close()


@contextlib.contextmanager
def _staged_outputs(snakemake, log: logging.Logger) -> Iterator[None]:
    """Give an adapter's outputs their names when it has ended well.

    Raises:
        Abandoned: they are no longer this process's to write.
    """
    if is_left_behind():
        raise Abandoned("the process that started this job is gone: nothing is written")
    outputs = snakemake.output
    staging = Staging(snakemake.rule, list(outputs))
    snakemake.output = type(outputs)(toclone=outputs, custom_map=staging.path)
    try:
        with _ending_with_parent(staging, log):
            yield
            staging.commit()
    finally:
        snakemake.output = outputs
        staging.discard()


@contextlib.contextmanager
def _ending_with_parent(staging: Staging, log: logging.Logger) -> Iterator[None]:
    """End this process soon after the one that started it, which alone can use its results.

    Otherwise a job whose main process was killed goes on for hours, beside its successor.
    """
    parent, left = os.getppid(), threading.Event()

    def watch() -> None:
        while not left.wait(PARENT_CHECK_S):
            if os.getppid() != parent:
                log.error("stopped: the process that started this job is gone")
                staging.discard()
                for child in multiprocessing.active_children():
                    child.kill()
                os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        left.set()


def is_left_behind() -> bool:
    """Whether this is a script of Snakemake's whose parent died while modules were imported.

    Snakemake and its scripts are of one session; the process that takes orphans over is not.
    """
    if Path(sys.argv[0]).parent.parts[-2:] != (".snakemake", "scripts"):
        return False
    try:
        return os.getsid(os.getppid()) != os.getsid(0)
    except ProcessLookupError:
        return True
    except PermissionError:  # some systems do not tell
        return False


def hide_names(error: BaseException | None, log: Path) -> None:
    """Take file names out of an error and those behind it: a folder may have a patient's name.

    Args:
        error: changed in place.
        log: a path among the results; what lies there, too, keeps its name.
    """
    while error is not None:
        for name in ("filename", "filename2"):
            path = getattr(error, name, None)
            named = isinstance(path, str | bytes | os.PathLike)  # not a file's number
            if named and Path(os.fsdecode(path)).parts[:1] != log.parts[:1]:
                setattr(error, name, "<input>")
        error = error.__cause__ or error.__context__


def read_json(path: str | Path) -> dict:
    """The content of a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_json(value: object, path: str | Path) -> None:
    """Write a JSON file, indented, keys in the order given.

    NumPy scalars and arrays become numbers and lists.

    Raises:
        ValueError: a number is not finite; a missing value is None, never NaN.
        TypeError: a value that JSON has no form for.
    """
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False, default=_plain)
    Path(path).write_text(text + "\n", encoding="utf-8")


def _plain(value: object) -> object:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"cannot write {type(value).__name__} as JSON")
