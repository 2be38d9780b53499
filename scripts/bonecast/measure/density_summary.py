"""Density of a scan: summaries over its levels, each with its rule, and classes by threshold.

A summary is empty, never zero, where fewer than the configured number of levels could be used;
the reason stands beside it, and so do the levels that were used.
"""

import statistics
from collections.abc import Sequence

import numpy as np

from bonecast.levels import LEVELS
from bonecast.measure.acquisition import Acquisition
from bonecast.measure.columns import HU, Column, reason
from bonecast.measure.summaries import Vertebra, span, words_for
from bonecast.reasons import Reason

NEAREST_TO_L1 = ("L1", "T12", "L2")
"""Where L1 cannot be measured its neighbours stand in, in this order (Pickhardt et al.,
Ann Intern Med 2013;158:588 measure T12 to L5 and single out L1)."""

QCT_LEVELS = ("L1", "L2", "L3")
"""Averaged beside the configured levels: L1 to L3 are what quantitative CT is taken over."""

SLOPE_LEVELS = 3
"""Levels needed for a slope: two are joined by a line whatever they are (chosen here)."""

ALTERNATIVES = "hu_alternatives"
"""Block of what says nearly the same as the means of block `hu`: for sensitivity analyses, so
that a model does not get one number three times."""

PICKHARDT = (
    "Pickhardt et al., Ann Intern Med 2013;158:588 (110, 160 and 200 HU); Anderson's review of "
    "Hounsfield units in spine surgery (135 HU)"
)

CATEGORIES = ("<=110", "110-135", "135-160", "160-200", ">200")
"""Classes of the attenuation of L1, at 120 kV: at most 110 HU is over 90 % specific for
osteoporosis by DXA and at most 160 HU 90 % sensitive; above 200 HU 99 % have none (Pickhardt
2013); below 135 HU balances both."""

CATEGORISED = ("hu_circle200", "hu_ellipse")
"""Regions that are classed: those drawn as by hand, for which the thresholds were found. A volume
is not held against them: that of Jang et al., Radiology 2019;291:360 reads 21 HU higher than a
region drawn by hand. By how much ours differs in a cohort is the figure roi_agreement."""


def category(hu: float) -> str:
    """The class of an attenuation of L1, one of `CATEGORIES`."""
    if hu <= 110:
        return "<=110"
    if hu < 135:
        return "110-135"
    if hu <= 160:
        return "135-160"
    return "160-200" if hu <= 200 else ">200"


def hu_summary_columns(
    rois: Sequence[str], levels: Sequence[str], min_levels: int
) -> tuple[Column, ...]:
    """Summaries of density of a scan, each with its rule."""
    columns = []
    for roi in rois:
        columns += _roi_columns(roi, levels, min_levels)
        if roi in CATEGORISED:
            columns += _category_columns(roi)
    return (
        *columns,
        Column(
            "n_levels_hu",
            "count",
            f"Levels that entered the summaries of ROI {rois[0]}",
            kind="int",
            low=0,
        ),
        reason(f"Why the density summaries of ROI {rois[0]} are empty", "hu_reason"),
    )


def _roi_columns(roi: str, levels: Sequence[str], min_levels: int) -> list[Column]:
    name, words = span(levels), words_for(levels)
    rule = "over the included levels of {}; at least {} of them; ROI " + roi
    where = rule.format(words, min_levels)
    columns = [
        _hu(f"{roi}_mean_{name}_hu", f"Mean of the levels' mean HU {where}"),
        _hu(f"{roi}_min_hu", f"Lowest of the levels' mean HU {where}"),
        _hu(
            f"{roi}_sd_{name}_hu",
            f"Mean of the levels' standard deviation of HU within the ROI {where}",
            low=0,
        ),
        Column(
            f"{roi}_slope_hu",
            "HU per level",
            "Slope of the mean HU from one level to the next towards the foot, by least squares "
            f"over all included levels; at least {SLOPE_LEVELS}; ROI {roi}",
            "density.tsv",
            block="hu",
        ),
    ]
    if name != span(QCT_LEVELS):
        where = rule.format(words_for(QCT_LEVELS), min_levels)
        text = f"Mean of the levels' mean HU {where}"
        columns.append(_hu(f"{roi}_mean_{span(QCT_LEVELS)}_hu", text, block=ALTERNATIVES))
    nearest = f"the first included of {', '.join(NEAREST_TO_L1)}; ROI {roi}"
    return [
        *columns,
        _hu(f"{roi}_l1_or_nearest_hu", f"Mean HU of one level, {nearest}", block=ALTERNATIVES),
        Column(
            f"{roi}_l1_or_nearest_level",
            "",
            f"Level that {roi}_l1_or_nearest_hu was taken from",
            kind="text",
            words=NEAREST_TO_L1,
        ),
        Column(
            f"{roi}_levels",
            "",
            f"Levels of {words} that were used, separated by blanks; ROI {roi}",
            kind="text",
        ),
        reason(f"Why the summaries over {words} are empty; ROI {roi}", f"{roi}_summary_reason"),
    ]


def _category_columns(roi: str) -> list[Column]:
    return [
        _hu(f"{roi}_l1_hu", f"Mean HU of L1 where it is included; ROI {roi}", block=ALTERNATIVES),
        Column(
            f"{roi}_l1_category",
            "HU",
            f"Class of {roi}_l1_hu at 120 kV by published thresholds; with contrast medium L1 "
            "reads about 11 HU more",
            PICKHARDT,
            kind="text",
            words=CATEGORIES,
        ),
        reason(f"Why {roi}_l1_category is empty", f"{roi}_l1_category_reason"),
    ]


def _hu(name: str, definition: str, low: float = HU["low"], block: str = "hu") -> Column:
    limits = {"low": low, "high": HU["high"]}
    return Column(name, "HU", definition, "density.tsv", **limits, block=block)


def summarise_hu(
    vertebrae: Sequence[Vertebra],
    rois: Sequence[str],
    levels: Sequence[str],
    min_levels: int,
    kvp: float | None = None,
) -> dict:
    """Density summaries of one scan, as in `hu_summary_columns`.

    Args:
        kvp: tube voltage of the scan, None where not known.
    """
    out: dict = {}
    for roi in rois:
        included = {
            vertebra.level: vertebra.density[roi]
            for vertebra in vertebrae
            if vertebra.density.get(roi, {}).get("included")
        }
        out |= _summarise_roi(roi, included, levels, min_levels)
        if roi in CATEGORISED:
            out |= _categorise(roi, included.get("L1"), kvp)
    out["n_levels_hu"] = len((out[f"{rois[0]}_levels"] or "").split())
    out["hu_reason"] = out[f"{rois[0]}_summary_reason"]
    return out


def _summarise_roi(
    roi: str, included: dict[str, dict], levels: Sequence[str], min_levels: int
) -> dict:
    """Summaries of one region.

    Args:
        included: rows of density.tsv by level, those that may enter summaries.
    """
    name, means = span(levels), {level: row["mean_hu"] for level, row in included.items()}
    used = [level for level in LEVELS if level in levels and level in included]
    sds = [included[level]["sd_hu"] for level in used if included[level]["sd_hu"] is not None]
    enough = len(used) >= min_levels
    upper = [means[level] for level in QCT_LEVELS if level in means]
    nearest = next((level for level in NEAREST_TO_L1 if level in means), None)
    return {
        f"{roi}_mean_{span(QCT_LEVELS)}_hu": (
            statistics.fmean(upper) if len(upper) >= min_levels else None
        ),
        f"{roi}_mean_{name}_hu": statistics.fmean(means[x] for x in used) if enough else None,
        f"{roi}_min_hu": min(means[x] for x in used) if enough else None,
        f"{roi}_sd_{name}_hu": statistics.fmean(sds) if enough and sds else None,
        f"{roi}_slope_hu": _slope(means),
        f"{roi}_l1_or_nearest_hu": means[nearest] if nearest else None,
        f"{roi}_l1_or_nearest_level": nearest,
        f"{roi}_levels": " ".join(used) or None,
        f"{roi}_summary_reason": None if enough else str(Reason.TOO_FEW_LEVELS),
    }


def _slope(means: dict[str, float]) -> float | None:
    """Least-squares slope per level; a level left out keeps its place."""
    if len(means) < SLOPE_LEVELS:
        return None
    # T13 is there in few scans, and then no level of its own: it would part T12 from L1 in all.
    order = [level for level in LEVELS if level != "T13" or level in means]
    places = np.array([order.index(level) for level in means], float)
    return float(np.polynomial.polynomial.polyfit(places, list(means.values()), 1)[1])


def _categorise(roi: str, row: dict | None, kvp: float | None) -> dict:
    """Attenuation and class of L1, or why it has none."""
    why = Acquisition(kvp).why_no_hu_threshold()
    if row is None:
        why = Reason.L1_NOT_INCLUDED
    return {
        f"{roi}_l1_hu": row["mean_hu"] if row else None,
        f"{roi}_l1_category": None if why else category(row["mean_hu"]),
        f"{roi}_l1_category_reason": str(why) if why else None,
    }
