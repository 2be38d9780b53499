"""Headers of sound, strange and damaged files."""

import errno
import os
import random

import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

from bonecast.dicom.headers import FileKind, Header, quiet_pydicom
from bonecast.dicom.scan import read_header


def read(path):
    with quiet_pydicom():
        return read_header(path, 7)


@pytest.fixture
def one_file(ct, tmp_path):
    return ct.write(tmp_path / "series", slices=1)[0]


def test_reads_what_the_file_says(one_file, ct):
    header = read(one_file)
    assert header.file == 7
    assert header.text["modality"] == "CT"
    assert header.text["kernel"] == "Br36d"
    assert header.text["image_type"] == "ORIGINAL\\PRIMARY\\AXIAL"
    assert (header.numbers["rows"], header.numbers["columns"]) == (40, 48)
    assert header.pixel_mm == ct.PIXEL_MM
    assert header.positions_mm.tolist() == [list(ct.FIRST_MM)]
    assert header.is_ct and header.is_image and header.complete


@pytest.mark.parametrize(
    "syntax",
    [uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian],
)
def test_every_encoding_reads_the_same(one_file, syntax):
    expected = read(one_file)
    dataset = pydicom.dcmread(one_file)
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax.is_little_endian is False:
        dataset["PixelData"].VR = "OW"
    fresh = Dataset(dataset)
    fresh.file_meta = dataset.file_meta
    fresh.save_as(one_file, enforce_file_format=True)
    header = read(one_file)
    assert header.text == expected.text | {"syntax": syntax}
    assert header.numbers == expected.numbers
    assert header.complete


def test_data_set_without_preamble_is_read(one_file):
    dataset = pydicom.dcmread(one_file)
    bare = Dataset(dataset)
    bare.save_as(one_file, implicit_vr=True, little_endian=True)
    assert one_file.read_bytes()[128:132] != b"DICM"
    header = read(one_file)
    assert isinstance(header, Header)
    assert header.text["kernel"] == "Br36d"


@pytest.mark.parametrize(
    "content", [b"", b"\x08\x00", b"participant,age\n1,70\n" * 20, bytes(400), b"\x89PNG" * 99]
)
def test_what_is_not_dicom_is_called_so(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert read(path) is FileKind.NOT_DICOM


def test_missing_file_is_unreadable(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert read(tmp_path / "link") is FileKind.UNREADABLE


def test_directory_of_a_medium_is_recognised(tmp_path):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = uid.MediaStorageDirectoryStorage
    meta.MediaStorageSOPInstanceUID = uid.generate_uid()
    directory = Dataset()
    directory.file_meta = meta
    directory.save_as(tmp_path / "DICOMDIR", enforce_file_format=True)
    assert read(tmp_path / "DICOMDIR") is FileKind.DICOMDIR


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.99])
def test_cut_pixel_data_are_noticed_without_reading_them(one_file, keep):
    content = one_file.read_bytes()
    header_bytes = len(content) - 40 * 48 * 2
    one_file.write_bytes(content[: header_bytes + int(40 * 48 * 2 * keep)])
    header = read(one_file)
    assert header.is_image and not header.complete


def test_pixel_data_that_are_absent_are_noticed(one_file):
    dataset = pydicom.dcmread(one_file)
    del dataset.PixelData
    dataset.save_as(one_file)
    assert not read(one_file).complete


def test_no_damage_stops_the_reader(one_file):
    """Bits flipped and ends cut off at random: always an answer, never an exception."""
    sound = one_file.read_bytes()
    chance = random.Random(20260101)
    for _ in range(300):
        content = bytearray(sound[: chance.randrange(len(sound))])
        for _ in range(chance.randrange(20)):
            if content:
                content[chance.randrange(min(len(content), 1500))] = chance.randrange(256)
        one_file.write_bytes(content)
        assert isinstance(read(one_file), Header | FileKind)


def test_reader_is_silent(one_file, recwarn, caplog):
    """pydicom's warnings quote file names and values."""
    dataset = pydicom.dcmread(one_file)
    dataset.file_meta.TransferSyntaxUID = uid.RLELossless
    dataset.PixelData = b"\xfe\xff\x00\xe0" + bytes(4)
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(one_file)
    one_file.write_bytes(one_file.read_bytes()[:-8])
    read(one_file)
    assert not recwarn.list
    assert not caplog.records


@pytest.mark.parametrize("call", ["open", "pread"])
def test_failing_disk_is_not_taken_for_a_damaged_scan(one_file, monkeypatch, call):
    def fail(*_, **__):
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="input/output"):
        read(one_file)
