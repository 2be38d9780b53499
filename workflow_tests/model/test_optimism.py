"""Apparent performance, and what is left of it on other patients."""

import logging

import numpy as np
import pandas as pd
import pytest

from bonecast.model.learners.settings import learner_settings
from bonecast.model.metrics import METRIC_COLUMNS
from bonecast.model.optimism import bootstrap_optimism
from bonecast.model.validate import Problem

LOG = logging.getLogger("bonecast.test")


def corrected(made, resamples=8, bootstrap=20, jobs=1, learner="penalised"):
    frame, features, settings = made
    problem = Problem.of(frame, features, settings["blocks"])
    drawn = {"optimism_bootstrap": resamples, "bootstrap": bootstrap}
    chosen = learner_settings(settings)
    return bootstrap_optimism(problem, learner, chosen, drawn, 7, LOG, jobs)


@pytest.fixture
def noise(study):
    """120 patients whose 60 textures have nothing to do with who fractures."""

    def scramble(frame):
        columns = [c for c in frame if c.startswith("rad_")]
        rng = np.random.default_rng(5)
        return frame.assign(**{c: rng.permutation(frame[c]) for c in columns})

    return study(120, 3, scramble, blocks=["radiomics"], l1_ratios=[0.1], horizons_years=[3])


def test_noise_looks_good_and_is_corrected(noise):
    table = corrected(noise, resamples=10)
    assert list(table.columns) == METRIC_COLUMNS
    assert set(table["design"]) == {"optimism_bootstrap"}
    value = table.set_index("metric")["value"]
    for metric in ("c_index", "auc_t", "brier", "oe_ratio", "calibration_slope"):
        difference = value[f"apparent_{metric}"] - value[f"optimism_{metric}"]
        assert value[metric] == pytest.approx(difference)
    assert value["optimism_c_index"] > 0.05
    assert abs(value["c_index"] - 0.5) < abs(value["apparent_c_index"] - 0.5)
    assert value["optimism_brier"] < 0
    rows = table.set_index("metric")
    apparent, shifted = rows.loc["apparent_c_index"], rows.loc["c_index"]
    for end in ("lower", "upper"):
        assert apparent[end] - shifted[end] == pytest.approx(value["optimism_c_index"])
    assert shifted["lower"] < shifted["value"] < shifted["upper"]


def test_processes_do_not_change_the_optimism(study):
    made = study(60, 4, blocks=["hu"])
    pd.testing.assert_frame_equal(corrected(made, 4), corrected(made, 4, jobs=2))


def test_few_strong_columns_are_hardly_optimistic(study):
    value = corrected(study(300, 5, blocks=["hu"]), 6).set_index(["metric", "horizon_years"])[
        "value"
    ]
    assert abs(value["optimism_c_index"].item()) < 0.02
    assert value["calibration_slope"].item() == pytest.approx(1, abs=0.15)


def test_without_samples_there_is_nothing_to_correct(study):
    assert len(corrected(study(60, 4, blocks=["hu"]), 0)) == 0


@pytest.mark.parametrize("kind", ["binary", "continuous"])
def test_a_diagnosis_and_a_number_are_corrected_too(study, kind):
    endpoint = {"binary": "osteoporosis", "continuous": "bmd"}[kind]
    frame, features, settings = study(120, 6, blocks=["hu"])
    density = frame["hu_vol_mean_l1l4_hu"] + np.random.default_rng(0).normal(0, 20, 120)
    outcome = (density < 110).astype(float) if kind == "binary" else density
    features |= {"endpoint": endpoint, "kind": kind, "horizons_years": [], "death_columns": []}
    table = corrected((frame.assign(outcome=outcome), features, settings), 4)
    metrics = {m for m in table["metric"] if not m.startswith(("apparent_", "optimism_"))}
    wanted = {"auc", "brier", "oe_ratio"} if kind == "binary" else {"r2", "rmse"}
    assert metrics == wanted | {"calibration_slope"}
    assert table.set_index("metric")["value"].notna().all()
