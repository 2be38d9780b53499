"""What every case of the hospital zoo is held to: a decision for each series, an account of each
file, no name in what is written, no hanging, and where it is analysed, every voxel right."""

import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

from bonecast import images
from bonecast.dicom.index import Index
from bonecast.dicom.listing import list_files
from bonecast.dicom.select import Decision
from bonecast.dicom.table import write_series
from bonecast.images import Volume

PATIENT = "Doe"
"""In every fabricated header, and in nothing that is written."""

LONGEST_S = 60
"""Each case takes less than a second: this long, it hangs."""


@dataclass(frozen=True)
class Plane:
    """One slice as it has to be found in the volume.

    Attributes:
        hu: rows x columns.
        position_mm: centre of the first voxel (LPS).
        cosines: six direction cosines.
        pixel_mm: distance between rows, between columns.
    """

    hu: np.ndarray
    position_mm: np.ndarray
    cosines: np.ndarray
    pixel_mm: tuple[float, float]


@dataclass(frozen=True)
class Outcome:
    """What became of an input.

    Attributes:
        record: the content of `ct.json`.
        volume: the CT, where there is one.
    """

    index: Index
    decisions: list[Decision]
    record: dict
    volume: Volume | None

    @property
    def verdict(self) -> str:
        """`ok` or the reason."""
        return self.record["reason"] or self.record["status"]

    @property
    def account(self) -> str:
        """Decisions on series, then kinds of other files, counted: `chosen, 2 localizer; 1 pdf`."""
        series = Counter("chosen" if d.chosen else str(d.reason) for d in self.decisions)
        kinds = {str(kind): len(files) for kind, files in self.index.others.items()}
        texts = [
            ", ".join(name if n == 1 else f"{n} {name}" for name, n in sorted(found.items()))
            for found in (series, kinds)
        ]
        return "; ".join(filter(None, texts))


@pytest.fixture
def limit() -> Iterator[None]:
    """End a test that waits for ever."""

    def stop(*_):
        raise TimeoutError(f"still busy after {LONGEST_S} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONGEST_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def judge(ct, tmp_path, limit):
    """A function that takes an input through both rules and holds the outcome to what any must."""

    def run(source: Path, settings=None) -> Outcome:
        work = tmp_path / "out"
        index, decisions = ct.decide(source, settings)
        work.mkdir(exist_ok=True)
        write_series(index, decisions, work / "series.tsv")
        record = ct.convert_table(source, work / "series.tsv", work)
        table = (work / "series.tsv").read_text(encoding="utf-8")
        assert PATIENT not in table + repr(record)
        assert sum(decision.chosen for decision in decisions) <= 1
        for decision in decisions:
            assert decision.chosen == (decision.reason is None)
            assert decision.detail
        files = list_files(source) or []
        counted = sum(len(one.files) + one.n_copies for one in index.series)
        assert counted + sum(map(len, index.others.values())) == len(files)
        assert (record["status"] == "ok") == (not record["reason"])
        content = work / "ct.nii.gz"
        if record["reason"]:
            assert content.read_bytes() == b""
        volume = None if record["reason"] else images.load(content)
        return Outcome(index, decisions, record, volume)

    return run


def planes(ct, slices=12, keep=None, spacing_mm=3.0, step_mm=(0, 0, 1), **other) -> list[Plane]:
    """The slices that `ct.write` writes with the same arguments; `keep` numbers those left."""
    cosines = np.array(other.get("ImageOrientationPatient", (1, 0, 0, 0, 1, 0)), dtype=float)
    pixel_mm = other.get("PixelSpacing", ct.PIXEL_MM)
    first = np.array(ct.FIRST_MM)
    return [
        Plane(hu, first + np.array(step_mm, float) * spacing_mm * n, cosines, tuple(pixel_mm))
        for n, hu in enumerate(ct.body(slices))
        if keep is None or n in keep
    ]


def assert_shows(volume: Volume, wanted: list[Plane], tolerance_hu=0, whole=True) -> None:
    """Every voxel of every slice is where the header put it; `whole`: and there is no other."""
    inverse = np.linalg.inv(volume.affine)
    for plane in wanted:
        rows, columns = np.indices(plane.hu.shape).reshape(2, -1)
        right = np.outer(columns * plane.pixel_mm[1], plane.cosines[:3])
        down = np.outer(rows * plane.pixel_mm[0], plane.cosines[3:])
        lps = plane.position_mm + right + down
        world = np.column_stack([-lps[:, 0], -lps[:, 1], lps[:, 2], np.ones(len(lps))])
        voxel = (world @ inverse.T)[:, :3]
        assert np.abs(voxel - np.rint(voxel)).max() < 0.05
        found = volume.data[tuple(np.rint(voxel).astype(int).T)]
        off = np.abs(found.astype(int) - plane.hu.ravel())
        assert off.max() <= tolerance_hu
    if whole:
        assert volume.data.size == sum(plane.hu.size for plane in wanted)


def store(dataset: Dataset, stored: np.ndarray, **elements) -> Dataset:
    """Put other stored values into an image; `elements` are set too."""
    kind = stored.dtype
    bits = 8 * kind.itemsize
    values = {
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(kind.kind == "i"),
    } | elements
    for name, value in values.items():
        setattr(dataset, name, value)
    dataset.PixelData = stored.astype(kind.newbyteorder("<")).tobytes()
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"
    return dataset


def hu_of(dataset: Dataset) -> np.ndarray:
    """HU of an image that `ct.image` made; int32, rows x columns."""
    stored = np.frombuffer(dataset.PixelData, "<u2").astype(np.int32)
    return stored.reshape(dataset.Rows, dataset.Columns) - 1024


def plain_object(path: Path, sop_class: str, modality: str, **elements) -> Path:
    """Write an object without pixels: a report, a plan, a presentation state."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = uid.generate_uid()
    values = {
        "SOPClassUID": sop_class,
        "SOPInstanceUID": dataset.file_meta.MediaStorageSOPInstanceUID,
        "Modality": modality,
        "PatientName": "Doe^Jane",
        "PatientID": "P1",
        "StudyDate": "20240229",
        "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.1",
        "SeriesInstanceUID": uid.generate_uid(),
        "SeriesNumber": 900,
    } | elements
    for name, value in values.items():
        setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def zoo(ct) -> SimpleNamespace:
    """Helpers of `ct`, and those of this file."""
    return SimpleNamespace(
        **vars(ct),
        planes=lambda *args, **more: planes(ct, *args, **more),
        assert_shows=assert_shows,
        store=store,
        hu_of=hu_of,
        plain_object=plain_object,
    )
