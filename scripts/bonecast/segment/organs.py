"""What organs and ribs around the spine say about its sides and its names.

Bones alone do not tell left from right: a mirrored spine looks like a spine. The liver does,
and so does the vena cava, which runs to the right of the aorta; the heart points to the left.
Structures named left and right by a network are no evidence, because it names them by place.
"""

from collections.abc import Mapping

import numpy as np

from bonecast.images import Volume
from bonecast.segment.sequence import Place

ORGANS_MM3 = {
    "liver": 100_000.0,
    "heart": 100_000.0,
    "aorta": 3_000.0,
    "inferior_vena_cava": 3_000.0,
}
"""Less of an organ in view may lie on either side (the dome of a liver at the border)."""
CLEAR_MM = {"liver": 10.0, "heart": 5.0, "vessels": 5.0}
"""Distance from the middle of the spine, or between the vessels, that tells a side."""
MIN_VESSEL_SLICES = 5
RIB_REACH_MM, MIN_RIB_MM3 = 14.0, 150.0
"""A vertebra bears a rib if its head lies this near to the body; less of a rib is noise."""
RIB_HEAD_MM = 10.0
"""The head is what lies nearest to the spine, as far as this."""
LONE_RIBS = (11, 12)
"""Ribs whose heads lie beside one vertebra only."""


def check_sides(places: list[Place], tissue: Volume | None, codes: Mapping[str, int]) -> str:
    """Whether organs lie on their usual sides of the spine.

    Args:
        places: the vertebrae.
        tissue: codes of tissues and organs, RAS+; None where the backend has none.
        codes: name of an organ to its code in `tissue`.

    Returns:
        `as_expected`; `swapped` where every organ that can be judged lies on the other side (a
        mirrored scan, or situs inversus); `unclear` where they contradict each other;
        `not_checked` where none can be judged.
    """
    if tissue is None or not places:
        return "not_checked"
    votes = []
    spine = sorted((place.centre_mm[2], place.centre_mm[0]) for place in places)
    z_spine, x_spine = np.array(spine).T

    def world(name: str) -> np.ndarray | None:
        points = np.argwhere(tissue.data == codes[name]) if name in codes else np.empty((0, 3))
        if len(points) * tissue.voxel_mm3 < ORGANS_MM3[name]:
            return None
        return points @ tissue.affine[:3, :3].T + tissue.affine[:3, 3]

    for name, side in (("liver", 1), ("heart", -1)):
        points = world(name)
        if points is not None:
            aside = float((points[:, 0] - np.interp(points[:, 2], z_spine, x_spine)).mean())
            if abs(aside) >= CLEAR_MM[name]:
                votes.append(aside * side > 0)
    aorta, cava = world("aorta"), world("inferior_vena_cava")
    if aorta is not None and cava is not None:
        apart = [
            cava[cava[:, 2] == z, 0].mean() - aorta[aorta[:, 2] == z, 0].mean()
            for z in np.intersect1d(aorta[:, 2], cava[:, 2])
        ]
        if len(apart) >= MIN_VESSEL_SLICES and abs(np.median(apart)) >= CLEAR_MM["vessels"]:
            votes.append(bool(np.median(apart) > 0))
    if not votes:
        return "not_checked"
    return "as_expected" if all(votes) else "unclear" if any(votes) else "swapped"


def rib_levels(
    places: list[Place], tissue: Volume | None, codes: Mapping[str, int]
) -> dict[int, str]:
    """The vertebra beside which the head of the eleventh and the twelfth rib lies.

    Higher ribs are left out: their heads lie between two vertebrae.

    Args:
        codes: ribs with a number are named `rib_left_12`, `rib_right_12` and so on.

    Returns:
        Level by number of the rib; a rib that reaches no vertebra in view is not in it.
    """
    found: dict[int, str] = {}
    whole = [place for place in places if place.usable]
    if tissue is None or not whole:
        return found
    spine = sorted((place.centre_mm[2], place.centre_mm[0]) for place in whole)
    z_spine, x_spine = np.array(spine).T
    for number in LONE_RIBS:
        wanted = [codes.get(f"rib_{side}_{number}", 0) for side in ("left", "right")]
        voxels = np.argwhere(np.isin(tissue.data, [code for code in wanted if code]))
        if len(voxels) * tissue.voxel_mm3 < MIN_RIB_MM3:
            continue
        points = voxels @ tissue.affine[:3, :3].T + tissue.affine[:3, 3]
        aside = np.abs(points[:, 0] - np.interp(points[:, 2], z_spine, x_spine))
        head = points[aside <= aside.min() + RIB_HEAD_MM]
        distance = []
        for place in whole:
            low, high = place.points_mm.min(axis=0), place.points_mm.max(axis=0)
            outside = np.maximum(0, np.maximum(low - head, head - high))
            distance.append(float(np.median(np.linalg.norm(outside, axis=1))))
        nearest = int(np.argmin(distance))
        if distance[nearest] <= RIB_REACH_MM:
            found[number] = whole[nearest].level
    return found
