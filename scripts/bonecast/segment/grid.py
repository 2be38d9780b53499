"""Resampling between a scan's grid and a network's, axis by axis, as matrix products.

Going to a coarser grid each output voxel is a weighted mean over its own width, so
noise falls and nothing aliases; going to a finer grid it is linear interpolation.
Both grids share the centre of the volume.
"""

import numpy as np


def coarse_shape(shape, spacing_mm, target_mm) -> tuple[int, ...]:
    """Voxels needed at `target_mm` to cover a volume of `shape` voxels of `spacing_mm`."""
    return tuple(
        max(1, int(np.ceil(n * s / t)))
        for n, s, t in zip(shape, spacing_mm, target_mm, strict=True)
    )


def axis_weights(n_in: int, step_in: float, n_out: int, step_out: float) -> np.ndarray:
    """Weights (n_out, n_in), rows summing to 1, from one centred 1-D grid to another."""
    x_in = (np.arange(n_in) - (n_in - 1) / 2) * step_in
    x_out = (np.arange(n_out) - (n_out - 1) / 2) * step_out
    x_out = np.clip(x_out, x_in[0], x_in[-1])
    width = max(step_in, step_out)
    weights = np.clip(1 - np.abs(x_out[:, None] - x_in[None]) / width, 0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def grid_weights(shape, spacing_mm, new_shape, new_spacing_mm) -> list[np.ndarray]:
    """One weight matrix an axis."""
    return [
        axis_weights(*arguments)
        for arguments in zip(shape, spacing_mm, new_shape, new_spacing_mm, strict=True)
    ]


def resample(data: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """Apply one weight matrix along each of the last three axes of `data` (float32)."""
    out = np.asarray(data, np.float32)
    for axis, matrix in zip((-3, -2, -1), weights, strict=True):
        out = np.moveaxis(np.moveaxis(out, axis, -1) @ matrix.T, -1, axis)
    return out
