"""Codes of everything but vertebrae that a segmentation may hold, in one map per scan.

One voxel has one code. Where two structures claim it, the higher code wins: codes rise from
the general (fat, muscle) to the specific (a named muscle, vessel, organ or bone); those that are
only there to tell the phase of contrast yield to all others. Vertebrae have their own map and are
0 here.
"""

from enum import IntEnum
from functools import reduce

import numpy as np


class Tissue(IntEnum):
    """A code of the tissue map; `label` is its name in tables and label maps."""

    # What all of the body is made of
    SUBCUTANEOUS_FAT = 1
    TORSO_FAT = 2
    INTERMUSCULAR_FAT = 3
    SKELETAL_MUSCLE = 4
    # Named muscles
    ILIOPSOAS_LEFT = 10
    ILIOPSOAS_RIGHT = 11
    AUTOCHTHON_LEFT = 12
    AUTOCHTHON_RIGHT = 13
    # Great vessels
    AORTA = 20
    INFERIOR_VENA_CAVA = 21
    # Vessels and organs whose attenuation tells the phase of contrast
    PORTAL_VEIN_AND_SPLENIC_VEIN = 50
    PULMONARY_VEIN = 51
    ILIAC_ARTERY_LEFT = 52
    ILIAC_ARTERY_RIGHT = 53
    ILIAC_VENA_LEFT = 54
    ILIAC_VENA_RIGHT = 55
    KIDNEY_LEFT = 56
    KIDNEY_RIGHT = 57
    PANCREAS = 58
    GALLBLADDER = 59
    URINARY_BLADDER = 60
    SMALL_BOWEL = 61
    COLON = 62
    BRAIN = 63
    # Organs that lie on one side in nearly everyone, the liver right, the heart left: with the
    # vessels, the evidence that a scan is not mirrored. Networks name other structures left and
    # right by their place, so those names say nothing.
    LIVER = 30
    HEART = 31
    # Bones by which levels are counted
    SACRUM = 40

    @property
    def label(self) -> str:
        """The name in lower case, as in label maps."""
        return self.name.lower()


YIELDING = range(Tissue.PORTAL_VEIN_AND_SPLENIC_VEIN, Tissue.BRAIN + 1)
"""Codes that take no voxel from another: they tell the phase of contrast, which needs no whole
organ, and what fat and muscle measure must not depend on whether they were segmented too."""

RIB_CODES: dict[str, int] = {
    f"rib_{side}_{number}": first + number
    for side, first in (("left", 100), ("right", 120))
    for number in range(1, 13)
}
"""Ribs by side and number, 1 the uppermost: the number says which vertebra bears it."""

TISSUE_CODES: dict[str, int] = {tissue.label: int(tissue) for tissue in Tissue} | RIB_CODES
"""Name to code of every structure of the map."""

TISSUE_NAMES: dict[int, str] = {code: name for name, code in TISSUE_CODES.items()}
"""Code to name."""


_TISSUE_TYPES = {1: "subcutaneous_fat", 2: "torso_fat", 3: "skeletal_muscle"}

TISSUE_CONVENTIONS: dict[str, dict[int, str]] = {
    "bonecast": TISSUE_NAMES,
    "totalsegmentator": {
        5: "liver",
        25: "sacrum",
        51: "heart",
        52: "aorta",
        63: "inferior_vena_cava",
        86: "autochthon_left",
        87: "autochthon_right",
        88: "iliopsoas_left",
        89: "iliopsoas_right",
    }
    | {
        2: "kidney_right",
        3: "kidney_left",
        4: "gallbladder",
        7: "pancreas",
        18: "small_bowel",
        20: "colon",
        21: "urinary_bladder",
        53: "pulmonary_vein",
        64: "portal_vein_and_splenic_vein",
        65: "iliac_artery_left",
        66: "iliac_artery_right",
        67: "iliac_vena_left",
        68: "iliac_vena_right",
        90: "brain",
    }
    | {91 + number: f"rib_left_{number}" for number in range(1, 13)}
    | {103 + number: f"rib_right_{number}" for number in range(1, 13)},
    "tissue_types": _TISSUE_TYPES,
    "tissue_4_types": _TISSUE_TYPES | {4: "intermuscular_fat"},
}
"""Numberings known by name: label to structure. Bonecast's own, and those of TotalSegmentator's
tasks total, tissue_types and tissue_4_types; labels of other structures are left out."""


def tissue_codes(labels: np.ndarray, names: dict[int, str]) -> np.ndarray:
    """A backend's labels as codes of the tissue map.

    Args:
        labels: whole numbers from 0 to 255, any shape.
        names: the backend's class names by label. Those of no structure listed here become 0.

    Returns:
        uint8 array of the same shape.
    """
    table = np.zeros(256, np.uint8)
    for label, name in names.items():
        table[label] = TISSUE_CODES.get(name, 0)
    return table[labels]


def combine(*maps: np.ndarray) -> np.ndarray:
    """One map from several of the same shape: the more specific structure has each voxel.

    Structures of `YIELDING` have those voxels that no other claims.
    """
    firm = reduce(np.maximum, (one * ~_yields(one) for one in maps))
    loose = reduce(np.maximum, maps)
    return np.maximum(firm, loose * (firm == 0))


def _yields(codes: np.ndarray) -> np.ndarray:
    return (codes >= YIELDING.start) & (codes < YIELDING.stop)


def present(tissue: np.ndarray) -> dict[str, str]:
    """Code (as text, for JSON) to name of each structure that a map holds."""
    codes = np.flatnonzero(np.bincount(tissue.ravel(), minlength=256))
    return {str(code): TISSUE_NAMES[code] for code in codes.tolist() if code}
