"""Calibration from tissues, against physics and against the log of another program."""

import re

import numpy as np
import pytest

from bonecast.measure.calibration import internal
from bonecast.measure.calibration.attenuation import mass_attenuation
from bonecast.measure.calibration.internal import calibrate_tissues
from bonecast.reasons import Reason

DENSITIES_MGCC = (0, 50, 100, 150, 200)

NIST_CM2_PER_G = {
    ("water", 60): 0.2059,
    ("water", 100): 0.1707,
    ("cortical_bone", 60): 0.3148,
    ("cortical_bone", 100): 0.1855,
    ("adipose", 60): 0.1974,
    ("adipose", 100): 0.1688,
    ("muscle", 60): 0.2048,
    ("muscle", 100): 0.1693,
    ("blood", 60): 0.2057,
    ("blood", 100): 0.1695,
    ("air", 60): 0.1875,
    ("air", 100): 0.1541,
}
"""NIST, Tables of X-ray mass attenuation coefficients (NISTIR 5632), tissues of ICRU report 44."""

LOG_NAMES = {
    "Adipose": "adipose",
    "Air": "air",
    "Blood": "blood",
    "Cortical Bone": "cortical_bone",
    "Skeletal Muscle": "muscle",
}


@pytest.fixture
def log(shared_data) -> str:
    """What another implementation of the method logged of one scan."""
    folder = shared_data / "calibration" / "verse004_L2_mgcc"
    return next(folder.glob("*.txt")).read_text(encoding="utf-8")


def number(log: str, name: str) -> float:
    return float(re.search(rf"^\s*{re.escape(name)}:?\s+(-?[\d.]+)", log, re.MULTILINE)[1])


@pytest.fixture
def logged_hu(log) -> dict[str, float]:
    densities = log[log.index("Density [HU]") : log.index("Mass Attenuation")]
    return {ours: number(densities, theirs) for theirs, ours in LOG_NAMES.items()}


@pytest.mark.parametrize(("material", "kev"), NIST_CM2_PER_G)
def test_mass_attenuation_is_that_of_nist(material, kev):
    table = mass_attenuation()
    value = table[material][table["energy_kev"] == kev].item()
    assert value == pytest.approx(NIST_CM2_PER_G[material, kev], rel=1e-3)


def test_the_method_of_2020_agrees_with_the_log_of_another_implementation(log, logged_hu):
    mine = calibrate_tissues(logged_hu, "k2hpo4", "michalski2020")
    # That program interpolates a coarse table linearly, which lifts its values by up to 1 %.
    assert mine.quality["energy_kev"] == pytest.approx(number(log, "Energy [keV]"), abs=1)
    assert mine.quality["r2"] == pytest.approx(number(log, "Max R^2"), abs=1e-4)
    slope = mine.quality["mass_attenuation_slope_cm2g_per_hu"]
    assert slope == pytest.approx(number(log, "HU-u/p Slope"), abs=5e-7)
    intercept = mine.quality["mass_attenuation_intercept_cm2g"]
    assert intercept == pytest.approx(number(log, "HU-u/p Y-Intercept"), abs=5e-4)
    assert mine.quality["density_slope_gcc_per_hu"] == pytest.approx(
        number(log, "HU-Material Density Slope"), abs=5e-6
    )
    assert mine.quality["density_intercept_gcc"] == pytest.approx(
        number(log, "HU-Material Density Y-Intercept"), abs=2e-3
    )


def test_with_the_same_interpolation_the_logged_energy_and_attenuations_are_met(
    log, logged_hu, monkeypatch
):
    kev = np.array([*range(1, 7), 8, 10, 15, 20, 30, 40, 50, 60, 80, 100, 150, 200], float)
    table = dict(mass_attenuation())
    energy = table.pop("energy_kev")
    coarse = {
        name: np.interp(energy, kev, values[np.isin(energy, kev)]) for name, values in table.items()
    }
    monkeypatch.setattr(internal, "mass_attenuation", lambda: {"energy_kev": energy, **coarse})
    mine = calibrate_tissues(logged_hu, "k2hpo4", "michalski2020")
    assert mine.quality["energy_kev"] == number(log, "Energy [keV]")
    at = energy == mine.quality["energy_kev"]
    attenuations = log[log.index("Mass Attenuation") :]
    names = LOG_NAMES | {"K2HPO4": "k2hpo4", "CHA": "caha", "Triglyceride": "triglyceride"}
    for theirs, ours in names.items():
        assert coarse[ours][at].item() == pytest.approx(number(attenuations, theirs), abs=6e-4)


def test_linear_model_meets_solutions_at_every_voltage(scanner):
    mine = calibrate_tissues(scanner.tissues_hu(), "k2hpo4", "linear")
    for density in DENSITIES_MGCC:
        assert mine.density_mgcc(scanner.solution_hu(density)) == pytest.approx(density, abs=1)


def test_linear_model_meets_hydroxyapatite_too(scanner):
    mine = calibrate_tissues(scanner.tissues_hu(), "caha", "linear")
    for density in DENSITIES_MGCC:
        hu = scanner.solution_hu(density, "caha")
        assert mine.density_mgcc(hu) == pytest.approx(density, abs=1.5)


def test_the_method_of_2020_is_off_by_as_much_as_is_stated(Scanner):
    """docs/calibration.md states these errors at 120 kVp; a change of them has to be told."""
    scanner = Scanner(120)
    mine = calibrate_tissues(scanner.tissues_hu(), "k2hpo4", "michalski2020")
    water = [mine.density_mgcc(scanner.solution_hu(d)) - d for d in DENSITIES_MGCC]
    marrow = [mine.density_mgcc(scanner.marrow_hu(d)) - d for d in DENSITIES_MGCC]
    assert water == pytest.approx([34, 8, -16, -35, -53], abs=2)
    assert marrow == pytest.approx([-4, -34, -61, -85, -107], abs=3)


def test_bone_that_is_not_compact_raises_densities(Scanner):
    """The linear model leans more on the bone: per 100 HU too little, +8 against +3 mg/cm3."""
    scanner = Scanner(120)
    tissues, hu = scanner.tissues_hu(), scanner.solution_hu(120)
    blurred = tissues | {"cortical_bone": tissues["cortical_bone"] - 100}
    for model, limits in (("linear", (5, 11)), ("michalski2020", (1, 5))):
        right, wrong = (calibrate_tissues(t, "k2hpo4", model) for t in (tissues, blurred))
        assert limits[0] < wrong.density_mgcc(hu) - right.density_mgcc(hu) < limits[1]


@pytest.mark.parametrize("model", internal.MODELS)
@pytest.mark.parametrize(
    ("without", "reason"),
    [
        (("blood", "muscle", "adipose"), Reason.CALIBRATION_TOO_FEW_TISSUES),
        (("cortical_bone",), Reason.CALIBRATION_TISSUE_MISSING),
        (("air",), Reason.CALIBRATION_TISSUE_MISSING),
    ],
)
def test_missing_tissues_give_a_reason(Scanner, model, without, reason):
    tissues = {k: v for k, v in Scanner(120).tissues_hu().items() if k not in without}
    mine = calibrate_tissues(tissues, "k2hpo4", model)
    assert mine.reason == reason
    assert not mine.usable
    assert mine.slope is None


def test_tissues_that_fit_nothing_give_a_reason():
    tissues = {"air": 400.0, "adipose": -100.0, "muscle": 700.0, "cortical_bone": 300.0}
    mine = calibrate_tissues(tissues, "k2hpo4", "linear")
    assert mine.reason == Reason.CALIBRATION_IMPLAUSIBLE


def test_mean_of_densities_counts_the_spread_of_a_square(logged_hu):
    mine = calibrate_tissues(logged_hu, "k2hpo4", "michalski2020")
    hu = np.random.default_rng(1).normal(160, 60, 20_000)
    exact = mine.density_mgcc(hu).mean()
    assert mine.mean_density_mgcc(hu.mean(), hu.std()) == pytest.approx(exact, abs=1e-9)
    assert exact - mine.density_mgcc(hu.mean()) > 1
