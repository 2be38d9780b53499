"""Resampling to the network's grid and back, and the decision there."""

import numpy as np
import pytest

from bonecast.segment.grid import (
    SLAB,
    axis_weights,
    body_box,
    coarse_shape,
    grid_weights,
    likeliest,
    painted,
    reach,
    resample,
)


@pytest.mark.parametrize(("step_in", "step_out"), [(1.0, 3.0), (3.0, 1.0), (0.7, 3.0), (2.0, 2.0)])
def test_rows_sum_to_one(step_in, step_out):
    weights = axis_weights(30, step_in, 12, step_out)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)


def test_same_grid_changes_nothing():
    data = np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32)
    same = resample(data, grid_weights(data.shape, (1, 2, 3), data.shape, (1, 2, 3)))
    np.testing.assert_allclose(same, data, rtol=1e-6)


def test_linear_ramp_survives_refining():
    # Away from the ends a linear function is reproduced exactly by linear interpolation.
    coarse = np.arange(10.0)[:, None, None] * 3.0
    fine = resample(coarse, grid_weights((10, 1, 1), (3, 3, 3), (30, 1, 1), (1, 3, 3)))[:, 0, 0]
    expected = (np.arange(30) - 14.5) + 13.5
    np.testing.assert_allclose(fine[1:-1], expected[1:-1], atol=1e-4)


def test_coarsening_averages_noise_and_keeps_the_mean():
    noise = np.random.default_rng(1).normal(100, 20, size=(60, 60, 60))
    coarse = resample(noise, grid_weights(noise.shape, (1, 1, 1), (20, 20, 20), (3, 3, 3)))
    assert abs(coarse.mean() - 100) < 0.5
    assert coarse.std() < 20 / 3


@pytest.mark.parametrize("order", ["C", "F"])
def test_slabs_leave_no_seams(order):
    data = np.random.default_rng(2).integers(-1000, 1000, (2 * SLAB + 5, 9, 7)).astype(np.int16)
    weights = grid_weights(data.shape, (1, 1, 2), (30, 6, 11), (2.3, 1.5, 1.2))
    whole = np.einsum("abc,xa,yb,zc->xyz", data.astype(np.float64), *weights)
    np.testing.assert_allclose(
        resample(np.asarray(data, order=order), weights), whole, rtol=1e-4, atol=1e-2
    )


def test_coarse_shape_covers_the_volume():
    assert coarse_shape((10, 10, 10), (1, 1, 5), (3, 3, 3)) == (4, 4, 17)


def test_reach_names_all_that_inputs_take_part_in():
    weights = axis_weights(10, 3.0, 30, 1.0)
    outputs, inputs = reach(weights, 4, 6)
    assert not weights[: outputs.start, 4:6].any() and not weights[outputs.stop :, 4:6].any()
    assert weights[outputs, 4:6].any(axis=1).all()
    np.testing.assert_allclose(weights[outputs, inputs].sum(axis=1), 1, rtol=1e-6)
    assert reach(weights, 4, 4)[0] == slice(0, 0)


def scores(rng, classes: int, shape) -> np.ndarray:
    """Random probabilities of classes, mostly background."""
    drawn = rng.random((classes, *shape)).astype(np.float32) ** 4
    drawn[0] += 0.2
    return drawn / drawn.sum(axis=0)


@pytest.mark.parametrize("new_spacing", [(1.0, 0.7, 0.8), (5.0, 3.0, 1.0)])
def test_the_decision_is_the_likeliest_class_of_interpolated_probabilities(new_spacing):
    rng = np.random.default_rng(4)
    coarse = scores(rng, 4, (24, 10, 12))
    shape = coarse_shape((24, 10, 12), (3, 3, 3), new_spacing)
    weights = grid_weights((24, 10, 12), (3, 3, 3), shape, new_spacing)
    fine = np.stack([resample(part, weights) for part in coarse])
    np.testing.assert_array_equal(likeliest(coarse, weights), fine.argmax(axis=0))
    assert len(np.unique(fine.argmax(axis=0))) == 4


def test_regions_are_painted_over_one_another():
    rng = np.random.default_rng(5)
    coarse = rng.random((2, 8, 9, 10)).astype(np.float32)
    weights = grid_weights((8, 9, 10), (2, 2, 2), (40, 18, 20), (0.4, 1, 1))
    fine = [resample(part, weights) for part in coarse]
    expected = np.where(fine[1] > 0.5, 3, np.where(fine[0] > 0.5, 1, 0))
    np.testing.assert_array_equal(painted(coarse, weights, [1, 3]), expected)


def test_the_body_keeps_some_air_and_at_least_a_tile():
    hu = np.full((60, 80, 80), -1000.0)
    hu[10:50, 30:60, 40:45] = 40
    box = body_box(hu, (2, 2, 2), (16, 16, 16))
    assert box[:2] == (slice(5, 55), slice(25, 65))
    assert body_box(hu, (2, 2, 2), (16, 16, 32))[2] == slice(27, 59)
    # At the edge of the scan the tile's other side grows; a scan smaller than a tile stays whole.
    hu[:, :, 75:] = 40
    near = body_box(hu, (2, 2, 2), (64, 16, 64))
    assert near[0] == slice(0, 60) and near[2].stop == 80
    assert near[2].stop - near[2].start >= 50
    assert body_box(np.full((5, 5, 5), -1000.0), (2, 2, 2), (4, 4, 4)) == (slice(0, 5),) * 3
