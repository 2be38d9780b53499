"""Small DICOM series, written for a test: a body of fat, muscle and one bone off its centre."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from bonecast.dicom.convert import Converted, convert_participant, convert_series
from bonecast.dicom.index import index_source
from bonecast.dicom.resample import Resample
from bonecast.dicom.select import Settings, select_series
from bonecast.dicom.table import Choice, write_series

ROWS, COLUMNS = 40, 48
PIXEL_MM = (4.0, 5.0)
"""Distance between rows, between columns: unequal, so that a mix-up shows."""

FIRST_MM = (-100.0, -80.0, 200.0)
AXIAL = (1, 0, 0, 0, 1, 0)
FAT_HU, MUSCLE_HU, BONE_HU, AIR_HU = -100, 50, 300, -1000


def body(slices: int = 12) -> np.ndarray:
    """HU, shape (slices, rows, columns); the bone lies right, in front, and ends below the top."""
    hu = np.full((slices, ROWS, COLUMNS), AIR_HU, dtype=np.int16)
    hu[:, 4:36, 6:44] = FAT_HU
    hu[:, 8:32, 10:38] = MUSCLE_HU
    hu[: slices - 4, 10:14, 12:20] = BONE_HU
    hu += np.arange(slices, dtype=np.int16)[:, None, None]  # every slice is its own
    return hu


def image(hu: np.ndarray, number: int, position_mm, **elements) -> Dataset:
    """One CT image; `elements` overrides or adds any element, None removes it."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = uid.CTImageStorage
    meta.MediaStorageSOPInstanceUID = uid.generate_uid()
    dataset = Dataset()
    dataset.file_meta = meta
    values = {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SOPClassUID": meta.MediaStorageSOPClassUID,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "StudyDate": "20240229",
        "Modality": "CT",
        "Manufacturer": "SIEMENS",
        "ManufacturerModelName": "SOMATOM Force",
        "SeriesDescription": "Abdomen 3.0",
        "PatientName": "Doe^Jane",
        "PatientID": "P1",
        "PatientSex": "F",
        "PatientAge": "067Y",
        "SliceThickness": 3.0,
        "KVP": 120,
        "XRayTubeCurrent": 200 + number,
        "ConvolutionKernel": "Br36d",
        "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.1",
        "SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.2",
        "SeriesNumber": 2,
        "AcquisitionNumber": 1,
        "InstanceNumber": number + 1,
        "ImagePositionPatient": [float(mm) for mm in position_mm],
        "ImageOrientationPatient": list(AXIAL),
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": hu.shape[0],
        "Columns": hu.shape[1],
        "PixelSpacing": list(PIXEL_MM),
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
    } | elements
    for name, value in values.items():
        if value is not None:
            setattr(dataset, name, value)
    if "SOPClassUID" in elements:
        meta.MediaStorageSOPClassUID = elements["SOPClassUID"]
    dataset.PixelData = (hu.astype(np.int32) + 1024).astype("<u2").tobytes()
    return dataset


def enhanced(slices: int = 12) -> Dataset:
    """The body as one enhanced multi-frame object, frames from head to foot."""
    hu = body(slices)[::-1]
    dataset = image(hu[0], 0, FIRST_MM, SOPClassUID=uid.EnhancedCTImageStorage)
    moved = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
    for name in (*moved, "RescaleSlope", "RescaleIntercept", "KVP", "ConvolutionKernel"):
        delattr(dataset, name)

    def item(**elements) -> Sequence:
        one = Dataset()
        for name, value in elements.items():
            setattr(one, name, value)
        return Sequence([one])

    dataset.SharedFunctionalGroupsSequence = item(
        PixelMeasuresSequence=item(PixelSpacing=list(PIXEL_MM), SliceThickness=3.0),
        PlaneOrientationSequence=item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        PixelValueTransformationSequence=item(RescaleSlope=1, RescaleIntercept=-1024),
        CTXRayDetailsSequence=item(KVP=120),
        CTReconstructionSequence=item(ConvolutionKernel="Br36d"),
    )
    x, y, z = FIRST_MM
    frames = [
        item(PlanePositionSequence=item(ImagePositionPatient=[x, y, z + 3.0 * (slices - 1 - k)]))[0]
        for k in range(slices)
    ]
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    dataset.NumberOfFrames = slices
    dataset.PixelData = (hu.astype(np.int32) + 1024).astype("<u2").tobytes()
    return dataset


def write_images(
    folder: Path,
    slices: int = 12,
    spacing_mm: float = 3.0,
    step_mm=(0.0, 0.0, 1.0),
    edit: Callable[[Dataset, int], Dataset | None] = lambda dataset, number: dataset,
    name: str = "{:03d}.dcm",
    **elements,
) -> list[Path]:
    """Write a series, first slice at FIRST_MM.

    Args:
        step_mm: direction of stacking, multiplied by `spacing_mm`.
        edit: changes a slice before it is written; None leaves it out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, hu in enumerate(body(slices)):
        position = np.array(FIRST_MM) + np.array(step_mm) * spacing_mm * number
        dataset = edit(image(hu, number, position, **elements), number)
        if dataset is not None:
            paths.append(folder / name.format(number))
            dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def decide(source: Path, settings: Settings | None = None):
    """The index of a source, and the decision on each of its series."""
    index = index_source(source)
    return index, select_series(index, settings or Settings())


def convert(source: Path, work: Path, settings: Settings | None = None) -> dict:
    """Everything from folder to `ct.json`, as the two rules do it; CT at work/ct.nii.gz."""
    index, decisions = decide(source, settings)
    work.mkdir(parents=True, exist_ok=True)
    write_series(index, decisions, work / "series.tsv")
    return convert_table(source, work / "series.tsv", work)


def convert_table(source: Path, table: Path, work: Path) -> dict:
    """What the second rule does with the first one's table; CT at work/ct.nii.gz."""
    work.mkdir(parents=True, exist_ok=True)
    return convert_participant("p1", source, table, work / "ct.nii.gz")


def convert_first(
    source: Path, resample: Resample | None = None, secret=b"", every: bool = False
) -> Converted:
    """Convert a source's first series, or `every` one as a single one, whatever choosing says."""
    index = index_source(source)
    first = index.series[0]
    nifti = first.description_class == "nifti_volume"
    files = sorted(sum((one.files for one in index.series), [])) if every else first.files
    choice = Choice("S01", files, index.listing, None, "", nifti)
    return convert_series(source, choice, resample or Resample(), secret)


@pytest.fixture
def ct() -> SimpleNamespace:
    """The helpers of this file: tests are imported one by one and cannot import it."""
    return SimpleNamespace(
        body=body,
        image=image,
        enhanced=enhanced,
        write=write_images,
        decide=decide,
        convert=convert,
        convert_table=convert_table,
        convert_first=convert_first,
        PIXEL_MM=PIXEL_MM,
        FIRST_MM=FIRST_MM,
        BONE_HU=BONE_HU,
    )
