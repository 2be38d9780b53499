"""From stored values to Hounsfield units, and what can be wrong on the way.

PS3.3 C.7.6.3 says which bits hold a value, C.11.1 how it is rescaled, C.7.5.1.1.2 what pads.
"""

from dataclasses import dataclass
from math import isfinite

import numpy as np
from pydicom.dataset import Dataset

from bonecast.dicom import plausible
from bonecast.dicom.values import Values
from bonecast.reasons import Excluded, Reason

HU_MIN, HU_MAX = -1024, 32767
"""Values kept. Scanners pad outside the field of view with less than air; metal goes far
above the 3071 HU of 12-bit scanners where the extended scale is on."""

PADDING_ABOVE_HU = 3071
"""A padding value above this cannot be tissue, so its voxels are air. One below is left as it
is: less than air becomes air anyway, and between the two it cannot be told from tissue."""

OTHER_QUANTITIES = {
    "OD": "optical density",
    "HGML": "mercury or iodine concentration",
    "MGML": "concentration",
    "Z_EFF": "effective atomic number",
    "ED": "electron density",
    "EDW": "electron density",
    "PCT": "per cent",
    "HU_MOD": "modified Hounsfield units",
}
"""Rescale types (PS3.3 C.11.1.1.2) that are not Hounsfield units."""

GREY = ("", "MONOCHROME1", "MONOCHROME2")
"""Photometric interpretations of one grey value a pixel. MONOCHROME1 only says that displays
show low values bright; the values are HU all the same."""

MAX_JUMP_HU = 20
"""Neighbouring slices whose scaling differs agree within this in the median voxel of the body."""

BODY_HU = -500
"""Above this a voxel counts as body."""


@dataclass(frozen=True)
class Rescale:
    """A slice's own scaling; `declared` is False where its header has none."""

    slope: float
    intercept: float
    declared: bool


@dataclass(frozen=True)
class Frame:
    """One decoded image.

    Attributes:
        hu: rows x columns, int16 from HU_MIN to HU_MAX.
        rescale: from stored values to HU.
        position_mm: centre of the first voxel (LPS).
        orientation: six direction cosines.
        pixel_mm: distance between rows, between columns.
        padding: range of HU that pads and looks like metal, or None.
        padding_voxels: values below air.
        counts: of unclipped HU of every plausible.STRIDE-th row and column, padding left out.
        high: of stored values of plausible.SIGN_BIT and more that are not declared padding.
    """

    hu: np.ndarray
    rescale: Rescale
    position_mm: np.ndarray
    orientation: np.ndarray
    pixel_mm: tuple[float, float]
    padding: tuple[int, int] | None
    padding_voxels: int
    counts: np.ndarray
    high: plausible.Extent


def clip_hu(values: np.ndarray) -> np.ndarray:
    """Values as int16 from HU_MIN to HU_MAX: less than air is padding and becomes air."""
    if values.dtype == np.int16:
        return np.maximum(values, np.int16(HU_MIN))
    return np.clip(values, HU_MIN, HU_MAX).astype(np.int16)


def rescaling(elements: Values, frame: int) -> Rescale:
    """A frame's scaling.

    Raises:
        Excluded: NOT_HU where the header says that the values are something else.
        ValueError: the scaling is not numeric.
    """
    group = "PixelValueTransformationSequence"
    kind = elements.word("RescaleType", frame, group)
    if kind in OTHER_QUANTITIES:
        raise Excluded(Reason.NOT_HU, f"the header calls the values {OTHER_QUANTITIES[kind]}")
    colours = elements.integer("SamplesPerPixel") not in (None, 1)
    if colours or elements.word("PhotometricInterpretation") not in GREY:
        raise Excluded(Reason.NOT_HU, "the pixels are colours")
    slope = elements.floats("RescaleSlope", frame, group)
    intercept = elements.floats("RescaleIntercept", frame, group)
    if slope is None and intercept is None and "ModalityLUTSequence" in elements:
        raise Excluded(Reason.NOT_HU, "the values are scaled by a lookup table")
    found = Rescale(
        1.0 if slope is None else slope[0],
        0.0 if intercept is None else intercept[0],
        slope is not None or intercept is not None,
    )
    if not (isfinite(found.slope) and isfinite(found.intercept)):
        raise ValueError("scaling is not numeric")
    if found.slope == 0:
        raise Excluded(Reason.NOT_HU, "the rescale slope is 0")
    return found


def padding_range(dataset: Dataset, stored: np.ndarray) -> tuple[int, int] | None:
    """Stored values that pad, first and last; None where the header names none.

    Headers often write a negative value without its sign, or the other way round.
    """
    first = dataset.get("PixelPaddingValue")
    if first is None or isinstance(first, bytes):
        return None
    last = dataset.get("PixelPaddingRangeLimit")
    values = [int(first), int(first) if last is None or isinstance(last, bytes) else int(last)]
    if stored.dtype.kind in "iu":
        limits, span = np.iinfo(stored.dtype), 1 << (8 * stored.dtype.itemsize)
        values = [v + span if v < limits.min else v - span if v > limits.max else v for v in values]
    return min(values), max(values)


def without_foreign_bits(
    stored: np.ndarray, elements: Values, padding: tuple[int, int] | None, rescale: Rescale
) -> tuple[np.ndarray, bool]:
    """Values without bits that belong to overlays, or to nothing.

    Returns:
        The values, and whether any had such bits.

    Raises:
        Excluded: NOT_HU where the header says signed and the values cannot be.
    """
    allocated = 8 * stored.dtype.itemsize
    bits = elements.integer("BitsStored") or allocated
    if stored.dtype.kind not in "iu" or not 0 < bits < allocated:
        return stored, False
    signed = stored.dtype.kind == "i"
    unused = (elements.integer("HighBit") or bits - 1) + 1 - bits
    # Headers err on the high bit: values below it that are not 0 show that nothing is shifted.
    if unused > 0 and not np.any(stored & ((1 << unused) - 1)):
        stored = stored >> unused
        shifted = True
    else:
        shifted = False
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if low <= stored.min() and stored.max() <= high:
        return stored, shifted
    spare = allocated - bits
    # To the left the foreign bits fall off; to the right the sign comes back where there is one.
    clean = (stored << spare) >> spare
    turned = (stored >= 0) & (clean < 0)
    if turned.any() and np.all(scaled(clean[turned], rescale) < HU_MIN):
        raise Excluded(
            Reason.NOT_HU,
            f"values above {high} that are negative by their header would lie below air",
        )
    if padding is not None:
        pads = (stored >= padding[0]) & (stored <= padding[1])
        clean = np.where(pads, stored, clean)
    return clean, True


def to_hu(stored: np.ndarray, rescale: Rescale, out: np.ndarray) -> int:
    """Hounsfield units within HU_MIN to HU_MAX, and how many were below.

    Args:
        stored: rows x columns.
        out: int16 of the same shape, filled.
    """
    slope, intercept = rescale.slope, rescale.intercept
    whole = slope == 1 and intercept.is_integer() and stored.dtype.kind in "iu"
    if whole and stored.dtype.itemsize == 2:
        limits, offset = np.iinfo(np.int16), int(intercept)
        low, high = int(stored.min()) + offset, int(stored.max()) + offset
        if limits.min <= min(low, offset) and max(high, offset) <= limits.max:
            # Sums in 16 bits wrap round, and come back, for the result fits.
            hu = stored.view(np.int16) + np.int16(offset)
            below = int(np.count_nonzero(hu < HU_MIN)) if low < HU_MIN else 0
            # np.clip is ten times faster here than np.maximum.
            out[:] = np.clip(hu, HU_MIN, limits.max, out=hu) if below else hu
            return below
    values = scaled(stored, rescale)
    out[:] = clip_hu(values)
    return int(np.count_nonzero(values < HU_MIN))


def scaled(stored: np.ndarray, rescale: Rescale) -> np.ndarray:
    """Unclipped Hounsfield units, rounded; what is not a number is air."""
    values = np.rint(stored * np.float64(rescale.slope) + rescale.intercept)
    return values if stored.dtype.kind in "iu" else np.nan_to_num(values, nan=HU_MIN)


def make_frame(
    stored: np.ndarray,
    rescale: Rescale,
    pads: tuple[int, int] | None,
    position_mm: np.ndarray,
    orientation: np.ndarray,
    pixel_mm: tuple[float, float],
    out: np.ndarray,
) -> Frame:
    """Scale one image and look at its values.

    Args:
        stored: rows x columns, as stored.
        pads: stored values that pad, first and last.
        out: where its HU go.
    """
    below = to_hu(stored, rescale, out)
    sample = stored[:: plausible.STRIDE, :: plausible.STRIDE].ravel()
    padding = None
    if pads is not None:
        sample = sample[(sample < pads[0]) | (sample > pads[1])]
        bounds = sorted(round(value * rescale.slope + rescale.intercept) for value in pads)
        if bounds[0] > PADDING_ABOVE_HU:
            padding = (min(bounds[0], HU_MAX), min(bounds[1], HU_MAX))
    high = stored[:0].ravel()
    if stored.dtype == np.uint16 and stored.max() >= plausible.SIGN_BIT:
        high = stored[stored >= plausible.SIGN_BIT]
        if pads is not None:
            high = high[(high < pads[0]) | (high > pads[1])]
        # One value alone is padding that the header does not name.
        if high.size and high.min() == high.max() and padding is None:
            value = round(int(high[0]) * rescale.slope + rescale.intercept)
            padding = (min(value, HU_MAX),) * 2
            sample = sample[sample < plausible.SIGN_BIT]
    return Frame(
        hu=out,
        rescale=rescale,
        position_mm=position_mm,
        orientation=orientation,
        pixel_mm=pixel_mm,
        padding=padding,
        padding_voxels=below,
        counts=plausible.count_values(scaled(sample, rescale)),
        high=plausible.Extent.of(high),
    )


def check_scalings(frames: list[Frame]) -> bool:
    """Whether slices differ in their scaling; refuse where they then contradict each other.

    Args:
        frames: sorted along the normal.

    Raises:
        Excluded: SCALING_VARIES.
    """
    bare = sum(not frame.rescale.declared for frame in frames)
    if 0 < bare < len(frames):
        raise Excluded(Reason.SCALING_VARIES, f"{bare} of {len(frames)} slices have no rescale")
    if len({frame.rescale for frame in frames}) == 1:
        return False
    step = plausible.STRIDE
    for number, (one, other) in enumerate(zip(frames, frames[1:], strict=False), start=2):
        if one.rescale == other.rescale:
            continue
        a, b = (frame.hu[::step, ::step].astype(np.int32) for frame in (one, other))
        body = (a > BODY_HU) | (b > BODY_HU)
        jump = float(np.median((b - a)[body])) if body.any() else 0.0
        if abs(jump) > MAX_JUMP_HU:
            raise Excluded(
                Reason.SCALING_VARIES,
                f"slice {number} of {len(frames)}, scaled by other factors than its neighbour, "
                f"lies {jump:+.0f} HU off it",
            )
    return True
