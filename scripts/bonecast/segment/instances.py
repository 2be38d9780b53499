"""From classes (body, arch, disc, sacrum, rib) to vertebrae with names.

Networks that learn level names need long training and still shift all names of a scan by
one. Here the network only tells tissue apart; bodies are separated by shape and counted
from the anchors an anatomist would use: sacrum and lowest rib.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from bonecast.images import Volume
from bonecast.levels import LEVELS, VERSE_CODES
from bonecast.reasons import Excluded, Reason

BODY, POSTERIOR, SACRUM, RIB = "vertebral_body", "posterior_elements", "sacrum", "rib"

MIN_BODY_MM3 = 1500.0
"""A smaller piece is no vertebral body, unless the border cuts it (T1 has about 6,000)."""
MIN_CUT_BODY_MM3 = 600.0
SADDLE_MM = 0.5
"""Two centres whose connection is narrower than either by this much are two bodies."""
SAME_BODY_SHARE = 0.35
"""Pieces nearer along the spine than this share of the usual spacing are one body."""
GAP_SHARE = 1.6
"""Neighbours farther apart than this multiple of the usual spacing have one missing between."""
STEP_MM = (10.0, 60.0)
"""Centres of true neighbours are this far apart: two collapsed thoracic bodies at the least."""
NEIGHBOUR_VOLUMES = (0.3, 3.3)
"""Volume of a body over that of the one above; a collapse takes half at most."""
OFF_LINE_MM = 25.0
"""A body farther beside the line of its neighbours is none: scoliosis bends less between two."""
MIN_SACRUM_MM3 = 4000.0
SACRUM_REACH_MM = 55.0
"""L5's centre lies within this distance of the top of the sacrum."""
RIB_REACH_MM, MIN_RIB_MM3 = 14.0, 150.0
"""A vertebra bears ribs if at least this much rib lies this near to its body."""
LUMBAR_LEVELS = 5
ORDER = tuple(level for level in LEVELS if level not in ("T13", "L6"))
"""Levels in the usual anatomy; supernumerary ones need a person to decide."""


@dataclass
class Vertebrae:
    """Named vertebrae of one scan.

    Attributes:
        whole: VerSe codes of whole vertebrae and sacrum (uint8, the scan's grid).
        bodies: VerSe codes of bodies.
        flags: what a person should look at, in words.
    """

    whole: np.ndarray
    bodies: np.ndarray
    flags: list[str] = field(default_factory=list)


def find_vertebrae(classes: Volume, names: dict[int, str]) -> Vertebrae:
    """Separate, order and name the vertebrae of a scan.

    Args:
        classes: class index of each voxel.
        names: class names by index; must hold vertebral_body.

    Raises:
        Excluded: no vertebra, no spine, or nothing in view that tells the names.
    """
    index = {name: i for i, name in names.items()}
    bone = classes.data == index[BODY]
    box = bounding_box(bone, classes.spacing_mm, margin_mm=70.0)
    if box is None:
        raise Excluded(Reason.NO_VERTEBRA, "the network marked no vertebral body")
    part = classes.data[box]
    spacing = np.array(classes.spacing_mm)
    labels = separate_bodies(part == index[BODY], spacing)
    centres = ordered_centres(labels, spacing)
    if not len(centres):
        raise Excluded(Reason.NO_VERTEBRA, "nothing as large as a vertebral body was found")
    labels = relabel(labels, [label for label, _ in centres])
    positions = np.array([centre for _, centre in centres])
    volumes = np.bincount(labels.ravel())[1:] * float(np.prod(spacing))
    cut = [n for face in (labels[:, :, 0], labels[:, :, -1]) for n in np.unique(face) if n]
    check_spine(positions, volumes, [n - 1 for n in cut])

    sacrum = largest_part(part == index[SACRUM]) if SACRUM in index else np.zeros_like(bone[box])
    ribs = part == index[RIB] if RIB in index else np.zeros_like(bone[box])
    cut_below = labels[:, :, 0].max() == len(centres) and box[2].start == 0
    levels, flags = name_levels(
        positions,
        sacrum_top_mm=top_of(sacrum, spacing),
        bears_ribs=rib_bearing(labels, ribs, spacing),
        lowest_is_cut=cut_below,
    )
    codes = np.array([0, *(VERSE_CODES[level] for level in levels)], np.uint8)
    arch = part == index[POSTERIOR] if POSTERIOR in index else np.zeros_like(bone[box])
    grown = watershed(np.zeros(part.shape, np.uint8), labels, mask=arch | (labels > 0))

    bodies = np.zeros(classes.data.shape, np.uint8)
    whole = np.zeros_like(bodies)
    bodies[box] = codes[labels]
    whole[box] = codes[grown]
    if "L5" in levels:
        whole[box][sacrum & (whole[box] == 0)] = VERSE_CODES["S1"]
    return Vertebrae(whole, bodies, flags)


def bounding_box(mask: np.ndarray, spacing_mm, margin_mm: float) -> tuple[slice, ...] | None:
    """Slices around a mask with a margin in mm, None where the mask is empty."""
    box = []
    for axis in range(3):
        line = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        if not len(line):
            return None
        margin = int(np.ceil(margin_mm / spacing_mm[axis]))
        box.append(slice(max(0, line[0] - margin), min(mask.shape[axis], line[-1] + margin + 1)))
    return tuple(box)


def separate_bodies(bone: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Label bodies 1, 2, ... from a mask in which neighbours may touch (int32)."""
    separated = np.zeros(bone.shape, np.int32)
    tight = bounding_box(bone, spacing_mm, margin_mm=0)
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
    box = bounding_box(labels == a, (1, 1, 1), 2)
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
    ids = np.unique(labels)
    ids = ids[ids > 0]
    if not len(ids):
        return []
    centres = np.array(ndimage.center_of_mass(labels > 0, labels, ids)) * spacing_mm
    order = np.argsort(-centres[:, 2])
    return [(int(ids[i]), centres[i]) for i in order]


def check_spine(centres_mm: np.ndarray, volumes_mm3: np.ndarray, cut: list[int]) -> None:
    """Refuse bodies that do not line up as a spine does: then no name can be trusted.

    Args:
        centres_mm: shape (n, 3), from head to foot.
        volumes_mm3: of each body.
        cut: positions of bodies cut by the border, whose size says nothing.

    Raises:
        Excluded: naming the first pair that cannot be neighbours.
    """
    for i, step in enumerate(np.diff(centres_mm, axis=0)):
        where = f"bodies {i + 1} and {i + 2} from the top"
        length = float(np.linalg.norm(step))
        # Over a gap of several levels the line may bend as often.
        levels = max(1.0, length / STEP_MM[1])
        if length < STEP_MM[0] or np.hypot(*step[:2]) > OFF_LINE_MM * levels:
            raise Excluded(
                Reason.IMPLAUSIBLE_SPINE,
                f"{where} lie {length:.0f} mm apart, {np.hypot(*step[:2]):.0f} mm of it sideways",
            )
        if i in cut or i + 1 in cut:
            continue
        ratio = volumes_mm3[i + 1] / volumes_mm3[i]
        if not NEIGHBOUR_VOLUMES[0] <= ratio <= NEIGHBOUR_VOLUMES[1]:
            raise Excluded(
                Reason.IMPLAUSIBLE_SPINE,
                f"{where} have {volumes_mm3[i] / 1000:.1f} and {volumes_mm3[i + 1] / 1000:.1f} cm3",
            )


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


def top_of(sacrum: np.ndarray, spacing_mm) -> np.ndarray | None:
    """Centre of the topmost centimetre of the sacrum, mm; None where it is not in view."""
    if sacrum.sum() * np.prod(spacing_mm) < MIN_SACRUM_MM3:
        return None
    voxels = np.argwhere(sacrum) * spacing_mm
    return voxels[voxels[:, 2] > voxels[:, 2].max() - 10].mean(axis=0)


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


def name_levels(
    centres_mm: np.ndarray,
    *,
    sacrum_top_mm: np.ndarray | None,
    bears_ribs: list[bool],
    lowest_is_cut: bool,
) -> tuple[list[str], list[str]]:
    """Name bodies by counting from the sacrum, else from the lowest rib.

    Args:
        centres_mm: shape (n, 3), from head to foot.
        sacrum_top_mm: where the sacrum begins, None where out of view.
        bears_ribs: per body.
        lowest_is_cut: whether the lowest body touches the lower border.

    Returns:
        One level per body, and flags.

    Raises:
        Excluded: neither anchor is in view, or there are more bodies than levels.
    """
    n, flags = len(centres_mm), []
    # Where one is missing between neighbours the count goes on over the gap.
    places = np.arange(n)
    if n > 2:
        steps = np.linalg.norm(np.diff(centres_mm, axis=0), axis=1)
        usual = np.minimum(
            np.median(steps), [np.median(steps[max(0, i - 2) : i + 3]) for i in range(n - 1)]
        )
        skipped = np.where(steps > GAP_SHARE * usual, np.rint(steps / usual).astype(int) - 1, 0)
        if skipped.any():
            flags.append(f"{int(skipped.sum())} vertebra(e) missing between those found")
            places[1:] += np.cumsum(skipped)

    first = None
    if sacrum_top_mm is not None:
        if np.linalg.norm(centres_mm[-1] - sacrum_top_mm) <= SACRUM_REACH_MM:
            first = ORDER.index("L5") - places[-1]
        else:
            flags.append("sacrum in view but far from the lowest vertebra")
    with_ribs = np.flatnonzero(bears_ribs)
    if len(with_ribs):
        last = int(with_ribs[-1])
        without_below = n - 1 - last - int(lowest_is_cut)
        if first is None:
            if without_below < 1:
                raise Excluded(
                    Reason.LEVELS_NOT_ANCHORED,
                    "ribs are in view but not the first vertebra below them",
                )
            first = ORDER.index("T12") - places[last]
        else:
            lumbar = int(places[-1] - places[last])
            if lumbar != LUMBAR_LEVELS:
                flags.append(
                    f"{lumbar} vertebrae between the lowest rib and the sacrum, expected "
                    f"{LUMBAR_LEVELS}: levels counted from the sacrum"
                )
    if first is None:
        raise Excluded(Reason.LEVELS_NOT_ANCHORED, f"{n} vertebrae found, no sacrum, no ribs")
    if first < 0 or first + places[-1] >= ORDER.index("S1"):
        raise Excluded(Reason.LEVELS_NOT_ANCHORED, f"{n} vertebrae found do not fit the count")
    return [ORDER[first + place] for place in places], flags
