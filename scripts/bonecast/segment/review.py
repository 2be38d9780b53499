"""What is known about the names of one scan's vertebrae: state, flags, a score for each.

The score `level_confidence` (0 to 1) orders vertebrae by how well their name is supported. It
is no probability: its weights are chosen, not fitted. It is

    support of the count  x  one factor for each flag of the vertebra  x  0.7 for each doubtful
    place between it and the nearest vertebra beside which counting began

Independent evidence e1, e2, ... for the count supports it by 1 - (1 - e1)(1 - e2)...: `SUPPORT`
lists what counts as evidence. Where sacrum and ribs contradict each other the support is
`CONTRADICTED`; where a person decided (`level_shift` in the participants table), `DECIDED`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bonecast.images import Volume
from bonecast.level_states import LevelFlag, LevelState
from bonecast.levels import VERSE_CODES, shift_levels
from bonecast.measure.frame import box_affine, boxes
from bonecast.reasons import Excluded, Reason
from bonecast.segment.naming import SACRUM_REACH_MM, Count
from bonecast.segment.organs import check_sides, rib_levels
from bonecast.segment.sequence import (
    SPACING_RATIO,
    Place,
    check_sequence,
    find_places,
    is_upside_down,
    spacing_ratios,
)

SUPPORT = {
    "mask": 0.8,  # names given by a person, or by another program and kept
    "model": 0.7,  # names given by a network
    "sacrum": 0.8,  # 10 to 15 in 100 people have a transitional vertebra at the sacrum
    "cut_sacrum": 0.6,
    "ribs": 0.7,  # the twelfth rib may be missing, tiny or not segmented
}
"""Evidence for the count of a scan."""
CONTRADICTED = 0.4
DECIDED = 0.95
ISOLATED_RIB = 0.6
"""Factor on the support where a rib was found below vertebrae without ribs."""
ISLANDS_AND_ONE_ANCHOR = 0.7
"""Factor where pieces were dropped and nothing checks the count: one may have been a vertebra."""
DOUBT = 0.7
"""Factor for each place counted over where a vertebra may be missing or counted twice."""
FACTORS = {
    LevelFlag.CUT_BY_BORDER: 0.95,
    LevelFlag.OUT_OF_ORDER: 0.2,
    LevelFlag.NAME_SKIPPED: 0.5,
    LevelFlag.GAP: 0.9,
    LevelFlag.WIDE_SPACING: 0.6,
    LevelFlag.NARROW_SPACING: 0.6,
    LevelFlag.OFF_LINE: 0.7,
    LevelFlag.TWO_PLACES: 0.4,
    LevelFlag.FRAGMENTS: 0.7,
    LevelFlag.TWO_BODIES: 0.4,
    LevelFlag.LEAKS: 0.6,
    LevelFlag.TOUCHING: 0.8,
    LevelFlag.VOLUME_JUMP: 0.8,
}
"""Factor of each flag of a vertebra on its score."""
AMBIGUOUS_BELOW = 0.5
"""A scan with a vertebra scored lower, one cut by the border aside, is ambiguous."""
COUNTED_OVER = {
    LevelFlag.GAP,
    LevelFlag.NAME_SKIPPED,
    LevelFlag.WIDE_SPACING,
    LevelFlag.NARROW_SPACING,
}
"""Flags that two neighbours share where the count between them is doubtful."""
BREAKING = {LevelFlag.TWO_BODIES, LevelFlag.TWO_PLACES}
"""Flags of one vertebra that make the count beyond it doubtful."""


@dataclass
class Review:
    """Result for one scan; levels by the names they end up with.

    Attributes:
        state: what was seen, before any shift.
        detail: the same in words, with names and numbers; empty where the state says it all.
        confidence: score by level.
        flags: by level.
        scan_flags: of the scan.
        left_right: `as_expected`, `swapped`, `unclear`, or `not_checked` without organs.
        shift: levels moved towards the foot by the participants table; None where it says nothing.
        ambiguous: whether a person should decide, and none has.
        names: old name to new name.
    """

    state: LevelState
    detail: str
    confidence: dict[str, float]
    flags: dict[str, list[LevelFlag]]
    scan_flags: list[LevelFlag]
    left_right: str
    shift: int | None
    ambiguous: bool
    names: dict[str, str] = field(default_factory=dict)

    def facts(self) -> dict:
        """What segmentation.json says of the scan."""
        return {
            "level_state": str(self.state),
            "level_detail": self.detail,
            "level_ambiguous": self.ambiguous,
            "level_shift": self.shift,
            "level_scan_flags": [str(flag) for flag in self.scan_flags],
            "left_right": self.left_right,
        }

    def words(self) -> list[str]:
        """What a person should look at, most general first."""
        words = []
        if self.state.ambiguous:
            words.append(" ".join(filter(None, (self.state.sentence, self.detail))))
        words += [flag.sentence for flag in self.scan_flags]
        by_flag: dict[LevelFlag, list[str]] = {}
        for level, flags in self.flags.items():
            for flag in flags:
                by_flag.setdefault(flag, []).append(level)
        by_flag.pop(LevelFlag.CUT_BY_BORDER, None)
        by_flag.pop(LevelFlag.BEYOND_DOUBT, None)
        return words + [f"{', '.join(names)}: {flag.sentence}" for flag, names in by_flag.items()]


def review_levels(
    whole: Volume,
    bodies: Volume,
    *,
    count: Count | None = None,
    named_by: str = "mask",
    shift: int | None = None,
    tissue: Volume | None = None,
    tissue_codes: Mapping[str, int] | None = None,
) -> Review:
    """Check the names of one scan and say how well they are supported.

    Args:
        whole, bodies: VerSe codes, RAS+, names before any shift.
        count: how they were counted; None where they came with the mask.
        named_by: `mask` or `model`, where they were not counted.
        shift: of the participants table: levels that all names move towards the foot.
        tissue: codes of organs and numbered ribs, where the backend has them.
        tissue_codes: name to code of what `tissue` may hold.

    Raises:
        Excluded: the shift moves a vertebra beyond C1 or L6.
    """
    places = find_places(whole, bodies)
    flags = check_sequence(places, whole, bodies)
    scan_flags = list(count.flags) if count else []
    left_right = check_sides(places, tissue, tissue_codes or {})
    if left_right == "swapped":
        scan_flags.append(LevelFlag.SIDES_SWAPPED)
    if count is None:
        state, detail, evidence, anchored = read_names(places, whole, flags, named_by)
    else:
        state, evidence = count.state, count.anchors
        detail = describe_count(count) if state.ambiguous and "ribs" in evidence else ""
        anchored = {count.levels[i] for i in count.anchored}
    if is_upside_down(places):
        state, scan_flags = LevelState.DISORDERED, [LevelFlag.UPSIDE_DOWN, *scan_flags]
    elif any(LevelFlag.OUT_OF_ORDER in found for found in flags.values()):
        state = LevelState.DISORDERED

    contradicted = state.ambiguous
    for number, level in rib_levels(places, tissue, tissue_codes or {}).items():
        if level == f"T{number}":
            evidence = (*evidence, *({"ribs"} - set(evidence)))
        else:
            flags[level].append(LevelFlag.RIB_MISMATCH)
            contradicted = True
    support = 1.0 - float(np.prod([1.0 - SUPPORT[name] for name in evidence]))
    if LevelFlag.ISOLATED_RIB in scan_flags:
        support *= ISOLATED_RIB
    if LevelFlag.ISLANDS_DROPPED in scan_flags and len(evidence) < 2:
        support *= ISLANDS_AND_ONE_ANCHOR
    if contradicted:
        support = min(support, CONTRADICTED)
    if shift is not None:
        support = DECIDED
    doubts = count_doubts(places, flags, anchored) if count else dict.fromkeys(flags, 0)
    confidence = {}
    for level, found in flags.items():
        if doubts[level]:
            found.append(LevelFlag.BEYOND_DOUBT)
        factors = [FACTORS[flag] for flag in found if flag in FACTORS]
        confidence[level] = round(float(support * DOUBT ** doubts[level] * np.prod(factors)), 2)
    cut = {place.level for place in places if place.cut}
    low = any(score < AMBIGUOUS_BELOW for level, score in confidence.items() if level not in cut)
    names = renamed([*(boxes(whole.data) | boxes(bodies.data))], shift or 0)
    return Review(
        state=state,
        detail=detail,
        confidence={names[level]: score for level, score in confidence.items()},
        flags={names[level]: found for level, found in flags.items()},
        scan_flags=scan_flags,
        left_right=left_right,
        shift=shift,
        ambiguous=shift is None and (state.ambiguous or low),
        names=names,
    )


def renamed(levels: list[str], shift: int) -> dict[str, str]:
    """New name of each level after a shift.

    Raises:
        Excluded: a vertebra would have no name.
    """
    names = shift_levels(levels, shift)
    lost = [level for level, name in names.items() if name is None]
    if lost:
        raise Excluded(
            Reason.LEVEL_SHIFT_IMPOSSIBLE,
            f"level_shift {shift:+d} leaves no name for {', '.join(lost)}",
        )
    return names


def apply_names(mask: np.ndarray, names: dict[str, str]) -> np.ndarray:
    """A mask of VerSe codes with levels renamed."""
    table = np.arange(256, dtype=np.uint8)
    for old, new in names.items():
        table[VERSE_CODES[old]] = VERSE_CODES[new]
    return table[mask]


def describe_count(count: Count) -> str:
    """The contradiction of a count in names and numbers."""
    if len(count.anchors) < 2:
        return f"The lowest is named {count.levels[-1]}, counted from the ribs."
    rib, lowest = (count.levels[i] for i in count.anchored)
    return f"The lowest ribs are at the vertebra named {rib}, the last above the sacrum {lowest}."


def read_names(
    places: list[Place], whole: Volume, flags: dict[str, list[LevelFlag]], named_by: str
) -> tuple[LevelState, str, tuple[str, ...], set[str]]:
    """State of a scan whose names came with the mask, and what supports them.

    Levels that are absent by name while the vertebrae around them are neighbours are a state,
    not a fault of the mask: the flag is taken away.
    """
    levels = [place.level for place in places]
    present = set(levels)
    found: list[LevelState] = []
    if "L6" in present:
        found.append(LevelState.SIX_LUMBAR)
    if "T13" in present:
        found.append(LevelState.THIRTEEN_THORACIC)
    ratios = spacing_ratios(places)
    for ratio, upper, lower in zip(ratios, levels[:-1], levels[1:], strict=True):
        if (upper, lower) == ("T11", "L1") and ratio <= SPACING_RATIO[1]:
            found.append(LevelState.ELEVEN_THORACIC)
            for level in (upper, lower):
                flags[level] = [f for f in flags[level] if f is not LevelFlag.NAME_SKIPPED]
    evidence, anchored = (named_by,), set()
    top = sacrum_top(whole)
    lumbar = [place for place in places if place.level[0] in "TL"]
    if top is not None and lumbar:
        lowest = lumbar[-1]
        if np.linalg.norm(lowest.centre_mm - top) <= SACRUM_REACH_MM:
            if lowest.level in ("L5", "L6"):
                evidence, anchored = (named_by, "sacrum"), {lowest.level}
            elif lowest.level == "L4":
                found.append(LevelState.FOUR_LUMBAR)
            else:
                found.append(LevelState.IRREGULAR_COUNT)
        elif not lowest.cut:
            missed = lowest.level not in ("L5", "L6")
            flags[lowest.level].append(LevelFlag.GAP if missed else LevelFlag.WIDE_SPACING)
    given = LevelState.NAMED_BY_MASK if named_by == "mask" else LevelState.NAMED_BY_MODEL
    state = found[0] if found else given
    detail = " ".join(other.sentence for other in found[1:])
    return state, detail, evidence, anchored


def sacrum_top(whole: Volume) -> np.ndarray | None:
    """Centre of the topmost centimetre of what is labelled S1 (world mm), None without it."""
    box = boxes(whole.data).get("S1")
    if box is None:
        return None
    points = np.argwhere(whole.data[box] == VERSE_CODES["S1"])
    affine = box_affine(whole.affine, box)
    points = points @ affine[:3, :3].T + affine[:3, 3]
    return points[points[:, 2] > points[:, 2].max() - 10].mean(axis=0)


def count_doubts(
    places: list[Place], flags: dict[str, list[LevelFlag]], anchored: set[str]
) -> dict[str, int]:
    """For each level, doubtful places between it and the nearest one that was counted from.

    Between two anchors that agree nothing is doubtful: a miscount would show as a contradiction.
    """
    levels = [place.level for place in places]
    starts = [i for i, level in enumerate(levels) if level in anchored]
    doubtful = [
        any(flag in flags[a] and flag in flags[b] for flag in COUNTED_OVER)
        or any(flag in BREAKING for flag in flags[a] + flags[b])
        for a, b in zip(levels[:-1], levels[1:], strict=True)
    ]
    inside = range(min(starts), max(starts)) if len(starts) > 1 else range(0)
    doubtful = [value and i not in inside for i, value in enumerate(doubtful)]
    return {
        level: min(
            (sum(doubtful[min(i, start) : max(i, start)]) for start in starts),
            default=sum(doubtful),
        )
        for i, level in enumerate(levels)
    }
