"""The models of all patients: tables to read and a file that predicts."""

import json
import logging

import numpy as np
import pandas as pd
import pytest

from bonecast.model.designs import splits_of
from bonecast.model.final import COEFFICIENT_COLUMNS, final_models, fit_final
from bonecast.model.hazard_ratios import hazard_ratios
from bonecast.model.learners.settings import learner_settings
from bonecast.model.saved import MODEL_FORMAT, ModelError, read_model
from bonecast.model.validate import Problem, validate
from bonecast.runtime import write_json

LOG = logging.getLogger("bonecast.test")


@pytest.fixture
def saved_model(study, tmp_path):
    """`saved_model(**more)`: path of a model.json, and the recipes that were written."""

    def build(patients=120, seed=1, change=lambda frame: frame, **model):
        frame, features, settings = study(patients, seed, change, stability_bootstrap=0, **model)
        content, _, _ = final_models(frame, features, [], settings, "abc", LOG)
        path = tmp_path / "model.json"
        write_json(content, path)
        problem = Problem.of(frame, features, settings["blocks"])
        recipes = {}
        if content["models"]:
            recipes = fit_final(
                problem, settings["learners"][0], learner_settings(settings), settings["seed"]
            )
        return path, problem, recipes

    return build


def test_a_saved_model_predicts_bit_for_bit_as_the_one_fitted(saved_model):
    path, problem, recipes = saved_model()
    saved = read_model(path, "fracture")
    assert list(saved.blocks) == ["clinical", "hu", "radiomics", "multimodal"]
    for name, recipe in recipes.items():
        patients = saved.blocks[name].patients(problem.frame)
        assert np.array_equal(patients.x, problem.patients(name).x)
        found, expected = saved.blocks[name].recipe.predict(patients), recipe.predict(patients)
        assert np.array_equal(found.predicted, expected.predicted)
        assert np.array_equal(found.lp, expected.lp)
        assert np.array_equal(found.risk_group, expected.risk_group)


def test_a_saved_model_tells_where_it_comes_from(saved_model):
    path, problem, _ = saved_model()
    content = json.loads(path.read_text())
    training = content["training"]
    assert training["patients"] == 120
    assert training["events"] == (problem.frame["event"] == 1).sum()
    assert training["longest_follow_up_years"] == problem.frame["time_years"].max()
    assert training["analysis_set_sha256"] == "abc"
    assert set(content["versions"]) >= {"bonecast", "numpy", "scikit-survival"}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"format": MODEL_FORMAT + 1}, f"this version reads {MODEL_FORMAT}"),
        ({"endpoint": "osteoporosis", "kind": "binary"}, "predicts osteoporosis, not fracture"),
        ({"kind": "binary"}, "not known"),
        ({"learner": "forest"}, "learner 'forest' is none of"),
        ({"models": {}, "detail": "3 fractures"}, "holds no model: 3 fractures"),
        ({"training": {}}, "incomplete or edited"),
    ],
)
def test_a_file_that_is_no_model_of_ours_is_refused(saved_model, edit, message):
    path, _, _ = saved_model(60, blocks=["hu"])
    path.write_text(json.dumps(json.loads(path.read_text()) | edit))
    with pytest.raises(ModelError, match=message):
        read_model(path, "fracture")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1'])
def test_a_file_that_is_no_model_at_all_is_refused(tmp_path, text):
    path = tmp_path / "model.json"
    path.write_text(text)
    with pytest.raises(ModelError, match=r"model\.json"):
        read_model(path)


def test_a_learner_that_is_not_written_says_so(saved_model, monkeypatch):
    path, _, _ = saved_model(60, learners=["forest", "penalised"])
    with pytest.raises(ModelError, match=r"first of model\.learners, forest, is not written"):
        read_model(path)


def test_a_cohort_too_small_has_no_model_and_says_why(saved_model):
    path, _, _ = saved_model(8)
    with pytest.raises(ModelError, match="fractures among 8 patients"):
        read_model(path)


def test_coefficients_are_those_of_the_terms_and_of_death(study):
    frame, features, settings = study(120, blocks=["clinical", "radiomics"], stability_bootstrap=0)
    problem = Problem.of(frame, features, settings["blocks"])
    splits = splits_of("repeated_nested_cv", problem, settings, LOG)
    _, facts = validate(problem, splits, ["penalised"], learner_settings(settings), LOG)
    # Folds of another design do not count as times selected.
    others = [fact | {"design": "leave_one_site_out", "selected": []} for fact in facts]
    _, table, ratios = final_models(frame, features, facts + others, settings, "", LOG)
    assert list(table.columns) == COEFFICIENT_COLUMNS
    assert set(table["cause"]) == {"fracture", "death"}
    clinical = table.query("block == 'clinical' and cause == 'fracture'").set_index("term")
    assert clinical.index.tolist() == ["age_years", "sex_male", "bmi", "prior_fracture"]
    assert (clinical["selection_frequency"] == 1).all()
    ratio = np.exp(clinical["coefficient_per_sd"])
    assert np.array_equal(ratio, clinical["hazard_ratio_per_sd"])
    assert clinical.loc["age_years", "mean"] == pytest.approx(frame["age_years"].mean(), rel=0.01)
    wide = table.query("block == 'radiomics' and cause == 'fracture'")
    folds = sum("rad_05" in f["selected"] for f in facts if f["block"] == "radiomics") / 3
    assert wide.set_index("term")["selection_frequency"].get("rad_05", folds) == folds
    assert wide["selection_frequency"].between(0, 1).all()
    assert set(ratios["model"]) == {f"univariable {c}" for c in clinical.index}


def test_terms_are_counted_in_bootstrap_samples_where_any_is_left_out(study):
    frame, features, settings = study(120, blocks=["hu", "radiomics"], stability_bootstrap=6)
    tables = [final_models(frame, features, [], settings, "", LOG, jobs)[1] for jobs in (1, 2)]
    pd.testing.assert_frame_equal(*tables)
    share = tables[0].set_index("block")["bootstrap_selection_frequency"]
    # A ridge, of two columns, leaves nothing out.
    assert share.loc["hu"].isna().all()
    wide = tables[0].query("block == 'radiomics' and cause == 'fracture'")
    counts = wide["bootstrap_selection_frequency"] * 6
    assert np.allclose(counts, counts.round())
    chosen = wide["coefficient_per_sd"].abs()
    strongest, weakest = chosen.idxmax(), chosen.idxmin()
    assert counts[strongest] > counts[weakest]


def test_awkward_features_do_not_stop_the_models(study):
    def awkward(frame):
        gaps = frame["hu_vol_min_hu"].where(np.arange(len(frame)) % 3 > 0)
        return frame.assign(bmi=25.0, prior_fracture=np.nan, hu_vol_min_hu=gaps)

    frame, features, settings = study(
        60, 1, awkward, blocks=["clinical", "hu"], stability_bootstrap=0
    )
    _, table, _ = final_models(frame, features, [], settings, "", LOG)
    terms = table.query("block == 'clinical' and cause == 'fracture'")["term"]
    assert terms.tolist() == ["age_years", "sex_male"]


def test_hazard_ratios_per_unit_and_per_sd(study):
    frame, *_ = study(200)
    table = hazard_ratios(frame, "fracture", {"one": ["age_years", "hu_vol_min_hu"]})
    ratio = table.set_index(["term", "unit"])
    per_unit, per_sd = ratio.loc[("hu_vol_min_hu", "1")], ratio.loc[("hu_vol_min_hu", "sd")]
    sd = frame["hu_vol_min_hu"].std()
    assert per_unit["hr"] ** sd == pytest.approx(per_sd["hr"])
    assert per_sd["lower"] < per_sd["hr"] < per_sd["upper"] < 1
    assert per_sd["p_value"] == pytest.approx(per_unit["p_value"])
    assert per_sd["p_value"] < 0.001


def test_hazard_ratios_that_cannot_be_estimated_say_why(study):
    frame, *_ = study(40, 1, lambda f: f.assign(constant=1.0))
    models = {"a": ["constant", "bmi"], "b": ["nothing"], "c": ["age_years"]}
    table = hazard_ratios(frame, "fracture", models).set_index(["model", "unit"])
    assert table.loc[("a", "1"), "detail"].tolist() == ["constant: constant"] * 2
    assert table.loc[("b", "1"), "detail"] == "no such column: nothing"
    assert np.isnan(table.loc[("b", "1"), "hr"])
    none = hazard_ratios(frame.assign(event=0), "fracture", {"c": ["age_years"]})
    assert set(none["detail"]) == {"no event"}
