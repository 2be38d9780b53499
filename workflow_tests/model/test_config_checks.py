"""Options of the models that cannot go together are named before anything runs."""

from copy import deepcopy

import pytest
import yaml

from bonecast.model.config_checks import model_problems


@pytest.fixture(scope="module")
def defaults(repo):
    return yaml.safe_load((repo / "config.yaml").read_text(encoding="utf-8"))


TABLE = {"table": "t.csv", "blocks": ["clinical"], "block_columns": {"clinical": ["bmi"]}}


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ({"blocks": ["clinical", "deep"]}, "deep: no such block"),
        (TABLE | {"blocks": ["clinical", "hu"]}, "hu: no such block"),
        ({"block_columns": {"multimodal": ["a"]}}, "multimodal is all blocks together"),
        (
            {"block_columns": {"x": ["a"]}, "vertebra_columns": {"x": ["b"]}},
            "both define x",
        ),
        ({"vertebra_table": "v.csv"}, "model.vertebra_table goes with model.table"),
        (TABLE | {"vertebra_columns": {"v": ["hu"]}}, "name the table that has them"),
        (TABLE | {"vertebra_table": "v.csv"}, "nothing is read from it"),
        ({"endpoints": ["bmd"], "columns": {"bmd": None}}, "model.columns.bmd is null"),
        (
            {"endpoints": ["osteoporosis"], "columns": {"osteoporosis": None}},
            "model.columns.osteoporosis is null",
        ),
        (
            {
                "endpoints": ["osteoporosis"],
                "osteoporosis_from": "dxa",
                "columns": {"dxa_t_score": None},
            },
            "model.columns.dxa_t_score is null",
        ),
        (
            TABLE | {"endpoints": ["osteoporosis"], "osteoporosis_from": "qct"},
            "qct needs scans",
        ),
        ({"event_codes": {"censored": "x", "fracture": 1, "death": "X"}}, "x stands for two"),
        ({"columns": {"time": "t", "event": "t"}}, "time and event are the same column, t"),
        ({"columns": {"participant_id": None}}, "need it to meet"),
        (
            {"block_columns": {"clinical": ["age_years", "event"]}},
            "model.block_columns.clinical: event is known only after the scan",
        ),
        (
            {
                "endpoints": ["osteoporosis"],
                "osteoporosis_from": "dxa",
                "block_columns": {"clinical": ["dxa_t_score"]},
            },
            "dxa_t_score is the outcome of the endpoint osteoporosis itself",
        ),
        (
            {"endpoints": ["fracture", "bmd"], "block_columns": {"clinical": ["bmd"]}},
            "bmd is the outcome of the endpoint bmd itself",
        ),
        ({"designs": ["temporal"], "train_until": 2015}, "temporal needs model.columns.entry"),
        (
            {"designs": ["temporal"], "columns": {"entry": "year"}},
            "temporal needs model.train_until",
        ),
        (
            {"designs": ["leave_one_site_out"], "harmonise": "combat"},
            "knows nothing of a site never seen",
        ),
        (TABLE | {"designs": ["leave_one_site_out"]}, "see model.columns.site"),
        (TABLE | {"harmonise": "combat"}, "combat needs sites"),
        (
            {"learners": ["fine_gray", "penalised"], "endpoints": ["fracture", "bmd"]},
            "fine_gray is first, and the endpoint bmd has no competing event",
        ),
        ({"external_model": "nowhere.json"}, "model.external_model: nowhere.json not found"),
    ],
)
def test_what_cannot_go_together_is_named(defaults, model, problem):
    config = deepcopy(defaults)
    for key, value in model.items():
        known = config["model"][key]
        config["model"][key] = known | value if key in ("columns", "event_codes") else value
    (line,) = model_problems(config, ["A", "B"], lambda path: False)
    assert problem in line


def test_defaults_and_every_endpoint_with_its_columns_go_together(defaults):
    config = deepcopy(defaults)
    config["model"]["endpoints"] = ["fracture", "osteoporosis", "bmd"]
    config["model"]["block_columns"] = {"dxa": ["dxa_t_score"]}
    config["model"]["designs"] = ["repeated_nested_cv", "leave_one_site_out"]
    assert model_problems(config, ["A", "B"]) == []
    (line,) = model_problems(config, ["A"])
    assert "leave_one_site_out needs two sites" in line


@pytest.mark.parametrize(
    ("calibration", "table", "problem"),
    [
        ({}, None, "densities are not calibrated"),
        ({"method": "none"}, "c.tsv", "densities are not calibrated"),
        ({"method": "internal"}, None, "do not apply to densities by internal_model michalski2020"),
        ({"standard": "caha"}, "c.tsv", "need measure.calibration.standard: k2hpo4"),
        ({}, "c.tsv", None),
        ({"method": "internal", "internal_model": "linear"}, None, None),
    ],
)
def test_a_diagnosis_by_qct_needs_scans_that_have_a_class(defaults, calibration, table, problem):
    config = deepcopy(defaults)
    config["cohort"]["calibration"] = table
    config["measure"]["calibration"] |= calibration
    config["model"] |= {"endpoints": ["osteoporosis"], "osteoporosis_from": "qct"}
    lines = model_problems(config, ["A"])
    assert [problem in line for line in lines] == ([True] if problem else [])


def test_prediction_needs_a_saved_model(defaults):
    config = deepcopy(defaults)
    config["predict"] |= {"table": "new.csv"}
    assert "name the saved model in predict.model" in model_problems(config, ["A"], bool)[0]
    config["predict"] |= {"model": "model.json"}
    assert model_problems(config, ["A"], bool) == []
    config["model"]["endpoints"] = ["fracture", "bmd"]
    config["predict"]["model"] = "{endpoint}.json"
    lines = model_problems(config, ["A"], lambda path: path == "bmd.json")
    config["predict"] |= {"table": None, "vertebra_table": "v.csv"}
    without = model_problems(config, ["A"], bool)
    assert without == [
        "predict.vertebra_table goes with predict.table; scans have their vertebrae."
    ]
    assert lines == ["predict.model: fracture.json not found.", "predict.table: new.csv not found."]
