"""Rigidity of vertebral bodies from calibrated density, slice by slice along the body's axis.

The least axial rigidity of a body's slices predicts its strength as well as finite elements do
(R2 .81 against .80 in 81 vertebrae; Buckley et al., Bone 2007;40:767, PMC2014723). What is given
here is such a rigidity, and an index: no force in newtons that was validated, and not to be
compared with cut-offs of finite-element programs.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bonecast.measure.calibration.model import CALIBRATED, Calibration
from bonecast.measure.columns import LEVEL, Column, included, reason
from bonecast.measure.frame import Body, local_extent, resample_local, why_not_measured
from bonecast.reasons import Reason

STEP_MM = 1.0
"""Distance of slices along the axis, and of points in them."""

END_FRACTION = 0.15
"""Part of the height left out at each end: slices there hold only part of a cross-section, the
end-plate being curved. Chosen here, as for hu_vol; with thick slices at least one voxel."""

WHOLE_SLICE = 0.8
"""A slice whose cross-section is less than this part of the median one is cut by an end-plate and
says nothing of the body's strength; the waist of a body has over 0.85. Chosen here."""

LAWS = ("crawford2003", "kopperdahl2002")


def modulus_mpa(density_mgcc: np.ndarray, law: str) -> np.ndarray:
    """Young's modulus of bone from QCT density, MPa.

    crawford2003: -34.7 + 3230 rho, not below 0. kopperdahl2002: 2980 rho^1.05. Rho in g/cm3 as
    calibrated, without conversion to ash or apparent density.
    Sources: Crawford et al., Bone 2003; Kopperdahl et al., J Orthop Res 2002.

    Raises:
        ValueError: no such law.
    """
    rho = np.asarray(density_mgcc, float) / 1000
    if law == "crawford2003":
        return np.clip(-34.7 + 3230 * rho, 0, None)
    if law == "kopperdahl2002":
        return 2980 * np.clip(rho, 0, None) ** 1.05
    raise ValueError(f"unknown law {law}: expected {', '.join(LAWS)}")


def yield_mpa(density_mgcc: np.ndarray) -> np.ndarray:
    """Yield stress of bone from QCT density, MPa: 37.4 rho^1.39 (Kopperdahl et al., 2002)."""
    return 37.4 * np.clip(np.asarray(density_mgcc, float) / 1000, 0, None) ** 1.39


UNCORRECTED = "from density not corrected for contrast"
BUCKLEY = "Buckley et al., Bone 2007;40:767"
STRENGTH_COLUMNS = (
    LEVEL,
    Column(
        "ea_min_kn",
        "kN",
        "Least axial rigidity of the slices across the body's axis: sum of modulus times area; "
        f"{UNCORRECTED}",
        BUCKLEY,
        low=0,
        block="strength",
    ),
    Column(
        "ea_mean_kn",
        "kN",
        f"Mean axial rigidity of these slices; {UNCORRECTED}",
        BUCKLEY,
        low=0,
        block="strength",
    ),
    Column(
        "ei_lr_min_nmm2",
        "N mm2",
        "Least bending rigidity about the left-right axis through the centroid of stiffness; "
        f"{UNCORRECTED}",
        "beam theory: sum of modulus times squared distance",
        low=0,
        block="strength",
    ),
    Column(
        "ei_ap_min_nmm2",
        "N mm2",
        f"The same about the anterior-posterior axis; {UNCORRECTED}",
        "beam theory: sum of modulus times squared distance",
        low=0,
        block="strength",
    ),
    Column(
        "strength_index",
        "index",
        "Least sum over a slice of yield stress times area, in units of 1000 N; an index: it was "
        f"not validated as a force; {UNCORRECTED}",
        "yield stress: Kopperdahl et al., J Orthop Res 2002",
        low=0,
        block="strength",
    ),
    Column("material_law", "", "Law of the modulus", "measure.strength.law", "text", words=LAWS),
    *CALIBRATED,
    included("the values enter summaries"),
    reason("Why there are no values, or why they do not enter summaries"),
)


@dataclass(frozen=True)
class Rigidity:
    """Rigidity of a body's slices: arrays (slices,), from foot to head.

    Attributes:
        ea_n: axial rigidity in N.
        ei_lr_nmm2, ei_ap_nmm2: bending rigidity about the left-right and the anterior-posterior
            axis, N mm2.
        yield_n: sum of yield stress times area, N.
    """

    ea_n: np.ndarray
    ei_lr_nmm2: np.ndarray
    ei_ap_nmm2: np.ndarray
    yield_n: np.ndarray


def rigidity(body: Body, density_mgcc: np.ndarray, law: str) -> Rigidity:
    """Rigidity of the slices across a body's axis, its ends and slices cut there left out.

    Modulus is computed in the scan's voxels and then interpolated onto the slices: the laws are
    not linear, and what lies around the body does not enter.

    Args:
        density_mgcc: on the body's crop.
    """
    low, high = local_extent(body.mask, body.affine, body.frame)
    # At least one voxel: those of the outermost slices are only partly bone.
    voxel = np.abs(body.frame.axes[2] @ body.affine[:3, :3]).sum()
    height = high[2] - low[2]
    margin = min(max(END_FRACTION * height, voxel), height / 2)
    # One voxel of room in the slice: interpolation spreads the outermost so far.
    room = max(body.spacing_mm)
    corner = [np.array([*(low[:2] - room), low[2] + margin])]
    corner.append(np.array([*(high[:2] + room), high[2] - margin]))
    grids = []
    laws = (np.ones(body.mask.shape), modulus_mpa(density_mgcc, law), yield_mpa(density_mgcc))
    for values in laws:
        inside = np.where(body.mask, values, 0)
        grid, axes = resample_local(inside, body.affine, body.frame, *corner, STEP_MM)
        grids.append(grid.astype(np.float64))
    bone = grids[0].sum(axis=(0, 1))
    whole = bone >= WHOLE_SLICE * np.median(bone)
    stiffness, strength = (grid[:, :, whole] for grid in grids[1:])
    right, anterior = axes[0], axes[1]
    area = STEP_MM**2
    total = stiffness.sum(axis=(0, 1))
    safe = np.where(total > 0, total, 1)
    by_right, by_anterior = stiffness.sum(axis=1), stiffness.sum(axis=0)

    def second_moment(weights: np.ndarray, at: np.ndarray) -> np.ndarray:
        centre = at @ weights / safe
        # Each point stands for a square: its own second moment is area^2 / 12.
        return ((at[:, None] - centre) ** 2 * weights).sum(axis=0) * area + total * area**2 / 12

    return Rigidity(
        ea_n=total * area,
        ei_lr_nmm2=second_moment(by_anterior, anterior),
        ei_ap_nmm2=second_moment(by_right, right),
        yield_n=strength.sum(axis=(0, 1)) * area,
    )


def measure_strength(
    bodies: Mapping[str, Body | None],
    levels: Collection[str],
    calibration: Calibration,
    law: str,
    left_out: Mapping[str, Reason],
) -> list[dict]:
    """Rigidity of every body, one row each, from head to foot.

    Args:
        bodies: as from `find_bodies`.
        levels: those to be analysed; others get a row with a reason and no values.
        calibration: without one, rows have its reason and no values.
        law: one of `LAWS`.
        left_out: levels whose values are given and not included, and why: deformed, metal, cut
            by the border.
    """
    rows = []
    for level, body in bodies.items():
        row = dict.fromkeys(column.name for column in STRENGTH_COLUMNS)
        row |= {
            "level": level,
            "material_law": law,
            "calibration_method": calibration.method,
            "vbmd_standard": calibration.standard,
            "included": False,
            "reason": why_not_measured(level, body, levels) or calibration.reason,
        }
        rows.append(row)
        if row["reason"] or body is None:
            continue
        slices = rigidity(body, calibration.density_mgcc(body.hu.astype(np.float32)), law)
        why = Reason.TOUCHES_BORDER if body.touches_border else left_out.get(level)
        row |= {
            "ea_min_kn": float(slices.ea_n.min()) / 1000,
            "ea_mean_kn": float(slices.ea_n.mean()) / 1000,
            "ei_lr_min_nmm2": float(slices.ei_lr_nmm2.min()),
            "ei_ap_min_nmm2": float(slices.ei_ap_nmm2.min()),
            "strength_index": float(slices.yield_n.min()) / 1000,
            "included": why is None,
            "reason": why,
        }
    return rows


def strength_summary_columns(name: str, words: str, min_levels: int) -> tuple[Column, ...]:
    """Summaries of one scan; `name` and `words` are of the summary levels."""
    where = f"over the included levels of {words}; at least {min_levels} of them; {UNCORRECTED}"
    numbers = {"source": "strength.tsv", "low": 0, "block": "strength"}
    return (
        Column(f"ea_min_{name}_kn", "kN", f"Mean of the levels' ea_min_kn {where}", **numbers),
        Column("ea_weakest_kn", "kN", f"Lowest of the levels' ea_min_kn {where}", **numbers),
        Column(
            f"strength_index_{name}",
            "index",
            f"Mean of the levels' strength_index {where}; not validated as a force",
            **numbers,
        ),
        Column(
            "n_levels_strength",
            "count",
            f"Levels of {words} that entered the strength summaries",
            kind="int",
            low=0,
        ),
        reason("Why the strength summaries are empty", "strength_reason"),
    )


def summarise_strength(
    strength: Mapping[str, Mapping], levels: Sequence[str], name: str, min_levels: int
) -> dict:
    """Strength of one scan, keyed as in `strength_summary_columns`.

    Args:
        strength: by level, the columns of strength.tsv.
        levels: the summary levels.
        name: of these in column names.
        min_levels: fewer give no summary.
    """
    rows = [strength[level] for level in levels if level in strength]
    used = [row for row in rows if row.get("included")]
    enough = len(used) >= min_levels
    ea = [row["ea_min_kn"] for row in used]
    why = None
    if not enough:
        reasons = {row.get("reason") for row in rows}
        # One reason for all: without calibration it says more than a count of levels.
        why = reasons.pop() if len(reasons) == 1 and not used else str(Reason.TOO_FEW_LEVELS)
    return {
        f"ea_min_{name}_kn": float(np.mean(ea)) if enough else None,
        "ea_weakest_kn": min(ea) if enough else None,
        f"strength_index_{name}": float(np.mean([row["strength_index"] for row in used]))
        if enough
        else None,
        "n_levels_strength": len(used),
        "strength_reason": why,
    }
