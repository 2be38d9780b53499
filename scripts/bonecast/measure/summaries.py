"""From vertebrae to one row per scan: every summary beside the rule it is made by.

A summary is empty, never zero, where fewer than the configured number of levels
could be used; the reason stands beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bonecast.levels import LEVELS
from bonecast.measure.columns import Column, reason
from bonecast.reasons import Reason


@dataclass
class Vertebra:
    """What was measured at one level of one participant.

    Attributes:
        level: name, such as L1.
        density: per ROI name, the columns of density.tsv.
        morphometry: the columns of morphometry.tsv.
        composition: per region, the columns of composition.tsv.
        radiomics: those of radiomics.tsv.
        strength: the columns of strength.tsv.
        level_confidence: how well its name is supported (bonecast.segment.review).
        level_flags: codes of what is odd about it.
    """

    level: str
    density: dict[str, dict] = field(default_factory=dict)
    morphometry: dict = field(default_factory=dict)
    composition: dict[str, dict] = field(default_factory=dict)
    radiomics: dict = field(default_factory=dict)
    strength: dict = field(default_factory=dict)
    level_confidence: float | None = None
    level_flags: list[str] = field(default_factory=list)


def span(levels: Sequence[str]) -> str:
    """Levels, in any order, as part of a column name: [L1, L2, L3, L4] is l1l4."""
    levels = sorted(levels, key=LEVELS.index)
    return (levels[0] if len(levels) == 1 else levels[0] + levels[-1]).lower()


def radiomics_summary_columns(
    features: Sequence[Column], levels: Sequence[str], min_levels: int
) -> tuple[Column, ...]:
    """Summaries of texture of a scan: those of its levels, by one rule."""
    rule = f"Median over the included levels of {words_for(levels)}; at least {min_levels} of them"
    return (
        Column(
            "n_levels_radiomics",
            "count",
            "Levels that entered the texture summaries; empty where radiomics is switched off",
            kind="int",
            low=0,
        ),
        *(replace(column, definition=f"{column.definition}. {rule}") for column in features),
        reason("Why the texture summaries are empty", "radiomics_reason"),
    )


def summarise_radiomics(
    vertebrae: list[Vertebra], features: list[str], levels: list[str], min_levels: int
) -> dict:
    """Median of each feature of one scan; empty where too few levels have it.

    Without features, as where radiomics is switched off, the number of levels is empty too.
    """
    if not features:
        return {"n_levels_radiomics": None, "radiomics_reason": None}
    rows = [
        [vertebra.radiomics[name] for name in features]
        for vertebra in vertebrae
        if vertebra.level in levels and vertebra.radiomics.get("included")
    ]
    out: dict = dict.fromkeys(features)
    out["n_levels_radiomics"] = len(rows)
    if len(rows) < min_levels:
        return out | {"radiomics_reason": str(Reason.TOO_FEW_LEVELS)}
    values = np.array(rows, dtype=float)
    enough = np.isfinite(values).sum(axis=0) >= min_levels
    medians = np.full(len(features), np.nan)
    medians[enough] = np.nanmedian(values[:, enough], axis=0)
    return out | {
        name: float(median)
        for name, median in zip(features, medians, strict=True)
        if median == median
    }


def words_for(levels: Sequence[str]) -> str:
    """A row of levels in words: L1 to L4."""
    return levels[0] if len(levels) == 1 else f"{levels[0]} to {levels[-1]}"
