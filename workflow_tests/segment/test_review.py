"""Anomalies planted in masks are found, and what is right is left alone."""

from dataclasses import replace

import numpy as np
import pytest

from bonecast.level_states import LevelFlag, LevelState
from bonecast.levels import VERSE_CODES
from bonecast.phantom.anatomy import Deformity
from bonecast.phantom.training import CLASSES
from bonecast.reasons import Excluded, Reason
from bonecast.segment.instances import find_vertebrae
from bonecast.segment.naming import Count
from bonecast.segment.review import apply_names, review_levels

from .conftest import REAL, classes_of, draw_labels, masks_of

NAMES = dict(enumerate(CLASSES))
CODE = VERSE_CODES
HARMLESS = {LevelFlag.CUT_BY_BORDER}


@pytest.fixture(scope="module")
def masks():
    """Whole vertebrae and bodies from T10 to the sacrum."""
    return masks_of(draw_labels("T10", -50.0))


def flagged(review):
    """Codes of all flags of a scan."""
    flags = {flag for found in review.flags.values() for flag in found}
    return (flags | set(review.scan_flags)) - HARMLESS


def changed(masks, change):
    """Both masks after a change made to each array."""
    changed = []
    for volume in masks:
        data = volume.data.copy()
        change(data)
        changed.append(volume.like(data))
    return changed


def at(data, level):
    return data == CODE[level]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("top", "bottom"), [("T2", -50.0), ("T9", "L3"), ("L1", -20.0)])
def test_a_regular_spine_has_no_flags(top, bottom, seed):
    broken = {"T11": Deformity("crush", 3, 0.45), "L2": Deformity("wedge", 2, 0.33)}
    labels = draw_labels(top, bottom, seed=seed, deformities=broken if seed % 2 else None)
    review = review_levels(*masks_of(labels))
    assert flagged(review) == set() and not review.ambiguous
    assert min(review.confidence.values()) > 0.7


@pytest.mark.parametrize("name", REAL)
def test_real_masks_have_no_false_flags(real_masks, name):
    review = review_levels(*real_masks(name))
    assert flagged(review) == set() and not review.ambiguous
    assert min(review.confidence.values()) >= 0.75
    assert review.state is LevelState.NAMED_BY_MASK
    assert review.left_right == "not_checked"


def test_a_sacrum_below_l5_supports_the_names(masks, real_masks):
    assert review_levels(*masks).confidence["L1"] == 0.96
    assert review_levels(*real_masks("totalseg_lumbar")).confidence["L1"] == 0.96
    without = changed(masks, lambda data: data.__setitem__(at(data, "S1"), 0))
    assert review_levels(*without).confidence["L1"] == 0.8


@pytest.mark.parametrize(
    ("anchors", "state", "ambiguous"),
    [
        (("ribs",), LevelState.RIBS_ONLY, True),
        (("sacrum", "ribs"), LevelState.NORMAL, False),
    ],
)
def test_islands_make_a_scan_with_one_anchor_ambiguous(masks, anchors, state, ambiguous):
    """A dropped piece may have been a vertebra; a second anchor would contradict the count."""
    levels = ["T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5"]
    count = Count(levels, state, anchors, (2, 7) if len(anchors) > 1 else (2,))
    assert not review_levels(*masks, count=count).ambiguous
    count = replace(count, flags=[LevelFlag.ISLANDS_DROPPED])
    assert review_levels(*masks, count=count).ambiguous is ambiguous


def test_a_cut_sacrum_alone_leaves_a_scan_ambiguous(masks):
    levels = ["T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5"]
    count = Count(levels, LevelState.SACRUM_CUT, ("cut_sacrum",), (7,))
    review = review_levels(*masks, count=count)
    assert review.ambiguous and not review_levels(*masks, count=count, shift=0).ambiguous
    assert review.words() == [LevelState.SACRUM_CUT.sentence]


def swap(data):
    upper, lower = at(data, "L2"), at(data, "L3")
    data[upper], data[lower] = CODE["L3"], CODE["L2"]


def turn_over(data):
    spine = (data > 0) & (data <= CODE["L5"])
    data[spine] = data[spine].min() + CODE["L5"] - data[spine]


def lose_one(data):
    data[at(data, "L2")] = 0


def lose_lowest(data):
    data[at(data, "L5")] = 0


def skip_a_name(data):
    above = (data > 0) & (data <= CODE["L2"])
    data[above] -= 1


def use_a_name_twice(data):
    data[at(data, "T12")] = CODE["L4"]


def join_two(data):
    data[at(data, "L3")] = CODE["L2"]


def join_two_and_move_on(data):
    above = (data > 0) & (data <= CODE["L2"])
    data[above] += 1


def leak(data):
    height = np.argwhere(at(data, "L2"))[:, 2]
    low = np.arange(data.shape[2]) < np.percentile(height, 25)
    data[at(data, "L2") & low] = CODE["L3"]


def cut_apart(data):
    width = np.argwhere(at(data, "L2"))[:, 0]
    middle = np.abs(np.arange(data.shape[0]) - np.median(width)) <= 3
    data[at(data, "L2") & middle[:, None, None]] = 0


def lose_most(data):
    depth = np.argwhere(at(data, "L2"))[:, 1]
    back = np.arange(data.shape[1]) < np.percentile(depth, 80)
    data[at(data, "L2") & back[:, None]] = 0


PLANTED = {
    "swapped": (swap, LevelFlag.OUT_OF_ORDER, {"L2", "L3"}),
    "upside_down": (turn_over, LevelFlag.UPSIDE_DOWN, set()),
    "lowest_missing": (lose_lowest, LevelFlag.GAP, {"L4"}),
    "missing": (lose_one, LevelFlag.GAP, {"L1", "L3"}),
    "name_skipped": (skip_a_name, LevelFlag.NAME_SKIPPED, {"L1", "L3"}),
    "used_twice": (use_a_name_twice, LevelFlag.TWO_PLACES, {"L4"}),
    "two_in_one": (join_two, LevelFlag.TWO_BODIES, {"L2"}),
    "two_in_one_names_moved": (join_two_and_move_on, LevelFlag.TWO_BODIES, {"L3"}),
    "leak": (leak, LevelFlag.LEAKS, {"L3"}),
    "in_pieces": (cut_apart, LevelFlag.FRAGMENTS, {"L2"}),
    "mostly_lost": (lose_most, LevelFlag.VOLUME_JUMP, {"L2"}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_anomaly_is_found(masks, name):
    change, flag, levels = PLANTED[name]
    review = review_levels(*changed(masks, change))
    assert flag in flagged(review)
    assert {level for level, found in review.flags.items() if flag in found} == levels
    before = review_levels(*masks).confidence
    assert min(review.confidence.values()) < min(before.values())
    assert any(flag.sentence in words for words in review.words())


def test_names_out_of_order_are_a_state(masks):
    for change in (swap, turn_over):
        review = review_levels(*changed(masks, change))
        assert review.state is LevelState.DISORDERED and review.ambiguous


def rename(old, new):
    """A change that gives levels new names, all at once."""

    def change(data):
        table = np.arange(256, dtype=np.uint8)
        for a, b in zip(old, new, strict=True):
            table[CODE[a]] = CODE.get(b, 0)
        data[...] = table[data]

    return change


THORAX = ["T9", "T10", "T11", "T12"]
LUMBAR = ["L1", "L2", "L3", "L4", "L5"]
ALL = [f"T{i}" for i in range(1, 13)] + LUMBAR


def moved(steps):
    """Names of T9 to L5 that many levels further up."""
    first = ALL.index("T9") - steps
    return ALL[first : first + 9]


@pytest.mark.parametrize(
    ("old", "new", "state"),
    [
        (LUMBAR, ["T13", "L1", "L2", "L3", "L4"], LevelState.THIRTEEN_THORACIC),
        (THORAX, ["T8", "T9", "T10", "T11"], LevelState.ELEVEN_THORACIC),
        (THORAX + LUMBAR, [*moved(-1), "L6"], LevelState.SIX_LUMBAR),
        (THORAX + LUMBAR, moved(1), LevelState.FOUR_LUMBAR),
        (THORAX + LUMBAR, moved(2), LevelState.IRREGULAR_COUNT),
    ],
)
def test_transitional_names_of_a_mask_are_a_state_and_stay(masks, old, new, state):
    review = review_levels(*changed(masks, rename(old, new)))
    assert review.state is state and review.ambiguous
    assert set(new) <= set(review.confidence), "measured under the names of the mask"
    assert flagged(review) == set(), "the state says it, no vertebra is at fault"
    assert max(review.confidence.values()) <= 0.4


@pytest.mark.parametrize(
    ("variant", "state"),
    [
        (None, LevelState.NORMAL),
        ("six_lumbar", LevelState.SIX_LUMBAR),
        ("ribless_t12", LevelState.SIX_LUMBAR),
        ("four_lumbar", LevelState.FOUR_LUMBAR),
        ("lumbar_rib", LevelState.FOUR_LUMBAR),
    ],
)
def test_transitional_vertebrae_are_seen_where_both_anchors_are(variant, state):
    labels = draw_labels("T10", -50.0, variant=variant)
    found = find_vertebrae(classes_of(labels), NAMES)
    review = review_levels(labels.like(found.whole), labels.like(found.bodies), count=found.count)
    assert review.state is state and review.ambiguous == state.ambiguous
    assert flagged(review) == set()
    assert (max(review.confidence.values()) <= 0.4) == state.ambiguous
    assert bool(review.detail) == state.ambiguous


@pytest.mark.parametrize(
    ("top", "bottom", "state"),
    [("L2", -50.0, LevelState.SACRUM_ONLY), ("T9", "L3", LevelState.RIBS_ONLY)],
)
def test_one_anchor_gives_less_confidence(top, bottom, state):
    labels = draw_labels(top, bottom)
    found = find_vertebrae(classes_of(labels), NAMES)
    review = review_levels(labels.like(found.whole), labels.like(found.bodies), count=found.count)
    assert review.state is state and not review.ambiguous
    assert max(review.confidence.values()) < 0.94


def test_beyond_a_missing_vertebra_a_count_is_trusted_less():
    labels = draw_labels("L1", -50.0)
    labels.data[np.isin(labels.data, [CODE["L3"], CODE["L3"] + 100])] = 0
    found = find_vertebrae(classes_of(labels), NAMES)
    assert found.count.levels[-4:] == ["L1", "L2", "L4", "L5"]
    review = review_levels(labels.like(found.whole), labels.like(found.bodies), count=found.count)
    assert LevelFlag.BEYOND_DOUBT in review.flags["L1"] and LevelFlag.GAP in review.flags["L2"]
    assert review.confidence["L5"] == 0.8 > review.confidence["L1"] == 0.56


def test_a_persons_shift_renames_and_decides():
    labels = draw_labels("T10", -50.0, variant="six_lumbar")
    found = find_vertebrae(classes_of(labels), NAMES)
    whole, bodies = labels.like(found.whole), labels.like(found.bodies)
    review = review_levels(whole, bodies, count=found.count, shift=1)
    assert review.state is LevelState.SIX_LUMBAR and not review.ambiguous
    assert review.confidence["L6"] == 0.95
    renamed = apply_names(bodies.data, review.names)
    assert np.array_equal(renamed == CODE["L6"], bodies.data == CODE["L5"])
    kept = review_levels(whole, bodies, count=found.count, shift=0)
    assert not kept.ambiguous and "L6" not in kept.confidence


def test_a_shift_that_leaves_a_vertebra_without_a_name_is_refused(masks):
    with pytest.raises(Excluded, match="level_shift \\+2 leaves no name for L5") as excluded:
        review_levels(*masks, shift=2)
    assert excluded.value.reason == Reason.LEVEL_SHIFT_IMPOSSIBLE
