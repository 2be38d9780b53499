"""What is known of a DICOM file from its header.

Patient, study and series identifiers are read only where files have to be told apart.
They stay in memory: nothing in this stage writes them.
"""

import contextlib
import logging
import math
import struct
import traceback
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue

from bonecast.dicom.elements import CHARACTER_SET, META_CLASS, TRANSFER_SYNTAX
from bonecast.dicom.vocabulary import MODALITIES
from bonecast.storage import STORAGE_FAULTS

TAGS: dict[str, int] = {
    "character_set": 0x00080005,
    "image_type": 0x00080008,
    "sop_class": 0x00080016,
    "sop_uid": 0x00080018,
    "study_date": 0x00080020,
    "acquisition_date": 0x00080022,
    "study_time": 0x00080030,
    "acquisition_time": 0x00080032,
    "accession": 0x00080050,
    "modality": 0x00080060,
    "manufacturer": 0x00080070,
    "description": 0x0008103E,
    "model": 0x00081090,
    "patient_name": 0x00100010,
    "patient_id": 0x00100020,
    "birth_date": 0x00100030,
    "sex": 0x00100040,
    "contrast_agent": 0x00180010,
    "body_part": 0x00180015,
    "thickness_mm": 0x00180050,
    "kvp": 0x00180060,
    "serial": 0x00181000,
    "protocol": 0x00181030,
    "kernel": 0x00181210,
    "study_uid": 0x0020000D,
    "series_uid": 0x0020000E,
    "series_number": 0x00200011,
    "acquisition": 0x00200012,
    "instance_number": 0x00200013,
    "position": 0x00200032,
    "orientation": 0x00200037,
    "frame_of_reference": 0x00200052,
    "frames": 0x00280008,
    "pixel_mm": 0x00280030,
    "intercept": 0x00281052,
    "slope": 0x00281053,
}
"""Elements read from every file as text."""

NUMBERS: dict[str, int] = {
    "samples": 0x00280002,
    "rows": 0x00280010,
    "columns": 0x00280011,
    "bits": 0x00280100,
    "bits_stored": 0x00280101,
    "signed": 0x00280103,
}
"""Elements read from every file as 16-bit numbers."""

WANTED = frozenset((*TAGS.values(), *NUMBERS.values(), CHARACTER_SET))

FUNCTIONAL_GROUPS = (0x52009229, 0x52009230)
"""Shared and per-frame functional groups: where enhanced objects keep their geometry."""

ENHANCED_CLASSES = (uid.EnhancedCTImageStorage, uid.LegacyConvertedEnhancedCTImageStorage)
CT_CLASSES = (uid.CTImageStorage, *ENHANCED_CLASSES)
OTHER_MODALITIES = MODALITIES - {"CT", "OT", "SC"}

MAX_POSITION_MM = 1e5
MIN_PIXEL_MM, MAX_PIXEL_MM = 0.01, 50.0
MAX_FRAMES = 100_000
"""Values beyond these are none of a CT, or in other units, and count as missing."""

DAMAGE = (
    *(AttributeError, LookupError, TypeError, ValueError, ArithmeticError, RuntimeError),
    *(EOFError, OSError, struct.error, zlib.error, InvalidDicomError, BytesLengthException),
)
"""What pydicom and its decoders raise on elements and pixel data that are damaged or missing."""

VANISHED = (FileNotFoundError, NotADirectoryError)

MISTAKES = (AttributeError, LookupError, NameError, TypeError)
"""Those of them that a mistake in this package raises as well."""

PACKAGE = Path(__file__).resolve().parents[1]

log = logging.getLogger(__name__)


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
        text: every element of TAGS as text, empty where missing, and `syntax`, the transfer
            syntax's identifier.
        numbers: frames, and the elements of NUMBERS (0 where missing).
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
        """Whether the object is a CT image.

        Without an SOP class its modality tells, with one both: an empty, vague or unknown
        modality is a mistake of writing, but that of another machine is a contradiction.
        """
        modality = self.text["modality"].upper()
        if self.numbers["samples"] > 1 or modality in OTHER_MODALITIES:
            return False
        if not self.text["sop_class"]:
            return modality == "CT"
        return self.text["sop_class"] in CT_CLASSES


def raise_storage_fault(error: Exception) -> None:
    """Raise an error again if a failing disk, missing permission or vanished file is behind it.

    Else it is taken for damage of a file. One that this package's own code raised by such means
    may be a mistake in it, and is logged with its place.

    A link that leads nowhere is what the input holds, not a file that vanished.
    """
    if isinstance(error, VANISHED):
        if not Path(error.filename or "").is_symlink():
            raise error
    elif isinstance(error, PermissionError) or (
        isinstance(error, OSError) and error.errno in STORAGE_FAULTS
    ):
        raise error
    if isinstance(error, MISTAKES) and error.__traceback__ is not None:
        place = traceback.extract_tb(error.__traceback__, limit=-1)[0]
        if Path(place.filename).is_relative_to(PACKAGE):
            where = f"{Path(place.filename).name}, line {place.lineno}"
            log.warning("%s in %s: taken for damage of a file", type(error).__name__, where)


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
    if "_" in text:  # which Python allows, and DICOM does not
        return None
    return value if math.isfinite(value) else None


def as_floats(text: str, count: int) -> list[float] | None:
    """A multi-valued decimal string as `count` numbers; None where it does not hold as many."""
    values = [as_float(part) for part in text.split("\\")]
    return None if len(values) != count or None in values else values


def describe(
    values: Mapping[int, object], meta: Mapping[int, object], file: int, little_endian: bool
) -> Header:
    """A header from the values of its elements: bytes as they are in the file, or pydicom's."""
    text = dict.fromkeys(TAGS, "")
    numbers = dict.fromkeys(NUMBERS, 0)
    for tag, value in values.items():
        if (name := _TEXTS.get(tag)) is not None:
            text[name] = _text(value)
        elif (name := _NUMBERS.get(tag)) is not None:
            numbers[name] = _integer(value, little_endian)
    text["syntax"] = _text(meta.get(TRANSFER_SYNTAX))
    text["sop_class"] = text["sop_class"] or _text(meta.get(META_CLASS))
    frames = as_float(text["frames"]) or 1
    numbers["frames"] = int(frames) if 1 <= frames <= MAX_FRAMES else 1
    position = as_floats(text["position"], 3)
    orientation = as_floats(text["orientation"], 6)
    return Header(
        file=file,
        text=text,
        numbers=numbers,
        pixel_mm=_pixel_mm(as_floats(text["pixel_mm"], 2)),
        orientation=None if orientation is None else np.array(orientation),
        # One position for several frames says nothing about the others.
        positions_mm=_positions_mm([position]) if position and numbers["frames"] == 1 else None,
        complete=True,
    )


_TEXTS = {tag: name for name, tag in TAGS.items()}
_NUMBERS = {tag: name for name, tag in NUMBERS.items()}


def _pixel_mm(values: list[float] | None) -> tuple[float, float] | None:
    if values is None or len(values) != 2:
        return None
    if not MIN_PIXEL_MM <= min(values) <= max(values) <= MAX_PIXEL_MM:
        return None
    return values[0], values[1]


def _positions_mm(values: list[list[float]]) -> np.ndarray | None:
    whole = all(len(position) == 3 for position in values)
    # Written so that NaN is refused too.
    if not whole or not all(abs(mm) <= MAX_POSITION_MM for one in values for mm in one):
        return None
    return np.array(values)


@lru_cache(maxsize=8192)
def _decoded(value: bytes) -> str:
    return value.decode("latin-1").strip(" \0")


def _text(value: object) -> str:
    """A value as text, without pydicom's conversion (three times the cost)."""
    if isinstance(value, bytes):
        return _decoded(value)
    if isinstance(value, MultiValue):
        return "\\".join(map(str, value))
    return "" if value is None else str(value).strip(" \0")


def _integer(value: object, little_endian: bool) -> int:
    if isinstance(value, bytes):
        return int.from_bytes(value[:2], "little" if little_endian else "big") if value[1:] else 0
    return int(value or 0)


def add_frame_geometry(header: Header, dataset: Dataset) -> None:
    """Fill geometry, thickness, kVp and kernel of an enhanced object from its frame groups.

    Args:
        dataset: with FUNCTIONAL_GROUPS, where it has them.
    """
    groups = FrameGroups(dataset)
    frames = range(len(groups.frames))
    positions = [groups.value(f, "PlanePositionSequence", "ImagePositionPatient") for f in frames]
    orientations = [
        groups.value(f, "PlaneOrientationSequence", "ImageOrientationPatient") for f in frames
    ]
    spacing = groups.value(0, "PixelMeasuresSequence", "PixelSpacing")
    thickness = groups.value(0, "PixelMeasuresSequence", "SliceThickness")
    kvp = groups.value(0, "CTXRayDetailsSequence", "KVP")
    kernels = [groups.value(f, "CTReconstructionSequence", "ConvolutionKernel") for f in frames]
    kernel = kernels[0] if kernels and kernels.count(kernels[0]) == len(kernels) else "several"
    # Groups for more frames than there are, or fewer, tell of none where it lies.
    if positions and None not in positions and len(positions) == header.numbers["frames"]:
        header.positions_mm = _positions_mm([list(map(float, one)) for one in positions])
    if orientations and None not in orientations:
        values = np.array(orientations, dtype=float)
        # Frames of several orientations are no stack: the object is left without one.
        one = values.shape[1] == 6 and np.ptp(values, axis=0).max() < 1e-3
        header.orientation = values[0] if one else None
    if spacing is not None:
        header.pixel_mm = _pixel_mm(list(map(float, spacing)))
    for name, value in (("thickness_mm", thickness), ("kvp", kvp), ("kernel", kernel)):
        if value is not None:
            header.text[name] = str(value)
