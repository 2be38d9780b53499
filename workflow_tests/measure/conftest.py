"""A drawn spine: bodies of known height, shape and attenuation, sampled at any spacing."""

import csv
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import ndimage

from bonecast.images import Volume
from bonecast.levels import VERSE_CODES
from bonecast.measure.collect import collect
from bonecast.measure.dictionary import EXCLUSION_COLUMNS
from bonecast.measure.morphometry.heights import ANTERIOR, MIDDLE, POSTERIOR, WINDOW
from bonecast.measure.sensitivity import SENSITIVITY_COLUMNS
from bonecast.measure.tables import read_table

WIDTH_MM = 44.0
DEPTH_MM = 32.0
CORTEX_MM = 1.0
DISC_MM = 8.0
CORTEX_HU, DISC_HU, FAT_HU = 500.0, 80.0, -100.0
SUBSAMPLE_MM = 0.75
"""Points averaged to a voxel lie at most this far apart: the partial volume of a scanner."""


@dataclass(frozen=True)
class DrawnBody:
    """Height of a body at the back, its loss of height, and its trabecular attenuation."""

    posterior_mm: float = 27.0
    kind: str = "none"
    loss: float = 0.0
    hu: float = 150.0

    def height(self, anterior_mm):
        """Height at positions along the depth, 0 at the centre."""
        t = np.asarray(anterior_mm) / (DEPTH_MM / 2)
        shape = {
            "none": np.zeros_like(t),
            # Full loss where the anterior band lies, none where the posterior band lies.
            "wedge": np.clip((t + 0.65) / 1.3, 0, 1.15),
            "biconcave": np.exp(-0.5 * (t / 0.36) ** 2),
            "crush": np.ones_like(t),
        }[self.kind]
        return self.posterior_mm * (1 - self.loss * shape)

    def heights(self) -> list[float]:
        """True anterior, middle and posterior height, as the library defines them."""
        return defined_heights(lambda share: self.height(DEPTH_MM * (0.5 - share)))


def defined_heights(height_at) -> list[float]:
    """Anterior, middle and posterior height of a drawn body.

    Args:
        height_at: heights at parts of the depth, from the anterior wall.
    """

    def mean(start, stop):
        return float(np.mean(height_at(np.linspace(start, stop, 41))))

    def windows(start, stop):
        return [mean(s, s + WINDOW) for s in np.linspace(start, stop - WINDOW, 31)]

    return [mean(*ANTERIOR), min(windows(*MIDDLE)), max(windows(*POSTERIOR))]


@dataclass(frozen=True)
class Phantom:
    """The drawn CT, its bodies and whole vertebrae."""

    ct: Volume
    bodies: Volume
    vertebrae: Volume


def draw(
    drawn: dict[str, DrawnBody],
    spacing_mm=(1.0, 1.0, 1.0),
    tilt_degrees=0.0,
    turn_degrees=0.0,
    noise_hu=0.0,
    blur_mm=0.0,
) -> Phantom:
    """Bodies with cortex and discs in fat, each with a spinous process behind it.

    Args:
        drawn: by level, from head to foot.
        tilt_degrees: of the whole spine, about the left-right axis.
        turn_degrees: about the axis of the spine.
        blur_mm: full width at half maximum of the scanner's point spread.
    """
    length = sum(body.posterior_mm + DISC_MM for body in drawn.values()) + 30
    tilt, turn = np.deg2rad([tilt_degrees, turn_degrees]).astype(np.float32)
    lean = length * abs(np.sin(tilt))
    size = np.array([52 + lean * abs(np.sin(turn)), 72 + lean, length + 12])
    shape = np.ceil(size / spacing_mm).astype(int)
    parts = np.ceil(np.asarray(spacing_mm) / SUBSAMPLE_MM).astype(int)
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = -np.asarray(spacing_mm) * (shape - 1) / 2 + (0, -8, 0)
    fine = [
        affine[k, 3] + spacing_mm[k] * ((np.arange(shape[k] * parts[k]) + 0.5) / parts[k] - 0.5)
        for k in range(3)
    ]
    x, y, z = np.meshgrid(*(axis.astype(np.float32) for axis in fine), indexing="ij", sparse=True)
    x, y = np.cos(turn) * x + np.sin(turn) * y, -np.sin(turn) * x + np.cos(turn) * y
    ap, si = np.cos(tilt) * y - np.sin(tilt) * z, np.sin(tilt) * y + np.cos(tilt) * z
    hu = np.full(np.broadcast_shapes(x.shape, ap.shape, si.shape), FAT_HU, np.float32)
    label = np.zeros(hu.shape, np.uint8)
    behind = np.zeros(hu.shape, bool)
    radius = np.hypot(x / (WIDTH_MM / 2), ap / (DEPTH_MM / 2))
    hu[(radius < 1) & (np.abs(si) < length / 2 - 15)] = DISC_HU
    rim = 1 - CORTEX_MM / (DEPTH_MM / 2)
    top = length / 2 - 15
    process = (np.abs(x) < 4) & (ap < -DEPTH_MM / 2 - 5) & (ap > -DEPTH_MM / 2 - 15)
    for level, body in drawn.items():
        middle = top - body.posterior_mm / 2
        half = body.height(ap) / 2
        away = np.abs(si - middle)
        inside = (radius < 1) & (away < half)
        core = (radius < rim) & (away < half - CORTEX_MM)
        hu[inside] = CORTEX_HU
        hu[core] = body.hu
        spinous = process & (away < 8)
        hu[spinous] = 300
        label[inside | spinous] = VERSE_CODES[level]
        behind |= spinous
        top -= body.posterior_mm + DISC_MM
    blocks = np.stack([shape, parts], axis=1).ravel()
    if blur_mm:
        sigma_mm = blur_mm / (2 * np.sqrt(2 * np.log(2)))
        hu = ndimage.gaussian_filter(hu, sigma_mm * parts / spacing_mm, mode="nearest", truncate=3)
    ct = hu.reshape(blocks).mean(axis=(1, 3, 5))
    if noise_hu:
        ct = ct + np.random.default_rng(7).normal(0, noise_hu, ct.shape)
    vertebrae = np.zeros(shape, np.uint8)
    bodies = np.zeros(shape, np.uint8)
    for code in np.unique(label)[1:]:
        share = (label == code).reshape(blocks).mean(axis=(1, 3, 5), dtype=np.float32)
        arch = ((label == code) & behind).reshape(blocks).any(axis=(1, 3, 5))
        vertebrae[share > 0.5] = code
        bodies[(share > 0.5) & ~arch] = code
    ct = np.round(ct).astype(np.int16)
    return Phantom(Volume(ct, affine), Volume(bodies, affine), Volume(vertebrae, affine))


@pytest.fixture(scope="session")
def three_bodies() -> Phantom:
    """L1 to L3 at 1 mm, 150, 120 and 90 HU."""
    hu = {"L1": 150.0, "L2": 120.0, "L3": 90.0}
    return draw({level: DrawnBody(hu=value) for level, value in hu.items()})


@pytest.fixture(scope="session", name="DrawnBody")
def drawn_body_class() -> type[DrawnBody]:
    """The class of a body to be drawn."""
    return DrawnBody


@pytest.fixture(scope="session")
def draw_spine():
    """The function that draws a spine, see `draw`."""
    return draw


@dataclass(frozen=True)
class CohortTables:
    """The tables of a collected cohort as they read back."""

    vertebrae: pa.Table
    scans: pa.Table
    exclusions: list[dict]
    dictionary: list[dict]
    sensitivity: list[dict]


@pytest.fixture
def collected(tmp_path):
    """Collects participants, by default all in one piece, and reads what was written."""

    def read(participants, settings, **how):
        folder = tmp_path / "tables"
        folder.mkdir(exist_ok=True)
        collect(participants, settings, folder, **how)
        with (folder / "data_dictionary.csv").open(newline="", encoding="utf-8") as stream:
            dictionary = list(csv.DictReader(stream))
        return CohortTables(
            pq.read_table(folder / "vertebrae.parquet"),
            pq.read_table(folder / "scans.parquet"),
            read_table(folder / "exclusions.tsv", EXCLUSION_COLUMNS),
            dictionary,
            read_table(folder / "level_sensitivity.tsv", SENSITIVITY_COLUMNS),
        )

    return read
