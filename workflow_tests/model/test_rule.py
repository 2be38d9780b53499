"""The rule, run by Snakemake on a table."""

import json

import pandas as pd


def config(table, **model):
    columns = {"clinical": ["age_years", "sex", "bmi"], "hu": ["hu_vol_min_hu"]}
    model = {"blocks": ["clinical", "hu", "multimodal"], "block_columns": columns} | model
    model |= {"table": str(table), "repeats": 1, "folds": 3, "bootstrap": 20}
    return {"cohort": {"name": "tabular"}, "model": model}


def test_models_of_a_table_and_of_one_too_small(synthetic, run_snakemake, tmp_path):
    folder = tmp_path / "results" / "tabular" / "models" / "fracture"
    table = tmp_path / "table.csv"
    synthetic(60, 1).to_csv(table, index=False)
    done = run_snakemake("models", config=config(table))
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "settings.json").read_text())["status"] == "ok"
    metrics = pd.read_csv(folder / "metrics.tsv", sep="\t")
    assert set(metrics["block"]) == {"clinical", "hu", "multimodal"}
    log = tmp_path / "results" / "tabular" / "logs" / "models" / "fracture" / "fit_models.log"
    assert "60 patients" in log.read_text()

    synthetic(3, 1).to_csv(table, index=False)
    done = run_snakemake("models", config=config(table))
    assert done.returncode == 0, done.stderr
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["status"] == "not_fitted"
    assert len(pd.read_parquet(folder / "predictions.parquet")) == 0


def test_a_bad_table_fails_with_every_problem_in_the_log(synthetic, run_snakemake, tmp_path):
    table = tmp_path / "table.csv"
    frame = synthetic(30, 1)
    frame.loc[4, "time_years"] = -1
    frame.loc[9, "event"] = 7
    frame.to_csv(table, index=False)
    done = run_snakemake("models", config=config(table))
    assert done.returncode != 0
    log = tmp_path / "results" / "tabular" / "logs" / "models" / "fracture" / "fit_models.log"
    text = log.read_text()
    assert "P0004, time_years: '-1.0' is not a number of years above 0" in text
    assert "P0009, event: '7' is not 0 (censored)" in text
