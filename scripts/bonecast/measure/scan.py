"""Everything measured in one scan: files read once, cropped once, then rows of tables."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bonecast.images import Volume, load
from bonecast.measure.density import DensitySettings, measure_density, regions, too_small
from bonecast.measure.frame import Body, find_bodies, why_not_measured
from bonecast.measure.morphometry.table import measure_morphometry
from bonecast.reasons import Reason


@dataclass(frozen=True)
class Scan:
    """A CT in HU and what was segmented in it, all on one grid.

    Attributes:
        ct: HU.
        vertebrae: VerSe codes of whole vertebrae.
        tissue: codes of `bonecast.segment.tissues`; None where the backend has none.
        bodies: every vertebral body, cropped, by level from head to foot.
    """

    ct: Volume
    vertebrae: Volume
    tissue: Volume | None
    bodies: dict[str, Body | None]


def read_scan(
    ct: str | Path, vertebrae: str | Path, bodies: str | Path, tissue: str | Path | None = None
) -> Scan:
    """Read a scan and its masks; an empty file of tissue is none.

    Raises:
        ValueError: a mask is not on the grid of the CT.
    """
    volume, whole, body = load(ct), load(vertebrae), load(bodies)
    soft = load(tissue) if tissue and Path(tissue).stat().st_size else None
    for name, mask in (("vertebrae", whole), ("bodies", body), ("tissue", soft)):
        if mask is not None and mask.data.shape != volume.data.shape:
            raise ValueError(
                f"{name}: mask of {mask.data.shape} voxels on a CT of {volume.data.shape}"
            )
    return Scan(volume, whole, soft, find_bodies(body, whole, volume))


@dataclass(frozen=True)
class Measured:
    """Rows of the tables of one scan."""

    density: list[dict]
    morphometry: list[dict]


NOTHING = Measured([], [])
"""What is measured in a scan that was left out before."""


def measure_scan(scan: Scan, levels: Collection[str], density: DensitySettings) -> Measured:
    """Every family of measurements of every vertebra.

    A deformed vertebra (Genant grade 1 or more) is denser because it is compressed: its
    attenuation is measured and not included.
    """
    shapes = measure_morphometry(scan.bodies, levels)
    deformed = {row["level"]: Reason.FRACTURED for row in shapes if row["genant_grade"]}
    return Measured(
        density=measure_density(scan.bodies, levels, density, deformed),
        morphometry=shapes,
    )


def region_bits(
    bodies: dict[str, Body | None], levels: Collection[str], settings: DensitySettings
) -> dict[str, np.ndarray]:
    """Which voxels of every vertebra are measured, for drawing.

    Returns:
        By level, uint8 on the crop of its body (`body.box`): bit k is set where the voxel
        belongs to region `settings.rois[k]`. Levels and regions without a value are left out.
    """
    found = {}
    for level, body in bodies.items():
        if why_not_measured(level, body, levels):
            continue
        bits = np.zeros(body.mask.shape, np.uint8)
        for k, mask in enumerate(regions(body, settings.rois, settings).values()):
            if not too_small(np.count_nonzero(mask), body, settings):
                bits |= mask.astype(np.uint8) << k
        found[level] = bits
    return found
