"""Everything measured in one scan: files read once, cropped once, then rows of tables."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bonecast.images import Volume, load
from bonecast.measure.acquisition import Acquisition, aorta_hu, describe
from bonecast.measure.calibration.calibrate import CalibrationSettings, calibrate
from bonecast.measure.calibration.model import not_calibrated
from bonecast.measure.calibration.vbmd import VBMD_COLUMNS, add_vbmd
from bonecast.measure.density import (
    DENSITY_COLUMNS,
    DensitySettings,
    measure_density,
    regions,
    too_small,
)
from bonecast.measure.frame import Body, find_bodies, why_not_measured
from bonecast.measure.morphometry import measure_morphometry
from bonecast.measure.strength import measure_strength
from bonecast.reasons import Reason

DENSITY_FILE_COLUMNS = (*DENSITY_COLUMNS, *VBMD_COLUMNS)
"""Columns of density.tsv: attenuation, and density where there is a calibration."""


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
    """Rows of the tables of one scan, and the content of calibration.json."""

    density: list[dict]
    morphometry: list[dict]
    strength: list[dict]
    calibration: dict


NOTHING = Measured([], [], [], not_calibrated(Reason.SCAN_EXCLUDED).facts())
"""What is measured in a scan that was left out before."""


@dataclass(frozen=True)
class DensityOptions:
    """What turns HU into densities and rigidity.

    Attributes:
        calibration: the method and its options.
        corrections: of density by contrast phase, as from `acquisition.corrections`.
        law: of the modulus, one of `strength.LAWS`.
        rods: of method `phantom`, for this scan.
        row: of method `table`, for this scan.
    """

    calibration: CalibrationSettings = CalibrationSettings()
    corrections: Mapping[str, Mapping] = field(default_factory=dict)
    law: str = "crawford2003"
    rods: Sequence[dict] = ()
    row: Mapping | None = None


def acquisition_of(scan: Scan, facts: Mapping, phase: str, kvp: float | None) -> Acquisition:
    """How a scan was made: what the user says, then what the scan and its header say.

    Args:
        facts: `acquisition` of ct.json.
        phase, kvp: of the participants table; empty and None where not given.
    """
    told = {**facts, "kvp": facts.get("kvp") if kvp is None else kvp}
    return describe(told, phase, aorta_hu(scan.ct, scan.tissue))


def measure_scan(
    scan: Scan,
    levels: Collection[str],
    density: DensitySettings,
    acquisition: Acquisition | None = None,
    options: DensityOptions | None = None,
) -> Measured:
    """Every family of measurements of every vertebra.

    A deformed vertebra (Genant grade 1 or more) is denser because it is compressed: its
    attenuation is measured and not included.

    Args:
        acquisition: as from `acquisition_of`; None: nothing is known.
        options: of calibration and strength; None: no calibration.
    """
    acquisition, options = acquisition or Acquisition(), options or DensityOptions()
    shapes = measure_morphometry(scan.bodies, levels)
    deformed = {row["level"]: Reason.FRACTURED for row in shapes if row["genant_grade"]}
    rows = measure_density(scan.bodies, levels, density, deformed)
    calibration = calibrate(
        scan.ct,
        scan.vertebrae,
        scan.bodies,
        scan.tissue,
        options.calibration,
        acquisition,
        options.rods,
        options.row,
    )
    add_vbmd(rows, calibration, acquisition, options.corrections)
    first = [row for row in rows if row["roi"] == density.rois[0]]
    left_out = {row["level"]: row["reason"] for row in first if row["reason"]}
    return Measured(
        density=rows,
        morphometry=shapes,
        strength=measure_strength(scan.bodies, levels, calibration, options.law, left_out),
        calibration={**calibration.facts(), **acquisition.facts()},
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
