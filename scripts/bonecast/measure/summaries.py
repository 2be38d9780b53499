"""From vertebrae to one row per scan: every summary beside the rule it is made by.

A summary is empty, never zero, where fewer than the configured number of levels
could be used; the reason stands beside it. Levels that are deformed (Genant grade
1 or more) take no part in summaries of density and texture: a collapsed vertebra is
denser than the bone the patient has.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bonecast.levels import LEVELS
from bonecast.measure.columns import Column, reason
from bonecast.reasons import Reason

NEAREST_TO_L1 = ("L1", "T12", "L2")
"""Where L1 cannot be measured its neighbours stand in, in this order (Pickhardt et al.,
Ann Intern Med 2013;158:588 measure T12 to L5 and single out L1)."""
DEFORMED_GRADE = 1


@dataclass
class Vertebra:
    """What was measured at one level of one participant.

    Attributes:
        level: name, such as L1.
        density: per ROI name, the columns of density.tsv.
        morphometry: the columns of morphometry.tsv.
        radiomics: those of radiomics.tsv, features with `rad_` before their name.
        level_confidence: how well its name is supported (bonecast.segment.review).
        level_flags: codes of what is odd about it.
    """

    level: str
    density: dict[str, dict] = field(default_factory=dict)
    morphometry: dict = field(default_factory=dict)
    radiomics: dict = field(default_factory=dict)
    level_confidence: float | None = None
    level_flags: list[str] = field(default_factory=list)

    @property
    def deformed(self) -> bool:
        """Genant grade 1 or more, from heights that could be trusted."""
        grade = self.morphometry.get("genant_grade")
        return bool(
            self.morphometry.get("included") and grade is not None and grade >= DEFORMED_GRADE
        )

    def set_aside_if_deformed(self) -> None:
        """Take density and texture of a deformed level out of the summaries, saying why."""
        if not self.deformed:
            return
        for values in (*self.density.values(), self.radiomics):
            if values.get("included"):
                values["included"], values["reason"] = False, str(Reason.FRACTURED)


def span(levels: Sequence[str]) -> str:
    """Levels, in any order, as part of a column name: [L1, L2, L3, L4] is l1l4."""
    levels = sorted(levels, key=LEVELS.index)
    return (levels[0] if len(levels) == 1 else levels[0] + levels[-1]).lower()


def hu_summary_columns(
    rois: Sequence[str], levels: Sequence[str], min_levels: int
) -> tuple[Column, ...]:
    """Summaries of density of a scan, each with its rule."""
    name, words = span(levels), words_for(levels)
    columns = []
    for roi in rois:
        where = (
            f"over the included levels of {words}; at least {min_levels} of them; ROI {roi}; "
            "deformed levels (Genant grade 1 or more) left out"
        )
        columns += [
            _hu(f"{roi}_mean_{name}_hu", f"Mean of the levels' mean HU {where}", low=-1024),
            _hu(f"{roi}_min_hu", f"Lowest of the levels' mean HU {where}", low=-1024),
            _hu(
                f"{roi}_sd_{name}_hu",
                f"Mean of the levels' standard deviation of HU within the ROI {where}",
                low=0,
            ),
        ]
    nearest = f"the first included of {', '.join(NEAREST_TO_L1)}; ROI {rois[0]}"
    return (
        *columns,
        _hu("hu_l1_or_nearest_hu", f"Mean HU of one level, {nearest}", low=-1024),
        Column(
            "hu_l1_or_nearest_level",
            "",
            "Level that hu_l1_or_nearest_hu was taken from",
            kind="text",
            words=NEAREST_TO_L1,
        ),
        Column(
            "n_levels_hu", "count", "Levels that entered the density summaries", kind="int", low=0
        ),
        reason("Why the density summaries are empty", "hu_reason"),
    )


def _hu(name: str, definition: str, low: float) -> Column:
    return Column(name, "HU", definition, "density.tsv", low=low, high=3071, block="hu")


def summarise_hu(
    vertebrae: list[Vertebra], rois: list[str], levels: list[str], min_levels: int
) -> dict:
    """Density summaries of one scan, as in `hu_summary_columns`."""
    name = span(levels)
    out: dict = {}
    used: dict[str, list[dict]] = {}
    for roi in rois:
        used[roi] = [
            vertebra.density[roi]
            for vertebra in vertebrae
            if vertebra.level in levels and vertebra.density.get(roi, {}).get("included")
        ]
        means = [values["mean_hu"] for values in used[roi]]
        sds = [values["sd_hu"] for values in used[roi] if values["sd_hu"] is not None]
        enough = len(means) >= min_levels
        out[f"{roi}_mean_{name}_hu"] = statistics.fmean(means) if enough else None
        out[f"{roi}_min_hu"] = min(means) if enough else None
        out[f"{roi}_sd_{name}_hu"] = statistics.fmean(sds) if enough and sds else None
    by_level = {vertebra.level: vertebra.density.get(rois[0], {}) for vertebra in vertebrae}
    nearest = next((n for n in NEAREST_TO_L1 if by_level.get(n, {}).get("included")), None)
    out["hu_l1_or_nearest_hu"] = by_level[nearest]["mean_hu"] if nearest else None
    out["hu_l1_or_nearest_level"] = nearest
    out["n_levels_hu"] = len(used[rois[0]])
    out["hu_reason"] = None if len(used[rois[0]]) >= min_levels else str(Reason.TOO_FEW_LEVELS)
    return out


def radiomics_summary_columns(
    features: Sequence[Column], levels: Sequence[str], min_levels: int
) -> tuple[Column, ...]:
    """Summaries of texture of a scan: those of its levels, by one rule."""
    rule = f"Median over the included levels of {words_for(levels)}; at least {min_levels} of them"
    return (
        Column(
            "n_levels_radiomics",
            "count",
            "Levels that entered the texture summaries",
            kind="int",
            low=0,
        ),
        *(replace(column, definition=f"{column.definition}. {rule}") for column in features),
    )


def summarise_radiomics(
    vertebrae: list[Vertebra], features: list[str], levels: list[str], min_levels: int
) -> dict:
    """Median of each feature of one scan; empty where too few levels have it."""
    rows = [
        [vertebra.radiomics[name] for name in features]
        for vertebra in vertebrae
        if vertebra.level in levels and vertebra.radiomics.get("included")
    ]
    out: dict = dict.fromkeys(features)
    out["n_levels_radiomics"] = len(rows)
    if len(rows) < min_levels or not features:
        return out
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
