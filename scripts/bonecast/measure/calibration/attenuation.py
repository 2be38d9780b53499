"""Mass attenuation of tissues and standards by photon energy."""

from functools import cache
from pathlib import Path

import numpy as np

TABLE = Path(__file__).resolve().parents[4] / "resources" / "calibration" / "mass_attenuation.csv"
"""1 to 200 keV in steps of 0.5; source and compositions in the README beside it."""

TISSUE_GCC = {
    "air": 0.001205,
    "adipose": 0.95,
    "muscle": 1.05,
    "blood": 1.06,
    "cortical_bone": 1.92,
}
"""Density of the tissues in g/cm3 (ICRU report 44; NIST, X-ray mass attenuation, table 2)."""

WATER_GCC = 1.0


@cache
def mass_attenuation() -> dict[str, np.ndarray]:
    """Columns of the table: energy_kev, and cm2/g of each material."""
    table = np.genfromtxt(TABLE, delimiter=",", names=True)
    return {name: table[name] for name in table.dtype.names}
