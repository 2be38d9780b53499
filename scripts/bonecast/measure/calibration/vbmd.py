"""Volumetric bone mineral density (vBMD) of regions and scans, where there is a calibration."""

import statistics
from collections.abc import Mapping, Sequence

from bonecast.measure.acquisition import Acquisition, corrected
from bonecast.measure.calibration.internal import LEAVE_ONE_OUT_LIMIT_MGCC, REFERENCE_HU
from bonecast.measure.calibration.model import CALIBRATED, Calibration
from bonecast.measure.columns import Column, names, reason
from bonecast.measure.contrast import CONTRAST_COLUMNS
from bonecast.reasons import Reason

QCT_LEVELS = ("L1", "L2")
"""Bodies whose mean is the QCT of the spine (ISCD 2007 and 2015)."""

CLASS_LIMITS_MGCC = (80.0, 120.0)
"""Below the first: osteoporosis; below the second: low (PMC7495321, table 2; the same in ACR and
ISCD guidance). For the mean of two lumbar bodies in K2HPO4-equivalent density."""

CLASSES = ("osteoporosis", "low", "normal")

VBMD_COLUMNS = (
    Column(
        "mean_vbmd_mgcc",
        "mg/cm3",
        "Mean density by the scan's calibration, not corrected for contrast",
        "calibration.json; docs/calibration.md",
        block="vbmd",
    ),
    Column(
        "corrected_vbmd_mgcc",
        "mg/cm3",
        "The same with the configured correction for the scan's contrast phase; empty where that "
        "is of low confidence",
        "measure.contrast.correction",
        block="vbmd",
    ),
    *CALIBRATED,
    reason("Why there is no density", "vbmd_reason"),
)
"""Columns added to density.tsv."""


def add_vbmd(
    rows: Sequence[dict],
    calibration: Calibration,
    acquisition: Acquisition,
    by_phase: Mapping[str, Mapping],
) -> None:
    """Add `VBMD_COLUMNS` to rows of density.tsv.

    Args:
        rows: with mean_hu and sd_hu; changed in place.
        by_phase: as from `acquisition.corrections`.
    """
    for row in rows:
        value = None
        if calibration.usable and row["mean_hu"] is not None:
            value = calibration.mean_density_mgcc(row["mean_hu"], row["sd_hu"])
        row["mean_vbmd_mgcc"] = value
        row["corrected_vbmd_mgcc"] = corrected(value, acquisition.phase_to_correct, by_phase)
        row["calibration_method"] = calibration.method
        row["vbmd_standard"] = calibration.standard
        row["vbmd_reason"] = calibration.reason


OWN_SCALE = ("internal_michalski2020",)
"""Methods whose densities are not those of K2HPO4 in water: docs/calibration.md has by how much."""


def vbmd_class(vbmd_mgcc: float) -> str:
    """Class of a QCT density of the spine, see `CLASS_LIMITS_MGCC`."""
    return CLASSES[sum(vbmd_mgcc >= limit for limit in CLASS_LIMITS_MGCC)]


def vbmd_summary_columns(name: str, words: str, min_levels: int, roi: str) -> tuple[Column, ...]:
    """Summaries of one scan.

    Args:
        name: of the summary levels in column names, such as l1l4.
        words: of the summary levels in a sentence.
        min_levels: fewer give no mean over the summary levels.
        roi: region the densities are of.
    """
    qct = f"over L1 and L2, both included; ROI {roi}"
    whole = ()
    if name != "l1l2":
        rule = f"over the included levels of {words}; at least {min_levels} of them; ROI {roi}"
        whole = (
            Column(
                f"vbmd_{name}_mgcc",
                "mg/cm3",
                f"Mean of the levels' mean density {rule}",
                "density.tsv",
                block="vbmd",
            ),
        )
    return (
        Column(
            "vbmd_l1l2_mgcc",
            "mg/cm3",
            f"Mean of the levels' mean density {qct}",
            "ISCD 2007 and 2015: QCT of the spine",
            block="vbmd",
        ),
        Column(
            "vbmd_l1l2_corrected_mgcc",
            "mg/cm3",
            f"The same, corrected for contrast {qct}",
            "measure.contrast.correction",
            block="vbmd",
        ),
        *whole,
        Column(
            "vbmd_class_qct",
            "",
            "osteoporosis below 80, low from 80, normal from 120 mg/cm3 of the mean of L1 and L2; "
            "not a WHO class. With contrast: of the corrected density, else empty; a scan of "
            "unknown phase is classed as it reads",
            "PMC7495321, table 2",
            "text",
            words=CLASSES,
        ),
        reason("Why the class is empty", "vbmd_class_reason"),
        Column(
            "n_levels_vbmd",
            "count",
            f"Levels of {words} that have a density and are included",
            kind="int",
            low=0,
        ),
        reason("Why the density summaries are empty", "vbmd_reason"),
        *CALIBRATED,
        Column(
            "calibration_r2",
            "",
            "Coefficient of determination of the calibration; that of tissues is near 1 even where "
            "one is wrong, see calibration_leave_one_out_mgcc",
            "calibration.json",
            low=0,
            high=1,
        ),
        Column(
            "calibration_leave_one_out_mgcc",
            "mg/cm3",
            f"By how much leaving out one tissue other than air and bone moves the density at "
            f"{REFERENCE_HU:g} HU, at most; of calibrations by four tissues or more",
            "calibration.json",
            low=0,
        ),
        Column(
            "calibration_tissues",
            "",
            "Tissues that a calibration by tissues could use; without calibration: those it had. "
            "Why others could not be used is in calibration.json",
            "calibration.json",
            "text",
        ),
        Column(
            "calibration_drift_hu_per_year",
            "HU/year",
            "Change of the HU of 100 mg/cm3 from the scanner's calibration before",
            "calibration.json; published: -0.55 to -2.29 (Loeffler et al., Eur Radiol 2019)",
        ),
        Column(
            "calibration_flagged",
            "",
            "Whether the scanner drifted faster than the limit, rods of a phantom lie badly on a "
            "line (R2 below 0.99), or leaving out a tissue moves the density by more than "
            f"{LEAVE_ONE_OUT_LIMIT_MGCC:g} mg/cm3",
            "calibration.json; measure.calibration.drift_limit_hu_per_year",
            "bool",
        ),
        *CONTRAST_COLUMNS,
    )


def summarise_vbmd(
    density: Mapping[str, Mapping],
    levels: Sequence[str],
    name: str,
    min_levels: int,
    facts: Mapping,
) -> dict:
    """Density of one scan, keyed as in `vbmd_summary_columns`.

    Args:
        density: by level, the columns of density.tsv for one region.
        levels: the summary levels.
        name: of these in column names.
        min_levels: fewer give no mean over them.
        facts: the content of calibration.json; empty where the scan was left out before.
    """
    used = {
        level: row
        for level, row in density.items()
        if row.get("included") and row.get("mean_vbmd_mgcc") is not None
    }
    over = [used[level]["mean_vbmd_mgcc"] for level in levels if level in used]
    qct = [used[level] for level in QCT_LEVELS if level in used]
    both = len(qct) == len(QCT_LEVELS)
    phase, standard = facts.get("contrast_phase"), facts.get("vbmd_standard")
    out: dict = {
        "vbmd_l1l2_mgcc": _mean(qct, "mean_vbmd_mgcc") if both else None,
        "vbmd_l1l2_corrected_mgcc": _mean(qct, "corrected_vbmd_mgcc") if both else None,
    }
    if name != "l1l2":
        out[f"vbmd_{name}_mgcc"] = statistics.fmean(over) if len(over) >= min_levels else None
    why = facts.get("reason") or (None if len(over) >= min_levels else Reason.TOO_FEW_LEVELS)
    native = phase in (None, "none", "unknown")
    basis = out["vbmd_l1l2_mgcc" if native else "vbmd_l1l2_corrected_mgcc"]
    if facts.get("reason") or not both:
        unclassed = facts.get("reason") or Reason.TOO_FEW_LEVELS
    elif standard != "k2hpo4":
        unclassed = Reason.OTHER_STANDARD
    elif facts.get("calibration_method") in OWN_SCALE:
        unclassed = Reason.OTHER_SCALE
    else:
        unclassed = None if basis is not None else Reason.CONTRAST
    return out | {
        "vbmd_class_qct": None if unclassed else vbmd_class(basis),
        "vbmd_class_reason": None if unclassed is None else str(unclassed),
        "n_levels_vbmd": len(over),
        "vbmd_reason": None if why is None else str(why),
        "calibration_method": facts.get("calibration_method"),
        "vbmd_standard": standard,
        "calibration_r2": facts.get("r2"),
        "calibration_leave_one_out_mgcc": facts.get("leave_one_out_mgcc"),
        "calibration_tissues": _tissues(facts),
        "calibration_drift_hu_per_year": facts.get("drift_hu_per_year"),
        "calibration_flagged": _flagged(facts),
        **{name: facts.get(name) for name in names(CONTRAST_COLUMNS)},
    }


def _flagged(facts: Mapping) -> bool | None:
    """Whether a calibration is to be looked at; None where there is none."""
    if not facts or facts.get("reason"):
        return None
    apart = facts.get("leave_one_out_mgcc") or 0
    return bool(
        facts.get("drift_beyond_limit") or facts.get("r2_low") or apart > LEAVE_ONE_OUT_LIMIT_MGCC
    )


def _tissues(facts: Mapping) -> str | None:
    """Names of the tissues that could be used, separated by blanks."""
    samples = facts.get("tissues") or {}
    return " ".join(name for name, sample in samples.items() if not sample["dropped"]) or None


def _mean(rows: Sequence[Mapping], column: str) -> float | None:
    values = [row[column] for row in rows]
    return None if None in values else statistics.fmean(values)
