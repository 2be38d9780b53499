"""Pixels of the chosen series, decoded independently of dcm2niix.

Each file is read once. Uncompressed pixels are taken from the file's bytes; compressed ones
are decoded by pydicom with GDCM.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder

from bonecast.dicom import geometry, guarded, plausible
from bonecast.dicom.acquisition import element
from bonecast.dicom.headers import DAMAGE, as_float, raise_storage_fault
from bonecast.dicom.pile import Pile
from bonecast.dicom.scaling import (
    Frame,
    check_scalings,
    make_frame,
    padding_range,
    rescaling,
    without_foreign_bits,
)
from bonecast.dicom.succession import check_succession
from bonecast.dicom.values import Values
from bonecast.reasons import Excluded, Reason

PLAIN_SYNTAXES = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian)
"""Transfer syntaxes that dcm2niix gets as they are."""

GEOMETRY = (
    ("ImagePositionPatient", "PlanePositionSequence"),
    ("ImageOrientationPatient", "PlaneOrientationSequence"),
    ("PixelSpacing", "PixelMeasuresSequence"),
)
"""Elements that place a slice, and the functional groups that hold them."""

WHOLE_BITS = (8, 16, 32)
"""Sizes of a stored integer in bits."""

COSINE_TOLERANCE = 4e-3
PIXEL_TOLERANCE = 1e-3
"""Direction cosines and, relatively, pixel sizes of one stack agree within these."""


@dataclass(frozen=True)
class DecodedSeries:
    """All slices of a series, sorted along the normal.

    Attributes:
        pile: values and geometry; copies of slices are dropped.
        sources: for each slice its file, None for a frame of a multi-frame file.
        padding: for each slice the range of HU that means "outside the field of view" and
            looks like metal, or None.
        plain_because: why dcm2niix is not given the files themselves; empty where it is.
        copies: slices dropped because another one at the same position has the same values.
        padding_voxels: values below air.
        header: of the first file, without its pixels.
        currents_ma: tube currents found.
    """

    pile: Pile
    sources: list[Path | None]
    padding: list[tuple[int, int] | None]
    plain_because: tuple[str, ...]
    copies: int
    padding_voxels: int
    header: Dataset
    currents_ma: list[float]


@dataclass
class _Read:
    """What is gathered file by file."""

    store: "_Store"
    frames: list[Frame] = field(default_factory=list)
    sources: list[Path | None] = field(default_factory=list)
    numbers: list[float | None] = field(default_factory=list)
    currents_ma: list[float] = field(default_factory=list)
    because: set[str] = field(default_factory=set)


def decode_series(paths: list[Path]) -> DecodedSeries:
    """Decode every file of a series; call inside `headers.quiet_pydicom`.

    Args:
        paths: files in any order.

    Raises:
        Excluded: CORRUPT_PIXELS or UNKNOWN_CODING where a file cannot be decoded; NO_GEOMETRY
            where slices turn out not to share matrix, pixel size or orientation, or not to follow
            each other as their positions say;
            DUPLICATE_SLICES, SCALING_VARIES or NOT_HU.
        OSError: a file vanished, or the disk fails.
    """
    read, header = _Read(_Store()), None
    for number, path in enumerate(paths):
        try:
            dataset = pydicom.dcmread(path, force=True)
            read.store.expect(len(paths) - number)
            frames = list(_frames(dataset, read))
        except FileNotFoundError:
            raise  # it was there when the series were listed
        except DAMAGE as error:
            raise_storage_fault(error)
            raise Excluded(
                Reason.CORRUPT_PIXELS,
                f"file {number + 1} of {len(paths)} of the series: {type(error).__name__}",
            ) from None
        if header is None:
            header = dataset
        if (current := as_float(str(element(dataset, "XRayTubeCurrent")))) is not None:
            read.currents_ma.append(current)
        for frame in frames:
            read.frames.append(frame)
            _check_alike(read.frames[0], frame)
        read.sources += [path] if len(frames) == 1 else [None] * len(frames)
        instance = as_float(str(element(dataset, "InstanceNumber")))
        read.numbers += [instance] if len(frames) == 1 else [None] * len(frames)
        for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"):
            if name in dataset:
                del dataset[name]
    return _stacked(read, header)


def _stacked(read: _Read, header: Dataset) -> DecodedSeries:
    """Sort the slices, drop copies, and check what only all of them together show."""
    first = read.frames[0]
    where = np.array([frame.position_mm for frame in read.frames])
    order = geometry.measure_stack(where, first.orientation).order
    kept = _without_copies([read.frames[index] for index in order])
    frames = [read.frames[order[k]] for k in kept]
    plausible.check_sign([one.high for one in frames], sum(one.hu.size for one in frames))
    if check_scalings(frames):
        read.because.add("scaling differs between slices")
    note = "" if first.rescale.declared else "the header has no rescale"
    plausible.check_hounsfield(sum(one.counts for one in frames), note)
    check_succession([one.hu for one in frames], [read.numbers[order[k]] for k in kept])
    sources = [read.sources[order[k]] for k in kept]
    positions, copies = where[order[kept]], len(order) - len(kept)
    padding = [one.padding for one in frames]
    below = sum(one.padding_voxels for one in frames)
    hu = read.store.gather([order[k] for k in kept])
    return DecodedSeries(
        pile=Pile(hu, positions, first.orientation, first.pixel_mm),
        sources=sources,
        padding=padding,
        plain_because=tuple(sorted(read.because)),
        copies=copies,
        padding_voxels=below,
        header=header,
        currents_ma=read.currents_ma,
    )


class _Store:
    """Slices in memory, one after the other as they are read; sorted without a second copy.

    Rows and columns run backwards, which is NIfTI's usual order: nothing is turned round when
    the volume is written.
    """

    def __init__(self):
        self._blocks: list[np.ndarray] = []
        self._used = self._expected = 0

    def expect(self, files: int) -> None:
        """Say how many files are still to come, the next one included."""
        self._expected = files

    def room(self, frames: int, shape: tuple[int, int]) -> np.ndarray:
        """Where the next slice goes, one of so many in its file.

        Raises:
            Excluded: NO_GEOMETRY where its shape is another one than those before.
        """
        if self._blocks and self._blocks[0].shape[1:] != shape:
            raise Excluded(Reason.NO_GEOMETRY, "slices differ in their matrix")
        if not self._blocks or self._used == len(self._blocks[-1]):
            self._blocks.append(np.empty((self._expected * frames, *shape), np.int16))
            self._used = 0
        self._used += 1
        return self._blocks[-1][self._used - 1, ::-1, ::-1]

    def gather(self, order: list[int]) -> np.ndarray:
        """The slices in an order that may leave some out; the store is empty afterwards."""
        blocks = [*self._blocks[:-1], self._blocks[-1][: self._used]]
        self._blocks = []
        if len(blocks) == 1 and len(order) == len(blocks[0]):
            _permute(blocks[0], order)
            return blocks[0][:, ::-1, ::-1]
        slices = [one for block in blocks for one in block]
        return np.stack([slices[number] for number in order])[:, ::-1, ::-1]


def _permute(slices: np.ndarray, order: list[int]) -> None:
    """Sort slices in place, round by round: the n-th becomes what was number order[n]."""
    left = set(range(len(order)))
    while left:
        start = at = min(left)
        first = slices[start].copy() if order[start] != start else None
        while True:
            left.discard(at)
            source = order[at]
            if source == start:
                break
            slices[at] = slices[source]
            at = source
        if first is not None:
            slices[at] = first


def _without_copies(frames: list[Frame]) -> list[int]:
    """Which of the sorted slices to keep.

    Raises:
        Excluded: DUPLICATE_SLICES where two at one position differ in their values.
    """
    direction = geometry.normal(frames[0].orientation)
    kept: list[int] = []
    different = 0
    for number, frame in enumerate(frames):
        last = frames[kept[-1]] if kept else None
        if last is not None:
            along = (frame.position_mm - last.position_mm) @ direction
            if along <= geometry.DUPLICATE_MM:
                different += not np.array_equal(frame.hu, last.hu)
                continue
        kept.append(number)
    if different:
        raise Excluded(
            Reason.DUPLICATE_SLICES,
            f"{different} of {len(frames)} slices at a position taken by another one with "
            "other values",
        )
    return kept


def _check_alike(first: Frame, frame: Frame) -> None:
    differs = {
        "pixel size": not np.allclose(frame.pixel_mm, first.pixel_mm, rtol=PIXEL_TOLERANCE),
        "orientation": np.abs(frame.orientation - first.orientation).max() > COSINE_TOLERANCE,
    }
    for name, found in differs.items():
        if found:
            raise Excluded(Reason.NO_GEOMETRY, f"slices differ in their {name}")


def _frames(dataset: Dataset, read: _Read) -> Iterator[Frame]:
    """The frames of one object.

    Args:
        read: takes the values, and reasons why dcm2niix cannot be given the file itself.

    Raises:
        Excluded: UNKNOWN_CODING or NOT_HU.
        one of DAMAGE: the object is damaged.
    """
    elements = Values(dataset)
    pixels = _stored(dataset, elements, read.because)
    if " \\" in elements.text("PixelSpacing"):
        read.because.add("blanks between numbers")  # dcm2niix loses the second one
    for number, stored in enumerate(pixels):
        rescale = rescaling(elements, number)
        pads = padding_range(dataset, stored)
        stored, foreign = without_foreign_bits(stored, elements, pads, rescale)
        if foreign:
            read.because.add("bits outside those stored")
        where = [elements.floats(name, number, group) or [] for name, group in GEOMETRY]
        numbers = np.array(sum(where, []))
        if [len(part) for part in where] != [3, 6, 2] or not np.isfinite(numbers).all():
            raise ValueError("geometry is not numeric")
        position, cosines, pixel_mm = numbers[:3], numbers[3:9], (numbers[9], numbers[10])
        out = read.store.room(len(pixels), stored.shape)
        yield make_frame(stored, rescale, pads, position, cosines, pixel_mm, out)


def _stored(dataset: Dataset, elements: Values, because: set[str]) -> np.ndarray:
    """Stored values, frames x rows x columns."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    # Old archives hold bare data sets, which dcm2niix does not take.
    native = syntax in PLAIN_SYNTAXES or (syntax is None and dataset.original_encoding[1])
    if syntax not in PLAIN_SYNTAXES:
        because.add("not stored as plain little-endian values")
    count = int(elements.text("NumberOfFrames") or 1)
    rows, columns = elements.integer("Rows"), elements.integer("Columns")
    if not (rows and columns):
        raise ValueError("no matrix")
    if count > 1:
        because.add("several frames in a file")
    bits = elements.integer("BitsAllocated")
    if "PixelData" not in dataset:
        because.add("fractions or 32-bit values")
        return _decoded(dataset).reshape(count, rows, columns)
    if bits not in WHOLE_BITS:
        raise Excluded(Reason.UNKNOWN_CODING, f"{bits} bits to a value")
    if bits == 32:
        because.add("fractions or 32-bit values")
    if native:
        kind = "i" if elements.integer("PixelRepresentation") else "u"
        size = count * rows * columns
        values = np.frombuffer(dataset.PixelData, f"<{kind}{bits // 8}", count=size)
        return values.reshape(count, rows, columns)
    _check_decoder(syntax)
    return _decoded(dataset).reshape(count, rows, columns)


def _decoded(dataset: Dataset) -> np.ndarray:
    """What pydicom decodes, in this machine's byte order."""
    values = guarded.pixel_array(dataset)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _check_decoder(syntax: str | None) -> None:
    """Raises Excluded UNKNOWN_CODING where nothing here decodes a transfer syntax."""
    if syntax not in uid.AllTransferSyntaxes:
        raise Excluded(Reason.UNKNOWN_CODING, "an unregistered coding")
    if not uid.UID(syntax).is_compressed:
        return
    try:
        available = get_decoder(uid.UID(syntax)).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise Excluded(Reason.UNKNOWN_CODING, uid.UID(syntax).name)
