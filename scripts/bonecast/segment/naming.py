"""Names by counting: from the sacrum upwards or from the lowest ribs.

Where both are in view and disagree, one of the two transitional vertebrae is there (see
`bonecast.level_states`). Then the names follow `count_from`, and the state says so.
"""

from dataclasses import dataclass, field

import numpy as np

from bonecast.level_states import LevelFlag, LevelState
from bonecast.levels import order_of
from bonecast.reasons import Excluded, Reason

GAP_SHARE = 1.6
"""Neighbours farther apart than this multiple of the usual spacing have one missing between."""
SACRUM_REACH_MM = 55.0
"""L5's centre lies within this distance of the top of the sacrum."""
LUMBAR_LEVELS = 5
ORDER = tuple(level for level in order_of(()) if level != "S1")
"""Names to count through, from head to foot."""
COUNTED_STATES = {
    4: LevelState.FOUR_LUMBAR,
    5: LevelState.NORMAL,
    6: LevelState.SIX_LUMBAR,
}
"""Vertebrae between the lowest ribs and the sacrum, and what that is."""


@dataclass
class Count:
    """Names of the bodies of one scan, from head to foot, and what they rest on.

    Attributes:
        levels: a name for each body.
        state: what was seen.
        anchors: what was counted from or agreed with it: `sacrum`, `cut_sacrum`, `ribs`.
        anchored: positions of the bodies beside these anchors.
        flags: of the scan.
    """

    levels: list[str]
    state: LevelState
    anchors: tuple[str, ...]
    anchored: tuple[int, ...]
    flags: list[LevelFlag] = field(default_factory=list)


def name_levels(
    centres_mm: np.ndarray,
    *,
    sacrum_top_mm: np.ndarray | None,
    bears_ribs: list[bool],
    lowest_is_cut: bool,
    highest_is_cut: bool = False,
    sacrum_is_cut: bool = False,
    count_from: str = "sacrum",
) -> Count:
    """Name bodies by counting from the sacrum, else from the lowest rib.

    Args:
        centres_mm: shape (n, 3), from head to foot.
        sacrum_top_mm: where the sacrum begins, None where out of view.
        bears_ribs: per body.
        lowest_is_cut, highest_is_cut: whether the end bodies touch the border.
        sacrum_is_cut: whether too little of the sacrum is in view to be sure of it.
        count_from: `sacrum` or `ribs`, which decides where both are in view and disagree.

    Raises:
        Excluded: neither anchor is in view, or there are more bodies than levels.
    """
    n = len(centres_mm)
    flags: list[LevelFlag] = []
    places = place_in_count(centres_mm)

    by_sacrum = by_ribs = None
    if sacrum_top_mm is not None:
        if np.linalg.norm(centres_mm[-1] - sacrum_top_mm) <= SACRUM_REACH_MM:
            by_sacrum = ORDER.index("L5") - int(places[-1])
        else:
            flags.append(LevelFlag.SACRUM_FAR)
    last = lowest_rib(bears_ribs, highest_is_cut)
    if last is not None and any(bears_ribs[last + 1 :]):
        flags.append(LevelFlag.ISOLATED_RIB)
    # A rib-bearing body is the last one only if a whole body without ribs follows.
    if last is not None and (n - 1 - last - int(lowest_is_cut) >= 1 or by_sacrum is not None):
        by_ribs = ORDER.index("T12") - int(places[last])

    if by_sacrum is None and by_ribs is None:
        if last is not None:
            detail = "ribs are in view but not the first vertebra below them"
        elif any(bears_ribs):
            detail = f"{n} vertebrae found, no sacrum, only a rib below vertebrae without ribs"
        else:
            detail = f"{n} vertebrae found, no sacrum, no ribs"
        raise Excluded(Reason.LEVELS_NOT_ANCHORED, detail)
    first = (
        by_sacrum
        if by_ribs is None or (by_sacrum is not None and count_from == "sacrum")
        else by_ribs
    )
    if first < 0 or first + places[-1] >= len(ORDER):
        raise Excluded(Reason.LEVELS_NOT_ANCHORED, f"{n} vertebrae found do not fit the count")

    levels = [ORDER[first + place] for place in places]
    sacrum = "cut_sacrum" if sacrum_is_cut else "sacrum"
    if by_sacrum is None:
        state = LevelState.SIX_LUMBAR if levels[-1] == "L6" else LevelState.RIBS_ONLY
        return Count(levels, state, ("ribs",), (last,), flags)
    if by_ribs is None:
        state = LevelState.SACRUM_CUT if sacrum_is_cut else LevelState.SACRUM_ONLY
        return Count(levels, state, (sacrum,), (n - 1,), flags)
    between = int(places[-1] - places[last])
    state = COUNTED_STATES.get(between, LevelState.IRREGULAR_COUNT)
    return Count(levels, state, (sacrum, "ribs"), (last, n - 1), flags)


def place_in_count(centres_mm: np.ndarray) -> np.ndarray:
    """Place of each body in the count from the top, going on over gaps in the line.

    Args:
        centres_mm: shape (n, 3), from head to foot.
    """
    places = np.arange(len(centres_mm))
    if len(places) > 2:
        steps = np.linalg.norm(np.diff(centres_mm, axis=0), axis=1)
        near = [np.median(steps[max(0, i - 2) : i + 3]) for i in range(len(steps))]
        usual = np.minimum(np.median(steps), near)
        skipped = np.where(steps > GAP_SHARE * usual, np.rint(steps / usual).astype(int) - 1, 0)
        places[1:] += np.cumsum(skipped)
    return places


def lowest_rib(bears_ribs: list[bool], highest_is_cut: bool) -> int | None:
    """Position of the lowest body with ribs that is a thoracic one, None where there is none.

    Ribs are borne by all vertebrae above as well: a single one below bodies without ribs is a
    long transverse process, or something else taken for a rib.
    """
    for i in reversed(range(len(bears_ribs))):
        above = i == 0 or bears_ribs[i - 1] or (i == 1 and highest_is_cut)
        if bears_ribs[i] and above:
            return i
    return None
