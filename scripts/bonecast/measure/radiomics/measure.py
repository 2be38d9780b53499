"""Radiomics of the trabecular core of each vertebral body: one row per body."""

from collections.abc import Collection

import numpy as np

from bonecast.images import Volume
from bonecast.measure.density import trabecular_mask
from bonecast.measure.frame import Body, why_not_measured
from bonecast.measure.radiomics.features import features_of_region
from bonecast.measure.radiomics.grid import SUPPORT_VOXELS, Surroundings, resample_region
from bonecast.measure.radiomics.settings import RadiomicsSettings
from bonecast.reasons import Reason

MIN_VOXELS = 200
"""Fewer resampled voxels carry no texture."""


def core_of(body: Body, settings: RadiomicsSettings) -> np.ndarray:
    """The region of a body: its mask, or its trabecular core."""
    if settings.erosion_mm > 0 or settings.endplate_fraction > 0:
        return trabecular_mask(body, settings.erosion_mm, settings.endplate_fraction)
    return body.mask


def surroundings(
    body: Body, core: np.ndarray, settings: RadiomicsSettings, ct: Volume | None
) -> tuple[Surroundings, np.ndarray]:
    """The scan around a region as far as the settings look, and the region in it.

    Args:
        ct: the whole scan, needed where `settings.needs_scan`.
    """
    if not settings.needs_scan:
        return Surroundings(body.hu, body.box, body.image_shape, body.spacing_mm), core
    room = [
        int(np.ceil((settings.reach_mm + settings.spacing_mm) / s))
        + SUPPORT_VOXELS[settings.interpolation]
        for s in body.spacing_mm
    ]
    box = tuple(
        slice(max(part.start - n, 0), min(part.stop + n, size))
        for part, n, size in zip(body.box, room, body.image_shape, strict=True)
    )
    wide = np.zeros([part.stop - part.start for part in box], bool)
    wide[
        tuple(
            slice(part.start - new.start, part.stop - new.start)
            for part, new in zip(body.box, box, strict=True)
        )
    ] = core
    return Surroundings(ct.data[box], box, body.image_shape, body.spacing_mm), wide


def measure_radiomics(
    bodies: dict[str, Body | None],
    levels: Collection[str],
    settings: RadiomicsSettings,
    left_out: dict[str, Reason] | None = None,
    ct: Volume | None = None,
) -> list[dict]:
    """Features of every body, one row each, from head to foot.

    Args:
        bodies: as from `find_bodies`.
        levels: those to be analysed; others get a row with a reason and no values.
        left_out: levels whose attenuation is not included, and why (fracture, metal): their
            features are computed and not included either.
        ct: the whole scan, needed where `settings.needs_scan`.

    Returns:
        Rows with the columns of `radiomics_columns`; a missing value is None.
    """
    left_out = left_out or {}
    rows = []
    for level, body in bodies.items():
        row = dict.fromkeys(("level", "included", "reason", *settings.columns))
        row |= {"level": level, "included": False}
        rows.append(row)
        found = None
        reason = why_not_measured(level, body, levels)
        if reason is None and body.touches_border:
            reason = Reason.TOUCHES_BORDER
        if reason is None:
            found = _features(body, settings, ct)
            reason = Reason.TOO_SMALL if found is None else left_out.get(level)
        row |= {"included": reason is None, "reason": reason}
        if found:
            row |= {name: value if np.isfinite(value) else None for name, value in found.items()}
    return rows


def _features(body: Body, settings: RadiomicsSettings, ct: Volume | None) -> dict | None:
    """Features of a body's core; None where it is too small."""
    core = core_of(body, settings)
    if not core.any():
        return None
    around, core = surroundings(body, core, settings, ct)
    region = resample_region(
        around, core, settings.spacing_mm, settings.interpolation, settings.reach_mm
    )
    if np.count_nonzero(region.mask) < MIN_VOXELS:
        return None
    return features_of_region(region, settings)
