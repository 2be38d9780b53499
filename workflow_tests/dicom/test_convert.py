"""From DICOM to NIfTI: every value and every position, or a reason."""

import json

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate

from bonecast import images
from bonecast.dicom import convert as module
from bonecast.dicom import converter
from bonecast.dicom.scaling import HU_MIN
from bonecast.reasons import Excluded, Reason


def value_at(volume, world_mm) -> int:
    """The value at a point in RAS mm."""
    index = np.linalg.solve(volume.affine, [*world_mm, 1])[:3]
    assert np.abs(index - np.rint(index)).max() < 0.01
    return int(volume.data[tuple(np.rint(index).astype(int))])


def bone_in_world(ct, row=11, column=13, number=2) -> tuple[float, float, float]:
    """RAS position of a bone voxel, from the definition of DICOM's elements."""
    x, y, z = ct.FIRST_MM
    return (-(x + 5.0 * column), -(y + 4.0 * row), z + 3.0 * number)


def assert_is_the_body(ct, volume, slices=12):
    assert volume.data.dtype == np.int16
    assert volume.data.shape == (48, 40, slices)
    assert volume.spacing_mm == pytest.approx((5, 4, 3))
    assert np.diag(volume.affine)[:3].min() > 0
    assert value_at(volume, bone_in_world(ct)) == ct.BONE_HU + 2
    assert np.array_equal(np.sort(volume.data, axis=None), np.sort(ct.body(slices), axis=None))


def test_volume_and_record(ct, tmp_path):
    ct.write(tmp_path / "in")
    record = ct.convert(tmp_path / "in", tmp_path / "out")
    assert record["status"] == "ok", record
    assert_is_the_body(ct, images.load(tmp_path / "out" / "ct.nii.gz"))
    assert record["shape"] == [48, 40, 12]
    assert record["spacing_mm"] == [5, 4, 3]
    assert (record["orientation"], record["source"], record["series"]) == ("RAS", "dicom", "S01")
    facts = record["acquisition"]
    assert (facts["manufacturer"], facts["model"]) == ("Siemens", "SOMATOM Force")
    assert (facts["kvp"], facts["kernel"], facts["slice_thickness_mm"]) == (120, "Br36d", 3)
    assert facts["tube_current_ma"] == 205.5  # the median of 200 to 211
    assert (facts["patient_age_years"], facts["patient_sex"]) == (67, "F")
    assert facts["contrast_header"] is None
    assert record["checks"]["hu_difference"] == 0
    assert record["checks"]["position_error_mm"] < 0.001
    json.dumps(record, allow_nan=False)


def rle(dataset, number):
    dataset.compress(uid.RLELossless)
    return dataset


def big_endian(dataset, number):
    dataset["PixelData"].VR = "OW"
    swapped = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.PixelData = swapped
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRBigEndian
    return dataset


def deflated(dataset, number):
    dataset.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    return dataset


def implicit(dataset, number):
    dataset.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian
    return dataset


def signed(dataset, number):
    hu = np.frombuffer(dataset.PixelData, "<u2").astype(np.int32) - 1024
    dataset.PixelData = hu.astype("<i2").tobytes()
    dataset.PixelRepresentation, dataset.RescaleIntercept = 1, 0
    return dataset


@pytest.mark.parametrize("edit", [rle, big_endian, deflated, implicit, signed])
def test_every_encoding_gives_the_same_volume(ct, tmp_path, edit):
    ct.write(tmp_path / "in", edit=edit)
    record = ct.convert(tmp_path / "in", tmp_path / "out")
    assert record["status"] == "ok", record
    assert record["checks"]["uncompressed_first"] is (edit in (rle, big_endian, deflated))
    assert_is_the_body(ct, images.load(tmp_path / "out" / "ct.nii.gz"))


def test_slices_from_head_to_foot_and_numbered_backwards(ct, tmp_path):
    def renumber(dataset, number):
        dataset.InstanceNumber = 100 - number
        return dataset

    ct.write(tmp_path / "in", edit=renumber, name="slice{:d}")
    record = ct.convert(tmp_path / "in", tmp_path / "out")
    assert record["status"] == "ok", record
    assert_is_the_body(ct, images.load(tmp_path / "out" / "ct.nii.gz"))


def test_prone_patient_is_turned_by_the_header(ct, tmp_path):
    ct.write(tmp_path / "in", ImageOrientationPatient=[-1, 0, 0, 0, -1, 0])
    record = ct.convert(tmp_path / "in", tmp_path / "out")
    assert record["status"] == "ok", record
    volume = images.load(tmp_path / "out" / "ct.nii.gz")
    x, y, z = ct.FIRST_MM
    world = (-(x - 5.0 * 13), -(y - 4.0 * 11), z + 3.0 * 2)
    assert value_at(volume, world) == ct.BONE_HU + 2


def test_oblique_slices_keep_their_angle(ct, tmp_path):
    angle = np.radians(15)
    c, s = float(np.cos(angle)), float(np.sin(angle))
    ct.write(
        tmp_path / "in", step_mm=(0, -s, c), ImageOrientationPatient=[1, 0, 0, 0, round(c, 9), s]
    )
    record = ct.convert(tmp_path / "in", tmp_path / "out")
    assert record["status"] == "ok", record
    volume = images.load(tmp_path / "out" / "ct.nii.gz")
    assert volume.spacing_mm == pytest.approx((5, 4, 3), abs=1e-3)
    normal = volume.affine[:3, 2] / 3
    assert normal == pytest.approx([0, s, c], abs=1e-4)


def test_padding_becomes_air_and_metal_stays(ct, tmp_path):
    def pad(dataset, number):
        hu = np.frombuffer(dataset.PixelData, "<u2").astype(np.int32) - 1024
        hu = hu.reshape(40, 48).copy()
        hu[0] = -3024
        hu[20, 20] = 9000
        dataset.PixelData = (hu + 1024).astype("<i2").tobytes()
        dataset.PixelRepresentation = 1
        return dataset

    ct.write(tmp_path / "in", edit=pad, PixelPaddingValue=-2000)
    record = ct.convert(tmp_path / "in", tmp_path / "out")
    assert record["checks"]["padding_voxels"] == 48 * 12
    volume = images.load(tmp_path / "out" / "ct.nii.gz")
    assert volume.data.min() == HU_MIN
    assert volume.data.max() == 9000


def test_padding_with_the_highest_value_is_air_too(ct, tmp_path):
    def pad(dataset, number):
        stored = np.frombuffer(dataset.PixelData, "<u2").reshape(40, 48).copy()
        stored[0] = 63536
        dataset.PixelData = stored.tobytes()
        dataset.PixelPaddingValue = 63536
        return dataset

    ct.write(tmp_path / "in", edit=pad)
    record = ct.convert(tmp_path / "in", tmp_path / "out")
    assert record["status"] == "ok", record
    volume = images.load(tmp_path / "out" / "ct.nii.gz")
    assert np.all(volume.data[:, -1] == HU_MIN)
    assert volume.data.max() == ct.body().max()


def test_enhanced_object(ct, tmp_path):
    (tmp_path / "in").mkdir()
    ct.enhanced().save_as(tmp_path / "in" / "one", enforce_file_format=True)
    record = ct.convert(tmp_path / "in", tmp_path / "out")
    assert record["status"] == "ok", record
    assert_is_the_body(ct, images.load(tmp_path / "out" / "ct.nii.gz"))
    assert record["acquisition"]["kvp"] == 120


def broken_frame(dataset, number):
    if number == 5:
        dataset.file_meta.TransferSyntaxUID = uid.JPEG2000Lossless
        dataset.PixelData = encapsulate([b"\xff\x4f\xff\x51 not a codestream "])
        dataset["PixelData"].is_undefined_length = True
    return dataset


def test_slice_that_cannot_be_decoded(ct, tmp_path):
    ct.write(tmp_path / "in", edit=broken_frame)
    record = ct.convert(tmp_path / "in", tmp_path / "out")
    assert (record["status"], record["stage"]) == ("excluded", "convert")
    assert record["reason"] == Reason.CORRUPT_PIXELS
    assert "file 6 of 12" in record["detail"]
    assert (tmp_path / "out" / "ct.nii.gz").read_bytes() == b""


def test_damaged_fact_does_not_cost_the_scan(ct, tmp_path):
    """The tube current of one file is not a number: pydicom raises when asked for it."""
    paths = ct.write(tmp_path / "in")
    content = bytearray(paths[4].read_bytes())
    at = content.index(b"\x18\x00\x51\x11IS")
    content[at + 8 : at + 12] = b"2?4 "
    paths[4].write_bytes(content)
    record = ct.convert(tmp_path / "in", tmp_path / "out")
    assert record["status"] == "ok", record
    assert record["acquisition"]["tube_current_ma"] == 206  # the median of the other eleven


def test_slice_that_is_cut_off(ct, tmp_path):
    paths = ct.write(tmp_path / "in")
    paths[5].write_bytes(paths[5].read_bytes()[:-999])
    record = ct.convert(tmp_path / "in", tmp_path / "out")
    assert (record["stage"], record["reason"]) == ("ingest", Reason.CORRUPT_PIXELS)
    assert (tmp_path / "out" / "ct.nii.gz").read_bytes() == b""


@pytest.mark.parametrize("case", ["absent", "empty", "junk", "localizer"])
def test_input_without_ct_is_recorded(ct, tmp_path, case):
    source = tmp_path / "in"
    if case != "absent":
        source.mkdir()
    if case == "junk":
        (source / "letter.pdf").write_bytes(b"%PDF-1.4" + bytes(300))
    if case == "localizer":
        ct.write(source, slices=2, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    record = ct.convert(source, tmp_path / "out")
    expected = {
        "absent": Reason.NO_INPUT,
        "empty": Reason.EMPTY_FOLDER,
        "junk": Reason.NO_READABLE_IMAGE,
        "localizer": Reason.NO_AXIAL_CT,
    }
    assert (record["status"], record["stage"]) == ("excluded", "ingest")
    assert record["reason"] == expected[case]
    assert "shape" not in record


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"RescaleIntercept": 0}, "fat or air"),
        ({"RescaleIntercept": -3000}, "soft tissue"),
        ({"RescaleSlope": 0.05, "RescaleIntercept": -51.2}, "bone"),
    ],
)
def test_values_that_are_not_hounsfield_units(ct, tmp_path, elements, words):
    ct.write(tmp_path / "in", **elements)
    record = ct.convert(tmp_path / "in", tmp_path / "out")
    assert record["reason"] == Reason.NOT_HU
    assert words in record["detail"]


def test_input_changed_between_the_two_steps(ct, tmp_path):
    source = tmp_path / "in"
    ct.write(source)
    ct.convert(source, tmp_path / "out")
    (source / "000.dcm").unlink()
    table = tmp_path / "out" / "series.tsv"
    with pytest.raises(RuntimeError, match="input changed"):
        module.convert_participant("p1", source, table, tmp_path / "ct.nii.gz")


def test_unknown_fault_is_not_hidden(ct, tmp_path, monkeypatch):
    ct.write(tmp_path / "in")
    monkeypatch.setattr(converter.dcm2niix, "bin", str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError):
        ct.convert(tmp_path / "in", tmp_path / "out")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data, affine: (data[:, :, 1:], affine), Reason.GEOMETRY_MISMATCH),
        (lambda data, affine: (data, affine), None),
        (lambda data, affine: (data[::-1], affine), Reason.CONVERSION_FAILED),
        (lambda data, affine: (data[:, :, ::-1], affine), Reason.CONVERSION_FAILED),
        (lambda data, affine: (data + np.int16(3), affine), Reason.CONVERSION_FAILED),
        (lambda data, affine: (data, np.diag([1, 1, 1.01, 1]) @ affine), Reason.GEOMETRY_MISMATCH),
    ],
)
def test_conversion_is_compared_not_believed(ct, tmp_path, monkeypatch, spoil, reason):
    """A converter that loses, flips, shifts or stretches is found out."""
    sound = converter.read_volume

    def faulty(path):
        data, affine, *scaling = sound(path)
        return *spoil(data, affine), *scaling

    ct.write(tmp_path / "in")
    monkeypatch.setattr(converter, "read_volume", faulty)
    record = ct.convert(tmp_path / "in", tmp_path / "out")
    assert record["reason"] == (reason or "")


def test_converter_that_refuses(tmp_path):
    (tmp_path / "slices").mkdir()
    (tmp_path / "results").mkdir()
    with pytest.raises(Excluded) as caught:
        converter.run_dcm2niix(tmp_path / "slices", tmp_path / "results", 1000)
    assert caught.value.reason is Reason.CONVERSION_FAILED


def test_source_is_left_as_it_was(ct, tmp_path):
    paths = ct.write(tmp_path / "in", edit=rle)
    before = [path.read_bytes() for path in paths]
    ct.convert(tmp_path / "in", tmp_path / "out")
    assert [path.read_bytes() for path in paths] == before
    assert pydicom.dcmread(paths[0]).file_meta.TransferSyntaxUID == uid.RLELossless
