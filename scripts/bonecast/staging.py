"""Outputs of a job that appear whole, all at its end, or not at all.

A job writes into folders of its own, one beside each output: `.<job>.<digest>.<random>.part`.
Names are kept, so that what looks at a suffix or a folder finds what it expects. At the end the
files are flushed to the disk and moved to their names, each in one step.

Why this order is enough. Snakemake marks every output of a job as incomplete before it starts and
takes the marks away after the job has ended well and all outputs are there. A job that dies
between two moves leaves some outputs new, some missing and all of them marked: it runs again as a
whole. So the order of the moves does not matter; only that no name ever holds half a file, also
where marks are not looked at.

Where the main process of a run is killed, its jobs may live on, with settings that are no longer
wanted, while a new run makes the same outputs. The last job to start owns the outputs: it takes
the folders of all others away, and what those still write has nowhere to go. That needs no list
of processes, so it holds between the nodes of a cluster too. A job that finds its parent gone
does not move anything either.

Files are flushed because a file system may keep the new name and lose the content in a power cut:
an empty file would then be taken for a finished one. Folders that are an output as a whole (a
copy for editing, the demo's DICOM) are not.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

SUFFIX = ".part"
DIGEST_BYTES = 4


class Abandoned(RuntimeError):
    """The outputs are no longer this job's to write."""


class Staging:
    """Where one job writes its outputs until they are whole.

    Attributes:
        outputs: the final paths.
    """

    def __init__(self, job: str, outputs: Sequence[str | Path]):
        """Make the folders, and take those of earlier processes of the same job away.

        Args:
            job: name of the kind of job; goes into the names of folders.
            outputs: final paths of files or folders.

        Raises:
            OSError: a folder cannot be made.
        """
        self.outputs = [Path(path) for path in outputs]
        self._parent_process = os.getppid()
        digest = hashlib.blake2b("\n".join(map(str, outputs)).encode(), digest_size=DIGEST_BYTES)
        prefix = f".{job}.{digest.hexdigest()}."
        self._folders: dict[Path, Path] = {}
        try:
            for parent in dict.fromkeys(path.parent for path in self.outputs):
                parent.mkdir(parents=True, exist_ok=True)
                # The name alone: a relative path stays one.
                name = Path(tempfile.mkdtemp(prefix=prefix, suffix=SUFFIX, dir=parent)).name
                self._folders[parent] = parent / name
                others = [other for other in _staged(parent, prefix) if other.name != name]
                for number, other in enumerate(others):
                    _take_away(other, parent / name / f"{SUFFIX}{number}")
        except BaseException:
            self.discard()
            raise

    def path(self, output: str | Path) -> str:
        """Where an output is written before it has its name."""
        path = Path(output)
        return str(self._folders[path.parent] / path.name)

    def commit(self) -> None:
        """Give every output its name.

        Raises:
            FileNotFoundError: an output was not written; none is moved then.
            Abandoned: another process has begun to make the same outputs, or the one that
                started this job is gone.
            OSError: the disk is at fault.
        """
        self.check_owner()
        staged = {path: Path(self.path(path)) for path in self.outputs}
        for path, part in staged.items():
            if not part.exists():
                self.check_owner()
                raise FileNotFoundError(f"{path} was not written")
        for part in staged.values():
            if part.is_file():
                _flush(part)
        for path, part in staged.items():
            if path.is_dir():
                _take_away(path, part.with_name(f"{part.name}{SUFFIX}"))
            try:
                part.replace(path)
            except FileNotFoundError:
                self.check_owner()
                raise

    def check_owner(self) -> None:
        """Raise Abandoned unless the outputs are still this job's to write."""
        if os.getppid() != self._parent_process:
            raise Abandoned("the process that started this job is gone: nothing is written")
        if not all(folder.is_dir() for folder in self._folders.values()):
            raise Abandoned("another process makes the same outputs: nothing is written")

    def discard(self) -> None:
        """Remove what has not got its name."""
        for folder in self._folders.values():
            shutil.rmtree(folder, ignore_errors=True)


def _staged(parent: Path, prefix: str) -> list[Path]:
    """Folders of processes of a job, of any time."""
    names = os.listdir(parent)  # noqa: PTH208  (no paths are made of the other thousands)
    return [parent / name for name in names if name.startswith(prefix) and name.endswith(SUFFIX)]


def _take_away(path: Path, target: Path) -> None:
    """Move a folder out of a living process's reach in one step; its files go one by one later."""
    with contextlib.suppress(FileNotFoundError):  # its own process was faster
        path.rename(target)
    shutil.rmtree(target, ignore_errors=True)


def _flush(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that has no such call
            raise
    finally:
        os.close(number)
