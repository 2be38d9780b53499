"""Which of the pieces a network marked as bodies are the spine.

On scans unlike those it has seen a network marks bodies where there are none: in ribs and
pelvis, in bowel or kidneys filled with contrast medium, in the sacrum. Bodies of a spine
follow each other in a line at distances between known limits; what does not fit the line
that holds most bone is dropped. Where no such line remains the scan is refused.
"""

import numpy as np
from scipy import ndimage

from bonecast.reasons import Excluded, Reason

STEP_MM = (10.0, 60.0)
"""Centres of true neighbours are this far apart: two collapsed thoracic bodies at the least."""
NEIGHBOUR_VOLUMES = (0.3, 3.3)
"""Volume of a body over that of the one above; a collapse takes half at most."""
OFF_LINE_MM = 25.0
"""A body farther beside the line of its neighbours is none: scoliosis bends less between two."""
CAP = 1.5
"""A piece counts for no more than this multiple of the usual piece."""
GAP_COST = 0.3
"""What each step's length of missing spine costs, in usual pieces."""
SIDE_COST = 0.2
"""What a step costs that goes sideways as far as neighbours can, in the smaller piece."""
KEPT_SHARE = 0.7
"""The line must hold at least this share of all that was marked, else nothing is certain."""
COARSE_MM = 2.5
"""Islands are looked for on a grid of about this step."""
BRIDGE_MM = 8.0
"""Marked parts nearer to each other than this are one piece: a disc may not be marked."""
SACRUM_SHARE = 0.3
"""A piece with this share of its surface on the sacrum is part of it; L5 has a disc between."""
SURFACE_MM = 3.0
"""How near the sacrum counts as against the surface."""


def find_line(centres_mm: np.ndarray, volumes_mm3: np.ndarray, cut: list[int]) -> list[int]:
    """Positions of the pieces that make up the spine, from head to foot.

    The line is the chain of possible neighbours with the greatest volume, less what its gaps
    and sideways steps cost (dynamic programming).

    Args:
        centres_mm: shape (n, 3), from head to foot.
        volumes_mm3: of each piece.
        cut: positions of pieces cut by the border, whose size says nothing.

    Raises:
        Excluded: the best line leaves out too much.
    """
    n = len(centres_mm)
    order = np.argsort(volumes_mm3)
    half = np.searchsorted(np.cumsum(volumes_mm3[order]), volumes_mm3.sum() / 2)
    usual = float(volumes_mm3[order[half]])  # weighted by volume: many small pieces do not count
    worth = np.minimum(volumes_mm3 / usual, CAP)
    best, before = worth.copy(), np.full(n, -1)
    for j in range(n):
        for i in range(j):
            step = centres_mm[j] - centres_mm[i]
            if why_no_neighbours(step, volumes_mm3[i], volumes_mm3[j], i in cut or j in cut):
                continue
            missing = max(0.0, float(np.linalg.norm(step)) - STEP_MM[1]) / (STEP_MM[1] / 2)
            # A sideways step never costs so much that a piece cut by the border is left out.
            aside = SIDE_COST * min(worth[i], worth[j]) * np.hypot(*step[:2]) / OFF_LINE_MM
            cost = GAP_COST * missing + aside
            if best[i] + worth[j] - cost > best[j]:
                best[j], before[j] = best[i] + worth[j] - cost, i
    line = [int(np.argmax(best))]
    while before[line[-1]] >= 0:
        line.append(int(before[line[-1]]))
    line.reverse()
    share = worth[line].sum() / worth.sum()
    if share < KEPT_SHARE:
        raise Excluded(
            Reason.IMPLAUSIBLE_SPINE,
            f"{n} bodies found, of which no line holds more than {len(line)}",
        )
    return line


def why_no_neighbours(
    step_mm: np.ndarray, upper_mm3: float, lower_mm3: float, any_is_cut: bool
) -> str:
    """Why two bodies cannot follow each other in a spine; empty where they can.

    Args:
        step_mm: from the centre of the upper to that of the lower.
        upper_mm3, lower_mm3: their volumes, ignored where the border cuts either.
    """
    length, aside = float(np.linalg.norm(step_mm)), float(np.hypot(*step_mm[:2]))
    # Over a gap of several levels the line may bend as often.
    levels = max(1.0, length / STEP_MM[1])
    if length < STEP_MM[0] or aside > OFF_LINE_MM * levels:
        return f"lie {length:.0f} mm apart, {aside:.0f} mm of it sideways"
    ratio = lower_mm3 / upper_mm3
    if not any_is_cut and not NEIGHBOUR_VOLUMES[0] <= ratio <= NEIGHBOUR_VOLUMES[1]:
        return f"have {upper_mm3 / 1000:.1f} and {lower_mm3 / 1000:.1f} cm3"
    return ""


def beside_spine(
    bone: np.ndarray, disc: np.ndarray, sacrum: np.ndarray, spacing_mm: np.ndarray
) -> np.ndarray:
    """Where islands lie that run beside the spine: what was marked in hips, ribs or bowel.

    Bodies and discs of a spine are one connected piece, or several one below the other where a
    vertebra was missed. A piece at the height of the largest one, or of the sacrum, and away from
    them is no part of it.

    Args:
        bone, disc, sacrum: boolean, what was marked as these, of one shape.
        spacing_mm: voxel size along x, y, z.

    Returns:
        Boolean, the same shape; True in and around such islands.
    """
    steps = [max(1, round(COARSE_MM / s)) for s in spacing_mm]
    coarse = tuple(slice(None, None, step) for step in steps)
    sampling = spacing_mm * steps
    shape = bone.shape
    bone, sacrum, parts = bone[coarse], sacrum[coarse], (bone | disc)[coarse]
    near = ndimage.distance_transform_edt(~parts, sampling=sampling) <= BRIDGE_MM / 2
    pieces, count = ndimage.label(near)
    drop = np.zeros(count + 1, bool)
    if count > 1:
        largest = int(np.bincount(pieces[bone], minlength=count + 1)[1:].argmax()) + 1
        spine = (pieces == largest) | sacrum
        heights = spine.any(axis=(0, 1))
        for piece, box in enumerate(ndimage.find_objects(pieces), start=1):
            common = heights[box[2]]
            if piece == largest or common.mean() <= 0.5:
                continue
            levels = np.arange(box[2].start, box[2].stop)[common]
            line = np.argwhere(spine[:, :, levels])[:, :2].mean(axis=0)
            centre = np.argwhere(pieces[box] == piece)[:, :2].mean(axis=0)
            away = (centre + [box[0].start, box[1].start] - line) * sampling[:2]
            drop[piece] = np.hypot(*away) > OFF_LINE_MM
    beside = drop[pieces]
    for axis, step in enumerate(steps):
        beside = np.repeat(beside, step, axis)
    return beside[tuple(slice(n) for n in shape)]


def enclosed_by(piece: np.ndarray, sacrum: np.ndarray, spacing_mm: np.ndarray) -> bool:
    """Whether the sacrum lies against so much of a piece's surface that the piece is part of it.

    Args:
        piece, sacrum: boolean, the same box, with a margin of `SURFACE_MM` around the piece.
    """
    distance = ndimage.distance_transform_edt(~piece, sampling=spacing_mm)
    shell = (distance > 0) & (distance <= max(SURFACE_MM, 1.01 * float(max(spacing_mm))))
    return bool(sacrum[shell].mean() >= SACRUM_SHARE) if shell.any() else False
