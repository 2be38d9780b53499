"""Everything measured in one scan: from its files to rows of tables."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bonecast.images import load
from bonecast.measure.density import DensitySettings, measure_density, regions, too_small
from bonecast.measure.frame import Body, find_bodies, why_not_measured
from bonecast.measure.morphometry import measure_morphometry


@dataclass(frozen=True)
class Scan:
    """A CT in HU and the bodies found in it, by level from head to foot."""

    ct: np.ndarray
    bodies: dict[str, Body | None]


def read_scan(ct: str | Path, vertebrae: str | Path, bodies: str | Path) -> Scan:
    """Read a scan and its masks.

    Raises:
        ValueError: a mask is not on the grid of the CT.
    """
    volume, whole, body = load(ct), load(vertebrae), load(bodies)
    for name, mask in (("vertebrae", whole), ("bodies", body)):
        if mask.data.shape != volume.data.shape:
            raise ValueError(
                f"{name}: mask of {mask.data.shape} voxels on a CT of {volume.data.shape}"
            )
    return Scan(volume.data, find_bodies(body, whole))


def measure_scan(
    scan: Scan, levels: Collection[str], settings: DensitySettings
) -> tuple[list[dict], list[dict]]:
    """Density and shape of every vertebra.

    A deformed vertebra (Genant grade 1 or more) is denser because it is compressed: its
    attenuation is measured and not included.

    Returns:
        Rows of density.tsv and of morphometry.tsv.
    """
    shapes = measure_morphometry(scan.bodies, levels)
    deformed = {row["level"] for row in shapes if row["genant_grade"]}
    return measure_density(scan.ct, scan.bodies, levels, settings, deformed), shapes


def region_bits(
    scan: Scan, levels: Collection[str], settings: DensitySettings
) -> dict[str, np.ndarray]:
    """Which voxels of every vertebra are measured, for drawing.

    Returns:
        By level, uint8 on the crop of its body (`body.box`): bit k is set where the voxel
        belongs to region `settings.rois[k]`. Levels and regions without a value are left out.
    """
    found = {}
    for level, body in scan.bodies.items():
        if why_not_measured(level, body, levels):
            continue
        bits = np.zeros(body.mask.shape, np.uint8)
        for k, mask in enumerate(regions(body, settings.rois, settings).values()):
            if not too_small(np.count_nonzero(mask), body, settings):
                bits |= mask.astype(np.uint8) << k
        found[level] = bits
    return found
