"""Perturbations of known size, and the ICC of features that are known to be robust or not."""

import numpy as np
import pytest

from bonecast.measure.columns import names
from bonecast.measure.radiomics.perturb import (
    PerturbationSettings,
    chains,
    noise_sd_hu,
    resized,
)
from bonecast.measure.radiomics.robustness import ROBUSTNESS_COLUMNS, summarise_robustness


def test_chains_are_within_their_limits_and_the_same_each_time():
    settings = PerturbationSettings(perturbations=40, rotation_degrees=5, growth_mm=0.7)
    drawn = chains(settings)
    assert len(drawn) == 40
    for chain, again in zip(drawn, chains(settings), strict=True):
        turn = chain.motion.rotation
        assert np.array_equal(turn, again.motion.rotation)
        assert np.allclose(turn @ turn.T, np.eye(3)) and np.linalg.det(turn) == pytest.approx(1)
        angle = np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
        assert angle <= 5 and np.abs(chain.motion.shift_mm).max() <= 0.5
        assert abs(chain.growth_mm) <= 0.7
    angles = [np.trace(chain.motion.rotation) for chain in drawn]
    assert np.ptp(angles) > 0 and len({chain.growth_mm for chain in drawn}) == 40


@pytest.mark.parametrize("sd", [5.0, 20.0, 60.0])
def test_noise_is_found_beneath_structure(sd):
    rng = np.random.default_rng(1)
    x, y, z = np.meshgrid(*[np.arange(n) for n in (60, 60, 30)], indexing="ij")
    structure = 150 + 80 * np.sin(x / 6) + 300 * ((x - 30) ** 2 + (y - 30) ** 2 < 400)
    assert noise_sd_hu(structure + rng.normal(0, sd, x.shape)) == pytest.approx(sd, rel=0.1)


def test_a_ball_grows_and_shrinks_by_parts_of_a_voxel():
    spacing = (1.0, 1.0, 1.0)
    at = np.arange(48) - 23.5
    x, y, z = np.meshgrid(at, at, at, indexing="ij")
    ball = x**2 + y**2 + z**2 <= 15**2
    volumes = {}
    for growth in (-2.0, -0.4, 0.0, 0.4, 2.0):
        field = resized(ball, growth, spacing)
        # How much lies inside, by the share of each voxel that its surface takes.
        volumes[growth] = np.clip(field, 0, 1).sum()
        radius = (volumes[growth] * 3 / (4 * np.pi)) ** (1 / 3)
        assert radius == pytest.approx(15 + growth, abs=0.25), growth
    assert sorted(volumes, key=volumes.get) == sorted(volumes)


def rows_of(subject: np.ndarray, noise: np.ndarray) -> dict[str, list[dict]]:
    """Scans of three vertebrae each: one feature all subject, one half, one all noise."""
    scans = {}
    for s in range(subject.shape[0]):
        scans[f"p{s}"] = [
            {
                "level": level,
                "chain": chain,
                "steady": subject[s, v],
                "half": subject[s, v] + noise[s, v, chain],
                "noise": noise[s, v, chain],
                "broken": float("nan") if s == v == chain == 0 else subject[s, v],
            }
            for v, level in enumerate(("L1", "L2", "L3"))
            for chain in range(noise.shape[2])
        ]
    return scans


def test_icc_of_planted_features():
    rng = np.random.default_rng(5)
    scans = rows_of(rng.normal(size=(40, 3)), rng.normal(size=(40, 3, 9)))
    scans["nothing"] = []
    features = ["steady", "half", "noise", "broken"]
    rows = summarise_robustness(scans, features, ["L1", "L2", "L3"], min_levels=2)
    assert all(tuple(row) == names(ROBUSTNESS_COLUMNS) for row in rows)
    found = {(row["unit_of_analysis"], row["feature"]): row for row in rows}
    assert len(found) == 8
    steady, half = found["vertebra", "steady"], found["vertebra", "half"]
    assert steady["icc"] == steady["icc_lower"] == 1
    assert (steady["n_subjects"], steady["n_scans"], steady["n_raters"]) == (120, 40, 9)
    assert half["icc_lower"] < 0.5 < half["icc_upper"] and half["icc"] == pytest.approx(
        0.5, abs=0.1
    )
    assert abs(found["vertebra", "noise"]["icc"]) < 0.05
    assert found["vertebra", "broken"]["icc"] is None
    assert found["scan", "half"]["n_subjects"] == 40
    assert found["scan", "half"]["icc_upper"] - found["scan", "half"]["icc_lower"] > (
        half["icc_upper"] - half["icc_lower"]
    )


def test_too_few_scans_have_no_icc():
    rng = np.random.default_rng(5)
    scans = rows_of(rng.normal(size=(2, 3)), rng.normal(size=(2, 3, 4)))
    rows = summarise_robustness(scans, ["steady"], ["L1", "L2"], min_levels=2)
    by_unit = {row["unit_of_analysis"]: row for row in rows}
    assert by_unit["vertebra"]["icc"] == 1 and by_unit["scan"]["icc"] is None
    rows = summarise_robustness({}, ["steady"], ["L1"], min_levels=2)
    assert {row["n_subjects"] for row in rows} == {0} and {row["icc"] for row in rows} == {None}
