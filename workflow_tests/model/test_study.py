"""From an analysis set to the tables of the results, and cohorts that are too small."""

import json
import logging

import numpy as np
import pandas as pd
import pytest
import yaml

from bonecast.model.cohort import AnalysisSet, admit
from bonecast.model.hazard_ratios import hazard_ratios
from bonecast.model.study import FILES, StudySettings, run_study, study_settings

LOG = logging.getLogger("bonecast.test")
SETTINGS = StudySettings(
    blocks=("clinical", "hu", "radiomics", "multimodal"),
    horizons_years=(2, 4),
    folds=4,
    repeats=2,
    bootstrap=50,
)


@pytest.fixture
def analysis(synthetic):
    def build(patients, seed=1):
        frame = synthetic(patients, seed)
        frame["sex_male"] = (frame["sex"] == "M").astype(float)
        blocks = {
            "clinical": ["age_years", "sex_male", "bmi", "prior_fracture"],
            "hu": [c for c in frame if c.startswith("hu_")],
            "radiomics": [c for c in frame if c.startswith("rad_")],
        }
        return AnalysisSet(frame, blocks, ["log_hazard"])

    return build


def test_results_of_a_cohort(analysis, tmp_path):
    results = run_study(analysis(90), "fracture", SETTINGS, LOG)
    settings = results.settings
    assert settings["status"] == "ok"
    assert settings["horizons_years"] == [2, 4]
    assert settings["cohort"]["patients"] == 90
    metrics = results.metrics
    assert set(metrics["block"]) == {"clinical", "hu", "radiomics", "multimodal", "log_hazard"}
    c = metrics[metrics["metric"] == "c_index"].set_index("block")
    assert c.loc["multimodal", "value"] > c.loc["clinical", "value"]
    assert (c["lower"] < c["value"]).all()
    assert (c["upper"] > c["value"]).all()
    assert c.loc["log_hazard", "learner"] == "supplied_score"
    delta = metrics[metrics["metric"] == "delta_c_index"].set_index("block")["value"]
    assert delta["hu"] == pytest.approx(c.loc["hu", "value"] - c.loc["clinical", "value"])
    coefficients = results.coefficients
    assert coefficients["selection_frequency"].dropna().between(0, 1).all()
    assert set(coefficients["cause"]) == {"fracture", "death"}
    paths = {name: tmp_path / file for name, file in FILES.items()}
    results.write(paths)
    assert json.loads(paths["settings"].read_text())["reference"] == "clinical"
    assert len(pd.read_parquet(paths["predictions"])) == 90 * 5 * 2 * 2
    again = run_study(analysis(90), "fracture", SETTINGS, LOG)
    pd.testing.assert_frame_equal(again.metrics, metrics)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda f: f.head(3), "fractures among 3 patients"),
        (lambda f: f.head(0), "0 fractures among 0 patients"),
        (lambda f: f.assign(event=0), "0 fractures"),
        (lambda f: f.assign(event=2), "0 fractures"),
        (lambda f: f.assign(event=1), "every patient fractured"),
        (lambda f: f.assign(time_years=f["time_years"] / 100), "no horizon"),
    ],
    ids=["three", "nobody", "censored", "all died", "all fractured", "short"],
)
def test_a_cohort_too_small_says_so(analysis, tmp_path, change, why):
    whole = analysis(60)
    frame = change(whole.frame).reset_index(drop=True)
    results = run_study(AnalysisSet(frame, whole.blocks, whole.scores), "fracture", SETTINGS, LOG)
    assert results.settings["status"] == "not_fitted"
    assert why in results.settings["detail"]
    assert len(results.predictions) == len(results.metrics) == 0
    paths = {name: tmp_path / file for name, file in FILES.items()}
    results.write(paths)
    assert pd.read_parquet(paths["predictions"]).columns[0] == "participant_id"
    assert len(pd.read_csv(paths["metrics"], sep="\t")) == 0


def test_awkward_features_do_not_stop_a_study(analysis):
    whole = analysis(60)
    frame = whole.frame.copy()
    frame["bmi"] = 25.0
    frame["prior_fracture"] = np.nan
    frame.loc[::3, "hu_vol_min_hu"] = np.nan
    frame["log_hazard"] = np.nan
    results = run_study(AnalysisSet(frame, whole.blocks, whole.scores), "fracture", SETTINGS, LOG)
    assert results.settings["status"] == "ok"
    assert "log_hazard" not in set(results.metrics["block"])
    assert results.settings["missing_share"]["hu_vol_min_hu"] == pytest.approx(1 / 3)
    terms = results.coefficients.query("block == 'clinical' and cause == 'fracture'")["term"]
    assert terms.tolist() == ["age_years", "sex_male"]


def test_other_endpoints_are_refused(analysis):
    with pytest.raises(NotImplementedError, match="osteoporosis"):
        run_study(analysis(40), "osteoporosis", SETTINGS, LOG)


def test_hazard_ratios_per_unit_and_per_sd(analysis):
    frame = analysis(200).frame
    table = hazard_ratios(frame, "fracture", {"one": ["age_years", "hu_vol_min_hu"]})
    ratio = table.set_index(["term", "unit"])
    per_unit, per_sd = ratio.loc[("hu_vol_min_hu", "1")], ratio.loc[("hu_vol_min_hu", "sd")]
    sd = frame["hu_vol_min_hu"].std()
    assert per_unit["hr"] ** sd == pytest.approx(per_sd["hr"])
    assert per_sd["lower"] < per_sd["hr"] < per_sd["upper"] < 1
    assert per_sd["p_value"] == pytest.approx(per_unit["p_value"])
    assert per_sd["p_value"] < 0.001


def test_hazard_ratios_that_cannot_be_estimated_say_why(analysis):
    frame = analysis(40).frame.assign(constant=1.0)
    models = {"a": ["constant", "bmi"], "b": ["nothing"], "c": ["age_years"]}
    table = hazard_ratios(frame, "fracture", models).set_index(["model", "unit"])
    assert table.loc[("a", "1"), "detail"].tolist() == ["constant: constant"] * 2
    assert table.loc[("b", "1"), "detail"] == "no such column: nothing"
    assert np.isnan(table.loc[("b", "1"), "hr"])
    none = hazard_ratios(frame.assign(event=0), "fracture", {"c": ["age_years"]})
    assert set(none["detail"]) == {"no event"}


def test_fracture_intervention_trial(repo, shared_data):
    """The example configuration `tabular` on real fractures: known hazard ratios, honest gain."""
    section = yaml.safe_load((repo / "config.yaml").read_text())["model"]
    example = yaml.safe_load((repo / "config/examples/tabular.yaml").read_text())["model"]
    section |= example | {"repeats": 1, "bootstrap": 100}
    analysis = admit({"table": shared_data / "fracture" / "fit.csv"}, section)
    results = run_study(analysis, "fracture", study_settings(section), LOG)

    assert results.settings["cohort"]["patients"] == 6459
    assert results.settings["cohort"]["fractures"] == 907
    ratio = results.hazard_ratios.query("unit == '1'").set_index("term")
    assert ratio.loc["trt01", "hr"] == pytest.approx(0.822, abs=5e-4)
    # Per unit of T-score, which is one SD of young adults, at equal age.
    assert ratio.loc["tneck", "hr"] == pytest.approx(0.647, abs=5e-4)
    assert ratio.loc["trt01", "upper"] < 1

    metrics = results.metrics.set_index(["block", "metric"])
    assert metrics.loc[("multimodal", "delta_c_index"), "lower"].item() > 0
    assert 0.58 < metrics.loc[("multimodal", "c_index"), "value"].item() < 0.64
    assert metrics.loc[("multimodal", "oe_ratio"), "value"].to_numpy() == pytest.approx(1, abs=0.05)
