"""Keeps what libraries say about a patient's files out of logs and error messages.

Their warnings and exceptions quote file names and header values. What is raised or logged by
this package's own code is written to quote neither, and passes.
"""

import contextlib
import dis
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from bonecast.refusal import Refusal

PACKAGE = Path(__file__).resolve().parent
RAISE = dis.opmap["RAISE_VARARGS"]


class InputFailure(Refusal):
    """An unforeseen exception among a patient's files, told without its text."""


class _OwnRecords(logging.Filter):
    """Passes records of this package and counts the others, each once for all handlers."""

    def __init__(self):
        super().__init__()
        self.withheld = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.split(".")[0] == PACKAGE.name:
            return True
        self.withheld += not hasattr(record, "withheld")
        record.withheld = True
        return False


@contextlib.contextmanager
def nothing_quoted() -> Iterator[None]:
    """Open a patient's files inside: no text of a library comes out.

    Log records and warnings of libraries, and whatever they print from Python or from C, are
    dropped; the log says how many records. Call inside `runtime.job`.

    Raises:
        InputFailure: instead of an exception of a library; has its type and the lines of code it
            came through.
        OSError: an error of the system, in the system's words and without names of files.
        Exception: one raised by this package's own code, as it is and without its context.
    """
    log = logging.getLogger(PACKAGE.name)
    handlers = logging.getLogger().handlers
    records = _OwnRecords()
    for handler in handlers:
        handler.addFilter(records)
    try:
        with _silent():
            yield
    except Exception as error:
        if _is_own(error):
            error.__cause__ = error.__context__ = None
            raise
        if isinstance(error, OSError) and error.errno:
            # Made anew without the names of files; who calls knows what to do about which error.
            plain = OSError(error.errno, os.strerror(error.errno))
            raise plain.with_traceback(error.__traceback__) from None
        raise InputFailure(without_text(error)) from None
    finally:
        for handler in handlers:
            handler.removeFilter(records)
        if records.withheld:
            log.info("messages of libraries not shown, for they quote files: %d", records.withheld)


def without_text(error: Exception) -> str:
    """Type and traceback of an exception, without its message."""
    name = type(error).__name__
    lines = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    return f"{name}; its message is not shown, for it may quote the patient's files\n{lines}"


def _is_own(error: Exception) -> bool:
    """Whether this package wrote the message: its own class, or raised by its own statement."""
    if type(error).__module__.split(".")[0] == PACKAGE.name:
        return True
    innermost = _innermost(error.__traceback__)
    if innermost is None:
        return False
    code = innermost.tb_frame.f_code
    raised = code.co_code[innermost.tb_lasti] == RAISE
    return raised and Path(code.co_filename).resolve().is_relative_to(PACKAGE)


def _innermost(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Standard output and error lead nowhere, also for C code and child processes."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        try:
            for descriptor in (1, 2):
                os.dup2(nowhere.fileno(), descriptor)
            with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
                yield
        finally:
            for descriptor, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)
