"""The methods of the models: what was configured is told, and nothing else."""

import pytest
import yaml

from bonecast.report.methods_models import LEARNER_WORDS, learner_sentences, model_methods


@pytest.fixture(scope="module")
def section(repo):
    return yaml.safe_load((repo / "config.yaml").read_text(encoding="utf-8"))["model"]


COHORT = {
    "fracture": {"patients": 60, "fractures": 20, "deaths": 4, "person_years": 180.0},
    "osteoporosis": {"patients": 60, "diagnoses": 20},
    "bmd": {"patients": 60},
}


def text_of(artefacts, section, endpoint="fracture", settings=None, **changes):
    facts = artefacts(endpoint).settings | {"cohort": COHORT[endpoint]} | (settings or {})
    return "\n".join(model_methods(facts, section | changes))


def test_defaults(artefacts, section):
    text = text_of(artefacts, section)
    assert "60 patients with 20 fractures and 4 deaths in 180 person-years" in text
    assert "Risk was predicted at 1 and 3 years" in text
    assert f"the penalty is chosen in {section['inner_folds']} inner folds" in text
    assert "nested cross-validation" in text and "Sites were not harmonised" in text
    assert "Net reclassification was not used" in text
    for absent in ("Temporal", "Leave-one-site-out", "ComBat", "recalibrated", "within 0"):
        assert absent not in text


def test_every_option_is_told(artefacts, section):
    designs = [
        {"name": "repeated_nested_cv", "folds": 5, "repeats": 2, "patients_held_out": 60},
        {"name": "leave_one_site_out", "folds": 3, "repeats": 1, "patients_held_out": 60},
        {"name": "temporal", "folds": 1, "repeats": 1, "patients_held_out": 15},
        {"name": "external", "folds": 1, "repeats": 1, "patients_held_out": 60},
    ]
    text = text_of(
        artefacts,
        section,
        settings={
            "designs": designs,
            "learners": ["penalised_cox", "fine_gray", "forest", "boosting"],
            "horizons_dropped_years": [10.0],
            "thresholds": [0.05, 0.2],
        },
        designs=["repeated_nested_cv", "optimism_bootstrap"],
        optimism_bootstrap=150,
        train_until=2018,
        harmonise="combat",
        recalibrate=True,
        washout_years=0.25,
        vertebra_columns={"levels": ["hu_vol_mean_hu"]},
        nri=True,
    )
    for words in (
        "Leave-one-site-out (3 sites)",
        "entered up to 2018, judged on those who entered later, 15 patients, once",
        "a model fitted to another cohort predicted this one's 60 patients",
        "run again on 150 resamples",
        "ComBat",
        "recalibrated by their slope",
        "within 0.25 years of the scan were left out",
        "Vertebrae of levels became one row",
        "10 years were left out",
        "risks of 0.05 and 0.2",
        "which misleads",
        "Fine-Gray",
        "on the Cox likelihood",
    ):
        assert words in text, words


def test_a_design_that_held_nobody_out_is_said_so(artefacts, section):
    designs = [{"name": "temporal", "folds": 0, "repeats": 0, "patients_held_out": 0}]
    text = text_of(artefacts, section, settings={"designs": designs}, designs=["temporal"])
    assert "Temporal split was asked for but not possible." in text


def test_other_endpoints(artefacts, section):
    text = text_of(artefacts, section, "osteoporosis", osteoporosis_from="dxa")
    assert "60 patients, 20 of them with the diagnosis" in text
    assert "T-score of -2.5 or less" in text
    text = text_of(artefacts, section, "bmd")
    assert "Decisions" not in text and "fracture and" not in text


def test_definitions_are_those_of_the_outcome(artefacts, section):
    names = ("c_index", "auc", "brier", "rmse", "nri", "intervals", "something_new")
    definitions = {"definitions": {name: f"what {name} is" for name in names}}
    told = {
        endpoint: {
            name
            for name in names
            if f"what {name} is" in text_of(artefacts, section, endpoint, definitions)
        }
        for endpoint in COHORT
    }
    assert told["fracture"] == {"c_index", "brier", "intervals", "something_new"}
    assert told["osteoporosis"] == {"auc", "brier", "intervals", "something_new"}
    assert told["bmd"] == {"rmse", "intervals", "something_new"}
    assert "what nri is" in text_of(artefacts, section, "fracture", definitions, nri=True)


def test_models_that_were_not_fitted(artefacts, section):
    words = model_methods({"status": "not_fitted", "detail": "3 fractures"}, section)
    assert words == ["The models were not fitted: 3 fractures."]


def test_every_learner_has_words():
    from bonecast.model.learners import LEARNERS

    known = {name for learners in LEARNERS.values() for name, _ in learners.values()}
    assert known <= LEARNER_WORDS.keys()
    assert learner_sentences(["penalised_cox"], "survival", None)[0].startswith(
        "Main learner: cause-specific"
    )
