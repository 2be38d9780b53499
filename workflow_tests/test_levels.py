"""Names of levels in order, and moving all of a scan's names."""

from bonecast.level_states import (
    FLAG_SENTENCES,
    STATE_SENTENCES,
    LevelFlag,
    LevelState,
)
from bonecast.levels import LEVELS, order_of, shift_levels


def test_t13_is_a_level_only_where_there_is_one():
    assert "T13" not in order_of(["T12", "L1"])
    assert order_of(["T13"]) == list(LEVELS)


def test_names_move_together_and_the_sacrum_stays():
    assert shift_levels(["T12", "L1", "L5", "S1"], 1) == {
        "T12": "L1",
        "L1": "L2",
        "L5": "L6",
        "S1": "S1",
    }
    assert shift_levels(["T12", "T13", "L1"], -1) == {"T12": "T11", "T13": "T12", "L1": "T13"}


def test_no_name_is_left_beyond_the_ends():
    assert shift_levels(["C1", "C2"], -1) == {"C1": None, "C2": "C1"}
    assert shift_levels(["L5", "L6"], 1) == {"L5": "L6", "L6": None}


def test_every_state_and_flag_has_its_sentence():
    assert set(STATE_SENTENCES) == set(LevelState) and set(FLAG_SENTENCES) == set(LevelFlag)
    for code in (*LevelState, *LevelFlag):
        assert code.sentence.endswith("."), code
    assert all(bool(state.advice) == state.ambiguous for state in LevelState)


def test_the_page_on_levels_names_every_state_and_flag(repo):
    text = (repo / "docs" / "levels.md").read_text(encoding="utf-8")
    for code in (*LevelState, *LevelFlag):
        assert f"`{code}`" in text, code
    marked = {state for state in LevelState if f"| `{state}` |" in text}
    ambiguous = {
        state
        for state in marked
        if text.partition(f"| `{state}` |")[2].partition("\n")[0].endswith("| yes |")
    }
    assert ambiguous == {state for state in LevelState if state.ambiguous}
