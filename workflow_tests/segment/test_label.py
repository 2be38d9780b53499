"""Masks of the user: translated, checked, completed."""

import json

import numpy as np
import pytest

from bonecast.images import Volume, save
from bonecast.levels import VERSE_CODES
from bonecast.reasons import Excluded, Reason
from bonecast.segment.label import Labelled, check_grid, label_from_mask, reviewed


def volume(data, shift=0.0):
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[0, 3] = shift
    return Volume(np.asarray(data), affine)


@pytest.fixture
def ct():
    return volume(np.zeros((20, 20, 10), np.int16))


def test_supplied_bodies_use_the_peers_own_numbering(tmp_path, ct):
    whole, bodies = np.zeros(ct.data.shape, np.uint8), np.zeros(ct.data.shape, np.uint8)
    whole[5:15, 2:15, 3:7] = 31  # L1 among TotalSegmentator's whole vertebrae
    bodies[5:15, 8:15, 3:7] = 20  # L1 among its bodies
    save(ct.like(whole), tmp_path / "whole.nii.gz")
    save(ct.like(bodies), tmp_path / "bodies.nii.gz")
    found = label_from_mask(
        ct, tmp_path / "whole.nii.gz", tmp_path / "bodies.nii.gz", "totalsegmentator"
    )
    l1 = VERSE_CODES["L1"]
    assert np.array_equal(found.whole.data == l1, whole > 0)
    assert np.array_equal(found.bodies.data == l1, bodies > 0)
    assert found.provenance["bodies"] == "supplied"


def test_no_mask_is_a_reason(ct):
    with pytest.raises(Excluded) as excluded:
        label_from_mask(ct, None, None, "verse")
    assert excluded.value.reason == Reason.NO_MASK


def test_an_empty_mask_is_a_reason(tmp_path, ct):
    save(ct.like(np.zeros(ct.data.shape, np.uint8)), tmp_path / "mask.nii.gz")
    with pytest.raises(Excluded) as excluded:
        label_from_mask(ct, tmp_path / "mask.nii.gz", None, "verse")
    assert excluded.value.reason == Reason.NO_VERTEBRA


@pytest.mark.parametrize(
    "mask",
    [volume(np.zeros((20, 20, 9), np.uint8)), volume(np.zeros((20, 20, 10), np.uint8), shift=1.0)],
)
def test_a_mask_on_another_grid_is_refused(ct, mask):
    with pytest.raises(Excluded) as excluded:
        check_grid(mask, ct, "the mask")
    assert excluded.value.reason == Reason.MASK_GRID_MISMATCH


def test_levels_report_what_the_border_cuts():
    bodies = np.zeros((10, 10, 12), np.uint8)
    bodies[3:7, 3:7, 0:4] = VERSE_CODES["L2"]
    bodies[3:7, 3:7, 6:10] = VERSE_CODES["L1"]
    levels = Labelled(volume(bodies), volume(bodies), {}).levels()
    assert list(levels) == ["L1", "L2"]
    assert levels["L2"]["touches_border"] and not levels["L1"]["touches_border"]
    assert levels["L1"]["n_body_voxels"] == 64


def test_a_users_own_list_is_recorded_by_name_without_its_folder(tmp_path, ct):
    mask = np.zeros(ct.data.shape, np.uint8)
    mask[5:15, 2:15, 3:7] = 7
    save(ct.like(mask), tmp_path / "mask.nii.gz")
    (tmp_path / "labels.yaml").write_text("7: L3\n")
    found = label_from_mask(ct, tmp_path / "mask.nii.gz", None, str(tmp_path / "labels.yaml"))
    assert (found.whole.data == VERSE_CODES["L3"]).sum() == (mask > 0).sum()
    assert found.provenance["mask_labels"] == "labels.yaml"


def test_a_shift_renames_masks_and_everything_said_of_them(tmp_path, ct):
    mask = np.zeros(ct.data.shape, np.uint8)
    mask[5:15, 2:15, 3:7] = VERSE_CODES["L1"]
    save(ct.like(mask), tmp_path / "mask.nii.gz")
    found = label_from_mask(ct, tmp_path / "mask.nii.gz", tmp_path / "mask.nii.gz", "verse")
    kept, moved = reviewed(found, None), reviewed(found, 1)
    assert kept.levels()["L1"]["level_confidence"] == 0.8
    assert moved.levels()["L2"]["level_confidence"] == 0.95
    assert moved.levels()["L2"]["flags"] == []
    for volume, other in ((moved.whole, found.whole), (moved.bodies, found.bodies)):
        assert np.array_equal(volume.data == VERSE_CODES["L2"], other.data == VERSE_CODES["L1"])
        assert VERSE_CODES["L1"] not in volume.data
    facts = moved.review.facts()
    assert facts["level_shift"] == 1 and facts["level_state"] == "named_by_mask"
    assert kept.review.facts()["level_shift"] is None
    assert json.loads(json.dumps(facts)) == facts
