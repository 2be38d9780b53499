"""Where a scan's files are, and what tells that they changed, without saying what they are called.

Folders and files of an export are named after patients. Their paths are therefore neither inputs
nor params of a rule, which Snakemake records, prints and reports: a job looks them up by the
scan's id, and params hold a digest.
"""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from bonecast.cohort import CohortError, Participant, find_scan, locate
from bonecast.reasons import Reason

HOME = str(Path(__file__).resolve().parents[2])
"""The workflow's own folder, searched for paths not found from the working directory."""

DIGEST_BYTES = 8

ABSENT = "absent"
"""Stands for the digest of a path that leads nowhere."""

MOST_NAMED = 10
"""Scans named in a message."""

MASK_FOLDERS = {"mask": "masks", "bodies": "bodies", "tissue": "tissue"}
"""Column of the participants table to the option of `segment` that names a folder instead."""


def scan_source(scan_id: str, cohort: Mapping) -> str:
    """Path of a scan's DICOM folder, list of files or NIfTI file.

    Args:
        scan_id: as in the names of results.
        cohort: section `cohort` of the configuration.

    Raises:
        CohortError: the table or folder cannot be read, or has no such scan.
    """
    return _row(scan_id, cohort).path


def scan_mask(scan_id: str, kind: str, config: Mapping) -> str:
    """Path of a mask that the user has of a scan, empty where there is none.

    Args:
        scan_id: as in the names of results.
        kind: key of `MASK_FOLDERS`.
        config: the configuration, of which sections `cohort` and `segment` are read.

    Raises:
        CohortError: as for `scan_source`.
    """
    path = mask_path(_row(scan_id, config["cohort"]), kind, config["segment"], HOME)
    return path if path and Path(path).exists() else ""


def mask_path(row: Participant, kind: str, segment: Mapping, home: str) -> str:
    """Where a mask would be: the table's column, else <folder>/<scan id>.nii.gz, else empty."""
    folder = segment[MASK_FOLDERS[kind]]
    if not (path := getattr(row, kind)) and folder:
        path = str(Path(locate(folder, [home]), f"{row.scan_id}.nii.gz"))
    return path


def check_scans(scans: Iterable[Participant], results: str) -> None:
    """Refuse to go on where scans are gone: a run would list them as missing, and say no more.

    Args:
        scans: the whole cohort.
        results: folder that holds one folder of results per scan.

    Raises:
        CohortError: scans are gone that were found before, or none of all is there.
    """
    scans = list(scans)
    gone = [scan.scan_id for scan in scans if not Path(scan.path).exists()]
    lost = [name for name in gone if _was_found(Path(results, name, "series.tsv"))]
    if not lost and len(gone) < len(scans):
        return
    found = (
        f"{len(lost)} of {len(scans)} scans were found before and are gone now: "
        f"{', '.join(lost[:MOST_NAMED])}{' ...' if len(lost) > MOST_NAMED else ''}"
        if lost
        else f"none of the {len(scans)} scans is there"
    )
    raise CohortError(
        f"{found}. Is cohort.input mounted? What was measured stays, and figures and models can be "
        "made from it without the scans, with the option cohort.frozen. To leave scans out, take "
        "their rows out of the participants table."
    )


def _was_found(series_table: Path) -> bool:
    """Whether an earlier run found files of a scan."""
    if not series_table.is_file():
        return False
    return f"\t{Reason.NO_INPUT}\t" not in series_table.read_text(encoding="utf-8")


def cohort_secret(cohort: Mapping) -> bytes:
    """What is mixed into pseudonyms and digests; the cohort's name where there is no file of it.

    Args:
        cohort: section `cohort` of the configuration.

    Raises:
        CohortError: the file is missing or empty.
    """
    if not cohort["secret"]:
        return cohort["name"].encode()
    try:
        secret = Path(locate(cohort["secret"], [HOME])).read_bytes()
    except FileNotFoundError:
        secret = b""
    if not secret:
        raise CohortError(
            "cohort.secret: the file named there is missing or empty; name a file of random bytes, "
            "or null to mix in the cohort's name"
        )
    return secret


def secret_state(secret: bytes) -> str:
    """A digest for params: other bytes rerun what they are mixed into, another place does not."""
    return hashlib.blake2b(secret, digest_size=DIGEST_BYTES, person=b"params").hexdigest()


@cache
def input_state(path: str, root: str = "", secret: bytes = b"") -> str:
    """A digest of a path, its date and its size: changes where the file or folder does.

    Cached, so that what a run records is what it saw first: a change during the run shows in
    the next one. Files below a folder count only where they come or go at its top.

    Args:
        path: of a file or folder; empty for none.
        root: a folder whose own place does not count.
        secret: without it, somebody who knows date and size to the nanosecond can try names.

    Returns:
        16 hexadecimal digits; ABSENT where there is nothing, empty for an empty path.
    """
    if not path:
        return ""
    try:
        entry = Path(path).stat()
    except OSError:
        return ABSENT  # why is found out, and said, by the job that opens it
    within = path.removeprefix(f"{root.rstrip('/')}/") if root else path
    key = hashlib.sha256(secret).digest() if secret else b""
    digest = hashlib.blake2b(key=key, digest_size=DIGEST_BYTES)
    digest.update(within.encode(errors="surrogateescape"))
    digest.update(f"\0{entry.st_mtime_ns}\0{entry.st_size}".encode())
    return digest.hexdigest()


def _row(scan_id: str, cohort: Mapping) -> Participant:
    table = cohort["participants"] and locate(cohort["participants"], [HOME])
    return find_scan(scan_id, cohort["input"], table, HOME)
