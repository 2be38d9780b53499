"""Distances, tilt and matrices of piles of slices with known answers."""

import numpy as np
import pytest

from bonecast.dicom.geometry import (
    affine_ras,
    corner_distance_mm,
    measure_stack,
    plane_name,
)

AXIAL = np.array([1.0, 0, 0, 0, 1, 0])


def pile(z) -> np.ndarray:
    return np.array([[-100.0, -80.0, value] for value in z])


def test_even_slices_in_any_order():
    stack = measure_stack(pile([6, 0, 3, 9]), AXIAL)
    assert stack.order.tolist() == [1, 2, 0, 3]
    assert stack.spacing_mm == pytest.approx(3)
    assert stack.coverage_mm == pytest.approx(9)
    assert (stack.n_duplicates, stack.n_uneven, stack.n_missing) == (0, 0, 0)
    assert stack.shear_mm == pytest.approx(0)


def test_missing_slices_are_counted():
    stack = measure_stack(pile([0, 3, 6, 15, 18]), AXIAL)
    assert (stack.spacing_mm, stack.n_uneven, stack.n_missing) == (3, 1, 2)


def test_same_position_twice_is_no_distance():
    stack = measure_stack(pile([0, 3, 3, 6]), AXIAL)
    assert (stack.spacing_mm, stack.n_duplicates, stack.n_uneven) == (3, 1, 0)


def test_rounded_positions_are_even():
    stack = measure_stack(pile(np.round(np.arange(50) * 0.625, 2)), AXIAL)
    assert stack.n_uneven == 0


def test_oblique_slices_along_their_normal_are_not_tilted():
    angle = np.radians(20)
    orientation = np.array([1, 0, 0, 0, np.cos(angle), np.sin(angle)])
    normal = np.array([0, -np.sin(angle), np.cos(angle)])
    stack = measure_stack(np.outer(np.arange(10) * 2.0, normal), orientation)
    assert stack.spacing_mm == pytest.approx(2)
    assert stack.shear_mm == pytest.approx(0, abs=1e-9)


def test_gantry_tilt_is_the_angle_between_stacking_and_normal():
    angle = np.radians(14)
    orientation = np.array([1, 0, 0, 0, np.cos(angle), np.sin(angle)])
    stack = measure_stack(pile(np.arange(10) * 5.0), orientation)
    assert stack.tilt_degrees == pytest.approx(14)
    assert stack.spacing_mm == pytest.approx(5 * np.cos(angle))


@pytest.mark.parametrize(
    ("orientation", "name"),
    [
        ([1, 0, 0, 0, 1, 0], "axial"),
        ([-1, 0, 0, 0, -1, 0], "axial"),
        ([1, 0, 0, 0, 0.87, 0.5], "axial"),
        ([1, 0, 0, 0, 0, -1], "coronal"),
        ([0, 1, 0, 0, 0, -1], "sagittal"),
        ([1, 0, 0, 0, 0.7071, 0.7071], "oblique"),
        ([0, 0, 0, 0, 0, 0], ""),
        ([1, 0, 0, 1, 0, 0], ""),
    ],
)
def test_planes(orientation, name):
    assert plane_name(np.array(orientation, dtype=float)) == name
    assert plane_name(None) == ""


def test_matrix_follows_the_standard():
    """PS3.3 C.7.6.2.1.1, and x and y change sign from LPS to RAS."""
    affine = affine_ras(AXIAL, (4.0, 5.0), np.array([-100, -80, 200.0]), pile([206])[0], 3)
    column, row, number = 2, 3, 1
    world = affine @ [column, row, number, 1]
    assert world.tolist() == [100 - 2 * 5.0, 80 - 3 * 4.0, 203.0, 1]


def test_corner_distance():
    affine = np.diag([1.0, 1, 2, 1])
    other = np.diag([1.0, 1, 2.1, 1])
    assert corner_distance_mm(affine, affine, (4, 4, 11)) == 0
    assert corner_distance_mm(affine, other, (4, 4, 11)) == pytest.approx(1.0)


def test_extreme_distances():
    stack = measure_stack(pile([0, 9, 2, 2, 5]), AXIAL)
    assert (stack.smallest_gap_mm, stack.largest_gap_mm) == (2, 4)
    alone = measure_stack(pile([0]), AXIAL)
    assert np.isnan([alone.smallest_gap_mm, alone.largest_gap_mm]).all()
