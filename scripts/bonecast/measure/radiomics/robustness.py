"""How far a feature depends on the vertebra, and how far on what no one chose.

Every vertebra is measured as it is and under the same chains of perturbations; the ICC(2,1)
takes the chains for raters. It is computed of the vertebrae and of the scans' medians, which the
models use.
"""

import zlib
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from bonecast.images import Volume
from bonecast.levels import VERSE_CODES
from bonecast.measure.agreement import icc_agreement
from bonecast.measure.columns import Column
from bonecast.measure.frame import Body
from bonecast.measure.radiomics.features import features_of_region
from bonecast.measure.radiomics.grid import Surroundings, resample_region
from bonecast.measure.radiomics.measure import MIN_VOXELS, core_of, surroundings
from bonecast.measure.radiomics.perturb import (
    Perturbation,
    PerturbationSettings,
    chains,
    noise_sd_hu,
    resized,
)
from bonecast.measure.radiomics.settings import RadiomicsSettings

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


def perturb_radiomics(
    participant_id: str,
    bodies: Mapping[str, Body | None],
    levels: Collection[str],
    settings: RadiomicsSettings,
    perturbing: PerturbationSettings,
    ct: Volume | None = None,
) -> list[dict]:
    """Features of each level as it is (`chain` 0) and under every chain of perturbations.

    Args:
        participant_id: the noise of a scan is drawn from this and the seed.
        bodies: as from `find_bodies`.
        levels: those whose radiomics are included.
        ct: the whole scan, needed where `settings.needs_scan`.

    Returns:
        Rows with level, chain and the features; levels of which a chain leaves too little are
        left out.
    """
    chosen = {level: bodies[level] for level in levels}
    if not chosen:
        return []
    noise_hu = float(np.median([noise_sd_hu(body.hu) for body in chosen.values()]))
    drawn = chains(perturbing)
    rows = []
    for level, body in chosen.items():
        around, core = surroundings(body, core_of(body, settings), settings, ct)
        of_level = [_features(around, core, settings)]
        for number, chain in enumerate(drawn, start=1):
            seed = [
                perturbing.seed,
                number,
                VERSE_CODES[level],
                zlib.crc32(participant_id.encode()),
            ]
            of_level.append(_features(around, core, settings, chain, noise_hu, seed))
        if all(found is not None for found in of_level):
            rows += [{"level": level, "chain": n, **found} for n, found in enumerate(of_level)]
    return rows


def _features(
    around: Surroundings,
    core: np.ndarray,
    settings: RadiomicsSettings,
    chain: Perturbation | None = None,
    noise_hu: float = 0.0,
    seed: Sequence[int] = (),
) -> dict[str, float] | None:
    """Features of one region under one chain; None where too little is left of it."""
    motion = None
    if chain is not None:
        motion = chain.motion
        noise = np.random.default_rng(seed).normal(0, chain.noise * noise_hu, around.hu.shape)
        core = resized(core, chain.growth_mm, around.spacing_mm)
        around = Surroundings(around.hu + noise, around.box, around.image_shape, around.spacing_mm)
    if not (core >= 0.5).any():
        return None
    region = resample_region(
        around, core, settings.spacing_mm, settings.interpolation, settings.reach_mm, motion
    )
    if np.count_nonzero(region.mask) < MIN_VOXELS:
        return None
    return features_of_region(region, settings)


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
