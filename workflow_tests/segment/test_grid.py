"""Resampling to the network's grid and back."""

import numpy as np
import pytest

from bonecast.segment.grid import axis_weights, coarse_shape, grid_weights, resample


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


def test_leading_axes_are_left_alone():
    data = np.random.default_rng(2).normal(size=(2, 4, 5, 6))
    weights = grid_weights((4, 5, 6), (1, 1, 1), (8, 5, 3), (0.5, 1, 2))
    both = resample(data, weights)
    np.testing.assert_allclose(both[1], resample(data[1], weights), rtol=1e-6)


def test_coarse_shape_covers_the_volume():
    assert coarse_shape((10, 10, 10), (1, 1, 5), (3, 3, 3)) == (4, 4, 17)
