"""A drawn trunk: ellipses of known area, tissue by tissue, round a straight spine."""

from dataclasses import dataclass

import numpy as np
import pytest

from bonecast.images import Volume
from bonecast.levels import VERSE_CODES
from bonecast.measure.bodies import find_bodies
from bonecast.segment.tissues import Tissue

HALF_WIDTH_MM, HALF_DEPTH_MM = 160.0, 110.0
FAT_MM, WALL_MM = 25.0, 15.0
PSOAS_MM, BACK_MM = 17.0, 15.0
AORTA_MM = 10.0
LEVEL_MM = 32.0
BODY_MM = 24.0
FAT_HU, VISCERAL_HU, MUSCLE_HU, BLOOD_HU, BONE_HU = -105, -95, 52, 40, 300


def ellipse_cm2(shrink_mm: float) -> float:
    """Area inside the skin less so many millimetres."""
    return np.pi * (HALF_WIDTH_MM - shrink_mm) * (HALF_DEPTH_MM - shrink_mm) / 100


@dataclass(frozen=True)
class Trunk:
    """The CT, its masks, and the true areas in cm2 of its regions."""

    ct: Volume
    vertebrae: Volume
    bodies: dict
    tissue: Volume
    areas_cm2: dict[str, float]


def draw_trunk(
    levels=("L2", "L3", "L4"),
    spacing_mm=(1.0, 1.0, 2.0),
    field_mm=(360.0, 260.0),
    noise_hu=0.0,
    margin_mm=10.0,
) -> Trunk:
    """A trunk of the same cross-section throughout.

    Args:
        levels: from head to foot, `LEVEL_MM` each.
        field_mm: field of view in x and y, centred on the trunk.
        margin_mm: between the uppermost and lowest level and the ends of the scan.
    """
    length = LEVEL_MM * len(levels) + 2 * margin_mm
    size = np.round(np.array([*field_mm, length]) / spacing_mm).astype(int)
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = -np.asarray(spacing_mm) * (size - 1) / 2
    x, y, z = (affine[k, 3] + spacing_mm[k] * np.arange(size[k]) for k in range(3))
    x, y = x[:, None], y[None, :]

    def inside(shrink):
        return (x / (HALF_WIDTH_MM - shrink)) ** 2 + (y / (HALF_DEPTH_MM - shrink)) ** 2 <= 1

    def disc(u, v, radius):
        return np.hypot(np.abs(x) - u, y - v) <= radius

    hu, code = np.full(size[:2], -1000), np.zeros(size[:2], np.uint8)

    def paint(where, attenuation, tissue):
        hu[where], code[where] = attenuation, tissue

    paint(inside(0), FAT_HU, Tissue.SUBCUTANEOUS_FAT)
    paint(inside(FAT_MM), MUSCLE_HU, Tissue.SKELETAL_MUSCLE)
    paint(inside(FAT_MM + WALL_MM), VISCERAL_HU, Tissue.TORSO_FAT)
    paint(disc(48, -5, PSOAS_MM), MUSCLE_HU, Tissue.ILIOPSOAS_LEFT)
    paint(disc(28, -50, BACK_MM), MUSCLE_HU, Tissue.AUTOCHTHON_RIGHT)
    paint(np.hypot(x, y - 20) <= AORTA_MM, BLOOD_HU, Tissue.AORTA)
    body = (x / 22) ** 2 + ((y + 10) / 16) ** 2 <= 1
    arch = (np.abs(x) <= 35) & (np.abs(y + 30) <= 3)
    paint(body, BONE_HU, 0)
    ct = np.repeat(hu[:, :, None], size[2], axis=2)
    tissue = np.repeat(code[:, :, None], size[2], axis=2)
    whole, bodies = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    for i, level in enumerate(levels):
        middle = length / 2 - margin_mm - LEVEL_MM * (i + 0.5)
        slices = np.abs(z - middle) <= BODY_MM / 2
        bodies[body[:, :, None] & slices] = VERSE_CODES[level]
        whole[(body | arch)[:, :, None] & slices] = VERSE_CODES[level]
    ct[whole > 0], tissue[whole > 0] = BONE_HU, 0
    if noise_hu:
        ct = ct + np.random.default_rng(5).normal(0, noise_hu, ct.shape)
    volumes = [Volume(a, affine) for a in (np.round(ct).astype(np.int16), whole, bodies, tissue)]
    ct, whole, bodies, tissue = volumes
    return Trunk(ct, whole, find_bodies(bodies, whole), tissue, true_areas_cm2())


def true_areas_cm2() -> dict[str, float]:
    """Area of each region, at the middle of a level."""
    inside = ellipse_cm2(FAT_MM + WALL_MM)
    wall = ellipse_cm2(FAT_MM) - inside
    psoas, back = 2 * np.pi * PSOAS_MM**2 / 100, 2 * np.pi * BACK_MM**2 / 100
    bone, aorta = (np.pi * 22 * 16 + 70 * 6) / 100, np.pi * AORTA_MM**2 / 100
    return {
        "muscle": wall + psoas + back,
        "psoas": psoas,
        "back_muscles": back,
        "imat": 0.0,
        "sat": ellipse_cm2(0) - ellipse_cm2(FAT_MM),
        "vat": inside - psoas - back - bone - aorta,
    }


@pytest.fixture(scope="session", name="draw_trunk")
def draw_trunk_function():
    """The function that draws a trunk, see `draw_trunk`."""
    return draw_trunk


@pytest.fixture(scope="session")
def trunk() -> Trunk:
    """L2 to L4 at 1 x 1 x 2 mm, without noise."""
    return draw_trunk()
