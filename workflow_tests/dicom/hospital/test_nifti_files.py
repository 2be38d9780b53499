"""NIfTI files as people make them: what the header and the values can vouch for."""

import bz2
import gzip

import nibabel as nib
import numpy as np
import pytest

from bonecast.reasons import Reason

SIZE_MM = (5.0, 4.0, 3.0)
AFFINE = np.diag([*SIZE_MM, 1.0])
AFFINE[:3, 3] = -100, -80, 200


@pytest.fixture
def hu(ct) -> np.ndarray:
    """The body, x, y, z; 14 slices."""
    return ct.body(14).transpose(2, 1, 0)


def save(path, data, affine=AFFINE, units="mm", **header):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.header.set_xyzt_units(units)
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def shows(volume, hu, affine=AFFINE, tolerance=0):
    """Every voxel lies where the file's own matrix puts it."""
    points = np.indices(hu.shape).reshape(3, -1)
    world = affine @ np.vstack([points, np.ones(points.shape[1])])
    at = np.linalg.solve(volume.affine, world)[:3]
    assert np.abs(at - np.rint(at)).max() < 0.02
    found = volume.data[tuple(np.rint(at).astype(int))].astype(int)
    assert np.abs(found - hu.ravel()).max() <= tolerance
    assert volume.data.size == hu.size


TURNS = {
    "as it is": np.eye(3),
    "left-handed": np.diag([-1.0, 1, 1]),
    "LPS": np.diag([-1.0, -1, 1]),
    "upside down": np.diag([1.0, 1, -1]),
    "mirrored": np.diag([-1.0, -1, -1]),
}


@pytest.mark.parametrize("name", TURNS)
def test_axes_that_run_the_other_way(judge, tmp_path, hu, name):
    affine = AFFINE.copy()
    affine[:3, :3] = TURNS[name] @ affine[:3, :3]
    got = judge(save(tmp_path / "a.nii.gz", hu, affine))
    assert got.verdict == "ok", got.record
    shows(got.volume, hu, affine)


@pytest.mark.parametrize("axes", [(0, 2, 1), (2, 1, 0), (1, 0, 2), (2, 0, 1)])
def test_axes_in_another_order(judge, tmp_path, hu, axes):
    """Stored as sagittal or coronal slices: the matrix says so, and the values are the same."""
    data = hu.transpose(axes)
    affine = AFFINE.copy()
    affine[:3, :3] = AFFINE[:3, :3][:, axes]
    got = judge(save(tmp_path / "a.nii.gz", data, affine))
    assert got.verdict == "ok", got.record
    shows(got.volume, data, affine)


@pytest.mark.parametrize(("units", "factor"), [("mm", 1), ("meter", 1e-3), ("micron", 1e3)])
def test_units(judge, tmp_path, hu, units, factor):
    affine = AFFINE.copy()
    affine[:3] *= factor
    got = judge(save(tmp_path / "a.nii.gz", hu, affine, units))
    assert got.verdict == "ok", got.record
    shows(got.volume, hu)


@pytest.mark.parametrize("dtype", ["i2", "i4", "i8", "f4", "f8", ">i2"])
def test_types(judge, tmp_path, hu, dtype):
    data = hu.astype(dtype)
    image = nib.Nifti1Image(data, AFFINE, dtype=data.dtype)
    nib.save(image, tmp_path / "a.nii.gz")
    got = judge(tmp_path / "a.nii.gz")
    assert got.verdict == "ok", got.record
    shows(got.volume, hu)


def test_scaled(judge, tmp_path, hu):
    path = save(tmp_path / "a.nii.gz", ((hu.astype(int) + 1024) // 2).astype("u2"))
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[112:120] = np.array([2.0, -1024.0], "<f4").tobytes()
    path.write_bytes(gzip.compress(raw))
    got = judge(path)
    assert got.verdict == "ok", got.record
    shows(got.volume, hu, tolerance=1)


@pytest.mark.parametrize(
    "slope", [(0.0, 0.0), (np.nan, np.nan), (np.inf, 0.0)], ids=["0", "nan", "infinite"]
)
def test_scaling_that_is_none(judge, tmp_path, hu, slope):
    """0 and values that are no numbers mean: not scaled (NIfTI-1, scl_slope)."""
    path = save(tmp_path / "a.nii.gz", hu)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[112:120] = np.array(slope, "<f4").tobytes()
    path.write_bytes(gzip.compress(raw))
    got = judge(path)
    assert got.verdict == "ok", got.record
    shows(got.volume, hu)


def as_is(hu):
    return hu


VALUES = {
    "offset 1024": (lambda hu: (hu.astype(int) + 1024).astype("u2"), Reason.NOT_HU),
    "offset 1024 twice": (lambda hu: hu - np.int16(1024), Reason.NOT_HU),
    "sign lost": (lambda hu: hu.view("u2"), Reason.NOT_HU),
    "windowed": (lambda hu: np.clip((hu + 160) / 400 * 255, 0, 255).astype("u1"), Reason.NOT_HU),
    "normalised": (lambda hu: ((hu + 1000) / 2000).astype("f4"), Reason.NOT_HU),
    "z-scores": (lambda hu: ((hu - hu.mean()) / hu.std()).astype("f4"), Reason.NOT_HU),
    "a mask": (lambda hu: (hu > 200).astype("u1"), Reason.NOT_HU),
    "labels": (lambda hu: (hu > 200).astype("i2") * 24, Reason.NOT_HU),
    "like MR": (lambda hu: np.abs(hu).astype("u2"), Reason.NOT_HU),
    "zeros": (lambda hu: np.zeros_like(hu), Reason.NOT_HU),
    "all NaN": (lambda hu: np.full(hu.shape, np.nan, "f4"), Reason.NOT_HU),
    "infinite": (lambda hu: np.full(hu.shape, np.inf, "f4"), Reason.NOT_HU),
    "complex": (lambda hu: hu.astype("c8"), Reason.NOT_A_VOLUME),
    "4-D": (lambda hu: np.stack([hu, hu], -1), Reason.NOT_A_VOLUME),
    "4-D of one": (lambda hu: hu[..., None], "ok"),
    "5-D": (lambda hu: np.stack([hu, hu], -1)[:, :, :, None], Reason.NOT_A_VOLUME),
    "2-D": (lambda hu: hu[:, :, 0], Reason.NOT_A_VOLUME),
    "one slice": (lambda hu: hu[:, :, :1], Reason.TOO_FEW_SLICES),
    "one row": (lambda hu: hu[:1], Reason.NOT_HU),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(judge, tmp_path, hu, name):
    change, verdict = VALUES[name]
    got = judge(save(tmp_path / "a.nii.gz", change(hu)))
    assert got.verdict == verdict, got.record


def test_colours(judge, tmp_path, hu):
    data = np.zeros(hu.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    got = judge(save(tmp_path / "a.nii.gz", data))
    assert got.verdict in (Reason.NOT_A_VOLUME, Reason.NOT_HU)


def turned(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]]) @ AFFINE


def changed(**entries):
    affine = AFFINE.copy()
    for name, value in entries.items():
        affine[int(name[1]), int(name[2])] = value
    return affine


MATRICES = {
    "turned by 10 degrees": (turned(10), "ok"),
    "turned by 60 degrees": (turned(60), None),
    "sheared within slices": (changed(_01=1.5), Reason.NO_GEOMETRY),
    "two parallel axes": (changed(_01=4.0, _11=0.0), Reason.NO_GEOMETRY),
    "no thickness": (changed(_22=0.0), Reason.NO_GEOMETRY),
    "not a number": (changed(_22=np.nan), Reason.NO_GEOMETRY),
    "all zero": (np.zeros((4, 4)), Reason.NO_GEOMETRY),
    "huge": (AFFINE * 1e4, Reason.NO_GEOMETRY),
    "thick": (changed(_22=8.0), Reason.TOO_THICK),
}


@pytest.mark.parametrize("name", MATRICES)
def test_matrices(judge, tmp_path, hu, name):
    affine, verdict = MATRICES[name]
    image = nib.Nifti1Image(hu, None)
    image.header.set_zooms(SIZE_MM)
    image.header["sform_code"] = 1
    for row, at in zip(affine, "xyz", strict=False):
        image.header[f"srow_{at}"] = row
    nib.save(image, tmp_path / "a.nii.gz")
    got = judge(tmp_path / "a.nii.gz")
    if verdict:
        assert got.verdict == verdict, got.record
    elif got.verdict == "ok":
        shows(got.volume, hu, affine)
    else:
        assert got.verdict == Reason.NOT_AXIAL


@pytest.mark.parametrize("codes", [(0, 1), (1, 0), (0, 0), (1, 1), (2, 4), (200, 1)])
def test_which_matrix(judge, tmp_path, hu, codes):
    save(tmp_path / "a.nii", hu)
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw[252:256] = np.array(codes, "<i2").tobytes()  # of the qform, of the sform
    (tmp_path / "b.nii").write_bytes(raw)
    got = judge(tmp_path / "b.nii")
    if codes == (0, 0):
        assert got.verdict == Reason.NO_GEOMETRY
    else:
        assert got.verdict == "ok", got.record
        shows(got.volume, hu)


def test_matrices_that_contradict(judge, tmp_path, hu):
    """One says left is right: which of the two is true decides on which side a bone is."""
    image = nib.Nifti1Image(hu, AFFINE)
    image.set_sform(np.diag([-1.0, 1, 1, 1]) @ AFFINE, 1)
    image.set_qform(AFFINE, 1)
    nib.save(image, tmp_path / "a.nii.gz")
    assert judge(tmp_path / "a.nii.gz").verdict == Reason.NO_GEOMETRY


# Files


def plain(path, hu):
    save(path.with_name("a.nii"), hu)
    return path.with_name("a.nii").read_bytes()


CONTENTS = {
    "a.nii": (as_is, "ok"),
    "A.NII": (as_is, "ok"),
    "a.nii.gz": (gzip.compress, "ok"),
    "A.NII.GZ": (gzip.compress, "ok"),
    "in two parts.nii.gz": (lambda b: gzip.compress(b[:999]) + gzip.compress(b[999:]), "ok"),
    "tail.nii.gz": (lambda b: gzip.compress(b) + bytes(100), None),
    "tail.nii": (lambda b: b + bytes(999), "ok"),
    "gz.nii": (gzip.compress, None),
    "plain.nii.gz": (as_is, None),
    "bz2.nii.gz": (bz2.compress, Reason.NOT_A_VOLUME),
    "empty.nii": (lambda b: b"", Reason.NOT_A_VOLUME),
    "empty.nii.gz": (lambda b: b"", Reason.NOT_A_VOLUME),
    "gz of nothing.nii.gz": (lambda b: gzip.compress(b""), Reason.NOT_A_VOLUME),
    "header.nii": (lambda b: b[:352], Reason.CORRUPT_PIXELS),
    "half.nii": (lambda b: b[: len(b) // 2], Reason.CORRUPT_PIXELS),
    "half.nii.gz": (lambda b: gzip.compress(b)[:-1000], Reason.NOT_A_VOLUME),
    "short of a byte.nii": (lambda b: b[:-1], Reason.CORRUPT_PIXELS),
    "without check sum.nii.gz": (lambda b: gzip.compress(b)[:-8], None),
    "wrong check sum.nii.gz": (lambda b: gzip.compress(b)[:-8] + bytes(8), Reason.CORRUPT_PIXELS),
    "text.nii": (lambda b: b"not an image" * 99, Reason.NOT_A_VOLUME),
    "text.nii.gz": (lambda b: gzip.compress(b"not an image" * 99), Reason.NOT_A_VOLUME),
    "dicom.nii": (lambda b: bytes(128) + b"DICM" + bytes(999), Reason.NOT_A_VOLUME),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_files(judge, tmp_path, hu, name):
    change, verdict = CONTENTS[name]
    content = change(plain(tmp_path / "x", hu))
    path = tmp_path / "one" / name
    path.parent.mkdir()
    path.write_bytes(content)
    got = judge(path)
    if got.verdict == "ok":
        shows(got.volume, hu)
    if verdict:
        assert got.verdict == verdict, got.record
    else:
        assert got.verdict in ("ok", Reason.CORRUPT_PIXELS, Reason.NOT_A_VOLUME), got.record


HEADER = {
    "dimensions by the million": (40, np.array([3, 30000, 30000, 30000], "<i2")),
    "no dimension": (40, np.array([0, 48, 40, 14], "<i2")),
    "eight dimensions": (40, np.array([8, 48, 40, 14], "<i2")),
    "negative": (40, np.array([3, -48, 40, 14], "<i2")),
    "unknown type": (70, np.array([999, 16], "<i2")),
    "type of another size": (70, np.array([4, 8], "<i2")),
    "offset beyond the end": (108, np.array([1e9], "<f4")),
    "offset within the header": (108, np.array([10.0], "<f4")),
    "offset that is no number": (108, np.array([np.nan], "<f4")),
    "magic": (344, np.frombuffer(b"nope", "u1")),
    "magic of a pair": (344, np.frombuffer(b"ni1\0", "u1")),
    "size of the header": (0, np.array([999], "<i4")),
}


@pytest.mark.parametrize("name", HEADER)
def test_headers_that_lie(judge, tmp_path, hu, name):
    at, value = HEADER[name]
    raw = bytearray(plain(tmp_path / "x", hu))
    raw[at : at + value.nbytes] = value.tobytes()
    (tmp_path / "b.nii").write_bytes(raw)
    got = judge(tmp_path / "b.nii")
    if got.verdict == "ok":
        shows(got.volume, hu)
    else:
        assert got.verdict in (Reason.NOT_A_VOLUME, Reason.CORRUPT_PIXELS, Reason.NOT_HU), (
            got.record
        )


def test_mask_beside_the_ct(zoo, judge, tmp_path, hu):
    """Which is the scan, nothing says: a name is no evidence."""
    save(tmp_path / "in" / "ct.nii.gz", hu)
    save(tmp_path / "in" / "mask.nii.gz", (hu > 200).astype("u1"))
    assert judge(tmp_path / "in").verdict == Reason.AMBIGUOUS_INPUT


def test_nifti_beside_dicom(zoo, judge, tmp_path, hu):
    save(tmp_path / "in" / "ct.nii.gz", hu)
    zoo.write(tmp_path / "in" / "dicom")
    assert judge(tmp_path / "in").verdict == Reason.AMBIGUOUS_INPUT


def test_broken_nifti_beside_dicom(zoo, judge, tmp_path):
    zoo.write(tmp_path / "in" / "dicom")
    (tmp_path / "in" / "a.nii.gz").write_bytes(b"not a volume")
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen, not_a_volume")
    zoo.assert_shows(got.volume, zoo.planes())
