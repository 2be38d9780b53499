"""What lies in folders besides images: other files, names of every kind, links, pipes, faults."""

import errno
import gzip
import os
import socket
import struct
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from pydicom import uid

from bonecast.dicom import scan
from bonecast.dicom.index import index_source
from bonecast.reasons import Reason


def jpeg(path):
    path.write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF\0\1" + bytes(500))


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.dcm", bytes(128) + b"DICM" + bytes(300))


def tarred(path):
    with tarfile.open(path, "w") as archive:
        archive.add(Path(__file__), "a.py")


def thumbs(path):
    path.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2000))


def dicomdir(path):
    meta = b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0"
    sop = uid.MediaStorageDirectoryStorage.encode()
    sop += b"\0" * (len(sop) % 2)
    meta = b"\x02\x00\x02\x00UI" + struct.pack("<H", len(sop)) + sop + meta
    head = b"\x02\x00\x00\x00UL\x04\x00" + struct.pack("<I", len(meta))
    path.write_bytes(bytes(128) + b"DICM" + head + meta + b"\x04\x00\x30\x11CS\x06\x00EXPORT")


JUNK = {
    "nothing": ("IM000001", lambda path: path.write_bytes(b""), "not_dicom"),
    "one byte": ("IM000002", lambda path: path.write_bytes(b"\0"), "not_dicom"),
    "131 bytes": ("a.dcm", lambda path: path.write_bytes(bytes(131)), "not_dicom"),
    "132 bytes": ("a.dcm", lambda p: p.write_bytes(bytes(128) + b"DICM"), "unreadable"),
    "zeros": ("a.dcm", lambda path: path.write_bytes(bytes(100000)), "not_dicom"),
    "ones": ("a.dcm", lambda path: path.write_bytes(b"\xff" * 100000), "not_dicom"),
    "magic and noise": (
        "a.dcm",
        lambda path: path.write_bytes(bytes(128) + b"DICM" + bytes(range(256)) * 20),
        "unreadable",
    ),
    "PDF": ("report.pdf", lambda path: path.write_bytes(b"%PDF-1.4" + bytes(300)), "not_dicom"),
    "JPEG": ("key.jpg", jpeg, "not_dicom"),
    "ZIP": ("all.zip", zipped, "not_dicom"),
    "TAR": ("all.tar", tarred, "not_dicom"),
    "thumbnails": ("Thumbs.db", thumbs, "not_dicom"),
    "DICOMDIR": ("DICOMDIR", dicomdir, "dicomdir"),
    "viewer": ("autorun.inf", lambda p: p.write_text("[autorun]\nopen=viewer.exe"), "not_dicom"),
    "table": ("list.csv", lambda p: p.write_text("Doe;Jane;1950\n" * 50), "not_dicom"),
    "analyze header": ("a.hdr", lambda p: p.write_bytes(b"\x5c\x01\0\0" + bytes(344)), "not_dicom"),
    "analyze image": ("a.img", lambda p: p.write_bytes(bytes(4000)), "not_dicom"),
    "gzipped DICOM": (
        "a.dcm.gz",
        lambda p: p.write_bytes(gzip.compress(bytes(128) + b"DICM" + bytes(90))),
        "not_dicom",
    ),
}


@pytest.mark.parametrize("name", JUNK)
def test_other_file_beside_the_ct(zoo, judge, tmp_path, name):
    file, write, kind = JUNK[name]
    zoo.write(tmp_path / "in")
    write(tmp_path / "in" / file)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", f"chosen; {kind}")
    zoo.assert_shows(got.volume, zoo.planes())


@pytest.mark.parametrize("name", JUNK)
def test_other_file_alone(judge, tmp_path, name):
    file, write, kind = JUNK[name]
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / file)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == (Reason.NO_READABLE_IMAGE, kind)


@pytest.mark.parametrize("name", JUNK)
def test_other_file_as_the_input_itself(judge, tmp_path, name):
    """A path of the participants table that names a report instead of a folder."""
    file, write, _ = JUNK[name]
    write(tmp_path / file)
    assert judge(tmp_path / file).verdict == Reason.NO_READABLE_IMAGE


@pytest.mark.parametrize(
    "name", [".DS_Store", "._000.dcm", ".Trashes/a.dcm", ".hidden.nii.gz", ".snapshot/000.dcm"]
)
def test_hidden_files_are_left_alone(zoo, judge, tmp_path, name):
    paths = zoo.write(tmp_path / "in")
    (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "in" / name).write_bytes(paths[0].read_bytes())
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen")


NAMES = {
    "no suffix": "IM{:06d}",
    "blanks": " slice {:d} of 12 .dcm",
    "quotes": "o'\"{:d}`.dcm",
    "line break": "a\nb{:d}.dcm",
    "tab": "a\tb{:d}.dcm",
    "umlauts": "Schädel-ß-{:d}.dcm",
    "other letters": "患者-{:d}-Ω.dcm",
    "decomposed letters": "u\u0308ber{:d}",
    "bytes that are no text": os.fsdecode(b"m\xfcde\xff-{:d}.dcm"),
    "as long as may be": "x" * 248 + "{:03d}.dcm",
    "capitals": "IMG{:d}.DCM",
    "a dash first": "-rf {:d}",
    "wildcards": "*?[{:d}]{{a}}.dcm",
    "percent": "%s%n{:d}",
    "shell": "$(touch x);{:d}&|>.dcm",
    "suffix of a text": "{:d}.txt",
    "suffix of a picture": "{:d}.jpg",
    "several suffixes": "{:d}.dcm.1.2.3",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_files(zoo, judge, tmp_path, name):
    zoo.write(tmp_path / "in", name=NAMES[name])
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen"), got.record
    zoo.assert_shows(got.volume, zoo.planes())


def test_names_of_folders(zoo, judge, tmp_path):
    deep = tmp_path / "in"
    for name in ("a.dcm", "b.nii", "Müller, J. (1950)", "DICOMDIR", "l\nm", *"d" * 40, "x" * 200):
        deep = deep / name
    zoo.write(deep)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen")
    zoo.assert_shows(got.volume, zoo.planes())


def test_one_file_per_folder(zoo, judge, tmp_path):
    for path in zoo.write(tmp_path / "all"):
        folder = tmp_path / "in" / path.stem
        folder.mkdir(parents=True)
        path.rename(folder / "image")
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen")
    zoo.assert_shows(got.volume, zoo.planes())


# Links


def test_links_of_every_kind(zoo, judge, tmp_path):
    zoo.write(tmp_path / "elsewhere")
    source = tmp_path / "in"
    source.mkdir()
    (source / "images").symlink_to(tmp_path / "elsewhere")
    (source / "images" / "again").symlink_to(source)
    (source / "self").symlink_to("self")
    (source / "nowhere.dcm").symlink_to(tmp_path / "absent")
    (source / "nowhere.nii").symlink_to(tmp_path / "absent")
    got = judge(source)
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes())


def test_input_that_is_a_link(zoo, judge, tmp_path):
    zoo.write(tmp_path / "elsewhere")
    (tmp_path / "in").symlink_to(tmp_path / "elsewhere")
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen")


@pytest.mark.parametrize("target", ["absent", "in"])
def test_input_that_is_a_link_to_nowhere(judge, tmp_path, target):
    (tmp_path / "in").symlink_to(tmp_path / target)
    assert judge(tmp_path / "in").verdict == Reason.NO_INPUT


def test_hard_links_are_copies(zoo, judge, tmp_path):
    paths = zoo.write(tmp_path / "in")
    (tmp_path / "in" / "hard.dcm").hardlink_to(paths[3])
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen")


# What is no file


@pytest.mark.parametrize("name", ["pipe", "pipe.dcm", "pipe.nii", "pipe.nii.gz"])
def test_pipe(zoo, judge, tmp_path, name):
    """Nobody writes into it: who waits for its content waits for ever."""
    zoo.write(tmp_path / "in")
    os.mkfifo(tmp_path / "in" / name)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    assert got.account.startswith("chosen")
    zoo.assert_shows(got.volume, zoo.planes())


@pytest.mark.parametrize("name", ["in", "in.nii", "in.nii.gz"])
def test_input_that_is_a_pipe(judge, tmp_path, name):
    os.mkfifo(tmp_path / name)
    assert judge(tmp_path / name).verdict in (Reason.NO_INPUT, Reason.NO_READABLE_IMAGE)


@pytest.mark.parametrize("name", ["socket", "socket.nii"])
def test_socket(zoo, judge, tmp_path, name, monkeypatch):
    zoo.write(tmp_path / "in")
    monkeypatch.chdir(tmp_path / "in")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/urandom"])
@pytest.mark.parametrize("name", ["device", "device.nii", "device.nii.gz"])
def test_link_to_a_device(zoo, judge, tmp_path, device, name):
    zoo.write(tmp_path / "in")
    (tmp_path / "in" / name).symlink_to(device)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes())


@pytest.mark.parametrize("name", ["huge.dcm", "huge.raw", "huge.nii"])
def test_file_of_three_gigabytes_of_nothing(zoo, judge, tmp_path, name):
    zoo.write(tmp_path / "in")
    with (tmp_path / "in" / name).open("wb") as stream:
        stream.truncate(3 << 30)
    started = time.process_time()
    got = judge(tmp_path / "in")
    assert time.process_time() - started < 5
    assert got.verdict == "ok", got.record


def test_many_small_files(judge, tmp_path):
    """A viewer, a help system, a web export: counted in seconds."""
    (tmp_path / "in").mkdir()
    for number in range(3000):
        (tmp_path / "in" / f"{number}.html").write_bytes(b"<html>")
    started = time.process_time()
    got = judge(tmp_path / "in")
    assert time.process_time() - started < 3
    assert (got.verdict, got.account) == (Reason.NO_READABLE_IMAGE, "3000 not_dicom")


def test_folders_without_files(judge, tmp_path):
    (tmp_path / "in" / "a" / "b").mkdir(parents=True)
    assert judge(tmp_path / "in").verdict == Reason.EMPTY_FOLDER


# Faults of the machine are none of the scan


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE])
def test_file_that_may_not_be_read(zoo, tmp_path, monkeypatch, code):
    zoo.write(tmp_path / "in")

    def refuse(path, *_):
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(scan.os, "open", refuse)
    with pytest.raises(OSError):
        index_source(tmp_path / "in")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_folder_that_may_not_be_read(zoo, tmp_path, monkeypatch, code):
    zoo.write(tmp_path / "in" / "a")
    zoo.write(tmp_path / "in" / "locked")
    real = os.scandir

    def refuse(path="."):
        if str(path).endswith("locked"):
            raise OSError(code, os.strerror(code), str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(OSError):
        index_source(tmp_path / "in")
