"""What the density of a scan would be if its levels were named one off.

Only names move: every vertebra keeps what was measured in it. So the summary over L1 to L4
becomes that over T12 to L3 (shift +1, every name one level further down) or over L2 to L5 (-1).
"""

from dataclasses import replace

from bonecast.levels import LEVELS, shift_levels
from bonecast.measure.columns import HU, SCAN, Column
from bonecast.measure.density_summary import summarise_hu
from bonecast.measure.summaries import Vertebra, span

SHIFTS = (-1, 0, 1)


def _hu(name: str, definition: str) -> Column:
    return Column(name, "HU", definition, "density.tsv", **HU)


def _count(name: str) -> Column:
    return Column(name, "count", "Levels in that value", "density.tsv", "int", 0)


SENSITIVITY_COLUMNS = (
    *SCAN,
    Column("level_state", "", "What the names of the levels rest on", kind="text"),
    Column("level_ambiguous", "", "Whether another reading would name them", kind="bool"),
    Column("column", "", "Column of the scans table that is followed", kind="text"),
    _hu("hu_shift_minus1", "Its value with every name one level further up"),
    _count("n_levels_shift_minus1"),
    _hu("hu_shift_0", "Its value with the names as segmented"),
    _count("n_levels_shift_0"),
    _hu("hu_shift_plus1", "Its value with every name one level further down"),
    _count("n_levels_shift_plus1"),
    Column(
        "largest_difference_hu",
        "HU",
        "Greater distance of the two shifted values from hu_shift_0",
        "density.tsv",
        low=0,
    ),
)
"""Columns of tables/level_sensitivity.tsv."""


def renamed(vertebrae: list[Vertebra], shift: int) -> list[Vertebra]:
    """Vertebrae with names moved towards the foot, from head to foot.

    One for which no name is left (C1 moved up, L6 moved down) is left out.
    """
    if not shift:
        return vertebrae
    names = shift_levels([vertebra.level for vertebra in vertebrae], shift)
    moved = [
        replace(vertebra, level=names[vertebra.level])
        for vertebra in vertebrae
        if names[vertebra.level] is not None
    ]
    return sorted(moved, key=lambda vertebra: LEVELS.index(vertebra.level))


def sensitivity(
    segmentation: dict,
    vertebrae: list[Vertebra],
    rois: list[str],
    levels: list[str],
    min_levels: int,
) -> dict:
    """One row of tables/level_sensitivity.tsv, but for whose scan it is.

    Args:
        segmentation: segmentation.json of the scan.
        vertebrae: with the names as segmented.
        rois, levels, min_levels: as for the summaries; the first ROI is followed.
    """
    column = f"{rois[0]}_mean_{span(levels)}_hu"
    row = {
        "level_state": segmentation.get("level_state"),
        "level_ambiguous": segmentation.get("level_ambiguous"),
        "column": column,
    }
    values = []
    for shift, name in zip(SHIFTS, ("minus1", "0", "plus1"), strict=True):
        summary = summarise_hu(renamed(vertebrae, shift), rois[:1], levels, min_levels)
        values.append(summary[column])
        row[f"hu_shift_{name}"] = summary[column]
        row[f"n_levels_shift_{name}"] = summary["n_levels_hu"]
    up, here, down = values
    moved = [abs(value - here) for value in (up, down) if value is not None and here is not None]
    row["largest_difference_hu"] = max(moved, default=None)
    return row
