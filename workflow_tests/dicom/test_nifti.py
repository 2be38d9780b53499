"""CT that comes as NIfTI."""

import nibabel as nib
import numpy as np
import pytest

from bonecast import images
from bonecast.dicom.convert import convert_participant
from bonecast.dicom.index import index_source
from bonecast.dicom.select import Settings, select_series
from bonecast.dicom.table import write_series
from bonecast.reasons import Reason

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
        (lambda d: (d, sheared(AFFINE)), Reason.GANTRY_TILT),
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
