"""Which header elements a scan is matched by, and what stops a match."""

import datetime

import pytest
from pydicom.dataset import Dataset

from bonecast.dicom.index import index_source
from bonecast.dicom.select import Settings, select_series
from bonecast.dicom.table import write_series
from bonecast.images import save
from bonecast.measure.calibration.match import match_participant, scan_key
from bonecast.phantom.dicom import Study

TABLE = (
    "scanner\tkvp\tkernel\tfirst_date\tslope\tintercept\tstandard\n"
    "SN900101\t120\tBr40d\t2010-01-01\t0.8\t-2\tk2hpo4\n"
    "CT99\t\t\t\t0.9\t0\tk2hpo4\n"
)


def header(**elements) -> Dataset:
    dataset = Dataset()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


def test_the_scan_is_known_by_serial_then_station_then_model():
    full = header(
        DeviceSerialNumber="SN900101",
        StationName="CT1",
        ManufacturerModelName="Revolution CT",
        KVP="120",
        ConvolutionKernel="STANDARD",
        StudyDate="20150101",
        AcquisitionDate="20150203",
    )
    key = scan_key(full)
    assert key.scanners == ("SN900101", "CT1", "Revolution CT")
    assert (key.kvp, key.kernel, key.date) == (120.0, "STANDARD", datetime.date(2015, 2, 3))


def test_a_header_without_anything_matches_only_open_rows():
    key = scan_key(header(StudyDate="", KVP=""))
    assert (key.scanners, key.kvp, key.kernel, key.date) == ((), None, "", None)


@pytest.fixture
def folder(tmp_path, three_bodies):
    """A scan of the phantom's scanner A as DICOM, its series table and a calibration table."""
    row = {"age_years": 70, "sex": "F", "contrast": False}
    study = Study(tmp_path / "p1", "A", "p1", row, 1)
    study.axial(three_bodies.ct, "Abdomen")
    index_table(tmp_path / "p1", tmp_path / "series.tsv")
    (tmp_path / "calibration.tsv").write_text(TABLE, encoding="utf-8")
    return tmp_path


def index_table(source, path):
    index = index_source(source)
    write_series(index, select_series(index, Settings()), path)


def run(folder, source="p1", **more) -> dict:
    return match_participant(
        folder / source,
        folder / "series.tsv",
        folder / "calibration.tsv",
        "k2hpo4",
        2.29,
        **more,
    )


def test_a_dicom_scan_finds_its_row(folder):
    assert (run(folder)["row"], run(folder)["slope"]) == (2, 0.8)


def test_a_row_number_of_the_participants_table_is_believed(folder):
    assert run(folder, number=3)["slope"] == 0.9
    assert run(folder, number=7)["reason"] == "calibration_no_scanner"


def test_a_nifti_needs_a_row_number(folder, three_bodies):
    save(three_bodies.ct, folder / "p2.nii.gz")
    index_table(folder / "p2.nii.gz", folder / "series.tsv")
    assert run(folder, "p2.nii.gz")["reason"] == "calibration_no_scanner"
    assert run(folder, "p2.nii.gz", number=2)["row"] == 2


def test_a_source_that_changed_is_not_read(folder):
    (folder / "p1" / "new.txt").write_text("new", encoding="utf-8")
    with pytest.raises(RuntimeError, match="input changed"):
        run(folder)


def test_a_participant_without_series_keeps_that_reason(folder):
    (folder / "empty").mkdir()
    index_table(folder / "empty", folder / "series.tsv")
    assert run(folder, "empty")["reason"] == "empty_folder"
