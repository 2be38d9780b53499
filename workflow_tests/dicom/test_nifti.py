"""CT that comes as NIfTI."""

import nibabel as nib
import numpy as np
import pytest

from bonecast import images
from bonecast.dicom import nifti
from bonecast.dicom.convert import convert_participant
from bonecast.dicom.index import index_source
from bonecast.dicom.select import Settings, select_series
from bonecast.dicom.table import write_series
from bonecast.reasons import Excluded, Reason

AFFINE = np.array([[-2.0, 0, 0, 90], [0, -2.0, 0, 80], [0, 0, 3.0, -50], [0, 0, 0, 1]])


@pytest.fixture
def body(ct) -> np.ndarray:
    return ct.body(20).transpose(2, 1, 0)


def write(path, data, affine=AFFINE, code=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data, affine)
    image.set_qform(affine, code)
    image.set_sform(affine, code)
    nib.save(image, path)
    return path


@pytest.mark.parametrize("name", ["p1.nii", "p1.nii.gz", "folder/scan.nii.gz"])
def test_file_or_folder_with_one_file(ct, tmp_path, body, name):
    path = write(tmp_path / name, body)
    source = path if path.parent == tmp_path else path.parent
    record = ct.convert(source, tmp_path / "out")
    assert record["status"] == "ok", record
    assert (record["source"], record["spacing_mm"]) == ("nifti", [2, 2, 3])
    assert record["acquisition"]["kvp"] is None
    volume = images.load(tmp_path / "out" / "ct.nii.gz")
    assert volume.data.dtype == np.int16
    assert np.array_equal(volume.data, body[::-1, ::-1])
    assert volume.affine[:3, 3].tolist() == [90 - 2 * 47, 80 - 2 * 39, -50]


def test_fractions_are_rounded_and_gaps_are_air(ct, tmp_path, body):
    data = body.astype(np.float32) + 0.25
    data[0, 0, 0] = np.nan
    record = ct.convert(write(tmp_path / "p1.nii.gz", data), tmp_path / "out")
    assert record["checks"]["not_finite_voxels"] == 1
    volume = images.load(tmp_path / "out" / "ct.nii.gz")
    assert volume.data[-1, -1, 0] == -1024
    assert volume.data[10, 10, 3] == body[::-1, ::-1][10, 10, 3]


def save(path, data, sform, qform=None, unit="mm", **header):
    """A file whose header is written as given, not as nibabel would have it."""
    image = nib.Nifti1Image(data, None)
    image.set_sform(sform, 0 if sform is None else 1)
    image.set_qform(qform, 0 if qform is None else 1)
    image.header.set_xyzt_units(unit)
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, path)
    return path


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1e-3), ("micron", 1e3), ("unknown", 1)])
def test_units_of_length(ct, tmp_path, body, unit, factor):
    affine = np.diag([factor, factor, factor, 1]) @ AFFINE
    record = ct.convert(save(tmp_path / "p1.nii", body, affine, unit=unit), tmp_path / "out")
    assert record["status"] == "ok", record
    assert record["spacing_mm"] == [2, 2, 3]
    assert images.load(tmp_path / "out" / "ct.nii.gz").affine[2, 3] == pytest.approx(-50)


def test_which_matrix_is_used_is_told(ct, tmp_path, body):
    for form in ("sform", "qform"):
        forms = {"sform": None, "qform": None} | {form: AFFINE}
        record = ct.convert(save(tmp_path / f"{form}.nii", body, **forms), tmp_path / form)
        assert record["checks"]["geometry_from"] == form
        assert record["spacing_mm"] == [2, 2, 3]
    moved = AFFINE.copy()
    moved[2, 3] += 0.4
    record = ct.convert(save(tmp_path / "p1.nii", body, AFFINE, moved), tmp_path / "out")
    assert record["checks"]["geometry_from"] == "sform"


def shifted_mm(mm):
    affine = AFFINE.copy()
    affine[0, 3] += mm
    return affine


def turned(degrees, axis=0):
    """AFFINE with the patient turned about an axis."""
    angle = np.radians(degrees)
    c, s = np.cos(angle), np.sin(angle)
    turn = np.eye(4)
    a, b = (i for i in range(3) if i != axis)
    turn[a, a], turn[a, b], turn[b, a], turn[b, b] = c, -s, s, c
    return turn @ AFFINE


def skewed_rows(affine):
    affine = affine.copy()
    affine[0, 1] = 0.2
    return affine


@pytest.mark.parametrize(
    ("sform", "options", "reason"),
    [
        (AFFINE, {"qform": shifted_mm(0.6)}, Reason.NO_GEOMETRY),
        (AFFINE, {"qform": turned(5)}, Reason.NO_GEOMETRY),
        (AFFINE, {"unit": "meter"}, Reason.NO_GEOMETRY),
        (AFFINE, {"unit": "micron"}, Reason.NO_GEOMETRY),
        (skewed_rows(AFFINE), {}, Reason.NO_GEOMETRY),
        (turned(44), {}, Reason.NOT_AXIAL),
        (AFFINE @ np.diag([0.5, 4, 0.3, 1]), {}, Reason.NOT_AXIAL),
        (AFFINE, {"dim": [3, 32000, 32000, 32000, 1, 1, 1, 1]}, Reason.NOT_A_VOLUME),
    ],
)
def test_headers_that_are_refused(tmp_path, body, sform, options, reason):
    path = save(tmp_path / "p1.nii", body, sform, **options)
    if "dim" in options:
        content = bytearray(path.read_bytes())
        content[40:56] = np.array(options["dim"], "<i2").tobytes()
        path.write_bytes(content)
    *nothing, defect = nifti.read_geometry(path)
    assert nothing == [None, None, None]
    assert defect[0] is reason


@pytest.mark.parametrize("flip", [(-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1)])
def test_handedness_and_storage_order_do_not_matter(ct, tmp_path, body, flip):
    """A left-handed volume, and one stored as coronal slices, are the same body."""
    sizes = np.array(body.shape)
    affine = AFFINE @ nib.orientations.inv_ornt_aff(
        [[0, flip[0]], [1, flip[1]], [2, flip[2]]], body.shape
    )
    data = body[tuple(slice(None, None, f) for f in flip)]
    order = (0, 2, 1)
    stored = save(tmp_path / "p1.nii", data.transpose(order), affine[:, [*order, 3]])
    got = ct.convert_first(stored)
    assert got.volume.data.shape == tuple(sizes)
    assert np.array_equal(got.volume.data, body[::-1, ::-1])


def test_oblique_volume_keeps_its_angle(ct, tmp_path, body):
    got = ct.convert_first(save(tmp_path / "p1.nii", body, turned(15)))
    assert np.allclose(
        np.abs(got.volume.affine[:3, 2] / 3),
        [0, *np.abs([np.sin(np.radians(15)), np.cos(np.radians(15))])],
        atol=1e-6,
    )


def test_shifted_slices_are_straightened(ct, tmp_path, body):
    """What a converter leaves that keeps a gantry's tilt in the matrix."""
    got = ct.convert_first(save(tmp_path / "p1.nii", body, sheared(AFFINE), AFFINE))
    assert got.checks["resampled"] == "tilt of 11.3 degrees"
    axes = got.volume.affine[:3, :3] / got.volume.spacing_mm
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-6)
    assert got.volume.data.shape[1] == body.shape[1] + int(np.ceil(0.6 * 19 / 2))
    # The bone's corner voxel of slice 3, found through the sheared matrix.
    world = sheared(AFFINE) @ [13, 11, 3, 1]
    index = np.linalg.solve(got.volume.affine, world)[:3]
    assert got.volume.data[tuple(np.rint(index).astype(int))] == ct.BONE_HU + 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: (d.astype(np.int64) & 0xFFFF).astype(np.uint16), Reason.NOT_HU),
        (lambda d: (d + 1024).astype(np.uint16), Reason.NOT_HU),
        (lambda d: (d.astype(np.int32) + 1024).astype(np.float32), Reason.NOT_HU),
        (lambda d: d.astype(np.complex64), Reason.NOT_A_VOLUME),
        (lambda d: np.full_like(d, np.nan, np.float32), Reason.NOT_HU),
    ],
)
def test_values_that_are_refused(ct, tmp_path, body, change, reason):
    path = save(tmp_path / "p1.nii", change(body), AFFINE)
    with pytest.raises(Excluded) as caught:
        ct.convert_first(path)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("slope", "inter", "kind"),
    [(1, -1024, np.uint16), (0.25, -1024, np.uint16), (np.nan, np.nan, np.int16)],
)
def test_scaling_of_the_header(ct, tmp_path, body, slope, inter, kind):
    known = np.isfinite(slope)
    stored = ((body - inter) / slope if known else body).astype(kind)
    path = save(tmp_path / "p1.nii", stored, AFFINE)
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([slope, inter], "<f4").tobytes()
    path.write_bytes(content)
    got = ct.convert_first(path)
    assert got.volume.data.dtype == np.int16
    assert np.array_equal(got.volume.data, body[::-1, ::-1])


def test_one_value_above_all_is_padding(ct, tmp_path, body):
    data = body.astype(np.int32)
    data[0] = 63536
    got = ct.convert_first(save(tmp_path / "p1.nii", data, AFFINE))
    assert np.all(got.volume.data[-1] == -1024)


def test_nifti_2_and_a_fourth_axis_of_one(ct, tmp_path, body):
    image = nib.Nifti2Image(body[..., None], AFFINE)
    nib.save(image, tmp_path / "p1.nii.gz")
    got = ct.convert_first(tmp_path / "p1.nii.gz")
    assert np.array_equal(got.volume.data, body[::-1, ::-1])


def sheared(affine):
    affine = affine.copy()
    affine[1, 2] = 0.6
    return affine


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: (np.stack([d, d], axis=-1), AFFINE), Reason.NOT_A_VOLUME),
        (lambda d: (d[..., 0], AFFINE), Reason.NOT_A_VOLUME),
        (lambda d: (d, AFFINE, 0), Reason.NO_GEOMETRY),
        (lambda d: (d, np.diag([0.001, 0.001, 0.001, 1])), Reason.NO_GEOMETRY),
        (lambda d: (d[..., :5], AFFINE), Reason.TOO_FEW_SLICES),
        (lambda d: (d, AFFINE @ np.diag([1, 1, 3, 1])), Reason.TOO_THICK),
        (lambda d: ((d + 1024) // 8, AFFINE), Reason.NOT_HU),
    ],
)
def test_defects(ct, tmp_path, body, change, reason):
    path = tmp_path / "p1.nii.gz"
    data, *rest = change(body)
    image = nib.Nifti1Image(data, None)
    image.header.set_zooms([2.0, 2.0, 3.0, 1.0][: data.ndim])
    if len(rest) == 1:
        image.set_sform(rest[0], 1)
    nib.save(image, path)
    record = ct.convert(path, tmp_path / "out")
    assert (record["status"], record["reason"]) == ("excluded", reason)
    assert (tmp_path / "out" / "ct.nii.gz").read_bytes() == b""


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.5])
def test_damaged_file(ct, tmp_path, body, keep):
    path = write(tmp_path / "p1.nii.gz", body)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    record = ct.convert(path, tmp_path / "out")
    assert record["status"] == "excluded"
    assert record["reason"] in (Reason.NOT_A_VOLUME, Reason.CORRUPT_PIXELS)


def test_several_files_are_ambiguous(ct, tmp_path, body):
    write(tmp_path / "in" / "a.nii.gz", body)
    write(tmp_path / "in" / "b.nii.gz", body)
    record = ct.convert(tmp_path / "in", tmp_path / "out")
    assert record["reason"] == Reason.AMBIGUOUS_INPUT


def test_name_of_the_file_is_not_written(tmp_path, body):
    path = write(tmp_path / "in" / "Doe_Jane_1950.nii.gz", body)
    index = index_source(path.parent)
    write_series(index, select_series(index, Settings()), tmp_path / "series.tsv")
    convert_participant("p1", path.parent, tmp_path / "series.tsv", tmp_path / "ct.nii.gz")
    assert "Doe" not in (tmp_path / "series.tsv").read_text()
    assert b"Doe" not in nib.load(tmp_path / "ct.nii.gz").header.binaryblock
