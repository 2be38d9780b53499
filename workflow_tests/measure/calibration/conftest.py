"""HU of tissues and solutions under spectra of several tube voltages."""

import numpy as np
import pytest

from bonecast.measure.calibration.attenuation import TISSUE_GCC, mass_attenuation
from bonecast.measure.calibration.internal import STANDARD_GCC

PATH_CM = 20.0
"""Water that the beam passes: the spectrum behind a patient is harder than the tube's."""


class Scanner:
    """A tube of one voltage: Kramers' spectrum, hardened by water, energy-integrating detector.

    No beam hardening beyond that of the path: every sample is small.
    """

    def __init__(self, kvp: float):
        self.table = mass_attenuation()
        energy = self.table["energy_kev"]
        weights = np.clip(kvp - energy, 0, None) * np.exp(-self.table["water"] * PATH_CM)
        self.weights = weights / weights.sum()

    def hu(self, attenuation_per_cm: np.ndarray) -> float:
        """HU of a material by its linear attenuation at the table's energies."""
        water = self.weights @ self.table["water"]
        return float(1000 * (self.weights @ attenuation_per_cm / water - 1))

    def tissue_hu(self, name: str) -> float:
        """HU of a tissue of ICRU report 44."""
        return self.hu(self.table[name] * TISSUE_GCC[name])

    def tissues_hu(self) -> dict[str, float]:
        """HU of all of them."""
        return {name: self.tissue_hu(name) for name in TISSUE_GCC}

    def solution_hu(self, density_mgcc: float, standard: str = "k2hpo4") -> float:
        """HU of so much of a standard dissolved in water, as in the rods of a phantom."""
        share = density_mgcc / 1000
        water = 1 - share / STANDARD_GCC[standard]
        return self.hu(self.table[standard] * share + self.table["water"] * water)

    def marrow_hu(self, density_mgcc: float) -> float:
        """HU of so much K2HPO4 in fat, the mixture that the method of 2020 assumes."""
        share = density_mgcc / 1000
        fat = 0.92 * (1 - share / STANDARD_GCC["k2hpo4"])
        return self.hu(self.table["k2hpo4"] * share + self.table["triglyceride"] * fat)


@pytest.fixture(params=[80, 100, 120, 140])
def scanner(request) -> Scanner:
    """Each tube voltage in turn."""
    return Scanner(request.param)


@pytest.fixture(scope="session", name="Scanner")
def scanner_class() -> type[Scanner]:
    """The class of a scanner."""
    return Scanner
