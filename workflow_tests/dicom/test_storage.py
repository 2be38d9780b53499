"""A failing disk is no property of a scan: the job fails, and nothing is excluded for it."""

import errno
import os

import pytest

from bonecast.dicom import convert, converter
from bonecast.dicom.headers import as_float, raise_storage_fault
from bonecast.reasons import Excluded, Reason


@pytest.mark.parametrize("code", ["EIO", "ENOSPC", "EDQUOT", "EACCES", "ESTALE", "ENOTCONN"])
def test_faults_of_the_disk_are_raised(code):
    fault = OSError(getattr(errno, code), os.strerror(getattr(errno, code)))
    with pytest.raises(OSError, match=fault.strerror):
        raise_storage_fault(fault)


def test_vanished_file_is_raised_and_a_link_to_nowhere_is_not(tmp_path):
    with pytest.raises(FileNotFoundError):
        raise_storage_fault(FileNotFoundError(errno.ENOENT, "gone", str(tmp_path / "gone")))
    with pytest.raises(FileNotFoundError):
        raise_storage_fault(FileNotFoundError("as nibabel says it"))
    with pytest.raises(NotADirectoryError):
        raise_storage_fault(OSError(errno.ENOTDIR, "gone"))
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    raise_storage_fault(FileNotFoundError(errno.ENOENT, "gone", str(tmp_path / "link")))


@pytest.mark.parametrize("linked", [False, True])
def test_slice_that_vanishes_while_it_is_read(ct, tmp_path, monkeypatch, linked):
    paths = ct.write(tmp_path / "store")
    source = tmp_path / "store"
    if linked:
        source = tmp_path / "in"
        source.mkdir()
        for path in paths:
            (source / path.name).symlink_to(path)
    find = convert.chosen_files

    def then_vanish(source, choice):
        found = find(source, choice)
        paths[5].unlink()
        return found

    monkeypatch.setattr(convert, "chosen_files", then_vanish)
    with pytest.raises(FileNotFoundError):
        ct.convert_first(source)


def test_full_disk_is_told_from_a_refusal(tmp_path):
    """/dev/full takes no byte, as a full disk."""
    (tmp_path / "slices").mkdir()
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "probe").symlink_to("/dev/full")
    with pytest.raises(RuntimeError, match=r"is full: converting needs 3 MB.*TMPDIR"):
        converter.run_dcm2niix(tmp_path / "slices", tmp_path / "results", 3_000_000)
    with pytest.raises(Excluded):
        converter.run_dcm2niix(tmp_path / "slices", tmp_path / "results", 3_000_000)
    assert list((tmp_path / "results").iterdir()) == []


def test_volume_that_is_cut_short_is_a_full_disk(ct, tmp_path, monkeypatch):
    """dcm2niix ends well though not all of its output was written."""
    run = converter.run_dcm2niix

    def cut(slices, results, room):
        version = run(slices, results, room)
        path = results / "ct.nii"
        path.write_bytes(path.read_bytes()[:-1000])
        return version

    monkeypatch.setattr(converter, "run_dcm2niix", cut)
    ct.write(tmp_path / "in")
    with pytest.raises(RuntimeError, match="TMPDIR"):
        ct.convert_first(tmp_path / "in")


def test_converter_that_is_killed(tmp_path, monkeypatch):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nkill -9 $$\n")
    program.chmod(0o700)
    monkeypatch.setattr(converter.dcm2niix, "bin", str(program))
    with pytest.raises(RuntimeError, match="signal 9"):
        converter.run_dcm2niix(tmp_path, tmp_path, 0)


@pytest.mark.parametrize("split", [False, True])
def test_files_that_dcm2niix_does_not_take_are_given_uncompressed(ct, tmp_path, monkeypatch, split):
    """The first call is refused or gives two volumes; the second gets slices with a bare header."""
    sound, calls = converter.run_dcm2niix, []

    def run(slices, results, room):
        calls.append(slices)
        version = sound(slices, results, room)
        if len(calls) == 1 and not split:
            raise converter.Refused(Reason.CONVERSION_FAILED, "")
        if len(calls) == 1:
            (results / "cta.nii").write_bytes((results / "ct.nii").read_bytes())
        return version

    monkeypatch.setattr(converter, "run_dcm2niix", run)
    ct.write(tmp_path / "in")
    got = ct.convert_first(tmp_path / "in")
    assert len(calls) == 2
    assert got.checks["uncompressed_because"] == "dcm2niix did not take the files as one volume"
    assert got.checks["hu_difference"] == 0


def test_what_may_be_a_mistake_of_our_own_is_told_with_its_place(caplog):
    for wrong in (lambda: as_float(None), lambda: int(None)):
        try:
            wrong()
        except TypeError as error:
            raise_storage_fault(error)
    (record,) = caplog.records
    assert record.getMessage().startswith("TypeError in headers.py, line ")
