"""Axes of vertebrae and grids along them, on points and boxes whose truth is plain."""

import numpy as np
import pytest

from bonecast.images import Volume
from bonecast.measure.bodies import find_bodies
from bonecast.measure.frame import (
    box_affine,
    boxes,
    centroid_mm,
    grow,
    make_frame,
    resample_local,
    spine_tangents,
    why_not_measured,
)
from bonecast.reasons import Reason


def test_boxes_are_named_and_ordered_from_head_to_foot():
    mask = np.zeros((4, 4, 6), np.uint8)
    mask[1, 1, 0] = 20
    mask[1, 1:3, 2] = 28
    mask[2, 2, 4] = 19
    found = boxes(mask)
    assert list(found) == ["T12", "T13", "L1"]
    assert found["T13"] == (slice(1, 2), slice(1, 3), slice(2, 3))


def test_a_box_grows_by_millimetres_and_stays_inside():
    box = (slice(2, 4), slice(5, 6), slice(0, 3))
    assert grow(box, 3.0, (1.0, 2.0, 5.0), (20, 7, 9)) == (slice(0, 7), slice(3, 7), slice(0, 4))


def test_a_crop_keeps_its_place_in_the_world():
    affine = np.array([[0, -2, 0, 5], [1, 0, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1.0]])
    mask = np.zeros((8, 8, 8), bool)
    mask[3, 4, 5] = True
    box = (slice(2, 6), slice(3, 8), slice(4, 7))
    whole = centroid_mm(mask, affine)
    assert np.allclose(whole, [-3, 9, 22])
    assert np.allclose(centroid_mm(mask[box], box_affine(affine, box)), whole)


def test_a_frame_is_right_handed_and_keeps_superior():
    frame = make_frame(np.array([1.0, 2, 3]), np.array([0, 0.5, 2.0]), np.array([0.3, 1, 0]))
    assert np.allclose(frame.axes @ frame.axes.T, np.eye(3))
    assert np.isclose(np.linalg.det(frame.axes), 1)
    assert np.allclose(frame.axes[2], np.array([0, 0.5, 2]) / np.hypot(0.5, 2))
    points = np.array([[4.0, 5, 6], [0, 0, 0]])
    assert np.allclose(frame.to_world(frame.to_local(points)), points)


def test_plain_axes_are_those_of_the_patient():
    frame = make_frame(np.zeros(3), np.array([0, 0, 1.0]), np.array([0, 1.0, 0]))
    assert np.allclose(frame.axes, np.eye(3))


@pytest.mark.parametrize(("count", "tolerance_degrees"), [(9, 2.0), (5, 2.0), (3, 1.0), (2, 6.0)])
def test_tangents_of_an_arc(count, tolerance_degrees):
    angle = np.deg2rad(np.linspace(0, 10 * (count - 1), count))
    points = 170 * np.stack([np.zeros(count), 1 - np.cos(angle), -np.sin(angle)], axis=1)
    truth = np.stack([np.zeros(count), -np.sin(angle), np.cos(angle)], axis=1)
    error = np.rad2deg(np.arccos(np.clip((spine_tangents(points) * truth).sum(axis=1), -1, 1)))
    assert error.max() < tolerance_degrees


def test_one_vertebra_alone_stands_upright():
    assert np.allclose(spine_tangents(np.array([[5.0, 6, 7]])), [[0, 0, 1]])


def test_local_grid_of_a_ramp():
    affine = np.diag([2.0, 1.0, 3.0, 1.0])
    x = affine[0, 0] * np.arange(10)
    ramp = np.broadcast_to(x[:, None, None], (10, 12, 8))
    frame = make_frame(np.array([9.0, 5, 10]), np.array([0, 0, 1.0]), np.array([1.0, 0, 0]))
    grid, (right, anterior, superior) = resample_local(
        ramp, affine, frame, np.array([-2.0, -4, -3]), np.array([2.0, 4, 3]), (1, 0.5, 2)
    )
    assert grid.shape == (len(right), len(anterior), len(superior)) == (5, 17, 4)
    # The frame's anterior is the world's x.
    assert np.allclose(grid, 9 + anterior[None, :, None])


@pytest.mark.parametrize(("tilt", "turn"), [(0, 0), (20, 0), (-10, 25)])
def test_axes_of_a_drawn_spine(draw_spine, DrawnBody, tilt, turn):
    phantom = draw_spine(
        {"L1": DrawnBody(), "L2": DrawnBody(), "L3": DrawnBody()}, (1.5, 1.5, 2), tilt, turn
    )
    tilt, turn = np.deg2rad([tilt, turn])
    right = np.array([np.cos(turn), np.sin(turn), 0])
    forward = np.array([-np.sin(turn), np.cos(turn), 0])
    up = np.array([0, 0, np.cos(tilt)]) + np.sin(tilt) * forward
    front = np.cos(tilt) * forward - np.array([0, 0, np.sin(tilt)])
    for body in find_bodies(phantom.bodies, phantom.vertebrae).values():
        cosines = (body.frame.axes * np.stack([right, front, up])).sum(axis=1)
        assert np.rad2deg(np.arccos(np.clip(cosines, -1, 1))).max() < 3


def test_a_body_at_the_edge_of_the_scan_is_cut():
    mask = np.zeros((20, 20, 30), np.uint8)
    mask[5:15, 5:15, 0:8] = 22
    mask[5:15, 5:15, 12:20] = 21
    # One millimetre short of the last slice.
    mask[5:15, 5:15, 22:29] = 20
    volume = Volume(mask, np.eye(4))
    cut = {level: body.touches_border for level, body in find_bodies(volume, volume).items()}
    assert cut == {"L1": True, "L2": False, "L3": True}


def test_a_vertebra_without_body_is_listed():
    whole = np.zeros((9, 9, 9), np.uint8)
    whole[2:4, 2:4, 2:4] = 20
    whole[2:4, 2:4, 5:7] = 19
    bodies = np.where(whole == 20, whole, 0).astype(np.uint8)
    found = find_bodies(Volume(bodies, np.eye(4)), Volume(whole, np.eye(4)))
    assert list(found) == ["T12", "L1"]
    assert found["T12"] is None
    assert why_not_measured("T12", found["T12"], ["T12", "L1"]) == Reason.NO_BODY
    assert why_not_measured("L1", found["L1"], ["T12"]) == Reason.LEVEL_NOT_ANALYSED
    assert why_not_measured("L1", found["L1"], ["L1"]) is None
