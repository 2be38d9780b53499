"""Separating and naming vertebrae, on drawn tissue classes."""

import numpy as np
import pytest

from bonecast.images import Volume
from bonecast.level_states import LevelFlag, LevelState
from bonecast.levels import VERSE_CODES
from bonecast.phantom.anatomy import Deformity, draw_torso
from bonecast.phantom.torso import Scanner, image_torso
from bonecast.phantom.training import CLASSES, network_classes
from bonecast.reasons import Excluded, Reason
from bonecast.segment.instances import (
    MIN_CUT_SACRUM_MM3,
    MIN_SACRUM_MM3,
    find_vertebrae,
    separate_bodies,
)
from bonecast.segment.spine import beside_spine, find_line

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
    assert found.count.state is LevelState.NORMAL and not found.count.flags


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


def with_piece(classes, name, centre_mm, radius_mm):
    """Classes with a ball of another class drawn over them, given in mm from the first voxel."""
    grid = np.indices(classes.data.shape) * np.reshape(classes.spacing_mm, (3, 1, 1, 1))
    ball = ((grid - np.reshape(centre_mm, (3, 1, 1, 1))) ** 2).sum(axis=0) <= radius_mm**2
    return classes.like(np.where(ball, CLASSES.index(name), classes.data).astype(np.uint8))


def in_mm(classes, torso, level):
    """Centre of a vertebra in mm from the first voxel."""
    return torso.vertebra(level).centre - classes.affine[:3, 3]


def test_islands_beside_the_spine_are_dropped():
    classes, truth, torso = draw("T10", -50.0)
    wrong = classes
    for level, aside, radius in (("L2", 60, 14), ("T12", -70, 9), ("L5", 65, 16)):
        centre = in_mm(classes, torso, level) + [aside, 5, 12]
        wrong = with_piece(wrong, "vertebral_body", centre, radius)
    found = find_vertebrae(wrong, NAMES)
    assert named_right(found.bodies, truth)
    assert np.array_equal(found.bodies, find_vertebrae(classes, NAMES).bodies)
    assert LevelFlag.ISLANDS_DROPPED in found.count.flags


def test_many_islands_in_the_hips_do_not_outweigh_a_short_spine():
    classes, truth, torso = draw("L4", -90.0)
    wrong = classes
    for i, side in enumerate((-1, 1) * 4):
        centre = [side * 62, 10 * (i - 4), -12 - 18 * (i // 2)] - classes.affine[:3, 3]
        wrong = with_piece(wrong, "vertebral_body", centre, 15)
    bone = CLASSES.index("vertebral_body")
    assert (wrong.data == bone).sum() > 2.5 * (classes.data == bone).sum()
    found = find_vertebrae(wrong, NAMES)
    assert named_right(found.bodies, truth)
    assert np.array_equal(found.bodies, find_vertebrae(classes, NAMES).bodies)
    assert LevelFlag.ISLANDS_DROPPED in found.count.flags


def test_the_spine_above_a_missed_vertebra_is_not_beside_it():
    bone = np.zeros((30, 30, 80), bool)
    bone[10:20, 10:20, 5:40] = bone[10:20, 10:20, 60:75] = True
    island = np.zeros_like(bone)
    island[27:30, 1:4, 20:26] = True
    nothing = np.zeros_like(bone)
    beside = beside_spine(bone | island, nothing, nothing, np.array([2.0, 2.0, 1.0]))
    assert beside[island].all() and not beside[bone].any()


def test_a_piece_inside_the_sacrum_is_not_counted():
    classes, truth, torso = draw("T10", -70.0)
    centre = -classes.affine[:3, 3] - 28 * torso.sacrum_up - 3 * torso.sacrum_anterior
    found = find_vertebrae(with_piece(classes, "vertebral_body", centre, 10), NAMES)
    assert named_right(found.bodies, truth)
    assert LevelFlag.SACRUM_AS_BODY in found.count.flags
    assert found.count.state is LevelState.NORMAL


def test_a_hole_in_a_body_is_filled():
    classes, truth, torso = draw("T11", -50.0)
    found = find_vertebrae(with_piece(classes, "background", in_mm(classes, torso, "L3"), 7), NAMES)
    l3 = VERSE_CODES["L3"]
    assert np.array_equal(found.bodies == l3, truth == l3)


def test_a_sacrum_cut_by_the_border_still_counts():
    classes, truth, torso = draw("L2", 4.0)
    assert MIN_CUT_SACRUM_MM3 < (classes.data == SACRUM_INDEX).sum() * 8 < MIN_SACRUM_MM3
    found = find_vertebrae(classes, NAMES)
    assert named_right(found.bodies, truth)
    assert found.count.state is LevelState.SACRUM_CUT


def find_on(places, volumes, cut=()):
    return find_line(np.array(places, float), np.array(volumes, float), list(cut))


def test_a_collapsed_and_a_cut_vertebra_are_still_a_spine():
    line = [[0, 5 * i, -30 * i] for i in range(4)]
    assert find_on(line, [2e3, 2e4, 1e4, 2.4e4], cut=[0]) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("places", "volumes", "line"),
    [
        ([[0, 0, 0], [0, 0, -30], [0, 70, -50], [0, 0, -60], [0, 0, -90]], [2e4] * 5, [0, 1, 3, 4]),
        ([[0, 0, 0], [0, 0, -30], [0, 0, -60]], [2e4, 2e3, 2e4], [0, 2]),
        ([[0, 0, 0], [0, 0, -6], [0, 0, -40], [0, 0, -75]], [2e4, 5e3, 2e4, 2e4], [0, 2, 3]),
    ],
    ids=["beside", "sliver", "too_near"],
)
def test_what_does_not_fit_the_line_is_left_out(places, volumes, line):
    assert find_on(places, volumes) == line


def test_where_no_line_holds_most_of_the_bone_the_scan_is_refused():
    with pytest.raises(Excluded) as excluded:
        find_on([[0, 0, 0], [0, 60, -30], [0, 0, -60]], [2e4, 2e4, 2e4])
    assert excluded.value.reason == Reason.IMPLAUSIBLE_SPINE
