"""Pixels of the chosen series: decoded independently of dcm2niix, and prepared for it.

dcm2niix is given the original files through links with neutral names where it can read
them, and plain uncompressed slices with a bare header where they are compressed, big
endian, deflated or multi-frame: one decoder (pydicom with GDCM) then serves all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.valuerep import DSfloat

from bonecast.dicom import geometry, guarded
from bonecast.dicom.acquisition import element
from bonecast.dicom.headers import DAMAGE, FrameGroups, as_float, raise_storage_fault
from bonecast.reasons import Excluded, Reason

LINKED_SYNTAXES = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian)
"""Transfer syntaxes that dcm2niix gets as they are."""

HU_MIN, HU_MAX = -1024, 32767
"""Values kept. Scanners pad outside the field of view with less than air; metal goes far
above the 3071 HU of 12-bit scanners where the extended scale is on."""

PADDING_ABOVE_HU = 3071
"""A padding value above this cannot be tissue, so its voxels are air."""


@dataclass(frozen=True)
class Slice:
    """One decoded image.

    Attributes:
        stored: rows x columns, as stored (16 bits).
        slope, intercept: from stored values to HU.
        position_mm: centre of the first voxel (LPS).
        orientation: six direction cosines.
        pixel_mm: distance between rows, between columns.
        padding: stored value that pads, or None.
    """

    stored: np.ndarray
    slope: float
    intercept: float
    position_mm: np.ndarray
    orientation: np.ndarray
    pixel_mm: tuple[float, float]
    padding: int | None

    def hu(self) -> np.ndarray:
        """Hounsfield units, rows x columns, int16 within HU_MIN to HU_MAX."""
        if self.slope == 1 and self.intercept == int(self.intercept):
            values = self.stored.astype(np.int32)
            values += int(self.intercept)
        else:
            values = np.rint(self.stored * self.slope + self.intercept)
        return clip_hu(values)


@dataclass(frozen=True)
class DecodedSeries:
    """All slices of a series as decoded by pydicom.

    Attributes:
        hu: slices x rows x columns, int16, sorted along the normal.
        positions_mm: shape (slices, 3), LPS.
        orientation, pixel_mm: of the first slice.
        padding_hu: value that means "outside the field of view", where it looks like tissue
            or metal; None mostly.
        rewritten: files were given to dcm2niix uncompressed.
    """

    hu: np.ndarray
    positions_mm: np.ndarray
    orientation: np.ndarray
    pixel_mm: tuple[float, float]
    padding_hu: int | None
    rewritten: bool


def clip_hu(values: np.ndarray) -> np.ndarray:
    """Values as int16 from HU_MIN to HU_MAX: less than air is padding and becomes air."""
    if values.dtype == np.int16:
        return np.maximum(values, np.int16(HU_MIN))
    return np.clip(values, HU_MIN, HU_MAX).astype(np.int16)


def decode_series(paths: list[Path], folder: Path) -> tuple[DecodedSeries, Dataset, list[float]]:
    """Decode every file of a series and put it, or an uncompressed twin, into `folder`.

    Call inside `headers.quiet_pydicom`.

    Args:
        paths: files in any order.
        folder: empty folder that dcm2niix will read.

    Returns:
        The slices, the header of the first file, and the tube currents found (mA).

    Raises:
        Excluded: CORRUPT_PIXELS where a file cannot be decoded; NO_GEOMETRY where slices
            turn out not to share one matrix.
    """
    hu, positions, currents, first, sample = [], [], [], None, None
    rewritten = False
    for number, path in enumerate(paths):
        try:
            dataset = pydicom.dcmread(path, force=True)
            slices = list(_slices(dataset))
        except DAMAGE as error:
            raise_storage_fault(error)
            raise Excluded(
                Reason.CORRUPT_PIXELS,
                f"file {number + 1} of {len(paths)} of the series: {type(error).__name__}",
            ) from None
        if first is None:
            first, sample = dataset, slices[0]
        if (current := as_float(str(element(dataset, "XRayTubeCurrent")))) is not None:
            currents.append(current)
        if any(one.stored.shape != sample.stored.shape for one in slices):
            raise Excluded(Reason.NO_GEOMETRY, "slices differ in their matrix")
        if dataset.file_meta.get("TransferSyntaxUID") in LINKED_SYNTAXES and len(slices) == 1:
            (folder / f"{len(hu):05d}.dcm").symlink_to(path.resolve())
        else:
            rewritten = True
            for offset, one in enumerate(slices):
                _write_plain(one, len(hu) + offset, folder / f"{len(hu) + offset:05d}.dcm")
        hu += [one.hu() for one in slices]
        positions += [one.position_mm for one in slices]
    order = geometry.measure_stack(np.array(positions), sample.orientation).order
    decoded = DecodedSeries(
        hu=np.stack([hu[index] for index in order]),
        positions_mm=np.array(positions)[order],
        orientation=sample.orientation,
        pixel_mm=sample.pixel_mm,
        padding_hu=_high_padding(sample),
        rewritten=rewritten,
    )
    return decoded, first, currents


def _slices(dataset: Dataset) -> Iterator[Slice]:
    """The frames of one object. Raises one of DAMAGE where it is damaged."""
    pixels = guarded.pixel_array(dataset)
    groups = FrameGroups(dataset)
    if pixels.ndim not in (2, 3) or dataset.SamplesPerPixel != 1:
        raise ValueError("not a grey-scale image")
    padding = dataset.get("PixelPaddingValue")
    for frame, stored in enumerate(pixels[None] if pixels.ndim == 2 else pixels):

        def value(sequence: str, name: str, frame: int = frame):
            found = groups.value(frame, sequence, name)
            return dataset.get(name) if found is None else found

        slope = value("PixelValueTransformationSequence", "RescaleSlope")
        intercept = value("PixelValueTransformationSequence", "RescaleIntercept")
        spacing = value("PixelMeasuresSequence", "PixelSpacing")
        position = value("PlanePositionSequence", "ImagePositionPatient")
        cosines = value("PlaneOrientationSequence", "ImageOrientationPatient")
        one = Slice(
            stored=stored,
            slope=1.0 if slope is None else float(slope),
            intercept=0.0 if intercept is None else float(intercept),
            position_mm=np.array(position, dtype=float),
            orientation=np.array(cosines, dtype=float),
            pixel_mm=(float(spacing[0]), float(spacing[1])),
            padding=None if padding is None else int(padding),
        )
        numbers = (*one.position_mm, *one.orientation, *one.pixel_mm, one.slope, one.intercept)
        if len(numbers) != 13 or not np.isfinite(numbers).all():
            raise ValueError("geometry or scaling is not numeric")
        yield one


def _high_padding(one: Slice) -> int | None:
    if one.padding is None:
        return None
    value = round(one.padding * one.slope + one.intercept)
    return min(value, HU_MAX) if value > PADDING_ABOVE_HU else None


def _write_plain(one: Slice, number: int, path: Path) -> None:
    """Write a slice as an uncompressed CT image that says nothing but geometry and values."""
    wide = one.stored.astype(np.int32)
    signed = wide.min() < 0
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = uid.CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"2.25.{number + 10}"
    plain = Dataset()
    plain.file_meta = meta
    plain.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    plain.SOPClassUID = meta.MediaStorageSOPClassUID
    plain.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    plain.Modality = "CT"
    plain.StudyInstanceUID, plain.SeriesInstanceUID = "2.25.1", "2.25.2"
    plain.SeriesNumber, plain.InstanceNumber = 1, number + 1
    plain.ImagePositionPatient = [DSfloat(mm, auto_format=True) for mm in one.position_mm]
    plain.ImageOrientationPatient = [DSfloat(c, auto_format=True) for c in one.orientation]
    plain.PixelSpacing = [DSfloat(mm, auto_format=True) for mm in one.pixel_mm]
    plain.SamplesPerPixel, plain.PhotometricInterpretation = 1, "MONOCHROME2"
    plain.Rows, plain.Columns = one.stored.shape
    plain.BitsAllocated, plain.BitsStored, plain.HighBit = 16, 16, 15
    plain.PixelRepresentation = int(signed)
    plain.RescaleSlope = DSfloat(one.slope, auto_format=True)
    plain.RescaleIntercept = DSfloat(one.intercept, auto_format=True)
    plain.PixelData = wide.astype("<i2" if signed else "<u2").tobytes()
    plain.save_as(path, enforce_file_format=True)
