"""Reading of DICOM headers, one file or many, and never their pixels.

Most files are read by `elements`, the others by pydicom. Both are Python, so that a damaged
file can neither end the process nor keep it: there is nothing to guard by processes of its own.
"""

import itertools
import logging
import os
import stat
import struct
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom import uid
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError

from bonecast.dicom import elements
from bonecast.dicom.elements import MAGIC_OFFSET, PIXEL_DATA, UNDEFINED_LENGTH
from bonecast.dicom.headers import (
    CT_CLASSES,
    ENHANCED_CLASSES,
    FUNCTIONAL_GROUPS,
    VANISHED,
    WANTED,
    FileKind,
    Header,
    add_frame_geometry,
    describe,
    quiet_pydicom,
    raise_storage_fault,
)

MAX_COMPRESSION = 2000
"""Compressed pixel data that claim to grow more than this are damaged: an image of nothing but
air in 1024 x 1024 reaches 1400 with the header counted, one of a patient 20."""

CHUNK_FILES = 500
"""Files that a process reads before it hands their headers over."""

PARALLEL_FROM = 4 * CHUNK_FILES
"""Fewer files are read sooner than another process is started."""

NOTE_EVERY_S = 10.0

log = logging.getLogger(__name__)


def read_headers(paths: Sequence[str | Path], processes: int = 1) -> list[Header | FileKind]:
    """Read many headers, and log every few seconds how far that is.

    Args:
        paths: files.
        processes: how many read at once; the result is the same for any number.

    Returns:
        One answer per path, in their order; `file` of each header is its place in `paths`.

    Raises:
        OSError: the disk or the permissions are at fault, or a file has vanished.
    """
    chunks = list(itertools.batched(enumerate(paths), CHUNK_FILES))
    if processes == 1 or len(paths) < PARALLEL_FROM:
        return _gather(map(_read_chunk, chunks), len(paths))
    with ProcessPoolExecutor(processes, initializer=_end_with, initargs=(os.getpid(),)) as pool:
        return _gather(pool.map(_read_chunk, chunks), len(paths))


def _end_with(parent: int) -> None:
    """End this worker when the process that started it is gone: killed, it tells nobody."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _gather(chunks, total: int) -> list[Header | FileKind]:
    found: list[Header | FileKind] = []
    noted = time.monotonic()
    for chunk in chunks:
        found += chunk
        if time.monotonic() - noted > NOTE_EVERY_S:
            noted = time.monotonic()
            log.info("%d of %d headers read", len(found), total)
    return found


def _read_chunk(files: Sequence[tuple[int, str | Path]]) -> list[Header | FileKind]:
    with quiet_pydicom():
        return [read_header(path, number) for number, path in files]


def read_header(path: str | Path, file: int) -> Header | FileKind:
    """Read one file's header; call inside `quiet_pydicom`.

    Args:
        path: the file.
        file: its index in the listing.

    Returns:
        The header, or what else the file is. Never raises for what a file holds.

    Raises:
        OSError: the disk or the permissions are at fault, or the file has vanished. Its attribute
            `file` is the index in the listing.
    """
    try:
        # Not to wait for ever where a name stands for a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        fault = _placed(error, file)
        # A link that leads nowhere came so; a file that was listed and is gone did not.
        if not (isinstance(fault, VANISHED) and os.path.islink(path)):  # noqa: PTH114
            raise_storage_fault(fault)
        return FileKind.UNREADABLE
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return FileKind.NOT_DICOM
        if hasattr(os, "posix_fadvise"):  # a cold disk would read ahead into the pixels
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        found = elements.read_elements(descriptor, status.st_size, WANTED)
        if found is None:
            return read_unusual(descriptor, file)
        header = describe(found.values, found.values, file, little_endian=True)
        return _judge(header, found.pixel_length, found.pixel_bytes, descriptor)
    except MemoryError:
        raise
    except Exception as error:
        raise_storage_fault(_placed(error, file) if isinstance(error, OSError) else error)
        # A damaged file can fail anywhere in the parser; it is counted, never fatal.
        return FileKind.UNREADABLE
    finally:
        os.close(descriptor)


def _placed(error: OSError, file: int) -> OSError:
    """The error with its file's place in the listing, not its name, which may be a patient's."""
    fault = OSError(error.errno, f"file {file + 1} of the listing: {error.strerror}")
    fault.file = file
    return fault


def read_unusual(descriptor: int, file: int) -> Header | FileKind:
    """Read any header with pydicom: whatever its coding, but several times as slow.

    Args:
        descriptor: of the open file.
        file: its index in the listing.

    Raises:
        Exception: of any kind, where the file is damaged.
    """
    with _stream(descriptor) as stream:
        force = _needs_force(stream)
        if force is None:
            return FileKind.NOT_DICOM
        try:
            dataset = pydicom.dcmread(
                stream, stop_before_pixels=True, force=force, specific_tags=list(WANTED)
            )
        except InvalidDicomError:
            return FileKind.NOT_DICOM
        values = {tag: dataset.get_item(tag).value for tag in WANTED if tag in dataset}
        meta = dataset.file_meta
        meta = {tag: meta.get_item(tag).value for tag in elements.META if tag in meta}
        header = describe(values, meta, file, dataset.original_encoding[1])
        length, available = _find_pixels(stream, dataset, header)
    found = _judge(header, length, available, descriptor)
    return FileKind.NOT_DICOM if force and found is FileKind.UNREADABLE else found


def _stream(descriptor: int) -> BinaryIO:
    stream = os.fdopen(descriptor, "rb", closefd=False)
    stream.seek(0)
    return stream


def _judge(
    header: Header, length: int | None, available: int, descriptor: int
) -> Header | FileKind:
    """What a header makes of its file.

    Args:
        length: announced bytes of pixel data; None where that element is missing.
        available: bytes from there to the end of the file.
    """
    if header.text["sop_class"] == uid.MediaStorageDirectoryStorage:
        return FileKind.DICOMDIR
    if not header.is_image:
        if not header.text["series_uid"]:
            return FileKind.UNREADABLE
        header.complete = header.text["sop_class"] not in CT_CLASSES
    else:
        header.complete = length is not None and _is_complete(header, length, available)
    if header.text["sop_class"] in ENHANCED_CLASSES:
        with _stream(descriptor) as stream:
            groups = pydicom.dcmread(
                stream, stop_before_pixels=True, specific_tags=list(FUNCTIONAL_GROUPS)
            )
            add_frame_geometry(header, groups)
    return header


def _is_complete(header: Header, length: int, available: int) -> bool:
    """Whether the file is long enough for the pixel data it announces."""
    numbers = header.numbers
    expected = numbers["rows"] * numbers["columns"] * numbers["frames"]
    expected *= max(numbers["samples"], 1) * numbers["bits"] // 8
    if length == UNDEFINED_LENGTH:
        # Whether it decodes is found out when it is converted.
        return available * MAX_COMPRESSION >= expected
    return available >= length >= expected


def _needs_force(stream: BinaryIO) -> bool | None:
    """False for a Part 10 file, True for a bare data set, None for something else.

    Old archives hold data sets without preamble. They begin with an element of group
    0002 or 0008 with a small element number, which hardly any other format does.
    """
    start = stream.read(MAGIC_OFFSET + 4)
    stream.seek(0)
    if start[MAGIC_OFFSET:] == b"DICM":
        return False
    if len(start) < 16:
        return None
    for order in "<>":
        group, element = struct.unpack(f"{order}HH", start[:4])
        if group in (0x0002, 0x0008) and element <= 0x0018:
            return True
    return None


def _find_pixels(stream: BinaryIO, dataset: FileDataset, header: Header) -> tuple[int | None, int]:
    """Announced bytes of pixel data, and bytes from there to the end of the file.

    Args:
        stream: positioned at the pixel data element, where reading of the header ended.
    """
    implicit, little_endian = dataset.original_encoding
    element = stream.read(12)
    if len(element) < 12:
        return None, 0
    order = "<" if little_endian else ">"
    group, number = struct.unpack(f"{order}HH", element[:4])
    if (group << 16 | number) != PIXEL_DATA:
        return None, 0
    start, at = (8, 4) if implicit else (12, 8)
    (length,) = struct.unpack(f"{order}I", element[at : at + 4])
    return length, os.fstat(stream.fileno()).st_size - (stream.tell() - 12 + start)
