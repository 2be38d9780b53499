"""Which vertebrae may enter summaries of density, and every reason why one may not.

A vertebra that is left out is still measured wherever it can be: its values stand beside the
reasons. All reasons that apply are kept, in one order; the first stands for them.
"""

from collections.abc import Iterable, Mapping
from statistics import median

import numpy as np
from scipy import ndimage

from bonecast.measure.frame import Body
from bonecast.reasons import Reason

ORDER = (
    Reason.LEVEL_NOT_ANALYSED,
    Reason.NO_BODY,
    *(reason for reason in Reason if reason.startswith("listed_")),
    Reason.TOUCHES_BORDER,
    Reason.METAL,
    Reason.CEMENT,
    Reason.DEFORMED,
    Reason.TOO_SMALL,
    Reason.IMPLAUSIBLE_SD,
    Reason.OUTLIER,
)
"""Reasons of one vertebra, the one that stands for it first: what the user said, what is wrong
with the scan, with the vertebra, with the value."""

BRIGHT_HU = 1500.0
"""Brighter than cortical bone: implants and cement. The lower end of the range in use, 1500 to
2000 HU: cement with little contrast medium is not much brighter."""

BRIGHT_MM3 = 25.0
"""A connected spot smaller than this is noise: sharp kernels lift single voxels of
cortex above the limit (chosen here)."""

BRIGHT_RIM_MM = 3.0
"""Metal this near to the body falsifies the values in it (chosen here)."""

CEMENT_RIM_MM = 2.0
"""Cement may seem to reach this far out of the body, where the mask misses its edge (chosen
here)."""

SD_RATIO = 2.0
"""Values that differ among themselves this many times as much as in the scan's other vertebrae
are not those of one tissue, and more than noise, which all share (chosen here)."""

SD_FLOOR_HU = 60.0
"""Less is ordinary (chosen here): about twice what a region holds at 1 mm and a soft kernel."""

SD_OTHERS = 2
"""Other vertebrae needed to know the noise of a scan."""

OUTLIER_Z = 3.0
"""A level this many robust standard deviations from its neighbours is not averaged."""

OUTLIER_FLOOR_HU = 15.0
"""Least standard deviation between neighbours assumed: about the variation of repeated
measurements (5 to 8 %, Osteoporos Int 2025, 10.1007/s00198-025-07529-7)."""

OUTLIER_NEIGHBOURS = 2
"""Levels on each side that a level is compared with."""


def in_order(reasons: Iterable[Reason]) -> list[Reason]:
    """Each reason once, in `ORDER`."""
    return sorted(set(reasons), key=ORDER.index)


def bright_spot(body: Body) -> Reason | None:
    """Metal or cement in a body or within `BRIGHT_RIM_MM` of it.

    What is seen is told, not what it is. A spot inside the body is called cement, though an
    implant may lie there too. One that lies outside or reaches out, as screws, cages and rods
    do, and leaking cement, is called metal.
    """
    bright = body.hu > BRIGHT_HU
    if not bright.any():
        return None
    spots, _ = ndimage.label(bright)
    large = np.bincount(spots.ravel()) * body.voxel_mm3 >= BRIGHT_MM3
    large[0] = False
    if not large.any():
        return None
    away = ndimage.distance_transform_edt(~body.mask, sampling=body.spacing_mm)
    numbers = np.flatnonzero(large)
    nearest, furthest = (
        np.array(pick(away, spots, numbers)) for pick in (ndimage.minimum, ndimage.maximum)
    )
    near = nearest <= BRIGHT_RIM_MM
    if not near.any():
        return None
    inside = (nearest == 0) & (furthest <= CEMENT_RIM_MM)
    return Reason.CEMENT if inside[near].all() else Reason.METAL


def find_implausible(sds_hu: Mapping[str, float]) -> set[str]:
    """Levels whose values differ among themselves far more than those of the other levels.

    Args:
        sds_hu: standard deviation within the region, by level.
    """
    found = set()
    for level, sd in sds_hu.items():
        others = [value for name, value in sds_hu.items() if name != level]
        if len(others) >= SD_OTHERS and sd > max(SD_FLOOR_HU, SD_RATIO * median(others)):
            found.add(level)
    return found


def find_outliers(values_hu: Mapping[str, float]) -> set[str]:
    """Levels whose value lies far from those of their neighbours.

    A level is compared with the median of its neighbours; how far these differ from their
    own neighbours, the level itself set aside, is the robust standard deviation. The worst
    level is removed while it lies more than `OUTLIER_Z` of them away. Three levels are
    needed to tell.

    Args:
        values_hu: value by level, in order from head to foot.
    """
    names, values = list(values_hu), list(values_hu.values())
    outliers: set[str] = set()
    while len(names) >= 3:
        residuals = _residuals(values)
        scores = []
        for i, residual in enumerate(residuals):
            spread = 1.4826 * median(_residuals(values[:i] + values[i + 1 :]))
            scores.append(residual / max(spread, OUTLIER_FLOOR_HU))
        worst = scores.index(max(scores))
        if scores[worst] <= OUTLIER_Z:
            break
        outliers.add(names.pop(worst))
        values.pop(worst)
    return outliers


def _residuals(values: list[float]) -> list[float]:
    """Distance of each value from the median of its neighbours."""
    return [
        abs(
            value
            - median(
                values[max(i - OUTLIER_NEIGHBOURS, 0) : i] + values[i + 1 :][:OUTLIER_NEIGHBOURS]
            )
        )
        for i, value in enumerate(values)
    ]
