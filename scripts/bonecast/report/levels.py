"""What the report says of level names: scans to look at, and how much a shift would change."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from bonecast.level_states import LevelFlag, LevelState
from bonecast.sessions import scan_ids

MAX_ROWS = 200
"""Scans listed in the page; the table of scans has all of them."""
UNREMARKABLE = {LevelFlag.CUT_BY_BORDER, LevelFlag.BEYOND_DOUBT}
"""Flags that alone are no reason to look at a scan."""
LOOK = (
    "Look at the picture; correct the mask, or write a level_shift into the participants table "
    "(0: the names are right)."
)


@dataclass
class LevelFacts:
    """Level names of a cohort.

    Attributes:
        states: dicts with state, sentence and n, the commonest first.
        rows: scans to look at, those ambiguous first: participant_id, sentences, advice,
            confidence (least), difference_hu (largest by a shift of one level), ambiguous.
        n_scans, n_ambiguous: scans segmented, and those whose levels can be read otherwise.
        unchecked_sides: scans in which left and right could not be checked.
        median_hu, largest_hu: over scans, of the change of the summary by a shift of one level.
        shifted: scans whose names this analysis moved, and by how many levels.
    """

    states: list[dict] = field(default_factory=list)
    rows: list[dict] = field(default_factory=list)
    n_scans: int = 0
    n_ambiguous: int = 0
    unchecked_sides: int = 0
    median_hu: float | None = None
    largest_hu: float | None = None
    shifted: tuple[int, int] = (0, 0)


def level_facts(
    segmentations: Sequence[Path], sensitivity: pd.DataFrame, scans: pd.DataFrame
) -> LevelFacts:
    """Gather what is said of level names.

    Args:
        segmentations: every segmentation.json.
        sensitivity: table level_sensitivity.
        scans: the table of scans.
    """
    facts = LevelFacts()
    change = sensitivity.set_index(pd.Index(scan_ids(sensitivity)))["largest_difference_hu"]
    change = change.astype(float)
    if change.notna().any():
        facts.median_hu, facts.largest_hu = float(change.median()), float(change.max())
    moved = scans["level_shift_analysis"].fillna(0).astype(int)
    facts.shifted = int((moved != 0).sum()), int(moved[moved != 0].iloc[0] if moved.any() else 0)
    counts: dict[LevelState, int] = {}
    for path in segmentations:
        about = json.loads(Path(path).read_text(encoding="utf-8"))
        if about["status"] != "ok" or "level_state" not in about:
            continue
        facts.n_scans += 1
        facts.n_ambiguous += about["level_ambiguous"]
        facts.unchecked_sides += about["left_right"] == "not_checked"
        state = LevelState(about["level_state"])
        counts[state] = counts.get(state, 0) + 1
        row = _row(about, state, change)
        if row is not None:
            facts.rows.append(row)
    facts.rows.sort(key=lambda row: (not row["ambiguous"], row["confidence"] or 0.0))
    facts.states = [
        {"state": str(state), "sentence": state.sentence, "n": n}
        for state, n in sorted(counts.items(), key=lambda item: -item[1])
    ]
    return facts


def _row(about: dict, state: LevelState, change: pd.Series) -> dict | None:
    """One scan of the list, None where there is nothing to look at."""
    by_flag: dict[LevelFlag, list[str]] = {}
    for level, values in about["levels"].items():
        for code in values.get("flags", []):
            by_flag.setdefault(LevelFlag(code), []).append(level)
    by_flag = {flag: names for flag, names in by_flag.items() if flag not in UNREMARKABLE}
    scan_flags = [LevelFlag(code) for code in about["level_scan_flags"]]
    if not (state.ambiguous or about["level_ambiguous"] or by_flag or scan_flags):
        return None
    sentences = [" ".join(filter(None, (state.sentence, about["level_detail"])))]
    sentences += [flag.sentence for flag in scan_flags]
    sentences += [f"{', '.join(names)}: {flag.sentence}" for flag, names in by_flag.items()]
    difference = change.get(about["participant_id"])
    return {
        "participant_id": about["participant_id"],
        "ambiguous": about["level_ambiguous"],
        "shift": about["level_shift"],
        "sentences": sentences,
        "advice": "" if about["level_shift"] is not None else state.advice or LOOK,
        "confidence": min((v["level_confidence"] for v in about["levels"].values()), default=None),
        "difference_hu": None if difference is None or pd.isna(difference) else float(difference),
    }
