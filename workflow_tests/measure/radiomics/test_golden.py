"""Frozen values of every feature: others mean that a new version computes something else.

golden.tsv holds, for a region drawn by hand in seeded noise, every column under the default
settings with all families and filters, and under the IBSI's configuration E. It was written by
`write_golden` below with pictologics 0.9.0, whose conformance test_conformance.py shows.
"""

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bonecast.measure.radiomics.features import compile_kernels, features_of_region
from bonecast.measure.radiomics.grid import Region, resample_region
from bonecast.measure.radiomics.names import FEATURES
from bonecast.measure.radiomics.settings import RadiomicsSettings, settings_of

from .conftest import crop

GOLDEN = Path(__file__).with_name("golden.tsv")
SETTINGS = {
    "bonecast": RadiomicsSettings(
        families=tuple(FEATURES), log_sigma_mm=(1.0, 2.0), wavelet="coif1"
    ),
    "ibsi_e": settings_of({"preset": "ibsi_e", "overrides": {}, "families": list(FEATURES)}),
}


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Blobs of bone in noise, and a region with a rounded corner and a hole."""
    rng = np.random.default_rng(7)
    x, y, z = np.meshgrid(*[np.arange(n) for n in (48, 44, 20)], indexing="ij")
    image = 150 + 60 * np.sin(x / 3) * np.cos(y / 4) + 20 * np.sin(z)
    image = np.round(image + rng.normal(0, 25, image.shape))
    region = (x > 11) & (x < 36) & (y > 10) & (y < 33) & (z > 4) & (z < 15)
    region &= (x - 12) ** 2 + (y - 11) ** 2 > 25
    region[22:25, 20:23, 9] = False
    return image, region


def found(settings: RadiomicsSettings) -> dict[str, float]:
    image, region = drawn()
    around, inside = crop(image, region, 48)
    return features_of_region(
        resample_region(
            around, inside, settings.spacing_mm, settings.interpolation, settings.reach_mm
        ),
        settings,
    )


def write_golden() -> None:
    values = {preset: found(settings) for preset, settings in SETTINGS.items()}
    with GOLDEN.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["feature", *values])
        for name in SETTINGS["bonecast"].columns:
            writer.writerow(
                [name, *(f"{v[name]:.12g}" if name in v else "" for v in values.values())]
            )


@pytest.mark.parametrize("preset", SETTINGS)
def test_frozen_values(preset):
    with GOLDEN.open(encoding="utf-8", newline="") as file:
        frozen = {
            row["feature"]: float(row[preset])
            for row in csv.DictReader(file, delimiter="\t")
            if row[preset]
        }
    values = found(SETTINGS[preset])
    assert values.keys() == frozen.keys()
    for name, value in frozen.items():
        assert values[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_repeats_are_identical_to_the_last_bit():
    first, second = (found(SETTINGS["bonecast"]) for _ in range(2))
    assert first == second


def test_a_constant_region_has_no_texture():
    image = np.full((12, 12, 12), 110.0)
    mask = np.zeros(image.shape, bool)
    mask[2:10, 2:10, 2:10] = True
    values = features_of_region(Region(image, mask, 1.0), RadiomicsSettings())
    assert values["rad_stat_mean_q4le"] == 110
    assert values["rad_stat_var_ect3"] == values["rad_cm_contrast_acui"] == 0
    # Anchored at -1000 with bins of 25: 110 lies in bin 45.
    assert values["rad_cm_joint_avg_60vm"] == 45


def test_padding_below_the_anchor_falls_into_the_first_bin():
    image = np.full((12, 12, 12), 110.0)
    image[5] = -3024
    values = features_of_region(Region(image, image < 200, 1.0), RadiomicsSettings())
    assert values["rad_stat_min_1gsf"] == -3024
    assert math.isfinite(values["rad_cm_contrast_acui"])


def test_resegmentation_and_outliers():
    """The range takes out 900 and then the deviation takes out 300, which 900 had hidden."""
    image = np.full((10, 10, 10), 100.0)
    image[::2] = 120
    image[5, 5, 5], image[6, 6, 6] = 900, 300
    region = Region(image, np.ones(image.shape, bool), 1.0)
    families = ("intensity",)
    for settings, expected in (
        (RadiomicsSettings(families=families), 900),
        (RadiomicsSettings(families=families, resegment_hu=(-1000, 400)), 300),
        (RadiomicsSettings(families=families, resegment_hu=(-1000, 400), outlier_sd=3.0), 120),
    ):
        assert features_of_region(region, settings)["rad_stat_max_84iy"] == expected
    nothing = replace(RadiomicsSettings(families=families), resegment_hu=(500.0, 600.0))
    values = features_of_region(region, nothing)
    assert all(math.isnan(value) for value in values.values())


def test_compiling_runs_every_family():
    settings = RadiomicsSettings(families=tuple(FEATURES))
    assert compile_kernels(settings) == sum(len(names) for names in FEATURES.values()) == 167
