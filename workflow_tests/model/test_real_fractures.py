"""Real fractures: known hazard ratios, and what bone density adds to clinical risk factors."""

import logging

import numpy as np
import pandas as pd
import pytest
import yaml

from bonecast.model.designs import repeated_cv
from bonecast.model.hazard_ratios import hazard_ratios
from bonecast.model.learners.settings import learner_settings
from bonecast.model.metrics import Resamples, auc, calibration, percentile_interval
from bonecast.model.validate import Problem, validate

YEARS = 4.0


@pytest.fixture(scope="module")
def fit(shared_data) -> pd.DataFrame:
    """Fracture Intervention Trial, the teaching table: 6,459 women, columns renamed to ours."""
    path = shared_data / "fracture" / "fit.csv"
    if not path.is_file():
        pytest.skip(f"REAL DATA NOT FOUND at {path}: the models of real fractures DID NOT RUN.")
    frame = pd.read_csv(path)
    names = {"ra_age": "age_years", "frxyrs": "time_years", "frx": "event"}
    return frame.rename(columns=names).assign(
        participant_id=[f"row{number:04d}" for number in range(len(frame))]
    )


def test_hazard_ratios_are_as_published(fit):
    assert (len(fit), int(fit["event"].sum())) == (6459, 907)
    models = {"alendronate": ["trt01"], "neck": ["tneck", "age_years"]}
    table = hazard_ratios(fit, "fracture", models).query("unit == '1'").set_index("term")
    assert table.loc["trt01", "hr"] == pytest.approx(0.822, abs=5e-4)
    assert table.loc["trt01", "upper"] < 1
    # Per unit of T-score, one SD of young adults, at equal age; three women have no T-score.
    assert table.loc["tneck", "hr"] == pytest.approx(0.647, abs=5e-4)
    assert table.loc["tneck", "n"] == 6456


def test_neck_density_adds_to_clinical_risk_factors(repo, fit):
    """One repeat of nested cross-validation: AUC at four years, paired difference, calibration."""
    features = {
        "endpoint": "fracture",
        "kind": "survival",
        "blocks": {"clinical": ["age_years", "p3_weigh", "riskcat4"], "dxa": ["nbmd"]},
        "horizons_years": [YEARS],
        "death_columns": ["age_years"],
    }
    problem = Problem.of(fit, features, ["clinical", "dxa", "multimodal"])
    section = yaml.safe_load((repo / "config.yaml").read_text(encoding="utf-8"))["model"]
    splits = repeated_cv(problem.outcome.strata(), folds=5, repeats=1, seed=1)
    log = logging.getLogger("test")
    predictions, _ = validate(problem, splits, ["penalised"], learner_settings(section), log)

    resamples = Resamples.draw(problem.outcome.time, problem.outcome.event, 200, seed=1)
    order = pd.Index(problem.participant_id)
    areas, ratios = {}, {}
    for block, rows in predictions.groupby("block"):
        rows = rows.set_index("participant_id").reindex(order)
        assert rows["predicted"].between(0, 1).all()
        risk, fold = rows["predicted"].to_numpy()[None], rows["fold"].to_numpy()[None]
        areas[block] = auc(risk, fold, resamples, YEARS)
        ratios[block] = calibration(risk, resamples, YEARS)["oe_ratio"][0]
    difference = areas["multimodal"] - areas["clinical"]
    lower, _ = percentile_interval(difference[1:])
    assert lower > 0.01
    assert 0.63 < areas["multimodal"][0] < 0.68
    assert 0.57 < areas["clinical"][0] < 0.63
    assert np.array(list(ratios.values())) == pytest.approx(1, abs=0.03)
