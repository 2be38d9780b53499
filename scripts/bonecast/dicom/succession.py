"""Whether slices succeed each other as their positions say.

Positions place slices, and numbers are not asked: they are often wrong. Where the two
contradict, the pictures decide: neighbours in the body resemble each other.
"""

from collections.abc import Sequence

import numpy as np

from bonecast.reasons import Excluded, Reason

STRIDE = 2
"""Voxels between those compared, along rows and columns."""

CLEARLY = 0.8
"""Neighbours by number differ by less than this share of what neighbours by position do: then
the positions are wrong. Neighbours that are so by one of the two orders alone are compared."""


def check_succession(slices: Sequence[np.ndarray], numbers: Sequence[float | None]) -> None:
    """Refuse slices whose positions were exchanged.

    Args:
        slices: HU, rows x columns, in the order of positions.
        numbers: of the instances, in the same order; None where there is none.

    Raises:
        Excluded: NO_GEOMETRY.
    """
    if None in numbers or len(set(numbers)) < len(numbers):
        return
    by_number = np.argsort(numbers)
    pairs = {frozenset(pair) for pair in zip(by_number, by_number[1:], strict=False)}
    places = {frozenset((k, k + 1)) for k in range(len(slices) - 1)}
    if pairs == places:
        return
    apart = _difference(slices, pairs - places), _difference(slices, places - pairs)
    if apart[0] < CLEARLY * apart[1]:
        raise Excluded(
            Reason.NO_GEOMETRY,
            f"slices in the order of their numbers differ by {apart[0]:.0f} HU from the next, in "
            f"that of their positions by {apart[1]:.0f}: positions were exchanged",
        )


def _difference(slices: Sequence[np.ndarray], pairs: set[frozenset]) -> float:
    """Mean difference of the slices of each pair, HU."""
    found = []
    for one, other in pairs:
        a, b = (slices[k][::STRIDE, ::STRIDE].astype(np.int32) for k in (one, other))
        found.append(np.abs(a - b).mean())
    return float(np.mean(found))
