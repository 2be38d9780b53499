"""Aortic calcium of native scans, scored as Agatston did for the coronary arteries."""

from bisect import bisect_right
from collections.abc import Collection

import numpy as np
from scipy import ndimage

from bonecast.images import Volume, bounding_box
from bonecast.measure.composition.regions import MASKS
from bonecast.measure.frame import Body, why_not_measured
from bonecast.reasons import Reason
from bonecast.segment.tissues import Tissue

LESION_HU: dict[int, tuple[int, int, int, int]] = {
    70: (207, 318, 477, 636),
    80: (177, 271, 408, 544),
    100: (145, 222, 334, 446),
    120: (130, 200, 300, 400),
}
"""By tube voltage in kV: attenuation from which calcium counts and, by its peak, counts 1, 2, 3
and 4 times (Agatston et al., J Am Coll Cardiol 1990;15:827 for 120 kV; Gräni et al., Eur Heart J
Cardiovasc Imaging 2018, 10.1093/ehjci/jey019 for the others)."""

MIN_LESION_MM2 = 1.0
"""Smaller spots of a slice are noise (Agatston 1990)."""

SLICE_MM = 3.0
"""Distance of slices that the score was defined at; others count in proportion."""

AORTA = "aorta"
"""Name of the region in composition.tsv."""

CALCIUM_LEVELS = ("L1", "L2", "L3", "L4")
"""The abdominal aorta: from the disc above L1 to its bifurcation, at L4."""

NOISE_STEPS = 3.0
"""Standard deviations of noise that must lie between blood and the lowest limit. With 30 HU of
noise at 120 kV, as many, noise alone scores about 5 along the abdominal aorta; with 40 HU about
80 (docs/composition.md)."""

MAD_TO_SD = 1.4826
"""Of a normal distribution; the median keeps calcium out of the noise."""

EIGHT = np.ones((3, 3), bool)
"""Voxels of a lesion may touch at a corner (chosen here)."""


def agatston(hu: np.ndarray, aorta: np.ndarray, spacing_mm: tuple[float, ...], kvp: int) -> float:
    """Agatston score of a stack of axial slices.

    Args:
        hu: (x, y, z).
        aorta: boolean, the same shape: nothing outside of it counts.
        spacing_mm: voxel size along x, y, z.
        kvp: tube voltage, a key of `LESION_HU`.

    Returns:
        Sum over lesions of area (mm2) times weight times slice distance over 3 mm.
    """
    limits = LESION_HU[kvp]
    bright = aorta & (hu >= limits[0])
    pixel_mm2 = spacing_mm[0] * spacing_mm[1]
    score = 0.0
    for k in np.flatnonzero(bright.any(axis=(0, 1))):
        lesions, count = ndimage.label(bright[:, :, k], EIGHT)
        areas = np.bincount(lesions.ravel(), minlength=count + 1)[1:] * pixel_mm2
        peaks = ndimage.maximum(hu[:, :, k], lesions, np.arange(1, count + 1))
        for area, peak in zip(areas, peaks, strict=True):
            if area >= MIN_LESION_MM2:
                score += area * bisect_right(limits, peak)
    return float(score * spacing_mm[2] / SLICE_MM)


def measure_calcium(
    ct: Volume,
    bodies: dict[str, Body | None],
    tissue: Volume | None,
    levels: Collection[str],
    contrast: bool | None,
    kvp: float | None,
) -> list[dict]:
    """Aortic calcium at each level of the abdominal aorta that was found, from head to foot.

    A level has the slices nearer to the middle of its body than to those of its neighbours; at
    the ends of what was found, as far beyond the middle as on the other side. One that reaches
    beyond the scan is not scored.

    Args:
        ct: HU.
        bodies: as from `find_bodies`.
        tissue: codes of the tissue map on the same grid, None where there is none.
        levels: those to be analysed.
        contrast: whether a contrast agent was given, None where that is not known.
        kvp: tube voltage in kV, None where not known.

    Returns:
        Rows of region `aorta`: level, region, agatston, method, included, reason.
    """
    known = {level: body for level, body in bodies.items() if body is not None}
    to_voxel = np.linalg.inv(ct.affine)[2]
    middles = {
        level: float(to_voxel[:3] @ body.frame.origin_mm + to_voxel[3])
        for level, body in known.items()
    }
    reason = _why_not(tissue, contrast, kvp)
    rows = []
    for level in (name for name in bodies if name in CALCIUM_LEVELS):
        score, why = None, why_not_measured(level, bodies[level], levels) or reason
        if not why:
            slices = level_slices(level, middles, ct.data.shape[2])
            score, why = _score(level, slices, ct, tissue, round(kvp))
        about = {"level": level, "region": AORTA, "method": None if why else MASKS}
        rows.append(about | {"agatston": score, "included": why is None, "reason": why})
    return rows


def _why_not(tissue: Volume | None, contrast: bool | None, kvp: float | None) -> Reason | None:
    """Why no level of a scan is scored, if so."""
    if tissue is None:
        return Reason.NO_TISSUE_MASK
    if contrast is None:
        return Reason.PHASE_UNKNOWN
    if contrast:
        return Reason.CONTRAST
    return Reason.KVP_NOT_TABULATED if kvp is None or round(kvp) not in LESION_HU else None


def level_slices(level: str, middles: dict[str, float], depth: int) -> slice | None:
    """Slices of a level; None where it reaches beyond the scan or stands alone.

    Args:
        level: its name.
        middles: slice of the middle of every body, from head to foot, between whole numbers.
        depth: slices of the scan.
    """
    names = list(middles)
    i, here = names.index(level), middles[level]
    above = (middles[names[i - 1]] - here) / 2 if i else None
    below = (here - middles[names[i + 1]]) / 2 if i + 1 < len(names) else None
    if above is None and below is None:
        return None
    top, bottom = here + (above or below), here - (below or above)
    first, last = (int(np.ceil(k - 1e-6)) for k in (bottom, top))
    return slice(first, last) if first >= 0 and last <= depth else None


def _score(
    level: str, slices: slice | None, ct: Volume, tissue: Volume, kvp: int
) -> tuple[float | None, Reason | None]:
    """Score of a level's slices, or why there is none."""
    if slices is None:
        return None, Reason.TOUCHES_BORDER
    aorta = tissue.data[:, :, slices] == Tissue.AORTA
    box = bounding_box(aorta)
    if box is None:
        # An aorta may divide above L4: there is none of it there to hold calcium.
        ends_above = level == CALCIUM_LEVELS[-1] and (
            (tissue.data[:, :, slices.stop :] == Tissue.AORTA).any()
            and not (tissue.data[:, :, : slices.start] == Tissue.AORTA).any()
        )
        return (0.0, None) if ends_above else (None, Reason.NO_TISSUE_MASK)
    hu, aorta = ct.data[:, :, slices][box], aorta[box]
    blood = np.median(hu[aorta])
    noise = MAD_TO_SD * np.median(np.abs(hu[aorta] - blood))
    if LESION_HU[kvp][0] - blood < NOISE_STEPS * noise:
        return None, Reason.TOO_NOISY
    return agatston(hu, aorta, ct.spacing_mm, kvp), None
