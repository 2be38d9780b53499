"""The cache of raw results: `<id>.nii.gz`, `<id>.bodies.nii.gz`, `<id>.tissue.nii.gz`, `<id>.json`.

A result counts only with its record, which is written last and taken away first, and which holds
the digests of its label maps. So what an interrupted run left half-written, what a power cut
emptied, and label maps that another process replaced are never taken for a result.
"""

import hashlib
import os
from pathlib import Path

from bonecast.images import Volume, save
from bonecast.runtime import read_json, write_json

KINDS = ("classes", "bodies", "tissue")
"""Label maps of a backend; the first one always."""


def volume_path(raw: Path, name: str, kind: str = "classes") -> Path:
    """Where a scan's label map of that kind lies."""
    return raw / (f"{name}.nii.gz" if kind == "classes" else f"{name}.{kind}.nii.gz")


def record_path(raw: Path, name: str) -> Path:
    """Where a scan's record lies."""
    return raw / f"{name}.json"


def check(raw: Path, name: str, record: dict) -> None:
    """Raise RuntimeError where a scan's label maps are not those its record speaks of."""
    told = record.get("digests", {})
    if digests(raw, name, list(told)) != told:
        raise RuntimeError(
            f"{name}: the label maps in the segmentation cache are not those of their record: "
            "delete the batch tables in the folder above it and run again"
        )


def require(path: Path) -> Path:
    """A file of the cache that must be there.

    Raises:
        FileNotFoundError: it is not; says what to do.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"{path.name} is missing from the segmentation cache: delete the batch tables in the "
            "folder above it and run again"
        )
    return path


def finished(raw: Path, name: str, key: str) -> bool:
    """Whether a scan's result is there, whole, and was made under the same key."""
    try:
        record = read_json(record_path(raw, name))
    except (FileNotFoundError, ValueError):  # none, or not whole
        return False
    volumes = record.get("volumes", [])
    if record["key"] != key or record["error"] or "classes" not in volumes:
        return False
    try:
        return digests(raw, name, volumes) == record.get("digests")
    except FileNotFoundError:
        return False


def digests(raw: Path, name: str, volumes: list[str]) -> dict[str, str]:
    """SHA-256 of a scan's label maps as they lie on the disk, by kind.

    Raises:
        FileNotFoundError: one is not there.
    """
    return {
        kind: hashlib.sha256(volume_path(raw, name, kind).read_bytes()).hexdigest()
        for kind in volumes
    }


def write_volumes(raw: Path, name: str, volumes: dict[str, Volume]) -> dict[str, str]:
    """Replace a scan's label maps; its record, now void, goes first.

    Returns:
        Their digests by kind, for the record.

    Raises:
        ValueError: a kind of label map that nothing reads, or no classes.
        OSError: the disk is full or not there.
    """
    if "classes" not in volumes or not volumes.keys() <= set(KINDS):
        raise ValueError(f"a backend gave {', '.join(volumes) or 'nothing'}; expected {KINDS}")
    record_path(raw, name).unlink(missing_ok=True)
    written = {}
    for kind in KINDS:
        path = volume_path(raw, name, kind)
        if kind in volumes:
            written[kind] = with_rename(path, lambda part, kind=kind: save(volumes[kind], part))
        else:
            path.unlink(missing_ok=True)
    return written


def write_record(raw: Path, name: str, record: dict) -> None:
    """Write a scan's record, which makes its label maps count.

    It needs `key`, `error`, and `volumes` with their `digests`.
    """
    with_rename(record_path(raw, name), lambda part: write_json(record, part))


def write_failure(raw: Path, name: str, error: str, about: dict) -> None:
    """Record that a scan could not be segmented, and remove what it had before."""
    for kind in KINDS:
        volume_path(raw, name, kind).unlink(missing_ok=True)
    write_record(raw, name, {"key": "", **about, "volumes": [], "digests": {}, "error": error})


def with_rename(path: Path, write) -> str:
    """Write a file under another name beside it, then rename it: it is whole or not there.

    Returns:
        SHA-256 of what was written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(part)
        digest = hashlib.sha256(part.read_bytes()).hexdigest()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return digest
