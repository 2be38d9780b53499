"""A mask corrected by hand: read as editors save it, refused with a reason, bodies completed."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from bonecast.images import Volume, load, save
from bonecast.levels import VERSE_CODES
from bonecast.reasons import Excluded, Reason
from bonecast.segment.bodies import split_bodies
from bonecast.segment.corrections import apply_correction, read_correction
from bonecast.segment.label import Labelled

L1, L2, L3, L4 = (VERSE_CODES[name] for name in ("L1", "L2", "L3", "L4"))


def vertebra(mask, z, code):
    """A body of 40 x 30 x 21 mm, a ring around a canal behind it and a spinous process."""
    mask[20:60, 50:80, z : z + 21] = code
    mask[25:55, 25:50, z + 4 : z + 16] = code
    mask[32:48, 32:50, z + 4 : z + 16] = 0
    mask[37:43, 5:25, z + 4 : z + 12] = code


@pytest.fixture(scope="module")
def ct() -> Volume:
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = (-40.5, -55.0, -300.25)
    return Volume(np.zeros((80, 90, 110), np.int16), affine)


@pytest.fixture(scope="module")
def backend(ct) -> Labelled:
    """L3 to L1; bodies a voxel smaller than those that are split, to tell them apart."""
    whole = np.zeros(ct.data.shape, np.uint8)
    for z, code in ((5, L3), (35, L2), (65, L1)):
        vertebra(whole, z, code)
    bodies = np.zeros_like(whole)
    bodies[21:59, 51:79] = whole[21:59, 51:79]
    return Labelled(ct.like(whole), ct.like(bodies), {"backend": "nnunet", "seconds": 2.0})


def saved(tmp_path, ct, mask, name="p1.nii.gz"):
    path = tmp_path / name
    save(ct.like(mask), path)
    return path


def test_a_vertebra_that_was_changed_gets_a_new_body_others_keep_theirs(tmp_path, ct, backend):
    edited = backend.whole.data.copy()
    edited[20:60, 80:84, 35:56] = L2
    found = apply_correction(ct, saved(tmp_path, ct, edited), None, backend)
    assert np.array_equal(found.whole.data, edited)
    for code in (L1, L3):
        assert np.array_equal(found.bodies.data == code, backend.bodies.data == code)
    split = split_bodies(ct.like(edited))
    assert np.array_equal(found.bodies.data == L2, split == L2)
    assert (found.bodies.data[20:60, 80:84, 36:55] == L2).mean() > 0.8
    assert found.provenance["correction"] == {
        "edited": ["L2"],
        "added": [],
        "removed": [],
        "renamed": {},
    }
    assert found.provenance["backend"] == "nnunet"


def test_a_vertebra_that_was_renamed_keeps_its_body_under_the_new_name(tmp_path, ct, backend):
    table = np.arange(256, dtype=np.uint8)
    table[[L1, L2, L3]] = L2, L3, L4
    found = apply_correction(ct, saved(tmp_path, ct, table[backend.whole.data]), None, backend)
    assert np.array_equal(found.bodies.data, table[backend.bodies.data])
    changes = found.provenance["correction"]
    assert changes["renamed"] == {"L1": "L2", "L2": "L3", "L3": "L4"}
    assert changes["edited"] == changes["added"] == changes["removed"] == []


def test_bodies_of_the_person_are_taken_and_belong_to_their_vertebrae(tmp_path, ct, backend):
    bodies = np.zeros(ct.data.shape, np.uint8)
    bodies[15:50, 50:80, 35:56] = L2
    path = saved(tmp_path, ct, bodies, "p1_bodies.nii.gz")
    found = apply_correction(ct, None, path, backend)
    assert np.array_equal(found.bodies.data, bodies)
    assert (found.whole.data[bodies > 0] == L2).all()
    assert found.provenance["bodies"] == "corrected by hand"
    outside = np.where(bodies > 0, VERSE_CODES["L5"], 0).astype(np.uint8)
    path = saved(tmp_path, ct, outside, "p1_bodies.nii.gz")
    with pytest.raises(Excluded, match="L5 has a body, but is not among the vertebrae"):
        apply_correction(ct, None, path, backend)


def test_a_correction_rescues_what_the_backend_left_out(tmp_path, ct, backend):
    found = apply_correction(ct, saved(tmp_path, ct, backend.whole.data), None, None)
    assert found.provenance["correction"]["added"] == ["L1", "L2", "L3"]
    assert found.provenance["backend"] == "corrections"
    for code in (L1, L2, L3):
        a, b = found.bodies.data == code, backend.bodies.data == code
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.85


def test_a_correction_without_change_changes_nothing(tmp_path, ct, backend):
    found = apply_correction(ct, saved(tmp_path, ct, backend.whole.data), None, backend)
    assert np.array_equal(found.whole.data, backend.whole.data)
    assert np.array_equal(found.bodies.data, backend.bodies.data)


def _itk(ct, data) -> sitk.Image:
    """An array [x, y, z] in RAS+ as SimpleITK holds it."""
    image = sitk.GetImageFromArray(data.transpose(2, 1, 0))
    image.SetSpacing(ct.spacing_mm)
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    image.SetOrigin((-ct.affine[0, 3], -ct.affine[1, 3], ct.affine[2, 3]))
    return image


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "LIP", "PIR", "SAL"])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd"])
def test_any_order_of_axes_and_any_type_of_number_is_read(
    tmp_path, ct, backend, orientation, suffix
):
    image = sitk.DICOMOrient(_itk(ct, backend.whole.data), orientation)
    path = tmp_path / f"p1{suffix}"
    sitk.WriteImage(sitk.Cast(image, sitk.sitkFloat32), str(path))
    assert np.array_equal(read_correction(path, ct), backend.whole.data)


def test_slicers_segments_are_read_by_name_from_a_part_of_the_grid(tmp_path, ct, backend):
    whole = backend.whole.data
    values = np.zeros_like(whole)
    for value, code in ((1, L3), (2, L1), (3, L2)):
        values[whole == code] = value
    part = np.argwhere(values).min(axis=0), np.argwhere(values).max(axis=0) + 1
    image = _itk(ct, values)
    image = image[tuple(slice(int(a), int(b)) for a, b in zip(*part, strict=True))]
    for i, (value, name) in enumerate(((1, "L3"), (2, "L1"), (3, "L2"))):
        image.SetMetaData(f"Segment{i}_LabelValue", str(value))
        image.SetMetaData(f"Segment{i}_Name", name)
    sitk.WriteImage(image, str(tmp_path / "p1.seg.nrrd"))
    assert np.array_equal(read_correction(tmp_path / "p1.seg.nrrd", ct), whole)


def test_segments_of_unknown_name_are_refused(tmp_path, ct, backend):
    image = _itk(ct, (backend.whole.data == L1).astype(np.uint8))
    image.SetMetaData("Segment0_LabelValue", "1")
    image.SetMetaData("Segment0_Name", "Segment_1")
    sitk.WriteImage(image, str(tmp_path / "p1.seg.nrrd"))
    with pytest.raises(Excluded, match="holds 1, no code of a vertebra"):
        read_correction(tmp_path / "p1.seg.nrrd", ct)


def renumbered(mask):
    """Labels from 1, as Slicer exports segments without a colour table."""
    return np.searchsorted(np.unique(mask), mask).astype(np.uint8)


def _moved(ct, mm):
    affine = ct.affine.copy()
    affine[0, 3] += mm
    return affine


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda ct, mask: Volume(mask * 0, ct.affine), "the mask holds no vertebra"),
        (lambda ct, mask: Volume(renumbered(mask), ct.affine), r"calls C1 \(1\) what .* L1 \(20\)"),
        (lambda ct, mask: Volume(mask.astype(np.int16) + 200, ct.affine), "no code of a vertebra"),
        (lambda ct, mask: Volume(mask.astype(np.float32) * 0.5, ct.affine), "holds fractions"),
        (lambda ct, mask: Volume(mask, _moved(ct, 0.4)), "0.4 mm off"),
        (lambda ct, mask: Volume(mask, ct.affine * [1, 1, 1.2, 1]), "1.20 mm"),
        (lambda ct, mask: Volume(mask, _moved(ct, 30.0)), "labels outside the scan"),
        (lambda ct, mask: Volume(np.where(mask > 0, 26, 0).astype(np.uint8), ct.affine), "no vert"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason(tmp_path, ct, backend, make, words):
    path = tmp_path / "p1.nii.gz"
    save(make(ct, backend.whole.data), path)
    with pytest.raises(Excluded, match=words) as excluded:
        apply_correction(ct, path, None, backend)
    assert excluded.value.reason == Reason.CORRECTION_UNUSABLE


def test_a_damaged_file_is_refused(tmp_path, ct, backend):
    path = saved(tmp_path, ct, backend.whole.data)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(Excluded, match="cannot be read"):
        apply_correction(ct, path, None, backend)


def test_bodies_alone_do_not_rescue(tmp_path, ct, backend):
    path = saved(tmp_path, ct, backend.bodies.data, "p1_bodies.nii.gz")
    with pytest.raises(Excluded, match="add the whole vertebrae"):
        apply_correction(ct, None, path, None)


def test_headers_that_differ_by_rounding_are_the_same_grid(tmp_path, ct, backend):
    path = saved(tmp_path, ct, backend.whole.data)
    image = nib.load(path)
    affine = image.affine.copy()
    affine[:3, 3] += 0.02
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), path)
    assert np.array_equal(read_correction(path, ct), load(path).data)
