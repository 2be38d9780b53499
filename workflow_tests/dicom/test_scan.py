"""Headers of sound, strange and damaged files."""

import errno
import os
import tracemalloc
import zlib

import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

from bonecast.dicom import scan
from bonecast.dicom.elements import read_elements
from bonecast.dicom.headers import WANTED, FileKind, Header, quiet_pydicom
from bonecast.dicom.scan import read_header, read_headers


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


def test_a_file_that_vanishes_is_not_taken_for_a_damaged_scan(tmp_path):
    with pytest.raises(FileNotFoundError, match="file 8 of the listing") as caught:
        read(tmp_path / "Doe")
    assert "Doe" not in str(caught.value)


def test_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert read(tmp_path / "pipe") is FileKind.NOT_DICOM


def test_deflated_bomb_is_not_inflated(one_file):
    """A gigabyte of zeros in a megabyte: only its beginning is looked at."""
    content = one_file.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    megabyte = squeeze.compress(bytes(2**20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    syntax = content.index(b"1.2.840.10008.1.2.1.99")
    meta = bytearray(content[: content.index(b"\x08\x00\x08\x00CS")])
    meta[syntax - 2] = len("1.2.840.10008.1.2.1.99")
    one_file.write_bytes(bytes(meta) + megabyte * 1024)
    tracemalloc.start()
    assert read(one_file) is FileKind.UNREADABLE
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_long_private_element_before_the_pixels(one_file):
    dataset = pydicom.dcmread(one_file)
    dataset.private_block(0x0029, "MAKER", create=True).add_new(0x10, "OB", bytes(100_000))
    dataset.save_as(one_file)
    header = read(one_file)
    assert header.complete and header.text["kernel"] == "Br36d"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PixelSpacing", b"-1\\1 "),
        ("PixelSpacing", b"0\\0 "),
        ("PixelSpacing", b"1e9\\1 "),
        ("ImagePositionPatient", b"1e300\\0\\0 "),
        ("ImagePositionPatient", b"nan\\0\\0 "),
    ],
)
def test_impossible_geometry_is_missing_geometry(one_file, name, value):
    dataset = pydicom.dcmread(one_file)
    tag = pydicom.datadict.tag_for_keyword(name)
    dataset[tag] = pydicom.dataelem.RawDataElement(
        pydicom.tag.Tag(tag), "DS", len(value), value, 0, False, True
    )
    dataset.save_as(one_file)
    header = read(one_file)
    assert header.pixel_mm is None or header.positions_mm is None


def test_compressed_pixels_cannot_grow_without_limit(one_file):
    dataset = pydicom.dcmread(one_file)
    dataset.compress(uid.RLELossless)
    dataset.save_as(one_file)
    assert read(one_file).complete
    dataset.Rows = dataset.Columns = 65535
    dataset.save_as(one_file)
    assert not read(one_file).complete


@pytest.fixture
def many(ct, tmp_path):
    paths = ct.write(tmp_path / "many", slices=30)
    (tmp_path / "many" / "note.txt").write_text("no image")
    return [*paths[:20], tmp_path / "many" / "note.txt", *paths[20:]]


def test_any_number_of_processes_reads_the_same(many, monkeypatch):
    alone = read_headers(many)
    monkeypatch.setattr(scan, "CHUNK_FILES", 4)
    monkeypatch.setattr(scan, "PARALLEL_FROM", 1)
    together = read_headers(many, processes=2)
    assert repr(alone) == repr(together)
    assert [getattr(one, "file", None) for one in together] == [
        *(*range(20), None, *range(21, 31)),
    ]


def test_progress_is_logged(many, monkeypatch, caplog):
    monkeypatch.setattr(scan, "CHUNK_FILES", 10)
    monkeypatch.setattr(scan, "NOTE_EVERY_S", -1.0)
    caplog.set_level("INFO", "bonecast")
    read_headers(many)
    assert [record.getMessage() for record in caplog.records] == [
        *("10 of 31 headers read", "20 of 31 headers read"),
        *("30 of 31 headers read", "31 of 31 headers read"),
    ]


def test_walking_and_pydicom_read_real_files_alike(shared_data):
    """Every file there is: the fast way says what pydicom says, or leaves the file to it."""
    paths = [path for path in sorted(shared_data.rglob("*")) if path.is_file()]
    plain = 0
    with quiet_pydicom():
        for path in paths:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                size = os.fstat(descriptor).st_size
                plain += read_elements(descriptor, size, WANTED) is not None
                expected = scan.read_unusual(descriptor, 0)
            finally:
                os.close(descriptor)
            assert repr(read_header(path, 0)) == repr(expected), path
    assert plain > 250
