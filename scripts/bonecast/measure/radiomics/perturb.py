"""The same scan as it might also have been: moved, noisier, the region larger or smaller.

Chains of perturbations after Zwanenburg et al., Sci Rep 2019;9:614 (10.1038/s41598-018-36938-4):
rotation, translation, noise and a change of the region's volume. Their sizes are ours.
"""

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pywt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from bonecast.images import Volume
from bonecast.levels import VERSE_CODES
from bonecast.measure.frame import Body
from bonecast.measure.radiomics.features import features_of_region
from bonecast.measure.radiomics.grid import Motion, Surroundings, resample_region
from bonecast.measure.radiomics.measure import MIN_VOXELS, core_of, surroundings
from bonecast.measure.radiomics.settings import RadiomicsSettings

NORMAL_MAD = 0.6745
"""Median absolute value of a standard normal variable."""


@dataclass(frozen=True)
class PerturbationSettings:
    """What is perturbed, by how much at most, and how often.

    Attributes:
        perturbations: how many chains, besides the scan as it is.
        rotation_degrees: largest angle, about an axis of any direction.
        shift_mm: largest translation along each axis.
        growth_mm: how far the region's surface moves outwards or inwards at most.
        noise: standard deviation of the white noise added, in units of the scan's own.
        seed: of the chains and of the noise.
    """

    perturbations: int = 10
    rotation_degrees: float = 5.0
    shift_mm: float = 0.5
    growth_mm: float = 1.0
    noise: float = 1.0
    seed: int = 20260101


@dataclass(frozen=True)
class Perturbation:
    """One chain, the same for every scan.

    Attributes:
        motion: of the grid.
        growth_mm: of the region; negative: erosion.
        noise: as in the settings.
    """

    motion: Motion
    growth_mm: float
    noise: float


def chains(settings: PerturbationSettings) -> list[Perturbation]:
    """The chains of a cohort: drawn once, so that every vertebra is measured in the same ways."""
    rng = np.random.default_rng(settings.seed)
    drawn = []
    for _ in range(settings.perturbations):
        axis = rng.normal(size=3)
        angle = rng.uniform(-settings.rotation_degrees, settings.rotation_degrees)
        turn = Rotation.from_rotvec(axis / np.linalg.norm(axis) * angle, degrees=True)
        shift = rng.uniform(-settings.shift_mm, settings.shift_mm, 3)
        growth = rng.uniform(-settings.growth_mm, settings.growth_mm)
        drawn.append(Perturbation(Motion(turn.as_matrix(), shift), growth, settings.noise))
    return drawn


def noise_sd_hu(hu: np.ndarray) -> float:
    """Standard deviation of the noise in a part of a scan.

    From the diagonal detail of the finest wavelet level (coif1) of every axial slice: its median
    absolute value over .6745 (Donoho & Johnstone, Biometrika 1994;81:425), as in Zwanenburg et
    al. 2019. Fine trabecular structure counts as noise; correlated noise counts less than it is.

    Args:
        hu: (x, y, z).
    """
    detail = pywt.dwt2(hu.astype(np.float64), "coif1", axes=(0, 1))[1][2]
    return float(np.median(np.abs(detail)) / NORMAL_MAD)


def resized(mask: np.ndarray, growth_mm: float, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """A region whose surface is moved outwards (or inwards, if negative) by a distance.

    Returns:
        A field that is at least 0.5 in the region: by how many mm a voxel's centre lies inside
        the moved surface, and 0.5. Interpolated, it moves the surface by parts of a voxel.
    """
    half = min(spacing_mm) / 2
    inside = ndimage.distance_transform_edt(mask, sampling=spacing_mm) - half
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing_mm) - half
    return np.where(mask, inside, -outside) + growth_mm + 0.5


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
