"""How far a feature depends on the vertebra, and how far on what no one chose.

Every vertebra is measured as it is and under the same chains of perturbations; the ICC(2,1)
takes the chains for raters. It is computed of the vertebrae and of the scans' medians, which the
models use.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from bonecast.measure.agreement import icc_agreement
from bonecast.measure.columns import Column

MIN_SUBJECTS = 5
"""Fewer vertebrae or scans give no interval worth reading: chosen here."""

ROBUSTNESS_COLUMNS = (
    Column("feature", "", "Name of the feature, as in the cohort's tables", kind="text"),
    Column(
        "unit_of_analysis",
        "",
        "What is told apart: vertebrae, or scans by the median over the summary levels",
        kind="text",
        words=("vertebra", "scan"),
    ),
    Column("icc", "", "ICC(2,1) over the chains of perturbations", high=1),
    Column("icc_lower", "", "Lower end of its 95 % confidence interval", high=1),
    Column("icc_upper", "", "Upper end of its 95 % confidence interval", high=1),
    Column("n_subjects", "count", "Vertebrae or scans", kind="int", low=0),
    Column("n_scans", "count", "Scans they come from", kind="int", low=0),
    Column("n_raters", "count", "Chains of perturbations and the scan as it is", kind="int", low=1),
)
"""Columns of radiomics_robustness.tsv."""


def summarise_robustness(
    scans: Mapping[str, Sequence[Mapping]],
    features: Sequence[str],
    summary_levels: Collection[str],
    min_levels: int,
) -> list[dict]:
    """ICC(2,1) of every feature, once over vertebrae and once over scans.

    Vertebrae of one scan resemble each other: the interval over vertebrae takes them for
    independent and is too narrow, that over scans does not.

    Args:
        scans: rows of `perturb_radiomics` by participant.
        features: names of the features, in order.
        summary_levels: levels of the scan's median.
        min_levels: scans with fewer of them are no subject.

    Returns:
        Rows with the columns of `ROBUSTNESS_COLUMNS`. With fewer than `MIN_SUBJECTS`, or where a
        feature is not defined for one of them, there is no ICC.
    """
    vertebrae, medians, n_scans = [], [], 0
    for rows in scans.values():
        by_level: dict[str, list[list[float]]] = {}
        for row in sorted(rows, key=lambda row: row["chain"]):
            by_level.setdefault(row["level"], []).append([row[name] for name in features])
        found = {level: np.array(values, float) for level, values in by_level.items()}
        n_scans += bool(found)
        vertebrae += found.values()
        summarised = [values for level, values in found.items() if level in summary_levels]
        if len(summarised) >= min_levels:
            medians.append(np.median(summarised, axis=0))
    out = []
    for unit, subjects, scans_used in (
        ("vertebra", vertebrae, n_scans),
        ("scan", medians, len(medians)),
    ):
        raters = len(subjects[0]) if subjects else 0
        columns = [None] * 3
        if len(subjects) >= MIN_SUBJECTS and raters > 1:
            icc = icc_agreement(np.stack(subjects).transpose(2, 0, 1))
            columns = [icc.value, icc.lower, icc.upper]
        for position, feature in enumerate(features):
            values = [None if column is None else float(column[position]) for column in columns]
            values = [v if v is not None and np.isfinite(v) else None for v in values]
            out.append(
                {
                    "feature": feature,
                    "unit_of_analysis": unit,
                    **dict(zip(("icc", "icc_lower", "icc_upper"), values, strict=True)),
                    "n_subjects": len(subjects),
                    "n_scans": scans_used,
                    "n_raters": raters,
                }
            )
    return out
