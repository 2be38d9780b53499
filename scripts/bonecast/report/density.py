"""What the report says of densities: how scans were calibrated, which were not, and the classes."""

import pandas as pd

from bonecast.measure.calibration.vbmd import CLASSES
from bonecast.measure.contrast import CONFIDENCES
from bonecast.report.figures_flow import sentence_of

METHOD_WORDS = {
    "phantom": "Rods of a phantom in the scan",
    "phantom_mindways": "Rods of a phantom in the scan, Mindways form",
    "table": "Table of the scanner's calibrations",
    "internal_michalski2020": "The patient's tissues (Michalski 2020)",
    "internal_linear": "The patient's tissues, linear attenuation",
    "none": "Not calibrated",
}

CONFLICT_WORDS = {
    "contrast": "whether there is contrast medium",
    "phase": "which phase it is",
    "header": "the header within itself",
    "kvp": "the tube voltage",
}
"""What sources contradict each other in."""

SOURCE_WORDS = {
    "participants_table": "participants table",
    "measured": "measured attenuation",
    "model": "TotalSegmentator's model",
    "header": "header",
}

MAX_DOUBTS = 40
"""Scans on the page; scans.tsv has everyone."""


def density_facts(scans: pd.DataFrame | None) -> dict | None:
    """Numbers of the report's part on density; None where there are no images.

    Returns:
        methods: dicts of words, standard, n, r2, fastest drift, flagged; reasons: dicts of
        sentence, reason, n; quartiles and n of the density of L1 and L2; classes: name to number;
        phases: name to number; confidences: name to number; doubts: as from `contrast_doubts`;
        corrected: how many have a corrected density.
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
        "confidences": scans["contrast_phase_confidence"].dropna().value_counts().to_dict(),
        "doubts": contrast_doubts(scans),
        "max_doubts": MAX_DOUBTS,
        "corrected": int(scans["vbmd_l1l2_corrected_mgcc"].notna().sum()),
    }


def contrast_doubts(scans: pd.DataFrame) -> list[dict]:
    """Scans whose sources contradict each other in contrast medium or tube voltage.

    Returns:
        Dicts of participant_id, phase, confidence, sources (in words), conflicts (in words), and
        said: what every other source says, with the aorta's HU; the least sure first.
    """
    rows = []
    for row in scans[scans["acquisition_conflicts"].notna()].to_dict("records"):
        known = {name: value for name, value in row.items() if not pd.isna(value)}
        said = []
        for source in ("measured", "model", "header"):
            if phase := known.get(f"contrast_phase_{source}"):
                said.append(f"{SOURCE_WORDS[source]}: {phase}")
        if "aorta_hu" in known:
            said.append(f"aorta {known['aorta_hu']:.0f} HU")
        sources = known.get("contrast_phase_source", "").split()
        rows.append(
            {
                "participant_id": row["participant_id"],
                "phase": known.get("contrast_phase", "unknown"),
                "confidence": known.get("contrast_phase_confidence", ""),
                "sources": ", ".join(SOURCE_WORDS[source] for source in sources),
                "conflicts": ", ".join(
                    CONFLICT_WORDS[name] for name in known["acquisition_conflicts"].split()
                ),
                "said": "; ".join(said),
            }
        )
    order = {name: place for place, name in enumerate(reversed(CONFIDENCES))}
    return sorted(rows, key=lambda row: order.get(row["confidence"], -1))
