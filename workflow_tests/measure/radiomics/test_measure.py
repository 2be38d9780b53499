"""Rows of radiomics.tsv: of bodies as they are cropped, with reasons."""

from dataclasses import replace

import numpy as np
import pytest

from bonecast.measure.bodies import find_bodies
from bonecast.measure.columns import names
from bonecast.measure.radiomics.measure import measure_radiomics
from bonecast.measure.radiomics.names import FEATURES, radiomics_columns
from bonecast.measure.radiomics.perturb import PerturbationSettings, perturb_radiomics
from bonecast.measure.radiomics.settings import RadiomicsSettings
from bonecast.reasons import Reason

FEW = RadiomicsSettings(families=("intensity", "glcm"))
MEDIAN, VARIANCE = "rad_stat_median_y12h", "rad_stat_var_ect3"


@pytest.fixture
def bodies(three_bodies):
    return find_bodies(three_bodies.bodies, three_bodies.vertebrae, three_bodies.ct)


def test_rows_of_a_scan(bodies):
    rows = measure_radiomics(
        bodies | {"L4": None}, ["L1", "L2", "L4"], FEW, left_out={"L2": Reason.DEFORMED}
    )
    assert all(tuple(row) == names(radiomics_columns(FEW.columns)) for row in rows)
    summary = [(row["level"], row["included"], row["reason"]) for row in rows]
    assert summary == [
        ("L1", True, None),
        ("L2", False, Reason.DEFORMED),
        ("L3", False, Reason.LEVEL_NOT_ANALYSED),
        ("L4", False, Reason.NO_BODY),
    ]
    assert rows[0][MEDIAN] == 150
    assert rows[1][MEDIAN] == 120
    assert rows[2][MEDIAN] is None


def test_a_region_too_small_for_texture(bodies):
    for erosion_mm in (13, 40):
        settings = RadiomicsSettings(erosion_mm=erosion_mm, families=("intensity",))
        rows = measure_radiomics(bodies, ["L1", "L2", "L3"], settings)
        assert {row["reason"] for row in rows} == {Reason.TOO_SMALL}


def test_the_whole_body_is_larger_than_its_core(bodies):
    core, whole = (
        measure_radiomics(bodies, ["L1"], settings)[0]
        for settings in (
            RadiomicsSettings(families=("intensity",)),
            RadiomicsSettings(erosion_mm=0, endplate_fraction=0, families=("intensity",)),
        )
    )
    assert core[VARIANCE] == 0 < whole[VARIANCE]


def test_filters_and_splines_read_the_scan_further(bodies, three_bodies):
    settings = RadiomicsSettings(
        families=tuple(FEATURES), interpolation="cubic", log_sigma_mm=(3.0,), wavelet="coif1"
    )
    row = measure_radiomics(bodies, ["L2"], settings, ct=three_bodies.ct)[1]
    assert row["reason"] is None
    # Inside a body of one attenuation a Laplacian sees nothing but the cortex, far away.
    assert abs(row["rad_log3mm_stat_median_y12h"]) < 60
    assert row["rad_wavelet_coif1_lll_stat_median_y12h"] == pytest.approx(120 * 8**0.5, rel=0.01)


@pytest.fixture
def noisy_bodies(bodies):
    """The same with noise of 20 HU."""
    rng = np.random.default_rng(8)
    return {
        level: replace(body, hu=body.hu + np.round(rng.normal(0, 20, body.hu.shape)))
        for level, body in bodies.items()
    }


def test_perturbed_vertebrae(noisy_bodies):
    """The scan as it is comes first; what is perturbed differs, and is the same again."""
    bodies = noisy_bodies
    settings = PerturbationSettings(perturbations=3, seed=4)
    rows = perturb_radiomics("p1", bodies, ["L1", "L2"], FEW, settings)
    assert [(row["level"], row["chain"]) for row in rows] == [
        (level, chain) for level in ("L1", "L2") for chain in range(4)
    ]
    plain = measure_radiomics(bodies, ["L1"], FEW)[0]
    assert all(rows[0][name] == plain[name] for name in FEW.columns if plain[name] is not None)
    assert len({row["rad_cm_contrast_acui"] for row in rows}) > 4
    assert all(
        abs(row[MEDIAN] - hu) < 8 for row, hu in zip(rows, [150] * 4 + [120] * 4, strict=True)
    )
    again = perturb_radiomics("p1", bodies, ["L1", "L2"], FEW, settings)
    other = perturb_radiomics("p2", bodies, ["L1", "L2"], FEW, settings)
    assert _values(again) == _values(rows) != _values(other)


def test_nothing_to_perturb(bodies):
    assert perturb_radiomics("p1", bodies, [], FEW, PerturbationSettings()) == []
    huge = RadiomicsSettings(erosion_mm=13, families=("intensity",))
    assert perturb_radiomics("p1", bodies, ["L1"], huge, PerturbationSettings()) == []


def _values(rows):
    return np.nan_to_num([[row[name] for name in FEW.columns] for row in rows]).tolist()
