"""Reading of DICOM headers, one file at a time and never its pixels.

Patient, study and series identifiers are read only where files have to be told apart.
They stay in memory: nothing in this stage writes them.
"""

import contextlib
import errno
import logging
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pydicom
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError

TAGS: dict[str, int] = {
    "character_set": 0x00080005,
    "image_type": 0x00080008,
    "sop_class": 0x00080016,
    "sop_uid": 0x00080018,
    "study_date": 0x00080020,
    "study_time": 0x00080030,
    "modality": 0x00080060,
    "manufacturer": 0x00080070,
    "description": 0x0008103E,
    "model": 0x00081090,
    "patient_name": 0x00100010,
    "patient_id": 0x00100020,
    "birth_date": 0x00100030,
    "sex": 0x00100040,
    "contrast_agent": 0x00180010,
    "thickness_mm": 0x00180050,
    "kvp": 0x00180060,
    "protocol": 0x00181030,
    "kernel": 0x00181210,
    "study_uid": 0x0020000D,
    "series_uid": 0x0020000E,
    "series_number": 0x00200011,
    "acquisition": 0x00200012,
    "position": 0x00200032,
    "orientation": 0x00200037,
    "samples": 0x00280002,
    "frames": 0x00280008,
    "rows": 0x00280010,
    "columns": 0x00280011,
    "pixel_mm": 0x00280030,
    "bits": 0x00280100,
}
"""Elements read from every file."""

FUNCTIONAL_GROUPS = (0x52009229, 0x52009230)
"""Shared and per-frame functional groups: where enhanced objects keep their geometry."""

PIXEL_DATA = 0x7FE00010
UNDEFINED_LENGTH = 0xFFFFFFFF

ENHANCED_CLASSES = (uid.EnhancedCTImageStorage, uid.LegacyConvertedEnhancedCTImageStorage)
CT_CLASSES = (uid.CTImageStorage, *ENHANCED_CLASSES)

MAGIC_OFFSET = 128
"""Bytes of preamble before the letters DICM."""


DAMAGE = (
    *(AttributeError, KeyError, TypeError, ValueError, IndexError, NotImplementedError),
    *(RuntimeError, EOFError, OSError, struct.error, zlib.error, InvalidDicomError),
)
"""What pydicom and its decoders raise on elements and pixel data that are damaged or missing."""

STORAGE_FAULTS = {
    *(errno.EIO, errno.ESTALE, errno.EACCES, errno.EPERM, errno.ETIMEDOUT),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC),
}
"""Errors of the disk, the network or the account: no property of a scan, so never an exclusion."""


class FileKind(StrEnum):
    """What a file that belongs to no series turned out to be."""

    DICOMDIR = "dicomdir"
    NOT_DICOM = "not_dicom"
    UNREADABLE = "unreadable"


@dataclass(slots=True)
class Header:
    """What is known of one file from its header.

    Attributes:
        file: index of the file in the sorted listing.
        text: every element of TAGS as text, empty where missing.
        numbers: rows, columns, frames, samples, bits as integers (0 where missing).
        pixel_mm: spacing between rows and between columns, or None.
        orientation: six direction cosines, or None.
        positions_mm: shape (frames, 3), centre of each frame's first voxel (LPS), or None.
        complete: pixel data are there in the announced length.
    """

    file: int
    text: dict[str, str]
    numbers: dict[str, int]
    pixel_mm: tuple[float, float] | None
    orientation: np.ndarray | None
    positions_mm: np.ndarray | None
    complete: bool

    @property
    def is_image(self) -> bool:
        """Whether the object has a pixel matrix."""
        return self.numbers["rows"] > 0 and self.numbers["columns"] > 0

    @property
    def is_ct(self) -> bool:
        """Whether the object is a CT image; an empty SOP class passes on its modality."""
        if self.text["modality"] != "CT" or self.numbers["samples"] > 1:
            return False
        return not self.text["sop_class"] or self.text["sop_class"] in CT_CLASSES


def raise_storage_fault(error: Exception) -> None:
    """Raise an error again if a failing disk or missing permission is behind it."""
    if isinstance(error, OSError) and error.errno in STORAGE_FAULTS:
        raise error


@contextlib.contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Silence pydicom's warnings and log: they quote file names and element values."""
    log = logging.getLogger("pydicom")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def read_header(path: str | Path, file: int) -> Header | FileKind:
    """Read one file's header; call inside `quiet_pydicom`.

    Args:
        path: the file.
        file: its index in the listing.

    Returns:
        The header, or what else the file is. Never raises for what a file holds.

    Raises:
        OSError: the disk or the permissions are at fault.
    """
    try:
        with open(path, "rb") as stream:  # noqa: PTH123  (Path.open costs a tenth more per file)
            force = _needs_force(stream)
            if force is None:
                return FileKind.NOT_DICOM
            dataset = pydicom.dcmread(
                stream, stop_before_pixels=True, force=force, specific_tags=list(TAGS.values())
            )
            if dataset.file_meta.get("MediaStorageSOPClassUID") == uid.MediaStorageDirectoryStorage:
                return FileKind.DICOMDIR
            header = _parse(dataset, file)
            if header.is_image:
                header.complete = _pixels_complete(stream, dataset, header)
            else:
                header.complete = header.text["sop_class"] not in CT_CLASSES
        if header.text["sop_class"] in ENHANCED_CLASSES:
            _add_frame_geometry(header, path)
    except InvalidDicomError:
        return FileKind.NOT_DICOM
    except MemoryError:
        raise
    except Exception as error:
        raise_storage_fault(error)
        # A damaged file can fail anywhere in the parser; it is counted, never fatal.
        return FileKind.UNREADABLE
    if not header.text["series_uid"] and not header.is_image:
        return FileKind.UNREADABLE if not force else FileKind.NOT_DICOM
    return header


class FrameGroups:
    """The functional groups of an enhanced object: each frame's own before the shared ones."""

    def __init__(self, dataset: Dataset):
        shared, frames = (dataset[tag].value if tag in dataset else [] for tag in FUNCTIONAL_GROUPS)
        self.frames = list(frames)
        self._shared = shared[0] if shared else Dataset()

    def value(self, frame: int, sequence: str, name: str) -> object | None:
        """A value of one frame; None where neither its groups nor the shared ones have it."""
        own = self.frames[frame] if frame < len(self.frames) else Dataset()
        for groups in (own, self._shared):
            items = groups.get(sequence)
            if items and items[0].get(name) is not None:
                return items[0].get(name)
        return None


def as_float(text: str) -> float | None:
    """A decimal string as a number; None where it is not one."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def as_floats(text: str, count: int) -> np.ndarray | None:
    """A multi-valued decimal string as `count` numbers; None where it does not hold as many."""
    values = [as_float(part) for part in text.split("\\")]
    if len(values) != count or None in values:
        return None
    return np.array(values, dtype=float)


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


def _parse(dataset: FileDataset, file: int) -> Header:
    text = {name: _raw_text(dataset, tag) for name, tag in TAGS.items()}
    numbers = {
        name: _raw_integer(dataset, TAGS[name]) for name in ("rows", "columns", "samples", "bits")
    }
    numbers["frames"] = int(as_float(text["frames"]) or 1)
    pixel_mm = as_floats(text["pixel_mm"], 2)
    position = as_floats(text["position"], 3)
    return Header(
        file=file,
        text=text,
        numbers=numbers,
        pixel_mm=None if pixel_mm is None else (float(pixel_mm[0]), float(pixel_mm[1])),
        orientation=as_floats(text["orientation"], 6),
        # One position for several frames says nothing about the others.
        positions_mm=position[None] if position is not None and numbers["frames"] == 1 else None,
        complete=True,
    )


def _raw_text(dataset: Dataset, tag: int) -> str:
    """An element's value as text, without pydicom's conversion (three times the cost)."""
    if tag not in dataset:
        return ""
    value = dataset.get_item(tag).value
    if isinstance(value, bytes):
        return value.decode("latin-1").strip(" \0")
    return "" if value is None else str(value).strip(" \0")


def _raw_integer(dataset: Dataset, tag: int) -> int:
    if tag not in dataset:
        return 0
    element = dataset.get_item(tag)
    if isinstance(element.value, bytes):
        if len(element.value) < 2:
            return 0
        return struct.unpack("<H" if element.is_little_endian else ">H", element.value[:2])[0]
    return int(element.value or 0)


def _pixels_complete(stream: BinaryIO, dataset: FileDataset, header: Header) -> bool:
    """Whether the file is long enough for the pixel data it announces.

    Args:
        stream: positioned at the pixel data element, where reading of the header ended.
    """
    syntax = dataset.file_meta.get("TransferSyntaxUID", "")
    if syntax == uid.DeflatedExplicitVRLittleEndian:
        return True  # inflated in memory: the position in the file says nothing
    implicit, little_endian = dataset.original_encoding
    element = stream.read(12)
    if len(element) < 12:
        return False
    order = "<" if little_endian else ">"
    group, number = struct.unpack(f"{order}HH", element[:4])
    if (group << 16 | number) != PIXEL_DATA:
        return False
    start, at = (8, 4) if implicit else (12, 8)
    (length,) = struct.unpack(f"{order}I", element[at : at + 4])
    if length == UNDEFINED_LENGTH:
        return True  # encapsulated: whether it decodes is found out when it is converted
    numbers = header.numbers
    expected = numbers["rows"] * numbers["columns"] * numbers["frames"]
    expected *= max(numbers["samples"], 1) * numbers["bits"] // 8
    available = os.fstat(stream.fileno()).st_size - (stream.tell() - 12 + start)
    return length >= expected and available >= length


def _add_frame_geometry(header: Header, path: str | Path) -> None:
    """Fill geometry, thickness, kVp and kernel of an enhanced object from its frame groups."""
    dataset = pydicom.dcmread(
        path, stop_before_pixels=True, specific_tags=[*FUNCTIONAL_GROUPS, TAGS["frames"]]
    )
    groups = FrameGroups(dataset)
    frames = range(len(groups.frames))
    positions = [groups.value(f, "PlanePositionSequence", "ImagePositionPatient") for f in frames]
    orientations = [
        groups.value(f, "PlaneOrientationSequence", "ImageOrientationPatient") for f in frames
    ]
    spacing = groups.value(0, "PixelMeasuresSequence", "PixelSpacing")
    thickness = groups.value(0, "PixelMeasuresSequence", "SliceThickness")
    kvp = groups.value(0, "CTXRayDetailsSequence", "KVP")
    kernel = groups.value(0, "CTReconstructionSequence", "ConvolutionKernel")
    if positions and None not in positions:
        values = np.array(positions, dtype=float)
        header.positions_mm = values if np.isfinite(values).all() else None
        header.numbers["frames"] = len(positions)
    if orientations and None not in orientations:
        values = np.array(orientations, dtype=float)
        # Frames of several orientations are no stack: the object is left without one.
        header.orientation = values[0] if np.ptp(values, axis=0).max() < 1e-3 else None
    if spacing is not None:
        header.pixel_mm = (float(spacing[0]), float(spacing[1]))
    for name, value in (("thickness_mm", thickness), ("kvp", kvp), ("kernel", kernel)):
        if value is not None:
            header.text[name] = str(value)
