"""Whether the named vertebrae of a mask follow each other as those of a spine do.

Works on masks of any origin: each name is one vertebra, names follow each other from head
to foot, at distances and with volumes and heights that change little from one to the next.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bonecast.images import Volume
from bonecast.level_states import LevelFlag
from bonecast.levels import VERSE_CODES, order_of
from bonecast.measure.frame import box_affine, boxes, centroid_mm, is_cut, spine_tangents

DISC_SHARE = (0.2, 0.4)
"""Height of a disc over that of the body above it, at T1 and at L5 (rounded)."""
NEIGHBOURS = 3
"""Spacings and bodies on each side that one is compared with."""
SPACING_RATIO = (0.6, 1.55)
"""A spacing over that of the neighbours: two collapsed bodies reach 0.7, one missing gives 2."""
CUT_ALLOWANCE = 1.2
"""Factor on the upper limit where the border cuts one of the two: its centre is uncertain."""
LONE_SPACING_MM = (14.0, 52.0)
"""Limits where there are no neighbours to compare with: T1-T2 of a small adult, L4-L5 of a tall."""
OFF_LINE_MM = 18.0
"""Distance beside the straight line between the two neighbours: scoliosis stays below 10."""
VOLUME_RATIO = (0.4, 1.9)
"""A body's volume over the neighbours': a collapse takes half at most."""
MIN_AREA_RATIO = 0.62
"""Volume over height against the neighbours': a collapse takes height, a lost half takes this."""
HEIGHT_RATIO = 1.55
"""A body this much taller than its neighbours holds two."""
LEAK_SHARE = 0.06
"""Share of a core beyond the plane midway to the neighbour; end-plates stay 3 mm short of it."""
CORE_MM = 12.0
"""A vertebra's core is what lies this near to the line of the bodies: no part of the arch."""
TOUCH_SHARE, TOUCH_MAX_SLICE_MM = 0.75, 3.0
"""Area in which two bodies touch over the cross-section of one: the rims of a collapsed body may
meet the next, end-plates do not. In thicker slices a disc may be lost, and nothing is said."""
PIECE_MM3 = 150.0
"""A smaller second piece of a body is noise of the mask."""
PIECE_SHARE = 0.04
"""And so is one below this share of the body."""
FAR_PIECE_MM3 = 400.0
"""A piece this large of a whole vertebra is looked at where it lies far away."""
FAR_STEPS = 1.9
"""Spacings from its body beyond which a piece is another vertebra; the tips of thoracic
spinous processes hang 1.5 below."""
LARGE_SHARE, LARGE_STEPS = 0.3, 0.6
"""A second piece of this share is a vertebra itself where it lies this many spacings above or
below; beside the first one it is half a body."""


@dataclass
class Place:
    """Where one named vertebra is. Lengths in mm, world coordinates (RAS+).

    Attributes:
        level: its name.
        centre_mm: of the body, or of the whole vertebra where it has no body.
        volume_mm3, height_mm: of the body; None without one.
        has_body: whether it has one.
        cut: whether the border cuts it.
        points_mm: voxels of the body, thinned (n, 3).
        core_mm: voxels of the whole vertebra near the line of the bodies, thinned (n, 3): bodies
            cut out of whole vertebrae may have lost what leaks into the neighbour.
    """

    level: str
    centre_mm: np.ndarray
    volume_mm3: float | None
    height_mm: float | None
    has_body: bool
    cut: bool
    points_mm: np.ndarray
    core_mm: np.ndarray

    @property
    def usable(self) -> bool:
        """Whether its size says something of its neighbours'."""
        return self.has_body and not self.cut

    @property
    def area_mm2(self) -> float:
        """Mean cross-section of the body."""
        return self.volume_mm3 / self.height_mm


MAX_POINTS = 20_000


def find_places(whole: Volume, bodies: Volume) -> list[Place]:
    """The vertebrae of a mask from head to foot by where they lie, the sacrum left out.

    One of which the scan shows no body, only the arch at its border, is left out as well: where
    it hangs says nothing of its place.

    Args:
        whole: VerSe codes of whole vertebrae, RAS+.
        bodies: VerSe codes of bodies, the same grid.
    """
    places = []
    body_boxes, whole_boxes = boxes(bodies.data), boxes(whole.data)
    for level in whole_boxes | body_boxes:
        if level == "S1":
            continue
        source, box = bodies, body_boxes.get(level)
        if box is None:
            source, box = whole, whole_boxes[level]
        mask, affine = source.data[box] == VERSE_CODES[level], box_affine(source.affine, box)
        points, n_voxels = points_of(mask, affine)
        core = points
        if level in whole_boxes:
            box_of_all = whole_boxes[level]
            all_of_it = whole.data[box_of_all] == VERSE_CODES[level]
            core, _ = points_of(all_of_it, box_affine(whole.affine, box_of_all))
        has_body = level in body_boxes
        cut = is_cut(box, source.spacing_mm, source.data.shape)
        if cut and not has_body:
            continue
        places.append(
            Place(
                level=level,
                centre_mm=centroid_mm(mask, affine),
                volume_mm3=n_voxels * source.voxel_mm3 if has_body else None,
                height_mm=None,
                has_body=has_body,
                cut=cut,
                points_mm=points,
                core_mm=core,
            )
        )
    places.sort(key=lambda place: -place.centre_mm[2])
    if places:
        line = np.array([place.centre_mm for place in places])
        tangents = spine_tangents(line)
        for place in places:
            z = place.core_mm[:, 2]
            x, y = (np.interp(z, line[::-1, 2], line[::-1, axis]) for axis in (0, 1))
            aside = np.hypot(place.core_mm[:, 0] - x, place.core_mm[:, 1] - y)
            place.core_mm = place.core_mm[aside <= CORE_MM]
        for place, tangent in zip(places, tangents, strict=True):
            if place.has_body:
                low, high = np.percentile(place.points_mm @ tangent, [5, 95])
                place.height_mm = float(high - low) / 0.9
    return places


def points_of(mask: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, int]:
    """World positions of a mask's voxels, thinned to `MAX_POINTS`, and how many it has."""
    voxels = np.argwhere(mask)
    thinned = voxels[:: 1 + len(voxels) // MAX_POINTS]
    return thinned @ affine[:3, :3].T + affine[:3, 3], len(voxels)


def check_sequence(
    places: list[Place], whole: Volume, bodies: Volume
) -> dict[str, list[LevelFlag]]:
    """Flags of every vertebra of a mask.

    Args:
        places: as from `find_places` on the same masks.
    """
    flags: dict[str, list[LevelFlag]] = {place.level: [] for place in places}

    def add(flag: LevelFlag, *flagged: Place) -> None:
        for place in flagged:
            if flag not in flags[place.level]:
                flags[place.level].append(flag)

    for place in places:
        if place.cut:
            add(LevelFlag.CUT_BY_BORDER, place)
    order = order_of(flags)
    names = [order.index(place.level) for place in places]
    for i in out_of_order(names):
        add(LevelFlag.OUT_OF_ORDER, places[i])
    for i, (ratio, upper, lower) in enumerate(
        zip(spacing_ratios(places), places[:-1], places[1:], strict=True)
    ):
        steps = names[i + 1] - names[i]
        any_is_cut = upper.cut or lower.cut
        limit = SPACING_RATIO[1] * (CUT_ALLOWANCE if any_is_cut else 1)
        narrow, wide = ratio < SPACING_RATIO[0], ratio > limit
        if narrow and not any_is_cut:
            add(LevelFlag.NARROW_SPACING, upper, lower)
        if steps == 1 and wide:
            add(LevelFlag.WIDE_SPACING, upper, lower)
        elif steps > 1:
            add(LevelFlag.GAP if wide else LevelFlag.NAME_SKIPPED, upper, lower)
    for i in range(1, len(places) - 1):
        if beside_line(*(place.centre_mm for place in places[i - 1 : i + 2])) > OFF_LINE_MM:
            add(LevelFlag.OFF_LINE, places[i])
    for i, place in enumerate(places):
        if not place.usable:
            continue
        near = [p for p in places[max(0, i - 2) : i + 3] if p.usable and p is not place]
        if not near:
            continue
        volume = place.volume_mm3 / float(np.median([p.volume_mm3 for p in near]))
        area = place.area_mm2 / float(np.median([p.area_mm2 for p in near]))
        if not VOLUME_RATIO[0] <= volume <= VOLUME_RATIO[1] or area < MIN_AREA_RATIO:
            add(LevelFlag.VOLUME_JUMP, place)
        if place.height_mm > HEIGHT_RATIO * float(np.median([p.height_mm for p in near])):
            add(LevelFlag.TWO_BODIES, place)
    found = boxes(bodies.data)
    for upper, lower in zip(places[:-1], places[1:], strict=True):
        if upper.usable and lower.usable:
            thin = bodies.spacing_mm[2] <= TOUCH_MAX_SLICE_MM
            if thin and touching_share(bodies, found, upper.level, lower.level) > TOUCH_SHARE:
                add(LevelFlag.TOUCHING, upper, lower)
            for place, other in ((upper, lower), (lower, upper)):
                if beyond_middle(place, other) > LEAK_SHARE:
                    add(LevelFlag.LEAKS, place)
    step_mm = usual_step(places)
    for volume, is_body in ((bodies, True), (whole, False)):
        there = found if is_body else boxes(volume.data)
        for place in places:
            if place.level in there:
                for flag in piece_flags(place, volume, there[place.level], step_mm, is_body):
                    add(flag, place)
    return flags


def out_of_order(names: list[int]) -> list[int]:
    """Positions whose name does not fit the order of the others.

    Of two that contradict each other the one that contradicts more others is at fault, both
    where neither does.

    Args:
        names: place of each name in the order from head to foot, as met from head to foot.
    """
    n = len(names)
    against = [
        [j for j in range(n) if (j < i and names[j] > names[i]) or (j > i and names[j] < names[i])]
        for i in range(n)
    ]
    return [i for i in range(n) if any(len(against[i]) >= len(against[j]) for j in against[i])]


def is_upside_down(places: list[Place]) -> bool:
    """Whether at least three names run from foot to head."""
    order = order_of([place.level for place in places])
    names = [order.index(place.level) for place in places]
    return len(names) >= 3 and all(a > b for a, b in zip(names[:-1], names[1:], strict=True))


def usual_step(places: list[Place]) -> float:
    """Median distance between neighbours in mm, 30 where there is only one vertebra."""
    if len(places) < 2:
        return 30.0
    return float(np.median(distances(places)))


def distances(places: list[Place]) -> np.ndarray:
    """Distance of each vertebra to the next one below, mm."""
    return np.linalg.norm(np.diff([place.centre_mm for place in places], axis=0), axis=1)


def spacing_ratios(places: list[Place]) -> np.ndarray:
    """Each distance to the next vertebra below over what the neighbouring distances let expect.

    Distances grow from head to foot by `relative_step`; where there is nothing to compare with
    the ratio is 1 within `LONE_SPACING_MM` and lies beyond the limits outside. It is 1 too where
    one of the two has no body, because the centre of an arch says little.
    """
    if len(places) < 2:
        return np.empty(0)
    order = order_of([place.level for place in places])
    middle = [order.index(place.level) for place in places]
    steps = distances(places)
    scaled = steps / [
        relative_step(order, (a + b) / 2) for a, b in zip(middle, middle[1:], strict=False)
    ]
    ratios = np.ones(len(steps))
    for i in range(len(steps)):
        near = [
            scaled[j]
            for j in range(max(0, i - NEIGHBOURS), min(len(steps), i + NEIGHBOURS + 1))
            if j != i and places[j].usable and places[j + 1].usable
        ]
        if not (places[i].has_body and places[i + 1].has_body):
            continue
        if near:
            ratios[i] = scaled[i] / np.median(near)
        elif steps[i] < LONE_SPACING_MM[0]:
            ratios[i] = steps[i] / LONE_SPACING_MM[0] * SPACING_RATIO[0]
        elif steps[i] > LONE_SPACING_MM[1]:
            ratios[i] = steps[i] / LONE_SPACING_MM[1] * SPACING_RATIO[1]
    return ratios


def relative_step(order: list[str], place: float) -> float:
    """Usual distance between vertebrae around a place in the order, in units of that at L4.

    Bodies grow from about 14 mm at T1 to 24 mm at L1 and stay (Panjabi et al., Spine 1991;16:888
    and 1992;17:299); discs add `DISC_SHARE` of that.
    """
    t1, l1, l5 = order.index("T1"), order.index("L1"), order.index("L5")
    height = np.interp(place, [t1, l1, l5], [14.1, 24.0, 24.0])
    disc = np.interp(place, [t1, l5], DISC_SHARE)
    return float(height * (1 + disc) / (24.0 * (1 + DISC_SHARE[1])))


def beside_line(above: np.ndarray, here: np.ndarray, below: np.ndarray) -> float:
    """Distance in mm of a point from the straight line through two others, less the depth of
    the natural curve between them (a tenth of their distance at most)."""
    line = below - above
    length = float(np.linalg.norm(line))
    if length == 0:
        return float(np.linalg.norm(here - above))
    aside = (here - above) - line * ((here - above) @ line) / length**2
    return max(0.0, float(np.linalg.norm(aside)) - 0.1 * length)


def beyond_middle(place: Place, other: Place) -> float:
    """Share of a core on the other body's side of the plane midway between them."""
    line = other.centre_mm - place.centre_mm
    middle = (other.centre_mm + place.centre_mm) / 2
    return float(((place.core_mm - middle) @ line > 0).mean()) if len(place.core_mm) else 0.0


def touching_share(
    bodies: Volume, found: dict[str, tuple[slice, ...]], upper: str, lower: str
) -> float:
    """Area of the faces that two bodies share over the axial cross-section of the upper one.

    Args:
        found: boxes of the levels in `bodies`.
    """
    box = tuple(
        slice(min(a.start, b.start), max(a.stop, b.stop))
        for a, b in zip(found[upper], found[lower], strict=True)
    )
    part, spacing = bodies.data[box], np.array(bodies.spacing_mm)
    one, two = part == VERSE_CODES[upper], part == VERSE_CODES[lower]
    area = 0.0
    for axis in range(3):
        a, b = np.moveaxis(one, axis, 0), np.moveaxis(two, axis, 0)
        faces = np.count_nonzero((a[1:] & b[:-1]) | (b[1:] & a[:-1]))
        area += faces * float(np.prod(np.delete(spacing, axis)))
    return area / (np.count_nonzero(one.any(axis=2)) * spacing[0] * spacing[1])


def piece_flags(
    place: Place, volume: Volume, box: tuple[slice, ...], step_mm: float, is_body: bool
) -> list[LevelFlag]:
    """Whether a name is used in two places, and whether its body is in pieces.

    Args:
        volume: VerSe codes of bodies or of whole vertebrae.
        box: of the vertebra in it.
        step_mm: usual distance between vertebrae.
        is_body: whether the mask holds bodies.
    """
    pieces, count = ndimage.label(volume.data[box] == VERSE_CODES[place.level], np.ones((3, 3, 3)))
    if count < 2 or place.cut:
        return []
    flags, affine = [], box_affine(volume.affine, box)
    sizes = np.bincount(pieces.ravel())[1:] * volume.voxel_mm3
    main = int(np.argmax(sizes)) + 1
    centre = centroid_mm(pieces == main, affine)
    for label in np.flatnonzero(sizes >= PIECE_MM3) + 1:
        if label == main:
            continue
        size, share = sizes[label - 1], sizes[label - 1] / sizes[main - 1]
        away = (centroid_mm(pieces == label, affine) - centre) / step_mm
        far = float(np.linalg.norm(away))
        whole_one = share >= LARGE_SHARE and abs(away[2]) >= LARGE_STEPS
        if whole_one or (size >= FAR_PIECE_MM3 and far >= FAR_STEPS):
            flags.append(LevelFlag.TWO_PLACES)
        elif is_body and share >= PIECE_SHARE:
            flags.append(LevelFlag.FRAGMENTS)
    return flags
