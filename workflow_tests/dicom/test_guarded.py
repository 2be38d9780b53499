"""Compressed pixels that would end the process that decodes them."""

import os
import signal
from multiprocessing import get_context

import numpy as np
import pydicom
import pytest

from bonecast.dicom import guarded
from bonecast.dicom.headers import quiet_pydicom

WG04 = "dicom/odd/dicom-test-files/data/WG04"
"""One CT image in several codings."""

PIXELS = b"\xe0\x7f\x10\x00"


@pytest.mark.parametrize("name", ["JPLL/CT1_JPLL", "JLSL/CT1_JLSL", "J2KR/CT1_J2KR", "RLE/CT1_RLE"])
def test_sound_pixels_are_what_pydicom_decodes(shared_data, name):
    dataset = pydicom.dcmread(shared_data / WG04 / name)
    assert np.array_equal(guarded.pixel_array(dataset), dataset.pixel_array)


@pytest.mark.parametrize(
    ("name", "place", "value"), [("JPLL/CT1_JPLL", 43, 5), ("JLSL/CT1_JLSL", 34, 213)]
)
def test_a_decoder_that_dies_is_an_error_like_others(
    shared_data, tmp_path, name, place, value, capfd
):
    """One byte after the beginning of the pixels makes GDCM end its process."""
    content = bytearray((shared_data / WG04 / name).read_bytes())
    content[content.rfind(PIXELS) + place] = value
    (tmp_path / "spoilt").write_bytes(content)
    dataset = pydicom.dcmread(tmp_path / "spoilt")
    with quiet_pydicom(), pytest.raises(ValueError, match="the decoder died"):
        guarded.pixel_array(dataset)
    assert not capfd.readouterr().err


def test_a_decoder_that_does_not_end_is_ended(shared_data, monkeypatch):
    monkeypatch.setattr(guarded, "LIMIT_S", 0.0)
    dataset = pydicom.dcmread(shared_data / WG04 / "J2KR" / "CT1_J2KR")
    with pytest.raises(ValueError, match="did not end"):
        guarded.pixel_array(dataset)


def test_a_decoder_that_the_system_kills_is_no_damage(shared_data, monkeypatch):
    """As it does when memory runs out."""
    monkeypatch.setattr(guarded, "_send_pixels", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    dataset = pydicom.dcmread(shared_data / WG04 / "J2KR" / "CT1_J2KR")
    with pytest.raises(MemoryError):
        guarded.pixel_array(dataset)


def test_a_decoder_whose_reader_is_gone_ends(shared_data):
    """Its image is larger than a pipe holds: it would wait for ever."""
    dataset = pydicom.dcmread(shared_data / WG04 / "J2KR" / "CT1_J2KR")
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=guarded._send_pixels, args=(dataset, sender, receiver))
    process.start()
    sender.close()
    receiver.close()
    process.join(120)
    assert process.exitcode
