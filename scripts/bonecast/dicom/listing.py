"""The files of a participant's input, in one order that later stages can rely on."""

import hashlib
import os
from pathlib import Path

NIFTI_SUFFIXES = (".nii", ".nii.gz")

DIGEST_BYTES = 8


def list_files(source: str | Path) -> list[Path] | None:
    """Every file of a folder, at any depth, or the one file; sorted by relative path.

    Hidden files (.DS_Store and the like) are left out. Links to folders are followed,
    each folder once.

    Returns:
        The files, or None where the source does not exist.

    Raises:
        OSError: a folder cannot be read. That is a fault of the set-up, not of the data.
    """
    source = Path(source)
    if source.is_file():
        return [source]
    if not source.is_dir():
        return None

    def stop(error: OSError) -> None:
        raise error

    files, seen = [], set()
    for folder, subfolders, names in os.walk(source, onerror=stop, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        files += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(files, key=lambda path: path.relative_to(source).as_posix())


def listing_digest(source: str | Path, files: list[Path]) -> str:
    """A short digest of relative names and sizes: it changes when a file comes, goes or grows."""
    source = Path(source)
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for path in files:
        # A lone file counts by its size only: its name is the participant's own id.
        name = path.relative_to(source).as_posix() if path != source else ""
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
