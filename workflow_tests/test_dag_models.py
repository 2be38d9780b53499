"""What of the models would be run, for which configuration: dry runs."""

import json
from pathlib import Path

import pytest

MEASURED = {"measure_scan", "segment_batch", "collect_measurements", "write_demo_cohort"}


@pytest.fixture
def table(tmp_path) -> Path:
    """A table of one patient; nothing reads it in a dry run."""
    path = tmp_path / "table.csv"
    path.write_text("participant_id,age_years,site,year,time_years,event\n")
    return path


def tabular(table: Path, **model) -> dict:
    """A configuration for a table of one's own."""
    model = {"blocks": ["bones"], "block_columns": {"bones": ["age_years"]}} | model
    return {"cohort": {"name": "study"}, "model": {"table": str(table)} | model}


def scans_of(tmp_path: Path, header: str) -> dict:
    """A configuration for one scan with masks, and a clinical table of this header."""
    folder = tmp_path / "scans"
    folder.mkdir()
    (folder / "p1.nii.gz").touch()
    clinical = tmp_path / "clinical.csv"
    clinical.write_text(header + "\n")
    given = {"name": "study", "input": str(folder), "clinical": str(clinical)}
    return {"cohort": given, "segment": {"backend": "masks", "masks": str(folder)}}


@pytest.fixture
def foreign(tmp_path) -> Path:
    """Where another cohort's model lies."""
    path = tmp_path / "elsewhere" / "models" / "fracture" / "model.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"format": 2}))
    return path


def test_folds_are_jobs_where_that_is_asked_for(plan, table):
    jobs = plan(tabular(table, split_jobs="folds", repeats=2, folds=3)).jobs
    assert jobs["validate_models"] == 2 * 3
    assert jobs["admit_patients"] == jobs["judge_models"] == jobs["fit_final_models"] == 1
    assert "predict_risks" not in jobs


def test_every_design_is_a_job_of_its_own(plan, table, foreign):
    config = tabular(
        table,
        designs=["repeated_nested_cv", "leave_one_site_out", "temporal", "optimism_bootstrap"],
        columns={"site": "site", "entry": "year"},
        train_until=2015,
        external_model=str(foreign).replace("fracture", "{endpoint}"),
        repeats=2,
        split_jobs="repeats",
    )
    jobs = plan(config, "models").jobs
    assert jobs["validate_models"] == 2 + 1 + 1
    assert jobs["bootstrap_optimism"] == jobs["validate_external"] == 1


def test_a_model_of_the_cohort_itself_is_not_external(plan, table):
    own = "results/study/models/fracture/model.json"
    outcome = plan(tabular(table, external_model=own), "models")
    assert not outcome.ok
    assert "is this cohort's own" in outcome.text


def test_new_patients_of_a_table_need_no_outcome_and_no_scans(plan, table, foreign):
    config = {"cohort": {"name": "new"}, "predict": {"model": str(foreign), "table": str(table)}}
    assert plan(config, "predict").jobs == {"predict_risks": 1, "predict": 1}
    # Nor is there anything else to do: the demo is not run in their name.
    assert plan(config).jobs == {"predict_risks": 1, "write_provenance": 1, "all": 1}


def test_vertebrae_of_new_patients_are_an_input_of_their_prediction(plan, table, foreign, tmp_path):
    vertebrae = tmp_path / "new_vertebrae.csv"
    predict = {"model": str(foreign), "table": str(table), "vertebra_table": str(vertebrae)}
    config = {"cohort": {"name": "new"}, "predict": predict}
    without = plan(config, "predict")
    assert not without.ok and "new_vertebrae.csv" in without.text
    vertebrae.write_text("participant_id,level,hu\n")
    assert plan(config, "predict").jobs == {"predict_risks": 1, "predict": 1}


def test_scanned_patients_without_outcome_are_predicted_and_not_modelled(plan, tmp_path, foreign):
    config = scans_of(tmp_path, "participant_id,age_years,sex") | {
        "predict": {"model": str(foreign)}
    }
    outcome = plan(config)
    assert outcome.ok, outcome.text
    assert outcome.jobs["predict_risks"] == outcome.jobs["collect_measurements"] == 1
    assert not {"admit_patients", "validate_models", "fit_final_models"} & outcome.jobs.keys()


def test_a_model_fitted_in_the_same_run_predicts(plan, table, tmp_path):
    own = "results/study/models/fracture/model.json"
    config = tabular(table) | {"predict": {"model": own, "table": str(table)}}
    jobs = plan(config, "predict").jobs
    assert jobs["fit_final_models"] == jobs["predict_risks"] == 1
