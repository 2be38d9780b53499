"""Counting levels from centres, sacrum and ribs."""

import numpy as np
import pytest

from bonecast.level_states import LevelFlag, LevelState
from bonecast.reasons import Excluded, Reason
from bonecast.segment.naming import lowest_rib, name_levels

STEP_MM = 35.0


def centres(n, missing=()):
    z = np.array([-i * STEP_MM for i in range(n + len(missing)) if i not in missing])
    return np.stack([0 * z, 0 * z, z], axis=1)


def count(n, *, sacrum=True, ribs=0, missing=(), **more):
    """Name n bodies, of which the upper `ribs` bear ribs."""
    line = centres(n, missing)
    options = {
        "sacrum_top_mm": line[-1] - [0, 0, 25.0] if sacrum else None,
        "bears_ribs": [i < ribs for i in range(n)],
        "lowest_is_cut": False,
    }
    return name_levels(line, **(options | more))


def test_five_between_ribs_and_sacrum_is_the_usual_anatomy():
    found = count(7, ribs=2)
    assert found.levels == ["T11", "T12", "L1", "L2", "L3", "L4", "L5"]
    assert found.state is LevelState.NORMAL and found.anchors == ("sacrum", "ribs")


@pytest.mark.parametrize(
    ("options", "state", "levels"),
    [
        ({"n": 3}, LevelState.SACRUM_ONLY, ["L3", "L4", "L5"]),
        ({"n": 3, "sacrum_is_cut": True}, LevelState.SACRUM_CUT, ["L3", "L4", "L5"]),
        ({"n": 4, "ribs": 2, "sacrum": False}, LevelState.RIBS_ONLY, ["T11", "T12", "L1", "L2"]),
    ],
)
def test_one_anchor_is_said(options, state, levels):
    found = count(**options)
    assert found.state is state and found.levels == levels


@pytest.mark.parametrize(
    ("between", "state", "from_ribs"),
    [
        (6, LevelState.SIX_LUMBAR, "L6"),
        (4, LevelState.FOUR_LUMBAR, "L4"),
        (3, LevelState.IRREGULAR_COUNT, "L3"),
    ],
)
def test_anchors_that_disagree_are_a_state_and_follow_the_setting(between, state, from_ribs):
    found = count(between + 2, ribs=2)
    assert found.state is state and state.ambiguous
    assert found.levels[-1] == "L5"
    other = count(between + 2, ribs=2, count_from="ribs")
    assert other.state is state and other.levels[1] == "T12" and other.levels[-1] == from_ribs


def test_six_below_the_ribs_are_ambiguous_without_a_sacrum_too():
    found = count(8, ribs=2, sacrum=False)
    assert found.state is LevelState.SIX_LUMBAR and found.levels[-1] == "L6"


def test_a_missing_vertebra_is_counted_over():
    assert count(5, missing=(2,)).levels == ["T12", "L1", "L3", "L4", "L5"]


@pytest.mark.parametrize(
    ("bears", "lowest"),
    [
        ([True, True, False, False], 1),
        ([False, False, False], None),
        ([True, False, False, True, False], 0),
        ([False, False, True, False], None),
    ],
)
def test_a_rib_below_vertebrae_without_ribs_is_no_anchor(bears, lowest):
    assert lowest_rib(bears, highest_is_cut=False) == lowest


def test_a_cut_vertebra_may_have_lost_its_rib():
    assert lowest_rib([False, True, False], highest_is_cut=True) == 1


def test_an_isolated_rib_is_flagged_and_not_counted_from():
    found = count(7, bears_ribs=[True, True, False, False, True, False, False])
    assert found.levels[1] == "T12" and LevelFlag.ISOLATED_RIB in found.flags


@pytest.mark.parametrize(
    "options",
    [
        {"n": 4, "sacrum": False},
        {"n": 4, "sacrum": False, "ribs": 4},
        {"n": 9, "sacrum": False, "ribs": 2},
        {"n": 3, "sacrum_top_mm": np.array([0, 0, -400.0])},
        {"n": 4, "sacrum": False, "bears_ribs": [False, False, True, False]},
    ],
    ids=["nothing", "no_body_below_ribs", "seven_lumbar", "far_sacrum", "lone_rib"],
)
def test_names_are_not_guessed(options):
    with pytest.raises(Excluded) as excluded:
        count(**options)
    assert excluded.value.reason == Reason.LEVELS_NOT_ANCHORED
