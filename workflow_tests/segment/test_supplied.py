"""The user's own tissue masks, beside what the backend knows."""

import numpy as np
import pytest

from bonecast.images import Volume, save
from bonecast.reasons import Excluded, Reason
from bonecast.segment.label import Labelled
from bonecast.segment.supplied import with_supplied_tissue
from bonecast.segment.tissues import TISSUE_CODES, TISSUE_CONVENTIONS, Tissue

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


@pytest.fixture
def ct():
    return Volume(np.zeros((6, 4, 3), np.int16), AFFINE)


@pytest.fixture
def found(ct):
    """A vertebra at x = 0, and an aorta and muscle of the backend at x = 1 and 2."""
    whole, tissue = np.zeros((2, 6, 4, 3), np.uint8)
    whole[0], tissue[1], tissue[2] = 22, Tissue.AORTA, Tissue.SKELETAL_MUSCLE
    provenance = {"backend": "totalsegmentator"}
    return Labelled(ct.like(whole), ct.like(whole), provenance, tissue=ct.like(tissue))


@pytest.fixture
def mask(tmp_path):
    """A function that saves a line of labels along x as the user's mask."""

    def write(line, affine=AFFINE):
        data = np.broadcast_to(np.array(line)[:, None, None], (len(line), 4, 3))
        save(Volume(np.ascontiguousarray(data), affine), tmp_path / "mask.nii.gz")
        return tmp_path / "mask.nii.gz"

    return write


def line(labelled):
    return labelled.tissue.data[:, 0, 0].tolist()


def test_structures_that_are_named_are_the_users_and_others_the_backends(found, ct, mask):
    own = mask(np.array([3, 3, 0, 2, 3, 9], np.uint8))
    labelled = with_supplied_tissue(found, ct, own, "tissue_types")
    # Vertebra; aorta before muscle; the backend's muscle is gone; fat; muscle; no such label.
    aorta, fat, muscle = Tissue.AORTA, Tissue.TORSO_FAT, Tissue.SKELETAL_MUSCLE
    assert line(labelled) == [0, aorta, 0, fat, muscle, 0]
    assert labelled.provenance["tissue_labels"] == "tissue_types"
    assert labelled.provenance["tissue"] == {
        "2": "torso_fat",
        "4": "skeletal_muscle",
        "20": "aorta",
    }


def test_a_file_names_structures(found, ct, mask, tmp_path):
    found.tissue = None
    labels = tmp_path / "labels.yaml"
    labels.write_text("7: aorta\n300: iliopsoas_left\n")
    own = mask(np.array([7, 7, 300, 1, 0, 0], np.int16))
    labelled = with_supplied_tissue(found, ct, own, str(labels))
    assert line(labelled) == [0, Tissue.AORTA, Tissue.ILIOPSOAS_LEFT, 0, 0, 0]
    assert labelled.provenance["tissue_labels"] == "labels.yaml"


def test_a_structure_that_is_none_is_named(found, ct, mask, tmp_path):
    labels = tmp_path / "labels.yaml"
    labels.write_text("1: muscle\n")
    with pytest.raises(ValueError, match="no structure is called muscle. Known: subcutaneous_fat"):
        with_supplied_tissue(found, ct, mask(np.ones(6, np.uint8)), str(labels))


def test_another_grid_is_refused(found, ct, mask):
    moved = AFFINE.copy()
    moved[2, 3] = 5
    with pytest.raises(Excluded) as caught:
        with_supplied_tissue(found, ct, mask(np.ones(6, np.uint8), moved), "bonecast")
    assert caught.value.reason == Reason.MASK_GRID_MISMATCH


def test_numberings_are_totalsegmentators():
    class_map = pytest.importorskip("totalsegmentator.map_to_binary").class_map
    for task, name in (
        ("total", "totalsegmentator"),
        ("tissue_types",) * 2,
        ("tissue_4_types",) * 2,
    ):
        known = {value: word for value, word in class_map[task].items() if word in TISSUE_CODES}
        assert TISSUE_CONVENTIONS[name] == known
