"""From stored values to HU: every way of storing the same body gives it, every mistake is told."""

import re

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from bonecast.dicom import plausible
from bonecast.dicom.headers import quiet_pydicom
from bonecast.dicom.pixels import decode_series
from bonecast.dicom.scaling import HU_MIN
from bonecast.reasons import Excluded, Reason


def hu_of(dataset) -> np.ndarray:
    """HU of a slice that `ct.write` made."""
    return np.frombuffer(dataset.PixelData, "<u2").astype(np.int64) - 1024


def store(dataset, values, kind="<u2", **elements):
    """Give a slice other stored values."""
    dataset.PixelData = np.asarray(values).astype(kind).tobytes()
    dataset.PixelRepresentation = int(np.dtype(kind).kind == "i")
    for name, value in elements.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    return dataset


def read(ct, tmp_path, edit, **elements):
    ct.write(tmp_path / "in", edit=edit, **elements)
    return ct.convert_first(tmp_path / "in")


def refusal(ct, tmp_path, edit, **elements) -> Excluded:
    with pytest.raises(Excluded) as caught:
        read(ct, tmp_path, edit, **elements)
    return caught.value


def expected(ct) -> np.ndarray:
    """The body in RAS: x towards the patient's left is the file's first column."""
    return ct.body().transpose(2, 1, 0)[::-1, ::-1]


# The same body, stored otherwise


def of_its_own_slope(dataset, number):
    slope = 0.25 + 0.03 * number
    return store(dataset, np.rint((hu_of(dataset) + 1024) / slope), RescaleSlope=f"{slope:.2f}")


def of_its_own_intercept(dataset, number):
    return store(dataset, hu_of(dataset) + 1000 + number, RescaleIntercept=-1000 - number)


def without_rescale(dataset, number):
    return store(dataset, hu_of(dataset), "<i2", RescaleSlope=None, RescaleIntercept=None)


def with_overlay_bits(dataset, number):
    values = hu_of(dataset) + 1024
    values[::7] |= 0xF000
    return store(dataset, values, BitsStored=12, HighBit=11)


def signed_12_bits(dataset, number):
    """Negative values without the sign in the four bits above."""
    return store(
        dataset, hu_of(dataset) & 0xFFF, "<i2", BitsStored=12, HighBit=11, RescaleIntercept=0
    )


def shifted_bits(dataset, number):
    return store(dataset, (hu_of(dataset) + 1024) << 4, BitsStored=12, HighBit=15)


def wrong_high_bit(dataset, number):
    return store(dataset, hu_of(dataset) + 1024, BitsStored=12, HighBit=15)


def bright_is_low(dataset, number):
    dataset.PhotometricInterpretation = "MONOCHROME1"
    return dataset


def in_32_bits(dataset, number):
    return store(dataset, hu_of(dataset) + 1024, "<u4", BitsAllocated=32, BitsStored=32, HighBit=31)


def as_fractions(dataset, number):
    values = (hu_of(dataset) + 0.2).astype("<f4").tobytes()
    del dataset.PixelData
    dataset.FloatPixelData = values
    dataset.BitsAllocated, dataset.RescaleIntercept = 32, 0
    for name in ("BitsStored", "HighBit", "PixelRepresentation"):
        delattr(dataset, name)
    return dataset


DIFFERS = "scaling differs between slices"
BITS = "bits outside those stored"
WIDE = "fractions or 32-bit values"


@pytest.mark.parametrize(
    ("edit", "because"),
    [
        (of_its_own_slope, DIFFERS),
        (of_its_own_intercept, DIFFERS),
        (without_rescale, ""),
        (with_overlay_bits, BITS),
        (signed_12_bits, BITS),
        (shifted_bits, BITS),
        (wrong_high_bit, ""),
        (bright_is_low, ""),
        (in_32_bits, WIDE),
        (as_fractions, WIDE),
    ],
)
def test_same_body_stored_otherwise(ct, tmp_path, edit, because):
    got = read(ct, tmp_path, edit)
    off = got.volume.data.astype(int) - expected(ct)
    assert np.abs(off).max() <= (1 if edit is of_its_own_slope else 0)
    assert got.checks["uncompressed_because"] == because
    assert got.checks["hu_difference"] == 0


# Mistakes


def one_without_rescale(dataset, number):
    return (
        store(dataset, hu_of(dataset), "<i2", RescaleSlope=None, RescaleIntercept=None)
        if number == 4
        else dataset
    )


def one_with_another(name, value):
    def edit(dataset, number):
        if number >= 6:
            setattr(dataset, name, value)
        return dataset

    return edit


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (one_without_rescale, "1 of 12 slices have no rescale"),
        (one_with_another("RescaleIntercept", 0), "slice 7 of 12"),
        (one_with_another("RescaleIntercept", -1000), r"\+25 HU off"),
        (one_with_another("RescaleSlope", 2), "slice 7 of 12"),
    ],
)
def test_contradicting_scaling(ct, tmp_path, edit, words):
    error = refusal(ct, tmp_path, edit)
    assert error.reason is Reason.SCALING_VARIES
    assert re.search(words, error.detail)


def offset_forgotten(dataset, number):
    return store(dataset, hu_of(dataset) + 1024, RescaleSlope=None, RescaleIntercept=None)


def offset_forgotten_beside_padding(dataset, number):
    """The padding lies where air should be, and would pass for it."""
    values = (hu_of(dataset) + 1024).reshape(40, 48)
    values[:4] = -2000
    return store(dataset, values, "<i2", RescaleIntercept=0)


def offset_twice(dataset, number):
    dataset.RescaleIntercept = -2048
    return dataset


def sign_lost(dataset, number):
    return store(dataset, hu_of(dataset) & 0xFFFF, RescaleIntercept=0)


def sign_invented(dataset, number):
    """12 bits without sign, called signed: dense bone would become less than air."""
    values = hu_of(dataset) + 1024
    values[900:904] = 3000
    return store(dataset, values, "<i2", BitsStored=12, HighBit=11)


def halved(dataset, number):
    dataset.RescaleSlope = 0.5
    return dataset


def doubled(dataset, number):
    dataset.RescaleSlope = 2
    return dataset


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (offset_forgotten, ("fat or air", "with -1024", "no rescale")),
        (offset_forgotten_beside_padding, ("above 700 HU", "with -1024")),
        (offset_twice, ("soft tissue", "with +1024")),
        (sign_lost, ("without their sign",)),
        (sign_invented, ("negative by their header",)),
        (halved, ()),
        (doubled, ()),
        (lambda d, n: store(d, 1024 - hu_of(d)), ()),
        (lambda d, n: store(d, hu_of(d) + 1024, RescaleSlope=0), ("slope is 0",)),
        (lambda d, n: store(d, hu_of(d) + 1024, RescaleType="OD"), ("optical density",)),
        (lambda d, n: store(d, hu_of(d) + 1024, RescaleType="HU_MOD"), ("modified",)),
        (
            lambda d, n: store(d, hu_of(d) + 1024, PhotometricInterpretation="PALETTE COLOR"),
            ("colours",),
        ),
    ],
)
def test_what_is_not_hounsfield_units(ct, tmp_path, edit, words):
    error = refusal(ct, tmp_path, edit)
    assert error.reason is Reason.NOT_HU
    assert all(word in error.detail for word in words), error.detail


def test_lookup_table_instead_of_a_rescale(ct, tmp_path):
    def edit(dataset, number):
        dataset = without_rescale(dataset, number)
        dataset.ModalityLUTSequence = Sequence([Dataset()])
        return dataset

    error = refusal(ct, tmp_path, edit)
    assert (error.reason, "lookup table" in error.detail) == (Reason.NOT_HU, True)


def test_plausible_bodies_of_every_build():
    """Shares of air, fat, soft tissue and bone, from a child in a wide field to a spine alone."""
    rng = np.random.default_rng(3)
    for air, fat, soft, bone in (
        (0.85, 0.05, 0.09, 0.01),
        (0.02, 0.18, 0.4, 0.4),
        (0.5, 0.4, 0.09, 0.01),
    ):
        parts = [(-1000, 20, air), (-100, 25, fat), (50, 30, soft), (300, 150, bone)]
        values = np.concatenate([rng.normal(m, s, int(1e5 * n)) for m, s, n in parts])
        plausible.check_hounsfield(plausible.count_values(np.rint(values)))
        for offset in (1024, -1024, 1000):
            with pytest.raises(Excluded):
                plausible.check_hounsfield(plausible.count_values(np.rint(values + offset)))


@pytest.mark.parametrize(
    "parts",
    [
        {-1000: (10, 0.95), -750: (60, 0.02), 50: (15, 0.025), -90: (15, 0.003), 250: (100, 0.002)},
        {-1000: (10, 0.6), 35: (6, 0.31), 900: (350, 0.06), -90: (20, 0.03)},
        {55: (15, 0.5), -100: (20, 0.08), 150: (50, 0.3), 550: (150, 0.12)},
        {50: (60, 0.5), -100: (60, 0.1), 130: (80, 0.3), 600: (200, 0.1)},
    ],
    ids=["infant in a wide field", "head", "spine in a small field", "the same, sharp kernel"],
)
def test_scans_that_are_unlike_a_trunk_are_plausible(parts):
    rng = np.random.default_rng(4)
    values = [rng.normal(mean, sd, int(2e5 * share)) for mean, (sd, share) in parts.items()]
    plausible.check_hounsfield(plausible.count_values(np.rint(np.concatenate(values))))


@pytest.mark.parametrize(("slope", "offset"), [(1, 225), (1, -250), (1.25, 256), (0.75, -256)])
def test_a_wrong_scaling_of_a_real_scan_is_found(shared_data, slope, offset):
    files = sorted((shared_data / "dicom" / "CRLM-CT-1004").iterdir())[::10]
    read = [pydicom.dcmread(path) for path in files]
    hu = np.stack([one.pixel_array[::4, ::4] + int(one.RescaleIntercept) for one in read])
    hu = hu[hu > -1500]  # without padding
    plausible.check_hounsfield(plausible.count_values(hu))
    with pytest.raises(Excluded):
        plausible.check_hounsfield(plausible.count_values(np.rint(hu * slope + offset)))


# Padding


@pytest.mark.parametrize(
    ("stored", "elements", "kept"),
    [
        (63536, {}, HU_MIN),  # -2000 without its sign, nothing said
        (63536, {"PixelPaddingValue": 63536}, HU_MIN),
        (60000, {"PixelPaddingValue": 59000, "PixelPaddingRangeLimit": 61000}, HU_MIN),
        (0, {"PixelPaddingValue": 0}, -1024),
        (1024, {"PixelPaddingValue": 1024}, 0),  # cannot be told from water
    ],
)
def test_padding(ct, tmp_path, stored, elements, kept):
    def pad(dataset, number):
        values = (hu_of(dataset) + 1024).reshape(40, 48)
        values[0] = stored
        return store(dataset, values, **elements)

    got = read(ct, tmp_path, pad)
    assert np.all(got.volume.data[:, -1] == kept)
    assert np.array_equal(got.volume.data[:, :-1], expected(ct)[:, :-1])


# Codings


def test_value_of_12_bits_is_an_unknown_coding(ct, tmp_path):
    error = refusal(ct, tmp_path, lambda d, n: store(d, hu_of(d) + 1024, BitsAllocated=12))
    assert (error.reason, error.detail) == (Reason.UNKNOWN_CODING, "12 bits to a value")


@pytest.mark.parametrize(
    ("syntax", "words"),
    [
        (b"1.2.840.10008.1.2.4.100", "MPEG2 Main Profile / Main Level"),
        (b"1.2.840.10008.1.2.4.999", "an unregistered coding"),
    ],
)
def test_video_and_private_codings(ct, tmp_path, syntax, words):
    def edit(dataset, number):
        dataset.file_meta.TransferSyntaxUID = uid.MPEG2MPML
        dataset.PixelData = encapsulate([dataset.PixelData])
        return dataset

    for path in ct.write(tmp_path / "in", edit=edit):
        path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.4.100", syntax))
    with pytest.raises(Excluded) as caught:
        ct.convert_first(tmp_path / "in")
    assert (caught.value.reason, caught.value.detail) == (Reason.UNKNOWN_CODING, words)


def test_sign_that_the_code_stream_contradicts(shared_data):
    """JPEG 2000 says signed, the header unsigned or with other bits: HU from -2000 all the same."""
    path = shared_data / "dicom/odd/pydicom/src/pydicom/data/test_files/J2K_pixelrep_mismatch.dcm"
    dataset = pydicom.dcmread(path)
    with quiet_pydicom():
        decoded = decode_series([path])
    assert decoded.pile.hu.min() == HU_MIN
    exact = np.maximum(dataset.pixel_array + int(dataset.RescaleIntercept), HU_MIN)
    assert np.array_equal(decoded.pile.hu[0], exact)
    assert decoded.padding_voxels > 0


# Enhanced objects


def rescaled_frames(dataset, hu):
    """Give every frame a slope of its own, in its own group."""
    del dataset.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence
    stored = []
    for number, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        one = Dataset()
        one.RescaleSlope, one.RescaleIntercept = f"{0.5 + 0.05 * number:.2f}", -1024
        frame.PixelValueTransformationSequence = Sequence([one])
        stored.append(np.rint((hu[number] + 1024.0) / float(one.RescaleSlope)))
    dataset.PixelData = np.array(stored).astype("<u2").tobytes()


def shuffled(dataset, hu, order):
    frames = dataset.PerFrameFunctionalGroupsSequence
    dataset.PerFrameFunctionalGroupsSequence = Sequence([frames[k] for k in order])
    dataset.NumberOfFrames = len(order)
    dataset.PixelData = (hu[order].astype(int) + 1024).astype("<u2").tobytes()
    return dataset


def test_frames_with_their_own_scaling(ct, tmp_path):
    dataset = ct.enhanced()
    rescaled_frames(dataset, ct.body()[::-1])
    dataset.save_as(tmp_path / "one", enforce_file_format=True)
    got = ct.convert_first(tmp_path)
    assert np.abs(got.volume.data.astype(int) - expected(ct)).max() <= 1


def test_frames_in_odd_order_and_in_two_objects(ct, tmp_path):
    order = np.random.default_rng(4).permutation(12)
    hu = ct.body()[::-1]
    for part in (order[:5], order[5:]):
        dataset = shuffled(ct.enhanced(), hu, part)
        dataset.SOPInstanceUID = uid.generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(tmp_path / str(part[0]), enforce_file_format=True)
    got = ct.convert_first(tmp_path)
    assert np.array_equal(got.volume.data, expected(ct))
    assert "several frames in a file" in got.checks["uncompressed_because"]
