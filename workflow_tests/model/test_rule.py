"""The rules from admission to the final models, run by Snakemake on a table."""

import json

import pandas as pd
import pytest


def config(table, *endpoints, **model):
    columns = {"clinical": ["age_years", "sex", "bmi"], "hu": ["hu_vol_min_hu"]}
    model = {"blocks": ["clinical", "hu", "multimodal"], "block_columns": columns} | model
    model |= {"table": str(table), "repeats": 1, "folds": 3, "learners": ["penalised"]}
    model |= {"endpoints": list(endpoints), "bootstrap": 20, "stability_bootstrap": 2}
    return {"cohort": {"name": "tabular"}, "model": model | {"curve_bootstrap": 2}}


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results" / "tabular"


def test_models_of_a_table_and_of_one_too_small(synthetic, run_snakemake, tmp_path, results):
    table = tmp_path / "table.csv"
    synthetic(60, 1).to_csv(table, index=False)
    done = run_snakemake("models", config=config(table, "fracture"))
    assert done.returncode == 0, done.stderr
    folder = results / "models" / "fracture"
    assert json.loads((folder / "settings.json").read_text())["status"] == "ok"
    metrics = pd.read_csv(folder / "metrics.tsv", sep="\t")
    assert set(metrics["block"]) == {"clinical", "hu", "multimodal"}
    log = results / "logs" / "models" / "fracture" / "admit_patients.log"
    assert "60 patients, 0 exclusions" in log.read_text()

    # Six cannot be divided; that is told, and every table is there.
    synthetic(6, 1).assign(bmd=[0.9, 0.8, 0.7, 0.6, 0.5, 0.4]).to_csv(table, index=False)
    done = run_snakemake("models", config=config(table, "bmd"))
    assert done.returncode == 0, done.stderr
    folder = results / "models" / "bmd"
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["status"] == "not_fitted"
    assert len(pd.read_parquet(folder / "predictions.parquet")) == 0
    log = results / "logs" / "models" / "bmd" / "admit_patients.log"
    assert "WARNING 6 patients; at least 10 are needed" in log.read_text()


def test_a_bad_table_fails_with_every_problem_in_the_log(
    synthetic, run_snakemake, tmp_path, results
):
    table = tmp_path / "table.csv"
    frame = synthetic(30, 1)
    frame.loc[4, "time_years"] = -1
    frame.loc[9, "event"] = 7
    frame.to_csv(table, index=False)
    done = run_snakemake("models", config=config(table, "fracture"))
    assert done.returncode != 0
    text = (results / "logs" / "models" / "fracture" / "admit_patients.log").read_text()
    assert "P0004, time_years: '-1.0' is not a number of years, 0 or more" in text
    assert "P0009, event: '7' is not 0 (censored)" in text


def test_options_that_cannot_go_together_are_all_listed_before_anything_runs(plan, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("participant_id,age_years,sex,bmi,hu_vol_min_hu,time_years,event\n")
    outcome = plan(
        config(
            table,
            "fracture",
            designs=["temporal", "leave_one_site_out"],
            harmonise="combat",
            block_columns={"clinical": ["event"], "hu": ["hu_vol_min_hu"]},
        ),
        "models",
    )
    assert not outcome.ok
    for problem in (
        "model.block_columns.clinical: event is known only after the scan",
        "temporal needs model.columns.entry",
        "temporal needs model.train_until",
        "leave_one_site_out needs two sites or more; see model.columns.site",
        "leave_one_site_out cannot go with model.harmonise: combat",
        "model.harmonise: combat needs sites",
    ):
        assert problem in outcome.text
    assert "Traceback" not in outcome.text
