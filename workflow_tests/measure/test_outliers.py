"""Vertebrae that do not fit the cohort: what is found, what is left alone."""

import numpy as np
import pandas as pd
import pytest

from bonecast.measure.outliers import (
    LIMIT,
    MIN_LEVELS,
    MIN_SCANS,
    QUANTITIES,
    find_outliers,
    size_table,
    usual_values,
)

LEVELS = ("T11", "T12", "L1", "L2", "L3", "L4")
VOLUME = np.array([16000, 18000, 22000, 27000, 31000, 33000.0])
SPACING = [1.0, 1.0, 2.0]


def cohort(n=30, seed=1, levels=LEVELS):
    """Sound people of very different size: segmentation and scan facts, and measured vertebrae."""
    rng = np.random.default_rng(seed)
    scans, rows = [], []
    for number in range(n):
        name, scale = f"p{number:02d}", rng.uniform(0.75, 1.3)
        facts = {}
        for level in levels:
            i = LEVELS.index(level)
            volume = VOLUME[i] * scale**3 * np.exp(rng.normal(0, 0.05))
            height = 24 * scale * np.exp(rng.normal(0, 0.03))
            facts[level] = {
                "n_body_voxels": round(volume / 2),
                "n_voxels": round(volume * 0.9),
                "touches_border": False,
            }
            heights = dict.fromkeys(("anterior_mm", "middle_mm", "posterior_mm"), height)
            row = {"participant_id": name, "session_id": "", "level": level}
            row |= {"genant_grade": 0, **heights}
            row |= {"depth_mm": 32 * scale * np.exp(rng.normal(0, 0.03))}
            row |= {"morphometry_reason": None, "hu_vol_mean_hu": 150 - 3 * i + rng.normal(0, 8)}
            rows.append(row)
        scans.append((name, "", {"levels": facts}, {"spacing_mm": SPACING}))
    return scans, pd.DataFrame(rows)


def found(scans, vertebrae):
    outliers, _ = find_outliers(size_table(scans, vertebrae, "hu_vol"))
    return {(row["participant_id"], row["level"], row["quantity"]) for row in outliers}


def test_sound_people_of_any_size_are_left_alone():
    listed = [len(found(*cohort(seed=seed))) for seed in range(12)]
    values = 12 * 30 * len(LEVELS) * len(QUANTITIES)
    assert sum(listed) <= 0.001 * values


def test_a_body_that_swallowed_its_neighbour_and_half_a_body_are_found():
    scans, vertebrae = cohort()
    levels = scans[4][2]["levels"]
    levels["L2"]["n_body_voxels"] += levels["L3"]["n_body_voxels"]
    levels["L2"]["n_voxels"] += levels.pop("L3")["n_voxels"]
    scans[9][2]["levels"]["L1"]["n_body_voxels"] //= 2
    worst = find_outliers(size_table(scans, vertebrae, "hu_vol"))[0]
    names = {(row["participant_id"], row["level"]) for row in worst}
    assert names == {("p04", "L2"), ("p09", "L1")}
    volume = next(r for r in worst if r["participant_id"] == "p04" and r["quantity"] == "volume")
    assert volume["robust_z"] > LIMIT
    assert 1.8 < volume["value"] / volume["expected"] < 2.5
    assert volume["n_scans"] == 30
    half = next(r for r in worst if r["participant_id"] == "p09" and r["quantity"] == "volume")
    assert half["robust_z"] < -LIMIT
    assert [abs(r["robust_z"]) for r in worst] == sorted(
        (abs(r["robust_z"]) for r in worst), reverse=True
    )


@pytest.mark.parametrize(
    ("column", "factor", "quantity"),
    [("depth_mm", 0.7, "depth"), ("posterior_mm", 0.1, "height"), ("hu_vol_mean_hu", 2, "density")],
)
def test_a_wrong_shape_or_density_is_found_by_what_is_wrong(column, factor, quantity):
    scans, vertebrae = cohort()
    row = vertebrae.query("participant_id == 'p07' and level == 'L2'").index[0]
    vertebrae.loc[row, column] *= factor
    assert ("p07", "L2", quantity) in found(scans, vertebrae)


def test_bodies_cut_by_the_border_are_not_compared():
    scans, vertebrae = cohort()
    first = scans[0][2]["levels"]["L4"]
    first |= {"n_body_voxels": 500, "touches_border": True}
    scans[1][2]["levels"]["T11"]["n_body_voxels"] = 500
    row = vertebrae.query("participant_id == 'p01' and level == 'T11'").index[0]
    vertebrae.loc[row, "morphometry_reason"] = "touches_border"
    assert found(scans, vertebrae) == set()


def test_too_few_scans_or_levels_are_not_compared():
    scans, vertebrae = cohort(n=MIN_SCANS - 1)
    scans[0][2]["levels"]["L1"]["n_body_voxels"] *= 3
    outliers, reference = find_outliers(size_table(scans, vertebrae, "hu_vol"))
    assert outliers == []
    assert not any(row["compared"] for row in reference)
    assert {row["n_scans"] for row in reference} == {MIN_SCANS - 1}
    short = cohort(n=20, levels=LEVELS[: MIN_LEVELS - 1])
    _, reference = find_outliers(size_table(*short, "hu_vol"))
    assert {row["n_scans"] for row in reference} == {0}


def test_nobody_segmented_gives_empty_tables():
    empty = pd.DataFrame({"participant_id": [], "session_id": [], "level": []}, dtype=str)
    table = size_table([("p1", "", {}, {})], empty, "hu_vol")
    assert find_outliers(table) == ([], [])


def test_the_usual_value_leaves_the_vertebra_itself_out():
    values = np.tile([1.0, 2.0, 3.0, 4.0, 5.0], (12, 1)) + np.arange(12)[:, None]
    values[3, 2] += 100
    middle, usual = usual_values(values)
    sound = np.tile([1.0, 2.0, 3.0, 4.0, 5.0], (12, 1)) + np.arange(12)[:, None]
    np.testing.assert_allclose(usual, sound)
    np.testing.assert_allclose(np.diff(middle), 1)
