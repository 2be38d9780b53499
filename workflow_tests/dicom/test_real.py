"""Real scans: two that convert, three that come as NIfTI, and a zoo that must not crash."""

import re

import nibabel as nib
import numpy as np
import pydicom
import pytest

from bonecast import images
from bonecast.dicom.select import Settings, select_series, series_id
from bonecast.dicom.table import write_series
from bonecast.reasons import Reason

LENIENT = Settings(min_slices=1, min_coverage_mm=0, resample={})
"""Limits so low that the short series of test files get as far as they can; none resampled."""


def test_ge_series_with_padding(ct, shared_data, tmp_path):
    source = shared_data / "dicom" / "CRLM-CT-1004"
    record = ct.convert(source, tmp_path)
    assert record["status"] == "ok", record
    assert record["shape"] == [512, 512, 41]
    assert record["spacing_mm"] == pytest.approx([0.796875, 0.796875, 5], abs=1e-4)
    facts = record["acquisition"]
    assert (facts["manufacturer"], facts["model"], facts["kernel"]) == (
        *("GE", "LightSpeed16", "STANDARD"),
    )
    assert facts["contrast_header"] is True
    assert record["checks"]["padding_voxels"] > 0
    volume = images.load(tmp_path / "ct.nii.gz")
    assert volume.data.min() == -1024
    # One file by hand: its first stored row runs from the patient's right to left, at the front.
    dataset = pydicom.dcmread(next(source.iterdir()))
    x, y, z = dataset.ImagePositionPatient
    index = np.linalg.solve(volume.affine, [-x, -y, z, 1])[:3]
    i, j, k = np.rint(index).astype(int)
    stored = dataset.pixel_array.astype(int) + int(dataset.RescaleIntercept)
    assert np.array_equal(volume.data[i::-1, j, k], np.maximum(stored[0], -1024))
    assert np.array_equal(volume.data[i, j::-1, k], np.maximum(stored[:, 0], -1024))


def test_siemens_jpeg_2000_lies_on_the_grid_of_its_mask(ct, shared_data, tmp_path):
    record = ct.convert(shared_data / "dicom" / "siemens_j2k_20slices", tmp_path)
    assert record["status"] == "ok", record
    assert record["checks"]["uncompressed_first"] is True
    volume = images.load(tmp_path / "ct.nii.gz")
    mask = images.load(shared_data / "dicom" / "siemens_j2k_20slices.seg.nii.gz")
    assert volume.data.shape == mask.data.shape
    assert np.allclose(volume.affine, mask.affine, atol=0.01)


@pytest.mark.parametrize("name", ["verse014", "totalseg_lumbar", "totalseg_abdomen_30slices"])
def test_nifti(ct, shared_data, tmp_path, name):
    source = shared_data / "ct" / name / "ct.nii.gz"
    record = ct.convert(source, tmp_path)
    assert record["status"] == "ok", record
    volume = images.load(tmp_path / "ct.nii.gz")
    original = nib.as_closest_canonical(nib.load(source))
    assert np.allclose(volume.affine, original.affine, atol=1e-4)
    expected = np.clip(np.rint(original.get_fdata()), -1024, None)
    assert np.array_equal(volume.data, expected)


def test_a_named_series_of_a_real_folder_is_converted(ct, shared_data, tmp_path):
    """Two examinations; one says no patient, so that they are not told apart."""
    source, table = tmp_path / "in", tmp_path / "series.tsv"
    for name in ("CRLM-CT-1004", "siemens_j2k_20slices"):
        (source / name).mkdir(parents=True)
        for path in (shared_data / "dicom" / name).iterdir():
            (source / name / path.name).symlink_to(path)
    best = Settings(study="best")
    index, decisions = ct.decide(source, best)
    lost = next(n for n, one in enumerate(decisions) if not one.chosen)
    assert decisions[lost].reason is Reason.NOT_PREFERRED
    assert re.search(r"longer coverage \([+-]14\.1\)", decisions[lost].detail)
    write_series(index, select_series(index, best, series_id(lost)), table)
    record = ct.convert_table(source, table, tmp_path / "out")
    assert (record["status"], record["series"]) == ("ok", series_id(lost))
    assert record["shape"][2] == index.series[lost].slices


EXPECTED = {
    "dicom2nifti/tests/data/failing/gantrytilting/001": Reason.GANTRY_TILT,
    "dicom2nifti/tests/data/failing/sliceincrement/001": Reason.UNEVEN_SLICES,
    "dicom2nifti/tests/data/failing/sliceincrement/002": Reason.UNEVEN_SLICES,
    "dicom2nifti/tests/data/failing/notavolume/001": Reason.DUPLICATE_SLICES,
    "dcmqi/data/segmentations/23x38x3/multiframe": Reason.NOT_HU,
    "dcmqi/data/segmentations/23x38x3/seg": Reason.NO_AXIAL_CT,
    "dcmqi/data/segmentations/ct-3slice": None,
    "dicom-test-files/data/WG04/J2KR": None,
    "dicom-test-files/data/WG04/JLSL": None,
    "dicom-test-files/data/WG04/JPLL": None,
    "dicom-test-files/data/WG04/RLE": None,
    "dicom-test-files/data/WG04/JPLY": Reason.NO_AXIAL_CT,
    "pydicom/src/pydicom/data/test_files/dicomdirtests/77654033/CT2": Reason.UNEVEN_SLICES,
    "pydicom/src/pydicom/data/test_files/dicomdirtests/98892001/CT2N": Reason.NO_AXIAL_CT,
    "pydicom/src/pydicom/data/test_files": Reason.MIXED_PATIENTS,
    "torchio/tests/image_data/dicom": Reason.NOT_HU,
}
"""Decisions on folders of odd files under LENIENT; None: converted."""


def test_every_odd_folder_gets_a_decision_and_a_reason(ct, shared_data, tmp_path):
    root = shared_data / "dicom" / "odd"
    folders = sorted({path.parent for path in root.rglob("*") if path.is_file()})
    assert len(folders) > 20
    found = {}
    for number, folder in enumerate([*folders, root]):
        for decision in ct.decide(folder)[1]:
            assert decision.chosen == (decision.reason is None)
            assert decision.detail
        record = ct.convert(folder, tmp_path / str(number), LENIENT)
        found[folder.relative_to(root).as_posix()] = record["reason"] or None
        assert (record["status"] == "ok") == (not record["reason"])
    assert {folder: found[folder] for folder in EXPECTED} == EXPECTED


def test_same_image_in_four_codings_is_the_same(ct, shared_data, tmp_path):
    """The NEMA test image, lossless in JPEG 2000, JPEG-LS, JPEG and RLE."""
    root = shared_data / "dicom" / "odd" / "dicom-test-files" / "data" / "WG04"
    volumes = []
    for coding in ("J2KR", "JLSL", "JPLL", "RLE"):
        record = ct.convert(root / coding, tmp_path / coding, LENIENT)
        assert record["status"] == "ok", record
        volumes.append(images.load(tmp_path / coding / "ct.nii.gz").data)
    assert all(np.array_equal(volumes[0], volume) for volume in volumes[1:])
