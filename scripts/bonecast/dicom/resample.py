"""Slices that form no rectangular volume, made one by linear interpolation.

A tilted gantry shifts each slice within its own plane: every slice is put back by its own
shift, on a matrix wide enough to hold all of them. Uneven distances and missing slices are
filled on an even grid along the normal. Both may come together. Slices that already lie on
the grid keep their values.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bonecast.dicom.geometry import (
    MAX_TILT_DEGREES,
    SPACING_TOLERANCE,
    SPACING_TOLERANCE_MM,
    Stack,
    normal,
)
from bonecast.dicom.pile import Pile
from bonecast.reasons import Excluded, Reason

AIR_HU = -1024
"""Outside of every slice."""

ON_GRID_PIXELS = 0.001
"""Shifts this near to whole pixels are not interpolated."""


@dataclass(frozen=True)
class Resample:
    """What may be made rectangular: `ingest.resample` of the configuration.

    Attributes:
        tilt: slices of a tilted gantry.
        uneven: uneven distances and missing slices.
        max_gap_mm: the widest distance between slices that is bridged.
    """

    tilt: bool = True
    uneven: bool = True
    max_gap_mm: float = 6.0


def check_resampling(stack: Stack, allowed: Resample) -> None:
    """Refuse what is not to be, or cannot be, made rectangular.

    Raises:
        Excluded: UNEVEN_SLICES or GANTRY_TILT.
    """
    if stack.n_uneven and not (allowed.uneven and stack.largest_gap_mm <= allowed.max_gap_mm):
        raise Excluded(
            Reason.UNEVEN_SLICES,
            f"{stack.n_uneven} distances differ from {stack.spacing_mm:.2f} mm, the widest is "
            f"{stack.largest_gap_mm:.2f} mm; ingest.resample bridges "
            + (f"{allowed.max_gap_mm:g} mm" if allowed.uneven else "none"),
        )
    if stack.is_tilted and not (allowed.tilt and stack.tilt_degrees <= MAX_TILT_DEGREES):
        raise Excluded(
            Reason.GANTRY_TILT,
            f"slices shifted by {stack.shear_mm:.1f} mm over the stack "
            f"({stack.tilt_degrees:.1f} degrees); ingest.resample.tilt straightens "
            + (f"{MAX_TILT_DEGREES:.0f} degrees at most" if allowed.tilt else "none"),
        )


def make_rectangular(pile: Pile, allowed: Resample) -> tuple[Pile, str]:
    """Slices on an even and straight grid, and in words what was done to them.

    Args:
        pile: no two slices at one position.

    Returns:
        The same pile and no words where it already is rectangular.

    Raises:
        Excluded: UNEVEN_SLICES or GANTRY_TILT.
    """
    stack = pile.stack()
    if not (stack.n_uneven or stack.is_tilted):
        return pile, ""
    check_resampling(stack, allowed)
    words = []
    positions, shifts, matrix = pile.positions_mm, None, pile.hu.shape[1:]
    if stack.is_tilted:
        words.append(f"tilt of {stack.tilt_degrees:.1f} degrees")
        positions, shifts, matrix = _straighten(pile)
    along = (positions - positions[0]) @ normal(pile.orientation)
    targets = along
    if stack.n_uneven:
        spacing_mm, uneven = _even_spacing(np.diff(along), stack.spacing_mm)
        words += uneven
        targets = np.arange(0, along[-1] + SPACING_TOLERANCE_MM, spacing_mm)

    @lru_cache(maxsize=2)
    def placed(number: int) -> np.ndarray:
        if shifts is None:
            return pile.hu[number]
        return _shifted(pile.hu[number], matrix, *shifts[number])

    out = np.empty((len(targets), *matrix), dtype=np.int16)
    for k, target in enumerate(targets):
        below = int(np.clip(np.searchsorted(along, target, side="right") - 1, 0, len(along) - 2))
        share = (target - along[below]) / (along[below + 1] - along[below])
        nearest = below + round(min(max(share, 0.0), 1.0))
        if abs(along[nearest] - target) <= SPACING_TOLERANCE_MM:
            values = placed(nearest)
        else:
            values = (1 - share) * placed(below) + share * placed(below + 1)
        out[k] = values if values.dtype == np.int16 else np.rint(values)
    where = positions[0] + np.outer(targets / along[-1], positions[-1] - positions[0])
    return Pile(out, where, pile.orientation, pile.pixel_mm), ", ".join(words)


def _straighten(pile: Pile) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Where slices come to lie on one straight grid.

    Returns:
        Positions of the widened slices (LPS mm), shape (slices, 3); shift of each slice's
        content on them in rows and columns, shape (slices, 2); rows and columns.
    """
    rows_mm, columns_mm = pile.pixel_mm
    along_row, along_column = pile.orientation[:3], pile.orientation[3:]
    offsets = pile.positions_mm - pile.positions_mm[0]
    shifts = np.stack([offsets @ along_column / rows_mm, offsets @ along_row / columns_mm], axis=1)
    whole = np.rint(shifts)
    shifts = np.where(np.abs(shifts - whole) < ON_GRID_PIXELS, whole, shifts)
    low, high = np.floor(shifts.min(axis=0)), np.ceil(shifts.max(axis=0))
    origin = (
        pile.positions_mm[0] + low[0] * rows_mm * along_column + low[1] * columns_mm * along_row
    )
    direction = normal(pile.orientation)
    positions = origin + np.outer(offsets @ direction, direction)
    matrix = tuple(int(n) for n in pile.hu.shape[1:] + high - low)
    return positions, shifts - low, matrix


def _shifted(values: np.ndarray, matrix: tuple[int, int], down: float, right: float) -> np.ndarray:
    """A slice moved by part pixels on a larger matrix, air around it; float32."""
    out = np.full(matrix, AIR_HU, dtype=np.float32)
    row, column = int(down), int(right)
    out[row : row + values.shape[0], column : column + values.shape[1]] = values
    for axis, part in ((0, down - row), (1, right - column)):
        if part:
            moved = np.full_like(out, AIR_HU)
            if axis == 0:
                moved[1:] = out[:-1]
            else:
                moved[:, 1:] = out[:, :-1]
            out = (1 - np.float32(part)) * out + np.float32(part) * moved
    return out


def _even_spacing(steps_mm: np.ndarray, median_mm: float) -> tuple[float, list[str]]:
    """The distance of an even grid, and what is uneven about the slices.

    The mean over all distances that are whole numbers of the median: where headers round
    positions, the median alone would drift away from the slices.

    Returns:
        Millimetres, and words such as `2 missing slices`, `1 uneven distance of 2.0 mm`.
    """
    tolerance = max(SPACING_TOLERANCE * median_mm, SPACING_TOLERANCE_MM)
    whole = np.rint(steps_mm / median_mm)
    fits = (np.abs(steps_mm - whole * median_mm) <= tolerance) & (whole > 0)
    missing, odd = int((whole[fits] - 1).sum()), steps_mm[~fits]
    words = []
    if missing:
        words.append(f"{missing} missing slice{'s' if missing > 1 else ''}")
    if len(odd):
        between = f"{odd.min():.1f} to {odd.max():.1f}" if len(odd) > 1 else f"{odd[0]:.1f}"
        words.append(f"{len(odd)} uneven distance{'s' if len(odd) > 1 else ''} of {between} mm")
    if not words:
        words = [f"distances from {steps_mm.min():.2f} to {steps_mm.max():.2f} mm"]
    return float(steps_mm[fits].sum() / whole[fits].sum()), words
