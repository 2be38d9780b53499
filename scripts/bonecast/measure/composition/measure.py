"""Area and attenuation of muscle and fat at the level of every vertebra."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from bonecast.images import Volume
from bonecast.measure.columns import LEVEL, Column, included, names, prefixed, reason
from bonecast.measure.composition.calcium import AORTA, measure_calcium
from bonecast.measure.composition.regions import (
    DERIVED,
    HIGH_HU,
    LEAN,
    LOW_HU,
    MASKS,
    REGIONS,
    behind_vertebra,
    count_and_mean,
    derive_regions,
    histograms,
)
from bonecast.measure.composition.slab import SLAB_MM, Slab, field_edge, find_slab, is_cut
from bonecast.measure.frame import Body, why_not_measured
from bonecast.reasons import Reason
from bonecast.segment.tissues import Tissue

MIN_LEAN_CM2 = 1.0
"""A muscle of less than this is not at the level: crumbs of a mask (chosen here)."""

DERIVED_REGIONS = ("back_muscles", "sat")
"""Regions that are told without a mask well enough: docs/composition.md says how well, and which
are not. Of the back muscles that is the attenuation, not the area."""

DERIVED_LEVELS = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
"""Where they are: above, shoulders and arms lie in the way."""


def measure_composition(
    ct: Volume,
    vertebrae: Volume,
    bodies: dict[str, Body | None],
    tissue: Volume | None,
    levels: Collection[str],
    contrast: bool | None = None,
    kvp: float | None = None,
) -> list[dict]:
    """Muscle, fat and aortic calcium at each level, one row for each region, from head to foot.

    A region is measured on the axial slice through the middle of the vertebral body, and on
    the slices of a slab around it (`bonecast.measure.composition.slab`). Where the tissue map
    holds no voxel of a region's kind at any of these levels, it is derived from the CT if
    that can be done, and `method` says so.

    Args:
        ct: HU.
        vertebrae: VerSe codes of whole vertebrae, on the same grid.
        bodies: as from `find_bodies`.
        tissue: codes of the tissue map on the same grid, None where there is none.
        levels: those to be analysed; others get rows with a reason and no values.
        contrast: whether a contrast agent was given, None where that is not known.
        kvp: tube voltage in kV, None where not known.

    Returns:
        Rows with the columns of composition.tsv; a missing value is None.
    """
    slabs = {
        level: find_slab(body, ct)
        for level, body in bodies.items()
        if not why_not_measured(level, body, levels)
    }
    told = _told(tissue, [slab for slab in slabs.values() if slab])
    derivable = {name for name in DERIVED_REGIONS if name not in told}
    edge = field_edge(ct.data[:, :, ct.data.shape[2] // 2])
    calcium = {
        row["level"]: [_row(row["level"], AORTA) | row]
        for row in measure_calcium(ct, bodies, tissue, levels, contrast, kvp)
    }
    rows: list[dict] = []
    for level, body in bodies.items():
        why, slab = why_not_measured(level, body, levels), slabs.get(level)
        if why or slab is None:
            why = why or Reason.TOUCHES_BORDER
            rows += [_row(level, name, None, why) for name in REGIONS] + calcium.get(level, [])
            continue
        found = _by_mask(level, slab, ct, tissue, edge, told) if told else {}
        if derivable and level in DERIVED_LEVELS:
            found |= _derived(body, slab, ct, vertebrae, edge, derivable)
        missing = {name: _row(level, name, None, Reason.NO_TISSUE_MASK) for name in REGIONS}
        rows += [*(missing | found).values(), *calcium.get(level, [])]
    return rows


def _told(tissue: Volume | None, slabs: list[Slab]) -> set[str]:
    """Regions that a tissue map tells at any of the levels."""
    if tissue is None or not slabs:
        return set()
    middles = tissue.data[:, :, [slab.middle for slab in slabs]]
    present = np.flatnonzero(np.bincount(middles.ravel(order="K"), minlength=256)).tolist()
    return {name for name, region in REGIONS.items() if set(region.needs) & set(present)}


def _outlined(codes: np.ndarray) -> bool:
    """Whether a slice of the tissue map holds any fat or muscle."""
    return bool(((codes > 0) & (codes <= Tissue.AUTOCHTHON_RIGHT)).any())


def _by_mask(
    level: str, slab: Slab, ct: Volume, tissue: Volume, edge: np.ndarray, told: set[str]
) -> dict[str, dict]:
    """Rows of the regions that the tissue map tells, by name; none where it has nothing."""
    hu, codes = ct.data[:, :, slab.middle], tissue.data[:, :, slab.middle]
    if not _outlined(codes):
        return {}
    at_middle, in_slab = histograms(hu, codes), None
    slices = list(slab.slices or ())
    # A map may be of single slices: the slab is that of a map which goes through it.
    if slices and all(_outlined(tissue.data[:, :, k]) for k in slices):
        in_slab = histograms(ct.data[:, :, slices], tissue.data[:, :, slices])
    pixel_cm2 = ct.spacing_mm[0] * ct.spacing_mm[1] / 100
    rows = {}
    for name in told:
        region = REGIONS[name]
        cut = is_cut(np.isin(codes, [*region.codes, *region.inside]), edge, ct.spacing_mm[0])
        n, mean = count_and_mean(at_middle, region)
        if cut or (name in LEAN and n * pixel_cm2 < MIN_LEAN_CM2):
            why = Reason.CUT_BY_FIELD_OF_VIEW if cut else Reason.TOO_SMALL
            rows[name] = _row(level, name, MASKS, why)
            continue
        rows[name] = _row(level, name, MASKS) | {"area_cm2": n * pixel_cm2, "density_hu": mean}
        if in_slab is not None:
            n, mean = count_and_mean(in_slab, region)
            rows[name]["slab_area_cm2"] = n * pixel_cm2 / len(slices)
            rows[name]["slab_density_hu"] = mean
    return rows


def _derived(
    body: Body,
    slab: Slab,
    ct: Volume,
    vertebrae: Volume,
    edge: np.ndarray,
    wanted: set[str],
) -> dict[str, dict]:
    """Rows of the wanted regions as far as the CT tells them by itself, by name."""
    slices = list(slab.slices or [slab.middle])
    behind = None
    if "back_muscles" in wanted:
        behind = behind_vertebra(body, vertebrae, slices)
    found = {}
    for i, k in enumerate(slices):
        here = None if behind is None else behind[:, :, i]
        found[k] = derive_regions(ct.data[:, :, k], ct.spacing_mm[:2], here)
    if None in found.values():
        return {}
    pixel_cm2 = ct.spacing_mm[0] * ct.spacing_mm[1] / 100
    at_middle, hu = found[slab.middle], ct.data[:, :, slab.middle]
    rows = {}
    for name in wanted & at_middle.keys():
        surface = at_middle["body"] if name == "sat" else at_middle[name]
        area_cm2 = float(np.count_nonzero(at_middle[name]) * pixel_cm2)
        if is_cut(surface, edge, ct.spacing_mm[0]):
            rows[name] = _row(body.level, name, DERIVED, Reason.CUT_BY_FIELD_OF_VIEW)
            continue
        if area_cm2 < MIN_LEAN_CM2:
            rows[name] = _row(body.level, name, DERIVED, Reason.TOO_SMALL)
            continue
        row = _row(body.level, name, DERIVED)
        row |= {"area_cm2": area_cm2, "density_hu": float(hu[at_middle[name]].mean())}
        if slab.slices:
            values = np.concatenate([ct.data[:, :, k][masks[name]] for k, masks in found.items()])
            row["slab_area_cm2"] = len(values) * pixel_cm2 / len(slices)
            row["slab_density_hu"] = float(values.mean())
        if name == "back_muscles":
            # Only a part of the muscle, of no particular area.
            row |= {"area_cm2": None, "slab_area_cm2": None, "reason": Reason.AREA_NOT_DERIVED}
        rows[name] = row
    return rows


def _row(level: str, region: str, method: str | None = None, why: Reason | None = None) -> dict:
    row: dict = dict.fromkeys(names(COMPOSITION_COLUMNS))
    about = {"level": level, "region": region, "method": method}
    return row | about | {"included": why is None, "reason": why}


VALUE_COLUMNS = (
    Column(
        "area_cm2",
        "cm2",
        "Area on the axial slice through the middle of the vertebral body",
        low=0,
        block="composition",
    ),
    Column(
        "density_hu", "HU", "Mean attenuation there", low=LOW_HU, high=HIGH_HU, block="composition"
    ),
    Column(
        "slab_area_cm2",
        "cm2",
        f"Mean area of the slices within {SLAB_MM / 2:g} mm of the middle; empty where scan or "
        "mask end before",
        low=0,
        block="composition",
    ),
    Column(
        "slab_density_hu",
        "HU",
        "Mean attenuation in these slices",
        low=LOW_HU,
        high=HIGH_HU,
        block="composition",
    ),
)

ABOUT_COLUMNS = (
    Column(
        "method",
        "",
        "masks: outlined by a segmentation of tissue; derived: found in the CT beside the vertebra",
        kind="text",
        words=(MASKS, DERIVED),
    ),
    included("the values enter summaries"),
    reason(
        f"Why not included; {Reason.AREA_NOT_DERIVED}: why area_cm2 and slab_area_cm2 are empty, "
        "while the attenuation is included"
    ),
)

CALCIUM_COLUMNS = (
    Column(
        "agatston",
        "",
        "Agatston score of the aorta between half-way to the vertebrae above and below",
        "Agatston et al., J Am Coll Cardiol 1990;15:827; thresholds by tube voltage: Gräni et al., "
        "Eur Heart J Cardiovasc Imaging 2018, 10.1093/ehjci/jey019",
        low=0,
        block="calcium",
    ),
)

COMPOSITION_COLUMNS = (
    LEVEL,
    Column("region", "", "What is measured", kind="text", words=(*REGIONS, AORTA)),
    *VALUE_COLUMNS,
    *CALCIUM_COLUMNS,
    *ABOUT_COLUMNS,
)
"""Columns of composition.tsv, in order."""


def level_columns() -> tuple[Column, ...]:
    """Columns of composition in a table of one row for each level."""
    columns = []
    for name, region in REGIONS.items():
        low, high = region.window_hu
        # A mean lies in the region's own window.
        values = (replace(c, low=low, high=high) if c.unit == "HU" else c for c in VALUE_COLUMNS)
        about = f"{region.words}, {low} to {high} HU"
        columns += prefixed(name, (*values, *ABOUT_COLUMNS), about)
    return (*columns, *prefixed(AORTA, CALCIUM_COLUMNS + ABOUT_COLUMNS, "aorta"))
