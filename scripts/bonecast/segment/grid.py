"""Resampling between a scan's grid and a network's, axis by axis, as matrix products.

Going to a coarser grid each output voxel is a weighted mean over its own width, so
noise falls and nothing aliases; going to a finer grid it is linear interpolation.
Both grids share the centre of the volume. Volumes are worked on slab by slab: a large scan
is never held as floats, nor all classes at full resolution.
"""

import numpy as np

from bonecast.images import bounding_box

SLAB = 32
"""Slices of the scan's grid worked on at a time."""
AIR_HU = -500.0
"""Colder voxels are air: lung is too, but lies within the body's bounding box."""
BODY_MARGIN_MM = 10.0
"""Air kept around the body's bounding box."""

Box = tuple[slice, slice, slice]


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
    """A volume on another grid (float32).

    Args:
        data: shape (a, b, c), any type; least memory where c varies fastest in it.
        weights: one matrix an axis.
    """
    first, second, third = weights
    parts = []
    for start in range(0, data.shape[0], SLAB):
        block = np.ascontiguousarray(data[start : start + SLAB], np.float32)
        parts.append(second @ (block @ third.T))
    flat = np.concatenate(parts).reshape(data.shape[0], -1)
    return (first @ flat).reshape(len(first), len(second), len(third))


def reach(weights: np.ndarray, low: int, high: int) -> tuple[slice, slice]:
    """What inputs `low` to `high` of an axis take part in.

    Returns:
        The outputs with any weight on those inputs, and all inputs these outputs use; both
        may be empty.
    """
    outputs = _span(weights[:, low:high].any(axis=1))
    return outputs, _span(weights[outputs].any(axis=0))


def _span(mask: np.ndarray) -> slice:
    """From the first to the last true element."""
    found = np.flatnonzero(mask)
    return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 0)


def likeliest(scores: np.ndarray, weights: list[np.ndarray], dtype=np.uint8) -> np.ndarray:
    """The class of highest probability at each voxel of a finer (or other) grid.

    Args:
        scores: probabilities (class, a, b, c) on the coarse grid, class 0 is background.
        weights: one matrix an axis, to the other grid.
        dtype: of the result.

    Returns:
        Indices of classes on the other grid. Of equal classes the first wins.
    """
    return _decide(scores, weights, dtype, range(len(scores)), shared=True)


def painted(scores: np.ndarray, weights: list[np.ndarray], values, dtype=np.uint8) -> np.ndarray:
    """Overlapping regions painted over one another, each where it is likelier than not.

    Args:
        scores: probability of each region (region, a, b, c), independent of one another.
        weights: one matrix an axis, to the other grid.
        values: what to paint for each region, in order: the last one stays on top.
    """
    return _decide(scores, weights, dtype, values, shared=False)


def _decide(scores, weights, dtype, values, shared: bool) -> np.ndarray:
    """Both decisions, slab by slab and class by class.

    A class that exceeds the threshold at no coarse voxel of a slab exceeds it at no fine one:
    means cannot, so such classes cost nothing.
    """
    first, second, third = weights
    decided = np.zeros((len(first), len(second), len(third)), dtype)
    for start in range(0, len(first), SLAB):
        rows = first[start : start + SLAB]
        used = _span(rows.any(axis=0))
        rows, part = rows[:, used], scores[:, used]
        slab = decided[start : start + SLAB]
        best = None
        for index, value in enumerate(values):
            if shared and index == 0:
                continue
            if not (part[index] > (part[0] if shared else 0.5)).any():
                continue
            fine = _slab(part[index], rows, second, third)
            if best is None:
                best = _slab(part[0], rows, second, third) if shared else np.float32(0.5)
            more = fine > best
            slab[more] = value
            if shared:
                np.maximum(best, fine, out=best)
    return decided


def _slab(part: np.ndarray, rows: np.ndarray, second: np.ndarray, third: np.ndarray) -> np.ndarray:
    """One class of one slab on the other grid."""
    thin = (rows @ part.reshape(part.shape[0], -1)).reshape(len(rows), *part.shape[1:])
    return (second @ thin) @ third.T


def body_box(hu: np.ndarray, spacing_mm, tile) -> Box:
    """The body and some air around it, never less than the tile where the scan has that much.

    A scan smaller than the tile is padded by nnU-Net with the value 0, which is soft tissue in
    normalised units: real air is kept instead. A scan without a body is left whole.

    Args:
        hu: the scan at the network's spacing.
        spacing_mm: its voxel size.
        tile: voxels of the network's tile, along the same axes.
    """
    found = bounding_box(hu > AIR_HU)
    if found is None:
        return tuple(slice(0, n) for n in hu.shape)
    box = []
    for part, n, step, least in zip(found, hu.shape, spacing_mm, tile, strict=True):
        margin = int(np.ceil(BODY_MARGIN_MM / step))
        low, high = max(0, part.start - margin), min(n, part.stop + margin)
        short = max(0, min(least, n) - (high - low))
        low = max(0, low - short // 2)
        high = min(n, max(high, low + min(least, n)))
        low = max(0, min(low, high - min(least, n)))
        box.append(slice(low, high))
    return tuple(box)
