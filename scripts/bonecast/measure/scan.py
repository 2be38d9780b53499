"""Everything measured in one scan: files read once, cropped once, then rows of tables."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bonecast.images import Volume, load
from bonecast.measure.acquisition import Acquisition, describe
from bonecast.measure.bodies import find_bodies
from bonecast.measure.calibration.calibrate import CalibrationSettings, calibrate
from bonecast.measure.calibration.model import not_calibrated
from bonecast.measure.calibration.vbmd import VBMD_COLUMNS, add_vbmd
from bonecast.measure.composition.measure import measure_composition
from bonecast.measure.contrast_model import predict_phase
from bonecast.measure.density import (
    DENSITY_COLUMNS,
    DensitySettings,
    measure_density,
    place_regions,
    region_bits,
)
from bonecast.measure.enhancement import measure_enhancement
from bonecast.measure.frame import Body
from bonecast.measure.morphometry.table import measure_morphometry
from bonecast.measure.radiomics.measure import measure_radiomics
from bonecast.measure.radiomics.settings import RadiomicsSettings
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
        inner: VerSe codes of vertebral bodies.
        tissue: codes of `bonecast.segment.tissues`; None where the backend has none.
        bodies: every vertebral body, cropped, by level from head to foot.
    """

    ct: Volume
    vertebrae: Volume
    inner: Volume
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
    return Scan(volume, whole, body, soft, find_bodies(body, whole, volume))


@dataclass(frozen=True)
class Measured:
    """Rows of the tables of one scan.

    Attributes:
        calibration: the content of calibration.json.
        regions: where attenuation was measured, as from `density.region_bits`.
    """

    density: list[dict]
    morphometry: list[dict]
    strength: list[dict]
    composition: list[dict]
    radiomics: list[dict]
    calibration: dict
    regions: dict[str, np.ndarray]


NOTHING = Measured([], [], [], [], [], not_calibrated(Reason.SCAN_EXCLUDED).facts(), {})
"""What is measured in a scan that was left out before."""


@dataclass(frozen=True)
class Settings:
    """How scans are measured.

    Attributes:
        levels: those to be analysed.
        density: how regions are drawn.
        calibration: what makes densities of HU.
        corrections: of density by contrast phase, as from `acquisition.corrections`.
        strength_law: of the modulus, one of `strength.LAWS`.
        radiomics: how features are computed; None: not at all.
    """

    levels: Collection[str]
    density: DensitySettings = DensitySettings()
    calibration: CalibrationSettings = CalibrationSettings()
    corrections: Mapping[str, Mapping] = field(default_factory=dict)
    strength_law: str = "crawford2003"
    radiomics: RadiomicsSettings | None = None


@dataclass(frozen=True)
class Known:
    """What is known of one scan beside its images.

    Attributes:
        header: `acquisition` of ct.json.
        contrast_phase, kvp: of the participants table; empty and None where not given.
        excluded: codes of the user's list by level, as from `read_excluded_levels`.
        rods: of calibration by phantom.
        calibration_row: of calibration by table.
        phase_model: TotalSegmentator's model of the phase has its inputs, as from
            `contrast_model.names_all_organs`.
    """

    header: Mapping = field(default_factory=dict)
    contrast_phase: str = ""
    kvp: float | None = None
    excluded: Mapping[str, str] = field(default_factory=dict)
    rods: Sequence[dict] = ()
    calibration_row: Mapping | None = None
    phase_model: bool = False

    def acquisition(self, scan: Scan) -> Acquisition:
        """How the scan was made: what the user says, then what its header and the scan say."""
        measured = measure_enhancement(scan.ct, scan.tissue)
        model = predict_phase(scan.ct, scan.tissue, self.phase_model)
        return describe(self.header, self.contrast_phase, measured, model, self.kvp)


def measure_scan(scan: Scan, settings: Settings, known: Known | None = None) -> Measured:
    """Every family of measurements of every vertebra.

    A deformed vertebra (Genant grade 1 or more) is denser because it is compressed: its
    attenuation is measured and not included. So it is with one on the user's list. Radiomics are
    not included where the attenuation of the first region is not.
    """
    known = known or Known()
    bodies, levels = scan.bodies, settings.levels
    acquisition = known.acquisition(scan)
    shapes = measure_morphometry(bodies, levels)
    left_out = {level: [Reason(code)] for level, code in known.excluded.items()}
    for row in shapes:
        if row["genant_grade"]:
            left_out.setdefault(row["level"], []).append(Reason.DEFORMED)
    placed = place_regions(bodies, levels, settings.density)
    density = measure_density(bodies, levels, settings.density, left_out, placed)
    calibration = calibrate(
        scan.ct,
        scan.vertebrae,
        bodies,
        scan.tissue,
        settings.calibration,
        acquisition,
        known.rods,
        known.calibration_row,
    )
    add_vbmd(density, calibration, acquisition, settings.corrections)
    first = [row for row in density if row["roi"] == settings.density.rois[0]]
    not_included = {row["level"]: row["reason"] for row in first if row["reason"]}
    return Measured(
        density=density,
        morphometry=shapes,
        strength=measure_strength(bodies, levels, calibration, settings.strength_law, not_included),
        composition=measure_composition(
            scan.ct,
            scan.vertebrae,
            bodies,
            scan.tissue,
            levels,
            acquisition.has_contrast,
            acquisition.kvp,
        ),
        radiomics=measure_radiomics(bodies, levels, settings.radiomics, not_included, scan.ct)
        if settings.radiomics
        else [],
        calibration={**calibration.facts(), **acquisition.facts()},
        regions=region_bits(bodies, placed, settings.density),
    )
