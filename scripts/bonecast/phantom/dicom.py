"""Write phantom scans as CT DICOM studies, headers and clutter included.

The files carry invented names, dates and numbers, because removing such things is part
of what the pipeline has to show.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from bonecast.images import Volume

UID_ROOT = "2.25"


@dataclass(frozen=True)
class Vendor:
    """Header words of one scanner."""

    manufacturer: str
    model: str
    kernel: str
    station: str
    serial: str
    localizer_words: tuple[str, ...]


VENDORS = {
    "A": Vendor(
        "SIEMENS",
        "SOMATOM Force",
        "Br40d",
        "CTAWP0001",
        "SN900101",
        ("ORIGINAL", "PRIMARY", "LOCALIZER", "CT_SOM5 TOP"),
    ),
    "B": Vendor(
        "GE MEDICAL SYSTEMS",
        "Revolution CT",
        "STANDARD",
        "CT99",
        "SN900202",
        ("ORIGINAL", "PRIMARY", "LOCALIZER"),
    ),
}


class Study:
    """One patient's visit to one scanner; every series is written through it."""

    def __init__(self, folder: Path, site: str, participant_id: str, row: dict, seed: int):
        self.folder, self.vendor = folder, VENDORS[site]
        self.rng = np.random.default_rng([seed, 3])
        self.row = row
        self.number = 0
        year = 2015 + int(self.rng.integers(0, 6))
        self.date = f"{year}{self.rng.integers(1, 13):02d}{self.rng.integers(1, 28):02d}"
        self.birth = f"{year - int(row['age_years'])}0{self.rng.integers(1, 10)}15"
        self.name = f"Phantom{participant_id}^Invented"
        self.patient_id = f"MRN{self.rng.integers(10**6, 10**7)}"
        self.accession = f"ACC{self.rng.integers(10**6, 10**7)}"
        self.study_uid, self.frame_uid = self.uid(), self.uid()

    def uid(self) -> str:
        """A fresh UID, reproducible with the seed."""
        return (
            f"{UID_ROOT}.{int(self.rng.integers(10**17, 10**18))}{self.rng.integers(10**8, 10**9)}"
        )

    def header(self, description: str, image_type: tuple[str, ...], sop_class: str) -> Dataset:
        """What all files of one series share."""
        self.number += 1
        ds = Dataset()
        ds.SOPClassUID = sop_class
        ds.ImageType = list(image_type)
        ds.Modality = "CT"
        ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = self.date
        ds.StudyTime = ds.SeriesTime = "101500"
        ds.AccessionNumber = self.accession
        ds.Manufacturer, ds.ManufacturerModelName = self.vendor.manufacturer, self.vendor.model
        ds.InstitutionName = "Invented General Hospital"
        ds.StationName = self.vendor.station
        ds.DeviceSerialNumber = self.vendor.serial
        ds.ReferringPhysicianName = "Referrer^Invented"
        ds.StudyDescription = "CT Abdomen"
        ds.SeriesDescription = description
        ds.PatientName, ds.PatientID = self.name, self.patient_id
        ds.PatientBirthDate, ds.PatientSex = self.birth, self.row["sex"]
        ds.PatientAge = f"{int(self.row['age_years']):03d}Y"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = self.study_uid, self.uid()
        ds.FrameOfReferenceUID = self.frame_uid
        ds.StudyID, ds.SeriesNumber = "1", self.number
        ds.KVP = "120"
        ds.PatientPosition = "HFS"
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        if self.row["contrast"]:
            ds.ContrastBolusAgent = "Omnipaque 300"
        return ds

    def write(self, header: Dataset, name: str, instance: int) -> None:
        """Write one Part 10 file of the series into its own folder."""
        header.SOPInstanceUID, header.InstanceNumber = self.uid(), instance
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = header.SOPClassUID
        meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = self.folder / f"ST01/SE{self.number:02d}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        file = FileDataset(str(path), header, file_meta=meta, preamble=b"\0" * 128)
        file.save_as(path, enforce_file_format=True)

    def axial(self, ct: Volume, description: str, kernel: str | None = None) -> None:
        """An axial series: one file a slice, head last."""
        header = self.header(description, ("ORIGINAL", "PRIMARY", "AXIAL"), CTImageStorage)
        sx, sy, sz = ct.spacing_mm
        header.ConvolutionKernel = kernel or self.vendor.kernel
        header.SliceThickness = f"{sz:g}"
        header.PixelSpacing = [f"{sy:g}", f"{sx:g}"]
        header.ReconstructionDiameter = f"{sx * ct.data.shape[0]:g}"
        header.XRayTubeCurrent = str(int(self.rng.integers(120, 380)))
        header.TableHeight = "155"
        header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        header.RescaleIntercept, header.RescaleSlope, header.RescaleType = "-1024", "1", "HU"
        nx, ny, nz = ct.data.shape
        header.Rows, header.Columns = ny, nx
        # DICOM rows run from right to left and anterior to posterior: both axes flip.
        corner = ct.affine @ [nx - 1, ny - 1, 0, 1]
        pixels = np.ascontiguousarray(ct.data[::-1, ::-1].transpose(2, 1, 0)) + np.int16(1024)
        for k in range(nz):
            z = float(corner[2] + k * sz)
            header.ImagePositionPatient = [f"{-corner[0]:.4f}", f"{-corner[1]:.4f}", f"{z:.4f}"]
            header.SliceLocation = f"{z:.4f}"
            header.PixelData = pixels[k].tobytes()
            self.write(header, f"IM{nz - k:04d}.dcm", nz - k)

    def localizer(self, ct: Volume) -> None:
        """A lateral scout view."""
        header = self.header("Topogram", self.vendor.localizer_words, CTImageStorage)
        image = np.rint(ct.data.mean(axis=0)).astype(np.int16).T[::-1, ::-1] + np.int16(1024)
        _, sy, sz = ct.spacing_mm
        header.PixelSpacing = [f"{sz:g}", f"{sy:g}"]
        header.SliceThickness = "400"
        header.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
        top = ct.affine @ [0, ct.data.shape[1] - 1, ct.data.shape[2] - 1, 1]
        header.ImagePositionPatient = [f"{-top[0]:.4f}", f"{-top[1]:.4f}", f"{top[2]:.4f}"]
        header.RescaleIntercept, header.RescaleSlope = "-1024", "1"
        header.Rows, header.Columns = image.shape
        header.PixelData = image.tobytes()
        self.write(header, "IM0001.dcm", 1)

    def dose_report(self) -> None:
        """A secondary capture, as scanners add to every study."""
        header = self.header(
            "Patient Protocol", ("DERIVED", "SECONDARY"), SecondaryCaptureImageStorage
        )
        header.Rows = header.Columns = 64
        header.PixelData = np.zeros((64, 64), np.int16).tobytes()
        self.write(header, "IM0001.dcm", 1)


def thick(ct: Volume, factor: int) -> Volume:
    """The same scan in slices `factor` times as thick."""
    nz = ct.data.shape[2] // factor
    data = ct.data[:, :, : nz * factor].reshape(*ct.data.shape[:2], nz, factor).mean(axis=3)
    affine = ct.affine.copy()
    affine[2, 3] += ct.spacing_mm[2] * (factor - 1) / 2
    affine[2, 2] *= factor
    return Volume(np.rint(data).astype(np.int16), affine)
