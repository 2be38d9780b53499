"""Calibration from the patient's own tissues, without a phantom.

The tissues' HU are compared with how they attenuate photons of each energy; the energy at which
the two agree best stands for the scanner's spectrum. Two models turn that into density.

michalski2020: Michalski et al., Med Eng Phys 2020, 10.1016/j.medengphy.2020.01.009. HU against
mass attenuation; each voxel is a mixture of triglyceride and the standard, and its physical
density comes from a regression on HU. The published method. Mass attenuation is no linear
function of HU, so the energy found lies above the spectrum's, and densities of solutions in water
are not met exactly (docs/calibration.md).

linear: chosen here. HU against linear attenuation, which HU are defined by, with the tissues'
densities of ICRU report 44; each voxel is the standard dissolved in water, as in the rods of a
phantom. Meets rods of any tube voltage, and leans more on the cortical bone being compact.
"""

from collections.abc import Collection

import numpy as np

from bonecast.measure.calibration.attenuation import TISSUE_GCC, WATER_GCC, mass_attenuation
from bonecast.measure.calibration.model import Calibration, not_calibrated
from bonecast.reasons import Reason

MODELS = ("michalski2020", "linear")

MIN_TISSUES = 3
"""As many as the method needs (Michalski 2020)."""

DECISIVE = ("air", "cortical_bone")
"""Tissues that decide the energy: the others are too much alike."""

R2_LEAST = 0.99
"""Tissues that fit no energy better are not what they were taken for; chosen here, as for rods."""

STANDARD_GCC = {"k2hpo4": 2.44, "caha": 3.16}
"""Density of the solid, that of the water it displaces in a solution (crystal densities)."""

REFERENCE_HU = 150.0
"""Trabecular bone at which the effect of leaving a tissue out is told; chosen here."""

LEAVE_ONE_OUT_LIMIT_MGCC = 10.0
"""Calibrations that leaving a tissue out moves further are flagged: the tissues contradict each
other. Chosen here; a class of QCT, 80 to 120 mg/cm3, is 40 wide. R2 does not tell, for air and bone
alone make it near 1."""


def calibrate_tissues(
    tissues_hu: dict[str, float],
    standard: str,
    model: str,
    needed: Collection[str] = DECISIVE,
) -> Calibration:
    """Density of the standard from the HU of tissues.

    Args:
        tissues_hu: HU by tissue, names as in `TISSUE_GCC`.
        standard: k2hpo4 or caha.
        model: one of `MODELS`.
        needed: tissues without which there is no calibration. A cohort that calibrates some scans
            with bone and some without compares nothing (docs/calibration.md).

    Raises:
        ValueError: no such model.
    """
    if model not in MODELS:
        raise ValueError(f"unknown model {model}: expected {', '.join(MODELS)}")
    method = f"internal_{model}"
    if len(tissues_hu) < MIN_TISSUES:
        return not_calibrated(Reason.CALIBRATION_TOO_FEW_TISSUES, method)
    if not set(needed) <= tissues_hu.keys():
        return not_calibrated(Reason.CALIBRATION_TISSUE_MISSING, method)
    fit = _fit_michalski if model == "michalski2020" else _fit_linear
    (quadratic, slope, intercept), quality = fit(tissues_hu, standard)
    if quality["r2"] < R2_LEAST or slope <= 0:
        return not_calibrated(Reason.CALIBRATION_IMPLAUSIBLE, method, **quality)
    others = [name for name in tissues_hu if name not in DECISIVE]
    if len(tissues_hu) > MIN_TISSUES:
        at = np.polyval((quadratic, slope, intercept), REFERENCE_HU)
        quality["leave_one_out_mgcc"] = max(
            float(abs(np.polyval(fit(_without(tissues_hu, name), standard)[0], REFERENCE_HU) - at))
            for name in others
        )
    return Calibration(
        method, standard, float(slope), float(intercept), float(quadratic), quality=quality
    )


def _without(tissues_hu: dict[str, float], name: str) -> dict[str, float]:
    return {tissue: hu for tissue, hu in tissues_hu.items() if tissue != name}


def _best_energy(hu: np.ndarray, attenuation: np.ndarray) -> tuple[int, float]:
    """Index of the energy whose attenuation (tissues, energies) has the highest R2 with HU."""
    x = hu - hu.mean()
    y = attenuation - attenuation.mean(axis=0)
    r2 = (x @ y) ** 2 / ((x @ x) * (y**2).sum(axis=0))
    best = int(r2.argmax())
    # Rounding can take a perfect fit beyond 1.
    return best, min(float(r2[best]), 1.0)


def _fit_michalski(
    tissues_hu: dict[str, float], standard: str
) -> tuple[tuple[float, float, float], dict]:
    """Coefficients of HU^2, HU and 1, and quality."""
    table = mass_attenuation()
    hu = np.array(list(tissues_hu.values()), float)
    at = np.stack([table[name] for name in tissues_hu])
    best, r2 = _best_energy(hu, at)
    mass_slope, mass_intercept = np.polyfit(hu, at[:, best], 1)
    water = table["water"][best]
    # The density of a tissue is its linear over its mass attenuation.
    gcc = (hu / 1000 * water + water) / at[:, best]
    density_slope, density_intercept = np.polyfit(hu, gcc, 1)
    fat, solid = table["triglyceride"][best], table[standard][best]
    share = np.array([mass_slope, mass_intercept - fat]) / (solid - fat)
    coefficients = 1000 * np.polymul(share, [density_slope, density_intercept])
    return tuple(coefficients), {
        "r2": r2,
        "energy_kev": float(table["energy_kev"][best]),
        "mass_attenuation_slope_cm2g_per_hu": float(mass_slope),
        "mass_attenuation_intercept_cm2g": float(mass_intercept),
        "density_slope_gcc_per_hu": float(density_slope),
        "density_intercept_gcc": float(density_intercept),
    }


def _fit_linear(
    tissues_hu: dict[str, float], standard: str
) -> tuple[tuple[float, float, float], dict]:
    """Coefficients of HU^2 (0), HU and 1, and quality."""
    table = mass_attenuation()
    hu = np.array(list(tissues_hu.values()), float)
    at = np.stack([table[name] * TISSUE_GCC[name] for name in tissues_hu])
    best, r2 = _best_energy(hu, at)
    slope, intercept = np.polyfit(hu, at[:, best], 1)
    water = table["water"][best] * WATER_GCC
    # A gram of the standard in a solution takes the place of so much water.
    per_gram = table[standard][best] - water / STANDARD_GCC[standard]
    coefficients = (0.0, 1000 * slope / per_gram, 1000 * (intercept - water) / per_gram)
    return coefficients, {"r2": r2, "energy_kev": float(table["energy_kev"][best])}
