"""From the shapes of vertebrae to one row per scan: deformity index and curves of the spine."""

from collections.abc import Sequence
from typing import Protocol

from bonecast.measure.columns import Column, names, reason
from bonecast.measure.morphometry.table import GENANT
from bonecast.reasons import Reason

SDI_LEVELS = (*(f"T{i}" for i in range(4, 13)), "L1", "L2", "L3", "L4")
"""Levels of the spinal deformity index (Kerkeni et al., Osteoporos Int 2009;20:1547)."""

SDI = "Kerkeni et al., Osteoporos Int 2009;20:1547"

FRACTURE_GRADE = 2
"""Least Genant grade counted as a fracture; 1 is a deformity (Genant, JBMR 1993;8:1137)."""

HEIGHT_RATIOS = ("wedge_ratio", "biconcave_ratio", "crush_ratio")

COBB = "Angle after Cobb, from the planes of end-plates in the mask; the patient lies"
"""A scan is taken lying down: its curves are flatter than those of standing radiographs."""

MIN_CURVE_LEVELS = 3
"""Fewer levels have no curve worth an angle; chosen here."""


class Measured(Protocol):
    """What a summary needs of one vertebra."""

    level: str
    morphometry: dict


def morphometry_summary_columns(min_levels: int) -> tuple[Column, ...]:
    """Summaries of vertebral shape of a scan, each with its rule."""
    words = f"{SDI_LEVELS[0]} to {SDI_LEVELS[-1]}"
    where = f"over the included levels of {words}; at least {min_levels} of them"

    def shape(name: str, unit: str, text: str, source=GENANT, kind="int", high=None) -> Column:
        return Column(name, unit, f"{text} {where}", source, kind, 0, high, block="morphometry")

    def angle(name: str, text: str, low=-180.0, block="morphometry") -> Column:
        return Column(name, "degrees", text, COBB, low=low, high=180, block=block)

    def stretch(name: str, of: str) -> Column:
        return Column(name, "", f"Uppermost and lowest level of {of}", kind="text")

    return (
        shape("sdi", "grade", "Spinal deformity index: sum of Genant grades", SDI, high=39),
        shape("sdi_per_level", "grade", "sdi over the number of levels graded,", SDI, "float", 3),
        shape("n_vertebral_fractures", "count", f"Levels of Genant grade {FRACTURE_GRADE} or more"),
        shape("max_genant_grade", "grade", "Highest Genant grade", high=3),
        shape(
            "min_height_ratio", "ratio", "Lowest of wedge, biconcave and crush ratio", kind="float"
        ),
        Column("n_levels_morphometry", "count", f"Levels of {words} graded", kind="int", low=0),
        Column(
            "n_unsure_grades",
            "count",
            "Levels graded for which another grade has a probability of 0.2 or more",
            kind="int",
            low=0,
        ),
        angle(
            "kyphosis_t4t12_deg",
            "Kyphosis: upper end-plate of T4 to lower end-plate of T12; positive: bent forwards",
        ),
        angle(
            "kyphosis_in_view_deg",
            "The same from the uppermost to the lowest thoracic level measured, T4 at most",
            block="quality",
        ),
        stretch("kyphosis_in_view_levels", "kyphosis_in_view_deg"),
        angle(
            "lordosis_l1l5_deg",
            "Lordosis: upper end-plate of L1 to lower end-plate of L5; positive: bent backwards",
        ),
        angle(
            "cobb_deg",
            "Largest coronal angle between the upper end-plate of one level and the lower one of "
            f"another below it; at least {MIN_CURVE_LEVELS} levels measured",
            low=0.0,
        ),
        stretch("cobb_levels", "cobb_deg"),
        Column("thick_slices", "", "Whether slices are too thick to rely on grades", kind="bool"),
        reason("Why the shape summaries are empty", "morphometry_reason"),
    )


def summarise_morphometry(vertebrae: Sequence[Measured], min_levels: int) -> dict:
    """Shape summaries of one scan, as in `morphometry_summary_columns`.

    Args:
        vertebrae: from head to foot.
    """
    shapes = {v.level: v.morphometry for v in vertebrae if v.morphometry.get("included")}
    graded = [
        shapes[level]
        for level in SDI_LEVELS
        if level in shapes and shapes[level].get("genant_grade") is not None
    ]
    out: dict = dict.fromkeys(names(morphometry_summary_columns(min_levels)))
    out["n_levels_morphometry"] = len(graded)
    out["morphometry_reason"] = str(Reason.TOO_FEW_LEVELS)
    if len(graded) >= min_levels:
        grades = [values["genant_grade"] for values in graded]
        ratios = [values.get(name) for values in graded for name in HEIGHT_RATIOS]
        out["sdi"] = sum(grades)
        out["sdi_per_level"] = sum(grades) / len(grades)
        out["n_vertebral_fractures"] = sum(grade >= FRACTURE_GRADE for grade in grades)
        out["max_genant_grade"] = max(grades)
        out["min_height_ratio"] = min((r for r in ratios if r is not None), default=None)
        out["n_unsure_grades"] = sum(v.get("genant_alternative") is not None for v in graded)
        out["thick_slices"] = any(values.get("thick_slices") for values in graded)
        out["morphometry_reason"] = None
    tilted = {
        level: values
        for level, values in shapes.items()
        if values.get("upper_sagittal_deg") is not None
    }
    return out | _curves(tilted)


def _curves(shapes: dict[str, dict]) -> dict:
    """Kyphosis, lordosis and Cobb angle, where the levels they need were measured."""
    found: dict = {}
    thoracic = [level for level in shapes if level.startswith("T") and level in SDI_LEVELS]
    if {"T4", "T12"} <= shapes.keys():
        found["kyphosis_t4t12_deg"] = _bend(shapes, "T4", "T12")
    if len(thoracic) >= MIN_CURVE_LEVELS:
        found["kyphosis_in_view_deg"] = _bend(shapes, thoracic[0], thoracic[-1])
        found["kyphosis_in_view_levels"] = f"{thoracic[0]}-{thoracic[-1]}"
    if {"L1", "L5"} <= shapes.keys():
        found["lordosis_l1l5_deg"] = -_bend(shapes, "L1", "L5")
    if len(shapes) >= MIN_CURVE_LEVELS:
        found["cobb_deg"], found["cobb_levels"] = cobb_angle(
            {level: values["upper_coronal_deg"] for level, values in shapes.items()},
            {level: values["lower_coronal_deg"] for level, values in shapes.items()},
        )
    return found


def _bend(shapes: dict[str, dict], above: str, below: str) -> float:
    """Forward bend, degrees, between an upper end-plate and a lower one below it."""
    return shapes[above]["upper_sagittal_deg"] - shapes[below]["lower_sagittal_deg"]


def cobb_angle(upper_deg: dict[str, float], lower_deg: dict[str, float]) -> tuple[float, str]:
    """The largest angle between an upper end-plate and a lower one of another level below it.

    Args:
        upper_deg, lower_deg: coronal tilt by level, from head to foot; two levels at least.
    """
    levels = list(upper_deg)
    pairs = [(a, b) for i, a in enumerate(levels) for b in levels[i + 1 :]]
    above, below = max(pairs, key=lambda pair: abs(upper_deg[pair[0]] - lower_deg[pair[1]]))
    return abs(upper_deg[above] - lower_deg[below]), f"{above}-{below}"
