"""Compressed pixels that would end the process that decodes them."""

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
