"""Synthetic patients with a known hazard of fracture and competing death."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from bonecast.model.cohort import AnalysisSet
from bonecast.model.features import describe_features

TEXTURES = 60


def clinical_and_features(patients: int, seed: int, informative: bool = True) -> pd.DataFrame:
    """Clinical columns, outcome, `hu_*` and `rad_*` columns, and `log_hazard` as truth."""
    rng = np.random.default_rng(seed)
    age = rng.normal(72, 8, patients)
    female = rng.random(patients) < 0.6
    prior = (rng.random(patients) < 0.3).astype(float)
    hu = 120 - 1.5 * (age - 72) + rng.normal(0, 25, patients)
    texture = np.outer((hu - 120) / 28, rng.normal(0, 0.6, TEXTURES))
    texture += rng.normal(0, 1, (patients, 3)) @ rng.normal(0, 0.7, (3, TEXTURES))
    texture += rng.normal(0, 0.6, (patients, TEXTURES))
    log_hazard = np.zeros(patients)
    if informative:
        log_hazard = 0.4 * (age - 72) / 8 - 1.2 * (hu - 120) / 28 + 0.5 * prior + 0.3 * female
    fracture = rng.exponential(1 / (0.08 * np.exp(log_hazard)))
    death = rng.exponential(1 / (0.03 * np.exp(0.6 * (age - 72) / 8)))
    end = rng.uniform(4, 9, patients)
    time = np.minimum(np.minimum(fracture, death), end)
    frame = pd.DataFrame(
        {
            "participant_id": [f"P{number:04d}" for number in range(patients)],
            "age_years": age.round(1),
            "sex": np.where(female, "F", "M"),
            "bmi": rng.normal(26, 4, patients).round(1),
            "prior_fracture": prior,
            "time_years": time.clip(0.01).round(3),
            "event": np.where(time == fracture, 1, np.where(time == death, 2, 0)),
            "log_hazard": log_hazard,
            "hu_vol_mean_l1l4_hu": hu + rng.normal(0, 4, patients),
            "hu_vol_min_hu": hu - np.abs(rng.normal(0, 9, patients)),
        }
    )
    names = [f"rad_{number:02d}" for number in range(TEXTURES)]
    return pd.concat([frame, pd.DataFrame(texture, columns=names)], axis=1)


@pytest.fixture
def synthetic():
    """`clinical_and_features`."""
    return clinical_and_features


@pytest.fixture
def study(repo: Path):
    """`study(patients, seed, change=..., **model)`: analysis set, features and settings.

    `change` edits the analysis set, `model` the section of the configuration.
    """

    def build(patients, seed=1, change=lambda frame: frame, **model):
        frame = clinical_and_features(patients, seed)
        frame["sex_male"] = (frame["sex"] == "M").astype(float)
        blocks = {
            "clinical": ["age_years", "sex_male", "bmi", "prior_fracture"],
            "hu": [c for c in frame if c.startswith("hu_")],
            "radiomics": [c for c in frame if c.startswith("rad_")],
        }
        settings = yaml.safe_load((repo / "config.yaml").read_text())["model"]
        settings |= {"blocks": [*blocks, "multimodal"], "horizons_years": [2, 4]}
        settings |= {"folds": 3, "repeats": 1, "learners": ["penalised"]} | model
        blocks = {name: blocks[name] for name in settings["blocks"] if name in blocks}
        frame = change(frame.assign(site=""))
        features = describe_features(AnalysisSet(frame, blocks, []), "fracture", settings)
        return frame, features, settings

    return build


@pytest.fixture(scope="session")
def oracle(repo: Path) -> Path:
    """Folder of reference numbers computed in R: BONECAST_ORACLE, else ../shared/oracle."""
    folder = Path(os.environ.get("BONECAST_ORACLE", repo.parent / "shared" / "oracle"))
    if not folder.is_dir():
        pytest.skip(
            f"REFERENCE NUMBERS NOT FOUND at {folder}: this comparison with R DID NOT RUN. "
            "The table in workflow_tests/model/reference is compared everywhere."
        )
    return folder
