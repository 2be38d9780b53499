"""Stored values and what turns them into HU: codings, signs, scalings, padding, many frames."""

import tempfile

import gdcm
import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended, get_frame
from pydicom.sequence import Sequence

from bonecast.dicom.scaling import HU_MIN
from bonecast.reasons import Reason


def recoded(zoo, **elements):
    """An edit that stores HU in another way; `dtype`, `offset` and `factor` say how."""
    dtype, offset = elements.pop("dtype", "u2"), elements.pop("offset", 1024)
    factor = elements.pop("factor", 1)

    def edit(dataset, number):
        stored = np.rint((zoo.hu_of(dataset) + offset) / factor)
        with np.errstate(invalid="ignore"):
            return zoo.store(dataset, stored.astype("i8").astype(dtype), **elements)

    return edit


# Rescale and sign: how it is stored, and what is right

STORED = {
    "HU with sign, no offset": ({"dtype": "i2", "offset": 0, "RescaleIntercept": 0}, "ok"),
    "HU with sign, no rescale": (
        {"dtype": "i2", "offset": 0, "RescaleIntercept": None, "RescaleSlope": None},
        "ok",
    ),
    "offset 1000": ({"offset": 1000, "RescaleIntercept": -1000}, "ok"),
    "offset 8192": ({"offset": 8192, "RescaleIntercept": -8192}, "ok"),
    "offset 32768": ({"offset": 32768, "RescaleIntercept": -32768}, "ok"),
    "half units": ({"factor": 0.5, "RescaleSlope": 0.5}, "ok"),
    "slope that is nearly 1": ({"RescaleSlope": "1.000000"}, "ok"),
    "negative slope": (
        {"factor": -1, "offset": -3000, "RescaleSlope": -1, "RescaleIntercept": 3000},
        "ok",
    ),
    "MONOCHROME1": ({"PhotometricInterpretation": "MONOCHROME1"}, "ok"),
    "32 bits": ({"dtype": "i4", "offset": 0, "RescaleIntercept": 0}, "ok"),
    "32 bits without sign": ({"dtype": "u4"}, "ok"),
    "rescale type HU": ({"RescaleType": "HU"}, "ok"),
    "rescale type unspecified": ({"RescaleType": "US"}, "ok"),
    "no rescale": ({"RescaleIntercept": None, "RescaleSlope": None}, Reason.NOT_HU),
    "no intercept": ({"RescaleIntercept": None}, Reason.NOT_HU),
    "intercept 0": ({"RescaleIntercept": 0}, Reason.NOT_HU),
    "intercept twice": ({"dtype": "i2", "offset": 0}, Reason.NOT_HU),
    "intercept with the wrong sign": ({"RescaleIntercept": 1024}, Reason.NOT_HU),
    "slope 0": ({"RescaleSlope": 0}, Reason.NOT_HU),
    "slope 10": ({"RescaleSlope": 10}, Reason.NOT_HU),
    "slope of another machine": ({"RescaleSlope": 0.1}, Reason.NOT_HU),
    "lost its sign": ({"dtype": "u2", "offset": 0, "RescaleIntercept": 0}, Reason.NOT_HU),
    "took a sign": (
        {"offset": 32768, "RescaleIntercept": -32768, "PixelRepresentation": 1},
        Reason.NOT_HU,
    ),
    "took a sign that does not matter": ({"PixelRepresentation": 1}, "ok"),
    "iodine": ({"RescaleType": "MGML"}, Reason.NOT_HU),
    "atomic number": ({"RescaleType": "Z_EFF"}, Reason.NOT_HU),
    "electron density": ({"RescaleType": "ED"}, Reason.NOT_HU),
    "palette": ({"PhotometricInterpretation": "PALETTE COLOR"}, Reason.NOT_HU),
    "bits allocated 12": ({"BitsAllocated": 12, "BitsStored": 12}, Reason.UNKNOWN_CODING),
}


@pytest.mark.parametrize("name", STORED)
def test_stored_values(zoo, judge, tmp_path, name):
    how, verdict = STORED[name]
    removed = [key for key, value in how.items() if value is None]

    def edit(dataset, number):
        dataset = recoded(zoo, **{k: v for k, v in how.items() if v is not None})(dataset, number)
        for key in removed:
            delattr(dataset, key)
        return dataset

    zoo.write(tmp_path / "in", edit=edit)
    got = judge(tmp_path / "in")
    assert got.verdict == verdict, got.record
    if verdict == "ok":
        zoo.assert_shows(got.volume, zoo.planes())


def test_windowed_to_eight_bits(zoo, judge, tmp_path):
    def windowed(dataset, number):
        grey = np.clip((zoo.hu_of(dataset) + 160) / 400 * 255, 0, 255).astype("u1")
        return zoo.store(dataset, grey, RescaleSlope=1, RescaleIntercept=0)

    zoo.write(tmp_path / "in", edit=windowed)
    assert judge(tmp_path / "in").verdict == Reason.NOT_HU


def test_windowed_to_eight_bits_with_the_rescale_of_the_ct(zoo, judge, tmp_path):
    def windowed(dataset, number):
        grey = np.clip((zoo.hu_of(dataset) + 160) / 400 * 255, 0, 255).astype("u1")
        return zoo.store(dataset, grey)

    zoo.write(tmp_path / "in", edit=windowed)
    assert judge(tmp_path / "in").verdict == Reason.NOT_HU


def test_twelve_bits_to_the_left(zoo, judge, tmp_path):
    """High bit 15 of 12 stored bits."""

    def left(dataset, number):
        stored = ((zoo.hu_of(dataset) + 1024) << 4).astype("u2")
        return zoo.store(dataset, stored, BitsStored=12, HighBit=15)

    zoo.write(tmp_path / "in", edit=left)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok"
    zoo.assert_shows(got.volume, zoo.planes())


@pytest.mark.parametrize("bit", [12, 15])
def test_overlay_in_the_high_bits(zoo, judge, tmp_path, bit):
    def drawn(dataset, number):
        stored = (zoo.hu_of(dataset) + 1024).astype("u2")
        stored[5:9, 5:30] |= 1 << bit
        dataset.add_new(0x60000100, "US", 16)
        dataset.add_new(0x60000102, "US", bit)
        return zoo.store(dataset, stored, BitsStored=12, HighBit=11)

    zoo.write(tmp_path / "in", edit=drawn)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok"
    zoo.assert_shows(got.volume, zoo.planes())


def test_overlay_of_its_own_before_the_pixels(zoo, judge, tmp_path):
    def drawn(dataset, number):
        dataset.add_new(0x60003000, "OW", bytes(40 * 48 // 8))
        return dataset

    zoo.write(tmp_path / "in", edit=drawn)
    got = judge(tmp_path / "in")
    zoo.assert_shows(got.volume, zoo.planes())


# Slices that are scaled in different ways


def test_scaling_that_varies_and_is_right(zoo, judge, tmp_path):
    """Each slice uses its whole range, as PET does, and its header undoes that."""

    def edit(dataset, number):
        return recoded(zoo, factor=0.5 + 0.01 * number, RescaleSlope=round(0.5 + 0.01 * number, 2))(
            dataset, number
        )

    zoo.write(tmp_path / "in", edit=edit)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes(), tolerance_hu=1)


def test_signs_that_vary_and_are_right(zoo, judge, tmp_path):
    def edit(dataset, number):
        if number % 2:
            return dataset
        return recoded(zoo, dtype="i2", offset=0, RescaleIntercept=0)(dataset, number)

    zoo.write(tmp_path / "in", edit=edit)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes())


@pytest.mark.parametrize("which", [{4}, set(range(6))])
def test_signs_that_vary_and_are_wrong(zoo, judge, tmp_path, which):
    """Some slices are stored with a sign that their header does not have."""

    def edit(dataset, number):
        if number not in which:
            return dataset
        return zoo.store(dataset, zoo.hu_of(dataset).astype("u2"), RescaleIntercept=0)

    zoo.write(tmp_path / "in", edit=edit)
    assert judge(tmp_path / "in").verdict == Reason.NOT_HU


@pytest.mark.parametrize(
    "wrong", [{"RescaleIntercept": -1124}, {"RescaleSlope": 2}, {"RescaleIntercept": 0}]
)
@pytest.mark.parametrize("where", [(5,), (0,), (6, 7, 8, 9, 10, 11)])
def test_scaling_that_varies_and_is_wrong(zoo, judge, tmp_path, wrong, where):
    def edit(dataset, number):
        for name, value in wrong.items():
            setattr(dataset, name, value if number in where else getattr(dataset, name))
        return dataset

    zoo.write(tmp_path / "in", edit=edit)
    assert judge(tmp_path / "in").verdict in (Reason.SCALING_VARIES, Reason.NOT_HU)


def test_one_slice_without_rescale(zoo, judge, tmp_path):
    def edit(dataset, number):
        if number == 4:
            del dataset.RescaleSlope, dataset.RescaleIntercept
        return dataset

    zoo.write(tmp_path / "in", edit=edit)
    assert judge(tmp_path / "in").verdict == Reason.SCALING_VARIES


# Padding


def padded(zoo, value, dtype="i2", offset=1024, **elements):
    def edit(dataset, number):
        stored = (zoo.hu_of(dataset) + offset).astype(dtype)
        stored[:3] = np.array(value).astype(dtype)
        return zoo.store(dataset, stored, **elements)

    return edit


@pytest.mark.parametrize(
    ("value", "dtype", "elements"),
    [
        (-2000, "i2", {"PixelPaddingValue": -2000}),
        (-2000, "i2", {}),
        (-32768, "i2", {}),
        (63536, "u2", {"PixelPaddingValue": 63536}),
        (63536, "u2", {}),
        (65535, "u2", {"PixelPaddingValue": 0}),
        (0, "u2", {"PixelPaddingValue": 0, "PhotometricInterpretation": "MONOCHROME1"}),
    ],
)
def test_padding_is_air(zoo, judge, tmp_path, value, dtype, elements):
    zoo.write(tmp_path / "in", edit=padded(zoo, value, dtype, **elements))
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    assert np.all(got.volume.data[:, -3:] == HU_MIN)
    assert got.volume.data.max() == zoo.body().max()


def test_padding_value_that_is_tissue(zoo, judge, tmp_path):
    """A header that names water as padding does not turn organs into air."""
    zoo.write(tmp_path / "in", PixelPaddingValue=1024 + 54)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok"
    zoo.assert_shows(got.volume, zoo.planes())


# Codings


def compressed(syntax):
    """An edit that codes pixels with GDCM or, for RLE, with pydicom."""

    def edit(dataset, number):
        if syntax == uid.RLELossless:
            dataset.compress(syntax)
            return dataset
        with tempfile.TemporaryDirectory() as folder:
            plain, coded = f"{folder}/plain", f"{folder}/coded"
            dataset.save_as(plain, enforce_file_format=True)
            reader, writer = gdcm.ImageReader(), gdcm.ImageWriter()
            reader.SetFileName(plain)
            assert reader.Read()
            change = gdcm.ImageChangeTransferSyntax()
            kind = getattr(gdcm.TransferSyntax, GDCM[syntax])
            change.SetTransferSyntax(gdcm.TransferSyntax(kind))
            change.SetInput(reader.GetImage())
            assert change.Change()
            writer.SetFileName(coded)
            writer.SetFile(reader.GetFile())
            writer.SetImage(change.GetOutput())
            assert writer.Write()
            dataset.PixelData = pydicom.dcmread(coded).PixelData
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = syntax
        return dataset

    return edit


GDCM = {
    uid.JPEGLossless: "JPEGLosslessProcess14",
    uid.JPEGLosslessSV1: "JPEGLosslessProcess14_1",
    uid.JPEGLSLossless: "JPEGLSLossless",
    uid.JPEGLSNearLossless: "JPEGLSNearLossless",
    uid.JPEG2000Lossless: "JPEG2000Lossless",
}


@pytest.mark.parametrize("syntax", [*GDCM, uid.RLELossless], ids=lambda one: one.keyword)
@pytest.mark.parametrize("signed", [False, True])
def test_coding_without_loss(zoo, judge, tmp_path, syntax, signed):
    change = compressed(syntax)

    def edit(dataset, number):
        if signed:
            dataset = recoded(zoo, dtype="i2", offset=0, RescaleIntercept=0)(dataset, number)
        return change(dataset, number)

    zoo.write(tmp_path / "in", edit=edit)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes())


def test_codings_that_vary_in_a_series(zoo, judge, tmp_path):
    """Some slices came back from an archive that compresses."""
    change = compressed(uid.JPEG2000Lossless)
    zoo.write(tmp_path / "in", edit=lambda d, n: change(d, n) if n % 3 == 0 else d)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen")
    assert got.index.series[0].syntax == "several"
    zoo.assert_shows(got.volume, zoo.planes())


UNKNOWN = {
    "HTJ2K": "1.2.840.10008.1.2.4.201",
    "HTJ2K with loss": "1.2.840.10008.1.2.4.203",
    "JPEG XL": "1.2.840.10008.1.2.4.110",
    "JPIP, pixels elsewhere": "1.2.840.10008.1.2.4.204",
    "video": "1.2.840.10008.1.2.4.102",
    "of a maker": "1.2.826.0.1.3680043.8.4",
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_coding_that_nothing_decodes(zoo, judge, tmp_path, name):
    def edit(dataset, number):
        dataset.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(400)])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = uid.HTJ2KLossless
        return dataset

    for path in zoo.write(tmp_path / "in", edit=edit):
        content, old = path.read_bytes(), uid.HTJ2KLossless.encode()
        assert content.count(old) == 1
        path.write_bytes(content.replace(old, UNKNOWN[name].encode()))
    assert judge(tmp_path / "in").verdict == Reason.UNKNOWN_CODING


def fragments(dataset, change):
    dataset = change(dataset, 0)
    return dataset, get_frame(dataset.PixelData, 0, number_of_frames=1)


@pytest.mark.parametrize("table", [True, False])
@pytest.mark.parametrize("parts", [1, 2, 5])
def test_fragments_of_a_frame(zoo, judge, tmp_path, table, parts):
    change = compressed(uid.JPEGLSLossless)

    def edit(dataset, number):
        dataset, content = fragments(dataset, change)
        dataset.PixelData = encapsulate([content], fragments_per_frame=parts, has_bot=table)
        return dataset

    zoo.write(tmp_path / "in", edit=edit)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes())


def test_extended_offset_table(zoo, judge, tmp_path):
    change = compressed(uid.JPEGLSLossless)

    def edit(dataset, number):
        dataset, content = fragments(dataset, change)
        found = encapsulate_extended([content])
        dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = found
        return dataset

    zoo.write(tmp_path / "in", edit=edit)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes())


def test_offset_table_that_is_wrong(zoo, judge, tmp_path):
    """One frame needs no table."""
    change = compressed(uid.JPEGLSLossless)

    def edit(dataset, number):
        dataset, content = fragments(dataset, change)
        data = bytearray(encapsulate([content], has_bot=True))
        data[8:12] = (77777).to_bytes(4, "little")
        dataset.PixelData = bytes(data)
        return dataset

    zoo.write(tmp_path / "in", edit=edit)
    got = judge(tmp_path / "in")
    assert got.verdict in ("ok", Reason.CORRUPT_PIXELS), got.record
    if got.verdict == "ok":
        zoo.assert_shows(got.volume, zoo.planes())


def test_compressed_frame_of_another_size(zoo, judge, tmp_path):
    """The header says 40 rows, the codestream 36."""
    change = compressed(uid.JPEG2000Lossless)

    def edit(dataset, number):
        hu = zoo.hu_of(dataset)[:36]
        dataset.Rows = 36
        dataset = change(zoo.store(dataset, (hu + 1024).astype("u2")), number)
        dataset.Rows = 40
        return dataset

    zoo.write(tmp_path / "in", edit=edit)
    assert judge(tmp_path / "in").verdict == Reason.CORRUPT_PIXELS


def test_compressed_frame_that_says_it_has_no_sign(zoo, judge, tmp_path):
    """Header signed, codestream not: as J2K_pixelrep_mismatch of the real ones."""
    change = compressed(uid.JPEG2000Lossless)

    def edit(dataset, number):
        dataset = change(dataset, number)
        dataset.PixelRepresentation = 1
        return dataset

    zoo.write(tmp_path / "in", edit=edit)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes())


def test_plain_pixels_that_are_called_compressed(zoo, judge, tmp_path):
    def edit(dataset, number):
        dataset.PixelData = encapsulate([dataset.PixelData])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = uid.JPEGLosslessSV1
        return dataset

    zoo.write(tmp_path / "in", edit=edit)
    assert judge(tmp_path / "in").verdict == Reason.CORRUPT_PIXELS


def test_fractions(zoo, judge, tmp_path):
    """Float Pixel Data, which CT images must not have, but which says what it is."""

    def edit(dataset, number):
        values = zoo.hu_of(dataset).astype("<f4") + 0.25
        del dataset.PixelData
        dataset.BitsAllocated, dataset.RescaleIntercept = 32, 0
        dataset.FloatPixelData = values.tobytes()
        return dataset

    zoo.write(tmp_path / "in", edit=edit)
    got = judge(tmp_path / "in")
    assert got.verdict in ("ok", Reason.CORRUPT_PIXELS)
    if got.verdict == "ok":
        zoo.assert_shows(got.volume, zoo.planes())


# Many frames in an object


def write_frames(folder, dataset, name="one"):
    folder.mkdir(parents=True, exist_ok=True)
    dataset.save_as(folder / name, enforce_file_format=True)


def reordered(dataset, order):
    """Frames and their groups in another order."""
    size = dataset.Rows * dataset.Columns * 2
    frames = [dataset.PixelData[k * size : (k + 1) * size] for k in order]
    groups = [dataset.PerFrameFunctionalGroupsSequence[k] for k in order]
    dataset.PixelData = b"".join(frames)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    dataset.NumberOfFrames = len(order)
    return dataset


def from_foot(dataset):
    return reordered(dataset, list(range(12))[::-1])


def in_no_order(dataset):
    return reordered(dataset, [7, 2, 9, 1, 0, 3, 4, 11, 5, 10, 6, 8])


def legacy_converted(dataset):
    dataset.SOPClassUID = uid.LegacyConvertedEnhancedCTImageStorage
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    return dataset


def scaled_by_frame(dataset):
    """Every frame with its own intercept, and the stored values moved to match."""
    stored = np.frombuffer(dataset.PixelData, "<u2").reshape(12, 40, 48).copy()
    for k, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        item = Dataset()
        item.RescaleSlope, item.RescaleIntercept = 1, -1024 - k
        groups.PixelValueTransformationSequence = Sequence([item])
        stored[k] += k
    del dataset.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence
    dataset.PixelData = stored.tobytes()
    return dataset


def spacing_by_frame(dataset):
    item = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        groups.PixelMeasuresSequence = item
    del dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    return dataset


def empty_shared_groups(dataset):
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        for element in shared:
            groups.add(element)
    dataset.SharedFunctionalGroupsSequence = Sequence([])
    return dataset


@pytest.mark.parametrize(
    "edit",
    [from_foot, in_no_order, legacy_converted, scaled_by_frame, spacing_by_frame,
     empty_shared_groups],
    ids=lambda edit: edit.__name__,
)  # fmt: skip
def test_frames_that_form_a_volume(zoo, judge, tmp_path, edit):
    write_frames(tmp_path / "in", edit(zoo.enhanced()))
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen"), got.record
    zoo.assert_shows(got.volume, zoo.planes())


@pytest.mark.parametrize("cut", [5, 6])
def test_one_stack_in_two_objects(zoo, judge, tmp_path, cut):
    """A concatenation, or an archive that splits large objects."""
    for name, order in (("b", range(cut)), ("a", range(cut, 12))):
        dataset = reordered(zoo.enhanced(), order)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid.generate_uid()
        write_frames(tmp_path / "in", dataset, name)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen"), got.record
    zoo.assert_shows(got.volume, zoo.planes())


def test_enhanced_objects_of_a_frame_each(zoo, judge, tmp_path):
    for k in range(12):
        dataset = reordered(zoo.enhanced(), [k])
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid.generate_uid()
        write_frames(tmp_path / "in", dataset, f"{k}")
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen"), got.record
    zoo.assert_shows(got.volume, zoo.planes())


def test_two_stacks_in_one_object(zoo, judge, tmp_path):
    """The stacks of an object are not parted: it is left out, never mixed."""
    dataset = zoo.enhanced()
    again = reordered(zoo.enhanced(), range(12))
    dataset.PerFrameFunctionalGroupsSequence += again.PerFrameFunctionalGroupsSequence
    louder = np.frombuffer(again.PixelData, "<u2") + np.uint16(40)
    dataset.PixelData += louder.tobytes()
    dataset.NumberOfFrames = 24
    write_frames(tmp_path / "in", dataset)
    assert judge(tmp_path / "in").verdict == Reason.DUPLICATE_SLICES


def test_two_planes_in_one_object(zoo, judge, tmp_path):
    dataset = zoo.enhanced()
    item = Dataset()
    item.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    for groups in dataset.PerFrameFunctionalGroupsSequence[:3]:
        groups.PlaneOrientationSequence = Sequence([item])
    write_frames(tmp_path / "in", dataset)
    assert judge(tmp_path / "in").verdict == Reason.NO_GEOMETRY


def test_two_kernels_in_one_object(zoo, judge, tmp_path):
    """Half of the frames are of another kernel, at other places: no stack of one kind."""
    dataset = zoo.enhanced()
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for k, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        item = Dataset()
        item.ConvolutionKernel = "Br36d" if k < 6 else "Br64d"
        groups.CTReconstructionSequence = Sequence([item])
    del shared.CTReconstructionSequence
    write_frames(tmp_path / "in", dataset)
    got = judge(tmp_path / "in")
    assert got.verdict in ("ok", Reason.SCALING_VARIES)
    assert got.index.series[0].kernel in ("", "other", "several")


def test_frame_without_position(zoo, judge, tmp_path):
    dataset = zoo.enhanced()
    del dataset.PerFrameFunctionalGroupsSequence[4].PlanePositionSequence
    write_frames(tmp_path / "in", dataset)
    assert judge(tmp_path / "in").verdict == Reason.NO_GEOMETRY


@pytest.mark.parametrize("count", [10, 13, 100000])
def test_number_of_frames_that_is_wrong(zoo, judge, tmp_path, count):
    dataset = zoo.enhanced()
    dataset.NumberOfFrames = count
    write_frames(tmp_path / "in", dataset)
    got = judge(tmp_path / "in")
    assert got.verdict in (Reason.CORRUPT_PIXELS, Reason.NO_GEOMETRY), got.record


def test_enhanced_object_without_any_groups(zoo, judge, tmp_path):
    dataset = zoo.enhanced()
    del dataset.PerFrameFunctionalGroupsSequence, dataset.SharedFunctionalGroupsSequence
    write_frames(tmp_path / "in", dataset)
    assert judge(tmp_path / "in").verdict == Reason.NO_GEOMETRY


def test_compressed_frames(zoo, judge, tmp_path):
    dataset = zoo.enhanced()
    dataset.compress(uid.RLELossless)
    write_frames(tmp_path / "in", dataset)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok"
    zoo.assert_shows(got.volume, zoo.planes())


def test_frames_of_a_plain_ct_image(zoo, judge, tmp_path):
    """CT Image Storage has one frame; of more nothing says where they lie."""
    dataset = zoo.image(zoo.body()[0], 0, zoo.FIRST_MM)
    stored = (zoo.body().astype(int) + 1024).astype("<u2")
    dataset.NumberOfFrames, dataset.PixelData = 12, stored.tobytes()
    write_frames(tmp_path / "in", dataset)
    assert judge(tmp_path / "in").verdict == Reason.NO_GEOMETRY


def test_values_of_noise(zoo, judge, tmp_path):
    rng = np.random.default_rng(5)

    def edit(dataset, number):
        return zoo.store(dataset, rng.integers(0, 4096, (40, 48)).astype("u2"))

    zoo.write(tmp_path / "in", edit=edit)
    assert judge(tmp_path / "in").verdict == Reason.NOT_HU


@pytest.mark.parametrize("value", [0, 1024, 4095])
def test_one_value_everywhere(zoo, judge, tmp_path, value):
    zoo.write(tmp_path / "in", edit=lambda d, n: zoo.store(d, np.full((40, 48), value, "u2")))
    assert judge(tmp_path / "in").verdict == Reason.NOT_HU
