"""Small pure samples of air, fat, muscle, blood and compact bone in a scan, for calibration.

Slices through the vertebral bodies are looked at. Where the segmentation names a tissue its mask
is used, otherwise a tissue is taken by place and by its window of HU, from an image smoothed so
that noise does not decide. Samples are kept away from their edges, and the median is taken.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bonecast.images import Volume
from bonecast.measure.frame import Body
from bonecast.reasons import Reason
from bonecast.segment.tissues import Tissue

MAX_SLICES = 6
"""Slices looked at, spread over the bodies: enough for a median."""

SLAB_MM = 3.0
"""Thin slices are averaged over about this, against noise; thicker ones are taken alone, for
compact bone is thin."""

PADDING_HU = -1024
"""Nothing below it is attenuation: voxels outside the field of reconstruction."""

BODY_HU = -300.0
"""Denser than this is body, less dense air."""

CLEAR_OF_BODY_MM = 10.0
"""Air is taken this far from the body: off clothes, blankets and blur."""

EDGE_MM = 3.0
"""Samples keep this distance from the edge of their tissue; the aorta `AORTA_EDGE_MM`."""

AORTA_EDGE_MM = 4.0

MIN_SAMPLE_MM2 = 60.0
"""Least area of a sample, over all slices."""

MIN_COMPACT_MM2 = 15.0
"""The same for compact bone, which is thin."""

MIN_COMPACT_PIXELS = 50
"""Least number of pixels of compact bone, over all slices: fewer are the tips of a few cortices,
blurred, whose median lies far below compact bone's and decides the calibration; chosen here."""

MUSCLE_REACH_MM = (50.0, 15.0, 80.0)
"""Back muscle lies this far to either side of the body's centre, and from 15 to 80 mm behind."""

CLASS_HU = {"adipose": (-150.0, -50.0), "muscle": (-29.0, 150.0)}
"""Windows that fat (of the depots, the narrower) and muscle are recognised by (Mitsiopoulos, as
used for body composition)."""

COMPACT_HU = 900.0
"""Bone whose whole neighbourhood of 3 x 3 pixels is denser is compact; chosen here."""

METAL_HU = 2800.0
"""Denser than cortical bone of 1.92 g/cm3 even at 80 kVp (2360 to 2590 HU in simulation)."""

SANE_HU = {
    "air": (-1030.0, -980.0),
    "adipose": (-130.0, -70.0),
    "muscle": (-5.0, 65.0),
    "blood": (-20.0, 60.0),
    "cortical_bone": (1000.0, 2700.0),
}
"""A tissue whose median lies outside is not what it was taken for. Fat -100 +- 30, air -1000 -30
+20, blood 20 +- 40, muscle 30 +- 35 as in Ogo (Michalski 2020); that of bone chosen here."""

MUSCLES = (
    Tissue.SKELETAL_MUSCLE,
    Tissue.AUTOCHTHON_LEFT,
    Tissue.AUTOCHTHON_RIGHT,
    Tissue.ILIOPSOAS_LEFT,
    Tissue.ILIOPSOAS_RIGHT,
)

CODES = {
    "adipose": (Tissue.SUBCUTANEOUS_FAT,),
    "muscle": MUSCLES,
    "blood": (Tissue.AORTA,),
}
"""Codes of the tissue map that stand for a tissue."""

AIR_ASSUMED_HU = -1000.0
"""Air by the definition of the scale: used where no air around the body is in the image."""


@dataclass(frozen=True)
class Sample:
    """One tissue of one scan.

    Attributes:
        hu: its median, None where none was found.
        n_pixels: pixels of the sample.
        source: `mask`, `image`, or `assumed`.
        dropped: why it is not used.
    """

    hu: float | None
    n_pixels: int = 0
    source: str = "image"
    dropped: Reason | None = None

    def facts(self) -> dict:
        """For calibration.json."""
        return {
            "hu": None if self.hu is None else round(self.hu, 2),
            "n_pixels": self.n_pixels,
            "source": self.source,
            "dropped": None if self.dropped is None else str(self.dropped),
        }


def sample_tissues(
    ct: Volume,
    vertebrae: Volume,
    bodies: dict[str, Body | None],
    tissue: Volume | None,
    contrast: bool,
) -> dict[str, Sample]:
    """HU of every tissue, those not usable with the reason.

    Args:
        ct: HU.
        vertebrae: VerSe codes on the same grid.
        bodies: where the slices are taken.
        tissue: codes of bonecast.segment.tissues on the same grid, None where there are none.
        contrast: contrast medium is in the blood, which is then not used.
    """
    slices = _slices(bodies, ct.data.shape[2])
    found: dict[str, list[np.ndarray]] = {name: [] for name in SANE_HU}
    by_mask: set[str] = set()
    pixel = ct.spacing_mm[:2]
    reach = int(SLAB_MM / 2 // ct.spacing_mm[2])
    for k, body in slices:
        near = ct.data[:, :, max(k - reach, 0) : k + reach + 1]
        hu = near.mean(axis=2, dtype=np.float32)
        smooth = ndimage.uniform_filter(hu, 3)
        bone = vertebrae.data[:, :, k] > 0
        named = np.zeros(hu.shape, np.uint8) if tissue is None else tissue.data[:, :, k]
        inside = _inside(hu)
        masks = {
            "air": _air(near, hu, inside, pixel),
            "adipose": _fat(smooth, inside, named, pixel),
            "muscle": _muscle(smooth, bone, named, body, ct, pixel),
            "blood": _eroded(named == Tissue.AORTA, AORTA_EDGE_MM, pixel),
            "cortical_bone": _compact(hu, inside),
        }
        for name, mask in masks.items():
            found[name].append((hu if name == "air" else smooth)[mask])
        by_mask |= {name for name, codes in CODES.items() if np.isin(named, codes).any()}
    samples = {
        name: _judge(name, values, "mask" if name in by_mask else "image", float(np.prod(pixel)))
        for name, values in found.items()
    }
    if samples["air"].hu is None:
        samples["air"] = Sample(AIR_ASSUMED_HU, 0, "assumed")
    if contrast and samples["blood"].hu is not None:
        blood = samples["blood"]
        samples["blood"] = Sample(blood.hu, blood.n_pixels, blood.source, Reason.CONTRAST)
    return samples


def usable_hu(samples: dict[str, Sample]) -> dict[str, float]:
    """HU of the tissues that may be used."""
    return {name: sample.hu for name, sample in samples.items() if sample.dropped is None}


def _slices(bodies: dict[str, Body | None], depth: int) -> list[tuple[int, Body]]:
    """Up to `MAX_SLICES` slices through the middle of bodies, spread over the scan."""
    present = [body for body in bodies.values() if body is not None]
    step = max(1, int(np.ceil(len(present) / MAX_SLICES)))
    chosen = []
    for body in present[::step]:
        k = (body.box[2].start + body.box[2].stop) // 2
        chosen.append((min(k, depth - 1), body))
    return chosen


def _judge(name: str, parts: list[np.ndarray], source: str, pixel_mm2: float) -> Sample:
    values = np.concatenate(parts) if parts else np.empty(0)
    least = MIN_SAMPLE_MM2 / pixel_mm2
    if name == "cortical_bone":
        least = max(MIN_COMPACT_MM2 / pixel_mm2, MIN_COMPACT_PIXELS)
    if len(values) < least:
        return Sample(None, len(values), source, Reason.TISSUE_NOT_FOUND)
    hu = float(np.median(values))
    low, high = SANE_HU[name]
    outside = None if low <= hu <= high else Reason.TISSUE_IMPLAUSIBLE
    return Sample(hu, len(values), source, outside)


def _inside(hu: np.ndarray) -> np.ndarray:
    """The body in a slice: the largest piece denser than air, its holes filled."""
    pieces, count = ndimage.label(hu > BODY_HU)
    if count == 0:
        return np.zeros(hu.shape, bool)
    largest = np.bincount(pieces.ravel())[1:].argmax() + 1
    return ndimage.binary_fill_holes(pieces == largest)


def _eroded(mask: np.ndarray, edge_mm: float, pixel_mm: tuple[float, float]) -> np.ndarray:
    """Pixels whose centre lies `edge_mm` or more inside a mask; the image's border is no edge."""
    if not mask.any():
        return mask
    return ndimage.distance_transform_edt(mask, sampling=pixel_mm) >= edge_mm


def _air(
    near: np.ndarray, hu: np.ndarray, inside: np.ndarray, pixel_mm: tuple[float, float]
) -> np.ndarray:
    """Air around the body, within the circle of reconstruction, away from table and padding."""
    # Noise clips single voxels of air at the lowest value; padding covers areas.
    padding = ndimage.binary_opening((near <= PADDING_HU).all(axis=2), np.ones((3, 3)))
    away = ndimage.distance_transform_edt(~inside, sampling=pixel_mm) >= CLEAR_OF_BODY_MM
    size = np.array(hu.shape) * pixel_mm
    x, y = np.ogrid[: hu.shape[0], : hu.shape[1]]
    radius = np.hypot((x + 0.5) * pixel_mm[0] - size[0] / 2, (y + 0.5) * pixel_mm[1] - size[1] / 2)
    circle = radius < size.min() / 2 - EDGE_MM
    return _eroded(away & circle & ~padding & (hu < -900), EDGE_MM, pixel_mm)


def _fat(smooth, inside, named, pixel_mm) -> np.ndarray:
    low, high = CLASS_HU["adipose"]
    fat = inside & (smooth > low) & (smooth < high)
    if np.isin(named, CODES["adipose"]).any():
        fat &= named == Tissue.SUBCUTANEOUS_FAT
    return _eroded(fat, EDGE_MM, pixel_mm)


def _muscle(smooth, bone, named, body: Body, ct: Volume, pixel_mm) -> np.ndarray:
    low, high = CLASS_HU["muscle"]
    muscle = (smooth > low) & (smooth < high) & ~bone
    if np.isin(named, MUSCLES).any():
        return _eroded(muscle & np.isin(named, MUSCLES), EDGE_MM, pixel_mm)
    centre = np.linalg.inv(ct.affine)[:3, :3] @ (body.frame.origin_mm - ct.affine[:3, 3])
    side, front, back = MUSCLE_REACH_MM
    x = np.abs(np.arange(muscle.shape[0]) - centre[0]) * pixel_mm[0]
    y = (centre[1] - np.arange(muscle.shape[1])) * pixel_mm[1]
    muscle &= (x <= side)[:, None] & ((y >= front) & (y <= back))[None, :]
    return _eroded(muscle, EDGE_MM, pixel_mm)


def _compact(hu, inside) -> np.ndarray:
    compact = inside & (ndimage.minimum_filter(hu, 3) > COMPACT_HU)
    return compact & (ndimage.maximum_filter(hu, 5) < METAL_HU)
