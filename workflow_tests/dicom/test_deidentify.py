"""DICOM for sharing: nothing of the patient is left, and the CT is the same."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from bonecast import images
from bonecast.dicom.deidentify import METHOD, deidentify_series
from bonecast.reasons import Excluded, Reason

KEY = bytes(range(32))
IDENTITY = {
    "PatientName": "Zweigelstein^Quirina",
    "PatientID": "HX7734119",
    "PatientBirthDate": "19310417",
    "PatientAddress": "Ulmenweg 3, Xyloburg",
    "PatientComments": "seen by Vandersloot",
    "AccessionNumber": "ACC5550123",
    "ReferringPhysicianName": "Vandersloot^Igor",
    "InstitutionName": "Krankenhaus Xyloburg",
    "StationName": "XYLOCT1",
    "DeviceSerialNumber": "SN900417",
    "StudyDate": "20230615",
    "AcquisitionDate": "20230615",
    "StudyDescription": "Zweigelstein follow-up",
    "SeriesDescription": "Abdomen 15.06.2023",
    "ImageComments": "room 12",
    "StudyInstanceUID": "1.2.276.0.7230010.3.1.2.8323329.4711",
    "SeriesInstanceUID": "1.2.276.0.7230010.3.1.3.8323329.4712",
    "FrameOfReferenceUID": "1.2.276.0.7230010.3.1.4.8323329.4713",
    # Not in the profile's table: found by the patient's own words.
    "ContrastBolusAgent": "for Zweigelstein",
}
TRACES = (
    *("zweigelstein", "quirina", "hx7734119", "1931", "ulmenweg", "vandersloot", "acc5550123"),
    *("xylo", "sn900417", "20230615", "15.06.2023", "room 12", "7230010", "8323329", "secret"),
)


def plant(dataset: Dataset, number: int) -> Dataset:
    dataset.SOPInstanceUID = f"1.2.276.0.7230010.3.1.5.8323329.{number + 1}"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.SourceApplicationEntityTitle = "XYLOCT1"
    inner = Dataset()
    inner.PatientName = IDENTITY["PatientName"]
    inner.ReferencedSOPInstanceUID = IDENTITY["StudyInstanceUID"]
    dataset.SourceImageSequence = Sequence([inner])
    deep, kept = Dataset(), Dataset()
    deep.PatientID = IDENTITY["PatientID"]
    kept.CTDIvol = 7.5
    kept.CodeMeaning = "for Zweigelstein"
    kept.RequestAttributesSequence = Sequence([deep])
    dataset.CTExposureSequence = Sequence([kept])
    dataset.add_new(0x60000022, "LO", "Ulmenweg")
    dataset.add_new(0x60001500, "LO", "xylo")
    dataset.add_new(0x60003000, "OW", b"Quirina ")
    dataset.add_new(0x50002500, "LO", "Vandersloot")
    kept.add_new(0x0018998A, "UN", b"19310417")
    block = dataset.private_block(0x0099, "SECRET", create=True)
    block.add_new(0x01, "LO", "secret")
    return dataset


@pytest.fixture
def exported(ct, tmp_path):
    paths = ct.write(tmp_path / "in", edit=plant, **IDENTITY)
    out = tmp_path / "out"
    out.mkdir()
    deidentify_series(paths, "P01", KEY, out)
    return paths, sorted(out.iterdir())


def test_no_trace_in_any_byte(exported):
    original, files = exported
    assert len(files) == len(original) == 12
    everything = b"".join(path.read_bytes() for path in original).lower()
    assert all(trace.encode() in everything for trace in TRACES)
    for path in files:
        content = path.read_bytes().lower()
        assert [trace for trace in TRACES if trace.encode() in content] == []


def test_the_patient_is_the_pseudonym_and_the_profile_is_named(exported):
    dataset = pydicom.dcmread(exported[1][0])
    assert dataset.PatientName == dataset.PatientID == "P01"
    assert dataset.PatientIdentityRemoved == "YES"
    assert dataset.DeidentificationMethod == METHOD
    assert dataset.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert dataset.CTExposureSequence[0].CTDIvol == 7.5
    assert "CodeMeaning" not in dataset.CTExposureSequence[0]
    assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert not any(element.tag.is_private for element in dataset.iterall())


def test_identifiers_fit_together_and_come_out_the_same_again(ct, exported, tmp_path):
    original, files = exported
    datasets = [pydicom.dcmread(path) for path in files]
    assert len({dataset.SeriesInstanceUID for dataset in datasets}) == 1
    assert len({dataset.SOPInstanceUID for dataset in datasets}) == 12
    again = tmp_path / "again"
    again.mkdir()
    deidentify_series(original, "P01", KEY, again)
    for path, twin in zip(files, sorted(again.iterdir()), strict=True):
        assert path.read_bytes() == twin.read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    deidentify_series(original, "P01", KEY[::-1], other)
    first = pydicom.dcmread(other / "00001.dcm")
    assert first.StudyInstanceUID != datasets[0].StudyInstanceUID


def test_the_ct_is_the_same(ct, exported, tmp_path):
    original, files = exported
    before = ct.convert(original[0].parent, tmp_path / "a")
    after = ct.convert(files[0].parent, tmp_path / "b")
    assert before["status"] == after["status"] == "ok", after
    first, second = (images.load(tmp_path / name / "ct.nii.gz") for name in "ab")
    assert np.array_equal(first.data, second.data)
    assert np.allclose(first.affine, second.affine)
    assert after["acquisition"]["kernel"] == before["acquisition"]["kernel"] == "Br36d"


def test_overlays_in_unused_bits_of_the_pixels_are_cleared(ct, tmp_path):
    def draw(dataset: Dataset, number: int) -> Dataset:
        dataset.BitsStored, dataset.HighBit = 12, 11
        pixels = np.frombuffer(dataset.PixelData, "<u2") | np.uint16(1 << 13)
        dataset.PixelData = pixels.tobytes()
        dataset.add_new(0x60000100, "US", 16)
        dataset.add_new(0x60000102, "US", 13)
        return dataset

    paths = ct.write(tmp_path / "in", edit=draw)
    out = tmp_path / "out"
    out.mkdir()
    deidentify_series(paths, "P01", KEY, out)
    for path, original in zip(sorted(out.iterdir()), paths, strict=True):
        before = np.frombuffer(pydicom.dcmread(original).PixelData, "<u2")
        after = np.frombuffer(pydicom.dcmread(path).PixelData, "<u2")
        assert before.min() >= 1 << 13
        assert np.array_equal(after, before & 0x0FFF)


def test_a_damaged_file_leaves_nothing(ct, tmp_path):
    paths = ct.write(tmp_path / "in")
    paths[3].write_bytes(paths[3].read_bytes()[:300])
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(Excluded) as error:
        deidentify_series(paths, "P01", KEY, out)
    assert error.value.reason is Reason.CORRUPT_PIXELS
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("name", ["CRLM-CT-1004", "siemens_j2k_20slices"])
def test_real_scans(ct, shared_data, tmp_path, name):
    paths = sorted((shared_data / "dicom" / name).iterdir())[:3]
    deidentify_series(paths, "P01", KEY, tmp_path)
    for path, original in zip(sorted(tmp_path.iterdir()), paths, strict=True):
        before, after = pydicom.dcmread(original), pydicom.dcmread(path)
        assert np.array_equal(before.pixel_array, after.pixel_array)
        content = path.read_bytes()
        uids = {str(element.value) for element in before if element.VR == "UI" and element.value}
        uids = {one for one in uids if not one.startswith("1.2.840.10008.")}
        assert uids and not any(one.encode() in content for one in uids)


def test_free_text_that_the_profile_leaves_is_in_our_own_words(ct, tmp_path):
    typed = {"ConvolutionKernel": "for Wagenknecht", "SoftwareVersions": "patched by Wagenknecht"}
    typed |= {"Manufacturer": "SIEMENS of Wagenknecht", "ManufacturerModelName": "Somatom Force"}
    deidentify_series(ct.write(tmp_path / "in", **typed), "P01", KEY, tmp_path)
    path = next(tmp_path.glob("*.dcm"))
    dataset = pydicom.dcmread(path)
    assert b"Wagenknecht" not in path.read_bytes()
    assert (dataset.Manufacturer, dataset.ManufacturerModelName) == ("Siemens", "Somatom Force")
    assert not dataset.ConvolutionKernel and "SoftwareVersions" not in dataset
