"""What the CT alone tells: the outline of the body and the wall of muscle and bone inside it."""

import numpy as np
from scipy import ndimage

COARSE_MM = 3.0
"""Outlines are found on pixels averaged to about this size: less noise, less time."""

BODY_HU = -300.0
"""Denser than clothes and mattress, less dense than fat (chosen here)."""

LEAN_HU = -30.0
"""Denser than fat (upper end of its window, see `regions.FAT_HU`)."""

TABLE_MM = 3.0
"""What is thinner than twice this, as the shells of a table are, is not body (chosen here)."""

SKIN_MM = 3.5
"""Left out at the surface: skin is as dense as muscle (chosen here, see docs/composition.md)."""

PIECE_CM2 = 0.5
"""Smaller pieces of what is left are skin and vessels, not wall (chosen here)."""

BRIDGE_MM = 25.0
"""Gaps of the wall up to twice this wide are closed, such as that between the back muscles
(chosen here, see docs/composition.md)."""


def find_outline(
    hu: np.ndarray, spacing_mm: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Outline of the body, and of what lies inside its subcutaneous fat, on one axial slice.

    The body is the largest thing denser than `BODY_HU`, holes filled. Its wall is what is denser
    than fat under the skin, gaps closed, holes filled.

    Args:
        hu: (x, y).
        spacing_mm: pixel size along x and y.

    Returns:
        Boolean (x, y): the body, and the part of it inside the wall. None where there is no body.
    """
    factor = max(1, int(round(COARSE_MM / max(spacing_mm))))
    small, spacing = _coarse(hu, factor), tuple(factor * s for s in spacing_mm)
    body = _largest(_shrunk(small > BODY_HU, TABLE_MM, spacing))
    if body is None:
        return None
    body = _filled(_grown(body, TABLE_MM, spacing))
    lean = _pieces(
        ((small > LEAN_HU) | (small < BODY_HU)) & _shrunk(body, SKIN_MM, spacing), spacing
    )
    pad = int(np.ceil(BRIDGE_MM / min(spacing))) + 1
    closed = _shrunk(_grown(np.pad(lean, pad), BRIDGE_MM, spacing), BRIDGE_MM, spacing)
    inner = _largest(_filled(closed))
    if inner is None:
        return None
    inner = inner[pad:-pad, pad:-pad] & body
    around = _fine(ndimage.binary_dilation(body), factor, hu.shape)
    body, inner = (_fine(part, factor, hu.shape) for part in (body, inner))
    # Coarse pixels at the surface are partly air: there the slice itself decides.
    return body | (around & (hu > BODY_HU)), inner


def _coarse(hu: np.ndarray, factor: int) -> np.ndarray:
    """Means of squares of pixels; the last rows are repeated to fill the last squares."""
    if factor == 1:
        return hu.astype(np.float32)
    wide = [(0, -size % factor) for size in hu.shape]
    filled = np.pad(hu.astype(np.float32), wide, mode="edge")
    x, y = (size // factor for size in filled.shape)
    return filled.reshape(x, factor, y, factor).mean(axis=(1, 3))


def _fine(mask: np.ndarray, factor: int, shape: tuple[int, int]) -> np.ndarray:
    """A coarse mask on the pixels of the slice."""
    return mask.repeat(factor, axis=0).repeat(factor, axis=1)[: shape[0], : shape[1]]


def _shrunk(mask: np.ndarray, by_mm: float, spacing_mm: tuple[float, float]) -> np.ndarray:
    """A mask less what lies nearer than `by_mm` to its surface, which includes the border."""
    away = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing_mm)[1:-1, 1:-1]
    return away > by_mm + min(spacing_mm) / 2


def _grown(mask: np.ndarray, by_mm: float, spacing_mm: tuple[float, float]) -> np.ndarray:
    """A mask and what lies nearer than `by_mm` to its surface."""
    if not mask.any():
        return mask
    away = ndimage.distance_transform_edt(~mask, sampling=spacing_mm)
    return away <= by_mm + min(spacing_mm) / 2


def _filled(mask: np.ndarray) -> np.ndarray:
    """A mask and its holes: what the border does not reach from outside."""
    outside, _ = ndimage.label(~np.pad(mask, 1))
    return (outside != outside[0, 0])[1:-1, 1:-1]


def _pieces(mask: np.ndarray, spacing_mm: tuple[float, float]) -> np.ndarray:
    """The connected parts of a mask that are larger than `PIECE_CM2`."""
    parts, _ = ndimage.label(mask)
    large = np.bincount(parts.ravel()) * np.prod(spacing_mm) >= PIECE_CM2 * 100
    large[0] = False
    return large[parts]


def _largest(mask: np.ndarray) -> np.ndarray | None:
    """The largest connected part of a mask, None where it is empty."""
    parts, count = ndimage.label(mask)
    return parts == 1 + np.bincount(parts.ravel())[1:].argmax() if count else None
