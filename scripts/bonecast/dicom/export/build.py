"""From a folder of many patients' files to participants.tsv and a list of files per scan."""

import contextlib
import fcntl
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from bonecast.dicom.export import key, private_folder, tables
from bonecast.dicom.export.lists import LEFT_OUT_COLUMNS, left_out_rows, write_lists
from bonecast.dicom.export.notes import list_name, participant_row, warn
from bonecast.dicom.export.people import find_people
from bonecast.dicom.export.scans import (
    LeftOut,
    Scan,
    count_series,
    divide,
    patients_per_folder,
    take_census,
)
from bonecast.dicom.export.store import find_files, read_export
from bonecast.dicom.export.summary import Summary
from bonecast.dicom.headers import FileKind, Header
from bonecast.dicom.scan import read_headers
from bonecast.reasons import Reason
from bonecast.refusal import Refusal

SECRET_BYTES = 32

ARCHIVES = (b".zip", b".tar", b".tgz", b".tar.gz", b".7z", b".rar", b".iso")
"""Ends of names of files that may hold scans and are not opened."""

Progress = Callable[[str], None]


def build_participants(
    source: str,
    private: str | None,
    sessions: bool,
    processes: int,
    progress: Progress = lambda line: None,
    read: Callable[[Sequence[Path], int], list[Header | FileKind]] = read_headers,
) -> Summary:
    """Write participants.tsv, key.tsv, studies.tsv, left_out.tsv and the lists of files.

    A run that was killed goes on where it was; one after new files have come reads those alone,
    keeps every pseudonym and what a person changed in participants.tsv, and rewrites only what
    differs.

    Args:
        source: the export, nested or flat.
        private: where everything is written; None: folder `bonecast` in the export.
        sessions: a row per study instead of one per patient.
        processes: that read headers.
        progress: told in words, without names, how far it is.
        read: gives a header or a kind for each path.

    Raises:
        Refusal: a folder or table that the user has to put right; also where the disk fails: the
            file's name is then in fault.txt in the private folder.
    """
    started = time.monotonic()
    if not os.path.isdir(source):  # noqa: PTH112
        raise Refusal(f"export.input: {source} is not a folder.")
    home = Path(private_folder(source, private))
    _check_place(source, home)
    with _only_one(home), _faults_without_names(home):
        progress("looking for files")
        files = find_files(source, str(home))
        if not files.paths:
            raise Refusal(f"export.input: {source} holds no files.")
        table, n_read = read_export(
            source, files, home / "index", lambda paths: read(paths, processes), _pace(progress)
        )
        summary = _write_all(Path(source), home, table, sessions, progress)
    summary.headers_read = n_read
    summary.seconds = time.monotonic() - started
    summary.archives = sum(path.lower().endswith(ARCHIVES) for path in files.paths)
    return summary


def _write_all(
    source: Path, home: Path, table: pa.Table, sessions: bool, progress: Progress
) -> Summary:
    current = tables.read_table(home / "participants.tsv")
    written = tables.read_plain(home / "written.tsv") or None
    tables.check_sessions(written, sessions)
    progress("telling patients apart")
    census = take_census(table)
    earlier = tables.read_plain(home / "key.tsv")
    numbered = tables.read_plain(home / "studies.tsv")
    known = key.known_people(earlier, numbered)
    people, who = find_people(census.sightings, known, _secret(home))
    identities = key.key_rows(earlier, people)
    pseudonyms = {row["pseudonym"] for row in identities}
    same = tables.read_same_patients(home / "same_patient.tsv", pseudonyms)
    for row in identities:
        row["participant_id"] = same.get(row["pseudonym"], row["pseudonym"])
    numbers = {(row["participant_id"], row["study_uid"]): row["session_id"] for row in numbered}
    scans, left, studies = divide(table, census, who, same, numbers, sessions)
    progress(f"counting the series of {len(scans)} rows")
    count_series(table, scans)
    warn(scans, people, same, patients_per_folder(table, scans))
    made = [participant_row(scan, sessions) for scan in scans]
    merged = tables.merge(made, current, written, same)
    left += _removed(scans, merged)
    _check_sum(table.num_rows, scans, left)

    tables.write_table(home / "key.tsv", key.KEY_COLUMNS, identities)
    tables.write_table(home / "studies.tsv", key.STUDY_COLUMNS, key.study_rows(studies, numbered))
    named = {row.get("path", "") for row in merged.rows}
    written_as = Counter(row["participant_id"] for row in identities)
    joined = {participant for participant, ways in written_as.items() if ways > 1}
    changed = write_lists(source, home, table, scans, left, named, joined)
    tables.write_table(home / "left_out.tsv", LEFT_OUT_COLUMNS, left_out_rows(left))
    columns = tables.columns_of(current, tables.made_columns(sessions))
    tables.write_table(home / "participants.tsv", columns, merged.rows)
    # After the table: killed in between, the next run takes nothing for changed by hand.
    tables.write_table(home / "written.tsv", tables.made_columns(sessions), merged.written)
    return Summary.of(table, census, scans, left, merged, changed)


def _check_place(source: str, home: Path) -> None:
    """Make the private folder; refuse one that would hide the export or cannot be written."""
    root, place = Path(source).resolve(), home.resolve()
    if place == root or place in root.parents:
        raise Refusal(
            f"export.private: {home} holds the export itself. Name a folder of its own: nothing "
            "in it is searched for scans."
        )
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("index", "lists", "left_out"):
            (home / name).mkdir(exist_ok=True)
        with (home / "lock").open("a"):
            pass
    except OSError as error:
        raise Refusal(
            f"export.private: cannot write in {home} ({error.strerror}). Set export.private to a "
            "folder that you can write in and that only those may read who may see patients' names."
        ) from None


@contextlib.contextmanager
def _only_one(home: Path) -> Iterator[None]:
    with (home / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refusal(
                f"export.private: another run is at work in {home}. Wait for it, or end it."
            ) from None
        yield


@contextlib.contextmanager
def _faults_without_names(home: Path) -> Iterator[None]:
    """Turn a failing disk into a message that names no file; the name goes to fault.txt."""
    note = home / "fault.txt"
    note.unlink(missing_ok=True)
    try:
        yield
    except OSError as error:
        where = ""
        with contextlib.suppress(OSError):
            note.write_text(
                f"{error.strerror}: {error.filename}\n", encoding="utf-8", errors="surrogateescape"
            )
            where = " Which one: fault.txt in the private folder."
        raise Refusal(
            f"a file or folder could not be read or written ({error.strerror}).{where} Nothing was "
            "left out because of it: put it right and run again; what was read is kept."
        ) from None


def _pace(progress: Progress) -> Callable[[int, int], None]:
    """Progress in words, with the files per second of this run."""
    started = time.monotonic()
    first: list[int] = []

    def tell(done: int, total: int) -> None:
        first.append(done)
        rate = (done - first[0]) / (time.monotonic() - started) if len(first) > 1 else 0
        words = f", {rate:.0f} files/s" if rate else ""
        progress(f"{done} of {total} files read{words}")

    return tell


def _secret(home: Path) -> bytes:
    """The random bytes that pseudonyms are made with; made once, for the owner's eyes."""
    path = home / "secret"
    if not path.exists():
        part = home / "secret.part"
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(secrets.token_bytes(SECRET_BYTES))
        part.rename(path)
    content = path.read_bytes()
    if len(content) != SECRET_BYTES:
        raise Refusal(
            f"the file secret in export.private has {len(content)} bytes instead of {SECRET_BYTES}."
            " Bring back the right one: pseudonyms of new patients depend on it."
        )
    return content


def _removed(scans: Sequence[Scan], merged: tables.Merged) -> list[LeftOut]:
    """Scans whose rows a person deleted, unless another row names their list."""
    used = {row.get("path", "") for row in merged.rows}
    removed = set(merged.removed)
    return [
        LeftOut(Reason.REMOVED_BY_HAND, scan.rows, scan.participant_id, scan.session_id)
        for scan in scans
        if (scan.participant_id, scan.session_id) in removed and list_name(scan) not in used
    ]


def _check_sum(total: int, scans: Sequence[Scan], left: Sequence[LeftOut]) -> None:
    removed = {
        (one.participant_id, one.session_id) for one in left if one.reason == Reason.REMOVED_BY_HAND
    }
    listed = [s.rows for s in scans if (s.participant_id, s.session_id) not in removed]
    rows = np.concatenate([*listed, *(one.rows for one in left)])
    if len(rows) != total or len(np.unique(rows)) != total:
        raise AssertionError(f"{total} files, of which {len(rows)} are accounted for")
