"""Left and right by organs, and names by numbered ribs, on drawn organs and a real scan."""

import numpy as np
import pytest

from bonecast.images import Volume, load
from bonecast.level_states import LevelFlag, LevelState
from bonecast.levels import VERSE_CODES
from bonecast.phantom.torso import AORTA, RIB
from bonecast.segment.labelmaps import read_mapping, translate
from bonecast.segment.organs import check_sides, rib_levels
from bonecast.segment.review import review_levels
from bonecast.segment.sequence import find_places

from .conftest import draw_labels, masks_of

CODES = {"liver": 1, "aorta": 2, "inferior_vena_cava": 3, "heart": 4}
RIBS = {f"rib_{side}_{i}": n + i for side, n in (("left", 20), ("right", 40)) for i in (11, 12)}


@pytest.fixture(scope="module")
def labels():
    return draw_labels("T9", -40.0)


def organs(labels, *, liver=1, cava=1):
    """Aorta of the phantom, a liver and a vena cava on the given sides (1: right)."""
    tissue = np.where(labels.data == AORTA, CODES["aorta"], 0).astype(np.uint8)
    x = labels.affine[0, 3] + np.arange(tissue.shape[0]) * labels.spacing_mm[0]
    high = tissue.shape[2] // 2
    if liver:
        tissue[(x * liver > 40) & (x * liver < 80), 55:, high:] = CODES["liver"]
    if cava:
        where = np.argwhere(tissue == CODES["aorta"])
        moved = where + [int(cava * 26 / labels.spacing_mm[0]), 0, 0]
        tissue[tuple(moved.T)] = CODES["inferior_vena_cava"]
    return labels.like(tissue)


@pytest.mark.parametrize(
    ("sides", "answer"),
    [
        ({}, "as_expected"),
        ({"liver": 0}, "as_expected"),
        ({"liver": -1, "cava": 0}, "swapped"),
        ({"liver": -1, "cava": -1}, "swapped"),
        ({"liver": -1}, "unclear"),
        ({"liver": 0, "cava": 0}, "not_checked"),
    ],
)
def test_organs_tell_left_from_right(labels, sides, answer):
    places = find_places(*masks_of(labels))
    assert check_sides(places, organs(labels, **sides), CODES) == answer


def test_bones_alone_do_not(labels):
    assert check_sides(find_places(*masks_of(labels)), None, CODES) == "not_checked"


def test_a_mirrored_scan_is_flagged(labels):
    whole, bodies = masks_of(labels)
    mirrored = [v.like(v.data[::-1].copy()) for v in (whole, bodies, organs(labels))]
    right = review_levels(whole, bodies, tissue=organs(labels), tissue_codes=CODES)
    wrong = review_levels(*mirrored[:2], tissue=mirrored[2], tissue_codes=CODES)
    assert right.left_right == "as_expected" and LevelFlag.SIDES_SWAPPED not in right.scan_flags
    assert wrong.left_right == "swapped" and LevelFlag.SIDES_SWAPPED in wrong.scan_flags
    assert LevelFlag.SIDES_SWAPPED.sentence in wrong.words()


def numbered_ribs(labels, offset=0):
    """The phantom's ribs beside T11 and T12 with their numbers, or with others."""
    places = {place.level: place.centre_mm for place in find_places(*masks_of(labels))}
    tissue = np.zeros(labels.data.shape, np.uint8)
    voxels = np.argwhere(labels.data == RIB)
    points = voxels @ labels.affine[:3, :3].T + labels.affine[:3, 3]
    for number in (11, 12):
        near = np.abs(points[:, 2] - places[f"T{number + offset}"][2]) < 14
        for side, sign in (("left", -1), ("right", 1)):
            chosen = voxels[near & (points[:, 0] * sign > 0)]
            tissue[tuple(chosen.T)] = RIBS[f"rib_{side}_{number}"]
    return labels.like(tissue)


def test_numbered_ribs_support_or_contradict_the_names(labels):
    whole, bodies = masks_of(labels)
    places = find_places(whole, bodies)
    assert rib_levels(places, numbered_ribs(labels), RIBS) == {11: "T11", 12: "T12"}
    agreed = review_levels(whole, bodies, tissue=numbered_ribs(labels), tissue_codes=RIBS)
    assert agreed.confidence["L1"] == 0.99 and not agreed.ambiguous
    other = review_levels(whole, bodies, tissue=numbered_ribs(labels, -1), tissue_codes=RIBS)
    assert LevelFlag.RIB_MISMATCH in other.flags["T11"]
    assert other.ambiguous and max(other.confidence.values()) <= 0.4


def test_a_real_abdomen_is_the_right_way_round(shared_data):
    mask = load(shared_data / "ct/totalseg_abdomen_30slices/total_labels.nii.gz")
    whole = mask.like(translate(mask.data, read_mapping("totalsegmentator")))
    codes = {"liver": 5, "aorta": 52, "inferior_vena_cava": 63, "heart": 51}
    tissue = mask.like(mask.data.astype(np.uint8))
    review = review_levels(whole, whole, tissue=tissue, tissue_codes=codes)
    assert review.left_right == "as_expected"
    flip = [Volume(v.data[::-1].copy(), v.affine) for v in (whole, tissue)]
    turned = review_levels(flip[0], flip[0], tissue=flip[1], tissue_codes=codes)
    assert turned.left_right == "swapped"
    assert turned.state is LevelState.NAMED_BY_MASK and VERSE_CODES["L1"] in flip[0].data
