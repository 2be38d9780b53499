"""Separating and naming vertebrae, on drawn tissue classes."""

import numpy as np
import pytest

from bonecast.images import Volume
from bonecast.levels import VERSE_CODES
from bonecast.phantom.anatomy import Deformity, draw_torso
from bonecast.phantom.torso import Scanner, image_torso
from bonecast.phantom.training import CLASSES, network_classes
from bonecast.reasons import Excluded, Reason
from bonecast.segment.instances import (
    check_spine,
    find_vertebrae,
    name_levels,
    separate_bodies,
)

NAMES = dict(enumerate(CLASSES))


def draw(top, bottom_mm, deformities=None, seed=1):
    """Tissue classes of a phantom from a level down to a height above the sacrum, and truth."""
    rng = np.random.default_rng(seed)
    torso = draw_torso(rng, trabecular_hu=120, deformities=deformities, scale=1.0)
    high = torso.vertebra(top).centre[2] + torso.vertebra(top).posterior_height_mm * 0.7
    scanner = Scanner(
        shape=(90, 90, int((high - bottom_mm) / 2)),
        spacing_mm=(2.0, 2.0, 2.0),
        centre_mm=(0, 10, (high + bottom_mm) / 2),
        noise_hu=0,
        blur_mm=0.3,
    )
    ct, label = image_torso(torso, scanner, rng)
    truth = np.where((label >= 8) & (label <= 24), label, 0)
    return ct.like(network_classes(label)), truth, torso


def named_right(found, truth):
    """Whether each body lies on the true one of its name."""
    for code in np.unique(found)[1:]:
        if np.argmax(np.bincount(truth[found == code])[1:]) + 1 != code:
            return False
    return True


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_levels_counted_from_the_sacrum(seed):
    classes, truth, _ = draw("T10", -50.0, seed=seed)
    found = find_vertebrae(classes, NAMES)
    assert named_right(found.bodies, truth)
    assert {VERSE_CODES[x] for x in ("T11", "T12", "L1", "L5")} <= set(np.unique(found.bodies))
    assert VERSE_CODES["S1"] in found.whole
    assert not found.flags


def test_levels_counted_from_the_lowest_rib():
    _, _, torso = draw("T8", 0.0)
    classes, truth, _ = draw("T8", float(torso.vertebra("L3").centre[2]) - 25)
    assert SACRUM_INDEX not in np.unique(classes.data)
    found = find_vertebrae(classes, NAMES)
    assert named_right(found.bodies, truth)
    assert {VERSE_CODES[x] for x in ("T9", "T12", "L1", "L2")} <= set(np.unique(found.bodies))


SACRUM_INDEX = CLASSES.index("sacrum")


def test_no_anchor_in_view_is_not_guessed():
    classes, _, torso = draw("L1", 0.0)
    low = float(torso.vertebra("L4").centre[2]) - 25
    classes, _, _ = draw("L1", low)
    classes = Volume(
        np.where(classes.data == CLASSES.index("rib"), 0, classes.data), classes.affine
    )
    with pytest.raises(Excluded) as excluded:
        find_vertebrae(classes, NAMES)
    assert excluded.value.reason == Reason.LEVELS_NOT_ANCHORED


def test_empty_scan_is_no_vertebra():
    empty = Volume(np.zeros((20, 20, 20), np.uint8), np.eye(4))
    with pytest.raises(Excluded) as excluded:
        find_vertebrae(empty, NAMES)
    assert excluded.value.reason == Reason.NO_VERTEBRA


@pytest.mark.parametrize("kind", ["wedge", "biconcave", "crush"])
def test_a_severe_fracture_stays_one_body(kind):
    classes, truth, _ = draw("T11", -50.0, {"L2": Deformity(kind, 3, 0.5)})
    found = find_vertebrae(classes, NAMES)
    assert named_right(found.bodies, truth)
    l2 = VERSE_CODES["L2"]
    dice = (
        2
        * np.sum((found.bodies == l2) & (truth == l2))
        / (np.sum(found.bodies == l2) + np.sum(truth == l2))
    )
    assert dice > 0.95


def test_fractured_neighbours_stay_two_bodies():
    broken = {"T10": Deformity("crush", 3, 0.5), "T11": Deformity("wedge", 3, 0.5)}
    classes, truth, _ = draw("T9", -50.0, broken)
    assert named_right(find_vertebrae(classes, NAMES).bodies, truth)


def test_touching_bodies_are_separated():
    # Two 24 mm bodies joined by a bridge as narrow as an osteophyte.
    bone = np.zeros((40, 40, 60), bool)
    bone[8:32, 8:32, 4:26] = True
    bone[8:32, 8:32, 32:54] = True
    bone[8:13, 8:32, 26:32] = True
    labels = separate_bodies(bone, np.ones(3))
    assert len(np.unique(labels)) == 3
    assert labels[20, 20, 10] != labels[20, 20, 45]


def centres(n, step=35.0, missing=()):
    z = np.array([-i * step for i in range(n + len(missing)) if i not in missing])
    return np.stack([0 * z, 0 * z, z], axis=1)


def test_a_missing_vertebra_is_counted_and_flagged():
    levels, flags = name_levels(
        centres(5, missing=(2,)),
        sacrum_top_mm=np.array([0, 0, -5 * 35 - 25]),
        bears_ribs=[False] * 5,
        lowest_is_cut=False,
    )
    assert levels == ["T12", "L1", "L3", "L4", "L5"]
    assert "missing" in flags[0]


def test_six_lumbar_vertebrae_are_flagged():
    levels, flags = name_levels(
        centres(8),
        sacrum_top_mm=np.array([0, 0, -7 * 35 - 25]),
        bears_ribs=[True, True, False, False, False, False, False, False],
        lowest_is_cut=False,
    )
    assert levels[-1] == "L5"
    assert "expected 5" in flags[0]


def test_ribs_without_the_vertebra_below_do_not_anchor():
    with pytest.raises(Excluded):
        name_levels(centres(4), sacrum_top_mm=None, bears_ribs=[True] * 4, lowest_is_cut=False)


@pytest.mark.parametrize(
    ("centres_mm", "volumes_mm3"),
    [
        ([[0, 0, 0], [0, 60, -30], [0, 0, -60]], [2e4, 2e4, 2e4]),
        ([[0, 0, 0], [0, 0, -30], [0, 0, -60]], [2e4, 2e3, 2e4]),
        ([[0, 0, 0], [0, 0, -6], [0, 0, -40]], [2e4, 2e4, 2e4]),
    ],
    ids=["zigzag", "sliver", "too_near"],
)
def test_what_does_not_line_up_as_a_spine_is_refused(centres_mm, volumes_mm3):
    with pytest.raises(Excluded) as excluded:
        check_spine(np.array(centres_mm, float), np.array(volumes_mm3), cut=[])
    assert excluded.value.reason == Reason.IMPLAUSIBLE_SPINE


def test_a_collapsed_and_a_cut_vertebra_are_still_a_spine():
    line = np.array([[0, 5 * i, -30 * i] for i in range(4)], float)
    check_spine(line, np.array([2e3, 2e4, 1e4, 2.4e4]), cut=[0])
