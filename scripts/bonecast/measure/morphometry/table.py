"""Shape of every vertebra of a scan: the rows of morphometry.tsv."""

from collections.abc import Collection

import numpy as np

from bonecast.measure.columns import LEVEL, Column, included, names, reason
from bonecast.measure.frame import Body, why_not_measured
from bonecast.measure.morphometry.deformity import Deformity, judge
from bonecast.measure.morphometry.heights import Shape, measure_shape
from bonecast.measure.morphometry.section import measure_section
from bonecast.reasons import Reason

THICK_SLICES_MM = 3.0
"""Heights from thicker slices are flagged: an end-plate that lies parallel to them is then
placed with a standard error of 0.9 mm or more, as much as separates two grades."""

GENANT = "Genant et al., J Bone Miner Res 1993;8:1137, 10.1002/jbmr.5650080915"


def _shape(name: str, unit: str, definition: str, source: str = "", **more) -> Column:
    return Column(name, unit, definition, source, block="morphometry", **{"low": 0.0, **more})


def _quality(name: str, unit: str, definition: str, source: str = "", **more) -> Column:
    return Column(name, unit, definition, source, **more)


def _angle(plate: str, plane: str, positive: str) -> Column:
    name = f"{plate}_{plane}_deg"
    text = f"Tilt of the {plate} end-plate in the {plane} plane of the scan; positive: {positive}"
    return _quality(name, "degrees", text, low=-180, high=180)


MORPHOMETRY_COLUMNS = (
    LEVEL,
    _shape("anterior_mm", "mm", "Anterior height of the body"),
    _shape("middle_mm", "mm", "Middle height of the body: the least of its middle third"),
    _shape("posterior_mm", "mm", "Posterior height of the body, at its posterior corners"),
    _quality("anterior_se_mm", "mm", "Standard error of the anterior height", low=0),
    _quality("middle_se_mm", "mm", "Standard error of the middle height", low=0),
    _quality("posterior_se_mm", "mm", "Standard error of the posterior height", low=0),
    _shape("depth_mm", "mm", "Length of the body from anterior to posterior wall"),
    _shape("width_mm", "mm", "Width of the body at mid-height, through its centre"),
    _shape("area_mm2", "mm2", "Cross-section of the body at mid-height, across its own axis"),
    _shape("volume_mm3", "mm3", "Volume of the body"),
    _shape("wedge_ratio", "ratio", "Anterior over posterior height", GENANT),
    _shape("biconcave_ratio", "ratio", "Middle over posterior height", GENANT),
    _quality("wedge_ratio_se", "ratio", "Standard error of wedge_ratio", low=0),
    _quality("biconcave_ratio_se", "ratio", "Standard error of biconcave_ratio", low=0),
    _shape("crush_ratio", "ratio", "Posterior height over that expected from the neighbours"),
    _shape(
        "anterior_neighbour_ratio",
        "ratio",
        "Anterior height over that expected from the neighbours",
    ),
    _shape(
        "middle_neighbour_ratio", "ratio", "Middle height over that expected from the neighbours"
    ),
    _shape(
        "height_loss",
        "share",
        "Greatest loss of height, of those against the vertebra itself and its neighbours",
        GENANT,
        low=None,
        high=1,
    ),
    _quality("height_loss_sd", "share", "Standard deviation of the error of height_loss", low=0),
    _shape(
        "genant_grade",
        "grade",
        "Semi-quantitative grade; 1 is a deformity, not a fracture",
        GENANT,
        kind="int",
        high=3,
    ),
    _shape(
        "genant_type",
        "",
        "Form of the deformity",
        GENANT,
        kind="text",
        low=None,
        words=("none", "wedge", "biconcave", "crush"),
    ),
    _quality(
        "genant_probability",
        "",
        "Probability that the true height_loss lies within the limits of the grade",
        low=0,
        high=1,
    ),
    _quality(
        "genant_alternative",
        "grade",
        "The likeliest other grade, where its probability is 0.2 or more",
        kind="int",
        low=0,
        high=3,
    ),
    _angle("upper", "sagittal", "it faces forwards"),
    _angle("lower", "sagittal", "its upward normal leans forwards"),
    _angle("upper", "coronal", "it faces the right"),
    _angle("lower", "coronal", "its upward normal leans to the right"),
    _quality(
        "thick_slices",
        "",
        f"Whether slices are thicker than {THICK_SLICES_MM:g} mm, too thick to rely on the grade",
        kind="bool",
    ),
    included("the heights enter summaries"),
    reason("Why the heights do not enter summaries"),
)
"""Columns of morphometry.tsv, in order."""


def measure_morphometry(bodies: dict[str, Body | None], levels: Collection[str]) -> list[dict]:
    """Heights, grade, end-plates and cross-section of every body, one row each.

    Args:
        bodies: as from `find_bodies`, from head to foot.
        levels: those to be analysed; others get a row with a reason and no values.

    Returns:
        Rows with the columns of morphometry.tsv; a missing value is None.
    """
    shapes: dict[str, Shape] = {}
    reasons: dict[str, Reason] = {}
    for level, body in bodies.items():
        if cause := why_not_measured(level, body, levels):
            reasons[level] = cause
        elif body.touches_border:
            reasons[level] = Reason.TOUCHES_BORDER
        elif (shape := measure_shape(body)) is None:
            reasons[level] = Reason.HEIGHT_NOT_MEASURABLE
        else:
            shapes[level] = shape
    judged = judge(
        {level: shape.heights for level, shape in shapes.items()},
        {level: shape.errors for level, shape in shapes.items()},
    )
    rows = []
    for level, body in bodies.items():
        row: dict = dict.fromkeys(names(MORPHOMETRY_COLUMNS))
        row |= {"level": level, "included": level in shapes, "reason": reasons.get(level)}
        if level in shapes:
            row |= _sizes(body, shapes[level]) | _tilts(shapes[level])
        if level in judged:
            row |= _grade(judged[level])
        rows.append(row)
    return rows


def _sizes(body: Body, shape: Shape) -> dict:
    """Heights with their errors, ratios and cross-section."""
    parts = ("anterior", "middle", "posterior")
    found = dict(zip((f"{part}_mm" for part in parts), map(float, shape.heights), strict=True))
    errors = zip((f"{part}_se_mm" for part in parts), map(float, shape.errors), strict=True)
    found |= dict(errors)
    relative = shape.errors / shape.heights
    for name, k in (("wedge_ratio", 0), ("biconcave_ratio", 1)):
        ratio = shape.heights[k] / shape.heights[2]
        found[name] = float(ratio)
        found[f"{name}_se"] = float(ratio * np.hypot(relative[k], relative[2]))
    section = measure_section(body)
    return found | {
        "depth_mm": shape.depth_mm,
        "width_mm": section.width_mm,
        "area_mm2": section.area_mm2,
        "volume_mm3": np.count_nonzero(body.mask) * body.voxel_mm3,
        "thick_slices": max(body.spacing_mm) > THICK_SLICES_MM + 0.01,
    }


def _tilts(shape: Shape) -> dict:
    """Tilt of both end-plates in the sagittal and the coronal plane of the scan, degrees."""
    found = {}
    for plate, normal in (("upper", shape.upper), ("lower", shape.lower)):
        right, anterior, up = normal
        found[f"{plate}_sagittal_deg"] = float(np.rad2deg(np.arctan2(anterior, up)))
        found[f"{plate}_coronal_deg"] = float(np.rad2deg(np.arctan2(right, up)))
    return found


def _grade(judged: Deformity) -> dict:
    return {
        "crush_ratio": judged.posterior_ratio,
        "anterior_neighbour_ratio": judged.anterior_ratio,
        "middle_neighbour_ratio": judged.middle_ratio,
        "height_loss": judged.loss,
        "height_loss_sd": judged.loss_sd,
        "genant_grade": judged.grade,
        "genant_type": judged.kind,
        "genant_probability": judged.probability,
        "genant_alternative": judged.alternative,
    }
