"""Patients whose risk of fracture is known: features, outcome, and the hazards behind them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

SHAPE = 1.2
"""Of the Weibull hazards of fracture and of death: one shape gives risks in closed form."""

FRACTURE_RATE, DEATH_RATE = 0.014, 0.010
"""Cumulative hazard at one year of a patient at every centre of `CENTRES`."""

LOSS_PER_YEAR = 0.02
FIRST_END_YEARS, LAST_END_YEARS = 3.0, 9.0
"""The study ends uniformly between these, and patients are lost at a constant rate before."""

N_DENSITIES, N_TEXTURES = 5, 30

CLINICAL = ("age_years", "sex_male", "bmi", "prior_fracture", "falls", "smoker")
DENSITIES = tuple(f"hu_{number}" for number in range(1, N_DENSITIES + 1))
TEXTURES = tuple(f"rad_{number:02d}" for number in range(1, N_TEXTURES + 1))
BLOCKS = {"clinical": CLINICAL, "hu": DENSITIES, "radiomics": TEXTURES}
"""Columns by block; most of them carry no information of their own."""

CENTRES = {"age_years": 70.0, "bmi": 26.0, "hu_1": 120.0}
"""Value at which a column adds nothing to a log hazard; 0 for the others."""

FRACTURE_EFFECTS = {
    "age_years": 0.035,
    "sex_male": -0.35,
    "prior_fracture": 0.5,
    "hu_1": -0.02,
    "rad_01": 0.3,
    "rad_02": -0.2,
}
"""Log hazard ratio of fracture per unit of a column; 0 for the others."""

DEATH_EFFECTS = {"age_years": 0.07, "sex_male": 0.4}


@dataclass(frozen=True)
class SimulatedPatients:
    """Patients and the truth about them.

    Attributes:
        frame: participant_id, time_years, event (0 censored, 1 fracture, 2 death), sex, and the
            columns of `BLOCKS`, NaN where missing.
        fracture_hazard, death_hazard: cumulative hazard of each patient at one year, shape
            (patients,); at t years it is this times t to the power of `SHAPE`.
    """

    frame: pd.DataFrame
    fracture_hazard: np.ndarray
    death_hazard: np.ndarray

    def risk(self, horizons_years: Sequence[float]) -> np.ndarray:
        """True absolute risk of fracture before death, shape (patients, horizons)."""
        total = (self.fracture_hazard + self.death_hazard)[:, None]
        ended = -np.expm1(-total * np.asarray(horizons_years, dtype=float) ** SHAPE)
        return self.fracture_hazard[:, None] / total * ended


def draw_patients(patients: int, seed: int, missing: float = 0.05) -> SimulatedPatients:
    """Draw a cohort.

    Fracture and death have proportional hazards, so that Cox models with the columns of
    `FRACTURE_EFFECTS` and `DEATH_EFFECTS` are the true ones.

    Args:
        missing: share of missing cells in the densities and in `bmi`, completely at random. The
            truth is that of the values before they went missing.
    """
    rng = np.random.default_rng(seed)
    frame = _features(rng, patients)
    fracture_hazard = FRACTURE_RATE * np.exp(_log_hazard(frame, FRACTURE_EFFECTS))
    death_hazard = DEATH_RATE * np.exp(_log_hazard(frame, DEATH_EFFECTS))
    total = fracture_hazard + death_hazard
    ended = (rng.exponential(size=patients) / total) ** (1 / SHAPE)
    fractured = rng.random(patients) < fracture_hazard / total
    lost = rng.exponential(1 / LOSS_PER_YEAR, patients)
    followed = np.minimum(lost, rng.uniform(FIRST_END_YEARS, LAST_END_YEARS, patients))
    event = np.where(ended > followed, 0, np.where(fractured, 1, 2))
    width = len(str(patients))
    outcome = {
        "participant_id": [f"P{number:0{width}d}" for number in range(1, patients + 1)],
        "time_years": np.minimum(ended, followed),
        "event": event,
        "sex": np.where(frame["sex_male"] == 1, "M", "F"),
    }
    holes = ["bmi", *DENSITIES]
    frame[holes] = frame[holes].mask(rng.random((patients, len(holes))) < missing)
    frame = pd.concat([pd.DataFrame(outcome), frame], axis=1)
    return SimulatedPatients(frame, fracture_hazard, death_hazard)


def _features(rng: np.random.Generator, patients: int) -> pd.DataFrame:
    """Correlated features: density falls with age, textures follow density."""
    age = np.clip(rng.normal(70, 8, patients), 45, 95)
    columns = {
        "age_years": age,
        "sex_male": (rng.random(patients) < 0.4).astype(float),
        "bmi": rng.normal(26, 4, patients),
        "prior_fracture": (rng.random(patients) < 0.25).astype(float),
        "falls": rng.poisson(0.4, patients).astype(float),
        "smoker": (rng.random(patients) < 0.2).astype(float),
    }
    density = rng.normal(120 - 1.5 * (age - 70), 28)
    columns["hu_1"] = density
    for name in DENSITIES[1:]:
        columns[name] = density + rng.normal(0, 12, patients)
    shared = rng.normal(0, 1, (patients, 3))
    scaled = (density - 120) / 30
    # The same textures in every cohort: how they hang together is no matter of chance.
    fixed = np.random.default_rng(1)
    loadings, follows = fixed.normal(0, 0.5, (3, N_TEXTURES)), fixed.normal(0, 0.3, N_TEXTURES)
    textures = shared @ loadings + np.outer(scaled, follows)
    textures += rng.normal(0, 0.7, (patients, N_TEXTURES))
    columns |= dict(zip(TEXTURES, textures.T, strict=True))
    return pd.DataFrame(columns)


def _log_hazard(frame: pd.DataFrame, effects: dict[str, float]) -> np.ndarray:
    parts = [effect * (frame[name] - CENTRES.get(name, 0.0)) for name, effect in effects.items()]
    return np.sum(parts, axis=0)
