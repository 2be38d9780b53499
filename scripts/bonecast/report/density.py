"""What the report says of densities: how scans were calibrated, which were not, and the classes."""

import pandas as pd

from bonecast.measure.calibration.vbmd import CLASSES
from bonecast.report.figures_flow import sentence_of

METHOD_WORDS = {
    "phantom": "Rods of a phantom in the scan",
    "phantom_mindways": "Rods of a phantom in the scan, Mindways form",
    "table": "Table of the scanner's calibrations",
    "internal_michalski2020": "The patient's tissues (Michalski 2020)",
    "internal_linear": "The patient's tissues, linear attenuation",
    "none": "Not calibrated",
}


def density_facts(scans: pd.DataFrame | None) -> dict | None:
    """Numbers of the report's part on density; None where there are no images.

    Returns:
        methods: dicts of words, standard, n, r2, fastest drift, flagged; reasons: dicts of
        sentence, reason, n; quartiles and n of the density of L1 and L2; classes: name to number;
        phases: name to number; corrected: how many have a corrected density.
    """
    if scans is None:
        return None
    scans = scans[scans["status"] == "ok"]
    vbmd = scans["vbmd_l1l2_mgcc"].dropna().astype(float)
    calibrated = scans[scans["vbmd_standard"].notna()]
    methods = []
    groups = calibrated.groupby(["calibration_method", "vbmd_standard"])
    for (method, standard), part in groups:
        drift = part["calibration_drift_hu_per_year"].dropna().astype(float)
        methods.append(
            {
                "words": METHOD_WORDS[method],
                "standard": standard,
                "n": len(part),
                "r2": part["calibration_r2"].astype(float).min(),
                "drift": None if drift.empty else float(drift.loc[drift.abs().idxmax()]),
                "flagged": int(part["calibration_flagged"].fillna(False).astype(bool).sum()),
            }
        )
    reasons = scans["vbmd_reason"].dropna().value_counts()
    classes = scans["vbmd_class_qct"].value_counts()
    return {
        "methods": methods,
        "reasons": [
            {"reason": reason, "sentence": sentence_of(reason), "n": int(n)}
            for reason, n in reasons.items()
        ],
        "quartiles": None if vbmd.empty else [float(vbmd.quantile(q)) for q in (0.25, 0.5, 0.75)],
        "n": len(vbmd),
        "classes": {name: int(classes.get(name, 0)) for name in CLASSES} if len(classes) else {},
        "phases": scans["contrast_phase"].dropna().value_counts().to_dict(),
        "corrected": int(scans["vbmd_l1l2_corrected_mgcc"].notna().sum()),
    }
