"""The cross-section of a vertebral body at mid-height."""

from dataclasses import dataclass

import numpy as np

from bonecast.measure.frame import Body, local_extent, resample_local

STEP_MM = 0.75
"""Grid in the section."""

PLANES_MM = 2.0
"""Planes at mid-height and this far above and below it are averaged."""

CENTRE_MM = 3.0
"""The width is a mean over lines this near to the centre of the section."""


@dataclass(frozen=True)
class Section:
    """Area and width, to right and left, of one section."""

    area_mm2: float
    width_mm: float


def measure_section(body: Body) -> Section:
    """Area and width of the section at the height of the body's centre.

    Voxels cut by the surface count in part, as linear interpolation has them.
    """
    low, high = local_extent(body.mask, body.affine, body.frame)
    low[2], high[2] = -PLANES_MM, PLANES_MM
    low[:2] -= 2
    high[:2] += 2
    grid, (_, anterior, _) = resample_local(
        body.mask, body.affine, body.frame, low, high, (STEP_MM, STEP_MM, PLANES_MM)
    )
    plane = grid.mean(axis=2)
    centre = np.average(anterior, weights=plane.sum(axis=0))
    lines = np.abs(anterior - centre) <= CENTRE_MM
    return Section(
        area_mm2=float(plane.sum()) * STEP_MM**2,
        width_mm=float(plane[:, lines].sum(axis=0).mean()) * STEP_MM,
    )
