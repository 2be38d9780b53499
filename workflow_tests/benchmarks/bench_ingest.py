"""Times the reading of headers against pydicom's and GDCM's: `make bench`.

Real series, copied until there are many files, and one made here; all of them cached, CPU time,
the ways in turns, medians of rounds. `read of 16 KB` is what no reader can beat: open, read the
beginning, close.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gdcm
import numpy as np
import pydicom
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "scripts"))

from bonecast.dicom.headers import WANTED, quiet_pydicom  # noqa: E402
from bonecast.dicom.scan import read_headers  # noqa: E402

GOAL = 3.0
"""Times as many files per second as a loop of `pydicom.dcmread`."""


def dcmread(paths: list[str]) -> None:
    for path in paths:
        pydicom.dcmread(path)


def dcmread_header(paths: list[str]) -> None:
    for path in paths:
        pydicom.dcmread(path, stop_before_pixels=True)


def dcmread_wanted(paths: list[str]) -> None:
    for path in paths:
        pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(WANTED))


def gdcm_scanner(paths: list[str]) -> None:
    """GDCM's scanner, and its answers taken over into Python as text."""
    scanner, tags = gdcm.Scanner(), [gdcm.Tag(tag >> 16, tag & 0xFFFF) for tag in WANTED]
    for tag in tags:
        scanner.AddTag(tag)
    scanner.Scan(paths)
    for path in paths:
        for tag in tags:
            scanner.GetValue(path, tag)


def read_only(paths: list[str]) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.pread(descriptor, 16384, 0)
        os.close(descriptor)


WAYS: dict[str, Callable[[list[str]], object]] = {
    "pydicom.dcmread": dcmread,
    "  stop_before_pixels": dcmread_header,
    "  and specific_tags": dcmread_wanted,
    "gdcm.Scanner": gdcm_scanner,
    "ours": read_headers,
    "read of 16 KB": read_only,
}


def fabricate(folder: Path, files: int) -> None:
    """A small header of 30 elements and 64 x 64 pixels, as tests make them."""
    pixels = np.zeros((64, 64), "<u2").tobytes()
    for number in range(files):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = uid.CTImageStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.{number + 1}"
        dataset.SOPClassUID, dataset.SOPInstanceUID = uid.CTImageStorage, f"2.25.{number + 1}"
        dataset.ImageType, dataset.Modality = ["ORIGINAL", "PRIMARY", "AXIAL"], "CT"
        dataset.StudyDate, dataset.Manufacturer = "20240229", "SIEMENS"
        dataset.SeriesDescription, dataset.PatientID = "Abdomen 3.0", "P1"
        dataset.SliceThickness, dataset.KVP, dataset.ConvolutionKernel = 3, 120, "Br36d"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "2.25.11", "2.25.12"
        dataset.SeriesNumber, dataset.AcquisitionNumber, dataset.InstanceNumber = 2, 1, number
        dataset.ImagePositionPatient = [0.0, 0.0, 3.0 * number]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.Rows = dataset.Columns = 64
        dataset.PixelSpacing, dataset.BitsAllocated, dataset.BitsStored = [5, 5], 16, 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 0
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
        dataset.PixelData = pixels
        dataset.save_as(folder / f"{number:06d}", enforce_file_format=True)


def copies(source: Path, folder: Path, files: int) -> None:
    sources = sorted(path for path in source.iterdir() if path.is_file())
    for number in range(files):
        shutil.copyfile(sources[number % len(sources)], folder / f"{number:06d}")


def time_ways(paths: list[str], rounds: int) -> dict[str, float]:
    """Files per second of each way."""
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    read_only(paths)
    for _ in range(rounds):
        for name, way in WAYS.items():
            started = time.process_time()
            with quiet_pydicom():
                way(paths)
            seconds[name].append(time.process_time() - started)
    return {name: len(paths) / statistics.median(found) for name, found in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    data = os.environ.get("BONECAST_TEST_DATA", PROJECT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(data), help="folder with dicom/")
    arguments = parser.parse_args()
    sources = [arguments.data / "dicom" / name for name in ("CRLM-CT-1004", "siemens_j2k_20slices")]
    if missing := [path for path in sources if not path.is_dir()]:
        print(f"left out, for it is not there: {', '.join(path.name for path in missing)}")
    ratios = []
    for source in (*(path for path in sources if path.is_dir()), None):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if source:
                copies(source, folder, arguments.files)
            else:
                fabricate(folder, arguments.files)
            paths = sorted(str(path) for path in folder.iterdir())
            speeds = time_ways(paths, arguments.rounds)
        print(f"\n{source.name if source else 'fabricated'}: {len(paths)} files, cached")
        for way, speed in speeds.items():
            ratio = speed / speeds["pydicom.dcmread"]
            print(
                f"{way:24s} {speed:9.0f} files per second of CPU {ratio:7.1f} times pydicom.dcmread"
            )
        ratios.append(speeds["ours"] / speeds["pydicom.dcmread"])
    print(f"\nours: at least {min(ratios):.1f} times pydicom.dcmread (goal: {GOAL:g})")


if __name__ == "__main__":
    main()
