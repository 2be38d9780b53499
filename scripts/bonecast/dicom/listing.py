"""The files of a participant's input, in one order that later stages can rely on."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

NIFTI_SUFFIXES = (".nii", ".nii.gz")

LIST_SUFFIX = ".files"
"""A text file with one path per line, relative to its own folder or absolute."""

SAME_PERSON = "# one person"
"""First line of a list whose files, by their headers, are of several patients and are not."""

DIGEST_BYTES = 8


def list_files(source: str | Path) -> list[Path] | None:
    """Every file of a folder, at any depth, or of a list, or the one file.

    Those of a folder are sorted by relative path; those of a list (LIST_SUFFIX) come in its own
    order, each once. Hidden files (.DS_Store and the like) are left out of a folder. Links to
    folders are followed, each folder once.

    Returns:
        The files, or None where the source does not exist.

    Raises:
        OSError: a folder cannot be read, or a file of a list is not there. That is a fault of
            the set-up, not of the data. The message names the line of the list, not the file.
    """
    source = Path(source)
    if source.is_file():
        return _read_list(source) if source.suffix == LIST_SUFFIX else [source]
    if not source.is_dir():
        return None
    return sorted(
        (Path(folder, name) for folder, names in walk(source) for name in names),
        key=lambda path: path.relative_to(source).as_posix(),
    )


def walk(
    folder: str | Path, skip: Callable[[str], bool] = lambda folder: False
) -> Iterator[tuple[str, list[str]]]:
    """Folders at any depth with the names of their files; hidden ones are left out.

    Args:
        skip: whether a folder, by its path without links, is not entered.

    Raises:
        OSError: a folder cannot be read.
    """

    def stop(error: OSError) -> None:
        raise error

    seen = set()
    for here, subfolders, names in os.walk(folder, onerror=stop, followlinks=True):
        real = os.path.realpath(here)
        if real in seen or skip(real):
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        yield here, [name for name in names if not name.startswith(".")]


def write_list(
    path: Path, files: list[str], absolute: bool = False, same_person: bool = False
) -> bool:
    """Write a list of files, in place of an earlier one in a single step; same content stays.

    Args:
        path: ends in LIST_SUFFIX; its folder exists.
        files: absolute paths, without line breaks in their names.
        absolute: write paths as they are, not relative to the list's folder.
        same_person: begin with SAME_PERSON.

    Returns:
        Whether it was written.
    """
    folder = os.path.realpath(path.parent)
    lines = [SAME_PERSON] if same_person else []
    lines += files if absolute else [os.path.relpath(file, folder) for file in files]
    return write_if_changed(path, "".join(f"{line}\n" for line in lines))


def write_if_changed(path: Path, text: str) -> bool:
    """Write a file whole or not at all; a file that holds the same is not touched.

    Returns:
        Whether it was written.
    """
    content = text.encode("utf-8", errors="surrogateescape")
    if path.is_file() and path.read_bytes() == content:
        return False
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
    return True


def holds_one_person(source: str | Path) -> bool:
    """Whether a list says that its files are of one person, whatever their headers say."""
    source = Path(source)
    if source.suffix != LIST_SUFFIX or not source.is_file():
        return False
    return _lines(source)[:1] == [SAME_PERSON]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8-sig", errors="surrogateescape").split("\n")


def _read_list(path: Path) -> list[Path]:
    files: dict[Path, None] = {}
    folder = path.parent.resolve()
    for number, line in enumerate(_lines(path), start=1):
        if not line or line == SAME_PERSON:
            continue
        file = Path(os.path.normpath(folder / line))
        try:
            kind = file.stat().st_mode
        except OSError as error:
            raise OSError(
                error.errno,
                f"line {number} of the list of the participant's files: {error.strerror}. "
                "Bring the file back, or make the lists again",
            ) from None
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(
                errno.EISDIR,
                f"line {number} of the list of the participant's files names a folder; "
                "name every file",
            )
        files[file] = None
    return list(files)


def listing_digest(source: str | Path, files: list[Path]) -> str:
    """A short digest of relative names and sizes: it changes when a file comes, goes or grows."""
    source = Path(source)
    folder = source.absolute()
    if source.suffix == LIST_SUFFIX:
        folder = folder.parent
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for path in files:
        # A lone file counts by its size only: its name is the participant's own id.
        name = "" if path == source else Path(os.path.relpath(path.absolute(), folder)).as_posix()
        size = path.stat().st_size if path.exists() else -1  # -1: a broken link
        digest.update(f"{name}\0{size}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def is_nifti(path: Path) -> bool:
    """Whether a file's name says NIfTI."""
    return path.name.lower().endswith(NIFTI_SUFFIXES)


def to_ranges(indices: list[int]) -> str:
    """Indices as text, runs shortened: [0, 1, 2, 5] is `0-2,5`."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def from_ranges(text: str) -> list[int]:
    """The indices that `to_ranges` wrote."""
    indices: list[int] = []
    for run in filter(None, text.split(",")):
        first, _, last = run.partition("-")
        indices += range(int(first), int(last or first) + 1)
    return indices
