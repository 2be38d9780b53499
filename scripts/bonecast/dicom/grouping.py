"""Headers sorted into stacks of slices, whatever identifiers the export gave them.

A series identifier may hold several reconstructions, phases, a localizer, a dose sheet; it may
be empty, or shared by two patients. Headers are kept together that agree in what one stack must
have in common, and parted further only where positions show that they are no single stack.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from bonecast.dicom import geometry
from bonecast.dicom.headers import Header, as_float

COSINE_TOLERANCE = 2e-3
"""Direction cosines of one stack agree within this; scanners round them differently per slice."""

SAME_IMAGE = (
    *("sop_uid", "position", "orientation", "image_type", "kernel", "thickness_mm", "kvp"),
    *("acquisition", "acquisition_time", "instance_number", "pixel_mm"),
)
"""Elements that two files of the same image have in common."""


@dataclass
class Group:
    """Headers of one stack, or of what never was one.

    Attributes:
        headers: in order of files, without copies.
        n_copies: files left out because they hold an image a second time.
        twins: headers that differ from one of these by their identifier alone. Only their pixels
            tell whether they are copies, and those are read when the stack is converted.
    """

    headers: list[Header]
    n_copies: int = 0
    twins: list[Header] = field(default_factory=list)


def group_headers(headers: list[Header], patients: list[int]) -> list[Group]:
    """Part headers into groups that are stacks, as far as they can be parted.

    Damaged files that say no more than their series join its largest group.

    Args:
        patients: number of each header's patient.
    """
    exact: dict[tuple, list[Header]] = defaultdict(list)
    stumps: list[Header] = []
    for header, patient in zip(headers, patients, strict=True):
        if header.is_ct and not header.is_image:
            stumps.append(header)
        else:
            exact[(patient, *_must_agree(header))].append(header)
    parts = [part for members in exact.values() for part in _by_orientation(members)]
    groups = [group for part in parts for group in _stacks(part)]
    for stump in stumps:
        uid = stump.text["series_uid"]
        same = [group for group in groups if group.headers[0].text["series_uid"] == uid]
        if same:
            max(same, key=lambda group: len(group.headers)).headers.append(stump)
        else:
            groups.append(Group([stump]))
    return groups


def measure(headers: list[Header]) -> geometry.Stack | None:
    """The geometry of headers of one orientation; None where a position is missing."""
    images = [header for header in headers if header.is_image]
    if not images or not geometry.plane_name(images[0].orientation):
        return None
    if any(header.positions_mm is None for header in images):
        return None
    positions = np.concatenate([header.positions_mm for header in images])
    return geometry.measure_stack(positions, images[0].orientation)


def _must_agree(header: Header) -> tuple:
    """What all slices of one stack have in common."""
    text, numbers = header.text, header.numbers
    flavour = text["image_type"].upper().split("\\")
    pixel = header.pixel_mm and tuple(round(mm, 4) for mm in header.pixel_mm)
    kvp = as_float(text["kvp"])
    key = (
        *(text["study_uid"], text["series_uid"], header.is_ct or text["modality"]),
        *(text["sop_class"], numbers["rows"], numbers["columns"], numbers["samples"], pixel),
        *(flavour[0], "LOCALIZER" in flavour, text["kernel"].upper(), kvp and round(kvp)),
    )
    if not text["series_uid"]:
        key += (text["series_number"], text["description"], text["protocol"], text["study_date"])
        key += (text["frame_of_reference"], text["thickness_mm"])
    return key


def _by_orientation(headers: list[Header]) -> list[list[Header]]:
    """Split where direction cosines differ by more than rounding."""
    groups = []
    bare = [header for header in headers if header.orientation is None]
    rest = [header for header in headers if header.orientation is not None]
    while rest:
        cosines = np.array([header.orientation for header in rest])
        close = np.abs(cosines - cosines[0]).max(axis=1) < COSINE_TOLERANCE
        groups.append([header for header, same in zip(rest, close, strict=True) if same])
        rest = [header for header, same in zip(rest, close, strict=True) if not same]
    return groups + ([bare] if bare else [])


def _without_copies(headers: list[Header]) -> Group:
    """Keep one file per image: exports often hold the same image under two names.

    An identifier that stands on different images does not make them one.
    """
    kept: dict[tuple, Header] = {}
    for header in headers:
        key = tuple(header.text[name] for name in SAME_IMAGE)
        # Without an identifier nothing says that two files are one image.
        key += () if header.text["sop_uid"] else (header.file,)
        if key not in kept or (header.complete and not kept[key].complete):
            kept[key] = header
    unique = sorted(kept.values(), key=lambda header: header.file)
    return Group(unique, len(headers) - len(unique))


def _stacks(headers: list[Header]) -> list[Group]:
    """The stacks that a group is made of; itself where no parting gives better ones.

    A parting must leave no position taken twice and make few parts: one place watched over time
    is not parted into single slices. Of several, the one with the fewest parts and uneven
    distances is taken. A stack that is merely uneven is parted only into even ones.
    """
    whole = _without_twins(_without_copies(headers))
    stack = measure(whole.headers)
    if stack is None or whole.twins or not (stack.n_duplicates or stack.n_uneven):
        return [whole]
    most = MAX_PARTS_PER_COPY * max(Counter(_places(whole.headers)).values())
    best, least = [], float("inf")
    for parts in _partings(whole.headers, stack):
        if not 2 <= len(parts) <= min(most, len(whole.headers) // 2):
            continue
        stacks = [measure(part) for part in parts]
        if any(one is None or one.n_duplicates for one in stacks):
            continue
        uneven = sum(one.n_uneven for one in stacks)
        if not stack.n_duplicates and (uneven or min(map(len, parts)) < 2):
            continue
        if uneven + len(parts) < least:
            best, least = parts, uneven + len(parts)
    if not best:
        return [whole]
    groups = [Group(part) for part in best]
    groups[0].n_copies = whole.n_copies
    return groups


def _without_twins(group: Group) -> Group:
    """Set aside slices that only their identifier tells from others, if that leaves a stack."""
    kept: dict[tuple, Header] = {}
    twins: list[Header] = []
    for header in group.headers:
        key = tuple(value for name, value in header.text.items() if name != "sop_uid")
        # Those of frames stand in no text.
        key += () if header.positions_mm is None else tuple(header.positions_mm.ravel())
        if kept.setdefault(key, header) is not header and header.text["instance_number"]:
            twins.append(header)
    aside = {header.file for header in twins}
    unique = [header for header in group.headers if header.file not in aside]
    stack = measure(unique) if twins else None
    if stack is None or stack.n_duplicates:
        return group
    return Group(unique, group.n_copies, twins)


MAX_PARTS_PER_COPY = 2
"""Stacks that may come of each slice at the position that is taken most often: two passes that
overlap in a third make three parts of at most two slices at a position."""

DISTINCT = (
    *(("thickness_mm",), ("acquisition",), ("image_type",), ("contrast_agent",)),
    *(("acquisition_date", "acquisition_time"), ("thickness_mm", "acquisition")),
    *(("image_type", "acquisition"), ("description",), ("frame_of_reference",)),
)
"""Elements whose values may tell the stacks of one identifier apart, best evidence first."""

RECONSTRUCTION = (("thickness_mm",), ("image_type",))
"""Those that are asked where no position is taken twice."""

MIN_REPEATED = 0.25
"""Share of slices at a taken position from which on the order of slices is that of several passes:
a slice or two that are there again do not cut a stack in pieces."""

PASSES = (*(("acquisition",), ("acquisition_date", "acquisition_time"), ("frame_of_reference",)),)
"""Elements asked besides where no position is taken twice and passes interleave or lie apart."""

APART_MM = 20.0
"""Acquisitions with a wider gap between them were never meant to be one stack."""


def _partings(headers: list[Header], stack: geometry.Stack) -> Iterator[list[list[Header]]]:
    """Ways to part headers that together are no clean stack."""
    names = DISTINCT if stack.n_duplicates else RECONSTRUCTION
    if not stack.n_duplicates:
        wide = _widest_gap_mm(headers) > APART_MM
        names = (*names, *(keys for keys in PASSES if wide or _interleave(_by(headers, keys))))
    for keys in names:
        yield _by(headers, keys)
    repeated = stack.n_duplicates >= MIN_REPEATED * len(headers)
    if repeated and all(header.numbers["frames"] == 1 for header in headers):
        yield from _partings_by_order(headers)


def _partings_by_order(headers: list[Header]) -> Iterator[list[list[Header]]]:
    """Ways to part single slices by the order in which they were numbered or taken."""
    places = dict(zip((header.file for header in headers), _places(headers), strict=True))
    numbers = {header.file: as_float(header.text["instance_number"]) for header in headers}
    times = {
        header.file: (header.text["acquisition_date"], header.text["acquisition_time"])
        for header in headers
    }
    numbered = None not in numbers.values()
    if numbered:
        yield _runs(headers, places, numbers)
    yield _runs(headers, places, times)
    if numbered:
        yield _layers(headers, places, numbers)


def _by(headers: list[Header], keys: tuple[str, ...]) -> list[list[Header]]:
    parts: dict[Hashable, list[Header]] = defaultdict(list)
    for header in headers:
        parts[tuple(header.text[key] for key in keys)].append(header)
    return list(parts.values())


def _interleave(parts: list[list[Header]]) -> bool:
    """Whether slices of one part lie between those of another, as those of two breaths do."""
    reach = sorted((along.min(), along.max()) for along in map(_along_mm, parts))
    return any(low < high for (_, high), (low, _) in pairwise(reach))


def _runs(
    headers: list[Header], places: dict[int, int], order: Mapping[int, object]
) -> list[list[Header]]:
    """Parts of an order of slices, a new one wherever a position comes a second time."""
    if 2 * len(set(order.values())) < len(headers):
        return []  # most slices share their rank: that is no order
    runs: list[list[Header]] = []
    taken: set[int] = set()
    for header in sorted(headers, key=lambda one: (order[one.file], places[one.file])):
        if not runs or places[header.file] in taken:
            runs.append([])
            taken = set()
        taken.add(places[header.file])
        runs[-1].append(header)
    return [sorted(run, key=lambda header: header.file) for run in runs]


def _layers(
    headers: list[Header], places: dict[int, int], numbers: dict[int, float]
) -> list[list[Header]]:
    """The first, second ... slice of each position, if their numbers always differ alike."""
    at: dict[int, list[Header]] = defaultdict(list)
    for header in sorted(headers, key=lambda header: numbers[header.file]):
        at[places[header.file]].append(header)
    steps = {tuple(np.diff([numbers[header.file] for header in one])) for one in at.values()}
    if len(steps) != 1 or 0 in next(iter(steps)):
        return []
    layers = zip(*at.values(), strict=True)
    return [sorted(layer, key=lambda header: header.file) for layer in layers]


def _along_mm(headers: list[Header]) -> np.ndarray:
    positions = np.concatenate([header.positions_mm for header in headers])
    return positions @ geometry.normal(headers[0].orientation)


def _widest_gap_mm(headers: list[Header]) -> float:
    return float(np.diff(np.sort(_along_mm(headers))).max())


def _places(headers: list[Header]) -> list[int]:
    """Number of each slice's position along the normal: the same for the same place."""
    along = _along_mm(headers)
    order = np.argsort(along, kind="stable")
    steps = np.diff(along[order], prepend=along[order[0]]) > geometry.DUPLICATE_MM
    places = np.empty(len(order), dtype=int)
    places[order] = steps.cumsum()
    return places.tolist()
