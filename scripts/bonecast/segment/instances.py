"""From classes (body, arch, disc, sacrum, rib) to vertebrae with names.

Networks that learn level names need long training and still shift all names of a scan by
one. Here the network only tells tissue apart; bodies are separated by shape and counted
from the anchors an anatomist would use: sacrum and lowest rib.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from bonecast.images import Volume, bounding_box
from bonecast.level_states import LevelFlag
from bonecast.levels import VERSE_CODES
from bonecast.reasons import Excluded, Reason
from bonecast.segment.naming import Count, name_levels
from bonecast.segment.spine import SURFACE_MM, beside_spine, enclosed_by, find_line

BODY, POSTERIOR, DISC = "vertebral_body", "posterior_elements", "disc"
SACRUM, RIB = "sacrum", "rib"

MIN_BODY_MM3 = 1500.0
"""A smaller piece is no vertebral body, unless the border cuts it (T1 has about 6,000)."""
MIN_CUT_BODY_MM3 = 600.0
SADDLE_MM = 0.5
"""Two centres whose connection is narrower than either by this much are two bodies."""
SAME_BODY_SHARE = 0.35
"""Pieces nearer along the spine than this share of the usual spacing are one body."""
MAX_CAVITY_MM3 = 4000.0
"""A hole closed on all sides and no larger than this is part of the body: a network leaves out
cement, a haemangioma or marrow of fat."""
MIN_SACRUM_MM3, MIN_CUT_SACRUM_MM3 = 4000.0, 1000.0
"""Less is no sacrum; where the border cuts it the smaller amount will do, for less confidence."""
RIB_REACH_MM, MIN_RIB_MM3 = 14.0, 150.0
"""A vertebra bears ribs if at least this much rib lies this near to its body."""


@dataclass
class Vertebrae:
    """Named vertebrae of one scan.

    Attributes:
        whole: VerSe codes of whole vertebrae and sacrum (uint8, the scan's grid).
        bodies: VerSe codes of bodies.
        count: what the names rest on.
    """

    whole: np.ndarray
    bodies: np.ndarray
    count: Count


def find_vertebrae(classes: Volume, names: dict[int, str], count_from: str = "sacrum") -> Vertebrae:
    """Separate, order and name the vertebrae of a scan.

    Args:
        classes: class index of each voxel.
        names: class names by index; must hold vertebral_body.
        count_from: `sacrum` or `ribs`, which decides where both are in view and disagree.

    Raises:
        Excluded: no vertebra, no spine, or nothing in view that tells the names.
    """
    index = {name: i for i, name in names.items()}
    box = bounding_box(classes.data == index[BODY], classes.spacing_mm, margin_mm=70.0)
    if box is None:
        raise Excluded(Reason.NO_VERTEBRA, "the network marked no vertebral body")
    part = classes.data[box]
    spacing = np.array(classes.spacing_mm)

    def marked(name: str) -> np.ndarray:
        return part == index[name] if name in index else np.zeros(part.shape, bool)

    bone, sacrum = marked(BODY), marked(SACRUM)
    beside = beside_spine(bone, marked(DISC), sacrum, spacing)
    dropped = (bone & beside).sum() * np.prod(spacing) >= MIN_BODY_MM3
    bone, sacrum = bone & ~beside, largest_part(sacrum & ~beside)
    labels = separate_bodies(fill_cavities(bone, float(np.prod(spacing))), spacing)
    labels, flags = keep_spine(labels, sacrum, spacing)
    if dropped and LevelFlag.ISLANDS_DROPPED not in flags:
        flags.append(LevelFlag.ISLANDS_DROPPED)
    positions = np.array([centre for _, centre in ordered_centres(labels, spacing)])

    top, sacrum_is_cut = top_of(sacrum, spacing, reaches_border=box[2].start == 0)
    count = name_levels(
        positions,
        sacrum_top_mm=top,
        bears_ribs=rib_bearing(labels, marked(RIB), spacing),
        lowest_is_cut=box[2].start == 0 and bool((labels[:, :, 0] == len(positions)).any()),
        highest_is_cut=box[2].stop == classes.data.shape[2] and bool((labels[:, :, -1] == 1).any()),
        sacrum_is_cut=sacrum_is_cut,
        count_from=count_from,
    )
    count.flags = flags + count.flags
    codes = np.array([0, *(VERSE_CODES[level] for level in count.levels)], np.uint8)
    # A piece of a body that was dropped, as one split off by noise, is bone of the vertebra still.
    mask = (marked(POSTERIOR) & ~beside) | bone | (labels > 0)
    grown = watershed(np.zeros(part.shape, np.uint8), labels, mask=mask)

    bodies = np.zeros(classes.data.shape, np.uint8)
    whole = np.zeros_like(bodies)
    bodies[box] = codes[labels]
    whole[box] = codes[grown]
    if {"sacrum", "cut_sacrum"} & set(count.anchors):
        whole[box][sacrum & (whole[box] == 0)] = VERSE_CODES["S1"]
    return Vertebrae(whole, bodies, count)


def keep_spine(
    labels: np.ndarray, sacrum: np.ndarray, spacing_mm: np.ndarray
) -> tuple[np.ndarray, list[LevelFlag]]:
    """The bodies of the spine, numbered 1, 2, ... from head to foot, and flags of the scan.

    Args:
        labels: pieces as separated.
        sacrum: boolean, the same shape; pieces that turn out to be part of it are added.

    Raises:
        Excluded: nothing as large as a body, or no line of bodies.
    """
    flags = []
    found = ordered_centres(labels, spacing_mm)
    if sacrum.any():
        top_mm = (np.flatnonzero(sacrum.any(axis=(0, 1)))[-1] + 1) * spacing_mm[2]
        for label, centre in list(found):
            if centre[2] > top_mm:
                continue
            near = bounding_box(labels == label, spacing_mm, SURFACE_MM + float(max(spacing_mm)))
            if enclosed_by(labels[near] == label, sacrum[near], spacing_mm):
                sacrum |= labels == label
                found = [(other, c) for other, c in found if other != label]
                flags.append(LevelFlag.SACRUM_AS_BODY)
    if not found:
        raise Excluded(Reason.NO_VERTEBRA, "nothing as large as a vertebral body was found")
    order = [label for label, _ in found]
    volumes = np.bincount(labels.ravel())[order] * float(np.prod(spacing_mm))
    at_border = {n for face in (labels[:, :, 0], labels[:, :, -1]) for n in np.unique(face)}
    cut = [i for i, label in enumerate(order) if label in at_border]
    line = find_line(np.array([centre for _, centre in found]), volumes, cut)
    if len(line) < len(order):
        flags.append(LevelFlag.ISLANDS_DROPPED)
    return relabel(labels, [order[i] for i in line]), list(dict.fromkeys(flags))


def fill_cavities(bone: np.ndarray, voxel_mm3: float) -> np.ndarray:
    """A mask with holes that are closed on all sides, up to `MAX_CAVITY_MM3`, filled."""
    box = bounding_box(bone, margin_mm=1)
    outside, _ = ndimage.label(~bone[box])
    sizes = np.bincount(outside.ravel()) * voxel_mm3
    faces = [outside.take(end, axis) for axis in range(3) for end in (0, -1)]
    closed = sizes <= MAX_CAVITY_MM3
    closed[np.unique(np.concatenate([face.ravel() for face in faces]))] = False
    filled = bone.copy()
    filled[box] |= closed[outside] & (outside > 0)
    return filled


def separate_bodies(bone: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Label bodies 1, 2, ... from a mask in which neighbours may touch (int32)."""
    separated = np.zeros(bone.shape, np.int32)
    tight = bounding_box(bone)
    separated[tight] = separate_in_box(bone[tight], spacing_mm)
    return separated


def separate_in_box(bone: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """The work of `separate_bodies`: one body per peak of the depth below the surface."""
    depth = ndimage.distance_transform_edt(np.pad(bone, 1), sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
    # Quarter millimetres: h_maxima is quick on integers and noise is below that.
    height = np.rint(depth * 4).astype(np.int16)
    peaks, _ = ndimage.label(h_maxima(height, int(SADDLE_MM * 4)), np.ones((3, 3, 3)))
    labels = watershed(-height, peaks, mask=bone)
    labels = join_fragments(labels, spacing_mm)
    return drop_small(labels, float(np.prod(spacing_mm)))


def join_fragments(labels: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Join touching pieces that are too near along the spine to be two bodies."""
    while True:
        ids = np.unique(labels)[1:]
        if len(ids) < 2:
            return labels
        sizes = ndimage.sum_labels(np.ones_like(labels), labels, ids)
        centres = np.array(ndimage.center_of_mass(labels > 0, labels, ids)) * spacing_mm
        order = np.argsort(centres[:, 2])
        steps = np.linalg.norm(np.diff(centres[order], axis=0), axis=1)
        rises = np.diff(centres[order, 2])
        usual = np.median(steps)
        near = np.flatnonzero(rises < SAME_BODY_SHARE * usual)
        touching = [k for k in near if touch(labels, ids[order[k]], ids[order[k + 1]])]
        if not touching:
            return labels
        k = min(touching, key=lambda k: min(sizes[order[k]], sizes[order[k + 1]]))
        labels = np.where(labels == ids[order[k + 1]], ids[order[k]], labels)


def touch(labels: np.ndarray, a: int, b: int) -> bool:
    """Whether two labelled pieces share a face or edge."""
    box = bounding_box(labels == a, margin_mm=2)
    part = labels[box]
    return bool((ndimage.binary_dilation(part == a) & (part == b)).any())


def drop_small(labels: np.ndarray, voxel_mm3: float) -> np.ndarray:
    """Remove pieces too small for a body; those cut by the border may be smaller."""
    sizes = np.bincount(labels.ravel()) * voxel_mm3
    cut = np.zeros(len(sizes), bool)
    for face in (labels[:, :, 0], labels[:, :, -1]):
        cut[np.unique(face)] = True
    keep = sizes >= np.where(cut, MIN_CUT_BODY_MM3, MIN_BODY_MM3)
    keep[0] = False
    return np.where(keep[labels], labels, 0)


def ordered_centres(labels: np.ndarray, spacing_mm) -> list[tuple[int, np.ndarray]]:
    """Labels with their centres (mm from the corner of the array), from head to foot."""
    found = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            inside = np.argwhere(labels[box] == label).mean(axis=0)
            found.append((label, (inside + [part.start for part in box]) * spacing_mm))
    return sorted(found, key=lambda item: -item[1][2])


def relabel(labels: np.ndarray, order: list[int]) -> np.ndarray:
    """Number labels 1, 2, ... in the given order; others become 0."""
    table = np.zeros(int(labels.max()) + 1, np.int32)
    table[order] = np.arange(1, len(order) + 1)
    return table[labels]


def largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest connected part of a mask."""
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])


def top_of(sacrum: np.ndarray, spacing_mm, reaches_border: bool) -> tuple[np.ndarray | None, bool]:
    """Where the sacrum begins, and whether the border cuts off so much that it is uncertain.

    Args:
        sacrum: boolean.
        reaches_border: whether the lowest slice is the lowest of the scan.

    Returns:
        Centre of the topmost centimetre in mm, None where there is no sacrum in view.
    """
    volume = sacrum.sum() * np.prod(spacing_mm)
    cut = bool(reaches_border and sacrum[:, :, 0].any() and volume < MIN_SACRUM_MM3)
    if volume < (MIN_CUT_SACRUM_MM3 if cut else MIN_SACRUM_MM3):
        return None, False
    voxels = np.argwhere(sacrum) * spacing_mm
    return voxels[voxels[:, 2] > voxels[:, 2].max() - 10].mean(axis=0), cut


def rib_bearing(labels: np.ndarray, ribs: np.ndarray, spacing_mm) -> list[bool]:
    """Whether each body (1, 2, ...) has a rib beside it."""
    count = int(labels.max())
    if not ribs.any():
        return [False] * count
    box = bounding_box(labels > 0, spacing_mm, RIB_REACH_MM)
    near = labels[box]
    distance, nearest = ndimage.distance_transform_edt(
        near == 0, sampling=spacing_mm, return_indices=True
    )
    close = ribs[box] & (distance <= RIB_REACH_MM)
    owner = near[tuple(axis[close] for axis in nearest)]
    volume = np.bincount(owner, minlength=count + 1)[1:] * np.prod(spacing_mm)
    return list(volume >= MIN_RIB_MM3)
