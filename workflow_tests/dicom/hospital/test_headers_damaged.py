"""Headers and files that are written wrongly, cut, or longer than they should be."""

import os
import struct
import zlib

import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from bonecast.reasons import Reason

EXPLICIT, IMPLICIT = uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian


def rewrite(paths, change, which=None):
    """Change the bytes of files."""
    for number, path in enumerate(paths):
        if which is None or number in which:
            path.write_bytes(change(path.read_bytes()))


def element(content: bytes, group: int, number: int, vr: bytes) -> tuple[int, int]:
    """Where an element with a short explicit VR begins, and the length of its value."""
    at = content.index(struct.pack("<HH", group, number) + vr)
    return at, struct.unpack_from("<H", content, at + 6)[0]


def with_value(content: bytes, group: int, number: int, vr: bytes, value: bytes) -> bytes:
    """Replace the value of an element with a short explicit VR."""
    at, length = element(content, group, number, vr)
    head = content[: at + 6] + struct.pack("<H", len(value))
    return head + value + content[at + 8 + length :]


def with_vr(content: bytes, group: int, number: int, vr: bytes, other: bytes) -> bytes:
    at, _ = element(content, group, number, vr)
    return content[: at + 4] + other + content[at + 6 :]


def implicit(dataset, number):
    dataset.file_meta.TransferSyntaxUID = IMPLICIT
    return dataset


# Texts of numbers

POSITION, COSINES, SPACING = (0x20, 0x32), (0x20, 0x37), (0x28, 0x30)
WRITTEN = {
    "blanks": (SPACING, b" 4.0 \\ 5.0 ", "ok"),
    "nulls": (SPACING, b"4.0\\5.0\0", "ok"),
    "exponents": (SPACING, b"4.0e0\\0.5E+1", "ok"),
    "plus signs": (SPACING, b"+4\\+5.000", "ok"),
    "many digits": (SPACING, b"4.00000000000000000001\\5.0000000000000000000", "ok"),
    "commas": (SPACING, b"4,0\\5,0 ", Reason.NO_GEOMETRY),
    "one value": (SPACING, b"4.0 ", Reason.NO_GEOMETRY),
    "three values": (SPACING, b"4.0\\0\\5.0", Reason.NO_GEOMETRY),
    "empty": (SPACING, b"", Reason.NO_GEOMETRY),
    "words": (SPACING, b"4mm\\5mm ", Reason.NO_GEOMETRY),
    "zero": (SPACING, b"0\\0 ", Reason.NO_GEOMETRY),
    "negative": (SPACING, b"-4\\5", Reason.NO_GEOMETRY),
    "not a number": (SPACING, b"nan\\nan ", Reason.NO_GEOMETRY),
    "infinite": (SPACING, b"inf\\5 ", Reason.NO_GEOMETRY),
    "huge": (SPACING, b"4e300\\5 ", Reason.NO_GEOMETRY),
    "in metres": (SPACING, b"0.0004\\0.0005 ", Reason.NO_GEOMETRY),
    "underscores": (SPACING, b"4_0\\5_0 ", Reason.NO_GEOMETRY),
    "other digits": (SPACING, "٤\\٥".encode(), Reason.NO_GEOMETRY),
    "position with commas": (POSITION, b"-100,0\\-80,0\\200,0 ", Reason.NO_GEOMETRY),
    "position empty": (POSITION, b"", Reason.NO_GEOMETRY),
    "position of two values": (POSITION, b"-100\\200", Reason.NO_GEOMETRY),
    "position nan": (POSITION, b"nan\\nan\\nan ", Reason.NO_GEOMETRY),
    "orientation empty": (COSINES, b"", Reason.NO_GEOMETRY),
    "orientation of three values": (COSINES, b"1\\0\\0 ", Reason.NO_GEOMETRY),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_numbers_as_they_are_written(zoo, judge, tmp_path, name):
    (group, number), value, verdict = WRITTEN[name]
    paths = zoo.write(tmp_path / "in")
    rewrite(paths, lambda content: with_value(content, group, number, b"DS", value))
    got = judge(tmp_path / "in")
    assert got.verdict == verdict, got.record
    if verdict == "ok":
        zoo.assert_shows(got.volume, zoo.planes())


@pytest.mark.parametrize("name", ["ImagePositionPatient", "PixelSpacing"])
def test_geometry_missing_in_one_slice(zoo, judge, tmp_path, name):
    def edit(dataset, number):
        if number == 5:
            delattr(dataset, name)
        return dataset

    zoo.write(tmp_path / "in", edit=edit)
    got = judge(tmp_path / "in")
    assert got.verdict in (Reason.NO_GEOMETRY, "ok")
    if got.verdict == "ok":  # by its neighbours, and told
        assert got.record["checks"]["resampled"] == "1 missing slice"
        assert got.account.count("no_geometry") == 1


def test_spacing_at_the_detector_only(zoo, judge, tmp_path):
    """ImagerPixelSpacing is not that of the patient."""
    zoo.write(tmp_path / "in", PixelSpacing=None, ImagerPixelSpacing=[4, 5])
    assert judge(tmp_path / "in").verdict == Reason.NO_GEOMETRY


@pytest.mark.parametrize(
    "facts",
    [
        {"KVP": None, "SliceThickness": None, "ConvolutionKernel": None, "ImageType": None},
        {"KVP": "", "SliceThickness": "", "ConvolutionKernel": "", "ImageType": ""},
        {"KVP": 0, "SliceThickness": 0},
        {"SliceThickness": -3},
        {"StudyDate": "", "StudyInstanceUID": ""},
        {"StudyDate": "19000101"},
        {"SeriesInstanceUID": ""},
        {"SeriesInstanceUID": "", "StudyInstanceUID": "", "SeriesNumber": None},
        {"SOPInstanceUID": ""},
        {"SOPInstanceUID": "1.2.3"},
        {"Manufacturer": None, "ManufacturerModelName": None, "SeriesDescription": None},
        {"PatientAge": "", "PatientSex": "", "StudyDate": ""},
        {"XRayTubeCurrent": "", "SliceLocation": ""},
        {"SamplesPerPixel": None},
        {"PixelRepresentation": None},
        {"HighBit": 7},
        {"NumberOfFrames": 1},
        {"PixelPaddingValue": None, "SmallestImagePixelValue": 0, "LargestImagePixelValue": 7},
    ],
    ids=lambda facts: " ".join(f"{k}={v}" for k, v in facts.items()),
)
def test_facts_that_are_missing_or_empty_do_not_cost_a_scan(zoo, judge, tmp_path, facts):
    zoo.write(tmp_path / "in", **facts)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen"), got.record
    zoo.assert_shows(got.volume, zoo.planes())


@pytest.mark.parametrize("number", [0x10, 0x11, 0x100])
def test_what_pixels_cannot_be_read_without(zoo, judge, tmp_path, number):
    """Rows, columns or bits allocated, whose place something else takes."""

    def change(content):
        at, _ = element(content, 0x28, number, b"US")
        return content[:at] + struct.pack("<HH", 0x28, number + 1) + content[at + 4 :]

    rewrite(zoo.write(tmp_path / "in"), change)
    assert judge(tmp_path / "in").verdict in (Reason.CORRUPT_PIXELS, Reason.UNKNOWN_CODING)


@pytest.mark.parametrize(
    "identifier", ["1.2." + "3" * 70, "1.02.003.0004", "urn:oid:1.2.3", "a b c", "1.2.3 "]
)
def test_identifiers_that_are_none(zoo, judge, tmp_path, identifier):
    def edit(dataset, number):
        dataset.add_new(0x0020000E, "LT", identifier)
        dataset.add_new(0x0020000D, "LT", identifier)
        return dataset

    zoo.write(tmp_path / "in", edit=edit)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen")
    zoo.assert_shows(got.volume, zoo.planes())


def test_every_file_with_a_series_identifier_of_its_own(zoo, judge, tmp_path):
    """An anonymiser that draws new ones: nothing says that these files belong together."""

    def edit(dataset, number):
        dataset.SeriesInstanceUID = f"1.2.3.{number + 1}"
        return dataset

    zoo.write(tmp_path / "in", edit=edit)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == (Reason.TOO_FEW_SLICES, "12 too_few_slices")


# Value representations


@pytest.mark.parametrize(
    ("tag", "vr", "other"),
    [
        ((0x28, 0x10), b"US", b"SS"),
        ((0x28, 0x30), b"DS", b"LO"),
        ((0x20, 0x32), b"DS", b"ST"),
        ((0x08, 0x60), b"CS", b"LO"),
        ((0x18, 0x60), b"DS", b"SH"),
        ((0x20, 0x0E), b"UI", b"LO"),
        ((0x28, 0x1052), b"DS", b"LO"),
    ],
)
def test_wrong_value_representation(zoo, judge, tmp_path, tag, vr, other):
    paths = zoo.write(tmp_path / "in")
    rewrite(paths, lambda content: with_vr(content, *tag, vr, other))
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes())


@pytest.mark.parametrize("other", [b"XX", b"??", b"  ", b"\0\0", b"zz"])
def test_unknown_value_representation(zoo, judge, tmp_path, other):
    """How long the length of such an element is cannot be known; pydicom guesses."""
    paths = zoo.write(tmp_path / "in")
    rewrite(paths, lambda content: with_vr(content, 0x08, 0x103E, b"LO", other))
    got = judge(tmp_path / "in")
    if got.verdict == "ok":
        zoo.assert_shows(got.volume, zoo.planes())
    else:
        assert got.verdict in (Reason.NO_READABLE_IMAGE, Reason.CORRUPT_PIXELS), got.record


def test_values_of_odd_length(zoo, judge, tmp_path):
    paths = zoo.write(tmp_path / "in")
    rewrite(paths, lambda content: with_value(content, 0x08, 0x103E, b"LO", b"Abdomen"))
    got = judge(tmp_path / "in")
    assert got.verdict == "ok"
    zoo.assert_shows(got.volume, zoo.planes())


# Transfer syntax


def called(other):
    """A change of the syntax that the file meta group names."""

    def change(content):
        for one in (EXPLICIT, IMPLICIT):
            padded = one.encode() + b"\0" * (len(one) % 2)
            at = content.find(b"UI" + struct.pack("<H", len(padded)) + padded)
            if 0 < at < 600:
                new = other.encode() + b"\0" * (len(other) % 2)
                changed = b"UI" + struct.pack("<H", len(new)) + new
                content = content[:at] + changed + content[at + 4 + len(padded) :]
                length = struct.unpack_from("<I", content, 140)[0] + len(new) - len(padded)
                return content[:140] + struct.pack("<I", length) + content[144:]
        raise AssertionError("no syntax found")

    return change


def test_called_explicit_and_is_implicit(zoo, judge, tmp_path):
    paths = zoo.write(tmp_path / "in", edit=implicit)
    rewrite(paths, called(EXPLICIT))
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes())


def test_called_implicit_and_is_explicit(zoo, judge, tmp_path):
    paths = zoo.write(tmp_path / "in")
    rewrite(paths, called(IMPLICIT))
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes())


@pytest.mark.parametrize(
    "other", [uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian, uid.JPEG2000Lossless]
)
def test_called_something_else(zoo, judge, tmp_path, other):
    paths = zoo.write(tmp_path / "in")
    rewrite(paths, called(other))
    got = judge(tmp_path / "in")
    if got.verdict == "ok":
        zoo.assert_shows(got.volume, zoo.planes())
    else:
        assert got.verdict in (Reason.NO_READABLE_IMAGE, Reason.CORRUPT_PIXELS), got.record


def test_no_syntax_named(zoo, judge, tmp_path):
    def change(content):
        at = content.index(b"\x02\x00\x10\x00UI")
        length = struct.unpack_from("<H", content, at + 6)[0]
        content = content[:at] + content[at + 8 + length :]
        size = struct.unpack_from("<I", content, 140)[0] - 8 - length
        return content[:140] + struct.pack("<I", size) + content[144:]

    rewrite(zoo.write(tmp_path / "in"), change)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes())


# Preamble and file meta group


def data_set_alone(content):
    (length,) = struct.unpack_from("<I", content, 140)
    return content[144 + length :]


HEADS = {
    "no preamble": lambda content: content[132:],
    "explicit data set alone": data_set_alone,
    "preamble of TIFF": lambda content: b"II*\0" + content[4:],
    "preamble of text": lambda content: b"<html>" + content[6:],
    "wrong length of the meta group": lambda c: c[:140] + struct.pack("<I", 20) + c[144:],
    "length 0 of the meta group": lambda c: c[:140] + struct.pack("<I", 0) + c[144:],
}


@pytest.mark.parametrize("name", HEADS)
def test_head_of_a_file(zoo, judge, tmp_path, name):
    rewrite(zoo.write(tmp_path / "in"), HEADS[name])
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes())


def test_implicit_data_set_alone(zoo, judge, tmp_path):
    rewrite(zoo.write(tmp_path / "in", edit=implicit), data_set_alone)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes())


def test_without_the_letters_dicm(zoo, judge, tmp_path):
    rewrite(zoo.write(tmp_path / "in"), lambda content: content[:128] + bytes(4) + content[132:])
    got = judge(tmp_path / "in")
    assert got.account == "; 12 not_dicom" or got.verdict == Reason.NO_READABLE_IMAGE


# Cut and lengthened


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 0.98, -1])
@pytest.mark.parametrize("which", [(5,), None])
def test_cut_files(zoo, judge, tmp_path, keep, which):
    """One slice that lost its pixels costs the scan; one that lost itself is a missing slice."""
    paths = zoo.write(tmp_path / "in")
    rewrite(paths, lambda c: c[:-1] if keep < 0 else c[: int(len(c) * keep)], which)
    got = judge(tmp_path / "in")
    if which is None:
        assert got.verdict in (Reason.NO_READABLE_IMAGE, Reason.CORRUPT_PIXELS, Reason.NO_AXIAL_CT)
    elif got.verdict == "ok":
        assert got.record["checks"]["resampled"] == "1 missing slice"
        assert sum(map(len, got.index.others.values())) + len(got.index.series) - 1 == 1
    else:
        assert got.verdict == Reason.CORRUPT_PIXELS


TAILS = {
    "zeros": bytes(512),
    "one zero": b"\0",
    "noise": bytes(range(256)) * 2,
    "padding element": struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, 64) + bytes(64),
    "a second file": None,
    "delimiter": struct.pack("<HHI", 0xFFFE, 0xE0DD, 0),
}


@pytest.mark.parametrize("name", TAILS)
def test_tail_after_the_pixels(zoo, judge, tmp_path, name):
    paths = zoo.write(tmp_path / "in")
    tail = paths[0].read_bytes() if TAILS[name] is None else TAILS[name]
    rewrite(paths, lambda content: content + tail)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes())


@pytest.mark.parametrize("length", [0, 100, 4000, 2**31 - 2])
def test_announced_length_of_pixels_that_is_wrong(zoo, judge, tmp_path, length):
    def change(content):
        at = content.index(b"\xe0\x7f\x10\x00OW") + 8
        return content[:at] + struct.pack("<I", length) + content[at + 4 :]

    rewrite(zoo.write(tmp_path / "in"), change)
    got = judge(tmp_path / "in")
    assert got.verdict in (Reason.CORRUPT_PIXELS, "ok")
    if got.verdict == "ok":
        zoo.assert_shows(got.volume, zoo.planes())


def test_undefined_length_of_plain_pixels(zoo, judge, tmp_path):
    def change(content):
        at = content.index(b"\xe0\x7f\x10\x00OW") + 8
        return content[:at] + b"\xff" * 4 + content[at + 4 :]

    rewrite(zoo.write(tmp_path / "in"), change)
    assert judge(tmp_path / "in").verdict in (Reason.CORRUPT_PIXELS, Reason.NO_READABLE_IMAGE)


# What makes headers long or deep


def icon(dataset):
    small = Dataset()
    small.Rows, small.Columns, small.BitsAllocated, small.BitsStored = 8, 8, 8, 8
    small.HighBit, small.PixelRepresentation, small.SamplesPerPixel = 7, 0, 1
    small.PhotometricInterpretation, small.PixelData = "MONOCHROME2", bytes(64)
    small["PixelData"].VR = "OB"
    dataset.IconImageSequence = Sequence([small])


def private_blob(dataset):
    dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(
        0x10, "OB", b"SV10" + bytes(400000)
    )


def private_pixels(dataset):
    """A private group after 7FE0."""
    dataset.private_block(0x7FE1, "ELSCINT1", create=True).add_new(0x10, "OB", bytes(3000))


def group_lengths(dataset):
    for group in (0x0008, 0x0010, 0x0018, 0x0020, 0x0028):
        dataset.add_new(group << 16, "UL", 77)


def deep_sequences(dataset):
    inner = dataset
    for _ in range(12):
        item = Dataset()
        inner.ReferencedStudySequence = Sequence([item])
        item.is_undefined_length_sequence_item = True
        inner["ReferencedStudySequence"].is_undefined_length = True
        inner = item


def position_of_another_image(dataset):
    """A sequence with elements of the same names, which are not the image's own."""
    item = Dataset()
    item.ImagePositionPatient, item.Rows, item.PixelSpacing = [9, 9, 9], 7, [1, 1]
    item.SeriesInstanceUID, item.Modality = "1.9", "MR"
    dataset.SourceImageSequence = Sequence([item])
    dataset.ReferencedImageSequence = Sequence([item])


def other_characters(dataset):
    dataset.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    dataset.add_new(0x00100020, "LO", "P1")
    dataset.SeriesDescription = "Abdomen"


def character_set_that_is_none(dataset):
    dataset.SpecificCharacterSet = "KLINGON"


def command_group(dataset):
    dataset.add_new(0x00020102, "OB", bytes(8))


LONG = (
    *(icon, private_blob, private_pixels, group_lengths, deep_sequences),
    *(position_of_another_image, other_characters, character_set_that_is_none),
)


@pytest.mark.parametrize("add", LONG, ids=lambda add: add.__name__)
@pytest.mark.parametrize("coding", [EXPLICIT, IMPLICIT], ids=lambda one: one.keyword)
@pytest.mark.filterwarnings("ignore")
def test_more_than_is_needed(zoo, judge, tmp_path, add, coding):
    def edit(dataset, number):
        add(dataset)
        dataset.file_meta.TransferSyntaxUID = coding
        return dataset

    zoo.write(tmp_path / "in", edit=edit)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen"), got.record
    zoo.assert_shows(got.volume, zoo.planes())


def test_matrix_that_no_memory_holds(zoo, judge, tmp_path):
    """Twelve files of 1.8 GB of nothing each, as large as their headers say."""
    size = 30000 * 30000 * 2

    for path in zoo.write(tmp_path / "in", Rows=30000, Columns=30000):
        content = path.read_bytes()
        at = content.index(b"\xe0\x7f\x10\x00OW") + 8
        path.write_bytes(content[:at] + struct.pack("<I", size))
        os.truncate(path, at + 4 + size)
    assert judge(tmp_path / "in").verdict == Reason.NOT_A_VOLUME


@pytest.mark.parametrize("swapped", ["1.2.840.113619.5.2", "1.2.840.10008.1.20"])
def test_syntax_of_a_maker(zoo, judge, tmp_path, swapped):
    """GE's has the bytes of pixels the other way round; Papyrus is no syntax of images."""
    rewrite(zoo.write(tmp_path / "in", edit=implicit), called(uid.UID(swapped)))
    assert judge(tmp_path / "in").verdict in (Reason.UNKNOWN_CODING, Reason.CORRUPT_PIXELS)


def test_elements_out_of_order(zoo, judge, tmp_path):
    def change(content):
        at, length = element(content, 0x20, 0x32, b"DS")
        moved, content = content[at : at + 8 + length], content[:at] + content[at + 8 + length :]
        at, _ = element(content, 0x08, 0x60, b"CS")
        return content[:at] + moved + content[at:]

    rewrite(zoo.write(tmp_path / "in"), change)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes())


def test_element_twice(zoo, judge, tmp_path):
    def change(content):
        at, length = element(content, 0x20, 0x32, b"DS")
        return content[:at] + content[at : at + 8 + length] + content[at:]

    rewrite(zoo.write(tmp_path / "in"), change)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes())


def test_bomb_in_a_deflated_file(zoo, judge, tmp_path):
    """A hundred megabytes of zeros behind the pixels of one file."""

    def deflated(dataset, number):
        dataset.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
        return dataset

    def change(content):
        (length,) = struct.unpack_from("<I", content, 140)
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        tail = struct.pack("<HH2sHI", 0x7FE1, 0x0010, b"OB", 0, 100 << 20)
        body = zlib.decompress(content[144 + length :], -zlib.MAX_WBITS) + tail
        packed = packer.compress(body) + packer.compress(bytes(100 << 20)) + packer.flush()
        return content[: 144 + length] + packed

    rewrite(zoo.write(tmp_path / "in", edit=deflated), change, {4})
    got = judge(tmp_path / "in")
    assert got.verdict in ("ok", Reason.CORRUPT_PIXELS)
    if got.verdict == "ok":
        zoo.assert_shows(got.volume, zoo.planes())


def test_headers_by_the_thousand_of_items(zoo, judge, tmp_path):
    """A sequence whose items announce more than the file holds."""

    def change(content):
        at = content.index(b"\x08\x00\x60\x00CS")
        nest = struct.pack("<HH2sHI", 0x0008, 0x0051, b"SQ", 0, 0xFFFFFFFF)
        nest += struct.pack("<HHI", 0xFFFE, 0xE000, 0x7FFFFFFF)
        return content[:at] + nest + content[at:]

    rewrite(zoo.write(tmp_path / "in"), change)
    got = judge(tmp_path / "in")
    assert got.verdict in (Reason.NO_READABLE_IMAGE, Reason.CORRUPT_PIXELS, Reason.NO_AXIAL_CT)
