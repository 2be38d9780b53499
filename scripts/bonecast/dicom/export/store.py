"""The headers of a whole export as one table in memory, cached on disk in chunks.

A million headers as objects need gigabytes. As columns whose repeated values are numbers into a
dictionary they need some 300 bytes each.
"""

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bonecast.dicom import headers
from bonecast.dicom.headers import FileKind, Header
from bonecast.dicom.listing import walk
from bonecast.digest import code_digest

CHUNK = 5000
"""Files per chunk: what a killed run reads again at most."""

NUMBERS = ("frames", *headers.NUMBERS)
TEXTS = (*headers.TAGS, "syntax")
UNIQUE = ("sop_uid", "position")
"""Texts that hardly repeat."""

_ARRAYS = ("pixel_mm_array", "orientation_array", "positions_mm_array")
_VERSION = b"bonecast"
_READING = ("dicom/elements.py", "dicom/headers.py", "dicom/scan.py", "dicom/export/store.py")
"""Modules whose edit makes cached headers worthless."""

_LIMIT = 2**31
_REPEATED = pa.dictionary(pa.int32(), pa.string())
_REPEATED_BYTES = pa.dictionary(pa.int32(), pa.binary())
SCHEMA = pa.schema(
    [
        ("path", pa.binary()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("kind", _REPEATED),
        ("is_ct", pa.bool_()),
        ("complete", pa.bool_()),
        *((name, pa.string() if name in UNIQUE else _REPEATED) for name in TEXTS),
        *((f"{name}_number", pa.int64()) for name in NUMBERS),
        ("pixel_mm_array", _REPEATED_BYTES),
        ("orientation_array", _REPEATED_BYTES),
        ("positions_mm_array", pa.binary()),
    ]
)
"""One row per file: `path` is relative to the export, as the disk spells it; `kind` is a FileKind,
empty for a file with a header; arrays are the bytes of their float64 numbers."""


@dataclass(frozen=True)
class Files:
    """The files of an export, sorted by path.

    Attributes:
        paths: relative to the export, as the disk spells them.
        sizes: bytes, -1 for a broken link.
        mtimes_ns: when each was changed.
    """

    paths: list[bytes]
    sizes: np.ndarray
    mtimes_ns: np.ndarray


def find_files(root: str, private: str) -> Files:
    """Every file of an export but those of the private folder.

    Raises:
        OSError: a folder cannot be read.
    """
    private = os.path.realpath(private)

    def skip(folder: str) -> bool:
        # An earlier run with another setting may have left its folder in the export.
        return folder == private or Path(folder, "key.tsv").is_file()

    found = []
    for folder, names in walk(root, skip):
        inside = os.path.relpath(folder, root)
        before = "" if inside == os.curdir else f"{inside}/"
        for name in names:
            size, mtime_ns = _state(f"{folder}/{name}")
            found.append((os.fsencode(before + name), size, mtime_ns))
    found.sort()
    return Files(
        [path for path, _, _ in found],
        np.array([size for _, size, _ in found], dtype=np.int64),
        np.array([mtime for _, _, mtime in found], dtype=np.int64),
    )


def _state(path: str) -> tuple[int, int]:
    try:
        state = os.stat(path)  # noqa: PTH116  (a million times)
    except FileNotFoundError:
        return -1, 0
    # Pipes and devices would be waited for.
    return (state.st_size, state.st_mtime_ns) if stat.S_ISREG(state.st_mode) else (-1, 0)


def read_export(
    root: str,
    files: Files,
    cache: Path,
    read: Callable[[list[Path]], list[Header | FileKind]],
    progress: Callable[[int, int], None],
) -> tuple[pa.Table, int]:
    """Headers of all files: those cached and unchanged, the others read chunk by chunk.

    Args:
        root: the export.
        files: from `find_files`.
        cache: folder of chunks, which exists.
        read: gives a header or a kind for each path.
        progress: told after each chunk how many of how many files are done.

    Returns:
        Table of SCHEMA in the order of `files`, and how many of them were read now.

    Raises:
        OSError: the disk or the permissions are at fault.
    """
    version = code_digest(*_READING).encode()
    number, cached, chosen = _read_cache(cache, version, files)
    parts = [cached]
    missing = np.flatnonzero(chosen < 0)
    total, rows = len(files.paths), cached.num_rows
    for start in range(0, len(missing), CHUNK):
        chunk = missing[start : start + CHUNK]
        part = _read_chunk(root, files, chunk, read)
        number += 1
        _write_whole(part.replace_schema_metadata({_VERSION: version}), cache, number)
        parts.append(part)
        chosen[chunk] = np.arange(rows, rows + len(chunk))
        rows += len(chunk)
        progress(total - len(missing) + start + len(chunk), total)
    whole = pa.concat_tables(parts).unify_dictionaries()
    return whole.take(pa.array(chosen)), len(missing)


def _read_cache(cache: Path, version: bytes, files: Files) -> tuple[int, pa.Table, np.ndarray]:
    """The chunks on disk and, for each file, its row in them, -1 where it has to be read.

    Chunks that no file needs any more are deleted.
    """
    paths = pd.Index(files.paths, dtype=object)
    chosen = np.full(len(files.paths), -1, dtype=np.int64)
    parts, rows, number = [SCHEMA.empty_table()], 0, 0
    for leftover in cache.glob("*.part"):
        leftover.unlink()
    for chunk in sorted(cache.glob("*.parquet")):
        number = max(number, int(chunk.stem))
        part = _load_chunk(chunk, version)
        if part is None:
            chunk.unlink()
            continue
        at = paths.get_indexer(pd.Index(part["path"].to_pylist(), dtype=object))
        same = at >= 0
        same &= part["size"].to_numpy() == files.sizes[at]
        same &= part["mtime_ns"].to_numpy() == files.mtimes_ns[at]
        if not same.any():
            chunk.unlink()
            continue
        chosen[at[same]] = rows + np.flatnonzero(same)
        parts.append(part)
        rows += part.num_rows
    return number, pa.concat_tables(parts), chosen


def _load_chunk(chunk: Path, version: bytes) -> pa.Table | None:
    """A chunk; None where other code wrote it, or a power cut left it damaged."""
    try:
        part = pq.read_table(chunk)
    except (pa.ArrowInvalid, OSError) as error:
        if getattr(error, "errno", None):
            raise
        return None
    if (part.schema.metadata or {}).get(_VERSION) != version:
        return None
    return part.replace_schema_metadata(None).cast(SCHEMA)


def _read_chunk(
    root: str,
    files: Files,
    chunk: np.ndarray,
    read: Callable[[list[Path]], list[Header | FileKind]],
) -> pa.Table:
    there = [at for at in chunk if files.sizes[at] >= 0]
    paths = [Path(root, os.fsdecode(files.paths[at])) for at in there]
    try:
        found = read(paths)
    except OSError as error:
        if (place := getattr(error, "file", None)) is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(paths[place])) from None
    by_file = dict(zip(there, found, strict=True))
    rows = []
    for at in chunk:
        row = _row(by_file.get(at, FileKind.UNREADABLE))
        row |= {"path": files.paths[at], "size": int(files.sizes[at])}
        rows.append(row | {"mtime_ns": int(files.mtimes_ns[at])})
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _row(found: Header | FileKind) -> dict:
    if isinstance(found, FileKind):
        return {"kind": str(found)}
    arrays = (found.pixel_mm, found.orientation, found.positions_mm)
    return {
        "kind": "",
        "is_ct": found.is_ct,
        "complete": found.complete,
        **{name: found.text[name] for name in TEXTS},
        # A damaged header may announce any number of frames.
        **{f"{name}_number": max(min(found.numbers[name], _LIMIT), -_LIMIT) for name in NUMBERS},
        **{
            name: None if value is None else np.asarray(value, dtype=float).tobytes()
            for name, value in zip(_ARRAYS, arrays, strict=True)
        },
    }


def _write_whole(table: pa.Table, folder: Path, number: int) -> None:
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as stream:
        part = Path(stream.name)
        try:
            pq.write_table(table, stream, compression="zstd")
        except BaseException:
            part.unlink()
            raise
    part.replace(folder / f"{number:06d}.parquet")


def headers_of(table: pa.Table, rows: np.ndarray) -> Iterator[Header]:
    """Headers as they were read, `file` counting from 0 in the order of `rows`."""
    part = table.take(pa.array(rows))
    texts = zip(*(_values(part[name]) for name in TEXTS), strict=True)
    numbers = zip(*(_values(part[f"{name}_number"]) for name in NUMBERS), strict=True)
    arrays = zip(*(_values(part[name]) for name in _ARRAYS), strict=True)
    complete = _values(part["complete"])
    each = zip(texts, numbers, arrays, complete, strict=True)
    for at, (text, number, (pixel, orientation, positions), is_complete) in enumerate(each):
        yield Header(
            file=at,
            text=dict(zip(TEXTS, text, strict=True)),
            numbers=dict(zip(NUMBERS, number, strict=True)),
            pixel_mm=None if pixel is None else tuple(np.frombuffer(pixel).tolist()),
            orientation=None if orientation is None else np.frombuffer(orientation),
            positions_mm=None if positions is None else np.frombuffer(positions).reshape(-1, 3),
            complete=is_complete,
        )


def _values(column: pa.ChunkedArray) -> list:
    """A column's values, each repeated one made once."""
    if not pa.types.is_dictionary(column.type):
        return column.to_pylist()
    whole = column.combine_chunks()
    codes, at = np.unique(whole.indices.fill_null(-1).to_numpy(), return_inverse=True)
    # Of a million different times of the export only those of these rows.
    known = iter(whole.dictionary.take(pa.array(codes[codes >= 0])).to_pylist())
    values = [None if code < 0 else next(known) for code in codes]
    return [values[number] for number in at.tolist()]
