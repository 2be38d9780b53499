"""Regions of a slice and the windows of attenuation that count in them.

A region is a compartment and a window. Compartments are drawn by a segmentation of tissue
(`MASKS`) or, as far as that is possible, from the CT and the vertebra (`DERIVED`).
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bonecast.images import Volume
from bonecast.levels import VERSE_CODES
from bonecast.measure.composition.outline import find_outline
from bonecast.measure.frame import MIN_ARCH_MM3, Body, grow
from bonecast.segment.tissues import Tissue

MASKS, DERIVED = "masks", "derived"

MUSCLE_HU = (-29, 150)
FAT_HU = (-190, -30)
VISCERAL_HU = (-150, -50)
"""Attenuation of muscle, of subcutaneous and intermuscular fat, and of visceral fat, inclusive
(Mitsiopoulos et al., J Appl Physiol 1998;85:115; Aubrey et al., Acta Physiol 2014;210:489)."""

NAMED_MUSCLES = (
    Tissue.ILIOPSOAS_LEFT,
    Tissue.ILIOPSOAS_RIGHT,
    Tissue.AUTOCHTHON_LEFT,
    Tissue.AUTOCHTHON_RIGHT,
)


@dataclass(frozen=True)
class Region:
    """What is measured in a compartment of the tissue map.

    Attributes:
        codes: of the compartment.
        window_hu: lowest and highest attenuation counted.
        needs: codes of which the map must hold one for the region to be told at all.
        inside: codes that the structure encloses: where these reach the edge of the field of
            view, so does the structure.
        words: for people.
    """

    codes: tuple[Tissue, ...]
    window_hu: tuple[int, int]
    needs: tuple[Tissue, ...]
    inside: tuple[Tissue, ...]
    words: str


_MUSCLES = (Tissue.SKELETAL_MUSCLE, *NAMED_MUSCLES)
_WITHIN = (*_MUSCLES, Tissue.INTERMUSCULAR_FAT, Tissue.TORSO_FAT)

REGIONS: dict[str, Region] = {
    "muscle": Region(
        _MUSCLES,
        MUSCLE_HU,
        (Tissue.SKELETAL_MUSCLE,),
        (Tissue.TORSO_FAT,),
        "all skeletal muscle",
    ),
    "psoas": Region(
        (Tissue.ILIOPSOAS_LEFT, Tissue.ILIOPSOAS_RIGHT),
        MUSCLE_HU,
        (Tissue.ILIOPSOAS_LEFT, Tissue.ILIOPSOAS_RIGHT),
        (),
        "psoas, both sides",
    ),
    "back_muscles": Region(
        (Tissue.AUTOCHTHON_LEFT, Tissue.AUTOCHTHON_RIGHT),
        MUSCLE_HU,
        (Tissue.AUTOCHTHON_LEFT, Tissue.AUTOCHTHON_RIGHT),
        (),
        "muscles of the back (autochthonous), both sides",
    ),
    "imat": Region(
        (*_MUSCLES, Tissue.INTERMUSCULAR_FAT),
        FAT_HU,
        (Tissue.SKELETAL_MUSCLE,),
        (Tissue.TORSO_FAT,),
        "fat inside and, where the mask tells it, between muscles",
    ),
    "sat": Region(
        (Tissue.SUBCUTANEOUS_FAT,),
        FAT_HU,
        (Tissue.SUBCUTANEOUS_FAT,),
        _WITHIN,
        "subcutaneous fat",
    ),
    "vat": Region(
        (Tissue.TORSO_FAT,),
        VISCERAL_HU,
        (Tissue.TORSO_FAT,),
        (),
        "visceral fat: fat inside the torso",
    ),
}
"""Regions by name, in the order of rows."""

LEAN = ("muscle", "psoas", "back_muscles")
"""Regions that a level has or has not; fat may well be none."""

LOW_HU, HIGH_HU = FAT_HU[0], MUSCLE_HU[1]
"""Attenuation outside of this is in no window."""

BACK_DROP_MM = 15.0
"""So far behind the tips of the transverse processes begins what is taken for back muscle."""

BACK_HALF_WIDTH_MM = 50.0
"""So far to either side of the body it ends. Both are chosen here on a scan whose muscles are
outlined; docs/composition.md says how well they do."""

REACH_MM = 65.0
"""Processes and back muscles lie within this of the body."""

TIP_SHARE = 0.02
"""The tips of the transverse processes are this share of a vertebra's voxels on either side."""


def histograms(hu: np.ndarray, tissue: np.ndarray) -> np.ndarray:
    """How many voxels of each code have each attenuation: every region's numbers in one pass.

    Args:
        hu: HU, any shape.
        tissue: codes of the tissue map, the same shape.

    Returns:
        Counts (code, bin), one bin for each HU from LOW_HU to HIGH_HU.
    """
    used = (tissue > 0) & (tissue <= Tissue.AUTOCHTHON_RIGHT) & (hu >= LOW_HU) & (hu <= HIGH_HU)
    bins = HIGH_HU - LOW_HU + 1
    place = tissue[used].astype(np.intp) * bins + (np.rint(hu[used]).astype(np.intp) - LOW_HU)
    return np.bincount(place, minlength=(Tissue.AUTOCHTHON_RIGHT + 1) * bins).reshape(-1, bins)


def count_and_mean(counts: np.ndarray, region: Region) -> tuple[int, float | None]:
    """Voxels of a region and their mean attenuation in HU, None where there are none."""
    low, high = region.window_hu
    line = counts[list(region.codes)].sum(axis=0)[low - LOW_HU : high - LOW_HU + 1]
    n = int(line.sum())
    return n, float(line @ np.arange(low, high + 1) / n) if n else None


def derive_regions(
    hu: np.ndarray, spacing_mm: tuple[float, float], behind: np.ndarray | None
) -> dict[str, np.ndarray] | None:
    """Regions of an axial slice that the CT tells without a segmentation of tissue.

    Args:
        hu: (x, y).
        spacing_mm: pixel size along x and y.
        behind: where back muscle is looked for, as from `behind_vertebra`.

    Returns:
        By name, boolean (x, y): `body` (everything inside the skin), `sat`, and `back_muscles`
        where `behind` is given: not the whole muscle, but a part that is muscle. None where there
        is no body.
    """
    found = find_outline(hu, spacing_mm)
    if found is None:
        return None
    body, inner = found
    regions = {"body": body, "sat": body & ~inner & (hu >= FAT_HU[0]) & (hu <= FAT_HU[1])}
    if behind is not None:
        muscle = (hu >= MUSCLE_HU[0]) & (hu <= MUSCLE_HU[1])
        regions["back_muscles"] = behind & inner & muscle
    return regions


def behind_vertebra(body: Body, vertebrae: Volume, slices: list[int]) -> np.ndarray | None:
    """Where the back muscles lie: behind the transverse processes, near the midline.

    Args:
        body: the level's, for its place and axes.
        vertebrae: VerSe codes of whole vertebrae.
        slices: indices along z.

    Returns:
        Boolean (x, y, slice), vertebrae left out; None where the vertebra has no processes.
    """
    shape = vertebrae.data.shape
    x, y, z = grow(body.box, REACH_MM, vertebrae.spacing_mm, shape)
    whole = vertebrae.data[x, y, z] == VERSE_CODES[body.level]
    if (np.count_nonzero(whole) - np.count_nonzero(body.mask)) * body.voxel_mm3 < MIN_ARCH_MM3:
        return None
    start = np.array([x.start, y.start, z.start])
    points = (np.argwhere(whole) + start) @ vertebrae.affine[:3, :3].T + vertebrae.affine[:3, 3]
    right, anterior = ((points - body.frame.origin_mm) @ body.frame.axes[:2].T).T
    low, high = np.quantile(right, [TIP_SHARE, 1 - TIP_SHARE])
    tips = min(anterior[right <= low].mean(), anterior[right >= high].mean())
    right, anterior = (
        _along(axis, vertebrae, body.frame.origin_mm, (x, y), slices)
        for axis in body.frame.axes[:2]
    )
    near = vertebrae.data[x, y, slices] > 0
    bone = ndimage.binary_dilation(near, np.ones((3, 3, 1), bool))
    behind = np.zeros((*shape[:2], len(slices)), bool)
    behind[x, y] = ~bone & (np.abs(right) <= BACK_HALF_WIDTH_MM) & (anterior <= tips - BACK_DROP_MM)
    return behind


def _along(
    axis: np.ndarray,
    volume: Volume,
    origin_mm: np.ndarray,
    window: tuple[slice, slice],
    slices: list[int],
) -> np.ndarray:
    """Position along an axis, in mm, of the voxels in a window of some slices: (x, y, slice)."""
    steps = volume.affine[:3, :3].T @ axis
    x, y = (np.arange(part.start, part.stop) for part in window)
    plane = np.add.outer(steps[0] * x, steps[1] * y)
    offset = (volume.affine[:3, 3] - origin_mm) @ axis
    return np.add.outer(plane, steps[2] * np.asarray(slices) + offset)
