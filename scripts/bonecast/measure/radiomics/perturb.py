"""The same scan as it might also have been: moved, noisier, the region larger or smaller.

Chains of perturbations after Zwanenburg et al., Sci Rep 2019;9:614 (10.1038/s41598-018-36938-4):
rotation, translation, noise and a change of the region's volume. Their sizes are ours.
"""

from dataclasses import dataclass

import numpy as np
import pywt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from bonecast.measure.radiomics.grid import Motion

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
