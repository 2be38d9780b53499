"""Whether numbers can be Hounsfield units of a body."""

from dataclasses import dataclass

import numpy as np

from bonecast.reasons import Excluded, Reason

STRIDE = 4
"""Voxels between those looked at, along rows and columns."""

RANGE_HU = (-5000, 5000)
"""Values beyond count as these."""

FAT_OR_AIR_HU = -20
SOFT_TISSUE_HU = (-20, 120)
BONE_HU = 100
MIN_SHARE = 0.001
"""Every CT of a body holds fat or air, soft tissue and bone: at least this share of voxels
below, within and above. Values without HU offset, or windowed to 8 bits, do not."""

TISSUE_HU = -300
"""Above lung and air."""

WATER_LIKE_HU = (-150, 150)
MIN_WATER_LIKE, MIN_WATER_LIKE_OF_TISSUE = 0.02, 0.4
"""Fat, organs, muscle and blood: less of them than these shares of all voxels and of those of
tissue is no body. Seen in seven real scans: 0.24 to 0.58 of all, 0.74 to 0.96 of tissue, 0.66 in a
small field around the spine. A child in a wide field is mostly air, so the first is low."""

DENSE_HU = 700
MAX_DENSE, MAX_DENSE_WITHOUT_AIR = 0.4, 0.1
"""Of the voxels of tissue, compact bone and metal are a few per cent (seen in seven real scans:
0 to 3.2 %; of a head up to a sixth). Without the offset of 1024 all soft tissue lies there, and
nothing where air is."""

AIR_HU = (-1100, TISSUE_HU)
MIN_AIR = 0.01
"""Share of voxels from which there is air in view."""

OFFSETS_HU = (1024, 1000, -1024, -1000)
"""Offsets that are left out, or taken twice, in practice."""

SIGN_BIT = 1 << 15
"""Values from here up, in 16 bits without sign, are negative ones that lost their sign."""


def count_values(values: np.ndarray) -> np.ndarray:
    """Counts of each whole number within RANGE_HU.

    Args:
        values: integers of any shape.
    """
    low, high = RANGE_HU
    shifted = np.clip(values.ravel(), low, high).astype(np.int64) - low
    return np.bincount(shifted, minlength=high - low + 1)


def check_hounsfield(counts: np.ndarray, note: str = "") -> None:
    """Refuse values that cannot be Hounsfield units of a body.

    Args:
        counts: from `count_values`, of values before anything is clipped; without padding.
        note: what the header says of the scaling, added to the detail.

    Raises:
        Excluded: NOT_HU; the detail names an offset that would make the values plausible.
    """
    problem = _problem(counts)
    if not problem:
        return
    for offset in OFFSETS_HU:
        # Zeros move in at the end that empties; what moves out is counted at the other one.
        moved = np.roll(counts, offset)
        edge = slice(0, offset) if offset > 0 else slice(offset, None)
        moved[edge] = 0
        if counts.sum() and not _problem(moved):
            problem += f"; with {offset:+d} they would be plausible"
            break
    raise Excluded(Reason.NOT_HU, f"{problem}; {note}" if note else problem)


def _problem(counts: np.ndarray) -> str:
    origin = RANGE_HU[0]
    total = max(int(counts.sum()), 1)

    def share(first: int | None, last: int | None) -> float:
        """Of the voxels from `first` up to, not including, `last`."""
        start = 0 if first is None else first - origin
        return counts[start : None if last is None else last - origin].sum() / total

    needed = {
        f"fat or air (below {FAT_OR_AIR_HU} HU)": share(None, FAT_OR_AIR_HU),
        "soft tissue ({} to {} HU)".format(*SOFT_TISSUE_HU): share(
            SOFT_TISSUE_HU[0], SOFT_TISSUE_HU[1] + 1
        ),
        f"bone (above {BONE_HU} HU)": share(BONE_HU + 1, None),
    }
    for words, found in needed.items():
        if found < MIN_SHARE:
            return f"{100 * found:.2f} % of voxels are {words}: too few for a body"
    tissue = max(share(TISSUE_HU, None), 1 / total)
    dense = share(DENSE_HU, None) / tissue
    has_air = share(*AIR_HU) >= MIN_AIR
    if dense > (MAX_DENSE if has_air else MAX_DENSE_WITHOUT_AIR):
        return f"{100 * dense:.0f} % of tissue is above {DENSE_HU} HU: too much for a body"
    water = share(WATER_LIKE_HU[0], WATER_LIKE_HU[1] + 1)
    for found, least, of in (
        (water, MIN_WATER_LIKE, "voxels"),
        (water / tissue, MIN_WATER_LIKE_OF_TISSUE, "tissue"),
    ):
        if found < least:
            low, high = WATER_LIKE_HU
            return f"{100 * found:.1f} % of {of} at {low} to {high} HU: too little for a body"
    return ""


@dataclass(frozen=True)
class Extent:
    """How many values there are, the least and the greatest of them."""

    count: int = 0
    low: int = 0
    high: int = 0

    @classmethod
    def of(cls, values: np.ndarray) -> "Extent":
        """Of an array, which may be empty."""
        return cls(values.size, int(values.min()), int(values.max())) if values.size else cls()


def check_sign(high: list[Extent], total: int) -> None:
    """Refuse values that lost their sign.

    One value alone above SIGN_BIT is padding.

    Args:
        high: of the values of SIGN_BIT and more that no header calls padding.
        total: voxels looked at.

    Raises:
        Excluded: NOT_HU.
    """
    some = [extent for extent in high if extent.count]
    if some and min(one.low for one in some) != max(one.high for one in some):
        raise Excluded(
            Reason.NOT_HU,
            f"{100 * sum(one.count for one in some) / total:.1f} % of voxels are {SIGN_BIT} or "
            "more: negative values without their sign",
        )
